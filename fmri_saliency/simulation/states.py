"""Sets in which the region that matters changes from moment to moment."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky

__all__ = ["make_states", "make_switching"]


def _hidden_states(n_samples: int, n_times: int, n_states: int, stay: float, rng: np.random.Generator) -> np.ndarray:
    """Draw Markov chains (n_samples, n_times) that keep their state with probability `stay`."""
    states = np.empty((n_samples, n_times), dtype=int)
    states[:, 0] = rng.integers(n_states, size=n_samples)
    for t in range(1, n_times):
        moved = (states[:, t - 1] + rng.integers(1, n_states, n_samples)) % n_states
        states[:, t] = np.where(rng.random(n_samples) < stay, states[:, t - 1], moved)
    return states


def _label_by_chosen(inputs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Label samples by the sign of the sum over time of the chosen region."""
    picked = np.take_along_axis(inputs, chosen[:, :, None], axis=2)[:, :, 0]
    return (picked.sum(axis=1) > 0).astype(int)


def make_states(
    n_samples: int, rng: np.random.Generator, n_times: int = 100, stay: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a hidden Markov model with two states, of which each makes another region matter.

    Region 0 says which state it is (its mean is -1 or 1), region 1 matters in state 0, region 2 in
    state 1. All fluctuate with unit variance; regions 1 and 2 have a shift of +-0.3 per sample, so
    that classes can be told apart. The class is the sign of the sum of what matters.

    Parameters
    ----------
    n_samples : int
    rng : numpy Generator
    n_times : int
    stay : float
        Probability of keeping the state from one step to the next.

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, n_times, 3)
    labels : ndarray of int, shape (n_samples,)
    truth : ndarray of bool, shape (n_samples, n_times, 3)
        The region that matters at every step; region 0 is never true, though it must be read.

    References
    ----------
    After the State data of Tonekaboni et al. (2020, FIT) and Crabbe & van der Schaar (2021), whose labels are
    given at every step; here a sample has one label. Importance is marked at every step, as in the latter.
    """
    states = _hidden_states(n_samples, n_times, 2, stay, rng)
    inputs = rng.standard_normal((n_samples, n_times, 3), dtype=np.float32)
    inputs[:, :, 0] += 2.0 * states - 1.0
    inputs[:, :, 1:] += 0.3 * rng.choice([-1.0, 1.0], (n_samples, 1, 2))
    truth = np.zeros(inputs.shape, dtype=bool)
    np.put_along_axis(truth, states[:, :, None] + 1, True, axis=2)
    return inputs.astype(np.float32), _label_by_chosen(inputs, states + 1), truth


def make_switching(
    n_samples: int, rng: np.random.Generator, n_times: int = 100, stay: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw smooth regions among three of which the one that matters switches with a hidden state.

    Regions 0 to 2 are Gaussian processes with a squared exponential kernel (length 2 steps) and
    the means of the state (0.8, -0.5, -0.2 in turn); region k matters in state k. Region 3 is noise
    around the number of the state. The class is the sign of the sum of what matters, less its mean.

    Parameters, returns
    -------------------
    As :func:`make_states`, with four regions, of which the last is never true.

    References
    ----------
    After the Switch-Feature data of Tonekaboni et al. (2020), with one label per sample.
    """
    states = _hidden_states(n_samples, n_times, 3, stay, rng)
    step = np.arange(n_times)
    kernel = np.exp(-((step[:, None] - step) ** 2) / (2 * 2.0**2)) + 1e-4 * np.eye(n_times)
    factor = cholesky(kernel, lower=True)
    means = np.array([0.8, -0.5, -0.2])
    smooth = np.einsum("ts,nsk->ntk", factor, rng.standard_normal((n_samples, n_times, 3)))
    smooth += 0.4 * rng.choice([-1.0, 1.0], (n_samples, 1, 3))
    truth = np.zeros((n_samples, n_times, 4), dtype=bool)
    np.put_along_axis(truth, states[:, :, None], True, axis=2)
    labels = _label_by_chosen(smooth, states)
    shifts = means[(states[:, :, None] + np.arange(3)) % 3]
    last = states[:, :, None] + 0.3 * rng.standard_normal((n_samples, n_times, 1))
    return np.concatenate([smooth + shifts, last], axis=2).astype(np.float32), labels, truth
