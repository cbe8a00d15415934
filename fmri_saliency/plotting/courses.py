"""Time courses of chosen regions, with intervals over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t as student

from fmri_saliency.errors import InputError
from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import line_of
from fmri_saliency.plotting.heatmap import mark_events
from fmri_saliency.records import Event
from fmri_saliency.series import expected_responses

__all__ = ["plot_time_courses"]

FAINT = 0.18


def _interval(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean over the first axis and half of its interval; NaN where fewer than one, or two, are known."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = np.divide(filled.sum(axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)
    squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
    variance = np.divide(squares, n - 1, out=np.full(n.shape, np.nan), where=n > 1)
    return mean, student.ppf(0.5 + level / 2, np.maximum(n - 1, 1)) * np.sqrt(variance / np.maximum(n, 1))


def plot_time_courses(
    courses: np.ndarray,
    names: Sequence[str],
    t_r: float,
    events: Sequence[Event] = (),
    title: str = "",
    unit: str = "",
    start: float = 0.0,
    clock: str = "Time (s)",
    *,
    what: str = "Saliency",
    level: float = 0.95,
    responses: Mapping[str, np.ndarray] | None = None,
    axes: Axes | None = None,
) -> Figure:
    r"""Draw the mean over subjects of each region at every moment, with Student's interval as a band.

    .. math:: \bar v_t \pm t_{n-1} \, s_t / \sqrt{n}

    at each moment by itself, with :math:`n` the subjects whose value is known there and :math:`s_t` their standard
    deviation: it says how well the mean of such subjects is known at that moment, not at all of them together.

    Parameters
    ----------
    courses : ndarray, shape (n_subjects, n_times, n_regions)
        One course per subject (the mean of its samples); NaN where it has none. One subject has no band.
    names : sequence of str
        Names of the regions, n_regions.
    t_r : float
        Seconds per frame.
    events : sequence of Event
        In seconds, on the clock that `start` belongs to; bars with their expected BOLD on top.
    title, unit : str
    start : float
        Seconds of the first frame.
    clock : str
        Label of the time axis.
    what : str
        What the values are; with `unit` the label of their axis.
    level : float
        Of the interval.
    responses : mapping of trial type to ndarray, shape (n_times,), optional
        As for :func:`~fmri_saliency.plotting.plot_region_time`.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the courses are not three-dimensional, or not as many as the names.
    """
    courses = np.asarray(courses, dtype=float)
    if courses.ndim != 3 or courses.shape[2] != len(names):
        raise InputError(f"Time courses must have shape (n_subjects, n_times, {len(names)}), a column for each name; "
                         f"{courses.shape} came.")
    n_times = courses.shape[1]
    times = start + np.arange(n_times) * t_r
    n_kinds = len({event.trial_type for event in events})
    place = open_place(axes, (8.6, 3.6))
    if n_kinds:
        top, main = place.subplots(2, 1, sharex=True, height_ratios=(0.3 + 0.2 * n_kinds, 3))
        if responses is None and n_times > 1:
            responses = expected_responses(events, n_times, t_r, start)
        mark_events(top, events, n_times * t_r, times, responses)
    else:
        main = place.subplots()
    mean, half = _interval(courses, level)
    main.axhline(0, color="0.6", linewidth=0.8)
    for number, name in enumerate(names):
        look = line_of(number)
        main.plot(times, mean[:, number], label=name, **look)
        main.fill_between(times, *(mean[:, number] + sign * half[:, number] for sign in (-1, 1)), alpha=FAINT,
                          color=look["color"], linewidth=0)  # fmt: skip
    main.set(xlim=(times[0], times[-1]), xlabel=clock, ylabel=f"{what} ({unit})" if unit else what)
    main.legend(frameon=False, fontsize=8, ncols=min(4, len(names)))
    band = f"; band: {100 * level:g} % interval over {len(courses)} subjects" if len(courses) > 1 else ""
    place.suptitle(f"{title}{band}", fontsize=10)
    return place.figure
