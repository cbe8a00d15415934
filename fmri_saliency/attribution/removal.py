"""Methods that take parts of the input away and look at the logit; they need no gradient."""

from __future__ import annotations

import torch
from captum.attr import FeatureAblation, Occlusion, ShapleyValueSampling
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings, Forward

__all__ = ["explain_ablation", "explain_occlusion", "explain_shapley", "window_groups"]

PER_CALL = 64


def window_groups(n_times: int, n_regions: int, window: int) -> tuple[Tensor, Tensor]:
    """Give numbers to the groups of `window` consecutive steps of one region.

    Returns
    -------
    groups : Tensor of int, shape (1, n_times, n_regions)
    sizes : Tensor, shape (1, n_times, n_regions)
        How many cells each cell's group has.
    """
    block = torch.arange(n_times) // window
    groups = (block.unsqueeze(1) * n_regions + torch.arange(n_regions)).unsqueeze(0).contiguous()
    return groups, torch.bincount(groups.flatten())[groups]


def _spread(found: Tensor, sizes: Tensor) -> Tensor:
    """Share a group's value among its cells: captum writes it into every one."""
    return found / sizes.to(found)


def explain_ablation(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return how much the logit falls when a region is set to the baseline for a window of time."""
    groups, sizes = window_groups(*x.shape[1:], settings.window)
    with torch.no_grad():
        found = FeatureAblation(forward).attribute(
            x, baselines=settings.baseline_for(x), target=target, feature_mask=groups.to(x.device),
            perturbations_per_eval=max(1, PER_CALL // len(x)),
        )  # fmt: skip
    return _spread(found, sizes)


def explain_occlusion(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return how much the logit falls, averaged over the sliding windows that a cell lies in, per cell."""
    window = min(settings.window, x.shape[1])
    stride = max(1, window // 2)
    with torch.no_grad():
        found = Occlusion(forward).attribute(
            x, sliding_window_shapes=(window, 1), strides=(stride, 1), baselines=settings.baseline_for(x),
            target=target, perturbations_per_eval=max(1, PER_CALL // len(x)),
        )  # fmt: skip
    return found / window


def explain_shapley(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return Shapley values of regions x windows, from random orders of adding them to the baseline; one sample."""
    groups, sizes = window_groups(*x.shape[1:], settings.window)
    with torch.no_grad():
        found = ShapleyValueSampling(forward).attribute(
            x, baselines=settings.baseline_for(x), target=target, feature_mask=groups.to(x.device),
            n_samples=settings.n_samples, perturbations_per_eval=PER_CALL,
        )  # fmt: skip
    return _spread(found, sizes)
