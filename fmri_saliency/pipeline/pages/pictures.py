"""Figures as files, and as pictures with words for a page."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from fmri_saliency.disk.files import atomic_path
from fmri_saliency.pipeline.pages.html import Picture

__all__ = ["QUALITY", "draw_picture", "keep_picture"]

QUALITY = 90  # of WebP, 0 to 100: no difference is seen, and a page of many figures is a third as large


def draw_picture(figure: Figure, path: Path, caption: str) -> Picture:
    """Write a figure as PNG, and return it for a page with the words that stand for it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    with atomic_path(path) as temporary:
        temporary.write_bytes(stream.getvalue())
    return _for_page(stream.getvalue(), caption)


def _for_page(png: bytes, caption: str) -> Picture:
    """Return a figure in a smaller form; the file on disk keeps every pixel."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(stream, "webp", quality=QUALITY, method=4)
    return Picture(stream.getvalue(), caption, "image/webp")


def keep_picture(draw: Callable[[], Figure], path: Path, caption: str) -> Picture:
    """Return the picture at `path`, whose name says what it was drawn from; draw it where there is none."""
    return _for_page(path.read_bytes(), caption) if path.is_file() else draw_picture(draw(), path, caption)
