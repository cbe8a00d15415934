"""The networks that can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor, nn

from fmri_saliency.errors import DecoderError, one_of
from fmri_saliency.models.encoders import FlatNetwork, Plain, TemporalConvolution, TransformerLayers
from fmri_saliency.models.names import (
    BIAS,
    DROPOUT,
    FLAT_NETWORKS,
    FORMS,
    FRAMES,
    LAYERS,
    POOLINGS,
    READOUTS,
    SIZE,
    network_names,
)
from fmri_saliency.models.readout import Readout
from fmri_saliency.models.recurrent import InputCellGRU, InputCellLSTM, InputCellRNN, hide_padding, set_forget_bias
from fmri_saliency.settings import Settings, bounds

__all__ = ["NetworkSettings", "SequenceClassifier", "make_network"]

INPUT_CELLS = {"lstm": InputCellLSTM, "gru": InputCellGRU, "rnn": InputCellRNN}
PLAIN_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class SequenceClassifier(nn.Module):
    """An encoder of time series between input dropout and a linear read-out.

    Parameters
    ----------
    encoder : nn.Module
        Maps ``(x, None, lengths)``, `x` of shape (batch, time, region), to ``(hidden_sequence, last_state)``.
    readout : Readout
        From the hidden sequence to one vector.
    width, n_classes : int
        Width of that vector, and number of logits.
    dropout : float
        Dropout on the inputs and on what is read, as in the reference training code.
    """

    def __init__(self, encoder: nn.Module, readout: Readout, width: int, n_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, n_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (batch, time, region) to logits (batch, class); steps from `lengths` on are padding."""
        if lengths is not None:
            x, lengths = hide_padding(x, lengths)
        hidden, _ = self.encoder(self.dropout(x), None, lengths)
        return self.linear(self.dropout(self.readout(hidden, lengths)))


@dataclass(frozen=True)
class NetworkSettings(Settings, where="of a network", error=DecoderError):
    """What :func:`make_network` can be asked for; settings that a network has no use for are ignored.

    Attributes
    ----------
    hidden_size : int
        Units per layer and direction.
    hops, attention_size, form, window, current_input
        Of the input-cell attention: see :class:`InputCellLSTM`.
    num_layers : int
        Layers; a tcn has at least 5, a transformer at least 2.
    readout : {"last", "mean", "max", "attention"}
        How the hidden sequence is read: see :class:`Readout`. The pooling and self-attention
        networks have their own; a transformer reads the mean where ``last`` is asked for.
    dropout : float
        Probability of dropping an input value or a read hidden unit in training.
    forget_bias : float
        Initial bias of an LSTM's forget gate. A plain LSTM of a hundred steps does not learn
        early events without a positive one.
    n_times : int, optional
        Time steps of a sample; needed by feed-forward and linear networks.
    """

    hidden_size: int = field(default=32, metadata=SIZE)
    hops: int = field(default=10, metadata=SIZE)
    attention_size: int = field(default=50, metadata=SIZE)
    form: str = field(default="mean", metadata=bounds(choices=FORMS))
    num_layers: int = field(default=1, metadata=LAYERS)
    window: int | None = field(default=None, metadata=FRAMES)
    current_input: bool = False
    readout: str = field(default="last", metadata=bounds(choices=READOUTS))
    dropout: float = field(default=0.5, metadata=DROPOUT)
    forget_bias: float = field(default=1.0, metadata=BIAS)
    n_times: int | None = field(default=None, metadata=FRAMES)


Builder = Callable[[int, int, NetworkSettings], nn.Module]


def _recurrent(cell: str, input_cell: bool, both: bool, readout: str | None) -> Builder:
    def build(n_regions: int, n_classes: int, s: NetworkSettings) -> nn.Module:
        if input_cell:
            encoder: nn.Module = INPUT_CELLS[cell](
                n_regions, s.hidden_size, s.hops, s.attention_size, s.form, s.num_layers, both,
                current_input=s.current_input, window=s.window,
            )  # fmt: skip
        else:
            layer = PLAIN_CELLS[cell](n_regions, s.hidden_size, s.num_layers, batch_first=True, bidirectional=both)
            encoder = Plain(layer)
        set_forget_bias(encoder, s.forget_bias)
        width = s.hidden_size * (1 + both)
        reading = Readout(readout or s.readout, width, both, s.attention_size)
        return SequenceClassifier(encoder, reading, width, n_classes, s.dropout)

    return build


def _convolution(n_regions: int, n_classes: int, s: NetworkSettings) -> nn.Module:
    encoder = TemporalConvolution(n_regions, s.hidden_size, max(s.num_layers, 5), s.dropout)
    return SequenceClassifier(encoder, Readout(s.readout, s.hidden_size), s.hidden_size, n_classes, s.dropout)


def _transformer(n_regions: int, n_classes: int, s: NetworkSettings) -> nn.Module:
    encoder = TransformerLayers(n_regions, s.hidden_size, max(s.num_layers, 2), s.dropout)
    kind = "mean" if s.readout == "last" else s.readout  # its last step is no summary of the others
    return SequenceClassifier(encoder, Readout(kind, s.hidden_size), s.hidden_size, n_classes, s.dropout)


def _flat(hidden: bool) -> Builder:
    def build(n_regions: int, n_classes: int, s: NetworkSettings) -> nn.Module:
        if s.n_times is None:
            raise DecoderError("Networks that read all time steps side by side (feed-forward, logistic-regression, "
                               "linear-svm) need n_times, the number of time steps.")
        sizes = (s.hidden_size,) * s.num_layers if hidden else ()
        return FlatNetwork(s.n_times, n_regions, n_classes, sizes, s.dropout if hidden else 0.0)

    return build


def _registry() -> dict[str, Builder]:
    found = {
        f"{'bi-' if both else ''}{'input-cell-' if input_cell else ''}{cell}": _recurrent(cell, input_cell, both, None)
        for cell in PLAIN_CELLS
        for input_cell in (False, True)
        for both in (False, True)
    }
    for words, kind in POOLINGS.items():
        for input_cell in (False, True):
            name = f"{'input-cell-' if input_cell else ''}lstm-{words}"
            found[name] = _recurrent("lstm", input_cell, False, kind)
    found["tcn"], found["transformer"] = _convolution, _transformer
    return {**found, **{name: _flat(name == "feed-forward") for name in FLAT_NETWORKS}}


_NETWORKS = _registry()


def make_network(name: str, n_regions: int, n_classes: int, **settings: Any) -> nn.Module:
    """Build a network that maps (batch, time, region) to logits (batch, class).

    Parameters
    ----------
    name : str
        One of :func:`network_names`: ``[bi-][input-cell-]{lstm,gru,rnn}``,
        ``[input-cell-]lstm-{max-pooling,mean-pooling,self-attention}``, ``tcn``,
        ``transformer``, ``feed-forward``, ``logistic-regression``, ``linear-svm``.
    n_regions, n_classes : int
        Width of the input, and number of logits.
    **settings
        Fields of :class:`NetworkSettings`.

    Raises
    ------
    DecoderError
        If a name or a setting is unknown, a size does not fit, or `n_times` is missing.
    """
    one_of(name, network_names(), "The network", DecoderError)
    for key in settings:
        one_of(key, [field.name for field in fields(NetworkSettings)], "A setting of make_network", DecoderError)
    if n_regions < 1 or n_classes < 1:
        raise DecoderError(f"A network needs at least 1 region and 1 class; {n_regions} and {n_classes} came.")
    return _NETWORKS[name](n_regions, n_classes, NetworkSettings(**settings))
