"""From one number per region back to the voxels of the brain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from fmri_saliency.errors import InputError
from fmri_saliency.files import atomic_path, write_json
from fmri_saliency.records import Atlas

__all__ = ["project_labels", "save_map"]


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
    values = np.asarray(values, dtype=np.float32)
    if values.ndim not in (1, 2) or values.shape[-1] != atlas.n_regions:
        raise InputError(f"project_labels expects (n_regions,) or (n_times, n_regions) with {atlas.n_regions} regions "
                         f"of atlas '{atlas.name}'; {values.shape} came.")
    if values.ndim == 2 and not t_r:
        raise InputError("A map over time needs t_r, the seconds per frame.")
    index = atlas.regions["index"].to_numpy()
    place = np.zeros(max(int(index.max()), int(atlas.labels.max())) + 1, dtype=np.intp)
    place[index] = np.arange(1, len(index) + 1)
    table = np.concatenate([np.zeros((1, *values.T.shape[1:]), dtype=np.float32), values.T])
    image = nib.Nifti1Image(table[place[atlas.labels]], atlas.affine)
    image.header.set_xyzt_units("mm", "sec")
    if values.ndim == 2:
        image.header.set_zooms((*image.header.get_zooms()[:3], float(t_r)))
        image.header["toffset"] = start
    code = 4 if atlas.is_mni else 2
    image.set_sform(atlas.affine, code)
    image.set_qform(atlas.affine, code)
    image.header["descrip"] = description.encode("ascii", "replace")[:79]
    finite = values[np.isfinite(values)]
    limit = float(np.abs(finite).max()) if finite.size else 0.0
    image.header["cal_min"], image.header["cal_max"] = -limit if (finite < 0).any() else 0.0, limit
    return image


def save_map(image: nib.Nifti1Image, path: Path, sidecar: dict[str, Any]) -> None:
    """Write a map and its JSON sidecar, the image first, each whole or not at all."""
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    write_json(Path(str(path).removesuffix(".nii.gz") + ".json"), sidecar)
