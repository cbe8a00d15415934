"""Look at a scan before anything heavy is done with it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError

from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.headers import time_unit
from fmri_saliency.disk.images import check_header, open_image
from fmri_saliency.errors import InputError
from fmri_saliency.records import Run

__all__ = [
    "is_seconds",
    "lacks_unit",
    "read_bold_header",
    "says_slice_timing",
    "sidecar_conflict",
    "sidecar_of",
    "sidecar_refusal",
    "stated_step",
]

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "": 1.0}
_REMEDY = "Set t_r in [scans], or the column t_r of the table, to the seconds per frame of the acquisition."
SHORTEST, LONGEST = 0.05, 100.0  # seconds per frame that are believed
UNEVEN = 0.05  # how far a frame may be from where equal steps would have it, as a share of a step
_HEADER, _FIRST = 348, 4096  # bytes of a NIfTI-1 header; bytes of a file that surely hold one, compressed


def _peek(path: Path) -> nib.Nifti1Image | None:
    """Read a plain NIfTI-1 header from the first bytes of a file, several times faster than by opening the image.

    None for all else (another format, extensions, damage, no file), which opening the image explains.
    """
    try:
        if not path.is_file():  # a pipe, which would be waited for
            return None
        with path.open("rb") as stream:
            start = stream.read(_FIRST)
        if path.name.endswith(".gz"):
            start = zlib.decompressobj(wbits=31).decompress(start, _HEADER + 4)
        if len(start) < _HEADER + 4 or start[344:348] != b"n+1\0" or start[_HEADER]:
            return None
        with LoggingOutputSuppressor():  # what it would print names no file
            header = nib.Nifti1Header(start[:_HEADER])
            affine = header.get_best_affine()
            proxy = ArrayProxy(str(path), header)
            return nib.Nifti1Image(proxy, affine, header) if np.isfinite(affine).all() else None
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
        cannot be true (see ``images.check_header``), or its repetition time is not from 0.05 to 100 s,
        or not a time at all.
    """
    image = _peek(Path(path)) or open_image(path, "a BOLD image")
    if len(image.shape) != 4:
        raise InputError(f"Expected a 4D image (x, y, z, time) at {path}; it is {len(image.shape)}D, shape "
                         f"{image.shape}. Is it a mean image or a map?")
    check_header(image, path)
    if image.shape[3] < 2:
        raise InputError(f"Expected a run of at least 2 frames at {path}; it has {image.shape[3]}.")
    unit = time_unit(image)
    header_t_r = round(float(image.header.get_zooms()[3]) * _SECONDS.get(unit, 0.0), 6)
    if t_r is None and unit not in _SECONDS:
        raise InputError(f"The header of {path} gives its fourth axis in {unit}, which is no time. {_REMEDY}")
    used = _check_t_r(header_t_r if t_r is None else t_r, path)
    return int(image.shape[3]), used, header_t_r


def _check_t_r(t_r: float, path: Path) -> float:
    """Return a repetition time, rounded to microseconds, if a scan can have it; raise InputError if not."""
    try:
        used = round(float(t_r), 6)
    except OverflowError:  # a whole number of hundreds of digits
        used = float("inf")
    if np.isfinite(used) and SHORTEST <= used <= LONGEST:
        return used
    if used > LONGEST:
        fault = "no scan is so slow: are these milliseconds?"
    elif used > 0:
        fault = "no scan is so fast: are these seconds that are said to be milliseconds?"
    else:
        fault = "a positive number is needed."
    raise InputError(f"The repetition time of {path} is {used:g} s; {fault} {_REMEDY}")


def sidecar_of(bold: Path) -> Path:
    """Return where BIDS's sidecar of a scan would be: its name with ``.json``."""
    stem = bold.name.removesuffix(".gz")
    for ending in (".nii", ".img", ".hdr"):
        stem = stem.removesuffix(ending)
    return bold.with_name(stem + ".json")


