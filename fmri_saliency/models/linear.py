"""Linear maps by oneDNN's matrix product, where torch's own would take another library."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["has_values", "linear"]

try:
    # what torch.compile takes for linear layers
    PRODUCT = torch.ops.mkldnn._linear_pointwise.default if torch.backends.mkldnn.is_available() else None
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


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return PRODUCT(x.contiguous(), weight.contiguous(), bias, "none", [], "")


class _OfInput(torch.autograd.Function):
    """The product with its slope at the input only. What lies in a list takes part in second derivatives only."""

    @staticmethod
    def forward(ctx, x: Tensor, fixed: list[Tensor | None]) -> Tensor:
        ctx.save_for_backward(fixed[0])
        return _multiply(x.detach(), *(one if one is None else one.detach() for one in fixed))

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, None]:
        (weight,) = ctx.saved_tensors
        if torch.is_grad_enabled() or not has_values(slope):
            return slope @ weight, None
        return _multiply(slope, weight.detach().T), None


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
    given = (x, weight) if bias is None else (x, weight, bias)
    if (
        torch.compiler.is_compiling()
        or PRODUCT is None
        or any(one.dtype != torch.float32 or not one.numel() for one in given)
        or torch.is_autocast_enabled("cpu")
        or not has_values(*given)
    ):
        return torch.nn.functional.linear(x, weight, bias)
    # two functions, since autograd computes all slopes of one, even those that nobody asked for
    found = _OfInput.apply(x, [weight, bias])
    if torch.is_grad_enabled() and any(one.requires_grad for one in given[1:]):
        found = found + _OfWeight.apply(weight, bias, [x])
    return found
