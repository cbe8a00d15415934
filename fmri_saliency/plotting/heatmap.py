"""Region by time, with what happened when on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from fmri_saliency.records import Event

__all__ = ["group_rows", "mark_events", "mark_groups", "plot_region_time"]


def mark_events(axes: object, events: Sequence[Event], length: float) -> None:
    """Draw events as bars, one row per trial type; `length` is that of the axis in seconds."""
    kinds = list(dict.fromkeys(event.trial_type for event in events))
    colours = colormaps["tab10"]
    for row, kind in enumerate(kinds):
        spans = [(e.onset, max(e.duration, length / 200)) for e in events if e.trial_type == kind]
        axes.broken_barh(spans, (row - 0.4, 0.8), color=colours(row % 10))
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


def mark_groups(axes: object, groups: dict[str, int]) -> None:
    """Part groups of rows by lines and write their names on the right."""
    ends = np.cumsum(list(groups.values()))
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color="0.3", linewidth=0.5)
    names = axes.secondary_yaxis("right")
    names.set_yticks(ends - np.array(list(groups.values())) / 2 - 0.5, list(groups), fontsize=6)
    names.tick_params(length=0)


def _spread(ranked: np.ndarray, n_regions: int, at_most: int = 12) -> list[int]:
    """Return the first of `ranked` that lie far enough apart for their names not to overlap."""
    apart = n_regions / 32
    shown: list[int] = []
    for row in ranked:
        if len(shown) < at_most and all(abs(row - other) >= apart for other in shown):
            shown.append(int(row))
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
) -> Figure:
    """Draw signed saliency of every region at every moment, with bars for the events, if there are any.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_regions)
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
        The network of each region: rows are grouped by it, in the order in which networks first occur.

    Returns
    -------
    Figure
    """
    values = np.nan_to_num(values)
    order, groups = group_rows(networks or [""] * len(names))
    values, names = values[:, order], [names[row] for row in order]
    length = len(values) * t_r
    limit = float(np.abs(values).max()) or 1.0
    n_kinds = len({event.trial_type for event in events})
    figure = Figure(figsize=(8.6, 4.6), layout="constrained")
    if n_kinds:
        top, main = figure.subplots(2, 1, sharex=True, height_ratios=(0.3 + 0.15 * n_kinds, 4))
        mark_events(top, events, length)
    else:
        main = figure.subplots()
    image = main.imshow(
        values.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest",
        extent=(start, start + length, len(names) - 0.5, -0.5),
    )  # fmt: skip
    shown = _spread(np.argsort(-np.abs(values).mean(axis=0)), len(names))
    main.set_yticks(shown, [names[i] for i in shown], fontsize=6)
    if networks:
        mark_groups(main, groups)
    main.set_xlim(start, start + length)
    main.set_xlabel(clock)
    main.set_ylabel("Region")
    figure.colorbar(image, ax=figure.axes, label=f"Saliency ({unit})" if unit else "Saliency", shrink=0.8)
    figure.suptitle(title, fontsize=11)
    return figure
