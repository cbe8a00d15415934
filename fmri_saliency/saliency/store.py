"""Saliency on disk: one array and one JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fmri_saliency.errors import InputError
from fmri_saliency.files import read_json, write_array, write_json
from fmri_saliency.records import Saliency

__all__ = ["read_saliency", "write_saliency"]

FIELDS = ("labels", "t_r", "names", "method", "target", "baseline", "unit", "seed", "n_averaged", "start")


def write_saliency(saliency: Saliency, stem: Path, extra: dict[str, Any] | None = None) -> None:
    """Write ``stem.npy`` (maps x time x region) and, last, ``stem.json``."""
    stem = Path(stem)
    stem.with_name(stem.name + ".json").unlink(missing_ok=True)
    write_array(stem.with_name(stem.name + ".npy"), saliency.values)
    card = {name: getattr(saliency, name) for name in FIELDS}
    write_json(stem.with_name(stem.name + ".json"), {**card, **(extra or {})})


def read_saliency(stem: Path) -> Saliency:
    """Read what :func:`write_saliency` wrote.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    stem = Path(stem)
    card = read_json(stem.with_name(stem.name + ".json"))
    try:
        values = np.load(stem.with_name(stem.name + ".npy"), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{stem}.npy is missing or damaged ({error}). Explain again.") from None
    fields = {name: tuple(card[name]) if isinstance(card[name], list) else card[name] for name in FIELDS}
    return Saliency(values=values, **fields)
