"""Recurrent layers that read through input-cell attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fmri_saliency.models.attention import InputCellAttention

__all__ = ["InputCellLSTM"]


class InputCellLSTM(nn.Module):
    """LSTM whose gates see the attention-weighted past instead of the current input.

    Called and answering like :class:`torch.nn.LSTM` with ``batch_first=True``. The
    recurrence is torch's own: the attention reads inputs only, so it is computed for
    all time steps before the recurrence begins.

    Parameters
    ----------
    input_size : int
        Features (regions) per time step.
    hidden_size : int
        Units of the LSTM.
    hops, attention_size : int
        See :class:`InputCellAttention`.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370; mean over hops as in the authors' published code.
    """

    def __init__(self, input_size: int, hidden_size: int, hops: int = 10, attention_size: int = 50) -> None:
        super().__init__()
        self.attention = InputCellAttention(input_size, hops, attention_size)
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the hidden sequence (batch, time, hidden) and the last (h, c).

        `state` is (h, c), each of shape (1, batch, hidden), as for :class:`torch.nn.LSTM`.
        """
        return self.lstm(self.attention(x), state)


def set_forget_bias(lstm: nn.LSTM, value: float) -> None:
    """Set the forget-gate bias of every layer of `lstm` to `value` (in place)."""
    hidden = lstm.hidden_size
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            if "bias_ih" in name:
                parameter[hidden : 2 * hidden] = value
            elif "bias_hh" in name:
                parameter[hidden : 2 * hidden] = 0.0
