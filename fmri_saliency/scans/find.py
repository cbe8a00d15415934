"""One door to the layouts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.disk.bids_names import build_name, name_twins
from fmri_saliency.errors import ConfigError, InputError, OrientationWarning, TimingWarning, nearest, unusable
from fmri_saliency.records import Run
from fmri_saliency.scans.events import TRIAL_TYPE
from fmri_saliency.scans.fmriprep.runs import find_fmriprep
from fmri_saliency.scans.hcp.families import read_families
from fmri_saliency.scans.hcp.runs import HcpOptions, find_hcp
from fmri_saliency.scans.images import lacks_unit, says_slice_timing, sidecar_conflict, sidecar_refusal
from fmri_saliency.scans.selection import Selection, read_subjects
from fmri_saliency.scans.settings import Scans
from fmri_saliency.scans.table.patterns import is_pattern
from fmri_saliency.scans.table.runs import LABELS, find_table, say_twins

__all__ = ["Finding", "find_runs"]

GATHERED = (TimingWarning, OrientationWarning)
"""Warnings that are given once for all runs, and written into the notes."""
LONGEST_KEY = 120
"""Characters of the name of a run; space, atlas and what a file holds come behind it, up to ``bids.LONGEST``."""


@dataclass(frozen=True)
class Finding:
    """What was found: the usable runs, a log of every expected one, and notes on timing.

    Attributes
    ----------
    runs : tuple of Run
    log : DataFrame
        Columns `run`, `status` (``found``, ``missing``, ``unusable``), `message`.
    notes : tuple of str
        One each: timing warnings, clipped events, repetition times that beat the headers', people
        without a family.
    """

    runs: tuple[Run, ...]
    log: pd.DataFrame
    notes: tuple[str, ...]


def _select(
    runs: list[Run], rows: list[dict[str, str]], selection: Selection
) -> tuple[list[Run], list[dict[str, str]]]:
    """Keep the chosen runs, and the rows that are not about others."""
    known = [run.entities for run in runs] + [_entities(row["run"]) for row in rows]
    idle = selection.idle(known)  # of runs that cannot be used, too: those are the ones to leave out
    if idle:
        raise InputError(f"exclude in [scans] names '{idle[0]}', which no run is.")
    chosen = [run for run in runs if selection.takes(run.entities)]
    mine = {run.key for run in chosen}
    others = {run.key for run in runs} - mine
    rows = [row for row in rows if row["run"] not in others]
    return chosen, [row for row in rows if row["run"] in mine or "sub" not in _entities(row["run"])
                    or selection.takes(_entities(row["run"]))]  # fmt: skip


def _entities(name: str) -> dict[str, str]:
    """Return the entities in a run's name; none for a row that is not about one run."""
    if is_pattern(name):  # that no file fits
        return {}
    return dict(part.split("-", 1) for part in name.split("_") if "-" in part)


def _clipped(rows: Sequence[dict[str, str]], n_runs: int) -> list[str]:
    """Say once how many runs have events that end after the scan, and once how many have other remarks."""
    said = [row for row in rows if row["status"] == "found" and row["message"]]
    kinds = ([row for row in said if ("clipped" in row["message"]) == clipped] for clipped in (True, False))
    return [f"{len(kind)} of {n_runs} runs: {kind[0]['run']}: {kind[0]['message']}" for kind in kinds if kind]


def _unrelated(runs: Sequence[Run], families: Path | None) -> list[str]:
    """Say whose family is not known although there is a table of families."""
    alone = list(dict.fromkeys(run.subject for run in runs if not run.family)) if families else []
    if not alone:
        return []
    return [f"{len(alone)} of {len({run.subject for run in runs})} subjects (first: {alone[0]}) have no family in "
            f"{families.name}: each counts as a family of its own, and relatives among them could be trained and "
            "tested on."]


def _join_families(runs: list[Run], families: Path | None) -> list[Run]:
    """Give each run the family of its subject, as the table has it."""
    if families is None:
        return runs
    known = {subject.removeprefix("sub-"): family for subject, family in read_families(families).items()}
    return [replace(run, family=known.get(run.subject, "")) for run in runs]


def _overridden(runs: Sequence[Run]) -> list[str]:
    """Say where the repetition time that is used is not the header's."""
    other = [run for run in runs if run.header_t_r and abs(run.t_r - run.header_t_r) > 1e-3 * run.header_t_r]
    if not other:
        return []
    return [f"The repetition time used is {other[0].t_r:g} s, as configured; the headers of {len(other)} of "
            f"{len(runs)} runs say otherwise ({other[0].bold.name}: {other[0].header_t_r:g} s)."]


