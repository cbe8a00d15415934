"""What a header says that cannot be true, and what it says of units and of left and right."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError, SpatialImage

from fmri_saliency.errors import InputError

__all__ = ["LARGEST_FRAME", "MOST_FRAMES", "check_extent", "check_offset", "check_units", "compare_sides", "time_unit"]

LARGEST_FRAME = 2**26
"""Voxels of a frame that are believed: a cube of 406, several times the largest frames of 7 T."""
MOST_FRAMES = 200_000
"""Frames that are believed: 2.8 hours at the shortest repetition time of 0.05 s."""
VOXEL_MM = (0.01, 250.0)
"""Edges of a voxel that are believed, in mm."""
SPACE_UNITS = {1: "metres", 2: "mm", 3: "microns"}
TIME_UNITS = {0: "", 8: "sec", 16: "msec", 24: "usec", 32: "hertz", 40: "parts per million", 48: "radians per second"}
"""Codes of ``xyzt_units``: the lowest three bits are of space, the next three of time (nifti1.h, 2007)."""


def _unit_codes(image: SpatialImage) -> tuple[int, int]:
    """Return the codes of the units of space and time; those of mm and seconds for formats that have no others."""
    if not isinstance(image, nib.Nifti1Pair):
        return 2, 8
    code = int(image.header["xyzt_units"])
    return code & 0x07, code & 0x38


def time_unit(image: SpatialImage) -> str:
    """Return the unit of the fourth axis: ``sec``, ``msec``, ``usec``, another in words, or empty if it has none."""
    code = _unit_codes(image)[1]
    return TIME_UNITS.get(code, f"a unit of code {code}, which NIfTI does not know")


def check_units(image: SpatialImage, path: Path) -> None:
    """Refuse an image whose voxels are not measured in millimetres.

    Raises
    ------
    InputError
        If the header says metres, microns or an unknown unit, or an edge of a voxel is below 0.01 or above 250 mm.
    """
    code = _unit_codes(image)[0]
    edges = nib.affines.voxel_sizes(image.affine)
    said = ", ".join(f"{edge:g}" for edge in edges)
    remedy = "Positions are read in mm: write affine and pixdim in mm, and the unit mm, or convert the scan again."
    if code not in (0, 2):
        unit = SPACE_UNITS.get(code, f"a unit of code {code}, which NIfTI does not know")
        raise InputError(f"The header of {path} gives the size of its voxels ({said}) in {unit}. {remedy}")
    if not (VOXEL_MM[0] <= edges.min() and edges.max() <= VOXEL_MM[1]):
        raise InputError(f"The voxels of {path} would measure ({said}) mm; edges from {VOXEL_MM[0]:g} to "
                         f"{VOXEL_MM[1]:g} mm are expected. Are these metres or microns? {remedy}")


def check_offset(image: SpatialImage, path: Path) -> None:
    """Refuse a NIfTI in one file whose voxels would begin within its header.

    Raises
    ------
    InputError
        If ``vox_offset`` is 0, or below the header's length, in a file that holds header and voxels.
    """
    offset = getattr(image.dataobj, "offset", None)
    if offset is None or not isinstance(image, nib.Nifti1Pair):
        return
    least = image.header.single_vox_offset if isinstance(image, nib.Nifti1Image) else 0
    if offset < least:
        raise InputError(f"The header of {path} says that its voxels begin at byte {offset} (vox_offset); in one file "
                         f"with the header they begin at {least} at the earliest, so the header would be read as "
                         "voxels. Write the image again from its source.")


def check_extent(shape: tuple[int, ...], path: Path) -> None:
    """Refuse an image that announces a frame, or a number of frames, that no scan has, before memory is asked for it.

    Raises
    ------
    InputError
    """
    size = int(np.prod(shape[:3], dtype=object))
    words = f"The header of {path} announces the shape {tuple(map(int, shape))}: "
    if size > LARGEST_FRAME:
        raise InputError(f"{words}{size} voxels in a frame; at most {LARGEST_FRAME} are read. Is the header damaged?")
    if int(np.prod(shape[3:], dtype=object)) > MOST_FRAMES:
        raise InputError(f"{words}more than {MOST_FRAMES} frames. Is the header damaged?")


def compare_sides(image: SpatialImage, path: Path) -> str:
    """Say where the two affines of a NIfTI, sform and qform, disagree about left and right; empty where they agree.

    They do where one mirrors the other (determinants of opposite sign), or the first axis of space points the opposite
    way. An affine whose code is 0, or that cannot be computed, says nothing.
    """
    if not isinstance(image, nib.Nifti1Pair):
        return ""
    try:
        affines = {"sform": image.header.get_sform(coded=True)[0], "qform": image.header.get_qform(coded=True)[0]}
    except (HeaderDataError, ValueError):
        return ""
    if any(affine is None or not np.isfinite(affine).all() for affine in affines.values()):
        return ""
    one, other = (affine[:3, :3] for affine in affines.values())
    if np.linalg.det(one) * np.linalg.det(other) >= 0 and one[0] @ other[0] >= 0:
        return ""
    ways = {name: "".join(nib.aff2axcodes(affine)) for name, affine in affines.items()}
    return (f"The sform of {path} says {ways['sform']}, its qform {ways['qform']}: they disagree about left and right. "
            "The sform is used. Check which side is left, and write the right affine into both.")
