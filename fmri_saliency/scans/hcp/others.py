"""Scans of the Human Connectome Projects that are not in the layout of the S1200 release: named, not read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["OtherFolder", "advise", "find_other_folders", "list_names", "scans_in"]

FOLDER = re.compile(r"tfMRI_[A-Z0-9]+_(LR|RL)")
OTHER = re.compile(r"tfMRI_([A-Za-z0-9]+?)(?:_([A-Za-z0-9_]+?))??(?:_(AP|PA|LR|RL))?")
"""Task, what else there is, and direction: ``tfMRI_CARIT_PA`` (Lifespan), ``tfMRI_MOVIE1_7T_AP`` (7 T)."""
SCANS = re.compile(r"|(?:_\w+)?_\w*clean|_Atlas\w*")
"""What may stand between the name of a folder and the ending of its scans: nothing, what was cleaned (FIX), and series
of grayordinates; not reference images (``_SBRef``) and maps."""
ENDINGS = (".nii.gz", ".nii", ".dtseries.nii")


@dataclass(frozen=True)
class OtherFolder:
    """A folder of a task's scans whose name is not of the S1200 release, and the first of its scans."""

    name: str
    scan: str

    @property
    def task(self) -> str:
        """The task in capitals; the whole name where it does not tell."""
        found = OTHER.fullmatch(self.name)
        return (found[1] if found else self.name).upper()

    def entities(self, subject: str) -> dict[str, str]:
        """Return what names the run of a subject."""
        found = OTHER.fullmatch(self.name)
        more = {"acq": found[2], "dir": found[3]} if found else {}
        return {"sub": subject, "task": self.task.lower(), **{key: text for key, text in more.items() if text},
                "run": "1"}  # fmt: skip

    def row(self, entities: dict[str, str]) -> dict[str, Any]:
        """Return the row of the log: left out, which is no failure, for it may lie beside scans of the layout."""
        words = f"{self.name} is not of the S1200 layout (tfMRI_<TASK>_LR or _RL). {advise(self.name, self.scan)}"
        name = "_".join(f"{key}-{label}" for key, label in entities.items())
        return {"run": name, "status": "missing", "message": words}


def advise(folder: str, scan: str) -> str:
    """Return how scans of a name that is not known can be read: by a pattern in a table of runs."""
    found, pattern = OTHER.fullmatch(folder), folder
    if found:
        parts = ("tfMRI_{task}", found[2], "{direction}" if found[3] else "")
        pattern = "_".join(filter(None, parts))
    place = f"{{subject}}/MNINonLinear/Results/{pattern}/{pattern}{scan.removeprefix(folder)}"
    return f'List such scans in a table of runs (layout = "table") by a pattern in its column bold: {place}'


def list_names(folder: Path) -> list[str]:
    """Return the names in a folder, none if there is no such folder."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def scans_in(folder: str, names: Sequence[str]) -> list[str]:
    """Return which of the names in a folder of a run are those of its scans, the plainest first."""
    found = []
    for name in names:
        ending = next((one for one in reversed(ENDINGS) if name.endswith(one)), "")
        if name.startswith(folder) and ending and SCANS.fullmatch(name.removeprefix(folder).removesuffix(ending)):
            found.append(name)
    return sorted(found, key=lambda name: (name.endswith(".dtseries.nii"), len(name), name))


def find_other_folders(results: Path, folders: Sequence[str]) -> tuple[OtherFolder, ...]:
    """Return the folders of a subject that hold scans of a task in another layout; group statistics hold none."""
    names = [name for name in sorted(folders) if name.startswith("tfMRI_") and not FOLDER.fullmatch(name)]
    found = []
    for name in names:
        try:
            scans = scans_in(name, list_names(results / name))
        except PermissionError:  # the row says that it cannot be used anyway
            scans = [f"{name}.nii.gz"]
        found += [OtherFolder(name, scan) for scan in scans[:1]]
    return tuple(found)
