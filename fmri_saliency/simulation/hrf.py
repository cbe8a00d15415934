"""The haemodynamic response: what a burst of activity looks like in BOLD."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.stats import gamma

__all__ = ["double_gamma", "expected_response"]


def double_gamma(times: np.ndarray) -> np.ndarray:
    r"""Return the canonical double-gamma response at `times` (seconds), peak 1.

    .. math:: h(t) = g(t; 6) - g(t; 16) / 6

    with :math:`g(t; a)` the gamma density of shape `a` and scale 1 s: SPM's canonical
    response (Friston et al. 1998, doi:10.1006/nimg.1997.0306).
    """
    fine = np.arange(0.0, 32.0, 0.01)
    peak = (gamma.pdf(fine, 6) - gamma.pdf(fine, 16) / 6).max()
    return (gamma.pdf(times, 6) - gamma.pdf(times, 16) / 6) / peak


def expected_response(
    blocks: Iterable[tuple[float, float]], n_times: int, t_r: float, oversampling: int = 16
) -> np.ndarray:
    """Return the BOLD response to blocks of activity, sampled once per frame.

    Parameters
    ----------
    blocks : iterable of (onset, duration)
        In seconds from the first frame.
    n_times : int
        Frames.
    t_r : float
        Seconds per frame.
    oversampling : int
        Points per frame of the convolution.

    Returns
    -------
    ndarray, shape (n_times,)
        Boxcars convolved with :func:`double_gamma`, scaled to a maximum of 1 (all zero
        when there is no block).
    """
    step = t_r / oversampling
    fine = np.arange(n_times * oversampling) * step
    boxcar = np.zeros_like(fine)
    for onset, duration in blocks:
        boxcar[(fine >= onset) & (fine < onset + duration)] = 1.0
    response = np.convolve(boxcar, double_gamma(np.arange(0.0, 32.0, step)))[: fine.size : oversampling]
    peak = np.abs(response).max()
    return response / peak if peak > 0 else response
