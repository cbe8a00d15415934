"""CIFTI dense series as images: grayordinates take the place of voxels, so that one code path reads both."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, ScalarAxis, SeriesAxis
from nibabel.openers import ImageOpener

from fmri_saliency.disk.headers import LARGEST_FRAME
from fmri_saliency.errors import InputError

__all__ = ["check_text", "describe_models", "grayordinates_of", "view_as_image"]

LARGEST_EXPONENT = 12  # of ten, for the seconds of a series
MILLIMETRES = -3  # of ten, for metres
ANNOUNCED = re.compile(rb"(SeriesExponent|IndexCount|SurfaceNumberOfVertices)\s*=\s*[\"']\s*([+-]?\d+)")
CIFTI_CODE = 32  # of the extension that holds the XML
LONGEST_TEXT = 2**28  # bytes of XML that are looked at
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


def check_text(path: Path) -> None:
    """Refuse a CIFTI file whose XML announces what no memory holds; nibabel would ask for it while it opens the file.

    Files of other formats are left alone.

    Raises
    ------
    InputError
    """
    try:
        with ImageOpener(str(path)) as stream:
            start = stream.read(552)
            order = "<" if start[:4] == b"\x1c\x02\0\0" else ">"  # the length of the header, 540
            if len(start) < 552 or start[4:7] != b"n+2":
                return
            size, code = struct.unpack_from(f"{order}ii", start, 544)
            text = stream.read(min(max(size, 0), LONGEST_TEXT)) if code == CIFTI_CODE else b""
    except Exception:  # opening the image says what is wrong with the file
        return
    for name, value in ANNOUNCED.findall(text):
        most = LARGEST_EXPONENT if name == b"SeriesExponent" else LARGEST_FRAME
        if len(value) > 20 or abs(int(value)) > most:
            raise InputError(f"{path} announces {name.decode()} = {value[:20].decode()}; at most {most} is believed. "
                             "Is the file damaged? Write it again.")


def _check_announced(image: Cifti2Image, path: Path) -> None:
    """Refuse axes that cannot be true, before memory is asked for them.

    Raises
    ------
    InputError
    """
    counts = []
    for number, length in enumerate(image.shape[:2]):
        axis = image.header.matrix.get_index_map(number)
        models = list(axis.brain_models)
        counts.append(sum(model.index_count for model in models) if models else length)
        if axis.number_of_series_points is not None:
            counts[-1] = axis.number_of_series_points
        meshes = [model.surface_number_of_vertices or 0 for model in models]
        volume = axis.volume
        voxels = math.prod(volume.volume_dimensions) if volume is not None else 0
        if max([*meshes, voxels, 0]) > LARGEST_FRAME or min([*meshes, voxels, 0]) < 0:
            raise InputError(f"{path} announces a mesh of {max([*meshes, 0])} vertices and a grid of {voxels} voxels; "
                             f"at most {LARGEST_FRAME} are read. Is the file damaged?")
        place = volume.transformation_matrix_voxel_indices_ijk_to_xyz if volume is not None else None
        if place is not None and place.meter_exponent != MILLIMETRES:
            raise InputError(f"{path} places its voxels in 10^{place.meter_exponent} metres (MeterExponent); "
                             f"millimetres ({MILLIMETRES}) are expected. Write the file again.")
    if tuple(counts) != tuple(image.shape[:2]):
        raise InputError(f"The axes of {path} are for {counts[0]} rows of {counts[1]} values; it holds "
                         f"{' x '.join(map(str, image.shape))}. Write the file again, or copy it again.")


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
        If the file has no axis of brain models, its axes are not as long as its values or announce more than there
        can be, its voxels are not placed in mm, or the unit of a series is not the second.
    """
    _check_announced(image, path)
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
        step = float(rows.step)
        with np.errstate(over="ignore"):  # whether it can be true is asked where it is used
            view.header.set_zooms((1.0, 1.0, 1.0, step if step > 0 else 0.0))
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
