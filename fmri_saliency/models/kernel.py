r"""The running softmax average as one compiled pass over time, for processors.

With :math:`p_t` the largest score of a hop so far, each step scales what was read by
:math:`f_t = e^{p_{t-1} - p_t}`, adds the new input with the weight :math:`e_t = e^{s_t - p_t}`, and divides by the
mass (all for every hop; :math:`S_0 = 0`, :math:`D_0 = 0`):

.. math:: S_t = f_t S_{t-1} + e_t x_t, \qquad D_t = f_t D_{t-1} + e_t, \qquad M_t = \sum_k c_{tk} S_{tk},
    \quad c_{tk} = \frac{1}{r D_{tk}}

No exponential of a positive number is taken, so scores may have any size. Backwards, with :math:`d_t` the slope at
:math:`M_t`, the same pass runs from the end: :math:`A_t = f_{t+1} A_{t+1} + c_t d_t` gives
:math:`dx_t = \sum_k e_{tk} A_{tk}`, and :math:`A_{tk} \cdot x_t` and :math:`S_{tk} \cdot d_t` give the scores' slopes.
Where hops keep rows of their own (the flatten form), :math:`M_{tk} = S_{tk} / D_{tk}`, by the same pass without a sum.
With a window, :math:`M_t = \sum_{d < D} a_{td} x_{t-d}` with the mean over hops of the softmax weights within it.

The matrix products of :mod:`fmri_saliency.models.prefix` compute the same wherever this does not run; the second
derivative always goes through them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fmri_saliency.models.linear import has_values

try:
    from numba import njit
except ImportError:  # no compiler for this version of Python yet: matrix products serve
    njit = None

__all__ = ["WIDEST", "can_compile", "read_past"]

WIDTH = 256  # features that are read together, so that what was read stays in the processor's nearest cache
LIGHT = 1e6  # multiplications for which a second thread does not pay
WIDEST = 32  # time steps of a window for which this is faster than matrix products
FAST = {"contract", "reassoc", "nsz", "arcp"}  # may reorder sums, must respect NaN and infinity
TYPES = (torch.float32, torch.float64)

Plain = Callable[[Tensor, Tensor], Tensor]


def _compile(function: Callable) -> Callable:
    """Compile a function on its first call, and keep the result on disk where any folder can be written."""
    if njit is None:
        return function
    try:
        return njit(nogil=True, fastmath=FAST, cache=True)(function)
    except RuntimeError:  # neither beside the package nor at home
        return njit(nogil=True, fastmath=FAST)(function)


@_compile
def weigh(scores, split, enter, keep, share):
    """Fill e, f and c, all (batch, time, hops), from the scores; `split` hops share one row of M."""
    batch, n_times, hops = scores.shape
    for b in range(batch):
        for k in range(hops):
            peak = scores[b, 0, k]
            mass = scores.dtype.type(0)
            for t in range(n_times):
                score = scores[b, t, k]
                if score > peak:
                    keep[b, t, k] = np.exp(peak - score)
                    enter[b, t, k] = 1
                    peak = score
                else:
                    keep[b, t, k] = 1
                    enter[b, t, k] = np.exp(score - peak)
                mass = keep[b, t, k] * mass + enter[b, t, k]
                share[b, t, k] = 1 / (split * mass)


@_compile
def read(enter, keep, share, x, out):
    """Fill M, (batch, time, rows, features), with one row for all hops or one for each."""
    batch, n_times, features = x.shape
    hops, rows = enter.shape[2], out.shape[2]
    held = np.empty((hops, WIDTH), x.dtype)
    for b in range(batch):
        for begin in range(0, features, WIDTH):
            width = min(WIDTH, features - begin)
            held[:] = 0
            for t in range(n_times):
                now = x[b, t, begin : begin + width]
                for k in range(hops):
                    past, e, f, c = held[k], enter[b, t, k], keep[b, t, k], share[b, t, k]
                    found = out[b, t, k if rows > 1 else 0, begin : begin + width]
                    if k == 0 or rows > 1:
                        for n in range(width):
                            past[n] = f * past[n] + e * now[n]
                            found[n] = c * past[n]
                    else:
                        for n in range(width):
                            past[n] = f * past[n] + e * now[n]
                            found[n] += c * past[n]


@_compile
def read_back(enter, keep, share, x, slope, slope_x, slope_scores):
    """Fill the slopes at x, (batch, time, features), and at the scores, (batch, time, hops)."""
    batch, n_times, features = x.shape
    hops, rows = enter.shape[2], slope.shape[2]
    split = hops // rows
    held = np.empty((hops, WIDTH), x.dtype)
    for b in range(batch):
        of_share = np.zeros((n_times, hops), x.dtype)  # S . d
        of_enter = np.zeros((n_times, hops), x.dtype)  # A . x
        for begin in range(0, features, WIDTH):
            width = min(WIDTH, features - begin)
            held[:] = 0
            for t in range(n_times):
                now = x[b, t, begin : begin + width]
                for k in range(hops):
                    past, e, f = held[k], enter[b, t, k], keep[b, t, k]
                    d = slope[b, t, k if rows > 1 else 0, begin : begin + width]
                    total = x.dtype.type(0)
                    for n in range(width):
                        value = f * past[n] + e * now[n]
                        past[n] = value
                        total += d[n] * value
                    of_share[t, k] += total
            held[:] = 0
            for t in range(n_times - 1, -1, -1):
                now = x[b, t, begin : begin + width]
                found = slope_x[b, t, begin : begin + width]
                found[:] = 0
                for k in range(hops):
                    later, e, f, c = held[k], enter[b, t, k], keep[b, t, k], share[b, t, k]
                    d = slope[b, t, k if rows > 1 else 0, begin : begin + width]
                    total = x.dtype.type(0)
                    for n in range(width):
                        value = later[n] + c * d[n]
                        found[n] += e * value
                        total += value * now[n]
                        later[n] = f * value
                    of_enter[t, k] += total
        for k in range(hops):
            of_mass = x.dtype.type(0)
            for t in range(n_times - 1, -1, -1):
                of_mass -= of_share[t, k] * share[b, t, k] * share[b, t, k] * split
                slope_scores[b, t, k] = enter[b, t, k] * (of_enter[t, k] + of_mass)
                of_mass *= keep[b, t, k]


@_compile
def weigh_recent(scores, b, k, t, count, weights):
    """Fill one hop's softmax weights over the last steps, from the present one backwards."""
    peak = scores[b, t, k]
    for d in range(1, count):
        peak = max(peak, scores[b, t - d, k])
    mass = scores.dtype.type(0)
    for d in range(count):
        weights[d] = np.exp(scores[b, t - d, k] - peak)
        mass += weights[d]
    for d in range(count):
        weights[d] /= mass


