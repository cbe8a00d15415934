"""The cortex of one number per region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from fmri_saliency.brain import HEMISPHERES, Hemisphere, load_hemisphere, project_surface, project_vertices
from fmri_saliency.errors import one_of
from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import draw_scale, scale_of
from fmri_saliency.records import Atlas

__all__ = ["plot_surface"]

OUT = {"left": -1.0, "right": 1.0}
VIEWS = ("lateral", "medial", "dorsal", "ventral", "anterior", "posterior")
PIXEL = 0.6  # mm
SULCUS, GYRUS = 0.62, 0.82
"""Grey of what holds no value, from black (0) to white (1)."""


class Seen(NamedTuple):
    """A view in pixels from the bottom: the vertex that is seen (-1: none), the light on it, its grey; and mm."""

    vertex: np.ndarray
    light: np.ndarray
    grey: np.ndarray
    extent: tuple[float, float, float, float]


def _directions(side: str, view: str) -> np.ndarray:
    """Return where right, up and the viewer are, shape (3, 3), in mm to the right, front and top of the head."""
    out = OUT[side]
    return np.array({
        "lateral": ((0, out, 0), (0, 0, 1), (out, 0, 0)),
        "medial": ((0, -out, 0), (0, 0, 1), (-out, 0, 0)),
        "dorsal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "ventral": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        "anterior": ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
        "posterior": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    }[view], dtype=float)  # fmt: skip


def _points(corners: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield points of triangles (n, 3, 3) less than a pixel apart, with their triangle and the corner next to them."""
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    parts = np.ceil(edges / (0.7 * PIXEL)).astype(int)
    for n in np.unique(parts):
        which = np.flatnonzero(parts == n)
        weights = np.array([(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)]) / n
        points = np.einsum("pc,fcx->fpx", weights, corners[which])
        yield points.reshape(-1, 3), np.repeat(which, len(weights)), np.tile(weights.argmax(axis=1), len(which))


@lru_cache(maxsize=24)
def _look_at(half: Hemisphere, side: str, view: str) -> Seen:
    """Find what is seen of a surface, once for all figures: the nearest point to the viewer in each pixel.

    matplotlib's own 3D axes take half a second for each view of each figure to turn, sort and draw all 20,480 faces.
    """
    turned = half.coordinates @ _directions(side, view).T
    corners = turned[half.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = normals[:, 2] > 0
    faces, corners, normals = half.faces[facing], corners[facing], normals[facing]
    low = turned[:, :2].min(axis=0) - PIXEL
    width, height = np.ceil((turned[:, :2].max(axis=0) - low) / PIXEL).astype(int) + 1
    points, face, corner = (np.concatenate(one) for one in zip(*_points(corners), strict=True))
    order = np.argsort(points[:, 2])  # of points in one pixel the nearest is written last
    column, row = ((points[order, :2] - low) / PIXEL).astype(int).T
    seen = np.full((height, width), -1)
    seen[row, column] = order
    hit = np.maximum(seen, 0)
    light = (normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12))[face][hit]
    vertex = faces[face, corner][hit]
    grey = np.where(half.sulci[vertex] > 0, SULCUS, GYRUS)
    extent = (low[0], low[0] + width * PIXEL, low[1], low[1] + height * PIXEL)
    return Seen(np.where(seen >= 0, vertex, -1), light, grey, extent)


def _draw_half(
    axes: Axes, half: Hemisphere, side: str, view: str, values: np.ndarray, scale: ScalarMappable, threshold: float
) -> None:
    """Draw one side: each pixel has the value of the vertex next to it."""
    seen = _look_at(half, side, view)
    shown = np.where(seen.vertex >= 0, values[seen.vertex], np.nan)
    colours = colormaps["gray"](seen.grey)
    drawn = np.isfinite(shown) & (np.abs(np.nan_to_num(shown)) > threshold)
    colours[drawn] = scale.to_rgba(shown[drawn])
    colours[..., :3] *= (0.55 + 0.45 * seen.light)[..., None]  # so that the shape is seen
    colours[..., 3] = seen.vertex >= 0
    axes.imshow(colours, origin="lower", extent=seen.extent)
    axes.set_axis_off()
    axes.set_title(f"{side}, {view}", fontsize=8)


def plot_surface(
    values: np.ndarray,
    atlas: Atlas,
    title: str = "",
    unit: str = "",
    *,
    views: Sequence[str] = ("lateral", "medial"),
    kind: str = "inflated",
    signed: bool = True,
    limit: float | None = None,
    threshold: float = 0.0,
    meshes: Mapping[str, Hemisphere] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw one value per region on the cortex of fsaverage5, both sides in each view.

    Vertices have the value of their region, without blending (:func:`fmri_saliency.brain.project_surface`).

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
        NaN, and what has no cortex, is not drawn: grey, darker in sulci.
    atlas : Atlas
        Of voxels, in MNI space; or of grayordinates, with `meshes`.
    title : str
    unit : str
        Of the values; the label of their scale.
    views : sequence of {"lateral", "medial", "dorsal", "ventral", "anterior", "posterior"}
    kind : {"inflated", "pial", "white_matter"}
        Which surface is shown.
    signed : bool
        Colours run from -limit to limit, whatever the values; else, for values that have no sign, from 0 to limit.
    limit : float, optional
        Where the colours end; the largest absolute value when omitted.
    threshold : float
        Values whose absolute value is not above it are not drawn.
    meshes : mapping of side ("left", "right") to Hemisphere, optional
        For grayordinates: the surfaces whose vertices they are, in place of fsaverage5 and `kind`.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure

    Raises
    ------
    AtlasError
        If the atlas has no voxels and there are no surfaces, or they have other vertices.
    InputError
        If a view or a surface is not known, or the number of values is not that of the regions.
    """
    for view in views:
        one_of(view, VIEWS, "A view of the cortex")
    one_of(kind, ("inflated", "pial", "white_matter"), "The surface")
    halves = meshes or {side: load_hemisphere(side, kind) for side in HEMISPHERES}
    vertices = project_surface(values, atlas) if meshes is None else project_vertices(values, atlas, meshes)
    scale = scale_of(np.asarray(values, dtype=float), signed, limit)
    pairs = [(side, view) for view in views for side in HEMISPHERES]
    place = open_place(axes, (2.1 * len(pairs) + 0.8, 2.3))
    panels = np.ravel(place.subplots(1, len(pairs)))
    for panel, (side, view) in zip(panels, pairs, strict=True):
        _draw_half(panel, halves[side], side, view, vertices[side], scale, threshold)
    draw_scale(place, scale, panels, unit)
    place.suptitle(title, fontsize=11)
    return place.figure