def _shifted(runs: Sequence[Run]) -> list[str]:
    """Say where onsets are not counted from the beginning of the scan."""
    moved = [run for run in runs if run.start_time]
    if not moved:
        return []
    return [f"The frames of {len(moved)} of {len(runs)} runs stand for a later moment than their beginning, after a "
            f"correction of slice timing ({moved[0].bold.name}: {moved[0].start_time:g} s); onsets are counted from "
            'there (slice_timing = "ignore" in [scans.bids] takes them as they are).']


def _unshifted(runs: Sequence[Run], scans: Scans) -> list[str]:
    """Say where a table's onsets are taken as they are although the frames stand for a later moment."""
    asked = [run for run in runs if run.events] if scans.layout == "table" else []
    later = [run for run in asked if _ask(says_slice_timing, run, lambda _: False)]
    if not later:
        return []
    return [f"The sidecars of {len(later)} of {len(runs)} runs say that slice timing was corrected (first: "
            f"{later[0].bold.name}), so that frames stand for about half a repetition time after they began; the "
            "onsets of a table of runs are taken as they are. Read derivatives of fMRIPrep with layout = \"fmriprep\", "
            "which counts onsets from there, or subtract it from the onsets."]


def _unitless(runs: Sequence[Run]) -> list[str]:
    """Say where a repetition time is a header's that gives no unit; one scan of each repetition time is asked."""
    first = {run.t_r: run for run in reversed(runs)}
    silent = [run for run in first.values() if _ask(lacks_unit, run, lambda _: False)]
    if not silent:
        return []
    return [f"The header of {silent[0].bold.name} does not give the unit of its repetition time; it is taken as "
            f"{silent[0].t_r:g} seconds. If it is not, set t_r in [scans]."]


def _leave_out(runs: list[Run], rows: list[dict[str, str]], said: dict[str, str]) -> list[Run]:
    """Leave out the runs of which something is said, which goes into their rows."""
    for row in rows:
        if said.get(row["run"]):
            row.update(status="unusable", message=said[row["run"]])
    return [run for run in runs if not said[run.key]]


def _ask(question: Callable[[Run], Any], run: Run, otherwise: Callable[[str], Any]) -> Any:
    """Ask something of the files of a run; whatever is raised is answered by `otherwise`, which gets the reason."""
    try:
        return question(run)
    except Exception as error:  # the edge: one run must not end the others
        return otherwise(unusable(error, run.bold))


def _check_sidecars(runs: list[Run], rows: list[dict[str, str]], conflict: str) -> list[Run]:
    """Leave out runs that their sidecars make unusable; warn where a sidecar has another repetition time.

    With conflict = "error", those runs are left out, too.
    """
    runs = _leave_out(runs, rows, {run.key: _ask(sidecar_refusal, run, str) for run in runs})
    said = {run.key: _ask(sidecar_conflict, run, str) for run in runs}
    if conflict == "warn":
        for words in filter(None, said.values()):
            warnings.warn(words, TimingWarning, stacklevel=2)
        return runs
    return _leave_out(runs, rows, said)


def _refuse_name(run: Run) -> str:
    """Say why files cannot have the name of a run; empty where they can."""
    try:
        build_name(run.entities)
    except InputError as error:
        return str(error)
    if len(run.key) > LONGEST_KEY:
        return (f"Its labels make a name of {len(run.key)} characters, {run.key[:40]}...; files' names have room for "
                f"{LONGEST_KEY} of them. Choose shorter labels.")
    return ""


def _check_labels(runs: list[Run], rows: list[dict[str, str]]) -> list[Run]:
    """Leave out runs whose labels can be no name, or would be another run's in names of files; say so in their rows."""
    wrong = {id(run): (run.key, words, str(run.bold)) for run in runs if (words := _refuse_name(run))}
    for name in LABELS:
        twins = name_twins(getattr(run, name) for run in runs if id(run) not in wrong)
        wrong |= {id(run): (run.key, say_twins(name, twins[getattr(run, name)], getattr(run, name)), str(run.bold))
                  for run in runs if getattr(run, name) in twins}  # fmt: skip
    kept = [run for run in runs if id(run) not in wrong]
    there = {run.key for run in kept}
    for key, words, bold in wrong.values():
        row = next((row for row in rows if row["run"] == key and row["status"] == "found"), None)
        if row is not None and key not in there:
            row.update(status="unusable", message=f"{bold}: {words}")
        else:  # the row of that name is another run's
            rows.append({"run": key, "status": "unusable", "message": f"{bold}: {words}"})
    return kept


