"""BIDS names: entities to file name and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fmri_saliency.errors import InputError

__all__ = ["ENTITY_ORDER", "BidsName", "bids_uri", "build_name", "clean_label", "parse_name"]

ENTITY_ORDER = (
    "tpl", "sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part", "contrast", "space", "atlas", "seg",
    "scale", "res", "stat", "label", "desc",
)  # fmt: skip
"""Order of entities in a name: BIDS 1.11.1, with `contrast` and `stat` where fitlins and xcp_d put them."""


def clean_label(text: object) -> str:
    """Return `text` as a BIDS label: letters and digits only, without accents.

    >>> clean_label("linke Hände")
    'linkeHande'

    Raises
    ------
    InputError
        If nothing is left.
    """
    label = re.sub(r"[^0-9A-Za-z]+", "", unicodedata.normalize("NFKD", str(text)))
    if not label:
        raise InputError(f"'{text}' cannot be part of a BIDS name: it holds no letter or digit.")
    return label


def build_name(entities: Mapping[str, object], suffix: str = "", extension: str = "") -> str:
    """Return ``key-label_..._suffix.extension`` with entities in BIDS order.

    Raises
    ------
    InputError
        If an entity is unknown.
    """
    unknown = [key for key in entities if key not in ENTITY_ORDER]
    if unknown:
        raise InputError(f"No BIDS entity '{unknown[0]}'; known are {', '.join(ENTITY_ORDER)}.")
    parts = [f"{key}-{clean_label(entities[key])}" for key in ENTITY_ORDER if key in entities]
    return "_".join([*parts, *([suffix] if suffix else [])]) + extension


class BidsName(NamedTuple):
    """A file name taken apart: entities in the order of the name, suffix, and extension with its dot."""

    entities: dict[str, str]
    suffix: str
    extension: str


def parse_name(name: str) -> BidsName:
    """Take ``key-label_..._suffix.extension`` apart; parts that are no ``key-label`` are left out.

    >>> parse_name("sub-01_task-rest_bold.nii.gz")
    BidsName(entities={'sub': '01', 'task': 'rest'}, suffix='bold', extension='.nii.gz')
    """
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    pairs = (part.partition("-") for part in parts)
    return BidsName({key: label for key, dash, label in pairs if dash and label}, suffix, dot + extension)


def bids_uri(path: Path, links: Mapping[str, Path]) -> str:
    """Return where a file is as a BIDS URI, relative to the innermost data set of `links` that holds it.

    >>> bids_uri(Path("/data/raw/sub-01/x.nii.gz"), {"raw": Path("/data/raw")})
    'bids:raw:sub-01/x.nii.gz'
    >>> bids_uri(Path("/data/x.nii.gz"), {})
    'file:///data/x.nii.gz'
    """
    holders = [(folder, name) for name, folder in links.items() if path.is_relative_to(folder)]
    if not holders:
        return path.as_uri()
    folder, name = max(holders, key=lambda holder: len(holder[0].parts))
    return f"bids:{name}:{path.relative_to(folder).as_posix()}"
