"""Figures as files, and as pictures with words for a page."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from fmri_saliency.files import atomic_path
from fmri_saliency.report import Picture

__all__ = ["draw_picture", "keep_picture"]


def draw_picture(figure: Figure, path: Path, caption: str) -> Picture:
    """Write a figure as PNG, and return it with the words that stand for it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    with atomic_path(path) as temporary:
        temporary.write_bytes(stream.getvalue())
    return Picture(stream.getvalue(), caption)


def keep_picture(draw: Callable[[], Figure], path: Path, caption: str) -> Picture:
    """Return the picture at `path`, whose name says what it was drawn from; draw it where there is none."""
    return Picture(path.read_bytes(), caption) if path.is_file() else draw_picture(draw(), path, caption)
