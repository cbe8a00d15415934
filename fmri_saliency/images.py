"""Open images so that whatever is wrong with one becomes one message that names it."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from fmri_saliency.errors import InputError

__all__ = ["open_image", "read_voxels"]

DAMAGE = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, OverflowError, zlib.error)


def open_image(path: Path, what: str) -> SpatialImage:
    """Open an image without reading its voxels; `what` says in the message what was expected.

    Raises
    ------
    InputError
        If there is no file, or it is not an image of voxels.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Expected {what} at {path}; there is no such file.")
    try:
        image = nib.load(path)
    except DAMAGE as error:
        raise InputError(f"Expected {what} (NIfTI) at {path}; it is not an image: {error}") from None
    if not isinstance(image, SpatialImage) or image.affine is None:
        raise InputError(f"Expected {what} (NIfTI) at {path}; it is a {type(image).__name__}, which has no voxels.")
    return image


def read_voxels(image: SpatialImage, path: Path) -> np.ndarray:
    """Read all voxels as float32.

    Raises
    ------
    InputError
        If the file breaks off or is damaged.
    """
    try:
        return image.get_fdata(dtype=np.float32)
    except DAMAGE as error:
        raise InputError(f"{path} breaks off or is damaged: {error}. Copy it again.") from None
