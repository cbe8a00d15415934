"""Handwritten digits read from top to bottom, a row at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fmri_saliency.errors import InputError

__all__ = ["make_digits"]


def _read(path: Path | None) -> tuple[np.ndarray, np.ndarray, float]:
    if path is None:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.images, digits.target, 16.0
    try:
        with np.load(path, allow_pickle=False) as file:
            images = np.concatenate([file["x_train"], file["x_test"]])
            return images, np.concatenate([file["y_train"], file["y_test"]]), 255.0
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"Expected MNIST as an NPZ file with x_train, y_train, x_test and y_test at {path}: {error}. "
                         "Leave path out for scikit-learn's smaller digits.") from None


def make_digits(
    n_samples: int, rng: np.random.Generator, digits: tuple[int, ...] = (1, 6, 7), path: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw digits as time series: rows are time steps, from the top, and columns are regions.

    Parameters
    ----------
    n_samples : int
        At most as many as there are of the chosen digits; none occurs twice.
    rng : numpy Generator
    digits : tuple of int
        The classes; 1, 6 and 7 are those of the input-cell attention poster.
    path : path, optional
        MNIST as an NPZ file (28 rows of 28); scikit-learn's digits (8 of 8) when omitted.

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, rows, columns)
        Brightness, 0 to 1.
    labels : ndarray of int, shape (n_samples,)
        Positions in `digits`.
    truth : ndarray of bool, shape (n_samples, rows, columns)
        The stroke: pixels brighter than half. What sets a digit apart from another is a part of it, and also
        where no stroke is, so that this truth is a rough one.

    Raises
    ------
    InputError
        If the file cannot be read, or holds fewer digits than are asked for.
    """
    images, targets, white = _read(None if path is None else Path(path))
    known = np.flatnonzero(np.isin(targets, digits))
    if n_samples > len(known):
        raise InputError(f"There are {len(known)} images of the digits {', '.join(map(str, digits))}; {n_samples} "
                         "samples were asked for.")
    chosen = rng.permutation(known)[:n_samples]
    inputs = (images[chosen] / white).astype(np.float32)
    labels = np.array([digits.index(int(target)) for target in targets[chosen]])
    return inputs, labels, inputs > 0.5
