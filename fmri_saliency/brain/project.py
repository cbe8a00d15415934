"""From one number per region back to the voxels of the brain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from fmri_saliency.errors import InputError
from fmri_saliency.files import atomic_path, write_json
from fmri_saliency.records import Atlas

__all__ = ["project_labels", "project_maps", "project_regions", "save_map"]


def project_labels(
    values: np.ndarray, atlas: Atlas, t_r: float | None = None, description: str = "", start: float = 0.0
) -> nib.Nifti1Image:
    """Give every voxel the value of its region.

    The same array as nilearn's ``NiftiLabelsMasker.inverse_transform``, by one look-up,
    with a header that keeps the repetition time, the units and the template space.

    Parameters
    ----------
    values : ndarray, shape (n_regions,) or (n_times, n_regions)
        In the order of ``atlas.regions``; NaN stays NaN.
    atlas : Atlas
        On the grid that the image shall have.
    t_r : float, optional
        Seconds per frame; needed for 4D.
    description : str
        For the header, at most 79 characters are kept.
    start : float
        Seconds of the first volume of a 4D map, for the header's time offset.

    Returns
    -------
    Nifti1Image of float32
        3D, or 4D with `t_r` as its fourth zoom; 0 outside the regions.

    Raises
    ------
    InputError
        If the width of `values` is not the atlas's number of regions, or a 4D map has no `t_r`.
    """
    values = _check_values(values, atlas, t_r, "project_labels")
    index = atlas.regions["index"].to_numpy()
    place = np.zeros(max(int(index.max()), int(atlas.labels.max())) + 1, dtype=np.intp)
    place[index] = np.arange(1, len(index) + 1)
    table = np.concatenate([np.zeros((1, *values.T.shape[1:]), dtype=np.float32), values.T])
    return _make_image(table[place[atlas.labels]], values, atlas, t_r, description, start)


def project_maps(
    values: np.ndarray, atlas: Atlas, t_r: float | None = None, description: str = "", start: float = 0.0
) -> nib.Nifti1Image:
    """Give every voxel the sum of the regions' values times its weights in them.

    The same array as nilearn's ``NiftiMapsMasker.inverse_transform``, with a header that keeps
    the repetition time, the units and the template space; parameters as for :func:`project_labels`.

    Returns
    -------
    Nifti1Image of float32
        3D, or 4D with `t_r` as its fourth zoom. A region with NaN at any time adds nothing; voxels of which it, or
        several such regions together, hold more than half of the absolute weight are NaN.

    Raises
    ------
    InputError
        If the atlas has no maps, the width of `values` is not its number of regions, or a 4D map has no `t_r`.
    """
    values = _check_values(values, atlas, t_r, "project_maps")
    if atlas.maps is None:
        raise InputError(f"project_maps needs an atlas of maps; '{atlas.name}' has labels. Use project_labels.")
    maps = atlas.maps.reshape(-1, atlas.n_regions)
    absent = np.isnan(values.reshape(-1, atlas.n_regions)).any(axis=0)
    voxels = maps @ np.where(absent, 0, values).astype(np.float32).T
    if absent.any():
        parts = np.array_split(maps, max(1, len(maps) // 50_000))  # so that sizes of weights need little memory
        missing = np.concatenate([np.abs(part) @ (absent - 0.5) > 0 for part in parts])
        voxels[missing] = np.nan
    return _make_image(voxels.reshape(*atlas.labels.shape, *values.shape[:-1]), voxels, atlas, t_r, description, start)


def project_regions(
    values: np.ndarray, atlas: Atlas, t_r: float | None = None, description: str = "", start: float = 0.0
) -> nib.Nifti1Image:
    """Project by the atlas's maps where it has them (:func:`project_maps`), else by :func:`project_labels`."""
    project = project_labels if atlas.maps is None else project_maps
    return project(values, atlas, t_r, description, start)


def _check_values(values: np.ndarray, atlas: Atlas, t_r: float | None, who: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float32)
    if values.ndim not in (1, 2) or values.shape[-1] != atlas.n_regions:
        raise InputError(f"{who} expects (n_regions,) or (n_times, n_regions) with {atlas.n_regions} regions "
                         f"of atlas '{atlas.name}'; {values.shape} came.")
    if values.ndim == 2 and not t_r:
        raise InputError("A map over time needs t_r, the seconds per frame.")
    return values


def _make_image(
    voxels: np.ndarray, shown: np.ndarray, atlas: Atlas, t_r: float | None, description: str, start: float
) -> nib.Nifti1Image:
    """Return an image with the header that programs need; `shown` gives its range."""
    image = nib.Nifti1Image(voxels, atlas.affine)
    image.header.set_xyzt_units("mm", "sec")
    if voxels.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], float(t_r)))
        image.header["toffset"] = start
    code = 4 if atlas.is_mni else 2
    image.set_sform(atlas.affine, code)
    image.set_qform(atlas.affine, code)
    image.header["descrip"] = description.encode("ascii", "replace")[:79]
    finite = shown[np.isfinite(shown)]
    limit = float(np.abs(finite).max()) if finite.size else 0.0
    image.header["cal_min"], image.header["cal_max"] = -limit if (finite < 0).any() else 0.0, limit
    return image


def save_map(image: nib.Nifti1Image, path: Path, sidecar: dict[str, Any]) -> None:
    """Write a map and its JSON sidecar, the image first, each whole or not at all."""
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    write_json(Path(str(path).removesuffix(".nii.gz") + ".json"), sidecar)
