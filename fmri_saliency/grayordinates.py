"""CIFTI dense series as images: grayordinates take the place of voxels, so that one code path reads both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, ScalarAxis, SeriesAxis

from fmri_saliency.errors import InputError

__all__ = ["describe_models", "grayordinates_of", "view_as_image"]

ROWS = (LabelAxis, ScalarAxis, SeriesAxis)  # what the rows of a dense file can be


class _Turned:
    """The values of a dense file, (rows, grayordinates) on disk, seen as (grayordinates, 1, 1, rows)."""

    is_proxy = True
    ndim = 4

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self.shape = (rows.shape[1], 1, 1, rows.shape[0])
        self.dtype = np.dtype(np.float32)
        self.offset = getattr(rows, "offset", 0)

    def __getitem__(self, index: Any) -> np.ndarray:
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in index:
            place = index.index(Ellipsis)
            index = index[:place] + (slice(None),) * (5 - len(index)) + index[place + 1 :]
        index = index + (slice(None),) * (4 - len(index))
        frames = index[3]
        rows = np.asarray(self._rows[frames], dtype=np.float32)
        turned = rows.T[:, None, None] if rows.ndim == 2 else rows[:, None, None]
        return turned[index[:3]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:, :, :, :], dtype=dtype)


def view_as_image(image: Cifti2Image, path: Path) -> nib.Nifti2Image:
    """Return a dense CIFTI file as an image of shape (grayordinates, 1, 1, rows), without reading its values.

    Parameters
    ----------
    image : Cifti2Image
        Dense: one axis of brain models.
    path : Path
        For messages.

    Returns
    -------
    Nifti2Image
        With the affine of one millimetre per grayordinate, which has no meaning in space, and for a series the
        seconds per frame as its fourth zoom. :func:`grayordinates_of` returns what its first axis stands for.

    Raises
    ------
    InputError
        If the file has no axis of brain models, or the unit of a series is not the second.
    """
    rows, models = (image.header.get_axis(number) for number in range(2))
    if not isinstance(models, BrainModelAxis) or not isinstance(rows, ROWS):
        raise InputError(f"Expected a dense CIFTI file (.dtseries.nii, .dlabel.nii) at {path}; its axes are "
                         f"{type(rows).__name__} and {type(models).__name__}.")
    header = nib.Nifti2Header()
    header.set_data_dtype(image.nifti_header.get_data_dtype())  # what lies on disk, for the check of its size
    view = nib.Nifti2Image(_Turned(image.dataobj), np.eye(4), header)
    if isinstance(rows, SeriesAxis):
        if rows.unit != "SECOND":
            raise InputError(f"Expected a series in seconds at {path}; its unit is {rows.unit}.")
        view.header.set_xyzt_units("mm", "sec")
        view.header.set_zooms((1.0, 1.0, 1.0, float(rows.step)))
    view.extra["grayordinates"] = models
    view.extra["rows"] = rows
    return view


def grayordinates_of(image: nib.spatialimages.SpatialImage) -> BrainModelAxis | None:
    """Return what the first axis of a :func:`view_as_image` stands for; None for an image of voxels."""
    return image.extra.get("grayordinates")


def describe_models(models: BrainModelAxis) -> str:
    """Return the number of grayordinates and the structures they lie in, for messages."""
    names = [name.removeprefix("CIFTI_STRUCTURE_").lower() for name, _, _ in models.iter_structures()]
    shown = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
    return f"{len(models)} grayordinates in {len(names)} structures ({shown})"
