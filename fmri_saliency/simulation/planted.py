"""Signals planted in noise that looks like BOLD, and regions that matter without carrying any signal."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from fmri_saliency.simulation.boxes import BOXES
from fmri_saliency.simulation.hrf import expected_response
from fmri_saliency.simulation.noise import autocorrelated_noise, subject_gains

__all__ = ["bold_noise", "make_bold", "make_suppressors", "suppressor_cells"]

N_CARRIERS = 4


def bold_noise(n_samples: int, n_times: int, n_regions: int, rng: np.random.Generator) -> np.ndarray:
    """Draw noise (n_samples, n_times, n_regions) of unit variance that looks like BOLD.

    Half of the variance is autocorrelated noise (0.5 from frame to frame) that neighbouring regions
    share (Gaussian over the region axis, standard deviation 1.5 regions), a fifth slow and common to all
    regions (0.9 from frame to frame), the rest white.
    """
    local = autocorrelated_noise((n_times, n_samples, n_regions), rng, correlation=0.5)
    local = gaussian_filter1d(local, 1.5, axis=2, mode="wrap")
    common = autocorrelated_noise((n_times, n_samples, 1), rng, correlation=0.9)
    white = rng.standard_normal((n_times, n_samples, n_regions), dtype=np.float32)
    noise = np.sqrt(0.5) * local / local.std() + np.sqrt(0.2) * common + np.sqrt(0.3) * white
    return noise.transpose(1, 0, 2)


def make_bold(
    layout: str,
    n_samples: int,
    rng: np.random.Generator,
    effect: float = 0.5,
    t_r: float = 0.72,
    per_subject: int = 4,
    spread: float = 0.3,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plant one of the box layouts in BOLD-like noise, as activity that the haemodynamic response delays and smooths.

    Parameters
    ----------
    layout : str
        One of :data:`~fmri_saliency.simulation.boxes.BOXES`; its steps are frames of activity.
    n_samples : int
    rng : numpy Generator
    effect : float
        Peak of the response, in standard deviations of the noise; up in class 1, down in class 0.
    t_r : float
        Seconds per frame.
    per_subject : int
        Consecutive samples of one subject, which share how strongly each region answers.
    spread : float
        Of those gains (log).

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, n_times, n_regions)
    labels : ndarray of int, shape (n_samples,)
    truth : ndarray of bool, shape (n_samples, n_times, n_regions)
        Where the response exceeds half of its peak.
    """
    boxes = BOXES[layout]
    shape = (boxes.n_times, boxes.n_regions)
    responses = np.zeros((len(boxes.boxes), *shape))
    for number, group in enumerate(boxes.boxes):
        for begin, end, first, last in group:
            span = [(begin * t_r, (end - begin) * t_r)]
            responses[number, :, first:last] = expected_response(span, boxes.n_times, t_r)[:, None]
    labels = rng.permutation(np.arange(n_samples) % 2)
    place = rng.integers(len(responses), size=n_samples)
    n_subjects = -(-n_samples // per_subject)
    gains = np.stack([subject_gains(boxes.n_regions, rng, spread) for _ in range(n_subjects)])
    gain = np.repeat(gains, per_subject, axis=0)[:n_samples, None, :]
    signal = effect * gain * responses[place] * (2.0 * labels - 1.0)[:, None, None]
    inputs = bold_noise(n_samples, *shape, rng) + signal
    return inputs.astype(np.float32), labels, responses[place] > 0.5


def make_suppressors(
    n_samples: int,
    rng: np.random.Generator,
    n_times: int = 60,
    n_regions: int = 20,
    effect: float = 0.5,
    distraction: float = 2.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw samples in which some regions only help to cancel noise.

    Regions 0 to 3 carry the class (their mean is shifted by plus or minus `effect` in the middle third
    of the time) and a common distractor; regions 4 to 7 carry the distractor alone, and so say nothing
    about the class by themselves; the others are noise. All have unit noise of their own.

    Parameters
    ----------
    n_samples : int
    rng : numpy Generator
    n_times, n_regions : int
    effect, distraction : float
        Size of the shift, and standard deviation of the distractor, in standard deviations of the noise.

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, n_times, n_regions)
    labels : ndarray of int, shape (n_samples,)
    truth : ndarray of bool, shape (n_samples, n_times, n_regions)
        The cells whose mean differs between the classes: regions 0 to 3 in the middle third.

    References
    ----------
    Haufe et al. (2014), doi:10.1016/j.neuroimage.2013.10.067, on what weights of suppressors mean.
    """
    labels = rng.permutation(np.arange(n_samples) % 2)
    truth = np.zeros((n_samples, n_times, n_regions), dtype=bool)
    truth[:, n_times // 3 : 2 * n_times // 3, :N_CARRIERS] = True
    inputs = rng.standard_normal(truth.shape)
    inputs[:, :, : 2 * N_CARRIERS] += distraction * rng.standard_normal((n_samples, n_times, 1))
    inputs += effect * truth * (2.0 * labels - 1.0)[:, None, None]
    return inputs.astype(np.float32), labels, truth


def suppressor_cells(truth: np.ndarray) -> np.ndarray:
    """Return the cells of :func:`make_suppressors` that only help to cancel noise, where there is any signal.

    Parameters
    ----------
    truth : ndarray of bool, shape (n_samples, n_times, n_regions)
        Of that set.

    Returns
    -------
    ndarray of bool, shape of `truth`
        Regions 4 to 7 at the steps at which regions 0 to 3 carry the class; at others a network has no use for them.
    """
    return np.roll(truth, N_CARRIERS, axis=2)