@_compile
def read_recent(scores, share, x, out):
    """Fill a, (batch, time, window), and M, (batch, time, features)."""
    batch, n_times, hops = scores.shape
    window = share.shape[2]
    weights = np.empty(window, x.dtype)
    for b in range(batch):
        for t in range(n_times):
            count = min(window, t + 1)
            share[b, t, :] = 0
            for k in range(hops):
                weigh_recent(scores, b, k, t, count, weights)
                for d in range(count):
                    share[b, t, d] += weights[d] / hops
            found = out[b, t]
            found[:] = 0
            for d in range(count):
                a, past = share[b, t, d], x[b, t - d]
                for n in range(len(found)):
                    found[n] += a * past[n]


@_compile
def read_recent_back(scores, share, x, slope, slope_x, slope_scores):
    """Fill the slopes at x, (batch, time, features), and at the scores, (batch, time, hops)."""
    batch, n_times, hops = scores.shape
    window = share.shape[2]
    weights, of_share = np.empty(window, x.dtype), np.empty(window, x.dtype)
    slope_x[:] = 0
    slope_scores[:] = 0
    for b in range(batch):
        for t in range(n_times):
            count, arrived = min(window, t + 1), slope[b, t]
            for d in range(count):
                a, past, of_past = share[b, t, d], x[b, t - d], slope_x[b, t - d]
                total = x.dtype.type(0)
                for n in range(len(arrived)):
                    of_past[n] += a * arrived[n]
                    total += arrived[n] * past[n]
                of_share[d] = total / hops
            for k in range(hops):
                weigh_recent(scores, b, k, t, count, weights)
                mean = x.dtype.type(0)
                for d in range(count):
                    mean += weights[d] * of_share[d]
                for d in range(count):
                    slope_scores[b, t - d, k] += weights[d] * (of_share[d] - mean)


