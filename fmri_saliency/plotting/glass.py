"""Glass brains of one number per region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import Place, open_place
from fmri_saliency.plotting.colours import draw_scale, mark_negative, scale_of
from fmri_saliency.plotting.sight import BRAIN, draw_brain, hide_small, look_through
from fmri_saliency.records import Atlas
from fmri_saliency.series import nearest_frame

__all__ = ["plot_glass", "plot_glass_share", "plot_glass_strip"]

LEADING = 15  # regions shown where there is no brain to show them on


def _draw_leading(
    values: np.ndarray, atlas: Atlas, columns: Sequence[str], title: str, scale: ScalarMappable, unit: str, place: Place
) -> Figure:
    """Draw the regions with the largest values, (n_moments, n_regions), as bars: grayordinates have no glass brain."""
    size = np.abs(np.nan_to_num(values)).max(axis=0)
    leading = np.argsort(-size, kind="stable")[:LEADING][::-1]
    low, high = scale.get_clim()
    panels = np.ravel(place.subplots(1, len(columns), sharey=True))
    for number, (axes, column) in enumerate(zip(panels, columns, strict=True)):
        shown = np.nan_to_num(values[number, leading])
        axes.barh(range(len(leading)), shown, color=scale.to_rgba(shown), edgecolor="0.4")
        axes.axvline(0, color="0.4", linewidth=0.8)
        axes.set(xlim=(1.05 * low, 1.05 * high), yticks=range(len(leading)), title=column)
        axes.set_yticklabels([atlas.names[region] for region in leading], fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
    panels[len(panels) // 2].set_xlabel(unit, fontsize=8)
    place.suptitle(f"{title}; the {len(leading)} regions with the largest values", fontsize=10)
    return place.figure


def plot_glass(
    values: np.ndarray,
    atlas: Atlas,
    title: str = "",
    unit: str = "",
    *,
    signed: bool = True,
    limit: float | None = None,
    threshold: float = 0.0,
    axes: Axes | None = None,
) -> Figure:
    """Draw one value per region on a glass brain (regions of grayordinates: the leading ones as bars).

    From the left: left hemisphere, from behind, right hemisphere, from above. Along a line of sight the value
    that is largest in absolute value is seen, with its sign. Dashed lines run around values below a third of the
    lower limit, so that they are known in grey, too.

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
        NaN is drawn as 0.
    atlas : Atlas
    title : str
    unit : str
        Of the values; the label of their scale.
    signed : bool
        Colours run from -limit to limit, whatever the values; else, for values that have no sign, from 0 to limit.
    limit : float, optional
        Where the colours end; the largest absolute value when omitted.
    threshold : float
        Values whose absolute value is not above it are not drawn.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    if atlas.grayordinates is not None:
        scale = scale_of(values, signed, limit)
        return _draw_leading(values[None], atlas, [""], title, scale, unit, open_place(axes, (6.0, 4.2)))
    views = look_through(np.asarray(values)[None], atlas, BRAIN)
    scale = scale_of(np.array([np.abs(seen.pixels).max() for (seen,) in views.values()]), signed, limit)
    place = open_place(axes, (8.6, 2.6))
    panels = place.subplots(1, len(BRAIN), width_ratios=list(BRAIN.values()))
    for panel, (direction, (seen,)) in zip(panels, views.items(), strict=True):
        draw_brain(panel, direction, seen, scale, threshold)
        mark_negative(panel, hide_small(seen.pixels, threshold), seen.extent, scale.norm.vmax)
    draw_scale(place, scale, panels, unit)
    place.suptitle(title, fontsize=11)
    return place.figure


def plot_glass_strip(
    values: np.ndarray,
    atlas: Atlas,
    t_r: float,
    times: Sequence[float],
    title: str = "",
    start: float = 0.0,
    unit: str = "",
    *,
    signed: bool = True,
    limit: float | None = None,
    threshold: float = 0.0,
    axes: Axes | None = None,
) -> Figure:
    """Draw glass brains at several moments, from above, side by side with one range of colours.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_regions)
        NaN is drawn as 0.
    atlas : Atlas
    t_r : float
        Seconds per frame.
    times : sequence of float
        Seconds, on the clock that `start` belongs to; the nearest frames are drawn.
    title : str
    start : float
        Seconds of the first frame.
    unit, signed, limit, threshold, axes
        As for :func:`plot_glass`; the range is that of the moments drawn when `limit` is omitted.

    Returns
    -------
    Figure
    """
    frames = [min(len(values) - 1, max(0, nearest_frame(time - start, t_r))) for time in times]
    moments = [f"{start + frame * t_r:.1f} s" for frame in frames]
    if atlas.grayordinates is not None:
        scale = scale_of(values[frames], signed, limit)
        place = open_place(axes, (max(6.0, 1.6 * len(frames) + 2.4), 4.2))
        return _draw_leading(values[frames], atlas, moments, title, scale, unit, place)
    views = look_through(np.asarray(values)[frames], atlas, "z")["z"]
    scale = scale_of(np.array([np.abs(seen.pixels).max() for seen in views]), signed, limit)
    place = open_place(axes, (1.7 * len(frames) + 0.9, 2.7))
    panels = np.ravel(place.subplots(1, len(frames)))
    for panel, seen, moment in zip(panels, views, moments, strict=True):
        draw_brain(panel, "z", seen, scale, threshold)
        mark_negative(panel, hide_small(seen.pixels, threshold), seen.extent, scale.norm.vmax)
        panel.set_title(moment, fontsize=9)
    draw_scale(place, scale, panels, unit)
    place.suptitle(title, fontsize=10)
    return place.figure


def plot_glass_share(
    values: np.ndarray, atlas: Atlas, title: str = "", label: str = "", *, axes: Axes | None = None
) -> Figure:
    """Draw a share of 0 to 1 per region; along a line of sight the largest is seen.

    Regions of share 0 are pale, so that they differ from where there is no region. Of an
    atlas of maps, a voxel shows the region that weighs most in it.

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
    atlas : Atlas
    title, label : str
        `label` is that of the scale.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    # the background is 0 and not drawn, so that shares are looked for among numbers from 1 to 2
    views = look_through(1 + np.asarray(values)[None], replace(atlas, maps=None), BRAIN)
    scale = scale_of(np.ones(1), signed=False)
    place = open_place(axes, (8.6, 2.4))
    panels = place.subplots(1, len(BRAIN), width_ratios=list(BRAIN.values()))
    for panel, (direction, (seen,)) in zip(panels, views.items(), strict=True):
        draw_brain(panel, direction, seen, scale, shift=1.0)
    draw_scale(place, scale, panels, label)
    place.suptitle(title, fontsize=10)
    return place.figure
