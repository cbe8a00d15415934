"""Data with known truth, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any
from zlib import crc32

import numpy as np

from fmri_saliency.errors import InputError, one_of
from fmri_saliency.simulation.benchmark import benchmark_names, make_benchmark
from fmri_saliency.simulation.boxes import BOXES, make_boxes
from fmri_saliency.simulation.digits import make_digits
from fmri_saliency.simulation.planted import make_bold, make_suppressors
from fmri_saliency.simulation.states import make_states, make_switching

__all__ = ["dataset_names", "make", "samples_per_subject", "setting_names"]

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def _registry() -> dict[str, Callable[..., Arrays]]:
    found: dict[str, Callable[..., Arrays]] = {name: partial(make_boxes, name) for name in BOXES}
    found |= {f"bold-{name}": partial(make_bold, name) for name in BOXES}
    found |= {"suppressors": make_suppressors, "state": make_states, "switch-feature": make_switching}
    found["digits"] = make_digits
    return found | {name: partial(make_benchmark, name) for name in benchmark_names()}


_SETS = _registry()


def dataset_names() -> list[str]:
    """Return the names that :func:`make` knows."""
    return list(_SETS)


def setting_names(name: str) -> list[str]:
    """Return the settings that a data set has.

    Raises
    ------
    InputError
        If there is no such set.
    """
    one_of(name, _SETS, "The data set")
    return [key for key in signature(_SETS[name]).parameters if key not in ("name", "layout", "n_samples", "rng")]


def samples_per_subject(name: str, **settings: Any) -> int:
    """Return how many consecutive samples of a set belong to one simulated subject: 1 where they are independent."""
    if "per_subject" not in setting_names(name):
        return 1
    return int(settings.get("per_subject", signature(_SETS[name]).parameters["per_subject"].default))


def make(name: str, n_samples: int, seed: int, **settings: Any) -> Arrays:
    """Draw samples whose truth is known.

    Parameters
    ----------
    name : str
        One of :func:`dataset_names`: the paper's boxes (``earlier``, ``middle``, ``latter``, ``mixed``,
        ``three_earlier``, ``three_middle``, ``moving``), the same in BOLD-like noise (``bold-earlier``, ...),
        ``suppressors``, ``state``, ``switch-feature``, ``digits``, and the 70 sets of the 2020
        benchmark, ``<layout>-<process>``.
    n_samples : int
        At least 2.
    seed : int
        Of everything random; the same seed gives other samples in another set.
    **settings
        Of the set's own function.

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, n_times, n_regions)
    labels : ndarray of int, shape (n_samples,)
    truth : ndarray of bool, shape (n_samples, n_times, n_regions)
        The cells that carry what tells the classes apart.

    Raises
    ------
    InputError
        If the name or a setting is unknown, or the numbers cannot be used.
    """
    known = setting_names(name)
    for key in settings:
        if key not in known:
            raise InputError(f"The data set '{name}' has no setting '{key}'; it has {', '.join(known)}.")
    if n_samples < 2 or seed < 0:
        raise InputError(f"At least 2 samples and a seed of at least 0 are needed; {n_samples} and {seed} came.")
    return _SETS[name](n_samples, np.random.default_rng([seed, crc32(name.encode())]), **settings)
