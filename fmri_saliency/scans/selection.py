"""Which of the runs in a data set are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmri_saliency.disk.tables import read_lines
from fmri_saliency.errors import InputError, nearest, unreadable

__all__ = ["ENTITIES", "Selection", "check_pattern", "read_subjects"]

ENTITIES = ("sub", "ses", "task", "acq", "dir", "run")


def check_pattern(pattern: str, error: type[InputError] = InputError) -> dict[str, str]:
    """Split ``sub-100307_task-wm`` into its entities; task and direction in lower case.

    Raises
    ------
    InputError
        Or `error`, if it is not ``entity-label`` pairs joined by ``_``.
    """
    pairs = {}
    for part in pattern.split("_"):
        key, dash, label = part.partition("-")
        if not dash or not label or key not in ENTITIES or key in pairs:
            hint = nearest(key, ENTITIES) if dash else ""
            raise error(f"exclude in [scans] takes entities of runs such as \"sub-100307\", \"task-wm\" or "
                        f"\"sub-100307_task-wm_dir-LR\" ({', '.join(ENTITIES)}, joined by _); '{pattern}' came.{hint}")
        pairs[key] = label.lower()
    return pairs


@dataclass(frozen=True)
class Selection:
    """Which runs are taken: all that fit every list that is not empty, less the excluded ones.

    Attributes
    ----------
    tasks, directions : tuple of str
        In any case.
    subjects : tuple of str
        With or without ``sub-``.
    exclude : tuple of str
        Entities of runs to leave out: ``sub-100307``, ``task-wm_dir-RL``.
    """

    tasks: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = {
            "sub": {subject.removeprefix("sub-").lower() for subject in self.subjects},
            "task": {task.removeprefix("task-").lower() for task in self.tasks},
            "dir": {direction.removeprefix("dir-").lower() for direction in self.directions},
        }
        object.__setattr__(self, "_wanted", {key: labels for key, labels in wanted.items() if labels})
        object.__setattr__(self, "_unwanted", [check_pattern(pattern) for pattern in self.exclude])

    def takes(self, entities: Mapping[str, str]) -> bool:
        """Return whether a run of these entities (``sub``, ``task``, ``dir`` ...) is wanted."""
        labels = {key: label.lower() for key, label in entities.items()}
        if any(labels.get(key, "") not in allowed for key, allowed in self._wanted.items()):
            return False
        return not any(pattern.items() <= labels.items() for pattern in self._unwanted)

    def idle(self, entities: Sequence[Mapping[str, str]]) -> list[str]:
        """Return the patterns of `exclude` that fit none of these runs: misspelt, most likely."""
        runs = [{key: label.lower() for key, label in one.items()} for one in entities]
        pairs = zip(self.exclude, self._unwanted, strict=True)
        return [text for text, pattern in pairs if not any(pattern.items() <= run.items() for run in runs)]


def read_subjects(path: Path) -> tuple[str, ...]:
    """Read a list of subjects: one a line, with or without ``sub-``; ``#`` begins a comment.

    Raises
    ------
    InputError
        If there is no such file, it names nobody, or a line holds more than one name.
    """
    try:
        lines = read_lines(path, "a list of subjects (text, one a line)")
    except OSError as error:
        raise InputError(unreadable(error, path)) from None
    names: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        name = line.partition("#")[0].strip()
        if len(name.replace(",", " ").split()) > 1:
            raise InputError(f"Expected one subject in line {number} of {path}; '{name}' came.")
        if name:
            names[name.rstrip(",").removeprefix("sub-")] = None
    if not names:
        raise InputError(f"The list of subjects {path} names nobody. Write one subject a line.")
    return tuple(names)
