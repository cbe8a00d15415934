"""Looking through a brain: nilearn's outlines, and along each line of sight the largest value."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from nilearn.image import reorder_img
from nilearn.plotting import plot_glass_brain

from fmri_saliency.plotting.colours import mark_negative

__all__ = ["BRAIN", "Seen", "draw_brain", "look_through"]

BRAIN = {"l": 1.0, "y": 0.83, "r": 1.0, "z": 0.81}
"""The views of a glass brain (nilearn's names) and how wide each is beside the first."""

PLANES = {"l": (1, 2), "r": (1, 2), "x": (1, 2), "y": (0, 2), "z": (0, 1)}


class Seen(NamedTuple):
    """What is seen of a volume: pixels from the bottom (vertical, horizontal), and left, right, bottom, top in mm."""

    pixels: np.ndarray
    extent: tuple[float, float, float, float]


def _side(volume: np.ndarray, direction: str, middle: int) -> np.ndarray:
    """Return the voxels of the hemisphere that a view shows."""
    return {"l": volume[:middle], "r": volume[middle:]}.get(direction, volume)


def look_through(image: nib.Nifti1Image, directions: Iterable[str], labels: bool) -> dict[str, Seen]:
    """Return what is seen of a 3D image: along each line of sight the value of largest absolute value, with its sign.

    As nilearn's glass brains with ``plot_abs=False``, whose names the directions have: ``l`` and ``r`` (one
    hemisphere, from its side), ``x``, ``y`` (from behind), ``z`` (from above). `labels` says that voxels of an oblique
    grid may not be blended.
    """
    upright = reorder_img(image, resample="nearest" if labels else "linear")
    volume, affine = np.asarray(upright.dataobj), upright.affine
    step, first = np.diag(affine)[:3], affine[:3, 3]
    middle = int(np.clip(np.ceil(-first[0] / step[0]), 0, volume.shape[0]))
    edges = [(first[axis] - step[axis] / 2, first[axis] + (volume.shape[axis] - 0.5) * step[axis]) for axis in range(3)]
    found = {}
    for direction in directions:
        across = PLANES[direction]
        (depth,) = {0, 1, 2} - set(across)
        side = _side(volume, direction, middle)
        largest, smallest = side.max(axis=depth, initial=0), side.min(axis=depth, initial=0)
        pixels = np.where(largest >= -smallest, largest, smallest).T
        found[direction] = Seen(pixels, (*edges[across[0]], *edges[across[1]]))
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


def draw_brain(
    axes: Axes, direction: str, seen: Seen, scale: ScalarMappable, threshold: float = 0.0, shift: float = 0.0
) -> AxesImage:
    """Draw one view: pixels whose absolute value is above `threshold`, less `shift`, under the outlines of a brain."""
    lines, (left, right, bottom, top) = _outline(direction)
    shown = np.ma.masked_where(np.abs(seen.pixels) <= threshold, seen.pixels - shift)
    image = axes.imshow(shown, cmap=scale.cmap, norm=scale.norm, extent=seen.extent, origin="lower",
                        interpolation="nearest")  # fmt: skip
    mark_negative(axes, shown, seen.extent, scale.norm.vmax)
    for path, colour, width in lines:
        axes.add_patch(PathPatch(path, edgecolor=colour, linewidth=width, facecolor="none"))
    axes.set(xlim=(right, left) if direction == "l" else (left, right), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    if direction in "yz":
        for side, word in ((0.03, "L"), (0.97, "R")):
            axes.text(side, 0.97, word, transform=axes.transAxes, ha="center", va="top", fontsize=8)
    return image