def is_seconds(value: object) -> bool:
    """Return whether a value of a JSON is a number that can be seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < 1e9  # also whole numbers that no float holds


def _read_sidecar(bold: Path) -> dict[str, Any]:
    """Return the JSON beside a scan; nothing if there is none, or it holds no object."""
    path = sidecar_of(bold)
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def stated_step(content: object, path: Path) -> float | None:
    """Return the seconds per frame that ``VolumeTiming`` of a sidecar gives; None where it has none.

    BIDS has it in place of ``RepetitionTime`` for sparse acquisitions: the onset of each frame in seconds.

    Raises
    ------
    InputError
        If it is no such list, or an onset is further than 5 % of a step from where equal steps would have it.
    """
    times = content.get("VolumeTiming") if isinstance(content, dict) else None
    if times is None:
        return None
    if not isinstance(times, list) or len(times) < 2 or not all(is_seconds(time) or time == 0 for time in times):
        raise InputError(f"VolumeTiming in {path} must list the onsets of the frames in seconds; "
                         f"{json.dumps(times)[:80]} came. Correct it, or write RepetitionTime in its place.")
    onsets = np.asarray(times, dtype=float)
    even = np.linspace(onsets[0], onsets[-1], len(onsets))
    if onsets[-1] > onsets[0] and np.abs(onsets - even).max() <= UNEVEN * (even[1] - even[0]):
        return round(float(even[1] - even[0]), 6)
    steps = np.diff(onsets)
    raise InputError(f"The frames of this scan are not equally spaced: VolumeTiming in {path} has steps from "
                     f"{steps.min():g} to {steps.max():g} s. Windows, filters and networks need one repetition time. "
                     "Resample the scan to equal steps, or leave the run out.")


def sidecar_refusal(run: Run) -> str:
    """Say why a run cannot be used by the JSON beside its scan, whatever the repetition time; empty where it can."""
    try:
        content = _read_sidecar(run.bold)
    except (InputError, OSError):  # see sidecar_conflict
        return ""
    try:
        stated_step(content, sidecar_of(run.bold))
    except InputError as error:
        return str(error)
    return ""


def sidecar_conflict(run: Run) -> str:
    """Say how the repetition time of a run disagrees with the JSON beside its scan; empty where it does not.

    The JSON is BIDS's sidecar: the scan's name with ``.json``, and ``RepetitionTime`` in seconds.
    """
    path = sidecar_of(run.bold)
    remedy = "Set t_r in [scans] to the seconds per frame of the acquisition, or correct the sidecar."
    try:
        sidecar = _read_sidecar(run.bold)
        t_r = sidecar.get("RepetitionTime", stated_step(sidecar, path))
    except (InputError, OSError) as error:
        return f"The sidecar of {run.bold} cannot be read: {error}"
    times = sidecar.get("VolumeTiming")
    if times is not None and len(times) != run.n_times:
        return (f"VolumeTiming in {path} lists {len(times)} frames; {run.bold} has {run.n_times}. Onsets count from "
                "the first frame of the scan: check that it is the first of the list, and correct the sidecar.")
    if t_r is None:
        return ""
    if not is_seconds(t_r):
        return (f"The sidecar {path} gives the repetition time {repr(t_r)[:40]}; a positive number of seconds is "
                f"needed. {remedy}")
    if abs(t_r - run.t_r) <= 1e-3 * run.t_r:
        return ""
    return (f"The repetition time of {run.bold} is {run.t_r:g} s here (header: {run.header_t_r:g} s); its sidecar says "
            f"{t_r:g} s ({path}). {remedy}")


def lacks_unit(run: Run) -> bool:
    """Return whether the repetition time of a run is its header's, which does not say in which unit."""
    if abs(run.t_r - run.header_t_r) > 1e-3 * run.t_r:
        return False
    try:
        image = _peek(run.bold) or open_image(run.bold, "a BOLD image")
        return not time_unit(image) and not {"RepetitionTime", "VolumeTiming"} & set(_read_sidecar(run.bold))
    except (InputError, OSError):
        return False


def says_slice_timing(run: Run) -> bool:
    """Return whether the JSON beside a scan says that its frames stand for a later moment than their beginning."""
    try:
        content = _read_sidecar(run.bold)
    except (InputError, OSError):
        return False
    return bool(content.get("StartTime") or content.get("SliceTimingCorrected") is True)
