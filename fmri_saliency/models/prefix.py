"""The running softmax as matrix products: a causal linear attention in chunks."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["factored_mean", "is_mild"]

SPREAD = {torch.float32: 25.0, torch.float64: 200.0}  # e^(3 * spread) must not overflow in the second derivative
CHUNKS = 64  # chunks whose states are combined by one matrix product; beyond, the state is carried


def _fill(values: Tensor, chunk_size: int) -> Tensor:
    """Lengthen time to whole chunks by repeating the last step, and cut it: (batch, chunks, steps, width)."""
    missing = -values.shape[1] % chunk_size
    if missing:
        values = torch.cat([values, values[:, -1:].expand(-1, missing, -1)], dim=1)
    return values.unflatten(1, (-1, chunk_size))


def is_mild(scores: Tensor, chunk_size: int) -> bool:
    """Return whether scores differ little enough within every chunk for :func:`factored_mean`.

    Always False where control flow may not depend on values.
    """
    if torch.compiler.is_compiling() or scores.dtype not in SPREAD or not scores.numel():
        return False
    chunks = _fill(scores.detach(), chunk_size)
    try:
        return bool((chunks.amax(dim=2) - chunks.amin(dim=2)).max() <= SPREAD[scores.dtype])
    except RuntimeError:  # under torch.func.vmap a value cannot be asked for
        return False


def factored_mean(scores: Tensor, x: Tensor, chunk_size: int) -> Tensor:
    r"""Average the past of `x` with softmax weights, mean over hops, by matrix products only.

    Within a chunk, with :math:`c_k` the largest score of hop `k` so far and
    :math:`E_{jk} = e^{s_{jk} - c_k}`, the weight of input `j` at step `t` is

    .. math:: A_{tj} = \frac{1}{r} \sum_k \frac{E_{jk}}{D_{tk}} \; [j \le t], \qquad
        D_{tk} = \sum_{j \le t} E_{jk}

    which is a product of a (steps, hops) and a (hops, steps) matrix. Earlier chunks enter by
    their sums :math:`\sum_j E_{jk}` and :math:`\sum_j E_{jk} x_j`, rescaled to the present :math:`c_k`.

    Parameters
    ----------
    scores : Tensor, shape (batch, time, hops)
        Mild: see :func:`is_mild`.
    x : Tensor, shape (batch, time, features)
    chunk_size : int

    Returns
    -------
    Tensor, shape (batch, time, features)
    """
    span = chunk_size * CHUNKS
    outputs, state = [], None
    for begin in range(0, x.shape[1], span):
        part, state = _span(scores[:, begin : begin + span], x[:, begin : begin + span], chunk_size, state)
        outputs.append(part)
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


State = tuple[Tensor, Tensor, Tensor]  # largest score, mass and weighted sum per hop


def _span(scores: Tensor, x: Tensor, chunk_size: int, state: State | None) -> tuple[Tensor, State]:
    n_times, hops = x.shape[1], scores.shape[2]
    scores, x = _fill(scores, chunk_size), _fill(x, chunk_size)
    peak = scores.detach().amax(dim=2)
    if state is not None:
        peak = torch.cat([state[0].unsqueeze(1), peak], dim=1)
    peak = peak.cummax(dim=1).values
    now = peak if state is None else peak[:, 1:]  # (batch, chunks, hops)
    factor = (scores - now.unsqueeze(2)).exp()  # E, (batch, chunks, steps, hops)
    mass_here = factor.cumsum(dim=2)
    sums, masses = factor.transpose(2, 3) @ x, mass_here[:, :, -1]
    if state is not None:
        sums, masses = (torch.cat([old.unsqueeze(1), new], 1) for old, new in ((state[2], sums), (state[1], masses)))
    rescale = (peak.unsqueeze(1) - now.unsqueeze(2)).clamp_max(0).exp().permute(0, 3, 1, 2)  # (.., chunk, earlier)
    rescale = rescale.tril(-1 if state is None else 0)
    sums_before = (rescale @ sums.transpose(1, 2)).transpose(1, 2)
    mass_before = (rescale @ masses.transpose(1, 2).unsqueeze(3)).squeeze(3).transpose(1, 2)
    inverse = 1 / (hops * (mass_here + mass_before.unsqueeze(2)))
    weights = (inverse @ factor.transpose(2, 3)).tril()
    average = (weights @ x + inverse @ sums_before).flatten(1, 2)[:, :n_times]
    return average, (now[:, -1], masses[:, -1] + mass_before[:, -1], sums[:, -1] + sums_before[:, -1])