def _absent(
    key: str, asked: Sequence[str], runs: Sequence[Run], rows: Sequence[dict[str, str]], path: Path
) -> list[dict[str, str]]:
    """Return a row for every person or task (`key` is ``sub`` or ``task``) that is asked for and has no run."""
    there = {run.entities[key] for run in runs} | {_entities(row["run"]).get(key, "") for row in rows}
    known = {label.lower() for label in there}
    labels = dict.fromkeys(label.removeprefix(f"{key}-") for label in asked)
    what, has = {"sub": "person", "task": "task"}[key], "lists" if path.is_file() else "has"
    return [{"run": f"{key}-{label}", "status": "missing",
             "message": f"{path.name} {has} no run of this {what}.{nearest(label, there)}"}
            for label in labels if label.lower() not in known]  # fmt: skip


def _look(scans: Scans, event_column: str) -> tuple[list[Run], list[dict[str, str]]]:
    """Find the chosen runs in their layout."""
    subjects = read_subjects(scans.subject_list) if scans.subject_list else tuple(scans.subjects)
    selection = Selection(tuple(scans.tasks), subjects, tuple(scans.directions), tuple(scans.exclude))
    path, t_r, space = Path(scans.path), scans.t_r, scans.space
    if scans.layout == "hcp":
        if event_column != TRIAL_TYPE:
            raise ConfigError("event_column in [samples] is for the layouts table and fmriprep; the HCP's events are "
                              "files, chosen by events in [scans].")
        return find_hcp(path, t_r, space, selection, HcpOptions(scans.variant, scans.events, scans.families))
    if scans.layout == "table":
        found = find_table(path, t_r, space, event_column)
        runs, rows = _select(*found, selection)
        tasks = scans.tasks if runs else ()  # where none fits the error says so
        return runs, [*rows, *_absent("sub", subjects, *found, path), *_absent("task", tasks, *found, path)]
    runs, rows = _select(*find_fmriprep(path, t_r, space, scans.tasks, subjects, scans.bids, event_column), selection)
    lost = _absent("task", scans.tasks if runs else (), runs, rows, path)
    return _join_families(runs, scans.families), rows + lost


def _pass_on(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Warn once of each kind that many scans can have, and as often as it came of others; return the former's words."""
    notes = []
    for category in GATHERED:
        said = list(dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, category)))
        more = f" ({len(said) - 1} more runs have such a warning.)" if len(said) > 1 else ""
        if said:
            warnings.warn(said[0] + more, category, stacklevel=3)
        notes += said
    for one in caught:
        if not issubclass(one.category, GATHERED):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return notes


def find_runs(scans: Scans, event_column: str = TRIAL_TYPE) -> Finding:
    """Find runs in a layout: :func:`find_hcp`, :func:`find_table` or :func:`find_fmriprep`.

    With ``t_r_conflict = "error"`` a run whose sidecar has another repetition time is unusable;
    with ``"warn"`` it is a note. `event_column` is the column of tables of events that says what happened.

    Raises
    ------
    InputError
        If no run is usable; the message gives the reason of the first.
    """
    with warnings.catch_warnings(record=True) as caught:
        for category in GATHERED:
            warnings.simplefilter("always", category)
        runs, rows = _look(scans, event_column)
        runs = _check_labels(runs, rows)
        runs = _check_sidecars(runs, rows, scans.t_r_conflict)
    notes = _pass_on(caught)
    log = pd.DataFrame(rows)
    if not runs:
        problems = log.loc[log["status"] != "found", "message"] if len(log) else []
        reason = f" The first problem: {problems.iloc[0]}" if len(problems) else " None fits [scans] tasks or subjects."
        raise InputError(f"No usable run of {len(log)} in {scans.path}.{reason}")
    more = (*_clipped(rows, len(runs)), *_overridden(runs), *_shifted(runs), *_unshifted(runs, scans),
            *_unitless(runs), *_unrelated(runs, scans.families))
    return Finding(tuple(runs), log, (*notes, *more))
