"""From one number per region to the vertices of fsaverage5, whose meshes nilearn brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from nilearn.datasets import load_fsaverage, load_fsaverage_data
from nilearn.surface import vol_to_surf
from scipy.spatial import cKDTree

from fmri_saliency.brain.project import project_maps
from fmri_saliency.brain.validate import number_regions
from fmri_saliency.errors import AtlasError, InputError
from fmri_saliency.records import Atlas

__all__ = [
    "HEMISPHERES",
    "Hemisphere",
    "load_hemisphere",
    "project_surface",
    "project_vertices",
    "read_hemisphere",
    "sample_regions",
]

HEMISPHERES = ("left", "right")
MESH = "fsaverage5"
N_SAMPLES = 10  # nilearn's number between two surfaces
REACH = 4.0  # mm; about how well fsaverage fits the templates of volumes
KEPT = 8  # atlases whose vertices are kept in memory, 0.16 MB each
_SAMPLED: dict[str, dict[str, np.ndarray]] = {}


@dataclass(frozen=True, eq=False)  # told apart by identity, so that what is seen of it can be kept
class Hemisphere:
    """Half of a cortex: `coordinates` (n, 3) in mm, `faces` (m, 3), and `sulci`, depth per vertex (0: not known)."""

    coordinates: np.ndarray
    faces: np.ndarray
    sulci: np.ndarray


@lru_cache(maxsize=8)
def load_hemisphere(side: str, kind: str = "inflated") -> Hemisphere:
    """Return one side ("left", "right") of fsaverage5 as nilearn brings it: ``inflated``, ``pial`` or ``white_matter``.

    Returns
    -------
    Hemisphere
    """
    mesh = load_fsaverage(MESH)[kind].parts[side]
    sulci = load_fsaverage_data(mesh=MESH, data_type="sulcal").data.parts[side]
    return Hemisphere(mesh.coordinates, mesh.faces, np.asarray(sulci))


def read_hemisphere(path: Path) -> Hemisphere:
    """Read one side of a surface from a GIfTI file (``.surf.gii``).

    Raises
    ------
    AtlasError
        If there is none, or it holds no surface.
    """
    try:
        coordinates, faces = nib.load(path).agg_data(("pointset", "triangle"))
    except (OSError, ValueError, AttributeError, ExpatError, nib.filebasedimages.ImageFileError) as error:
        raise AtlasError(f"Expected a surface (.surf.gii) at {path}: {error}") from None
    if np.ndim(coordinates) != 2 or np.ndim(faces) != 2:
        raise AtlasError(f"Expected a surface (.surf.gii) at {path}; it holds no coordinates, or no triangles.")
    return Hemisphere(np.asarray(coordinates, dtype=float), np.asarray(faces), np.zeros(len(coordinates)))


def project_vertices(values: np.ndarray, atlas: Atlas, meshes: Mapping[str, Hemisphere]) -> dict[str, np.ndarray]:
    """Give every vertex of the cortex that grayordinates lie on the value of its region.

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
        In the order of ``atlas.regions``.
    atlas : Atlas
        Of grayordinates.
    meshes : mapping of side ("left", "right") to Hemisphere
        The surfaces, vertex for vertex those of the atlas.

    Returns
    -------
    dict of side to ndarray, shape (n_vertices,)
        NaN where there is no region, or its value is NaN.

    Raises
    ------
    AtlasError
        If a surface has another number of vertices.
    """
    models, labels = atlas.grayordinates, atlas.labels[:, 0, 0]
    labels, place = number_regions(labels, atlas.regions["index"].to_numpy())
    padded = np.append(np.nan, np.asarray(values, dtype=float))  # row 0 is outside
    found = {side: np.full(len(half.coordinates), np.nan) for side, half in meshes.items()}
    for name, part, one in models.iter_structures():
        side = name.removeprefix("CIFTI_STRUCTURE_CORTEX_").lower()
        if side in found:
            if models.nvertices[name] != len(found[side]):
                raise AtlasError(f"The surface of the {side} side has {len(found[side])} vertices; the labels of "
                                 f"'{atlas.name}' are of a mesh of {models.nvertices[name]}. Name surfaces of that "
                                 "mesh in [output] left_surface and right_surface.")
            found[side][one.vertex] = padded[place[labels[part]]]
    return found


def _check_space(atlas: Atlas) -> None:
    if atlas.grayordinates is not None:
        raise AtlasError(f"Atlas '{atlas.name}' has labels of grayordinates, which are drawn in other programs "
                         "(wb_view); a view on fsaverage needs an atlas of voxels.")


def _on_cortex(side: str) -> np.ndarray:
    """Return whether each vertex is cortex: not cut out with the medial wall where the surface is flattened."""
    half = load_hemisphere(side, "flat")
    return np.isin(np.arange(len(half.coordinates)), half.faces)


def _most_frequent(rows: np.ndarray) -> np.ndarray:
    """Return the most frequent number but 0 of each row, shape (n, n_samples); the first of equals, 0 where all are."""
    counts = (rows[:, :, None] == rows[:, None, :]).sum(axis=2) * (rows > 0)
    return rows[np.arange(len(rows)), counts.argmax(axis=1)]


def _sample_places(places: np.ndarray, affine: np.ndarray, side: str) -> np.ndarray:
    """Return the most frequent place of the voxels between white matter and pial surface, per vertex; 0 is none.

    nilearn's ``vol_to_surf(..., interpolation="nearest_most_frequent")`` counts the background, too, and with a mask
    fails at vertices that have no sample in it.
    """
    inner, outer = (load_hemisphere(side, kind).coordinates for kind in ("white_matter", "pial"))
    depth = np.linspace(0.0, 1.0, N_SAMPLES)[:, None, None]
    mm = inner + depth * (outer - inner)
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), mm)).astype(int)
    inside = ((voxels >= 0) & (voxels < places.shape)).all(axis=2)
    found = np.where(inside, places[tuple(np.where(inside[..., None], voxels, 0).transpose(2, 0, 1))], 0)
    return _fill_gaps(_most_frequent(found.T), (inner + outer) / 2, places, affine)


def _fill_gaps(found: np.ndarray, middle: np.ndarray, places: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Give vertices (middle of the cortex, in mm) that lie in no region the place of the nearest voxel within REACH."""
    voxels = np.argwhere(places > 0)
    empty = np.flatnonzero(found == 0)
    if not len(voxels) or not len(empty):
        return found
    tree = cKDTree(nib.affines.apply_affine(affine, voxels))
    distance, nearest = tree.query(middle[empty], distance_upper_bound=REACH)
    near = np.isfinite(distance)
    filled = found.copy()
    filled[empty[near]] = places[tuple(voxels[nearest[near]].T)]
    return filled


