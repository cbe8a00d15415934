"""One run from scan to files, in a process that loads nothing else."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fmri_saliency.disk.bids_names import plain_key
from fmri_saliency.disk.files import digest, remove, write_json
from fmri_saliency.disk.locks import hold, note_time
from fmri_saliency.disk.sources import Source, describe_source, known_hash
from fmri_saliency.errors import InputError, OutsideError, ScanWarning, UnreachableError, lacks_memory, unusable
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series.extract import extract_with_quality
from fmri_saliency.series.settings import Cleaning
from fmri_saliency.series.store import card_path, forget_series, read_series_card, series_outputs, write_series

__all__ = ["Extracted", "SeriesJob", "extract_to_files", "failure_path", "note_failure", "series_state"]


@dataclass(frozen=True)
class SeriesJob:
    """A run whose series are to be made.

    Attributes
    ----------
    run : Run
    stem : Path
        Of the files to write.
    about : dict
        What the JSON beside the series says besides.
    made_from : dict
        What the series depend on beside the files: version, cleaning, atlas, repetition time.
    sources : tuple of (str, Path)
        The files that are read, by names that hold on other machines, too.
    desk : Path, optional
        Folder of what is known about the work; without it nobody is told, and no other process is waited for.
    """

    run: Run
    stem: Path
    about: dict[str, Any]
    made_from: dict[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    desk: Path | None = None


class Extracted(NamedTuple):
    """What became of a run: its key, what went wrong (if anything did), and whether anything had to be made.

    `what` is ``made``, ``kept`` (it was up to date), ``failed`` (the scan, or a file beside it, cannot be used as it
    is), ``again`` (memory, room on the disk or the right to a file was lacking: the next call tries it again), or
    ``busy`` (another process works on it).
    """

    key: str
    failure: str
    what: str


def failure_path(desk: Path, key: str) -> Path:
    """Return where it is written down that a run cannot be extracted."""
    return desk / "failed" / f"{plain_key(key)}.json"


def series_state(card: dict[str, Any] | None, made_from: dict[str, Any], sources: Sequence[Source]) -> str:
    """Say whether series are up to date, without reading a scan.

    Parameters
    ----------
    card : dict or None
        The JSON beside the series.
    made_from, sources
        As in :class:`SeriesJob`.

    Returns
    -------
    {"current", "unsure", "stale"}
        Unsure where a file has another name or time of change: what is in it must be looked at.

    Raises
    ------
    OSError
        If a file cannot be reached.
    """
    recorded = {k: v for k, v in (card or {}).get("MadeFrom", {}).items() if k != "files"}
    if digest(recorded) != digest(made_from):
        return "stale"
    known = card.get("SourceFiles", [])
    if len(known) != len(sources) or [one["size"] for one in known] != [path.stat().st_size for _, path in sources]:
        return "stale"
    return "current" if all(known_hash(source, known) for source in sources) else "unsure"


def _identify(job: SeriesJob, card: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the JSON says about where the series come from; files that were touched are read."""
    if not job.sources:
        return {}
    files = [describe_source(source, (card or {}).get("SourceFiles", [])) for source in job.sources]
    made_from = {**job.made_from, "files": [one["sha256"] for one in files]}
    return {"Sources": [one["uri"] for one in files], "SourceFiles": files, "MadeFrom": made_from,
            "inputs": digest(made_from)}  # fmt: skip


def _read_card(stem: Path) -> dict[str, Any] | None:
    try:
        card = read_series_card(stem, extracted=False)
    except (InputError, OSError):
        return None
    return card if all(path.is_file() for path in series_outputs(stem, card)) else None


def _extract(job: SeriesJob, atlas: Atlas, cleaning: Cleaning, identity: dict[str, Any]) -> tuple[str, str]:
    """Extract and write; return what went wrong, if anything, and what was done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScanWarning)
        try:
            series, quality = extract_with_quality(job.run, atlas, cleaning)
        except UnreachableError as error:
            return str(error), "again"
        except InputError as error:
            return str(error), "failed"
    notes = [str(warning.message) for warning in caught if issubclass(warning.category, ScanWarning)]
    for warning in caught:
        if not issubclass(warning.category, ScanWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    try:
        write_series(series, job.stem, {**job.about, **identity, "Notes": notes}, quality)
    except OutsideError as error:
        return str(error), "again"
    except OSError as error:
        return (f"The series of {job.run.bold} cannot be written to {job.stem.parent}: {error.strerror or error}. Make "
                "room there, or choose another [output] path, and run the same command again."), "again"
    return "", "made"


def _make(job: SeriesJob, atlas: Atlas, cleaning: Cleaning) -> tuple[str, str]:
    """Extract a run, unless its series turn out to be up to date; return what went wrong, and what was done."""
    card = _read_card(job.stem)
    try:
        identity = _identify(job, card)
    except OSError as error:
        return (f"{error.filename or job.run.bold} was found and cannot be reached now: {error.strerror or error}. "
                "Check that it is still there."), "again"
    if card is not None and identity and card.get("inputs") == identity["inputs"]:
        if card["SourceFiles"] != identity["SourceFiles"]:  # touched or moved, and the same
            write_json(card_path(job.stem), {**card, **identity})
        return "", "kept"
    return _extract(job, atlas, cleaning, identity)


def _try(job: SeriesJob, atlas: Atlas, cleaning: Cleaning) -> tuple[str, str]:
    """Do what :func:`_make` does; whatever it raises is a failure of this run."""
    try:
        return _make(job, atlas, cleaning)
    except Exception as error:  # the edge: one run must not end the others
        if lacks_memory(error):
            words = "does not fit into memory. Give the job more, or work on fewer runs at a time."
            return f"{job.run.bold} {words}", "again"
        if isinstance(error, OSError) and error.errno:  # the system says so: it is not the scan
            return f"{job.run.bold}: {error}. Mend this and run the same command again.", "again"
        return unusable(error, job.run.bold), "failed"


def note_failure(desk: Path, run: Run, failure: str, again: bool = False) -> None:
    """Write down that a run failed, or, without a `failure`, forget that it did.

    Parameters
    ----------
    desk : Path
    run : Run
    failure : str
        What went wrong.
    again : bool
        Whether the next call may do better with the same files.
    """
    path = failure_path(desk, run.key)
    with suppress(OSError):  # where nothing can be written it is said all the same
        if failure:
            write_json(path, {"run": run.key, "file": run.bold.as_posix(), "message": failure, "again": again})
        else:
            remove(path)


def extract_to_files(job: SeriesJob, atlas: Atlas, cleaning: Cleaning, wait: bool = True) -> Extracted:
    """Extract and write one run, unless that is done.

    Whatever goes wrong ends this run only. Nothing is left of a run that failed, nor of what
    an earlier scan of its name gave. Of several processes one works on a run, and the others wait until
    it has finished, or, without `wait`, answer ``busy``.
    """
    work, begin = f"extract/{job.run.key}", time.perf_counter()
    failure, what = "", "busy"
    try:
        with nullcontext(True) if job.desk is None else hold(job.desk, work, wait) as held:
            if not held:
                return Extracted(job.run.key, "", "busy")
            failure, what = _try(job, atlas, cleaning)
            if failure:
                forget_series(job.stem)
            if job.desk is not None:
                note_failure(job.desk, job.run, failure, what == "again")
    except OSError as error:
        failure, what = (f"{job.desk} cannot be written to: {error.strerror or error}. Make room there, or choose "
                         "another [output] path, and run the same command again."), "again"
    if what == "made" and job.desk is not None:
        note_time(job.desk, work, time.perf_counter() - begin)
    return Extracted(job.run.key, failure, what)
