"""Whether salient cells lie in task blocks, and what is lost without them: the input-cell paper's checks on scans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fmri_saliency.attribution.ties import rank_with_ties
from fmri_saliency.errors import InputError
from fmri_saliency.records import Event

__all__ = ["on_task_share", "on_task_steps", "removal_drop", "top_cells"]


def on_task_steps(
    events: Sequence[Event], n_times: int, t_r: float, start: float = 0.0, delay: float = 0.0
) -> np.ndarray:
    """Return which frames are taken while any event lasts.

    Parameters
    ----------
    events : sequence of Event
        Of one run, in seconds from its first frame; those without duration cover nothing.
    n_times : int
        Frames of the sample.
    t_r : float
        Seconds per frame.
    start : float
        Seconds from the run's first frame to the sample's.
    delay : float
        Seconds by which every event is taken to be later, for a response that lags behind; 0 is the
        design as it was shown.

    Returns
    -------
    ndarray of bool, shape (n_times,)
        Frame k is on task where ``onset + delay <= start + k * t_r < onset + delay + duration``.

    Raises
    ------
    InputError
        If there are no frames, or t_r is not above 0.
    """
    if n_times < 1 or not t_r > 0:
        raise InputError(f"On-task steps need at least 1 frame and a t_r above 0 s; {n_times} and {t_r} came.")
    # onsets and frames are written to a few digits: a frame that begins with its event belongs to it
    times = np.round(start + np.arange(n_times) * t_r, 6)
    found = np.zeros(n_times, dtype=bool)
    for event in events:
        onset = event.onset + delay
        found |= (times >= round(onset, 6)) & (times < round(onset + event.duration, 6))
    return found


def _check_maps(values: np.ndarray) -> np.ndarray:
    values = np.abs(np.asarray(values, dtype=float))
    if values.ndim != 3 or not values.size:
        raise InputError(f"Maps must be (n_samples, n_times, n_regions); {values.shape} came.")
    if not np.isfinite(values).all():
        raise InputError("Maps must be finite.")
    return values


def _ranks(values: np.ndarray, seed: int) -> np.ndarray:
    """Return the place of every cell in its map, 0 for the largest value; those of like value in random order."""
    flat = values.reshape(len(values), -1)
    lots = np.random.default_rng(seed).random(flat.shape)
    order = np.lexsort((lots, -rank_with_ties(flat)), axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(flat.shape[1]), flat.shape), axis=1)
    return place.reshape(values.shape)


def _counts(shares: Sequence[float], n_cells: int) -> list[int]:
    for share in shares:
        if not 0 <= share <= 1:
            raise InputError(f"Shares of cells must be between 0 and 1; {share} came.")
    return [round(share * n_cells) for share in shares]


def top_cells(values: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Return the most salient cells of every sample.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_times, n_regions)
        Ranked by their absolute value.
    share : float
        Of the sample's cells, 0 to 1; rounded to a whole number of them.
    seed : int
        Of the order of equal values.

    Returns
    -------
    ndarray of bool, shape of `values`

    Raises
    ------
    InputError
        If the maps are not three-dimensional or not finite, or the share cannot be.
    """
    values = _check_maps(values)
    (count,) = _counts([share], values[0].size)
    return _ranks(values, seed) < count


def on_task_share(
    values: np.ndarray, on_task: np.ndarray, shares: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5), seed: int = 0
) -> np.ndarray:
    """Return which share of the most salient cells lies in on-task steps, mean over samples.

    What a map that knows nothing has is the share of steps that are on task, ``on_task.mean()``, which should
    stand beside it: in a design of long blocks most steps are.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_times, n_regions)
        Ranked by their absolute value.
    on_task : ndarray of bool, shape (n_samples, n_times)
        See :func:`on_task_steps`.
    shares : sequence of float
        How much of every map counts as salient, above 0 and at most 1.
    seed : int
        Of the order of equal values.

    Returns
    -------
    ndarray, shape (len(shares),)
        0 to 1.

    Raises
    ------
    InputError
        If the shapes do not fit, a value is not finite, or a share is less than one cell.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370, on task scans of the Human Connectome Project.
    """
    values, on_task = _check_maps(values), np.asarray(on_task, dtype=bool)
    if on_task.shape != values.shape[:2]:
        raise InputError(f"on_task must be one flag per sample and step, {values.shape[:2]}; {on_task.shape} came.")
    counts, place = _counts(shares, values[0].size), _ranks(values, seed)
    if counts and min(counts) < 1:
        raise InputError(f"The share {min(shares)} of {values[0].size} cells is less than one cell.")
    return np.array([(place[on_task] < count).sum() / (count * len(values)) for count in counts])


def removal_drop(
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    y: Sequence[object],
    values: np.ndarray,
    shares: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
    fill: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Return how much accuracy is lost when the most salient cells of every sample are removed.

    Removed cells become `fill`, which no scan looks like: a network may also fail because it never met such
    samples. What a random ranking loses should stand beside it. The maps need not be those of the
    network that answers.

    Parameters
    ----------
    predict : callable
        Samples (n_samples, n_times, n_regions) to labels.
    X : ndarray, shape (n_samples, n_times, n_regions)
        Samples that the network was not trained on.
    y : sequence of labels, length n_samples
    values : ndarray, shape of `X`
        Ranked by their absolute value.
    shares : sequence of float
        How much of every sample is removed, 0 to 1.
    fill : float
        What removed cells become; 0 is the mean of standardised series.
    seed : int
        Of the order of equal values.

    Returns
    -------
    ndarray, shape (len(shares),)
        Accuracy of whole samples less that of the others, -1 to 1.

    Raises
    ------
    InputError
        If the shapes do not fit, a value is not finite, or a share cannot be.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370, on task scans of the Human Connectome Project.
    """
    X, y, values = np.asarray(X), np.asarray(y), _check_maps(values)
    if values.shape != X.shape or y.shape != X.shape[:1]:
        raise InputError(f"Samples, maps and labels must fit: {X.shape}, {values.shape} and {y.shape} came.")
    counts, place = _counts(shares, values[0].size), _ranks(values, seed)
    whole = np.mean(predict(X) == y)
    rest = [np.mean(predict(np.where(place < count, fill, X).astype(X.dtype)) == y) for count in counts]
    return whole - np.array(rest)
