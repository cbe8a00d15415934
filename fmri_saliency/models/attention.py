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
    one vector per hop (its softmax average) with one score (its log-sum-exp), and
    takes part in the chunk's softmax as one more element. Cost is linear in time,
    and no exponential of a positive number is ever taken.

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
    hops = scores.shape[-1]
    past_average = past_score = None
    outputs = []
    for begin in range(0, x.shape[1], chunk_size):
        inputs, chunk = x[:, begin : begin + chunk_size], scores[:, begin : begin + chunk_size]
        steps = inputs.shape[1]
        future = torch.ones(steps, steps, dtype=torch.bool, device=x.device).triu(1)
        # (batch, hops, now, then)
        logits = chunk.transpose(1, 2).unsqueeze(2).expand(-1, -1, steps, -1)
        logits = logits.masked_fill(future, -torch.inf)
        if past_score is not None:
            carried = past_score[:, :, None, None].expand(-1, -1, steps, 1)
            logits = torch.cat([carried, logits], dim=-1)
        weights = logits.softmax(dim=-1)
        recent = weights if past_score is None else weights[..., 1:]
        average = recent.mean(dim=1) @ inputs
        # at the last step of the chunk, hop by hop: what the next chunk will call its past
        last = recent[:, :, -1] @ inputs
        if past_average is not None:
            average = average + weights[..., 0].transpose(1, 2) @ past_average / hops
            last = last + weights[:, :, -1, :1] * past_average
        past_average, past_score = last, logits[:, :, -1].logsumexp(dim=-1)
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
