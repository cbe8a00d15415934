"""Look at a scan before anything heavy is done with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fmri_saliency.errors import InputError
from fmri_saliency.images import open_image

__all__ = ["read_bold_header"]

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


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
    image = open_image(path, "a BOLD image")
    if len(image.shape) != 4:
        raise InputError(f"Expected a 4D image (x, y, z, time) at {path}; it is {len(image.shape)}D, shape "
                         f"{image.shape}. Is it a mean image or a map?")
    if image.shape[3] < 2:
        raise InputError(f"Expected a run of at least 2 frames at {path}; it has {image.shape[3]}.")
    zooms = image.header.get_zooms()
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else "sec"
    header_t_r = round(float(zooms[3]) * _SECONDS.get(unit, 1.0), 6)
    used = round(header_t_r if t_r is None else float(t_r), 6)
    if not np.isfinite(used) or used <= 0:
        raise InputError(f"The repetition time of {path} is {used:g} s; a positive number is needed. Set t_r in "
                         "[scans], or the column t_r of the table, to the seconds per frame of the acquisition.")
    return int(image.shape[3]), used, header_t_r
