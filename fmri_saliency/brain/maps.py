"""Probabilistic atlases: a map of weights for each region, which may overlap."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.image import resample_img

from fmri_saliency.brain.tables import complete_regions, read_region_table
from fmri_saliency.brain.validate import check_regions, check_sides
from fmri_saliency.disk.images import check_header, open_image, read_voxels
from fmri_saliency.errors import AtlasError, InputError
from fmri_saliency.records import Atlas

__all__ = ["load_maps_atlas", "make_maps_atlas", "map_centres", "resample_maps", "strongest"]

AT_ONCE = 32
"""Maps looked at together: enough to be fast, few enough to need little memory."""


def load_maps_atlas(maps: Path, table: Path, name: str = "Custom", space: str = "") -> Atlas:
    """Read one's own probabilistic atlas: a 4D image of weights and a table of its maps.

    Parameters
    ----------
    maps : Path
        4D, one volume per region.
    table : Path
        As for :func:`~fmri_saliency.brain.load_label_atlas`; `index` says which volume a region is, counted from 1
        or from 0.
    name, space : str
        BIDS atlas label, and BIDS name of the template space.

    Raises
    ------
    AtlasError
        If the image is no stack of maps, or image and table disagree.
    """
    try:
        image = open_image(maps, "a 4D image of maps")
        if len(image.shape) != 4:
            raise InputError(f"Expected a 4D image of maps at {maps}; it has shape {image.shape}. A 3D image of labels "
                             "belongs in labels.")
        check_header(image, maps)
        values = read_voxels(image, maps)
    except InputError as error:
        raise AtlasError(f"{error} Correct [atlas] maps.") from None
    regions, _ = read_region_table(table)
    regions = _number_maps(regions, values.shape[3], maps, table)
    check_regions(regions, table)
    return make_maps_atlas(values, image.affine, regions, name, space, Path(maps).as_posix())


def _number_maps(regions: pd.DataFrame, n_maps: int, maps: Path, table: Path) -> pd.DataFrame:
    """Sort the rows by the volume they belong to, counted from 1."""
    numbers = sorted(regions["index"])
    first = numbers[0] if numbers else 1
    if first not in (0, 1) or numbers != list(range(first, first + n_maps)):
        raise AtlasError(f"{maps} holds {n_maps} maps, so the column index of {table} must be 1 to {n_maps} (or 0 to "
                         f"{n_maps - 1}), each once; it has {len(numbers)} rows, {numbers[0] if numbers else 'none'} "
                         f"to {numbers[-1] if numbers else 'none'}.")
    return regions.assign(index=regions["index"] + 1 - first).sort_values("index", ignore_index=True)


def make_maps_atlas(
    values: np.ndarray, affine: np.ndarray, regions: pd.DataFrame, name: str, space: str, source: str
) -> Atlas:
    """Check maps and complete what is known of their regions.

    Parameters
    ----------
    values : ndarray, shape (x, y, z, n_regions)
        Values that are not finite count as 0, as in nilearn.
    affine : ndarray, shape (4, 4)
    regions : DataFrame
        `index` 1 to n_regions, and `name`, in the order of the maps.
    name, space, source : str

    Raises
    ------
    AtlasError
        If a map has no weight anywhere, or left and right are exchanged for most regions.
    """
    maps = np.ascontiguousarray(np.nan_to_num(values, posinf=0.0, neginf=0.0), dtype=np.float32)
    labels, top = strongest(maps)
    if (top == 0).any():
        empty = regions["name"][np.flatnonzero(top == 0)[0]]
        raise AtlasError(f"The map of '{empty}' in {source} is empty ({np.count_nonzero(top == 0)} such maps). Leave "
                         "it out of image and table.")
    regions = complete_regions(regions)
    centres = map_centres(maps, affine, top)
    check_sides(regions, centres, space, source, tolerated=0.5)
    if not {"x", "y", "z"} <= set(regions.columns):
        regions = regions.assign(**{axis: centres[:, i].round(1) for i, axis in enumerate("xyz")})
    return Atlas(name, labels, affine, regions, space, "", "the user's own", source, maps=maps)


def _in_parts(maps: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Yield the sizes of weights of a few maps at a time, each as (first map, array (n_maps, n_voxels))."""
    flat = maps.reshape(-1, maps.shape[3])
    return ((first, np.abs(flat[:, first : first + AT_ONCE].T)) for first in range(0, maps.shape[3], AT_ONCE))


def strongest(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which map is strongest in every voxel, and how strong every map becomes.

    Returns
    -------
    labels : ndarray of int32, shape (x, y, z)
        The map, counted from 1, with the largest absolute weight; 0 where all weights are 0.
    top : ndarray, shape (n_maps,)
        The largest absolute weight of each map.
    """
    labels = np.zeros(maps[..., 0].size, dtype=np.int32)
    best = np.zeros(labels.size, dtype=np.float32)
    top = np.zeros(maps.shape[3], dtype=np.float32)
    for first, part in _in_parts(maps):
        top[first : first + len(part)] = part.max(axis=1)
        which = part.argmax(axis=0)
        weight = np.take_along_axis(part, which[None], axis=0)[0]
        better = weight > best
        labels[better], best[better] = which[better] + first + 1, weight[better]
    return labels.reshape(maps.shape[:3]), top


def map_centres(maps: np.ndarray, affine: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Return the mean position, in mm, of the voxels that reach half of each map's largest weight.

    Weights far below the largest are left out: those of components without a threshold fill the whole brain.

    Returns
    -------
    ndarray, shape (n_maps, 3)
    """
    centres = np.full((maps.shape[3], 3), np.nan)
    for first, part in _in_parts(maps):
        for position, weights in enumerate(part, start=first):
            if top[position] > 0:
                places = np.stack(np.unravel_index(np.flatnonzero(weights >= top[position] / 2), maps.shape[:3]))
                centres[position] = places.mean(axis=1)
    return nib.affines.apply_affine(affine, centres)


def resample_maps(atlas: Atlas, affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the maps on another grid by linear interpolation, as ``NiftiMapsMasker`` does."""
    image = nib.Nifti1Image(atlas.maps, atlas.affine)
    moved = resample_img(image, affine, shape, interpolation="linear", copy_header=True, force_resample=True)
    return np.ascontiguousarray(moved.dataobj, dtype=np.float32)
