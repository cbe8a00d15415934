"""Region by time, with what happened when on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import colour_of, draw_scale, mark_negative, scale_of
from fmri_saliency.records import Event
from fmri_saliency.series import expected_responses

__all__ = ["group_rows", "mark_events", "mark_groups", "plot_region_time"]

APART = 32  # names on an axis lie at least so many-th of its length apart


def mark_events(
    axes: Axes,
    events: Sequence[Event],
    length: float,
    times: np.ndarray | None = None,
    responses: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Draw events as bars, one row per trial type, and in each row what they would look like in BOLD.

    Parameters
    ----------
    axes : Axes
    events : sequence of Event
        In seconds.
    length : float
        Of the axis, in seconds; bars are at least a two-hundredth of it.
    times : ndarray, shape (n_times,), optional
        Seconds of the frames.
    responses : mapping of trial type to ndarray, shape (n_times,), optional
        Response of each frame, -1 to 1; 0 lies on the lower edge of the row.
    """
    kinds = list(dict.fromkeys(event.trial_type for event in events))
    for row, kind in enumerate(kinds):
        spans = [(e.onset, max(e.duration, length / 200)) for e in events if e.trial_type == kind]
        response = (responses or {}).get(kind)
        axes.broken_barh(spans, (row - 0.4, 0.8), color=colour_of(row), alpha=1.0 if response is None else 0.45)
        if response is not None:
            axes.plot(times, row - 0.4 + 0.8 * np.asarray(response), color="0.15", linewidth=0.9)
    axes.set_yticks(range(len(kinds)), kinds, fontsize=7)
    axes.set_ylim(-0.6, max(len(kinds), 1) - 0.4)
    axes.tick_params(bottom=False, labelbottom=False)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)


def group_rows(networks: Sequence[str]) -> tuple[list[int], dict[str, int]]:
    """Return the rows network by network (or another group), and how many each has."""
    kinds = list(dict.fromkeys(networks))
    order = sorted(range(len(networks)), key=lambda row: kinds.index(networks[row]))
    return order, {kind: list(networks).count(kind) for kind in kinds}


def mark_groups(axes: Axes, groups: dict[str, int]) -> None:
    """Part groups of rows by lines, and put a bar of their colours and their names on the right, as many as fit."""
    sizes = np.array(list(groups.values()))
    ends = np.cumsum(sizes)
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color="0.3", linewidth=0.5)
    beside = axes.get_yaxis_transform()
    for number, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        axes.fill_betweenx((end - size - 0.5, end - 0.5), 1.008, 1.025, color=colour_of(number), transform=beside,
                           clip_on=False, linewidth=0)  # fmt: skip
    centres = ends - sizes / 2 - 0.5
    shown = _spread(np.argsort(-sizes, kind="stable"), centres, ends[-1], len(sizes))
    names = axes.secondary_yaxis(1.03)
    names.set_yticks(centres[shown], [list(groups)[i] for i in shown], fontsize=6)
    names.tick_params(length=0, pad=1)
    names.spines[:].set_visible(False)


def _spread(ranked: np.ndarray, places: np.ndarray, length: float, at_most: int = 12) -> list[int]:
    """Return the first of `ranked` whose places lie far enough apart for their names not to overlap."""
    shown: list[int] = []
    for one in ranked:
        if len(shown) < at_most and all(abs(places[one] - places[other]) >= length / APART for other in shown):
            shown.append(int(one))
    return sorted(shown)


def plot_region_time(
    values: np.ndarray,
    names: Sequence[str],
    t_r: float,
    events: Sequence[Event] = (),
    title: str = "",
    unit: str = "",
    start: float = 0.0,
    clock: str = "Time (s)",
    networks: Sequence[str] = (),
    *,
    responses: Mapping[str, np.ndarray] | None = None,
    signed: bool = True,
    limit: float | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw saliency of every region at every moment; events, if there are any, as bars with their expected BOLD on top.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_regions)
        NaN is drawn as 0.
    names : sequence of str
        Region names; those with the largest mean absolute value are written, as many as fit.
    t_r : float
        Seconds per frame.
    events : sequence of Event
        In seconds, on the clock that `start` belongs to.
    title, unit : str
    start : float
        Seconds of the first frame.
    clock : str
        Label of the time axis.
    networks : sequence of str
        The network of each region: rows are grouped by it, in the order in which networks first occur, and a bar
        of colours with their names stands on the right.
    responses : mapping of trial type to ndarray, shape (n_times,), optional
        What the events would look like in BOLD, with a peak of 1, drawn over their bars; as
        :func:`fmri_saliency.series.expected_responses` says when omitted, none with ``{}``.
    signed : bool
        Colours run from -limit to limit, whatever the values; else, for values that have no sign, from 0 to limit.
    limit : float, optional
        Where the colours end; the largest absolute value when omitted.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    values = np.nan_to_num(values)
    order, groups = group_rows(networks or [""] * len(names))
    values, names = values[:, order], [names[row] for row in order]
    length, scale = len(values) * t_r, scale_of(values, signed, limit)
    n_kinds = len({event.trial_type for event in events})
    place = open_place(axes, (8.6, 4.6))
    if n_kinds:
        top, main = place.subplots(2, 1, sharex=True, height_ratios=(0.3 + 0.2 * n_kinds, 4))
        if responses is None and len(values) > 1:
            responses = expected_responses(events, len(values), t_r, start)
        mark_events(top, events, length, start + np.arange(len(values)) * t_r, responses)
    else:
        main = place.subplots()
    main.imshow(
        values.T, aspect="auto", cmap=scale.cmap, norm=scale.norm, interpolation="nearest",
        extent=(start, start + length, len(names) - 0.5, -0.5),
    )  # fmt: skip
    if signed:
        mark_negative(main, values.T, (start, start + length, -0.5, len(names) - 0.5), scale.norm.vmax)
    shown = _spread(np.argsort(-np.abs(values).mean(axis=0)), np.arange(len(names)), len(names))
    main.set_yticks(shown, [names[i] for i in shown], fontsize=6)
    if networks:
        mark_groups(main, groups)
    main.set_xlim(start, start + length)
    main.set_xlabel(clock)
    main.set_ylabel("Region")
    draw_scale(place, scale, main, f"Saliency ({unit})" if unit else "Saliency")
    place.suptitle(title, fontsize=11)
    return place.figure
