"""The output folder: where each step's results lie, and whether they are already there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from types import UnionType
from typing import Any
from urllib.parse import quote

from fmri_saliency import __version__
from fmri_saliency.disk.bids_names import plain_key
from fmri_saliency.disk.files import (
    MARKER,
    check_inside,
    clear_unfinished,
    digest,
    misfit,
    read_json,
    write_json,
    write_text,
)
from fmri_saliency.disk.locks import clear_stale, hold, note_time, owner_lives
from fmri_saliency.errors import InputError, StepError

__all__ = ["Workspace", "differences", "is_done", "name_changes", "say", "stamp"]

IGNORED = (
    "config.toml", "runs.tsv", "quality.tsv", "report.html", "report.json", "quality.html", "view.sh",
    "search",
    "samples", "decoder", "saliency", "evidence", "figures", "group", "fsleyes",  # with a slash only their files match
    "**/*_timeseries.tsv", "**/*_timeseries.json", "**/*_stat-coverage_bold.tsv", "**/*_regions.tsv",
    "**/*_regions.json", "**/*_boldmap.*", "**/.unfinished-*",
)  # fmt: skip
"""What BIDS has no names for: results of a group, decoders, series and statistics of regions (proposals 12 and 17)."""
README = Path(__file__).with_name("output_readme.md")
"""What an output folder says of itself."""


@dataclass(frozen=True)
class Workspace:
    """Paths below the output folder."""

    root: Path

    @property
    def index(self) -> Path:
        """The runs that were found."""
        return self.desk / "runs.json"

    @property
    def samples(self) -> Path:
        """Folder of the samples."""
        return self.root / "samples"

    def fold(self, network: str, number: int) -> Path:
        """Folder of one fold's decoder."""
        return self.root / "decoder" / network / f"fold-{number}"

    def scores(self, network: str) -> Path:
        """Scores of a network."""
        return self.root / "decoder" / network / "scores.json"

    def fold_saliency(self, network: str, number: int) -> Path:
        """Stem of the saliency of one fold's test samples."""
        return self.root / "saliency" / network / f"fold-{number}"

    def saliency(self, network: str, kind: str) -> Path:
        """Stem of the saliency of all samples (``samples``) or averaged by class (``classes``)."""
        return self.root / "saliency" / network / kind

    @property
    def desk(self) -> Path:
        """Folder of what workflows know about the work: chunks, folds, marks of what is done, failures, who works."""
        return self.root / MARKER

    @property
    def earlier(self) -> Path:
        """Folder where results of another configuration are set aside."""
        return self.root / ".earlier"

    @property
    def drawn(self) -> Path:
        """Mark of the maps that were written to the end."""
        return self.desk / "maps.json"

    @property
    def atlas(self) -> Path:
        """Which atlas the series are of, and by which settings it was loaded."""
        return self.desk / "atlas.json"

    def failure(self, key: str) -> Path:
        """Note of why a run could not be extracted."""
        return self.desk / "failed" / f"{plain_key(key)}.json"

    @contextmanager
    def alone(self, doing: str) -> Iterator[None]:
        """Hold what belongs to the whole (scores, maps, checks, the page) while the block runs.

        Another process that wants to write or read it waits until then. How long it took is kept as that of `doing`.
        """
        if not self.root.is_dir():  # nothing there to be held: the block will say so
            yield
            return
        with hold(self.desk, "group", doing=doing):
            start = time.perf_counter()
            yield
            note_time(self.desk, doing, time.perf_counter() - start)

    def clear(self) -> None:
        """Remove what processes that died left unfinished, and what they held.

        A process of this machine is dead where there is none of its number; one of another machine where it holds
        nothing that was touched, and has not written to what it left, for :data:`~fmri_saliency.disk.locks.STALE`
        seconds.
        """
        if self.root.is_dir():
            clear_unfinished(self.root, owner_lives(self.desk))
            clear_stale(self.desk)

    def set_aside(self, paths: Iterable[Path]) -> list[str]:
        """Move files and folders of another configuration out of the way, beside what was set aside there before.

        Returns
        -------
        list of str
            What was moved, as it was called below the root.
        """
        moved = []
        for path in paths:
            if not path.exists():
                continue
            numbers = chain([""], map(str, count(2)))
            places = (self.earlier / number / path.relative_to(self.root) for number in numbers)
            place = next(place for place in places if not place.exists())
            check_inside(place)
            check_inside(path.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            moved.append(path.relative_to(self.root).as_posix())
        return moved

    def make(self) -> None:
        """Create the folder.

        Raises
        ------
        StepError
            If it cannot be created, holds files that are not this package's, or a link in it leads what is known about
            the work out of it.
        """
        self.check_owner()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.desk.mkdir(exist_ok=True)
            ways = [self.desk, *self.desk.iterdir()]
        except OSError as error:
            raise self._unwritable(error) from None
        for path in ways:
            check_inside(path)

    def _unwritable(self, error: OSError) -> StepError:
        words = f"{error.strerror or error}. See to its rights, make room there, or choose another [output] path"
        return StepError(f"The output folder {self.root} cannot be written to: {words}; what is done is kept.")

    def begin(self, links: Mapping[str, Path] | None = None) -> None:
        """Create the folder (:meth:`make`) and describe it (:meth:`describe`)."""
        self.make()
        self.describe(links)

    def describe(self, links: Mapping[str, Path] | None = None) -> None:
        """Write the files that make the folder a BIDS derivative.

        Parameters
        ----------
        links : mapping of str to Path, optional
            The data sets that it is made from, by the names that BIDS URIs call them by; the file says where they lie
            from here.

        Raises
        ------
        StepError
            If the folder cannot be written to.
        """
        try:
            description = {
                "Name": "fMRI task saliency",
                "BIDSVersion": "1.11.1",
                "DatasetType": "derivative",
                "GeneratedBy": [{"Name": "fmri_saliency", "Version": __version__}],
            }
            if links:
                places = {name: quote(os.path.relpath(path, self.root)) for name, path in links.items()}
                description["SourceDatasets"] = [{"URL": f"bids:{name}:"} for name in places]
                description["DatasetLinks"] = places
            write_json(self.root / "dataset_description.json", description)
            write_text(self.root / "README.md", README.read_text(encoding="utf-8"))
            write_text(self.root / ".bidsignore", "\n".join(IGNORED) + "\n")
        except OSError as error:
            raise self._unwritable(error) from None

    def check_owner(self) -> None:
        """Refuse to write among somebody else's files."""
        card = self.root / "dataset_description.json"
        if not self.root.is_dir():
            return
        if card.is_file():
            mine = made_by_us(card) or (made_by_us(card) is None and self.desk.is_dir())  # damaged: it is made again
        else:
            mine = all(path.name.startswith(".") for path in self.root.iterdir())
        if not mine:
            raise StepError(f"The output folder {self.root} holds files that fmri_saliency did not write; they could "
                            'be overwritten. Choose a folder of its own in [output], for example path = "results".')


def made_by_us(card: Path) -> bool | None:
    """Return whether a ``dataset_description.json`` names this package; None where it is damaged."""
    try:
        makers = read_json(card)["GeneratedBy"] or [{}]
        return makers[0].get("Name") == "fmri_saliency"
    except KeyError:
        return False
    except (InputError, OSError, LookupError, TypeError, AttributeError):
        return None


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one dict, with keys such as ``cleaning.high_pass``."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    return {k: v for key, one in value.items() for k, v in _flat(one, f"{prefix}.{key}" if prefix else key).items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say which settings differ, ``cleaning.high_pass: 0.008 -> 0.01``; a key that one lacks is ``nothing`` there."""
    before, after = _flat(_plain(old)), _flat(_plain(new))
    keys = [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key)]
    return [f"{key}: {_show(before.get(key))} -> {_show(after.get(key))}" for key in keys]


