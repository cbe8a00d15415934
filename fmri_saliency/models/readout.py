"""From a hidden sequence to one vector: the last step, the mean, the largest, or an attended one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError, one_of
from fmri_saliency.models.names import READOUTS

__all__ = ["Readout"]



class Readout(nn.Module):
    r"""Read a hidden sequence.

    ``last`` takes the last step (of a backward direction: its last, at the first step),
    ``mean`` and ``max`` pool over time, ``attention`` is a softmax over time of
    :math:`w^T \tanh(W h_t)` (Lin et al. 2017, arXiv:1703.03130, with one row).

    Parameters
    ----------
    kind : {"last", "mean", "max", "attention"}
    width : int
        Features of the hidden sequence.
    bidirectional : bool
        The second half of the features runs backwards in time.
    attention_size : int
        Rows of :math:`W`.

    Raises
    ------
    DecoderError
        If the kind is unknown.
    """

    def __init__(self, kind: str, width: int, bidirectional: bool = False, attention_size: int = 50) -> None:
        super().__init__()
        one_of(kind, READOUTS, "The read-out", DecoderError)
        self.kind, self.bidirectional = kind, bidirectional
        self.score = None
        if kind == "attention":
            layers = nn.Linear(width, attention_size), nn.Tanh(), nn.Linear(attention_size, 1, bias=False)
            self.score = nn.Sequential(*layers)

    def forward(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (batch, time, width) to (batch, width); steps from `lengths` on are padding and not read."""
        if self.kind == "last":
            return self._last(hidden, lengths)
        if self.score is not None:
            return (self.weights(hidden, lengths).unsqueeze(1) @ hidden).squeeze(1)
        if self.kind == "max":
            fill = torch.finfo(hidden.dtype).min
            return hidden.masked_fill(self._padding(hidden, lengths).unsqueeze(2), fill).amax(dim=1)
        kept = (~self._padding(hidden, lengths)).to(hidden.dtype).unsqueeze(2)
        return (hidden * kept).sum(dim=1) / kept.sum(dim=1)

    def weights(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return how much the ``attention`` read-out takes of every step, shape (batch, time)."""
        if self.score is None:
            raise DecoderError(f"The read-out '{self.kind}' has no attention weights; 'attention' has.")
        scores = self.score(hidden).squeeze(2)
        return scores.masked_fill(self._padding(hidden, lengths), -torch.inf).softmax(dim=1)

    def _last(self, hidden: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            last = hidden[:, -1]
        else:
            index = (lengths.to(hidden.device) - 1).view(-1, 1, 1).expand(-1, 1, hidden.shape[2])
            last = hidden.gather(1, index).squeeze(1)
        if not self.bidirectional:
            return last
        half = hidden.shape[2] // 2
        return torch.cat([last[:, :half], hidden[:, 0, half:]], dim=1)

    @staticmethod
    def _padding(hidden: Tensor, lengths: Tensor | None) -> Tensor:
        steps = torch.arange(hidden.shape[1], device=hidden.device)
        if lengths is None:
            return torch.zeros(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
        return steps >= lengths.to(hidden.device).unsqueeze(1)
