"""Where a figure is drawn: on a page of its own, or in the place of axes that the caller has."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec

__all__ = ["Place", "open_axes", "open_place"]

Place = Figure | SubFigure


def open_place(axes: Axes | None, size: tuple[float, float]) -> Place:
    """Return a place for several panels: a new figure of `size` inches, or the part of a figure that `axes` takes.

    In a figure with room between its axes that room belongs to the place, too. The axes are kept, but nothing is
    seen of them. The whole figure is ``place.figure``.
    """
    if axes is None:
        return Figure(figsize=size, layout="constrained")
    axes.set_axis_off()
    return axes.get_figure().add_subfigure(_spot(axes))


def _spot(axes: Axes) -> SubplotSpec:
    """Return where axes lie: their cell of a grid, or one that is made around axes that were put down freely."""
    known = axes.get_subplotspec()
    if known is not None:
        return known
    box = axes.get_position()
    grid = axes.get_figure().add_gridspec(
        3, 3, width_ratios=(max(box.x0, 1e-6), box.width, max(1 - box.x1, 1e-6)),
        height_ratios=(max(1 - box.y1, 1e-6), box.height, max(box.y0, 1e-6)),
    )  # fmt: skip
    return grid[1, 1]


def open_axes(axes: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the caller's axes to draw in, or those of a new figure of `size` inches.

    The whole figure is ``axes.figure.figure``, also where the axes are those of a part of it.
    """
    return Figure(figsize=size, layout="constrained").subplots() if axes is None else axes
