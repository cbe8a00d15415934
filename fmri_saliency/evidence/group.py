"""What maps of people say about a group: means, and how much they differ between people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmri_saliency.attribution.ties import ROUNDING
from fmri_saliency.disk.rows import Rows, pieces
from fmri_saliency.errors import InputError

__all__ = ["GroupStatistics", "group_statistics"]


@dataclass(frozen=True)
class GroupStatistics:
    """Mean of a group, and how sure it is.

    Attributes
    ----------
    mean : ndarray of float32
        Every person weighs the same; NaN where nobody has a value.
    standard_error, t : ndarray of float32
        NaN where fewer than two people have a value; `t` also where they differ by rounding at most.
    n : ndarray of int
        People with a value.
    """

    mean: np.ndarray
    standard_error: np.ndarray
    t: np.ndarray
    n: np.ndarray


def group_statistics(maps: np.ndarray | Rows) -> GroupStatistics:
    r"""Summarise one map per person, value by value.

    Parameters
    ----------
    maps : array, shape (n_people, ...)
        NaN where a person has no value. Read piece by piece, twice.

    Returns
    -------
    GroupStatistics
        Arrays of the shape of one map.

    Raises
    ------
    InputError
        If there is nobody.

    Notes
    -----
    With :math:`x_s` the value of person *s* of *n*, the one-sample t statistic of the summary approach, in which
    each person enters with one map however many samples stand behind it:

    .. math:: m = \frac{1}{n}\sum_s x_s, \quad
        \mathrm{SE} = \sqrt{\frac{\sum_s (x_s - m)^2}{n\,(n - 1)}}, \quad t = m / \mathrm{SE},

    with *n* - 1 degrees of freedom if people are independent (relatives are not). Mumford & Nichols 2009, NeuroImage
    47, 1469, doi:10.1016/j.neuroimage.2009.05.034. No p value is given: values of neighbouring times and regions are
    tested together or not at all.
    """
    if len(maps) == 0:
        raise InputError("A group needs at least one person's map; none came.")
    total, n = np.zeros(maps.shape[1:]), np.zeros(maps.shape[1:], dtype=int)
    for piece in pieces(maps):
        part = np.asarray(maps[piece])
        total += np.nansum(part, axis=0, dtype=float)
        n += (~np.isnan(part)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, total / n, np.nan)
        squares = np.zeros_like(mean)
        for piece in pieces(maps):
            squares += np.nansum((np.asarray(maps[piece]) - mean) ** 2, axis=0, dtype=float)
        error = np.where(n > 1, np.sqrt(squares / (n * (n - 1.0))), np.nan)
        t = np.where(error > ROUNDING * np.abs(mean), mean / error, np.nan)
    kinds = (one.astype(np.float32) for one in (mean, error, t))
    return GroupStatistics(*kinds, n)
