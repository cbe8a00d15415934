"""Looking through a brain: nilearn's outlines, and along each line of sight the largest value."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from nilearn.plotting import plot_glass_brain

from fmri_saliency.brain import project_maps, resample_atlas
from fmri_saliency.records import Atlas

__all__ = ["AXES", "BRAIN", "Seen", "draw_brain", "hide_small", "look_through", "project_glass", "upright"]

BRAIN = {"l": 1.0, "y": 0.79, "r": 1.0, "z": 0.77}
"""The views of a glass brain (nilearn's names) and how wide each is beside the first."""

AXES = {"l": (1, 2), "r": (1, 2), "y": (0, 2), "z": (0, 1)}
"""Axes of the volume that each view shows, from left to right and from bottom to top."""
MOMENTS = 8  # volumes of an atlas of maps that are made at a time


class Seen(NamedTuple):
    """What is seen of a volume: pixels from the bottom (vertical, horizontal), and left, right, bottom, top in mm."""

    pixels: np.ndarray
    extent: tuple[float, float, float, float]


def upright(atlas: Atlas) -> Atlas:
    """Return the atlas on axes that run along left-right, back-front and bottom-top, at its own voxel size."""
    grid = atlas.affine[:3, :3]
    if np.allclose(grid, np.diag(np.diag(grid)), atol=1e-3 * np.abs(grid).max()):
        return atlas
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in atlas.labels.shape])).reshape(3, -1)
    place = grid @ corners + atlas.affine[:3, 3:]
    step = np.linalg.norm(grid, axis=0).min()
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = place.min(axis=1)
    shape = tuple(int(size) + 1 for size in np.ceil(np.ptp(place, axis=1) / step))
    return resample_atlas(atlas, affine, shape)


def _side(atlas: Atlas, view: str) -> slice:
    """Return the slices of the volume, from left to right, that a view looks through: one hemisphere for l and r."""
    step, first, size = atlas.affine[0, 0], atlas.affine[0, 3], atlas.labels.shape[0]
    left = first + step * np.arange(size) < 0  # the midline is drawn with the right hemisphere, as nilearn does
    seen = {"l": np.flatnonzero(left), "r": np.flatnonzero(~left)}.get(view, np.arange(size))
    return slice(int(seen[0]), int(seen[-1]) + 1) if len(seen) else slice(0, 0)


def _largest(most: np.ndarray, least: np.ndarray) -> np.ndarray:
    return np.where(most > -least, most, least)


