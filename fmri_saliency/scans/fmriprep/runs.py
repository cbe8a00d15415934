"""Runs as fMRIPrep leaves them: BIDS derivatives, with events from the raw data set."""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fmri_saliency.disk.files import read_json
from fmri_saliency.errors import ConfigError, InputError, TimingWarning, nearest, one_of, unusable
from fmri_saliency.records import Run
from fmri_saliency.scans.events import TRIAL_TYPE, busy_spans, check_timing, overhanging, read_bids_timing, shift_events
from fmri_saliency.scans.fmriprep.spaces import (
    BOLD_EXTENSIONS,
    SELECTED,
    SpaceChoice,
    choose_space,
    describe_variants,
    in_space,
    space_in_words,
)
from fmri_saliency.scans.fmriprep.tree import BidsFile, Inheritance, list_functional, run_identity, same_label
from fmri_saliency.scans.images import is_seconds, read_bold_header, stated_step
from fmri_saliency.settings import Settings, bounds

__all__ = ["BidsChoice", "find_fmriprep"]

CHOOSABLE = ("ses", "acq", "ce", "rec", "dir", "run", "echo", "part", "cohort")
RUN_ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")
LATEST = 10  # repetition times that a frame may stand for later than it began: a few where frames were cut off
CONFOUNDS = ("timeseries", "regressors")  # fMRIPrep since 20.2, and before


@dataclass(frozen=True)
class BidsChoice(Settings, where="in [scans.bids]"):
    """Which files of BIDS derivatives are taken, beside the space and the tasks.

    Attributes
    ----------
    raw : Path, optional
        The raw data set, for events and repetition times. When omitted: events beside the BOLD, and
        the data set in whose ``derivatives/`` the scans lie.
    resolution : str
        Label of ``res-``, or ``native`` for files without one; the only one there is when empty.
    description : str
        Label of ``desc-``.
    entities : dict
        Further entities to the labels that are taken, such as ``{"ses": ("1",), "rec": ("norm",)}``.
    slice_timing : {"apply", "ignore"}
        Where the sidecar says that slice timing was corrected, whether onsets are counted from what the first frame
        stands for (``StartTime``, else half a repetition time), or from the beginning of the scan.
    """

    raw: Path | None = None
    resolution: str = ""
    description: str = "preproc"
    entities: dict[str, tuple[str, ...]] = field(default_factory=dict)
    slice_timing: str = field(default="apply", metadata=bounds(choices=("apply", "ignore")))

    def _check_together(self) -> None:
        for name, labels in self.entities.items():
            one_of(name, CHOOSABLE, "An entity in [scans.bids.entities]", ConfigError)
            if not labels:
                raise ConfigError(f"{name} in [scans.bids.entities] names no label.")


@dataclass
class _Group:
    """The files of one run, whatever their space."""

    entities: dict[str, str]
    files: list[BidsFile]

    @property
    def label(self) -> str:
        return "_".join(f"{key}-{self.entities[key]}" for key in RUN_ENTITIES if key in self.entities)


@dataclass(frozen=True)
class _Source:
    """What runs are read with."""

    raw: Inheritance | None
    beside: Inheritance
    choice: BidsChoice
    space: SpaceChoice
    t_r: float | None
    event_column: str


def _group_runs(files: Sequence[BidsFile]) -> dict[tuple, _Group]:
    """Bring the files of each run together; files that belong to no run of a task are left out."""
    groups: dict[tuple, _Group] = {}
    for file in files:
        if "sub" in file.entities and "task" in file.entities:
            identity = run_identity(file.entities)
            if identity not in groups:
                kept = dict(identity) | {key: file.entities[key] for key in file.entities if key == "run"}
                groups[identity] = _Group(kept, [])
            groups[identity].files.append(file)
    return groups


def _is_chosen(entities: dict[str, str], wanted: dict[str, tuple[str, ...]], keys: Sequence[str]) -> bool:
    return all(
        any(same_label(entities.get(key, ""), label) for label in labels)
        for key, labels in wanted.items()
        if key in keys
    )


def _select(groups: dict[tuple, _Group], tasks: Sequence[str], choice: BidsChoice) -> dict[tuple, _Group]:
    keep = {task.lower().removeprefix("task-") for task in tasks}
    return {
        identity: group for identity, group in groups.items()
        if (not keep or group.entities["task"].lower() in keep)
        and _is_chosen(group.entities, choice.entities, RUN_ENTITIES)
    }  # fmt: skip