def sample_regions(atlas: Atlas) -> dict[str, np.ndarray]:
    """Say which region each vertex of fsaverage5 belongs to, so that regions do not blend.

    The region that holds most of ten voxels between white matter and pial surface, if any lies in a region, else that
    of the nearest voxel within 4 mm; none on the medial wall, which the flattened surface leaves out. The surface's
    coordinates are taken for those of the atlas's template, as nilearn takes them; they agree to a few mm.
    The answer is kept in memory for the next map of the atlas.

    Parameters
    ----------
    atlas : Atlas
        In MNI space; of an atlas of maps, a voxel belongs to the region that weighs most in it.

    Returns
    -------
    dict of side to ndarray of int, shape (10242,)
        Position of the region in ``atlas.regions``; -1 where there is none.

    Raises
    ------
    AtlasError
        If the atlas has no voxels.
    """
    _check_space(atlas)
    if atlas.fingerprint not in _SAMPLED:
        labels, place = number_regions(atlas.labels, atlas.regions["index"].to_numpy())
        places = place.astype(np.int32)[labels]
        found = {side: np.where(_on_cortex(side), _sample_places(places, atlas.affine, side), 0) - 1
                 for side in HEMISPHERES}  # fmt: skip
        while len(_SAMPLED) >= KEPT:
            del _SAMPLED[next(iter(_SAMPLED))]
        _SAMPLED[atlas.fingerprint] = found
    return _SAMPLED[atlas.fingerprint]


def project_surface(values: np.ndarray, atlas: Atlas) -> dict[str, np.ndarray]:
    """Give every vertex of fsaverage5 the value of its region (:func:`sample_regions`).

    Of an atlas of maps it is given the mean of the projected voxels between white matter and pial surface
    (:func:`project_maps`, nilearn's ``vol_to_surf``).

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
        In the order of ``atlas.regions``.
    atlas : Atlas

    Returns
    -------
    dict of side to ndarray, shape (10242,)
        NaN where there is no region, or its value is NaN.

    Raises
    ------
    AtlasError
        If the atlas has no voxels.
    InputError
        If the number of values is not that of the regions.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (atlas.n_regions,):
        raise InputError(f"project_surface expects a value for each of the {atlas.n_regions} regions of atlas "
                         f"'{atlas.name}'; {values.shape} came.")
    _check_space(atlas)
    if atlas.maps is not None:
        image, meshes = project_maps(values, atlas), load_fsaverage(MESH)
        pial, white = meshes["pial"].parts, meshes["white_matter"].parts
        return {side: vol_to_surf(image, pial[side], inner_mesh=white[side]) for side in HEMISPHERES}
    padded = np.append(values, np.nan)  # position -1 is the last
    return {side: padded[rows] for side, rows in sample_regions(atlas).items()}
