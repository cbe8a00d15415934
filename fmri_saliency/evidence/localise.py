"""How well maps of single samples find what was planted in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid
from sklearn.metrics import average_precision_score, roc_auc_score

from fmri_saliency.attribution.ties import ROUNDING, rank_with_ties
from fmri_saliency.errors import InputError

__all__ = ["Localisation", "localise", "localise_classes", "mass_areas", "paper_scores"]

MASS_SHARES = np.linspace(0.1, 0.9, 9)


@dataclass(frozen=True)
class Localisation:
    """Means over samples; each has its own truth.

    Attributes
    ----------
    auroc, auprc : float
        Of ranking the cells. A map that knows nothing has 0.5, and the share of true cells.
    time_auroc, region_auroc, time_auprc, region_auprc : float
        The same for the map summed over regions, or over time, against moments, or regions, that hold any
        true cell; NaN where all do.
    first_excess, last_excess : float
        Share of the map's mass in the first and in the last tenth of the steps, less the truth's; NaN where every
        map is zero.
    density, time_density, region_density : float
        Share of true cells, moments and regions: what `auprc`, `time_auprc` and `region_auprc` are by chance.
    n_samples : int
    """

    auroc: float
    auprc: float
    time_auroc: float
    region_auroc: float
    time_auprc: float
    region_auprc: float
    first_excess: float
    last_excess: float
    density: float
    time_density: float
    region_density: float
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


def _marginal(truth: np.ndarray, mass: np.ndarray) -> tuple[float, float, float]:
    """Return AUROC, AUPRC and the share of true entries, means over samples that have both kinds."""
    usable = [(one, mass[k]) for k, one in enumerate(truth) if 0 < one.sum() < len(one)]
    if not usable:
        return (float("nan"),) * 3
    return (
        float(np.mean([roc_auc_score(one, rank_with_ties(rank)) for one, rank in usable])),
        float(np.mean([average_precision_score(one, rank_with_ties(rank)) for one, rank in usable])),
        float(np.mean([one.mean() for one, _ in usable])),
    )


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
    pairs = [(t.ravel(), rank_with_ties(r.ravel())) for t, r in zip(truth, rank, strict=True)]
    steps = max(1, round(0.1 * values.shape[1]))
    usable, excess = size.any(axis=(1, 2)), []  # a map that is zero everywhere has its mass nowhere
    for part in (slice(None, steps), slice(-steps, None)):
        share, wanted = (one[usable, part].sum(axis=(1, 2)) / one[usable].sum(axis=(1, 2)) for one in (size, truth))
        excess.append(float((share - wanted).mean()) if usable.any() else float("nan"))
    time = _marginal(truth.any(axis=2), rank.sum(axis=2))
    region = _marginal(truth.any(axis=1), rank.sum(axis=1))
    return Localisation(
        auroc=float(np.mean([roc_auc_score(t, r) for t, r in pairs])),
        auprc=float(np.mean([average_precision_score(t, r) for t, r in pairs])),
        time_auroc=time[0],
        region_auroc=region[0],
        time_auprc=time[1],
        region_auprc=region[1],
        first_excess=excess[0],
        last_excess=excess[1],
        density=float(truth.mean()),
        time_density=time[2],
        region_density=region[2],
        n_samples=len(values),
    )


def localise_classes(
    values: np.ndarray, labels: np.ndarray, truth: np.ndarray, signed: bool = False
) -> Localisation | None:
    """Compare the average map of each class with the cells that are true in at least half of its samples.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_times, n_regions)
        Averaged with their sign.
    labels : ndarray, shape (n_samples,)
    truth : ndarray of bool, shape of `values`
    signed : bool
        As in :func:`localise`.

    Returns
    -------
    Localisation or None
        Means over classes; `n_samples` counts classes. None where no class has cells that are true in half of
        its samples, and cells that are not, as when the truth moves about.
    """
    values, labels, truth = np.asarray(values, dtype=float), np.asarray(labels), np.asarray(truth, dtype=bool)
    _check(values, truth)
    if labels.shape != values.shape[:1]:
        raise InputError(f"One label per map is needed: {len(values)} maps and labels of shape {labels.shape} came.")
    kinds = [labels == kind for kind in np.unique(labels)]
    mostly = np.stack([truth[kind].mean(axis=0) >= 0.5 for kind in kinds])
    usable = [number for number, one in enumerate(mostly) if 0 < one.mean() < 1]
    if not usable:
        return None
    averages = np.stack([values[kinds[number]].mean(axis=0) for number in usable])
    return localise(averages, mostly[usable], signed)


def mass_areas(values: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    r"""Return AUP and AUR as the 2020 benchmark defines them; others define them otherwise.

    With :math:`S` the absolute map and :math:`P_p` the fewest cells, from the largest on, that hold the share
    :math:`p` of its sum, precision and recall are weighted by the map itself,

    .. math:: P(p) = \frac{\sum_{P_p \cap R} S}{\sum_{P_p} S}, \qquad
        Q(p) = \frac{\sum_{P_p \cap R} S}{\sum_{P_p \cap R} S + \sum_{R \setminus P_p} S}

    with recall 0 where the whole map misses :math:`R`, averaged over samples whose map is not zero everywhere, and
    integrated by the trapezoidal rule over :math:`p = 0.1, 0.2, \dots, 0.9`, so that both
    are at most 0.8. Equal cells are taken in the order of time. The areas depend on the values, not only on their
    order: a monotone change of a map changes them.

    time_interpret, after Crabbe and van der Schaar (2021, arXiv:2106.05303), uses the same two names for unweighted
    precision and recall of maps scaled to 0 to 1, integrated over all thresholds, with the samples in one ranking. A
    perfect map of yes and no has 0.8 and 0.4 here, (1 + density) / 2 and 1 there; a constant added to all cells changes
    the areas here, and not there. The numbers cannot be compared.

    Returns
    -------
    aup, aur : float
        NaN where every map is zero.

    References
    ----------
    Ismail et al. (2020), arXiv:2010.13924, and the authors' code.
    """
    values, truth = np.abs(np.asarray(values, dtype=float)), np.asarray(truth, dtype=bool)
    _check(values, truth)
    precision, recall = np.full((2, len(values), len(MASS_SHARES)), np.nan)
    for number, (size, planted) in enumerate(zip(values.reshape(len(values), -1), truth.reshape(len(truth), -1),
                                                 strict=True)):  # fmt: skip
        if size.sum() == 0:
            continue
        order = np.argsort(-rank_with_ties(size), kind="stable")
        held, hit = np.cumsum(size[order]), np.cumsum(np.where(planted, size, 0)[order])
        last = np.searchsorted(held, MASS_SHARES * held[-1] * (1 - ROUNDING))
        precision[number] = hit[last] / held[last]
        recall[number] = hit[last] / hit[-1] if hit[-1] > 0 else 0.0  # a map that misses the truth finds none of it
    areas = []
    for curve in (precision, recall):
        usable = curve[np.isfinite(curve).all(axis=1)]
        areas.append(float(trapezoid(usable.mean(axis=0), MASS_SHARES)) if len(usable) else float("nan"))
    return areas[0], areas[1]


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
