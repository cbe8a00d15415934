r"""The running softmax average as one compiled pass over time, for processors.

With :math:`p_t` the largest score of a hop so far, each step scales what was read by
:math:`f_t = e^{p_{t-1} - p_t}`, adds the new input with the weight :math:`e_t = e^{s_t - p_t}`, and divides by the
mass (all for every hop; :math:`S_0 = 0`, :math:`D_0 = 0`):

.. math:: S_t = f_t S_{t-1} + e_t x_t, \qquad D_t = f_t D_{t-1} + e_t, \qquad M_t = \sum_k c_{tk} S_{tk},
    \quad c_{tk} = \frac{1}{r D_{tk}}

No exponential of a positive number is taken, so scores may have any size. Backwards, with :math:`d_t` the slope at
:math:`M_t`, the same pass runs from the end: :math:`A_t = f_{t+1} A_{t+1} + c_t d_t` gives
:math:`dx_t = \sum_k e_{tk} A_{tk}`, and :math:`A_{tk} \cdot x_t` and :math:`S_{tk} \cdot d_t` give the scores' slopes.
Where hops keep rows of their own (the flatten form), :math:`M_{tk} = S_{tk} / D_{tk}`, by the same pass without a sum;
where each hop reads inputs of its own (that form, projected before it is read), :math:`M_t = \sum_k S_{tk} / D_{tk}`.
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

from fmri_saliency.models import passes
from fmri_saliency.models.linear import has_values

__all__ = ["WIDEST", "can_compile", "read_past"]

LIGHT = 1e6  # multiplications for which a second thread does not pay
WIDEST = 32  # time steps of a window for which this is faster than matrix products
TYPES = (torch.float32, torch.float64)

Plain = Callable[[Tensor, Tensor], Tensor]


def can_compile(scores: Tensor, x: Tensor, window: int | None = None) -> bool:
    """Return whether a compiled pass takes these tensors: of one real type, on a processor, with values to see."""
    if window is not None and window > WIDEST:
        return False
    if passes.njit is None or torch.compiler.is_compiling() or x.dtype not in TYPES or scores.dtype != x.dtype:
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


def _weigh(scores: Tensor, split: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return e, f and c, (batch, time, hops and more), where `split` hops share a row of M."""
    hops = scores.shape[2]
    enter, keep, share = (scores.new_empty(*scores.shape[:2], hops + -hops % passes.GROUP) for _ in range(3))
    passes.rank(*(one.detach().numpy() for one in (scores, enter, keep)))
    passes.share_out(enter.exp_().numpy(), keep.exp_().numpy(), hops, split, share.numpy())
    return enter, keep, share


class _ReadPast(torch.autograd.Function):
    """The pass over all of the past, or over a window, and its derivative."""

    @staticmethod
    def forward(ctx, scores: Tensor, x: Tensor, window: int | None, keep_hops: bool, plain: Plain) -> Tensor:
        values, inputs = scores.contiguous(), x.contiguous()
        hops, shape = scores.shape[2], (*x.shape[:2], x.shape[-1])
        work = float(shape[0] * shape[1] * shape[2]) * (hops if window is None else window)
        ctx.back, ctx.plain, ctx.work = passes.read_rows_back, plain, 2 * work
        if window is not None:
            found, saved = inputs.new_empty(shape), (values, values.new_empty(*shape[:2], window))
            ctx.back = passes.read_recent_back
            _each_sample(passes.read_recent, work, *saved, inputs, found)
        elif keep_hops or x.ndim == 4:
            saved = _weigh(values, 1)
            inputs = inputs if x.ndim == 4 else inputs.unsqueeze(2)
            found = inputs.new_empty(*shape[:2], hops if keep_hops else 1, shape[2])
            _each_sample(partial(_read_rows, hops), work, *saved, inputs, found)
        else:
            ctx.back = passes.read_back
            found, saved = inputs.new_empty(shape), _weigh(values, hops)
            _each_sample(passes.read, work, *saved, inputs, found)
        ctx.save_for_backward(scores, x, *saved)
        return found.flatten(2)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        scores, x, *saved = ctx.saved_tensors
        if torch.is_grad_enabled() or not has_values(slope):  # a derivative of this derivative, or many slopes at once
            return *_differentiate(ctx.plain, scores, x, slope, ctx.needs_input_grad[:2]), None, None, None
        inputs, slope = x.contiguous(), slope.contiguous()
        if ctx.back is passes.read_rows_back:
            inputs = inputs if x.ndim == 4 else inputs.unsqueeze(2)
            slope = slope.unflatten(2, (-1, x.shape[-1]))
        of_x, of_scores = torch.empty_like(inputs), scores.new_empty(scores.shape)
        _each_sample(ctx.back, ctx.work, *saved, inputs, slope, of_x, of_scores)
        return of_scores, of_x.view(x.shape), None, None, None


def _read_rows(hops: int, enter: np.ndarray, keep: np.ndarray, share: np.ndarray, *arrays: np.ndarray) -> None:
    passes.read_rows(enter, keep, share, hops, *arrays)


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


def read_past(scores: Tensor, x: Tensor, window: int | None, plain: Plain, keep_hops: bool = False) -> Tensor:
    """Average the past of `x` with softmax weights, where :func:`can_compile` says so.

    Parameters
    ----------
    scores : Tensor, shape (batch, time, hops)
    x : Tensor, shape (batch, time, features) or (batch, time, hops, features)
        With an axis of hops, each hop reads inputs of its own, and the result is their sum; not with a window.
    window : int or None
        Look at the last `window` steps only.
    plain : callable
        ``(scores, x) -> the same`` in PyTorch's own operations, for the second derivative.
    keep_hops : bool
        Return a row per hop side by side instead of their mean; not with a window, nor with inputs of their own.

    Returns
    -------
    Tensor, shape (batch, time, features), or (batch, time, hops * features)
    """
    return _ReadPast.apply(scores, x, window, keep_hops, plain)
