"""Look at a scan before anything heavy is done with it."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from fmri_saliency.errors import InputError
from fmri_saliency.images import open_image

__all__ = ["read_bold_header"]

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_HEADER, _FIRST = 348, 4096  # bytes of a NIfTI-1 header; bytes of a file that surely hold one, compressed


def _peek_header(path: Path) -> nib.Nifti1Header | None:
    """Read a plain NIfTI-1 header from the first bytes of a file, several times faster than by opening the image.

    None for all else (another format, extensions, damage, no file), which opening the image explains.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(_FIRST)
        if path.name.endswith(".gz"):
            start = zlib.decompressobj(wbits=31).decompress(start, _HEADER + 4)
        if len(start) < _HEADER + 4 or start[344:348] != b"n+1\0" or start[_HEADER]:
            return None
        header = nib.Nifti1Header(start[:_HEADER])
        header.get_best_affine()
    except (OSError, zlib.error, HeaderDataError, ValueError):
        return None
    return header


def read_bold_header(path: Path, t_r: float | None = None) -> tuple[int, float, float]:
    """Check that `path` is a 4D image and return its frames and repetition time.

    Parameters
    ----------
    path : Path
    t_r : float, optional
        Seconds per frame that override the header.

    Returns
    -------
    n_times : int
    t_r : float
        Seconds per frame to use.
    header_t_r : float
        Seconds per frame as the header has it (0 where it has none).

    Raises
    ------
    InputError
        If there is no file, it is not an image, not 4D, has fewer than 2 frames, or its
        repetition time is not a positive number.
    """
    header = _peek_header(Path(path)) or open_image(path, "a BOLD image").header
    shape = header.get_data_shape()
    if len(shape) != 4:
        raise InputError(f"Expected a 4D image (x, y, z, time) at {path}; it is {len(shape)}D, shape {shape}. Is it a "
                         "mean image or a map?")
    if shape[3] < 2:
        raise InputError(f"Expected a run of at least 2 frames at {path}; it has {shape[3]}.")
    zooms = header.get_zooms()
    unit = header.get_xyzt_units()[1] if hasattr(header, "get_xyzt_units") else "sec"
    header_t_r = round(float(zooms[3]) * _SECONDS.get(unit, 1.0), 6)
    used = round(header_t_r if t_r is None else float(t_r), 6)
    if not np.isfinite(used) or used <= 0:
        raise InputError(f"The repetition time of {path} is {used:g} s; a positive number is needed. Set t_r in "
                         "[scans], or the column t_r of the table, to the seconds per frame of the acquisition.")
    return int(shape[3]), used, header_t_r
