"""The running softmax as matrix products: a causal linear attention in chunks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["chunk_size_for", "factored_average", "is_mild"]

SPREAD = {torch.float32: 25.0, torch.float64: 200.0}  # e^(3 * spread) must not overflow in the second derivative
CHUNKS = 64  # chunks whose states are combined by one matrix product; beyond, the state is carried
SIZES = (16, 20, 25, 24, 18, 22, 28, 32)  # fastest first
SIZES_OF_ROWS = (12, 10, 16, 14, 11, 13, 15)

State = tuple[Tensor, Tensor, Tensor]  # per hop: largest score, mass, weighted sum of the inputs


def chunk_size_for(n_times: int, keep_hops: bool = False) -> int:
    """Return a number of steps per chunk that is fast and, if possible, divides the time without rest."""
    sizes = SIZES_OF_ROWS if keep_hops else SIZES
    if n_times <= max(sizes):
        return max(1, n_times)
    return min(sizes, key=lambda size: -n_times % size)


def _fill(values: Tensor, chunk_size: int) -> Tensor:
    """Lengthen time to whole chunks by repeating the last step, and cut it: (batch, chunks, steps, width)."""
    missing = -values.shape[1] % chunk_size
    if missing:
        values = torch.cat([values, values[:, -1:].expand(-1, missing, -1)], dim=1)
    return values.unflatten(1, (-1, chunk_size))


def is_mild(scores: Tensor, chunk_size: int | None = None) -> bool:
    """Return whether scores differ little enough within every chunk for :func:`factored_average`.

    Without a `chunk_size`: over the whole time and all hops of a sample. Always False where control flow may
    not depend on values.
    """
    if torch.compiler.is_compiling() or scores.dtype not in SPREAD or not scores.numel():
        return False
    known = scores.detach()
    try:
        if bool((known.flatten(1).amax(dim=1) - known.flatten(1).amin(dim=1)).max() <= SPREAD[scores.dtype]):
            return True
        if chunk_size is None:
            return False
        chunks = _fill(known, chunk_size)
        return bool((chunks.amax(dim=2) - chunks.amin(dim=2)).max() <= SPREAD[scores.dtype])
    except RuntimeError:  # under torch.func.vmap a value cannot be asked for
        return False


def factored_average(scores: Tensor, x: Tensor, chunk_size: int, keep_hops: bool = False) -> Tensor:
    r"""Average the past of `x` with softmax weights, by matrix products only.

    Within a chunk, with :math:`c_k` the largest score of hop `k` so far and
    :math:`E_{jk} = e^{s_{jk} - c_k}`, hop `k` reads input `j` at step `t` with the weight

    .. math:: E_{jk} / D_{tk} \; [j \le t], \qquad D_{tk} = \sum_{j \le t} E_{jk}

    so that the mean over hops is a product of a (steps, hops) and a (hops, steps) matrix. Earlier
    chunks enter by their sums :math:`\sum_j E_{jk}` and :math:`\sum_j E_{jk} x_j`, rescaled to
    the present :math:`c_k`.

    Parameters
    ----------
    scores : Tensor, shape (batch, time, hops)
        Mild: see :func:`is_mild`.
    x : Tensor, shape (batch, time, features)
    chunk_size : int
    keep_hops : bool
        Return a row per hop instead of their mean.

    Returns
    -------
    Tensor, shape (batch, time, features), or (batch, time, hops, features)
    """
    return _over_spans(scores, x, chunk_size, _rows if keep_hops else _mean)


Read = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def _over_spans(scores: Tensor, x: Tensor, chunk_size: int, read: Read) -> Tensor:
    """Read all chunks at once if one scale serves the whole time, otherwise span after span of `CHUNKS` chunks."""
    if is_mild(scores):
        return _whole(scores, x, chunk_size, read)
    span = chunk_size * CHUNKS
    outputs, state = [], None
    for begin in range(0, x.shape[1], span):
        part, state = _span(scores[:, begin : begin + span], x[:, begin : begin + span], chunk_size, state, read)
        outputs.append(part)
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


def _whole(scores: Tensor, x: Tensor, chunk_size: int, read: Read) -> Tensor:
    """Read all of time with one largest score per sample: what came before is a sum over chunks, never rescaled."""
    batch, n_times = scores.shape[:2]
    peak = scores.detach().flatten(1).amax(dim=1).view(-1, 1, 1)
    factor, inputs = _fill((scores - peak).exp(), chunk_size), _fill(x, chunk_size).flatten(0, 1)
    chunks, hops = factor.shape[1], factor.shape[3]
    mass = factor.flatten(1, 2).cumsum(dim=1).unflatten(1, (chunks, -1)).flatten(0, 1)
    factor = factor.flatten(0, 1)
    if chunks == 1:
        return read(factor, mass, inputs, None)[:, :n_times]
    sums = (factor.transpose(1, 2) @ inputs).flatten(1).unflatten(0, (batch, chunks))
    before = _sum_before(sums).flatten(0, 1).unflatten(1, (hops, -1))
    return read(factor, mass, inputs, before).unflatten(0, (batch, chunks)).flatten(1, 2)[:, :n_times]


def _sum_before(values: Tensor) -> Tensor:
    """Return the sum of all earlier rows, (batch, rows, width); a matrix product is faster while rows are few."""
    rows = values.shape[1]
    if rows > CHUNKS:
        return nn.functional.pad(values[:, :-1].cumsum(dim=1), (0, 0, 1, 0))
    return values.new_ones(rows, rows).tril(-1).expand(len(values), -1, -1) @ values


def _span(scores: Tensor, x: Tensor, chunk_size: int, state: State | None, read: Read) -> tuple[Tensor, State | None]:
    """Read one span of time; `state` is what came before it."""
    batch, n_times = scores.shape[:2]
    scores, inputs = _fill(scores, chunk_size), _fill(x, chunk_size).flatten(0, 1)
    chunks = scores.shape[1]
    peak = scores.detach().amax(dim=2)
    if state is not None:
        peak = torch.cat([state[0].unsqueeze(1), peak], dim=1)
    peak = peak.cummax(dim=1).values.transpose(1, 2)  # (batch, hops, chunks)
    now = peak[:, :, -chunks:]
    factor = (scores.transpose(2, 3) - now.transpose(1, 2).unsqueeze(3)).exp().flatten(0, 1)  # E, (.., hops, steps)
    mass = factor.cumsum(dim=2)
    if chunks == 1 and state is None:
        return read(factor.transpose(1, 2), mass.transpose(1, 2), inputs, None)[:, :n_times], None
    masses = mass[:, :, -1].unflatten(0, (batch, chunks)).transpose(1, 2).unsqueeze(3)  # (batch, hops, chunks, 1)
    sums = (factor @ inputs).unflatten(0, (batch, chunks)).transpose(1, 2)  # (batch, hops, chunks, features)
    if state is not None:
        masses = torch.cat([state[1].unsqueeze(2), masses], dim=2)
        sums = torch.cat([state[2].unsqueeze(2), sums], dim=2)
    rescale = (peak.unsqueeze(2) - now.unsqueeze(3)).clamp_max(0).exp().tril(-1 if state is None else 0)
    masses_before, sums_before = rescale @ masses, rescale @ sums
    after = (now[:, :, -1], masses[:, :, -1] + masses_before[:, :, -1], sums[:, :, -1] + sums_before[:, :, -1])
    before = sums_before.transpose(1, 2).flatten(0, 1)  # (batch * chunks, hops, features)
    mass = mass + masses_before.transpose(1, 2).flatten(0, 1)
    found = read(factor.transpose(1, 2), mass.transpose(1, 2), inputs, before)
    return found.unflatten(0, (batch, chunks)).flatten(1, 2)[:, :n_times], after


def _future(factor: Tensor, axis: int) -> Tensor:
    """Return which steps of a chunk lie after which, with room for the hops at `axis`."""
    steps = factor.shape[1]
    return torch.ones(steps, steps, dtype=torch.bool, device=factor.device).triu(1).unsqueeze(axis)


def _mean(factor: Tensor, mass: Tensor, inputs: Tensor, before: Tensor | None) -> Tensor:
    """Read all chunks, mean over hops.

    `factor` and `mass` are (chunks, steps, hops), `inputs` (chunks, steps, features), `before`
    (chunks, hops, features).
    """
    inverse = (factor.shape[2] * mass).reciprocal()  # (chunks, now, hops)
    weights = (inverse @ factor.transpose(1, 2)).tril()
    if before is None:
        return weights @ inputs
    return torch.baddbmm(inverse @ before, weights, inputs)


def _rows(factor: Tensor, mass: Tensor, inputs: Tensor, before: Tensor | None) -> Tensor:
    """Read as :func:`_mean` does, with a row per hop."""
    inverse = mass.reciprocal()
    weights = (inverse.unsqueeze(3) * factor.transpose(1, 2).unsqueeze(1)).masked_fill(_future(factor, 1), 0)
    if before is not None:  # what was carried is read like further inputs, each by its own hop
        weights = torch.cat([weights, inverse.diag_embed()], dim=3)
        inputs = torch.cat([inputs, before], dim=1)
    return (weights.flatten(1, 2) @ inputs).unflatten(1, (-1, factor.shape[2]))
