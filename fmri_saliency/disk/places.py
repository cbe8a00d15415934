"""Where the data that travel with the package lie."""

from __future__ import annotations

from pathlib import Path

from fmri_saliency.errors import FmriSaliencyError

__all__ = ["data_folder"]


def data_folder(name: str) -> Path:
    """Return the folder ``atlases`` or ``workflows``, in an installed package or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / name, package.parent / name):
        if place.is_dir():
            return place
    raise FmriSaliencyError(f"The folder '{name}' is missing beside {package}; install the package again.")
