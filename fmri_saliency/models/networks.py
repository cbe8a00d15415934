"""The networks that can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from fmri_saliency.errors import DecoderError, one_of
from fmri_saliency.models.recurrent import InputCellLSTM, set_forget_bias

__all__ = ["READOUTS", "SequenceClassifier", "make_network", "network_names"]

READOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "last": lambda hidden: hidden[:, -1],
    "mean": lambda hidden: hidden.mean(dim=1),
}


class SequenceClassifier(nn.Module):
    """A recurrent layer between input dropout and a linear read-out.

    Parameters
    ----------
    recurrent : nn.Module
        Maps (batch, time, region) to ``(hidden_sequence, last_state)``.
    hidden_size, n_classes : int
        Width of the hidden sequence, and number of logits.
    readout : {"last", "mean"}
        Which hidden state is read: the one of the last step, or the mean over time.
    dropout : float
        Dropout on the inputs and on what is read, as in the reference training code.
    """

    def __init__(
        self, recurrent: nn.Module, hidden_size: int, n_classes: int, readout: str = "last", dropout: float = 0.1
    ) -> None:
        super().__init__()
        one_of(readout, READOUTS, "The read-out", DecoderError)
        self.recurrent = recurrent
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, time, region) to logits (batch, class)."""
        hidden, _ = self.recurrent(self.dropout(x))
        return self.linear(self.dropout(READOUTS[self.readout](hidden)))


def _lstm(n_regions: int, hidden_size: int, hops: int, attention_size: int, forget_bias: float) -> nn.Module:
    layer = nn.LSTM(n_regions, hidden_size, batch_first=True)
    set_forget_bias(layer, forget_bias)
    return layer


def _input_cell_lstm(
    n_regions: int, hidden_size: int, hops: int, attention_size: int, forget_bias: float
) -> nn.Module:
    layer = InputCellLSTM(n_regions, hidden_size, hops, attention_size)
    set_forget_bias(layer.lstm, forget_bias)
    return layer


_RECURRENT = {"input-cell-lstm": _input_cell_lstm, "lstm": _lstm}


def network_names() -> list[str]:
    """Return the names that :func:`make_network` knows."""
    return sorted(_RECURRENT)


def make_network(
    name: str,
    n_regions: int,
    n_classes: int,
    *,
    hidden_size: int = 32,
    hops: int = 10,
    attention_size: int = 50,
    readout: str = "last",
    dropout: float = 0.5,
    forget_bias: float = 1.0,
) -> SequenceClassifier:
    """Build a network that maps (batch, time, region) to logits (batch, class).

    Parameters
    ----------
    name : str
        One of :func:`network_names`.
    n_regions, n_classes : int
        Width of the input, and number of logits.
    hidden_size : int
        Units of the recurrent layer.
    hops, attention_size : int
        Rows and width of the input-cell attention (ignored by networks without one).
    readout : {"last", "mean"}
        Which hidden state the linear layer reads.
    dropout : float
        Probability of dropping an input value or a read hidden unit in training.
    forget_bias : float
        Initial bias of the forget gate. A plain LSTM of a hundred steps does not learn
        early events without a positive one.

    Raises
    ------
    DecoderError
        If the name or the read-out is unknown.
    """
    one_of(name, network_names(), "The network", DecoderError)
    recurrent = _RECURRENT[name](n_regions, hidden_size, hops, attention_size, forget_bias)
    return SequenceClassifier(recurrent, hidden_size, n_classes, readout, dropout)