def _bold_files(group: _Group, choice: BidsChoice) -> list[BidsFile]:
    """Return the run's BOLD images of the chosen kind, in any space; single echoes only where asked for."""
    parts = ("echo", "part", "cohort")
    return [
        file for file in group.files
        if file.suffix == "bold" and file.extension in BOLD_EXTENSIONS
        and file.entities.get("desc") == choice.description and _is_chosen(file.entities, choice.entities, parts)
        and all(key in choice.entities or key not in file.entities for key in SELECTED)
    ]  # fmt: skip


def _sidecars(bold: BidsFile, group: _Group) -> list[Path]:
    """Return the JSON beside the BOLD, if there is one."""
    name = bold.name.removesuffix(bold.extension) + ".json"
    return [Path(bold.folder, file.name) for file in group.files if file.name == name]


def _cards(bold: BidsFile, group: _Group, source: _Source) -> list[Path]:
    """Return the JSON files that tell of a run: that beside the BOLD, then those of the raw data set."""
    return _sidecars(bold, group) + (source.raw.applicable(group.entities, "bold", ".json") if source.raw else [])


def _repetition_time(bold: BidsFile, group: _Group, source: _Source) -> float | None:
    """Return the repetition time that the sidecars state, if any does: that beside the BOLD, then the raw ones."""
    for card in _cards(bold, group, source):
        content = read_json(card)
        value = content.get("RepetitionTime", stated_step(content, card)) if isinstance(content, dict) else None
        if value is None:
            continue
        if not is_seconds(value):
            raise InputError(f"RepetitionTime in {card} must be seconds above 0; {json.dumps(value)[:40]} came.")
        return float(value)
    return None


def _timing(bold: BidsFile, group: _Group, source: _Source) -> tuple[int, float, float]:
    """Return frames, repetition time to use, and that of the header, after holding sidecar and header together."""
    for card in _cards(bold, group, source):  # whatever the repetition time
        stated_step(read_json(card), card)
    if source.t_r is not None:
        return read_bold_header(bold.path, source.t_r)
    stated = _repetition_time(bold, group, source)
    n_times, used, header_t_r = read_bold_header(bold.path, stated)
    if stated is None:
        warnings.warn(f"No sidecar states the repetition time of {bold.path}; its header's {used:g} s is used.",
                      TimingWarning, stacklevel=2)
    elif header_t_r > 0 and abs(stated - header_t_r) > 1e-3 * stated:
        raise InputError(f"The sidecar of {bold.path} states a repetition time of {stated:g} s, its header "
                         f"{header_t_r:g} s (fMRIPrep 23.2.0 lost it from headers). Set t_r in [scans] to the seconds "
                         "per frame of the acquisition.")
    return n_times, used, header_t_r


def _start_time(bold: BidsFile, group: _Group, source: _Source, t_r: float) -> float:
    """Return the seconds from the beginning of the scan to what its first frame stands for.

    That is ``StartTime`` of the sidecar, which fMRIPrep writes when it corrects slice timing (the middle of the
    acquisition of a frame, unless ``--slice-time-ref`` says otherwise); half a repetition time where the sidecar says
    ``SliceTimingCorrected`` and no ``StartTime``; else 0.
    """
    cards = _sidecars(bold, group) if source.choice.slice_timing == "apply" else []
    content = read_json(cards[0]) if cards else {}
    stated = content.get("StartTime") if isinstance(content, dict) else None
    if stated is None:
        corrected = isinstance(content, dict) and content.get("SliceTimingCorrected") is True
        return round(0.5 * t_r, 6) if corrected else 0.0
    known = isinstance(stated, int | float) and not isinstance(stated, bool) and math.isfinite(stated)
    if not known or abs(stated) > LATEST * t_r:
        raise InputError(f"StartTime in {cards[0]} must be seconds, at most {LATEST} repetition times of {t_r:g} s; "
                         f"{json.dumps(stated)} came. Correct it, or set "
                         'slice_timing = "ignore" in [scans.bids].')
    return round(float(stated), 6)


def _events_path(group: _Group, source: _Source) -> Path | None:
    """Return the nearest table of events: of the raw data set, then beside the BOLD."""
    for tree in (source.raw, source.beside):
        found = tree.applicable(group.entities, "events", ".tsv") if tree else []
        if found:
            return found[0]
    return None


def _mask(bold: BidsFile, group: _Group) -> Path | None:
    wanted = {key: label for key, label in bold.entities.items() if key != "desc"} | {"desc": "brain"}
    for echo in (wanted, {key: label for key, label in wanted.items() if key not in ("echo", "part")}):
        for file in group.files:
            if file.suffix == "mask" and file.extension in BOLD_EXTENSIONS and file.entities == echo:
                return file.path
    return None


