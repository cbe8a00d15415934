"""What lies in a BIDS data set: functional files by name, and what BIDS lets a run inherit.

The reader is our own because it is the fastest of those measured and needs no further package:
``benchmarks/indexing_bids.py`` indexes 15,008 runs (120,064 files) with it in 1/2.6 of the time that nilearn's
``get_bids_files`` and ``parse_bids_filename`` take, 1/8 of bids2table's and 1/9 of ancpbids's; pybids takes 126 times
as long for 560 runs (``docs/bids.md``). What is asked of a reader here is little, and the answer must hold every file
of a run: where no BOLD is in the chosen space, the message says which there are.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fmri_saliency.disk.bids_names import BidsName, parse_name
from fmri_saliency.errors import ScanWarning, unreadable

__all__ = ["VARIANT", "BidsFile", "Inheritance", "list_functional", "run_identity", "same_label"]

VARIANT = frozenset(
    ("space", "cohort", "res", "den", "desc", "hemi", "echo", "part", "label", "from", "to", "mode", "atlas", "seg",
     "scale", "stat", "recording")
)  # fmt: skip
"""Entities that tell files of one run apart, not runs."""


class BidsFile(NamedTuple):
    """A file, with its name taken apart."""

    folder: str
    name: str
    entities: dict[str, str]
    suffix: str
    extension: str

    @property
    def path(self) -> Path:
        """The whole path."""
        return Path(self.folder, self.name)


def same_label(one: str, other: str) -> bool:
    """Compare labels; numbers are equal with and without leading zeros (``run-1`` of ``run-01``)."""
    return one == other or (one.isdecimal() and other.isdecimal() and int(one) == int(other))


def _plain(label: str) -> str:
    return str(int(label)) if label.isdecimal() else label  # isdigit() takes ², which int() does not


def run_identity(entities: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what names the run that a file belongs to: its entities without the variants, run numbers as numbers.

    Subjects, tasks and sessions are compared to the letter: ``sub-1`` and ``sub-01`` are two people.
    """
    pairs = ((key, _plain(label) if key == "run" else label) for key, label in entities.items() if key not in VARIANT)
    return tuple(sorted(pairs))


def _folders(root: Path, subjects: Sequence[str]) -> Iterator[str]:
    """Return the ``func`` folders of the chosen subjects, or of all."""
    if subjects:
        people = [os.path.join(root, f"sub-{subject}") for subject in subjects]
    else:
        people = sorted(entry.path for entry in os.scandir(root) if entry.name.startswith("sub-"))
    for person in people:
        for name in _names(person):
            if name == "func" or name.startswith("ses-"):
                yield os.path.join(person, name) if name == "func" else os.path.join(person, name, "func")


def _names(folder: str) -> list[str]:
    """Return what lies in a folder, sorted; one that cannot be read is said, and left out, for the sake of others."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        warnings.warn(f"{unreadable(error, folder)} Its runs are left out.", ScanWarning, stacklevel=2)
        return []


def _list_folder(folder: str) -> list[BidsFile]:
    # names that begin with a dot are those of other systems' attributes, and of files that are being written
    return [BidsFile(folder, name, *parse_name(name)) for name in _names(folder) if name[0] != "."]


def list_functional(root: Path, subjects: Sequence[str] = ()) -> list[BidsFile]:
    """List the files in ``sub-*/func`` and ``sub-*/ses-*/func``, sorted by path.

    Parameters
    ----------
    root : Path
        A BIDS data set, raw or derived.
    subjects : sequence of str
        Labels without ``sub-``; only their folders are looked into. All when empty.
    """
    return [file for folder in _folders(Path(root), subjects) for file in _list_folder(folder)]


class Inheritance:
    """The files of a data set that apply to a run, by the inheritance principle of BIDS.

    A file applies to all runs whose names have all of its entities, in its folder and below
    (BIDS 1.11.1, common principles: the inheritance principle).

    Parameters
    ----------
    root : Path
        The data set.
    files : iterable of BidsFile
        Its functional files; the folders above are read when they are asked for.
    """

    def __init__(self, root: Path, files: Iterable[BidsFile] = ()) -> None:
        self.root = Path(root)
        self._listed: dict[str, list[BidsFile]] = {}
        for file in files:
            self._listed.setdefault(file.folder, []).append(file)

    def _level(self, folder: Path) -> list[BidsFile]:
        key = str(folder)
        if key not in self._listed:
            self._listed[key] = _list_folder(key)
        return self._listed[key]

    def applicable(self, entities: Mapping[str, str], suffix: str, extension: str) -> list[Path]:
        """Return the files of a kind that apply to a run, nearest first; of one folder the most specific."""
        person = self.root / f"sub-{entities['sub']}"
        inner = person / f"ses-{entities['ses']}" if "ses" in entities else person
        found = []
        for folder in dict.fromkeys((inner / "func", inner, person, self.root)):
            fitting = [
                file for file in self._level(folder)
                if file.suffix == suffix and file.extension == extension and _fits(file, entities)
            ]  # fmt: skip
            if fitting:
                found.append(max(fitting, key=lambda file: len(file.entities)).path)
        return found


def _fits(file: BidsFile | BidsName, entities: Mapping[str, str]) -> bool:
    return all(same_label(label, entities[key]) if key == "run" and key in entities else entities.get(key) == label
               for key, label in file.entities.items())  # fmt: skip
