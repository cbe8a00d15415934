"""Saliency on disk: one array and one JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fmri_saliency.disk.files import read_record, remove, write_array, write_json
from fmri_saliency.disk.sources import check_content, hash_file
from fmri_saliency.errors import DamagedError, InputError
from fmri_saliency.records import Saliency

__all__ = ["begin_saliency", "read_saliency", "write_saliency", "write_saliency_card"]

FIELDS = {"labels": list, "t_r": float | int, "names": list, "method": str, "target": str, "baseline": str,
          "unit": str, "seed": int, "n_averaged": list, "start": float | int}  # fmt: skip
"""What the JSON of a saliency says of its maps."""
STEP = "explain CONFIG.toml"


def begin_saliency(stem: Path) -> Path:
    """Return the path of the array of a saliency that is about to be written, after removing its old JSON."""
    stem = Path(stem)
    remove(stem.with_name(stem.name + ".json"))
    return stem.with_name(stem.name + ".npy")


def write_saliency_card(saliency: Saliency, stem: Path, extra: dict[str, Any] | None = None) -> None:
    """Write ``stem.json``, when ``stem.npy`` (see :func:`begin_saliency`) is whole."""
    card = {name: getattr(saliency, name) for name in FIELDS}
    array = Path(stem).with_name(Path(stem).name + ".npy")
    content = {"SHA256": hash_file(array)} if array.is_file() else {}
    write_json(array.with_suffix(".json"), {**card, **content, **(extra or {})})


def write_saliency(saliency: Saliency, stem: Path, extra: dict[str, Any] | None = None) -> None:
    """Write ``stem.npy`` (maps x time x region) and, last, ``stem.json``."""
    write_array(begin_saliency(stem), saliency.values)
    write_saliency_card(saliency, stem, extra)


def read_saliency(stem: Path) -> Saliency:
    """Read what :func:`write_saliency` wrote; the maps are memory-mapped and cannot be written to.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    stem = Path(stem)
    card = read_record(stem.with_name(stem.name + ".json"), FIELDS, STEP)
    try:
        values = np.load(stem.with_name(stem.name + ".npy"), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        path = stem.with_name(stem.name + ".npy")
        raise DamagedError(f"{path} is missing or damaged ({error}). `fmri-saliency {STEP}` makes it again.", path) \
            from None
    check_content(stem.with_name(stem.name + ".npy"), card.get("SHA256"), STEP)
    fields = {name: tuple(card[name]) if isinstance(card[name], list) else card[name] for name in FIELDS}
    try:
        return Saliency(values=values, **fields)
    except InputError as error:
        raise DamagedError(f"{stem}.json is damaged: it does not fit {stem.name}.npy ({error}). `fmri-saliency {STEP}` "
                           "makes it again.", stem.with_name(stem.name + ".json")) from None