def _confounds(group: _Group) -> Path | None:
    found = [f for f in group.files if f.entities.get("desc") == "confounds" and f.extension == ".tsv"]
    return next((f.path for suffix in CONFOUNDS for f in found if f.suffix == suffix), None)


def _check_place(bold: BidsFile) -> None:
    """Refuse a scan that lies in the folder of another person or session than its name says."""
    for part in bold.path.parts[-4:-2]:
        key, _, label = part.partition("-")
        said = bold.entities.get(key, label)
        if key in ("sub", "ses") and said != label:
            raise InputError(f"{bold.path} lies in {part}, and its name says {key}-{said}. Whose is it? Rename or move "
                             "it.")


def _read_run(bold: BidsFile, group: _Group, source: _Source) -> tuple[Run, str]:
    """Return a run, and what is to be said about its events: which were clipped, or why none is named."""
    if bold.path.is_symlink() and not bold.path.exists():
        raise InputError(f"{bold.path} is a link to a file that is not here. In a DataLad data set: `datalad get` it.")
    _check_place(bold)
    n_times, used, header_t_r = _timing(bold, group, source)
    path = _events_path(group, source)
    events, every, said = read_bids_timing(path, source.event_column) if path else ((), (), "")
    start_time = _start_time(bold, group, source, used)
    entities = group.entities
    run = Run(
        subject=entities["sub"],
        task=entities["task"],
        bold=bold.path,
        t_r=used,
        n_times=n_times,
        mask=_mask(bold, group),
        confounds=_confounds(group),
        events=shift_events(check_timing(events, n_times, used, header_t_r, str(bold.path)), start_time),
        session=entities.get("ses", ""),
        direction=entities.get("dir", ""),
        run=entities.get("run", ""),
        space=source.space.name,
        header_t_r=header_t_r,
        acquisition=entities.get("acq", ""),
        busy=busy_spans(shift_events(every, start_time), n_times * used),
        start_time=start_time,
        sources=(*([path] if path else []), *_cards(bold, group, source)),
    )
    return run, said or overhanging(events, n_times * used)


def _notes(run: Run, said: str) -> str:
    """Say what a run lacks that others have and of which nothing is said."""
    lacking = {"events": not (run.events or said), "brain mask": run.mask is None, "confounds": run.confounds is None}
    words = [name for name, lacks in lacking.items() if lacks]
    return f"no {', no '.join(words)}" if words else ""


def _one_row(group: _Group, source: _Source) -> tuple[Run | None, dict[str, Any]]:
    """Return a run, if it can be used, and its row of the log."""
    row = {"run": group.label, "status": "found", "message": ""}
    every = _bold_files(group, source.choice)
    fitting = [file for file in every if in_space(file, source.space)]
    if not fitting:
        spaces = ", ".join(sorted({space_in_words(file) for file in every}))
        there = f"there is {spaces or 'none in any space'}"
        there = (not every and describe_variants(group.files, source.choice.description)) or there
        return None, row | {"status": "missing", "message": f"No BOLD in {source.space}; {there}."}
    if len(fitting) > 1:
        return None, row | {"status": "unusable", "message": f"{_both(fitting)} claim one run. Choose by "
                            "[scans.bids.entities], or remove one."}
    try:
        run, said = _read_run(fitting[0], group, source)
    except InputError as error:
        missing = not fitting[0].path.exists()
        return None, row | {"status": "missing" if missing else "unusable", "message": str(error)}
    except Exception as error:  # the edge: one run must not end the others
        return None, row | {"status": "unusable", "message": unusable(error, fitting[0].path)}
    return run, row | {"message": " ".join(filter(None, (said, _notes(run, said))))}


def _both(files: Sequence[BidsFile]) -> str:
    return " and ".join(str(file.path) for file in files[:2])


def _refuse_doubles(
    found: list[tuple[Run | None, dict[str, Any]]]
) -> tuple[list[Run], list[dict[str, Any]]]:
    """Refuse runs that differ only in entities that no file name of ours will have."""
    count = Counter(run.key for run, _ in found if run)
    runs, rows = [], []
    for run, row in found:
        if run and count[run.key] > 1:
            others = [other.bold.name for other, _ in found if other and other.key == run.key and other is not run]
            row = row | {"status": "unusable", "message": f"{run.bold} and {others[0]} would be one run, {run.key}. "
                         "Choose one of them by [scans.bids.entities], for example rec."}  # fmt: skip
        elif run:
            runs.append(run)
            row = row | {"run": run.key}
        rows.append(row)
    return runs, rows


