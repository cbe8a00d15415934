"""Why a piece of work failed: a note in the output folder, which the next success of that work takes away."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fmri_saliency.disk.files import digest, read_json, remove, write_json
from fmri_saliency.errors import DamagedError, InputError, in_words
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.opening import result_settings
from fmri_saliency.pipeline.study.sidecars import card_of

__all__ = ["Failure", "forget", "noted", "read_failures"]

MARK = "_fmri_saliency_noted"  # of an error that a note says already: a fold's is not that of the whole step, too


@dataclass(frozen=True)
class Failure:
    """A piece of work that failed.

    Attributes
    ----------
    work : str
        Such as ``train/lstm/fold-1``, ``judge``; runs have notes of their own (``.workflow/failed``).
    message : str
        What went wrong, and what to do.
    when : float
        Seconds since 1970.
    """

    work: str
    message: str
    when: float


def _folder(config: Config) -> Path:
    return Workspace(config.output.path).desk / "stopped"


def _place(config: Config, work: str) -> Path:
    return _folder(config) / (work.replace("/", "__") + ".json")


def _settings(config: Config) -> str:
    return digest(result_settings(to_plain(config)))


@contextmanager
def noted(config: Config, *works: str) -> Iterator[None]:
    """Leave a note of each piece of work when the block fails; take them away, and those of parts, when it succeeds.

    A process that is killed can leave none: what it held tells of it (:func:`fmri_saliency.disk.locks.read_gone`).
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DamagedError):
            _set_damaged_aside(config, error)
        begun = (config.output.path / "dataset_description.json").is_file()
        for work in works if begun and not getattr(error, MARK, False) else ():
            with suppress(OSError):  # on a full disk the failure itself is said all the same
                write_json(_place(config, work), {
                    "work": work, "settings": _settings(config), "message": in_words(error), "when": time.time(),
                    "host": socket.gethostname(), "pid": os.getpid(),
                })  # fmt: skip
        setattr(error, MARK, True)
        raise
    forget(config, *works)


def _set_damaged_aside(config: Config, error: DamagedError) -> None:
    """Set a damaged file aside with the JSON beside it, so that the step that makes it does so again."""
    space = Workspace(config.output.path)
    path = None if error.path is None else Path(os.path.abspath(error.path))
    if path is not None and path.is_relative_to(space.root.absolute()):
        path = space.root / path.relative_to(space.root.absolute())
        card = card_of(path, space.root)
        with suppress(OSError):
            if path.is_relative_to(space.desk):  # .earlier must not look like an output folder
                remove(path)
            else:
                space.set_aside(dict.fromkeys((path, path if card is None else card)))


def forget(config: Config, *works: str) -> None:
    """Take away the notes of pieces of work, and those of their parts."""
    for path in (_place(config, work) for work in works):
        for one in (path, *path.parent.glob(f"{path.stem}__*.json")):
            with suppress(OSError):
                remove(one)


def read_failures(config: Config) -> dict[str, Failure]:
    """Return what failed with these settings and has not succeeded since, by the work."""
    found, settings = {}, _settings(config)
    for path in sorted(_folder(config).glob("*.json")):
        with suppress(InputError, OSError, LookupError, TypeError, ValueError):
            card = read_json(path)
            if card["settings"] == settings:
                found[card["work"]] = Failure(card["work"], str(card["message"]), float(card["when"]))
    return found
