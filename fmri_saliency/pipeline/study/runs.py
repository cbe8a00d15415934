"""Which runs there are: looked for, or taken from what an earlier step found."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.disk.files import digest, read_json, write_text
from fmri_saliency.errors import InputError
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.folder import Workspace, stamp
from fmri_saliency.pipeline.study.leftovers import set_lost_runs_aside
from fmri_saliency.records import Event, Run
from fmri_saliency.scans import Finding, find_runs

__all__ = ["choice_stamp", "find", "known_runs", "made_run", "plain_run", "read_index", "recorded_runs", "write_index"]

PATHS = ("bold", "mask", "confounds")


def find(config: Config) -> Finding:
    """Look for the configured runs on the disk."""
    return find_runs(config.scans, config.samples.event_column)


def known_runs(config: Config) -> Finding:
    """Return the runs of the index, if it still holds (:func:`read_index`), else look for them and renew it."""
    found = read_index(config)
    if found is None:
        found = find(config)
        write_index(config, found)
        set_lost_runs_aside(config, found)
    return found


def _file(path: Path | str | None) -> list[Any] | None:
    """Return size and time of change of a file, or of all that lies in a folder; None where there is nothing."""
    try:
        if path is None:
            return None
        state = os.stat(path)
        if not os.path.isdir(path):
            return [state.st_size, state.st_mtime_ns]
        inside = [(entry.name, entry.stat()) for entry in os.scandir(path)]
        return sorted([name, one.st_size, one.st_mtime_ns] for name, one in inside)
    except OSError:
        return None


def _folder(path: Path) -> int | None:
    """Return when names in a folder last came, went or changed."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def _above(root: Path, bold: Path) -> Iterable[Path]:
    """Return the folders from that of a scan up to `root`; only the first where the scan lies elsewhere."""
    above = bold.parents
    return above[: len(bold.parts) - len(root.parts)] if root in above else above[:1]


def choice_stamp(config: Config) -> str:
    """Return the settings that say which runs there are and what happened in them, in one word."""
    return stamp(to_plain(config.scans), config.samples.event_column)


def _state(config: Config, runs: Sequence[Run]) -> str:
    """Return what the index depends on, in one word; see :func:`read_index`."""
    scans = config.scans
    named = [_file(path) for path in (scans.path if scans.path.is_file() else None, scans.families, scans.subject_list)]
    root = scans.path.parent if scans.path.is_file() else scans.path
    folders = {root, *(folder for run in runs for folder in _above(root, run.bold))}
    folders |= {path.parent for run in runs for path in (run.mask, run.confounds, *run.sources) if path}
    if scans.bids.raw is not None:
        folders.add(scans.bids.raw)
    files = [[_file(path) for path in (run.bold, run.mask, run.confounds, *run.sources)] for run in runs]
    return stamp(choice_stamp(config), named, [_folder(folder) for folder in sorted(folders)], files)


def plain_run(run: Run) -> dict[str, Any]:
    """Return a run as JSON has it, without what is as it is when nothing is said."""
    said = {item.name: getattr(run, item.name) for item in fields(Run) if getattr(run, item.name) != item.default}
    paths = {name: str(said[name]) for name in PATHS if name in said}
    events = [(event.onset, event.duration, event.trial_type) for event in run.events]
    return said | paths | {"events": events, "sources": list(map(str, run.sources))}


def made_run(values: dict[str, Any]) -> Run:
    """Return the run of :func:`plain_run`."""
    changed = {name: Path(values[name]) for name in PATHS if name in values}
    changed["events"] = tuple(Event(*event) for event in values.get("events", ()))
    changed["busy"] = tuple((begin, end) for begin, end in values.get("busy", ()))
    changed["sources"] = tuple(map(Path, values.get("sources", ())))
    return Run(**values | changed)


def write_index(config: Config, finding: Finding) -> None:
    """Keep what was found in ``.workflow/runs.json`` where there is an output folder; else runs are looked for."""
    space = Workspace(config.output.path)
    if not (space.root / "dataset_description.json").is_file():
        return
    content = {
        "state": _state(config, finding.runs),
        "notes": finding.notes,
        "log": finding.log.to_dict("records"),
        "runs": [plain_run(run) for run in finding.runs],
    }
    content["content"] = digest(content)
    with suppress(OSError):
        space.index.parent.mkdir(exist_ok=True)
        write_text(space.index, json.dumps(content, separators=(",", ":")) + "\n")


def read_index(config: Config) -> Finding | None:
    """Return the runs that an earlier step found, or None where the index does not hold any more.

    It holds as long as all of this is as it was when the index was written:

    - the version of this package, every key of [scans], and event_column of [samples];
    - size and time of change of the files that [scans] names: the table of runs, `families`, `subject_list`;
    - size and time of change of every run's scan, mask, confounds, and of what else was read to know the run
      (:attr:`Run.sources <fmri_saliency.records.Run>`: events, sidecars; of the HCP's runs each file in ``EVs``);
    - the time of change of the folders from each of these scans up to [scans] path (the table's folder), of those in
      which the other files lie, and of the raw data set itself: whatever was added there, removed or renamed.

    It does not see a scan or events that come into a folder that had nothing of the runs, nor a file that was changed
    and given its old size and time. So the steps that must see all, ``runs``, ``extract`` and ``run``, look on the disk
    each time, and only those that work on what has been extracted (``train``, ``explain``, ``judge``, ``report``) ask
    here; they compare the scans with what their series were made from besides.
    """
    finding, state = _recorded(config)
    return finding if finding is not None and state == _state(config, finding.runs) else None


def recorded_runs(config: Config) -> Finding | None:
    """Return the runs that a step found last, whether or not they are there still; None where none has looked."""
    return _recorded(config)[0]


def _recorded(config: Config) -> tuple[Finding | None, str]:
    """Return what the index lists, and the state that it was written in."""
    try:
        content = read_json(Workspace(config.output.path).index)
        if content.pop("content") != digest(content):  # damaged: runs are looked for again
            return None, ""
        runs = tuple(made_run(values) for values in content["runs"])
        log = pd.DataFrame(content["log"], columns=["run", "status", "message"])
        return Finding(runs, log, tuple(content["notes"])), str(content["state"])
    except (InputError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None, ""