def _plain(value: Any) -> Any:
    """Return settings as they are after they were written as JSON and read again."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def _show(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def name_changes(card: Path, made_from: Mapping[str, Any]) -> str:
    """Say why what a card describes must be made again.

    Parameters
    ----------
    card : Path
        JSON whose ``MadeFrom`` says what it was made from.
    made_from : mapping
        What it would be made from now.

    Returns
    -------
    str
        The settings that differ; empty where there is no card, or one that says nothing.
    """
    try:
        recorded = read_json(card).get("MadeFrom")
    except (InputError, AttributeError, OSError):
        return ""
    return ", ".join(differences(recorded, made_from)) if isinstance(recorded, Mapping) else ""


def say_why(reasons: Sequence[str], what: str) -> None:
    """Tell the user why things are made again, each reason once with how many it concerns."""
    for reason in dict.fromkeys(reason for reason in reasons if reason):
        say(f"Made again: {reasons.count(reason)} {what} ({reason}).")


def stamp(*parts: Any) -> str:
    """Return what identifies a result: a hash of everything that went into it."""
    return digest(__version__, *parts)


def is_done(
    card: Path, inputs: str, outputs: Iterable[Path] = (), fields: Mapping[str, type | UnionType] | None = None
) -> bool:
    """Return whether `card` was written for the same `inputs`, has its `fields`, and the `outputs` are there."""
    if not card.is_file() or not all(path.is_file() for path in outputs):
        return False
    try:
        content = read_json(card)
    except (InputError, OSError):
        return False
    return not misfit(content, fields or {}) and content.get("inputs") == inputs


def require(path: Path, step: str) -> Path:
    """Return `path` if it is there, else say which step makes it.

    Raises
    ------
    StepError
    """
    if not path.is_file():
        raise StepError(f"{path} is missing: run `fmri-saliency {step} CONFIG.toml` first, or `fmri-saliency run`.")
    return path


def say(text: str) -> None:
    """Tell the user what happens, on the error stream, where the progress bars are."""
    print(text, file=sys.stderr, flush=True)
