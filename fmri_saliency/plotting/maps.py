"""Maps of time and region as grey pictures, network by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_place

__all__ = ["plot_maps"]


def plot_maps(
    maps: Mapping[str, np.ndarray], classes: Sequence[str], title: str = "", *, axes: Axes | None = None
) -> Figure:
    """Draw one row of pictures per network and one column per class; time runs downwards.

    Every picture has a grey scale of its own, from 0 (black) to its largest absolute value (white): they are
    compared by where they are bright, not by how much.

    Parameters
    ----------
    maps : mapping of name to ndarray, shape (n_classes, n_times, n_regions)
        Drawn by their absolute values.
    classes : sequence of str
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    side = 1.25
    place = open_place(axes, (1.3 + side * len(classes), 0.6 + side * len(maps)))
    grid = place.subplots(len(maps), len(classes), squeeze=False)
    for axis, label in zip(grid[0], classes, strict=True):
        axis.set_title(label, fontsize=9)
    for row, (name, values) in zip(grid, maps.items(), strict=True):
        for axis, one in zip(row, np.abs(values), strict=True):
            axis.imshow(one, cmap="gray", vmin=0, vmax=float(one.max()) or 1.0, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center")
    place.suptitle(title, fontsize=11)
    return place.figure
