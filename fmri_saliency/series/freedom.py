"""How many degrees of freedom cleaning leaves to a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from nilearn.signal import create_cosine_drift

from fmri_saliency.series.settings import Cleaning

__all__ = ["FEW_LEFT", "LEAST_LEFT", "count_freedom"]

LEAST_LEFT = 5
"""Degrees of freedom below which confounds leave nothing that could be called a signal."""
FEW_LEFT = 0.2
"""Share of a run's frames that cleaning should leave as degrees of freedom."""


def _kept_components(columns: np.ndarray, t_r: float, high_pass: float, low_pass: float) -> np.ndarray:
    """Return the real Fourier components of each column within the band, shape (n_kept, n_columns)."""
    n_times = len(columns)
    frequency = np.fft.rfftfreq(n_times, t_r)
    kept = (frequency >= high_pass) & ((frequency <= low_pass) if low_pass else True)
    waves = np.fft.rfft(columns, axis=0)
    paired = kept & (frequency > 0)  # have a sine beside their cosine, but for the highest frequency of an even number
    if n_times % 2 == 0:
        paired[-1] = False
    return np.concatenate([waves.real[kept], waves.imag[paired]])


def count_freedom(n_times: int, t_r: float, cleaning: Cleaning, confounds: pd.DataFrame | None) -> int:
    r"""Return how many degrees of freedom cleaning leaves to each series of a run.

    What is regressed out, :math:`X` with the columns mean, linear trend (where it is removed), cosines (where they are
    the filter) and confounds, leaves :math:`n - \mathrm{rank}(X)` of a run of n frames, as in any linear model
    (Ciric et al. 2017, doi:10.1016/j.neuroimage.2017.03.020, compare ways of cleaning by what they leave). A
    Butterworth filter is counted as the ideal one of its band: of the n real Fourier components of a series those
    within the band are left, less the rank of the columns' own components there.

    Parameters
    ----------
    n_times : int
    t_r : float
        In seconds.
    cleaning : Cleaning
    confounds : DataFrame or None
        Shape (n_times, n_columns).

    Returns
    -------
    int
        At least 0. Correlation of successive frames, which lessens what is left further, is not counted.
    """
    columns = [np.ones((n_times, 1))]
    if cleaning.detrend:
        columns.append(np.linspace(-1, 1, n_times)[:, None])
    filtered = bool(cleaning.high_pass or cleaning.low_pass)
    if filtered and cleaning.filter == "cosine":
        columns.append(create_cosine_drift(cleaning.high_pass, np.arange(n_times) * t_r)[:, :-1])
    if confounds is not None:
        own = confounds.to_numpy(dtype=float)
        columns.append(own - own.mean(axis=0))
    design = np.column_stack(columns)
    size = np.linalg.norm(design, axis=0)
    design = design[:, size > 0] / size[size > 0]
    if filtered and cleaning.filter == "butterworth":
        design = _kept_components(design, t_r, cleaning.high_pass, cleaning.low_pass)
    if not len(design):
        return 0
    return len(design) - int(np.linalg.matrix_rank(design, tol=1e-8 * np.sqrt(n_times)))
