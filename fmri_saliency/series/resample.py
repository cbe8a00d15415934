"""Put series of different repetition times on one, so that their scans can share a network."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.signal import firwin, kaiserord, resample_poly

from fmri_saliency.records import RegionSeries

__all__ = ["count_resampled", "is_same_t_r", "resample_series", "resample_values"]

ATTENUATION = 62.0  # dB, of what lies above the lower of the two Nyquist frequencies (designed; 60 are reached)
PASSED = 0.8  # of the lower Nyquist frequency: what lies below is kept
LARGEST = 1000  # denominator of the ratio of the two repetition times


def is_same_t_r(one: float, other: float) -> bool:
    """Return whether two repetition times are taken for one: equal to a thousandth."""
    return math.isclose(one, other, rel_tol=1e-3)


def nearest_frame(seconds: float, t_r: float) -> int:
    """Return the nearest whole number of frames, halves up (Python's round and numpy's go to the even one)."""
    return math.floor(seconds / t_r + 0.5 + 1e-9)


def count_resampled(n_times: int, t_r: float, target: float) -> int:
    """Return how many frames of `target` seconds begin between the first and the last frame of a series."""
    if is_same_t_r(t_r, target):
        return n_times
    return math.floor((n_times - 1) * t_r / target + 1e-6) + 1


@lru_cache(maxsize=32)
def _low_pass(up: int, down: int) -> np.ndarray:
    """Return the filter at the common multiple of both rates; its stop band begins at the lower Nyquist frequency."""
    nyquist = 1 / max(up, down)
    n_taps, beta = kaiserord(ATTENUATION, (1 - PASSED) * nyquist)
    return firwin(n_taps | 1, (1 + PASSED) / 2 * nyquist, window=("kaiser", beta))


def resample_values(values: np.ndarray, t_r: float, target: float) -> np.ndarray:
    r"""Resample series to another repetition time, band-limited.

    Frame `k` of the answer is the signal at :math:`k \cdot target` seconds after the first frame. The signal is
    interpolated by a linear-phase low-pass filter (Kaiser window, polyphase; Crochiere & Rabiner 1983,
    *Multirate digital signal processing*, ch. 4; :func:`scipy.signal.resample_poly`): with :math:`f_N` the Nyquist
    frequency of the slower of the two rates, what lies below :math:`0.8 f_N` is kept to 0.1 % and what lies above
    :math:`f_N` is reduced by 60 dB, so that nothing aliases. Beyond its ends a series is continued by its odd
    reflection about the end point; the first and last 19 frames of the slower rate depend on
    it, the first and last two or three noticeably.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_regions)
        A column with a NaN becomes NaN.
    t_r, target : float
        Seconds per frame, as they are and as wanted; equal ones (to a thousandth) pass `values` through.

    Returns
    -------
    ndarray of the type of `values`, shape (:func:`count_resampled`, n_regions)
    """
    if is_same_t_r(t_r, target):
        return values
    n_times = count_resampled(len(values), t_r, target)
    ratio = Fraction(t_r / target).limit_denominator(LARGEST)
    found = np.full((n_times, values.shape[1]), np.nan, dtype=values.dtype)
    whole = np.isfinite(values).all(axis=0)
    if len(values) == 1:  # nothing to reflect
        found[:, whole] = values[:, whole]
    elif whole.any():
        taps = _low_pass(ratio.numerator, ratio.denominator)
        mean = values[:, whole].mean(axis=0, dtype=float)  # of raw signals it is so large that its images would show
        signal = resample_poly(values[:, whole] - mean, ratio.numerator, ratio.denominator, axis=0,
                               window=taps, padtype="antireflect")  # fmt: skip
        found[:, whole] = signal[:n_times] + mean
    return found


def resample_series(series: RegionSeries, target: float) -> RegionSeries:
    """Resample a run's series to `target` seconds; see :func:`resample_values`.

    Series that were z-scored are z-scored again: the filter takes away part of the variance, more of it the
    faster the scan was, and the scale would tell scanners apart. `history` says from what was resampled.
    Series that have the repetition time are returned as they are.
    """
    if is_same_t_r(series.t_r, target):
        return series
    values = resample_values(series.values, series.t_r, target)
    if series.history.get("standardize") == "zscore_sample":
        spread = values.std(axis=0, ddof=1, dtype=float)
        centred = values - values.mean(axis=0, dtype=float)
        values = np.divide(centred, spread, out=centred, where=spread > 0).astype(series.values.dtype)
    return replace(series, values=values, t_r=target, history={**series.history, "resampled_from": series.t_r})
