"""From one number per region back to the voxels of the brain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from fmri_saliency.brain.validate import number_regions
from fmri_saliency.disk.files import atomic_path, write_json
from fmri_saliency.disk.images import gzip_ng
from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas

__all__ = ["project_labels", "project_maps", "project_regions", "save_map", "stream_map"]

COMPRESSION = 4  # of gzip: parcels take 2 % of their size; 6 needs half as long again for 0.2 % less
FRAMES_AT_ONCE = 16
"""Frames that are made together from maps of weights: enough for one fast product, 58 MB on a grid of 2 mm."""


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
    table = np.concatenate([np.zeros((1, *values.T.shape[1:]), dtype=np.float32), values.T])
    labels, place = number_regions(atlas.labels, atlas.regions["index"].to_numpy())
    voxels = np.zeros((*labels.shape, *values.shape[:-1]), dtype=np.float32)
    held = atlas.labels.max(axis=2) > 0
    for slab in np.flatnonzero(held.any(axis=1)):  # memory before and behind the brain is never touched
        lines = np.flatnonzero(held[slab])
        part = slab, slice(lines[0], lines[-1] + 1)
        np.take(table, place[labels[part]], axis=0, out=voxels[part], mode="clip")  # unclipped, numpy copies
    return _make_image(voxels, values, atlas, t_r, description, start)


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
    absent = np.isnan(values.reshape(-1, atlas.n_regions)).any(axis=0)
    voxels = _weigh(values, atlas, absent, _missing(atlas, absent))
    return _make_image(voxels.reshape(*atlas.labels.shape, *values.shape[:-1]), voxels, atlas, t_r, description, start)


def _missing(atlas: Atlas, absent: np.ndarray) -> np.ndarray:
    """Return the voxels, shape (n_voxels,), that belong mostly to `absent` regions."""
    maps = atlas.maps.reshape(-1, atlas.n_regions)
    if not absent.any():
        return np.zeros(len(maps), dtype=bool)
    parts = np.array_split(maps, max(1, len(maps) // 50_000))  # so that sizes of weights need little memory
    return np.concatenate([np.abs(part) @ (absent - 0.5) > 0 for part in parts])


def _weigh(values: np.ndarray, atlas: Atlas, absent: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the sum of weights times `values`, shape (n_voxels,) or (n_voxels, n_times); NaN where `missing`."""
    voxels = atlas.maps.reshape(-1, atlas.n_regions) @ np.where(absent, 0, values).astype(np.float32).T
    voxels[missing] = np.nan
    return voxels


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
    return nib.Nifti1Image(voxels, atlas.affine, _make_header(voxels.shape, shown, atlas, t_r, description, start))


def _make_header(
    shape: tuple[int, ...], shown: np.ndarray, atlas: Atlas, t_r: float | None, description: str, start: float
) -> nib.Nifti1Header:
    """Return the header of a map; its range is symmetric where `shown` holds values of both signs."""
    header = nib.Nifti1Image(np.zeros((1, 1, 1), np.float32), atlas.affine).header
    header.set_data_shape(shape)
    header.set_xyzt_units("mm", "sec")
    if len(shape) == 4:
        header.set_zooms((*header.get_zooms()[:3], float(t_r)))
        header["toffset"] = start
    code = 4 if atlas.is_mni else 2
    header.set_sform(atlas.affine, code)
    header.set_qform(atlas.affine, code)
    header["descrip"] = description.encode("ascii", "replace")[:79]
    finite = shown[np.isfinite(shown)]
    limit = float(np.abs(finite).max()) if finite.size else 0.0
    header["cal_min"], header["cal_max"] = -limit if (finite < 0).any() else 0.0, limit
    return header


def _frames(values: np.ndarray, atlas: Atlas, by_maps: bool) -> Iterator[np.ndarray]:
    """Yield the voxels of each time step of values, (n_times, n_regions), in the order of a file (first axis first)."""
    if not by_maps:
        labels, place = number_regions(atlas.labels, atlas.regions["index"].to_numpy())
        rows = place[labels].ravel(order="F")
        for one in values:
            yield np.take(np.concatenate([np.zeros(1, np.float32), one]), rows)
        return
    absent = np.isnan(values).any(axis=0)
    missing = _missing(atlas, absent)
    for begin in range(0, len(values), FRAMES_AT_ONCE):
        part = _weigh(values[begin : begin + FRAMES_AT_ONCE], atlas, absent, missing)
        yield from part.reshape(*atlas.labels.shape, -1).ravel(order="F").reshape(part.shape[1], -1)


def stream_map(
    values: np.ndarray,
    atlas: Atlas,
    path: Path,
    t_r: float | None = None,
    description: str = "",
    start: float = 0.0,
    by_maps: bool | None = None,
) -> None:
    """Project values per region and write the image frame by frame, so that only some frames are in memory.

    The file is that of :func:`project_labels`, or of :func:`project_maps` but for the range in the header, which is
    that of `values`, and for rounding.

    Parameters
    ----------
    values, atlas, t_r, description, start
        As for :func:`project_labels`.
    path : Path
        Ends in ``.nii.gz``.
    by_maps : bool, optional
        Use the atlas's maps of weights; where it has them, if omitted.

    Raises
    ------
    InputError
        As :func:`project_labels` does, or if the atlas has no maps and `by_maps` is true.
    """
    values = _check_values(values, atlas, t_r, "stream_map")
    by_maps = atlas.maps is not None if by_maps is None else by_maps
    if by_maps and atlas.maps is None:
        raise InputError(f"stream_map by maps needs an atlas of maps; '{atlas.name}' has labels.")
    header = _make_header((*atlas.labels.shape, *values.shape[:-1]), values, atlas, t_r, description, start)
    header["magic"], header["vox_offset"] = b"n+1", 352
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0  # nibabel's NaN makes every value NaN in Workbench
    # without name and time, equal maps are equal files
    with (atomic_path(path) as temporary, temporary.open("wb") as raw,
          gzip_ng.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as stream):  # fmt: skip
        stream.write(header.binaryblock + bytes(4))
        for frame in _frames(np.atleast_2d(values), atlas, by_maps):
            stream.write(np.ascontiguousarray(frame, dtype=np.float32).data)


def save_map(image: nib.Nifti1Image, path: Path, sidecar: dict[str, Any]) -> None:
    """Write a map and its JSON sidecar, the image first, each whole or not at all."""
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    write_json(Path(str(path).removesuffix(".nii.gz") + ".json"), sidecar)
