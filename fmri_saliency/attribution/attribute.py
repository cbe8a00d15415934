"""One interface to the explanation methods; captum does the arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from torch import Tensor
from tqdm.auto import tqdm

from fmri_saliency.errors import InputError, one_of

__all__ = ["METHODS", "Method", "attribute", "completeness_gap", "method_names"]

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Method:
    """What an explanation method is, besides its numbers.

    Attributes
    ----------
    signed : bool
        Whether a negative value means evidence against the target.
    uses_baseline : bool
        Whether the result depends on a baseline input.
    multiplied_by_input : bool
        Whether the result is a contribution (in logits), not a sensitivity
        (in logits per unit of input).
    axiom : str
        A property by which an implementation can be checked.
    reference : str
        Where the method was published.
    """

    signed: bool
    uses_baseline: bool
    multiplied_by_input: bool
    axiom: str
    reference: str


METHODS: dict[str, Method] = {
    "gradient": Method(
        signed=True,
        uses_baseline=False,
        multiplied_by_input=False,
        axiom="equals the slope of the logit",
        reference="Simonyan, Vedaldi, Zisserman (2013), arXiv:1312.6034",
    ),
    "input-x-gradient": Method(
        signed=True,
        uses_baseline=False,
        multiplied_by_input=True,
        axiom="equals input times slope; complete on linear functions without bias",
        reference="Shrikumar, Greenside, Shcherbina, Kundaje (2016), arXiv:1605.01713",
    ),
    "integrated-gradients": Method(
        signed=True,
        uses_baseline=True,
        multiplied_by_input=True,
        axiom="completeness: sums to F(input) - F(baseline)",
        reference="Sundararajan, Taly, Yan (2017), arXiv:1703.01365",
    ),
}


def method_names() -> list[str]:
    """Return the names that :func:`attribute` knows."""
    return list(METHODS)


def _run_captum(method: str, forward: Forward, x: Tensor, target: Tensor, baseline: Tensor, steps: int) -> Tensor:
    if method == "gradient":
        return Saliency(forward).attribute(x, target=target, abs=False)
    if method == "input-x-gradient":
        return InputXGradient(forward).attribute(x, target=target)
    return IntegratedGradients(forward).attribute(
        x, baselines=baseline, target=target, n_steps=steps, internal_batch_size=max(64, len(x))
    )


def attribute(
    forward: Forward,
    inputs: Tensor,
    targets: Tensor,
    method: str = "integrated-gradients",
    *,
    baseline: Tensor | float = 0.0,
    steps: int = 32,
    batch_size: int = 16,
    progress: bool = False,
) -> Tensor:
    """Attribute one logit per sample to its inputs.

    Parameters
    ----------
    forward : callable
        Maps (batch, time, region) to logits (batch, class). Samples must not influence
        each other; dropout and the like must be off.
    inputs : Tensor, shape (n_samples, n_times, n_regions)
        What is explained.
    targets : Tensor of int, shape (n_samples,)
        The class whose logit is explained, for each sample.
    method : str
        One of :func:`method_names`; their properties are in :data:`METHODS`.
    baseline : float or Tensor, shape (n_times, n_regions)
        What a removed input looks like, for the methods that use one. Zero is the
        run's mean when series were standardised.
    steps : int
        Points of the integral of integrated gradients (Gauss-Legendre).
    batch_size : int
        Samples explained together. It does not change the result.
    progress : bool
        Show a progress bar over batches.

    Returns
    -------
    Tensor, shape (n_samples, n_times, n_regions)
        Signed attributions: logits per unit of input for ``gradient``, logits for the
        other methods. Detached, on the device of `inputs`.

    Raises
    ------
    InputError
        If the method is unknown or the shapes do not fit.

    Notes
    -----
    cuDNN refuses the backward pass of a recurrent layer in evaluation mode, so it is
    switched off while explaining; the numbers are those of PyTorch's own kernels.
    """
    one_of(method, METHODS, "The saliency method")
    if inputs.ndim != 3 or len(targets) != len(inputs):
        raise InputError(
            "attribute expects inputs (n_samples, n_times, n_regions) and one target per sample; "
            f"inputs {tuple(inputs.shape)} and {len(targets)} targets came."
        )
    reference = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand(inputs.shape[1:])
    parts = []
    with torch.backends.cudnn.flags(enabled=False):
        begins = range(0, len(inputs), batch_size)
        for begin in tqdm(begins, desc="Explaining", unit="batch", disable=not progress, leave=False):
            x = inputs[begin : begin + batch_size].detach().clone().requires_grad_()
            target = targets[begin : begin + batch_size]
            part = _run_captum(method, forward, x, target, reference.expand_as(x), steps)
            parts.append(part.detach().contiguous())
    return torch.cat(parts) if parts else torch.empty_like(inputs)


def completeness_gap(
    forward: Forward, inputs: Tensor, targets: Tensor, attributions: Tensor, baseline: Tensor | float = 0.0
) -> Tensor:
    """Return ``sum(attribution) - (F(input) - F(baseline))`` per sample, in logits.

    Zero for an exact method with the completeness axiom (Sundararajan et al. 2017,
    arXiv:1703.01365, proposition 1).
    """
    reference = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).expand(inputs.shape)
    index = torch.arange(len(inputs), device=inputs.device)
    with torch.no_grad():
        change = forward(inputs)[index, targets] - forward(reference)[index, targets]
    return attributions.sum(dim=(1, 2)) - change
