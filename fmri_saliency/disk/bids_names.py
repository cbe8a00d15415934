"""BIDS names: entities to file name and back; what a user wrote becomes part of a path here, and nowhere else."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fmri_saliency.errors import InputError

__all__ = [
    "ENTITY_ORDER",
    "BidsName",
    "bids_uri",
    "build_folder",
    "build_name",
    "clean_label",
    "name_twins",
    "parse_name",
    "plain_key",
    "plain_label",
]

ENTITY_ORDER = (
    "tpl", "sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part", "contrast", "space", "atlas", "seg",
    "scale", "res", "stat", "label", "desc",
)  # fmt: skip
"""Order of entities in a name: BIDS 1.11.1, with `contrast` and `stat` where fitlins and xcp_d put them."""


LONGEST = 230
"""Characters of a name, at most: with suffix and extension it stays below the 255 bytes that file systems allow."""
CONTROLS = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode that steer a terminal or a page: controls, formats, lone surrogates, line breaks."""


def plain_label(text: object) -> str:
    """Return the letters and digits of `text` without accents, to compare labels by; empty where it has none.

    >>> plain_label("linke Hände")
    'linkeHande'
    """
    return re.sub(r"[^0-9A-Za-z]+", "", unicodedata.normalize("NFKD", str(text)))


def plain_key(key: str) -> str:
    """Return the name of a run as part of a file's name: what a log says of a run may be as a user wrote it.

    >>> plain_key("sub-01_task-../../go")
    'sub-01_task-go'
    """
    return re.sub(r"[^0-9A-Za-z_-]+", "", key)


def _refusal(text: str) -> str:
    """Say why a text must not become part of a file name; empty where it may."""
    if any(unicodedata.category(sign) in CONTROLS for sign in text):
        return "it holds control characters or line breaks"
    for part in ("/", "\\", ".."):
        if part in text:
            return f"it holds '{part}', as a path does"
    return "" if plain_label(text) else "it holds no letter or digit (a to z, 0 to 9)"


def clean_label(text: object, what: str = "The label", error: type[InputError] = InputError) -> str:
    """Return `text` as a BIDS label: letters and digits only, without accents.

    >>> clean_label("linke Hände")
    'linkeHande'

    Parameters
    ----------
    text : object
    what : str
        What the message calls it, such as ``The column task``.
    error : type of InputError
        What is raised.

    Raises
    ------
    InputError
        Or `error`, if nothing is left, or the text holds what a path or a terminal would act on: a slash, a backslash,
        two dots, control characters, line breaks.
    """
    why = _refusal(str(text))
    if why:
        raise error(f"{what} {str(text)!r} cannot be part of a BIDS name: {why}. Write letters and digits.")
    return plain_label(text)


def name_twins(labels: Iterable[str]) -> dict[str, str]:
    """Return the labels whose name an earlier, different label has, each with that label.

    >>> name_twins(["go left", "stop", "goLeft", "go-left"])
    {'go-left': 'go left'}
    """
    first: dict[str, str] = {}
    pairs = ((label, first.setdefault(plain_label(label), label)) for label in labels)
    return {label: other for label, other in pairs if other != label and plain_label(label)}


def build_name(entities: Mapping[str, object], suffix: str = "", extension: str = "") -> str:
    """Return ``key-label_..._suffix.extension`` with entities in BIDS order.

    Raises
    ------
    InputError
        If an entity is unknown, a label cannot be part of a name (:func:`clean_label`), or the name is too long.
    """
    unknown = [key for key in entities if key not in ENTITY_ORDER]
    if unknown:
        raise InputError(f"No BIDS entity '{unknown[0]}'; known are {', '.join(ENTITY_ORDER)}.")
    parts = [f"{key}-{clean_label(entities[key])}" for key in ENTITY_ORDER if key in entities]
    name = "_".join([*parts, *([suffix] if suffix else [])])
    if len(name) > LONGEST:
        raise InputError(f"A file's name may have {LONGEST} characters; {name[:60]}... would have {len(name)}. Choose "
                         "shorter labels.")
    return name + extension


def build_folder(subject: str, session: str = "") -> Path:
    """Return the folder of a person's functional files, or of one session's, below a data set.

    >>> build_folder("01", "pre").as_posix()
    'sub-01/ses-pre/func'
    """
    return Path(f"sub-{clean_label(subject)}") / (f"ses-{clean_label(session)}" if session else "") / "func"


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

    Where none holds it, it is named from the first one, so that no name tells where on this machine it lies.

    >>> bids_uri(Path("/data/raw/sub-01/x.nii.gz"), {"raw": Path("/data/raw")})
    'bids:raw:sub-01/x.nii.gz'
    >>> bids_uri(Path("/data/masks/m.nii.gz"), {"raw": Path("/data/raw")})
    'bids:raw:../masks/m.nii.gz'
    >>> bids_uri(Path("/data/x.nii.gz"), {})
    'file:///data/x.nii.gz'
    """
    holders = [(folder, name) for name, folder in links.items() if path.is_relative_to(folder)]
    if not holders and links:
        name, folder = next(iter(links.items()))
        return f"bids:{name}:{os.path.relpath(path, folder)}"
    if not holders:
        return path.as_uri()
    folder, name = max(holders, key=lambda holder: len(holder[0].parts))
    return f"bids:{name}:{path.relative_to(folder).as_posix()}"
