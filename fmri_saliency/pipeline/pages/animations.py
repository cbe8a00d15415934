"""Animations as files: GIF by Pillow alone, MP4 where ffmpeg is."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from fmri_saliency.disk.files import atomic_path
from fmri_saliency.errors import InputError, StepError

__all__ = ["save_animation"]

COLOURS = 128  # of all pictures of a GIF together
SAMPLED = 12  # pictures that the colours are chosen from


def save_animation(pictures: np.ndarray, path: Path, seconds: float = 0.15, plays: int = 0) -> Path:
    """Write pictures as an animation, whole or not at all.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n_pictures, height, width, 3)
        As :func:`fmri_saliency.plotting.animate_glass` draws them.
    path : Path
        Ends in ``.gif`` (no other program is needed) or ``.mp4`` (H.264; ffmpeg is needed).
    seconds : float
        Each picture is shown for so long; GIFs know hundredths.
    plays : int
        How often a GIF runs; 0 is for ever. Of an MP4 the player knows.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the path ends in something else, or the pictures have another shape.
    StepError
        If an MP4 is asked for and there is no ffmpeg, or it fails.
    """
    if pictures.ndim != 4 or pictures.shape[3] != 3 or pictures.dtype != np.uint8 or not len(pictures):
        raise InputError("An animation needs pictures of uint8 and shape (n_pictures, height, width, 3); "
                         f"{pictures.dtype} of {pictures.shape} came.")
    writers = {".gif": partial(_write_gif, plays=plays), ".mp4": _write_mp4}
    if path.suffix not in writers:
        raise InputError(f"An animation is written as .gif or .mp4; '{path.name}' came.")
    with atomic_path(path) as temporary:
        writers[path.suffix](pictures, temporary, seconds)
    return path


def _write_gif(pictures: np.ndarray, path: Path, seconds: float, plays: int) -> None:
    """Write a GIF whose pictures share their colours: half as large as one with colours for each, without flicker."""
    chosen = pictures[np.linspace(0, len(pictures) - 1, min(SAMPLED, len(pictures))).round().astype(int)]
    palette = Image.fromarray(np.concatenate(chosen)).quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    frames = [Image.fromarray(one).quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    again = {} if plays == 1 else {"loop": max(0, plays - 1)}  # a GIF says how often it runs after the first time
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds),
                   optimize=False, **again)  # fmt: skip


def _write_mp4(pictures: np.ndarray, path: Path, seconds: float) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise StepError("An MP4 needs the program ffmpeg, which is not on the PATH. Install it, or ask for a .gif, "
                        "which needs no other program.")
    _, height, width, _ = pictures.shape
    command = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
               "-r", f"{1 / seconds:.6f}", "-i", "-", "-an", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white",
               "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(path)]  # fmt: skip
    done = subprocess.run(command, input=pictures.tobytes(), capture_output=True, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise StepError(f"ffmpeg could not write the animation: {words}. Ask for a .gif, which does not need it.")
