"""Methods that take parts of the input away and look at the logit; they need no gradient."""

from __future__ import annotations

import torch
from captum.attr import FeatureAblation, ShapleyValueSampling
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings, Forward

__all__ = ["explain_ablation", "explain_occlusion", "explain_shapley", "sliding_windows", "window_groups"]

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


def sliding_windows(n_times: int, window: int) -> Tensor:
    """Return the windows that slide over time by half their length, up to the end.

    Returns
    -------
    Tensor of bool, shape (n_windows, n_times)
        Which steps each holds; the last window has what is left, and may be shorter.
    """
    length = min(window, n_times)
    stride = max(1, length // 2)
    begin = stride * torch.arange(1 + -(-(n_times - length) // stride)).unsqueeze(1)
    step = torch.arange(n_times)
    return (step >= begin) & (step < begin + length)


def explain_occlusion(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return how much the logit falls, averaged over the sliding windows that a cell lies in, per cell.

    .. math:: A_{ti} = \frac{1}{|\{w \ni t\}|} \sum_{w \ni t} \frac{F(x) - F(x \setminus (w, i))}{|w|}

    with :math:`|w|` the steps that window :math:`w` has, of which the last may have fewer.
    """
    windows, n_regions = sliding_windows(x.shape[1], settings.window).to(x.device), x.shape[2]
    baseline, region = settings.baseline_for(x), torch.arange(n_regions, device=x.device)
    falls = []
    with torch.no_grad():
        whole = forward(x).gather(1, target.view(-1, 1)).T
        for some in torch.arange(len(windows) * n_regions, device=x.device).split(max(1, PER_CALL // len(x))):
            gone = windows[some // n_regions].unsqueeze(2) & (region == (some % n_regions).view(-1, 1, 1))
            answer = forward(torch.where(gone.unsqueeze(1), baseline, x).flatten(0, 1)).unflatten(0, (len(some), -1))
            falls.append(whole - answer.gather(2, target.view(1, -1, 1).expand(len(some), -1, -1)).squeeze(2))
        of_cells = torch.cat(falls).unflatten(0, (len(windows), n_regions)) / windows.sum(dim=1).view(-1, 1, 1)
        return torch.einsum("wrn,wt->ntr", of_cells, windows.to(of_cells)) / windows.sum(dim=0).view(1, -1, 1)


def explain_shapley(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return Shapley values of regions x windows, from random orders of adding them to the baseline; one sample."""
    groups, sizes = window_groups(*x.shape[1:], settings.window)
    with torch.no_grad():
        found = ShapleyValueSampling(forward).attribute(
            x, baselines=settings.baseline_for(x), target=target, feature_mask=groups.to(x.device),
            n_samples=settings.n_samples, perturbations_per_eval=PER_CALL,
        )  # fmt: skip
    return _spread(found, sizes)
