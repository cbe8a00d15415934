"""Input-cell attention: what every time step has read of the past, all steps at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["InputCellAttention", "causal_softmax_average"]


def causal_softmax_average(scores: Tensor, x: Tensor, chunk_size: int = 32) -> Tensor:
    r"""Average the past of `x` with softmax weights, for every time step and hop.

    .. math::

        M_{tk} = \frac{\sum_{j \le t} e^{s_{jk}} x_j}{\sum_{j \le t} e^{s_{jk}}}, \qquad
        M_t = \frac{1}{r} \sum_k M_{tk}

    The scores :math:`s_{jk}` of input `j` do not depend on `t`, so the softmax over
    the past is a running one. Time is cut into chunks. What came before a chunk is
    one vector per hop (its softmax average) with its mass (the sum of exponentials,
    relative to the largest score so far), and takes part in the chunk's softmax as one
    more element. Cost is linear in time, and no exponential of a positive number is
    ever taken.

    Parameters
    ----------
    scores : Tensor, shape (batch, time, hops)
        Score of each input for each hop.
    x : Tensor, shape (batch, time, features)
        The inputs.
    chunk_size : int
        Time steps handled by one matrix product. It changes speed and memory, not
        the result (up to rounding).

    Returns
    -------
    Tensor, shape (batch, time, features)
        :math:`M_t`, averaged over the hops.

    References
    ----------
    Ismail, Gunady, Pessoa, Corrada Bravo, Feizi (2019), Input-Cell Attention Reduces
    Vanishing Saliency of Recurrent Neural Networks, NeurIPS, arXiv:1910.12370. The mean
    over hops is the form of the authors' published code.
    """
    outputs = []
    past: tuple[Tensor, Tensor, Tensor] | None = None  # per hop: softmax average, its mass, and the mass's exponent
    for begin in range(0, x.shape[1], chunk_size):
        inputs, chunk = x[:, begin : begin + chunk_size], scores[:, begin : begin + chunk_size]
        steps = inputs.shape[1]
        future = torch.ones(steps, steps, dtype=torch.bool, device=x.device).triu(1)
        # the largest score so far; it cancels from the quotient, so no gradient flows through it
        peak = chunk.detach().cummax(dim=1).values
        if past is not None:
            peak = torch.maximum(peak, past[2].unsqueeze(1))
        peak = peak.transpose(1, 2)  # (batch, hops, now)
        exponent = chunk.transpose(1, 2).unsqueeze(2) - peak.unsqueeze(3)  # (batch, hops, now, then)
        weights = exponent.masked_fill(future, -torch.inf).exp()
        mass = weights.sum(dim=3)
        carried = None
        if past is not None:
            carried = past[1].unsqueeze(2) * (past[2].unsqueeze(2) - peak).exp()
            mass = mass + carried
            carried = carried / mass
        weights = weights / mass.unsqueeze(3)
        average = weights.mean(dim=1) @ inputs
        last = weights[:, :, -1] @ inputs
        if past is not None and carried is not None:
            average = average + carried.transpose(1, 2) @ past[0] / scores.shape[2]
            last = last + carried[:, :, -1:] * past[0]
        past = last, mass[:, :, -1], peak[:, :, -1]
        outputs.append(average)
    return torch.cat(outputs, dim=1)


class InputCellAttention(nn.Module):
    r"""Attention of every time step over all inputs so far.

    .. math::

        s_{jk} = [W_2 \tanh(W_1 x_j + b_1) + b_2]_k

    followed by :func:`causal_softmax_average`.

    Parameters
    ----------
    input_size : int
        Features (regions) per time step.
    hops : int
        Number of attention rows, `r` in the paper.
    attention_size : int
        Width of the scoring layer, `d_a` in the paper.
    chunk_size : int
        See :func:`causal_softmax_average`.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370.
    """

    def __init__(self, input_size: int, hops: int = 10, attention_size: int = 50, chunk_size: int = 32) -> None:
        super().__init__()
        self.first = nn.Linear(input_size, attention_size)
        self.second = nn.Linear(attention_size, hops)
        self.chunk_size = chunk_size
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def scores(self, x: Tensor) -> Tensor:
        """Return the score of every input for every hop, shape (batch, time, hops)."""
        return self.second(torch.tanh(self.first(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, time, features) to what was read of the past, same shape."""
        return causal_softmax_average(self.scores(x), x, self.chunk_size)
