"""Whether a map tells regions that carry a signal from regions that only help to cancel noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmri_saliency.errors import InputError
from fmri_saliency.evidence.localise import localise

__all__ = ["Suppression", "suppression"]


@dataclass(frozen=True)
class Suppression:
    """How important suppressors look beside signal.

    Attributes
    ----------
    ratio : float
        Mean absolute value of the map in suppressor cells, over that in signal cells; 0 is right, 1 means that the
        map cannot tell them apart. NaN where the map is zero in the signal cells.
    auroc, auprc : float
        Of ranking the signal cells above all others, by absolute value; mean over samples.
    density : float
        Share of signal cells: what `auprc` is by chance.
    """

    ratio: float
    auroc: float
    auprc: float
    density: float


def suppression(values: np.ndarray, signal: np.ndarray, suppressors: np.ndarray, signed: bool = False) -> Suppression:
    r"""Compare a map's values in suppressor cells with those in signal cells.

    .. math:: \frac{\overline{|S|}_{\mathrm{suppressors}}}{\overline{|S|}_{\mathrm{signal}}}

    with means over cells and samples. A suppressor carries nothing about the class by itself; a network weighs it to
    cancel noise that it shares with the signal, so that explanations of the network find it, and the pattern of Haufe
    et al. does not.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_times, n_regions)
    signal, suppressors : ndarray of bool, shape of `values`
        Cells of no sample may be both.
    signed : bool
        As in :func:`fmri_saliency.evidence.localise`, for the two areas.

    Raises
    ------
    InputError
        If the shapes differ, a sample has no signal, there are no suppressor cells, or a cell is both.

    References
    ----------
    Haufe et al. (2014), doi:10.1016/j.neuroimage.2013.10.067; Wilming et al. (2022),
    arXiv:2111.07473, on scoring explanations by suppressors.
    """
    values, signal = np.asarray(values, dtype=float), np.asarray(signal, dtype=bool)
    suppressors = np.asarray(suppressors, dtype=bool)
    if suppressors.shape != values.shape or not suppressors.any() or (suppressors & signal).any():
        raise InputError(f"Suppressor cells must be given for maps {values.shape}, apart from the signal's; an array "
                         f"{suppressors.shape} with {suppressors.sum()} cells came.")
    found = localise(values, signal, signed)
    size = np.abs(values)
    important = float(size[signal].mean())
    ratio = float(size[suppressors].mean()) / important if important > 0 else float("nan")
    return Suppression(ratio, found.auroc, found.auprc, found.density)
