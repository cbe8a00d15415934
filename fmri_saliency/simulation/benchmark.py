"""The 70 sets of the 2020 benchmark: ten layouts of a box in seven kinds of background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky
from scipy.signal import lfilter

__all__ = ["LAYOUTS", "PROCESSES", "Layout", "benchmark_names", "make_benchmark"]

N_TIMES = N_REGIONS = 50


@dataclass(frozen=True)
class Layout:
    """A box of important cells.

    Attributes
    ----------
    shape : tuple of int
        Steps and regions.
    start : tuple of int or None
        First step and first region; None is drawn for every sample.
    by_class : {"value", "region", "time"}
        What tells the classes apart: the sign of what is added; or where in region, or in
        time, the same amount is added (then `start` holds the place of class 0).
    other : int
        The place of class 1, where `by_class` is a place.
    """

    shape: tuple[int, int]
    start: tuple[int | None, int | None]
    by_class: str = "value"
    other: int = 29


# as the benchmark's generator has them: start (step, region), size in steps and regions
LAYOUTS: dict[str, Layout] = {
    "middle": Layout((30, 30), (10, 10)),
    "small_middle": Layout((14, 14), (18, 18)),
    "moving_middle": Layout((30, 30), (None, None)),
    "moving_small_middle": Layout((15, 15), (None, None)),
    "rare_time": Layout((6, 40), (22, 5)),
    "moving_rare_time": Layout((6, 40), (None, None)),
    "rare_feature": Layout((40, 6), (5, 22)),
    "moving_rare_feature": Layout((40, 6), (None, None)),
    "positional_time": Layout((20, 20), (None, 1), "region"),
    "positional_feature": Layout((20, 20), (1, None), "time"),
}


def _gaussian(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((n, N_TIMES))


def _harmonic(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return sines of 2 Hz at irregular moments of a 20 s record, with noise."""
    return np.sin(2 * np.pi * 2.0 * _moments(n, rng)) + 0.3 * rng.standard_normal((n, N_TIMES))


def _pseudo_periodic(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return sines whose amplitude (sd 0.5) and frequency (2 Hz, sd 0.01) change from moment to moment."""
    shape = (n, N_TIMES)
    amplitude, frequency = 1 + 0.5 * rng.standard_normal(shape), 2.0 + 0.01 * rng.standard_normal(shape)
    return amplitude * np.sin(2 * np.pi * frequency * _moments(n, rng)) + 0.3 * rng.standard_normal(shape)


def _moments(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return irregular moments (s): half of 2 T even ones in 20 s, in order."""
    even = np.linspace(0, 20, 2 * N_TIMES)
    chosen = np.argsort(rng.random((n, 2 * N_TIMES)), axis=1)[:, :N_TIMES]
    return even[np.sort(chosen, axis=1)]


def _gaussian_process(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a Gaussian process (Matern kernel of smoothness 3/2, length 1 s) on a 20 s record, with noise."""
    times = np.linspace(0, 20, N_TIMES)
    distance = np.sqrt(3.0) * np.abs(times[:, None] - times)
    factor = cholesky((1 + distance) * np.exp(-distance) + 1e-9 * np.eye(N_TIMES), lower=True)
    return rng.standard_normal((n, N_TIMES)) @ factor.T + 0.3 * rng.standard_normal((n, N_TIMES))


def _autoregressive(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return x_t = 0.9 x_{t-1} + e_t, e of standard deviation 1, after 50 steps of run-in, with noise."""
    steps = lfilter([1.0], [1.0, -0.9], rng.standard_normal((n, N_TIMES + 50)), axis=1)[:, 50:]
    return steps + 0.3 * rng.standard_normal((n, N_TIMES))


def _continuous_autoregressive(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return an Ornstein-Uhlenbeck process (0.9 per second, sd 0.01) at irregular moments, with noise."""
    moments = _moments(n, rng)
    value, out = np.zeros(n), np.zeros((n, N_TIMES))
    gaps = np.diff(moments, axis=1, prepend=moments[:, :1])
    for t in range(N_TIMES):
        keep = 0.9 ** gaps[:, t]
        value = keep * value + 0.01 * np.sqrt(1 - keep**2) * rng.standard_normal(n)
        out[:, t] = value
    return out + 0.3 * rng.standard_normal((n, N_TIMES))


def _narma(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the tenth-order nonlinear autoregressive moving average of Atiya & Parlos (2000), with noise."""
    length, order = N_TIMES + 20, 10
    drive, out = rng.uniform(0, 0.5, (n, length)), np.zeros((n, length))
    for t in range(order, length):
        past = out[:, t - order : t].sum(axis=1)
        out[:, t] = (0.3 * out[:, t - 1] + 0.05 * out[:, t - 1] * past
                     + 1.5 * drive[:, t - order] * drive[:, t - 1] + 0.1)  # fmt: skip
        out[:, t] = np.tanh(out[:, t])  # the plain recursion can run away
    return out[:, -N_TIMES:] + 0.3 * rng.standard_normal((n, N_TIMES))


PROCESSES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "gaussian": _gaussian,
    "harmonic": _harmonic,
    "gaussian_process": _gaussian_process,
    "pseudo_periodic": _pseudo_periodic,
    "autoregressive": _autoregressive,
    "continuous_autoregressive": _continuous_autoregressive,
    "narma": _narma,
}


def benchmark_names() -> list[str]:
    """Return the names of the 70 sets, ``<layout>-<process>``."""
    return [f"{layout}-{process}" for layout in LAYOUTS for process in PROCESSES]


def make_benchmark(
    name: str, n_samples: int, rng: np.random.Generator, effect: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one of the 70 sets: 50 steps of 50 regions, each region a draw of the process, plus a box.

    In most layouts `effect` is added in the box of class 1 and taken off in that of class 0; in the
    positional ones it is added in both, and where the box lies tells the class.

    Parameters
    ----------
    name : str
        One of :func:`benchmark_names`.
    n_samples : int
    rng : numpy Generator
    effect : float
        1 in the benchmark.

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, 50, 50)
    labels : ndarray of int, shape (n_samples,)
    truth : ndarray of bool, shape (n_samples, 50, 50)

    References
    ----------
    Ismail et al. (2020), arXiv:2010.13924. Layouts and processes after the authors' generator, which uses the
    library timesynth; here they are numpy and scipy, so samples differ while their kind is the same.
    """
    which, process = name.split("-")
    layout = LAYOUTS[which]
    labels = rng.permutation(np.arange(n_samples) % 2)
    start = np.empty((n_samples, 2), dtype=int)
    for axis, (fixed, size) in enumerate(zip(layout.start, layout.shape, strict=True)):
        start[:, axis] = rng.integers(0, N_TIMES - size + 1, n_samples) if fixed is None else fixed
    if layout.by_class != "value":
        axis = ("time", "region").index(layout.by_class)
        start[labels == 1, axis] = layout.other
    step, region = np.arange(N_TIMES), np.arange(N_REGIONS)
    in_time = (step >= start[:, :1]) & (step < start[:, :1] + layout.shape[0])
    in_region = (region >= start[:, 1:]) & (region < start[:, 1:] + layout.shape[1])
    truth = in_time[:, :, None] & in_region[:, None, :]
    background = PROCESSES[process](n_samples * N_REGIONS, rng).reshape(n_samples, N_REGIONS, N_TIMES)
    sign = 2.0 * labels - 1.0 if layout.by_class == "value" else np.ones(n_samples)
    inputs = background.transpose(0, 2, 1) + effect * truth * sign[:, None, None]
    return inputs.astype(np.float32), labels, truth
