"""Noise with the structure of BOLD: slow, shared, and different in every subject."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

__all__ = ["autocorrelated_noise", "subject_gains"]


def autocorrelated_noise(
    shape: tuple[int, ...], rng: np.random.Generator, *, correlation: float = 0.5, smoothness: float = 0.0
) -> np.ndarray:
    r"""Draw noise that is autocorrelated in time and smooth in space.

    .. math:: n_t = \rho\, n_{t-1} + \sqrt{1 - \rho^2}\, \epsilon_t

    Parameters
    ----------
    shape : (n_times, ...)
        Time first; the rest is space (voxels in two or three dimensions, or regions).
    rng : numpy Generator
    correlation : float in [0, 1)
        Correlation of neighbouring frames.
    smoothness : float
        Standard deviation, in voxels, of the Gaussian that smooths each frame.

    Returns
    -------
    ndarray of float32, shape `shape`
        Zero mean; unit variance where smoothing does not meet the border.
    """
    noise = rng.standard_normal(shape, dtype=np.float32)
    if smoothness > 0:
        space = tuple(range(1, len(shape)))
        noise = gaussian_filter(noise, smoothness, axes=space)
        noise /= noise.std()
    innovation = np.sqrt(1.0 - correlation**2)
    start = noise[:1] * correlation
    filtered, _ = lfilter([innovation], [1.0, -correlation], noise, axis=0, zi=start)
    return filtered.astype(np.float32)


def subject_gains(n_regions: int, rng: np.random.Generator, spread: float = 0.3) -> np.ndarray:
    """Draw how strongly each region of one subject responds: log-normal with median 1."""
    return np.exp(spread * rng.standard_normal(n_regions))
