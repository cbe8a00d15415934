"""Temporal saliency rescaling: first which moments matter, then which features at those."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings, Forward
from fmri_saliency.attribution.ties import ROUNDING

__all__ = ["rescale_over_time"]

PER_CALL = 32
Base = Callable[[Tensor, Tensor], Tensor]


def _change(base: Base, plain: Tensor, copies: Tensor, target: Tensor) -> Tensor:
    """Return how much the base map changes for each masked copy, summed over its cells."""
    parts = []
    for part in copies.split(PER_CALL):
        parts.append((base(part, target.expand(len(part))) - plain).abs().sum(dim=(1, 2)))
    return torch.cat(parts)


def rescale_over_time(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings, base: Base) -> Tensor:
    r"""Rescale a base map: how much it changes without a moment, times how much without a feature.

    With :math:`R` the base map, :math:`D_t = \sum |R(x) - R(x \setminus t)|` for every moment and
    :math:`F_i = \sum |R(x) - R(x \setminus i)|` for every feature, the map is :math:`D_t F_i` at the
    moments whose :math:`D_t` reaches the quantile `gate`, but for rounding, and 0 at the others. Two readings of
    the algorithm are around: a feature is masked over all time (``feature``: 1 + T + N base maps), or in
    the one cell (``cell``: 1 + T + (1 - gate) T N of them).

    Returns
    -------
    Tensor, shape of `x`
        Not signed. `x` holds one sample.

    References
    ----------
    Ismail, Gunady, Corrada Bravo, Feizi (2020), arXiv:2010.13924, algorithm 1.
    """
    n_times, n_regions = x.shape[1:]
    baseline, plain = settings.baseline_for(x), base(x, target)
    step, region = torch.arange(n_times, device=x.device), torch.arange(n_regions, device=x.device)
    without_moment = torch.where((step.unsqueeze(1) == step).unsqueeze(2), baseline, x)
    moments = _change(base, plain, without_moment, target)
    rounding = ROUNDING * moments.max()
    open_ = (moments >= moments.quantile(settings.gate) - rounding) & (moments > rounding)
    if settings.reading == "feature":
        without_feature = torch.where((region.unsqueeze(1) == region).unsqueeze(1), baseline, x)
        features = _change(base, plain, without_feature, target).expand(n_times, -1)
    else:
        features = torch.zeros(n_times, n_regions, dtype=x.dtype, device=x.device)
        for t in open_.nonzero().flatten().tolist():
            copies = x.repeat(n_regions, 1, 1)
            copies[region, t, region] = baseline[0, t]
            features[t] = _change(base, plain, copies, target)
    return (moments * open_).view(1, -1, 1) * features.unsqueeze(0)
