"""Whether the mean of a signal is a baseline that per cent of it mean something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import iqr

from fmri_saliency.errors import InputError

__all__ = ["LEAST_RATIO", "check_baseline"]

LEAST_RATIO = 2.0
"""How many standard deviations the middle of a region's signal is above 0, at the least; BOLD has tens of them."""


def check_baseline(signals: np.ndarray, names: Sequence[str], where: object) -> None:
    """Refuse per cent signal change of signals whose mean is not a baseline: of demeaned, or denoised, scans.

    The middle of a signal is its median, and its standard deviation that of a normal distribution with its
    interquartile range, so that a few frames that jump do not decide.

    Parameters
    ----------
    signals : ndarray, shape (n_times, n_regions)
        Before cleaning; regions with a value that is not finite are not asked.
    names : sequence of str
        Of the regions.
    where : object
        The scan, for the message.

    Raises
    ------
    InputError
        If the middle of a region's signal is at most 0, or less than two standard deviations above it.
    """
    signals = np.asarray(signals, dtype=float)
    asked = np.flatnonzero(np.isfinite(signals).all(axis=0))
    middle, mean = np.median(signals[:, asked], axis=0), signals[:, asked].mean(axis=0)
    spread = iqr(signals[:, asked], axis=0, scale="normal")
    wrong = np.flatnonzero((np.minimum(middle, mean) <= 0) | (middle < LEAST_RATIO * spread))
    if len(wrong):
        first = wrong[0]
        raise InputError(
            f"Per cent signal change needs a mean that is a baseline: in {where}, {len(wrong)} of {len(asked)} regions "
            f"have none (the first, '{names[asked[first]]}', lies around {middle[first]:.4g} with a standard deviation "
            f"of {spread[first]:.4g}). Were the scans demeaned, or denoised? Set standardize = \"zscore_sample\" or "
            '"none" in [cleaning], or take scans that keep their mean.'
        )