def can_compile(scores: Tensor, x: Tensor, window: int | None = None) -> bool:
    """Return whether a compiled pass takes these tensors: of one real type, on a processor, with values to see."""
    if window is not None and window > WIDEST:
        return False
    if njit is None or torch.compiler.is_compiling() or x.dtype not in TYPES or scores.dtype != x.dtype:
        return False
    return bool(scores.numel()) and has_values(scores, x)


def _each_sample(work: Callable, size: float, *tensors: Tensor) -> None:
    """Share the samples of a batch among as many threads as torch has; the result does not depend on it."""
    arrays = [tensor.detach().numpy() for tensor in tensors]
    threads = min(torch.get_num_threads(), len(arrays[0])) if size > LIGHT else 1
    if threads < 2:
        work(*arrays)
        return
    parts = zip(*(np.array_split(array, threads) for array in arrays), strict=True)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: work(*part), parts))


class _ReadPast(torch.autograd.Function):
    """The pass over all of the past, or over a window, and its derivative."""

    @staticmethod
    def forward(ctx, scores: Tensor, x: Tensor, window: int | None, rows: int, plain: Plain) -> Tensor:
        values, inputs = scores.contiguous(), x.contiguous()
        found = inputs.new_empty(*x.shape[:2], rows, x.shape[2])
        work = float(x.numel()) * (scores.shape[2] if window is None else window)
        if window is None:
            saved = tuple(torch.empty_like(values) for _ in range(3))
            _each_sample(partial(_weigh_and_read, scores.shape[2] // rows), work, values, *saved, inputs, found)
        else:
            saved = values, values.new_empty(*x.shape[:2], window)
            _each_sample(read_recent, work, *saved, inputs, found.squeeze(2))
        ctx.save_for_backward(scores, x, *saved)
        ctx.window, ctx.plain, ctx.work = window, plain, work
        return found.flatten(2)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        scores, x, *saved = ctx.saved_tensors
        if torch.is_grad_enabled() or not has_values(slope):  # a derivative of this derivative, or many slopes at once
            return *_differentiate(ctx.plain, scores, x, slope, ctx.needs_input_grad[:2]), None, None, None
        inputs = x.contiguous()
        of_x, of_scores = torch.empty_like(inputs), torch.empty_like(saved[0])
        slope = slope.contiguous()
        if ctx.window is None:
            back, slope = read_back, slope.unflatten(2, (-1, x.shape[2]))
        else:
            back = read_recent_back
        _each_sample(back, 2 * ctx.work, *saved, inputs, slope, of_x, of_scores)
        return of_scores, of_x, None, None, None


def _differentiate(
    plain: Plain, scores: Tensor, x: Tensor, slope: Tensor, wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Return the slopes of the plain form at those inputs that want one, with a graph of their own if that is kept."""
    with torch.enable_grad():
        inputs = [one.view_as(one) if asked else one for one, asked in zip((scores, x), wanted, strict=True)]
        chosen = [one for one, asked in zip(inputs, wanted, strict=True) if asked]
        found = plain(*inputs)
    slopes = iter(torch.autograd.grad(found, chosen, slope, create_graph=torch.is_grad_enabled()))
    return [next(slopes) if asked else None for asked in wanted]


def _weigh_and_read(split: int, scores: np.ndarray, enter: np.ndarray, keep: np.ndarray, share: np.ndarray,
                    x: np.ndarray, found: np.ndarray) -> None:  # fmt: skip
    weigh(scores, split, enter, keep, share)
    read(enter, keep, share, x, found)


def read_past(scores: Tensor, x: Tensor, window: int | None, plain: Plain, keep_hops: bool = False) -> Tensor:
    """Average the past of `x` with softmax weights, where :func:`can_compile` says so.

    Parameters
    ----------
    scores : Tensor, shape (batch, time, hops)
    x : Tensor, shape (batch, time, features)
    window : int or None
        Look at the last `window` steps only.
    plain : callable
        ``(scores, x) -> the same`` in PyTorch's own operations, for the second derivative.
    keep_hops : bool
        Return a row per hop side by side instead of their mean; not with a window.

    Returns
    -------
    Tensor, shape (batch, time, features), or (batch, time, hops * features)
    """
    return _ReadPast.apply(scores, x, window, scores.shape[2] if keep_hops else 1, plain)