def _project_labels(values: np.ndarray, labels: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """Project by the pairs of line of sight and region that meet: no volume is made."""
    seen = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
    place = np.zeros(max(int(index.max()), int(labels.max(initial=0))) + 1, dtype=np.intp)
    place[index] = np.arange(1, len(index) + 1)
    regions = place[seen]
    line = np.nonzero(regions)[0]
    line, region = np.divmod(np.unique(line * (len(index) + 1) + regions[regions > 0]), len(index) + 1)
    found = np.zeros((len(values), len(seen)), dtype=np.float32)
    if len(line):
        starts = np.flatnonzero(np.diff(line, prepend=-1))
        shown = values[:, region - 1]
        most, least = (reduce.reduceat(shown, starts, axis=1) for reduce in (np.maximum, np.minimum))
        found[:, line[starts]] = _largest(most, least)
    return found


def project_glass(values: np.ndarray, atlas: Atlas, view: str) -> np.ndarray:
    """Return what a view through a glass brain shows: along each line of sight the value of largest absolute value.

    Parameters
    ----------
    values : ndarray, shape (n_moments, n_regions)
        NaN is 0.
    atlas : Atlas
        With axes along left-right, back-front and bottom-top.
    view : {"l", "r", "y", "z"}
        Left and right hemisphere from the side, the brain from the back and from the top.

    Returns
    -------
    ndarray, shape (n_moments, n, m)
        `n` and `m` are the voxels of the two axes that the view shows, in the order of the volume's.
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float32))
    (axis,) = {0, 1, 2} - set(AXES[view])
    seen = _side(atlas, view)
    shape = [atlas.labels.shape[kept] for kept in AXES[view]]
    if seen.stop <= seen.start:
        return np.zeros((len(values), *shape), dtype=np.float32)
    if atlas.maps is None:
        flat = _project_labels(values, atlas.labels[seen], atlas.regions["index"].to_numpy(), axis)
        return flat.reshape(len(values), *shape)
    found = []
    for first in range(0, len(values), MOMENTS):
        volumes = project_maps(values[first : first + MOMENTS], atlas, 1.0).get_fdata(dtype=np.float32)[seen]
        found.append(np.moveaxis(_largest(volumes.max(axis=axis), volumes.min(axis=axis)), -1, 0))
    return np.concatenate(found)


def look_through(values: np.ndarray, atlas: Atlas, directions: Iterable[str]) -> dict[str, list[Seen]]:
    """Return what is seen of each moment from each direction (:func:`project_glass`), in mm.

    Parameters
    ----------
    values : ndarray, shape (n_moments, n_regions)
    atlas : Atlas
        Of voxels; one on an oblique grid is put upright.
    directions : iterable of str
        Of :data:`BRAIN`.

    Returns
    -------
    dict of direction to list of Seen
        One for each moment.
    """
    atlas, found = upright(atlas), {}
    for direction in directions:
        pixels, extent = project_glass(values, atlas, direction), []
        for place, axis in enumerate(AXES[direction], start=1):
            step, first = atlas.affine[axis, axis], atlas.affine[axis, 3]
            if step < 0:
                pixels = np.flip(pixels, axis=place)
            extent += sorted((first - step / 2, first + (atlas.labels.shape[axis] - 0.5) * step))
        found[direction] = [Seen(one.T, tuple(extent)) for one in pixels]
    return found


@lru_cache(maxsize=8)
def _outline(direction: str) -> tuple[tuple[tuple[Path, tuple[float, ...], float], ...], tuple[float, ...]]:
    """Return nilearn's drawing of a brain, one path per colour and width of pen, and its bounds, in mm.

    The nearly 250 patches of a view take nilearn most of a second to put on axes; they are taken from it once.
    """
    view = plot_glass_brain(None, display_mode=direction, figure=Figure(), colorbar=False).axes[direction]
    pens: dict[tuple[tuple[float, ...], float], list[Path]] = {}
    for patch in view.ax.patches:
        to_mm = patch.get_transform() - view.ax.transData
        pens.setdefault((patch.get_edgecolor(), patch.get_linewidth()), []).append(
            patch.get_path().transformed(to_mm)
        )
    lines = tuple((Path.make_compound_path(*paths), *pen) for pen, paths in pens.items())
    return lines, view.get_object_bounds()


def hide_small(pixels: np.ndarray, threshold: float) -> np.ma.MaskedArray:
    """Return pixels without those whose absolute value is not above `threshold`."""
    return np.ma.masked_where(np.abs(pixels) <= threshold, pixels)


def draw_brain(
    axes: Axes, direction: str, seen: Seen, scale: ScalarMappable, threshold: float = 0.0, shift: float = 0.0
) -> AxesImage:
    """Draw one view: pixels whose absolute value is above `threshold`, less `shift`, under the outlines of a brain."""
    lines, (left, right, bottom, top) = _outline(direction)
    image = axes.imshow(
        hide_small(seen.pixels, threshold) - shift, cmap=scale.cmap, norm=scale.norm, extent=seen.extent,
        origin="lower", interpolation="nearest",
    )  # fmt: skip
    for path, colour, width in lines:
        axes.add_patch(PathPatch(path, edgecolor=colour, linewidth=width, facecolor="none"))
    axes.set(xlim=(right, left) if direction == "l" else (left, right), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    if direction in "yz":
        for side, word in ((0.03, "L"), (0.97, "R")):
            axes.text(side, 0.97, word, transform=axes.transAxes, ha="center", va="top", fontsize=8)
    return image
