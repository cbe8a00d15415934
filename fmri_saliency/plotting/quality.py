"""How good a run is: its signal, its movement and what it covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_axes, open_place
from fmri_saliency.plotting.glass import plot_glass_share
from fmri_saliency.plotting.heatmap import group_rows, mark_events, mark_groups
from fmri_saliency.records import Atlas, Event, RegionSeries
from fmri_saliency.series.quality import HIGH_MOTION, Motion

__all__ = ["plot_coverage", "plot_run_quality"]

SHOWN = 2.0
"""Standard deviations from black to white in a carpet, on either side."""
NO_DATA = "#a9c4e0"
SHADES = {"not steady": "#f2b134", "marked": "#d96b6b"}


def _standardize(values: np.ndarray) -> np.ndarray:
    """Return z-scores over time; NaN where a region has no value or does not change."""
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, np.nan)


def _order(n_regions: int, networks: Sequence[str], hemispheres: Sequence[str]) -> tuple[np.ndarray, dict[str, int]]:
    """Return the rows by network and, within each, hemisphere, with the size of each group that is named."""
    by_side, sides = group_rows(hemispheres or [""] * n_regions)
    if not networks:
        return np.array(by_side), sides
    kinds = list(dict.fromkeys(networks))
    rank = [kinds.index(networks[row]) for row in by_side]
    return np.array(by_side)[np.argsort(rank, kind="stable")], group_rows(networks)[1]


def _spans(frames: np.ndarray, t_r: float) -> list[tuple[float, float]]:
    """Return start and length in seconds of every stretch of frames that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]]).astype(int)))
    return [(first * t_r, (last - first) * t_r) for first, last in edges.reshape(-1, 2)]


def _draw_motion(axes: Axes, motion: Motion, t_r: float, shaded: dict[str, np.ndarray]) -> None:
    """Draw framewise displacement, the line above which it is high, and the frames that are shaded."""
    displacement = motion.displacement
    known = np.isfinite(displacement)
    for name, frames in shaded.items():
        if frames.any():
            place = axes.get_xaxis_transform()
            axes.broken_barh(_spans(frames, t_r), (0, 1), transform=place, color=SHADES[name], alpha=0.45, label=name)
    if known.any():
        axes.stairs(displacement, np.arange(len(displacement) + 1) * t_r, baseline=None, color="#33608c")
        axes.axhline(HIGH_MOTION, color="0.3", linewidth=0.8, linestyle="--", label=f"{HIGH_MOTION:g} mm")
        axes.set_ylim(0, 1.1 * max(2 * HIGH_MOTION, displacement[known].max()))
    else:
        axes.text(0.5, 0.5, motion.source, transform=axes.transAxes, ha="center", va="center", fontsize=8, wrap=True)
        axes.set_yticks([])
    axes.set_ylabel("Displacement\n(mm)", fontsize=8)
    axes.tick_params(labelsize=7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", fontsize=6, framealpha=0.8, ncols=3)


def plot_run_quality(
    series: RegionSeries,
    motion: Motion,
    events: Sequence[Event] = (),
    non_steady: int = 0,
    marked: np.ndarray | None = None,
    networks: Sequence[str] = (),
    hemispheres: Sequence[str] = (),
    title: str = "",
    *,
    axes: Axes | None = None,
) -> Figure:
    """Draw a run's carpet (Power 2017, doi:10.1016/j.neuroimage.2016.08.009) over its framewise displacement.

    Parameters
    ----------
    series : RegionSeries
        Each region is drawn as z-scores over time, black below -2, white above 2; blue without data or change.
    motion : Motion
        In mm, as many frames as the series; where nothing is known, its source is written instead.
    events : sequence of Event
        In seconds from the first frame; bars on top, one row per trial type.
    non_steady : int
        Frames at the start before the signal is steady; shaded.
    marked : ndarray of bool, shape (n_times,), optional
        Frames marked as bad; shaded.
    networks, hemispheres : sequence of str
        Of each region, where known: rows are grouped by them, networks first.
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    n_times = len(series.values)
    length = n_times * series.t_r
    kinds = list(dict.fromkeys(event.trial_type for event in events))
    heights = [*([0.3 + 0.13 * len(kinds)] if kinds else []), 2.6, 1.1]
    place = open_place(axes, (8.6, 0.7 + sum(heights)))
    *top, main, below = place.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    if kinds:
        mark_events(top[0], events, length)
    order, groups = _order(len(series.names), networks, hemispheres)
    main.imshow(
        _standardize(series.values)[:, order].T, aspect="auto", interpolation="nearest", vmin=-SHOWN, vmax=SHOWN,
        cmap=colormaps["gray"].with_extremes(bad=NO_DATA), extent=(0, length, len(order) - 0.5, -0.5),
    )  # fmt: skip
    main.set_yticks([])
    main.set_ylabel(f"{len(order)} regions", fontsize=8)
    if len(groups) > 1:
        mark_groups(main, groups)
    shaded = {"not steady": np.arange(n_times) < non_steady}
    if marked is not None:
        shaded["marked"] = marked
    _draw_motion(below, motion, series.t_r, shaded)
    below.set_xlim(0, length)
    below.set_xlabel("Time (s)", fontsize=8)
    place.suptitle(title, fontsize=10)
    return place.figure


def plot_coverage(coverage: np.ndarray, atlas: Atlas, title: str = "", *, axes: Axes | None = None) -> Figure:
    """Draw which share of each region holds no data: on a glass brain, or as bars outside the MNI spaces.

    Parameters
    ----------
    coverage : ndarray, shape (n_regions,)
        Share of each region's voxels that hold data, 0 to 1; NaN counts as 0.
    atlas : Atlas
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    missing = 1 - np.nan_to_num(np.asarray(coverage, dtype=float))
    if atlas.is_mni:
        return plot_glass_share(missing, atlas, title, "Share without data", axes=axes)
    axes = open_axes(axes, (8.6, 2.0))
    axes.bar(np.arange(len(missing)), missing, width=1.0, color="#c4622d")
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.5, len(missing) - 0.5)
    axes.set_xlabel("Region, in the order of the atlas", fontsize=8)
    axes.set_ylabel("Share without data", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title(title, fontsize=10)
    return axes.figure.figure
