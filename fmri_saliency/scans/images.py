"""Look at a scan before anything heavy is done with it."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import HeaderDataError

from fmri_saliency.errors import InputError
from fmri_saliency.files import read_json
from fmri_saliency.images import check_header, open_image
from fmri_saliency.records import Run

__all__ = ["read_bold_header", "sidecar_conflict", "sidecar_of"]

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
LONGEST = 100.0  # seconds per frame that are believed
_HEADER, _FIRST = 348, 4096  # bytes of a NIfTI-1 header; bytes of a file that surely hold one, compressed


def _peek(path: Path) -> nib.Nifti1Image | None:
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
        affine = header.get_best_affine()
        return nib.Nifti1Image(ArrayProxy(str(path), header), affine, header) if np.isfinite(affine).all() else None
    except (OSError, zlib.error, HeaderDataError, ValueError):
        return None


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
        If there is no file, it is not an image, not 4D, has fewer than 2 frames, its header
        cannot be true (see ``images.check_header``), or its repetition time is not a positive
        number up to 100 s.
    """
    image = _peek(Path(path)) or open_image(path, "a BOLD image")
    if len(image.shape) != 4:
        raise InputError(f"Expected a 4D image (x, y, z, time) at {path}; it is {len(image.shape)}D, shape "
                         f"{image.shape}. Is it a mean image or a map?")
    check_header(image, path)
    if image.shape[3] < 2:
        raise InputError(f"Expected a run of at least 2 frames at {path}; it has {image.shape[3]}.")
    zooms = image.header.get_zooms()
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else "sec"
    header_t_r = round(float(zooms[3]) * _SECONDS.get(unit, 1.0), 6)
    used = round(header_t_r if t_r is None else float(t_r), 6)
    if not np.isfinite(used) or not 0 < used <= LONGEST:
        fault = "no scan is so slow: are these milliseconds?" if used > LONGEST else "a positive number is needed."
        raise InputError(f"The repetition time of {path} is {used:g} s; {fault} Set t_r in [scans], or the column t_r "
                         "of the table, to the seconds per frame of the acquisition.")
    return int(image.shape[3]), used, header_t_r


def sidecar_of(bold: Path) -> Path:
    """Return where BIDS's sidecar of a scan would be: its name with ``.json``."""
    return bold.with_name(bold.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def sidecar_conflict(run: Run) -> str:
    """Say how the repetition time of a run disagrees with the JSON beside its scan; empty where it does not.

    The JSON is BIDS's sidecar: the scan's name with ``.json``, and ``RepetitionTime`` in seconds.
    """
    path = sidecar_of(run.bold)
    if not path.is_file():
        return ""
    remedy = "Set t_r in [scans] to the seconds per frame of the acquisition, or correct the sidecar."
    try:
        sidecar = read_json(path)
    except (InputError, OSError) as error:
        return f"The sidecar of {run.bold} cannot be read: {error}"
    t_r = sidecar.get("RepetitionTime") if isinstance(sidecar, dict) else None
    if t_r is None:
        return ""
    if not isinstance(t_r, int | float) or not np.isfinite(t_r) or t_r <= 0:
        return f"The sidecar {path} gives the repetition time {t_r!r}; a positive number of seconds is needed. {remedy}"
    if abs(t_r - run.t_r) <= 1e-3 * run.t_r:
        return ""
    return (f"The repetition time of {run.bold} is {run.t_r:g} s here (header: {run.header_t_r:g} s); its sidecar says "
            f"{t_r:g} s ({path}). {remedy}")
