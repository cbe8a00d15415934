"""Methods that follow the slope of the logit, most of them captum's."""

from __future__ import annotations

import torch
from captum.attr import GradientShap, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings, Forward

__all__ = [
    "explain_gradient",
    "explain_gradient_shap",
    "explain_input_x_gradient",
    "explain_integrated_gradients",
    "explain_segments",
    "explain_smoothgrad",
    "slope",
]


def slope(forward: Forward, x: Tensor, target: Tensor) -> Tensor:
    """Return the derivative of each sample's target logit by its inputs, same shape as `x`."""
    inputs = x.detach().requires_grad_()
    chosen = forward(inputs).gather(1, target.view(-1, 1)).sum()
    return torch.autograd.grad(chosen, inputs)[0]


def explain_gradient(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return the slope of the logit (Simonyan et al. 2013)."""
    return Saliency(forward).attribute(x, target=target, abs=False)


def explain_input_x_gradient(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return input times slope."""
    return InputXGradient(forward).attribute(x, target=target)


def explain_integrated_gradients(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return the slope averaged along the straight way from the baseline, times the way."""
    return IntegratedGradients(forward).attribute(
        x, baselines=settings.baseline_for(x), target=target, n_steps=settings.steps,
        internal_batch_size=max(64, len(x)),
    )  # fmt: skip


def explain_smoothgrad(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return the slope averaged over noisy copies of the sample; `x` holds one sample."""
    spread = settings.noise * float(x.detach().std(correction=0))
    return NoiseTunnel(Saliency(forward)).attribute(
        x, nt_type="smoothgrad", nt_samples=settings.n_samples, stdevs=spread, target=target, abs=False
    )


def explain_gradient_shap(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return integrated gradients from random references, at one random point of the way each; one sample."""
    references = settings.references_for(x, "gradient-shap")
    spread = settings.noise * float(x.detach().std(correction=0))
    return GradientShap(forward).attribute(
        x, baselines=references, target=target, n_samples=settings.n_samples, stdevs=spread
    )


def explain_segments(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return integrated gradients along ways on which random segments of regions stay as they are.

    At each point :math:`\alpha` of the way, each draw keeps some segments (a region, `window` to
    3 `window` consecutive steps, about as many as there are regions) at :math:`x`, where they take no part; the
    slopes of the others are averaged over those draws and points in which a cell took part (after
    TIMING, Jang et al. 2025). Completeness is given up for robustness. `x` holds one sample.
    """
    baseline = settings.baseline_for(x)
    total, count = torch.zeros_like(x), torch.zeros_like(x)
    n_times, n_regions = x.shape[1:]
    points = (torch.arange(settings.steps, dtype=x.dtype, device=x.device) + 0.5) / settings.steps
    for _ in range(settings.n_samples):
        kept = torch.zeros(settings.steps, n_times, n_regions, dtype=torch.bool, device=x.device)
        length = torch.randint(settings.window, 3 * settings.window + 1, (settings.steps, n_regions))
        begin = (torch.rand(settings.steps, n_regions) * (n_times - length).clamp_min(1)).long()
        step = torch.arange(n_times).view(1, -1, 1)
        kept |= ((step >= begin.unsqueeze(1)) & (step < (begin + length).unsqueeze(1))).to(x.device)
        way = baseline + points.view(-1, 1, 1) * (x - baseline)
        found = slope(forward, torch.where(kept, x, way), target.expand(settings.steps))
        total += found.masked_fill(kept, 0).sum(dim=0, keepdim=True)
        count += (~kept).sum(dim=0, keepdim=True)
    return (x - baseline) * total / count.clamp_min(1)
