"""Glass brains of many moments, drawn at little cost: outlines once, then one projection per moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from fmri_saliency.plotting.colours import scale_of
from fmri_saliency.plotting.sight import AXES, BRAIN, Seen, draw_brain, project_glass, upright
from fmri_saliency.records import Atlas

__all__ = ["GlassFilm", "draw_glass_film"]

VIEWS = "".join(BRAIN)
SIZE, DPI = (7.2, 1.9), 100
SHADES = 65  # few colours, so that the picture of all moments is small; odd, so that 0 is white


@dataclass(frozen=True)
class _Panel:
    """Where a view lies in a frame, and which cell of the projection each of its pixels shows (the last: none)."""

    view: str
    rows: slice
    columns: slice
    cells: np.ndarray


def _find_cells(axes: Axes, view: str, atlas: Atlas, height: int) -> _Panel:
    box = axes.get_window_extent()
    left, right, bottom, top = (round(edge) for edge in (box.x0, box.x1, box.y0, box.y1))
    across, up = np.meshgrid(np.arange(left, right) + 0.5, np.arange(bottom, top)[::-1] + 0.5)
    place = axes.transData.inverted().transform(np.stack([across.ravel(), up.ravel()], axis=1))
    shape = [atlas.labels.shape[axis] for axis in AXES[view]]
    voxel = [
        np.rint((place[:, k] - atlas.affine[axis, 3]) / atlas.affine[axis, axis]).astype(int)
        for k, axis in enumerate(AXES[view])
    ]
    inside = np.logical_and.reduce([(v >= 0) & (v < size) for v, size in zip(voxel, shape, strict=True)])
    cells = np.where(inside, voxel[0] * shape[1] + voxel[1], shape[0] * shape[1]).reshape(across.shape)
    return _Panel(view, slice(height - top, height - bottom), slice(left, right), cells)


def _draw_outlines(scale: ScalarMappable, unit: str, atlas: Atlas) -> tuple[np.ndarray, list[_Panel]]:
    """Draw empty glass brains and the scale of colours; return the picture and where each view lies in it."""
    figure = Figure(figsize=SIZE, dpi=DPI)
    grid = figure.add_gridspec(1, len(BRAIN), width_ratios=list(BRAIN.values()), left=0, right=0.9, bottom=0, top=1,
                               wspace=0.02)  # fmt: skip
    nothing = Seen(np.zeros((2, 2)), (-1.0, 1.0, -1.0, 1.0))
    views = {view: figure.add_subplot(grid[place]) for place, view in enumerate(BRAIN)}
    for view, axes in views.items():
        draw_brain(axes, view, nothing, scale)
    low, high = scale.get_clim()
    bar = figure.colorbar(scale, cax=figure.add_axes((0.915, 0.12, 0.012, 0.68)), ticks=[low, 0, high])
    bar.ax.set_yticklabels([f"{low:.2g}", "0", f"{high:.2g}"] if low else ["0", "0", f"{high:.2g}"], fontsize=7)
    bar.ax.set_title(unit if len(unit) <= 8 else "", fontsize=7)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return picture, [_find_cells(axes, view, atlas, len(picture)) for view, axes in views.items()]


@dataclass(frozen=True)
class GlassFilm:
    """Glass brains of many moments, in two layers.

    Attributes
    ----------
    frames : ndarray of uint8, shape (n_moments, height, width)
        Number of the colour of every pixel.
    colours : ndarray of uint8, shape (n_colours, 3)
    outlines : ndarray of uint8, shape (height, width, 3)
        What all frames share, on white: outlines of the brain and the scale of colours. It is multiplied with a
        frame.
    """

    frames: np.ndarray
    colours: np.ndarray
    outlines: np.ndarray

    def moment(self, number: int) -> np.ndarray:
        """Return a frame with its outlines, ndarray of uint8, shape (height, width, 3)."""
        return (self.colours[self.frames[number]].astype(np.uint16) * self.outlines // 255).astype(np.uint8)


def draw_glass_film(values: np.ndarray, atlas: Atlas, unit: str = "", *, signed: bool = True) -> GlassFilm:
    """Draw values of many moments on glass brains, with one range of colours.

    Outlines and colour scale are drawn once; every moment is then a projection in their place, so that a hundred
    moments cost about as much as one figure.

    Parameters
    ----------
    values : ndarray, shape (n_moments, n_regions)
        NaN is drawn as 0.
    atlas : Atlas
        Of voxels, in a space like MNI's.
    unit : str
        Written on the colour scale where it is short.
    signed : bool
        Colours run from -limit to limit, whatever the values; else, for values that have no sign, from 0 to limit.

    Returns
    -------
    GlassFilm
    """
    atlas = upright(atlas)
    shown = {view: project_glass(values, atlas, view) for view in VIEWS}
    limit = max(float(np.abs(one).max(initial=0)) for one in shown.values()) or 1.0
    scale = scale_of(np.zeros(1), signed, limit)
    outlines, panels = _draw_outlines(scale, unit, atlas)
    levels = np.linspace(-limit if signed else 0.0, limit, SHADES)
    colours = np.rint(255 * scale.to_rgba(levels)[:, :3]).astype(np.uint8)
    nothing = SHADES // 2 if signed else 0
    colours[nothing] = 255
    frames = np.full((len(values), *outlines.shape[:2]), nothing, dtype=np.uint8)
    for panel in panels:
        share = (shown[panel.view].reshape(len(values), -1) - levels[0]) / (levels[-1] - levels[0])
        shades = np.rint(share.clip(0, 1) * (SHADES - 1)).astype(np.uint8)
        shades = np.pad(shades, ((0, 0), (0, 1)), constant_values=nothing)
        frames[:, panel.rows, panel.columns] = shades[:, panel.cells]
    return GlassFilm(frames, colours, outlines)
