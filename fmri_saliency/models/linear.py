"""Linear maps by oneDNN's matrix product, where torch's own would take another library."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["has_values", "linear", "linear_beside"]

try:
    # what torch.compile takes for linear layers
    PRODUCT = torch.ops.mkldnn._linear_pointwise if torch.backends.mkldnn.is_available() else None
except (AttributeError, RuntimeError):  # a build without it
    PRODUCT = None


def has_values(*tensors: Tensor) -> bool:
    """Return whether tensors lie in a processor's memory with nothing but values: no tangents, no batched slopes."""
    if any(one.device.type != "cpu" or forward_ad.unpack_dual(one).tangent is not None for one in tensors):
        return False
    try:
        return all(one.detach().numpy() is not None for one in tensors)
    except RuntimeError:  # under torch.func
        return False


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None, besides: Tensor | None = None) -> Tensor:
    if besides is not None:
        return PRODUCT.binary(x.contiguous(), besides.contiguous(), weight.contiguous(), bias, "add")
    return PRODUCT.default(x.contiguous(), weight.contiguous(), bias, "none", [], "")


class _OfInput(torch.autograd.Function):
    """The product, and the input itself for others to use, with the slope at the input only.

    What lies in a list takes part in second derivatives only. The slope that comes back from the other users is added
    in the same pass over memory.
    """

    @staticmethod
    def forward(ctx, x: Tensor, fixed: list[Tensor | None]) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(fixed[0])
        ctx.set_materialize_grads(False)
        return _multiply(x.detach(), *(one if one is None else one.detach() for one in fixed)), x.view_as(x)

    @staticmethod
    def backward(ctx, slope: Tensor | None, besides: Tensor | None) -> tuple[Tensor | None, None]:
        (weight,) = ctx.saved_tensors
        if slope is None:
            return besides, None
        if torch.is_grad_enabled() or not has_values(*(slope, besides) if besides is not None else (slope,)):
            return slope @ weight + (0 if besides is None else besides), None
        return _multiply(slope, weight.detach().T, besides=besides), None


class _OfWeight(torch.autograd.Function):
    """Zeros, in the shape of the product, with its slopes at the weight and the bias only."""

    @staticmethod
    def forward(ctx, weight: Tensor, bias: Tensor | None, fixed: list[Tensor]) -> Tensor:
        ctx.save_for_backward(fixed[0])
        ctx.has_bias = bias is not None
        return weight.new_zeros(()).expand(*fixed[0].shape[:-1], len(weight))

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        rows = slope.flatten(0, -2)
        return rows.T @ x.flatten(0, -2), rows.sum(dim=0) if ctx.has_bias else None, None


class _Sum(torch.autograd.Function):
    """The first tensor, where the second is known to hold zeros, with the slopes of their sum."""

    @staticmethod
    def forward(ctx, found: Tensor, zeros: Tensor) -> Tensor:
        return found.view_as(found)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, Tensor]:
        return slope, slope


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias`` as :func:`torch.nn.functional.linear` does.

    On processors for which torch's library of matrix products was not made, oneDNN's (which torch's recurrent layers
    take) is twice as fast. It serves single precision in memory; torch's own serves everything else.

    Parameters
    ----------
    x : Tensor, shape (batch, time, features)
    weight : Tensor, shape (rows, features)
    bias : Tensor, shape (rows,), optional

    Returns
    -------
    Tensor, shape (batch, time, rows)
    """
    return linear_beside(x, weight, bias)[0]


def linear_beside(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return :func:`linear` of `x`, and `x` for others to use: both slopes are then added in the product itself.

    Parameters
    ----------
    x, weight, bias : Tensor
        See :func:`linear`.

    Returns
    -------
    product : Tensor, shape (batch, time, rows)
    x : Tensor, shape (batch, time, features)
    """
    given = (x, weight) if bias is None else (x, weight, bias)
    if (
        torch.compiler.is_compiling()
        or PRODUCT is None
        or any(one.dtype != torch.float32 or not one.numel() for one in given)
        or torch.is_autocast_enabled("cpu")
        or not has_values(*given)
    ):
        return torch.nn.functional.linear(x, weight, bias), x
    # two functions, since autograd computes all slopes of one, even those that nobody asked for
    found, passed = _OfInput.apply(x, [weight, bias])
    if torch.is_grad_enabled() and any(one.requires_grad for one in given[1:]):
        found = _Sum.apply(found, _OfWeight.apply(weight, bias, [x]))
    return found, passed
