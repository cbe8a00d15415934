"""Ranks in which rounding errors decide nothing."""

from __future__ import annotations

import numpy as np

__all__ = ["ROUNDING", "is_flat", "rank_with_ties"]

ROUNDING = 1e-6
"""Share of a number below which a difference counts as rounding: eight times the precision of single precision."""


def rank_with_ties(values: np.ndarray, floor: float | np.ndarray = 0.0) -> np.ndarray:
    """Rank values along the last axis, and give one rank to those that differ by rounding only.

    The last bits of a sum depend on the processor, on the number of threads, and on where in a batch a sample lies. A
    plain sort lets them choose which of two like values comes first.

    Parameters
    ----------
    values : ndarray, shape (..., n)
        Finite.
    floor : float or ndarray, shape (..., 1)
        A difference that is rounding whatever the values are, for sums in which large terms cancel.

    Returns
    -------
    ndarray of int, shape of `values`
        0 for the smallest. Neighbours in the order share a rank where they differ by no more than a millionth of the
        larger of them, in absolute value, and `floor`.
    """
    values = np.asarray(values, dtype=float)
    order = np.argsort(values, axis=-1, kind="stable")
    rising = np.take_along_axis(values, order, axis=-1)
    size = np.maximum(np.abs(rising[..., 1:]), np.abs(rising[..., :-1]))
    apart = np.diff(rising, axis=-1) > ROUNDING * size + floor
    ranks = np.zeros(values.shape, dtype=int)
    np.put_along_axis(ranks, order[..., 1:], np.cumsum(apart, axis=-1), axis=-1)
    return ranks


def is_flat(values: np.ndarray) -> bool:
    """Return whether finite values differ by rounding only, and are one number for all that can be said."""
    values = np.asarray(values, dtype=float)
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())
