"""Clean a whole run, or a stretch of it that all runs have: drift, confounds and scale."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from nilearn.signal import create_cosine_drift

from fmri_saliency.errors import InputError
from fmri_saliency.records import RawSeries, RegionSeries
from fmri_saliency.series.freedom import LEAST_LEFT, count_freedom
from fmri_saliency.series.masker import clean_signals
from fmri_saliency.series.resample import is_same_t_r, resample_values

__all__ = ["clean_series", "count_columns", "resample_raw", "round_signals"]

DIGITS = 7
"""Decimals of raw series, in standard deviations of the region that varies least: more would be noise in the file."""

COSINE = re.compile(r"cosine\d+")
"""Names of the columns of fMRIPrep that hold slow drift: cosines over the whole run."""
SLOWEST = 128.0
"""Seconds: fMRIPrep's cosines are all those of longer periods."""


class _Settings(NamedTuple):
    """What of ``[cleaning]`` is done to signals; the rest is done to images, or before."""

    detrend: bool
    high_pass: float
    low_pass: float
    filter: str
    standardize: str


def round_signals(signals: np.ndarray) -> np.ndarray:
    """Round raw signals to a ten millionth of the standard deviation of the region that varies least.

    Series in memory are then those of the file, to the last bit.

    Parameters
    ----------
    signals : ndarray, shape (n_times, n_regions)

    Returns
    -------
    ndarray of float64, shape (n_times, n_regions)
    """
    signals = np.asarray(signals, dtype=float)
    spread = signals.std(axis=0)
    spread = spread[spread > 0]
    if not len(spread) or not np.isfinite(spread.min()):
        return signals
    return signals.round(int(np.clip(DIGITS - math.floor(math.log10(spread.min())), 0, 15)))


def clean_series(raw: RawSeries, where: str, first: int = 0, n_times: int | None = None) -> RegionSeries:
    """Clean a run, or a stretch of it as if it were the run: detrend, filter, regress confounds out, scale.

    Parameters
    ----------
    raw : RawSeries
    where : str
        What to call the run in messages.
    first : int
        First frame of the stretch.
    n_times : int, optional
        Its frames; all that follow when omitted.

    Returns
    -------
    RegionSeries
        With `raw` where it is of the whole run.

    Raises
    ------
    InputError
        If the confounds explain nearly all of the stretch, or it is too short for the filter.
    """
    whole = first == 0 and n_times in (None, len(raw.values))
    stretch = slice(first, None if n_times is None else first + n_times)
    values, settings = raw.values[stretch], _Settings(*(raw.cleaning[name] for name in _Settings._fields))
    confounds = None if raw.confounds is None else _lay_cosines(raw.confounds.iloc[stretch], raw.t_r)
    if not whole:
        _check_stretch(len(values), raw.t_r, settings, confounds, where)
    found = np.full(values.shape, np.nan, dtype=np.float32)
    there = np.isfinite(values).all(axis=0)
    if there.any():
        try:
            found[:, there] = clean_signals(values[:, there], raw.t_r, settings, confounds)
        except ValueError as error:
            raise InputError(f"{len(values)} frames of {where} cannot be cleaned as [cleaning] says: {error} Choose "
                             "another filter, or longer windows.") from None
    return RegionSeries(found, raw.t_r, raw.names, raw.coverage, raw.cleaning, raw if whole else None)


def _lay_cosines(confounds: pd.DataFrame, t_r: float) -> pd.DataFrame | None:
    """Put the cosines of a stretch in the place of fMRIPrep's, which are of the whole run.

    A long run has more of them, and a part of it would lose more slow waves than a short run of the same length. Over
    a whole run they are those of the table.
    """
    own = [bool(COSINE.fullmatch(str(name))) for name in confounds.columns]
    if not any(own):
        return confounds
    drift = create_cosine_drift(1 / SLOWEST, np.arange(len(confounds)) * t_r)[:, :-1]
    names = [f"cosine{number:02d}" for number in range(drift.shape[1])]
    others = confounds.loc[:, ~np.array(own)].reset_index(drop=True)
    found = pd.concat([others, pd.DataFrame(drift, columns=names)], axis=1)
    return found if found.shape[1] else None


def count_columns(raw: RawSeries) -> int:
    """Count the columns that are regressed out of a run, but for fMRIPrep's cosines: each stretch has its own."""
    return 0 if raw.confounds is None else sum(not COSINE.fullmatch(str(name)) for name in raw.confounds.columns)


def _check_stretch(n_times: int, t_r: float, settings: _Settings, confounds: pd.DataFrame | None, where: str) -> None:
    """Refuse a stretch of which cleaning would leave nothing; whole runs are checked when they are extracted."""
    fastest = max(settings.high_pass, settings.low_pass)
    if fastest >= 0.5 / t_r:
        raise InputError(f"The filters in [cleaning] must lie below {0.5 / t_r:g} Hz, half the sampling rate that t_r "
                         f"in [samples] gives {where}; {fastest:g} Hz came.")
    left = count_freedom(n_times, t_r, settings, confounds)
    if left < LEAST_LEFT and n_times >= LEAST_LEFT and confounds is not None:
        raise InputError(f"Samples of {where} are cleaned in stretches of {n_times} frames, the length that all runs "
                         f"have, and {confounds.shape[1]} confounds, with mean and drift, explain all but {left} of "
                         "them: nothing of the signal would be left. Choose fewer in [cleaning], or longer windows.")


def resample_raw(raw: RawSeries, target: float) -> RawSeries:
    """Resample a run before it is cleaned, its confounds with it; see :func:`resample_values`.

    Regression is linear: what is regressed out afterwards is what would have been regressed out before. Raw
    series that have the repetition time are returned as they are.
    """
    if is_same_t_r(raw.t_r, target):
        return raw
    confounds = raw.confounds
    if confounds is not None:
        moved = resample_values(confounds.to_numpy(dtype=float), raw.t_r, target)
        confounds = pd.DataFrame(moved, columns=confounds.columns)
    cleaning = {**raw.cleaning, "resampled_from": raw.t_r}
    return replace(raw, values=resample_values(raw.values, raw.t_r, target), t_r=target, cleaning=cleaning,
                   confounds=confounds)  # fmt: skip
