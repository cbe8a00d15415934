"""How well maps of single samples find what was planted in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from fmri_saliency.errors import InputError

__all__ = ["Localisation", "localise", "paper_scores"]


@dataclass(frozen=True)
class Localisation:
    """Means over samples; each has its own truth.

    Attributes
    ----------
    auroc, auprc : float
        Of ranking the cells. A map that knows nothing has 0.5, and the share of true cells.
    time_auroc, region_auroc : float
        The same for the map summed over regions, or over time, against moments, or regions, that hold any
        true cell; NaN where all do.
    first_excess, last_excess : float
        Share of the map's mass in the first and in the last tenth of the steps, less the truth's.
    density : float
        Share of true cells: what `auprc` is by chance.
    n_samples : int
    """

    auroc: float
    auprc: float
    time_auroc: float
    region_auroc: float
    first_excess: float
    last_excess: float
    density: float
    n_samples: int


def _check(values: np.ndarray, truth: np.ndarray) -> None:
    if values.shape != truth.shape or values.ndim != 3:
        raise InputError(f"Maps and truth must be (n_samples, n_times, n_regions), one truth per map; {values.shape} "
                         f"and {truth.shape} came.")
    share = truth.mean(axis=(1, 2))
    if not ((share > 0) & (share < 1)).all():
        raise InputError("Every sample's truth must have cells that are true and cells that are not; sample "
                         f"{int(((share <= 0) | (share >= 1)).argmax())} has {100 * share.min():.0f} to "
                         f"{100 * share.max():.0f} % true ones.")
    if not np.isfinite(values).all():
        raise InputError("Maps must be finite.")


def _marginal(truth: np.ndarray, mass: np.ndarray) -> float:
    usable = [k for k, one in enumerate(truth) if 0 < one.sum() < len(one)]
    return float(np.mean([roc_auc_score(truth[k], mass[k]) for k in usable])) if usable else float("nan")


def localise(values: np.ndarray, truth: np.ndarray, signed: bool = False) -> Localisation:
    """Compare each sample's map with its own truth.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_times, n_regions)
    truth : ndarray of bool, same shape
    signed : bool
        Rank cells by their value, for contributions; otherwise by their absolute value.

    Raises
    ------
    InputError
        If the shapes differ, a truth is all or nothing, or a value is not finite.
    """
    values, truth = np.asarray(values, dtype=float), np.asarray(truth, dtype=bool)
    _check(values, truth)
    rank = values if signed else np.abs(values)
    size = np.abs(values)
    pairs = [(t.ravel(), r.ravel()) for t, r in zip(truth, rank, strict=True)]
    steps = max(1, round(0.1 * values.shape[1]))
    excess = []
    for part in (slice(None, steps), slice(-steps, None)):
        total = size.sum(axis=(1, 2))
        share = np.divide(size[:, part].sum(axis=(1, 2)), total, out=np.full(len(size), np.nan), where=total > 0)
        excess.append(float(np.nanmean(share - truth[:, part].sum(axis=(1, 2)) / truth.sum(axis=(1, 2)))))
    return Localisation(
        auroc=float(np.mean([roc_auc_score(t, r) for t, r in pairs])),
        auprc=float(np.mean([average_precision_score(t, r) for t, r in pairs])),
        time_auroc=_marginal(truth.any(axis=2), rank.sum(axis=2)),
        region_auroc=_marginal(truth.any(axis=1), rank.sum(axis=1)),
        first_excess=excess[0],
        last_excess=excess[1],
        density=float(truth.mean()),
        n_samples=len(values),
    )


def paper_scores(values: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    r"""Return the input-cell paper's two scores, means over samples: weighted Jaccard and Euclidean distance.

    With :math:`S` the absolute map, scaled to 0 to 1 for each sample, and :math:`R` the truth,

    .. math:: WJac = \frac{\sum \min(R, S)}{\sum \max(R, S)}, \qquad Euc = \frac{\lVert R - S \rVert}{\lVert R \rVert}

    They do not measure localisation: on the paper's boxes a map of uniform noise scores better than every
    published method, and an all-zero map has a distance of 1.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370.
    """
    values, truth = np.abs(np.asarray(values, dtype=float)), np.asarray(truth, dtype=bool)
    _check(values, truth)
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    scaled = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    overlap = np.minimum(truth, scaled).sum(axis=(1, 2)) / np.maximum(truth, scaled).sum(axis=(1, 2))
    distance = np.sqrt(((truth - scaled) ** 2).sum(axis=(1, 2)) / truth.sum(axis=(1, 2)))
    return float(overlap.mean()), float(distance.mean())