def _check_people(path: Path, people: Sequence[str]) -> None:
    """Refuse a choice of people of whom none is there."""
    known = sorted(p.name.removeprefix("sub-") for p in path.glob("sub-*") if p.is_dir())
    if people and known and not set(people) & set(known):
        more = f" and {len(known) - 5} more" if len(known) > 5 else ""
        raise InputError(f"None of the subjects {', '.join(people)} is in {path}; it has {', '.join(known[:5])}{more}."
                         f"{nearest(people[0], known)}")


def _raw_tree(path: Path, raw: Path | None, subjects: Sequence[str]) -> tuple[Inheritance | None, list[BidsFile]]:
    """Return the raw data set: the one that is named, or the one in whose ``derivatives/`` `path` lies."""
    if raw is None and path.parent.name == "derivatives":
        above = path.parent.parent
        raw = above if (above / "dataset_description.json").is_file() else None
    elif raw is not None and not raw.is_dir():
        raise InputError(f"Expected the raw data set at {raw} ([scans.bids] raw); there is no such folder.")
    if raw is None:
        return None, []
    files = list_functional(raw, subjects)
    return Inheritance(raw, files), files


def _unprocessed(raw_files: Sequence[BidsFile], known: dict[tuple, _Group]) -> dict[tuple, _Group]:
    """Return the runs of the raw data set that have nothing among the derivatives."""
    bold = [file for file in raw_files if file.suffix == "bold" and file.extension in BOLD_EXTENSIONS]
    return {identity: group for identity, group in _group_runs(bold).items() if identity not in known}


def _absent_rows(
    subjects: Sequence[str], groups: dict[tuple, _Group], unprocessed: dict[tuple, _Group], path: Path
) -> list[dict[str, Any]]:
    """Return a row for every run and person that was expected and is not there."""
    rows = [
        {"run": group.label, "status": "missing",
         "message": f"The raw data set has this run ({group.files[0].name}), {path} has nothing of it."}
        for group in unprocessed.values()
    ]  # fmt: skip
    here = {group.entities["sub"] for group in (*groups.values(), *unprocessed.values())}
    rows += [
        {"run": f"sub-{subject}", "status": "missing", "message": f"No run of this person in {path}."}
        for subject in subjects if subject not in here
    ]  # fmt: skip
    return rows


def find_fmriprep(
    path: Path,
    t_r: float | None = None,
    space: str = "",
    tasks: Sequence[str] = (),
    subjects: Sequence[str] = (),
    choice: BidsChoice | None = None,
    event_column: str = TRIAL_TYPE,
) -> tuple[list[Run], list[dict[str, Any]]]:
    """Find the runs that fMRIPrep preprocessed.

    ``sub-<L>/[ses-<L>/]func/sub-<L>_[ses-]task-<T>_[acq-|dir-|run-]space-<S>_[res-<R>_]desc-preproc_bold.nii.gz``
    with its sidecar, ``desc-brain_mask`` and ``desc-confounds_timeseries.tsv`` beside it. Events come
    from the raw data set, by BIDS's inheritance, or from beside the BOLD. The repetition time is that
    of the sidecar, held against the header.

    Parameters
    ----------
    path : Path
        The derivatives.
    t_r : float, optional
        Seconds per frame; beats sidecars and headers.
    space : str
        BIDS name of the space; the only standard one there is when empty. ``func`` is the run's own.
    tasks, subjects : sequence of str
        Which to take; all that occur when empty.
    choice : BidsChoice, optional
    event_column : str
        The column of the events' tables that says what happened.

    Returns
    -------
    runs : list of Run
    log : list of dict
        One row per run of which there is any file, and per run of the raw data set that has none.

    Raises
    ------
    InputError
        If the folder holds no derivatives, no BOLD as asked (what there is is listed, and outputs
        of ``--level minimal`` are explained), or several spaces or resolutions with none chosen.
    """
    path, choice = Path(path), choice or BidsChoice()
    if not path.is_dir():
        raise InputError(f"Expected the derivatives of fMRIPrep at {path}; there is no such folder.")
    people = [subject.removeprefix("sub-") for subject in subjects]
    _check_people(path, people)
    files = list_functional(path, people)
    groups = _group_runs(files)
    raw, raw_files = _raw_tree(path, choice.raw, people)
    unprocessed = _select(_unprocessed(raw_files, groups), tasks, choice)
    chosen = _select(groups, tasks, choice)
    every = [file for group in (chosen or groups).values() for file in _bold_files(group, choice)]
    wanted = choose_space(path, files, every, space, choice.resolution, choice.description)
    source = _Source(raw, Inheritance(path, files), choice, wanted, t_r, event_column)
    runs, rows = _refuse_doubles([_one_row(group, source) for group in chosen.values()])
    return runs, rows + _absent_rows(people, chosen, unprocessed, path)
