"""Maps that need no network: what any explanation must be better than, and the one that none can beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_selection import f_classif

from fmri_saliency.attribution.ties import ROUNDING
from fmri_saliency.errors import InputError

__all__ = ["NAIVE", "class_difference", "naive_maps"]

NAIVE = {
    "random map": "standard normal numbers",
    "size of the input": "the sample's own absolute values",
    "all ones": "the same everywhere",
    "class difference": "the F statistic of each cell between the classes of the training samples, without any network",
    "oracle": "the truth itself: the most that a score can be",
}


def class_difference(X: np.ndarray, y: Any) -> np.ndarray:
    """Return how much each cell differs between classes by itself: its F statistic over samples.

    For two classes it is the square of Student's t.

    Parameters
    ----------
    X : array, shape (n_samples, n_times, n_regions)
    y : sequence of labels

    Returns
    -------
    ndarray, shape (n_times, n_regions)
        0 where a cell is the same in all samples.

    Raises
    ------
    InputError
        If the labels do not fit, there are fewer than two classes, or no more samples than classes.
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if y.shape != X.shape[:1]:
        raise InputError(f"The class difference needs one label per sample; {X.shape} and {y.shape} came.")
    if not 2 <= len(np.unique(y)) < len(y):
        raise InputError("The class difference needs at least two classes, and more samples than classes; "
                         f"{len(y)} samples of {len(np.unique(y))} classes came.")
    flat = X.reshape(len(X), -1)
    varied = np.ptp(flat, axis=0) > ROUNDING * np.abs(flat).max(axis=0)
    found = np.zeros(flat.shape[1])
    if varied.any():
        with np.errstate(divide="ignore"):  # cells that tell the classes apart without any spread
            found[varied] = f_classif(flat[:, varied], y)[0]
    return np.nan_to_num(found, posinf=np.finfo(np.float32).max).reshape(np.shape(X)[1:])


def naive_maps(
    X: np.ndarray, truth: np.ndarray, train: tuple[np.ndarray, Any], seed: int = 0
) -> dict[str, np.ndarray]:
    """Return the maps of :data:`NAIVE` for samples, each of the shape of `X`.

    Parameters
    ----------
    X : array, shape (n_samples, n_times, n_regions)
    truth : array of bool, shape of `X`
    train : pair of arrays
        Other samples and their labels, for the class difference.
    seed : int
        Of the random map.
    """
    shape = np.shape(X)
    maps = (
        np.random.default_rng([seed, 1]).standard_normal(shape),
        np.abs(X),
        np.ones(shape),
        np.broadcast_to(class_difference(*train), shape),
        np.asarray(truth, dtype=float),
    )
    return dict(zip(NAIVE, maps, strict=True))
