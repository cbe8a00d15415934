"""Runs listed in a table that the user wrote."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.disk.bids_names import clean_label, name_twins, plain_label
from fmri_saliency.disk.tables import line_of, read_tsv
from fmri_saliency.errors import InputError, nearest, unusable
from fmri_saliency.records import Run
from fmri_saliency.scans.events import TRIAL_TYPE, busy_spans, check_timing, overhanging, read_bids_timing
from fmri_saliency.scans.images import read_bold_header, sidecar_of
from fmri_saliency.scans.table.patterns import DESCRIBING, fill_cell, is_pattern, match_cell

__all__ = ["COLUMNS", "LABELS", "find_table", "say_twins"]

PREFIXES = {"subject": "sub-", "task": "task-", "session": "ses-", "run": "run-"}
REQUIRED = ("subject", "task", "bold")
OPTIONAL = ("mask", "events", "confounds", "t_r", "direction", "session", "run", "family")
COLUMNS = REQUIRED + OPTIONAL
LABELS = ("subject", "session", "task", "acquisition", "direction", "run")
"""What names a run: attributes of a Run, and columns of the table."""
ENTITIES = ("sub", "ses", "task", "acq", "dir", "run")


def _read_rows(path: Path) -> pd.DataFrame:
    read = read_tsv(path, "a table of runs", dtype=str, empty=True)
    table = read.fillna("").apply(lambda column: column.str.strip())  # "01 " would be another person than "01"
    patterns = "bold" in table and bool(len(table)) and all(map(is_pattern, table["bold"]))
    for column in ("bold",) if patterns else REQUIRED:  # patterns tell subject and task
        if column not in table:
            raise InputError(f"The table of runs {path} needs the columns {', '.join(REQUIRED)}; '{column}' is "
                             f"missing. It has: {', '.join(map(str, table.columns))}. Columns are separated by tabs.")
    for column in table.columns:
        if column not in COLUMNS:
            raise InputError(f"The table of runs {path} has an unknown column '{column}'; known are "
                             f"{', '.join(COLUMNS)}.{nearest(str(column), COLUMNS)}")
    if table.empty:
        raise InputError(f"The table of runs {path} lists no run.")
    for column in (*COLUMNS, "acquisition"):
        if column not in table:
            table[column] = ""
    for column in ("bold", "mask", "events", "confounds"):
        table[column] = table[column].map(os.path.expanduser)
    for column in PREFIXES:
        table[column] = table[column].str.removeprefix(PREFIXES[column])
    return table.assign(line=[line_of(read, row) for row in range(len(read))])


@dataclass
class _Listed:
    """A run as the table has it: the line, what the cells say of it, whether a pattern named it, and what is wrong."""

    line: int
    row: dict[str, str]
    matched: bool = False
    problem: str = ""
    status: str = "unusable"

    @property
    def key(self) -> tuple[str, ...]:
        """What tells runs apart."""
        return tuple(self.row[column] for column in LABELS)

    @property
    def label(self) -> str:
        """The name of the run in the log; the pattern where it names none."""
        pairs = zip(ENTITIES, self.key, strict=True)
        return "_".join(f"{entity}-{value}" for entity, value in pairs if value) or self.row["bold"]


def _expand(table: pd.DataFrame, folder: Path) -> list[_Listed]:
    """Return a record per run: of each line, or of each file that the pattern of a line stands for."""
    listed = []
    for row in table.to_dict("records"):
        number = row.pop("line")
        if not is_pattern(row["bold"]) or (folder / row["bold"]).is_file():
            listed.append(_Listed(number, row))
            continue
        try:
            found = match_cell(row["bold"], folder, {key: row[key] for key in DESCRIBING})
            for one in found:  # a pattern may have caught a whole folder's name, sub-01
                cells = {key: value.removeprefix(PREFIXES.get(key, "-")) for key, value in (row | one).items()}
                listed.append(_Listed(number, cells, matched=True))
        except InputError as error:
            listed.append(_Listed(number, row, problem=str(error), status="missing"))
    return listed


def _number_repeats(listed: list[_Listed]) -> None:
    """Give a number to runs that subject, session, task and direction do not tell apart.

    Files that a pattern found are not numbered: two of them are more likely one run in two versions. What would be one
    run all the same, or one label in names of files, is refused.
    """
    total, seen = Counter(one.key[:-1] for one in listed if not one.matched), Counter()
    for one in listed:
        if not one.matched:
            key = one.key[:-1]
            seen[key] += 1
            one.row["run"] = one.row["run"] or (str(seen[key]) if total[key] > 1 else "")
    _check_labels(listed)
    first: dict[tuple[str, ...] | str, _Listed] = {}
    for one in listed:
        if one.problem:
            continue
        for name in (tuple(map(plain_label, one.key)), one.label):  # of a file, and in the log
            other = first.setdefault(name, one)
            if one.row["bold"] != other.row["bold"]:
                for late, early in ((one, other), (other, one)):
                    late.problem = _claim(late, early)


def _check_labels(listed: list[_Listed]) -> None:
    """Say of runs which label cannot be in a file's name, or would be there what another label is."""
    for column in LABELS:
        twins = name_twins(one.row[column] for one in listed if not one.problem)
        for one in (one for one in listed if not one.problem and one.row[column]):
            label = one.row[column]
            try:
                clean_label(label, f"The column {column}:")
            except InputError as error:
                one.problem = str(error)
                continue
            if label in twins:
                one.problem = say_twins(column, twins[label], label)


def say_twins(what: str, known: str, label: str) -> str:
    """Say that two labels would be one in names of files."""
    return (f"The {what}s '{known}' and '{label}' would have the same file names (letters and digits only: "
            f"'{plain_label(label)}'). Rename one of them.")


def _claim(late: _Listed, early: _Listed) -> str:
    remedy = ("Make the pattern more precise, or tell them apart by {session}, {direction} or {run} in it."
              if late.matched or early.matched else "Tell them apart by the columns session, direction or run.")
    return f"{late.row['bold']} and {early.row['bold']} claim one run, {late.label}. {remedy}"


def _optional_file(row: dict[str, str], column: str, folder: Path) -> Path | None:
    return fill_cell(row[column], column, folder, row) if row[column] else None


def _to_run(row: dict[str, str], folder: Path, t_r: float | None, space: str, event_column: str) -> tuple[Run, str]:
    """Return the run of a row, and what is to be said about its events: which were clipped, or why none is named."""
    if row["t_r"] and t_r is None:
        try:
            t_r = float(row["t_r"].replace("_", "?"))  # which would take 0_8 for 8
        except ValueError:
            raise InputError(f"The column t_r must hold seconds; '{row['t_r']}' came.") from None
    bold = folder / row["bold"]
    n_times, used, header_t_r = read_bold_header(bold, t_r)
    events_path = _optional_file(row, "events", folder)
    events, every, said = read_bids_timing(events_path, event_column) if events_path else ((), (), "")
    run = Run(
        subject=row["subject"],
        task=row["task"],
        bold=bold,
        t_r=used,
        n_times=n_times,
        mask=_optional_file(row, "mask", folder),
        confounds=_optional_file(row, "confounds", folder),
        events=check_timing(events, n_times, used, header_t_r, str(bold)),
        session=row["session"],
        direction=row["direction"],
        run=row["run"],
        family=row["family"],
        space=space,
        header_t_r=header_t_r,
        acquisition=row["acquisition"],
        busy=busy_spans(every, n_times * used),
        sources=tuple(path for path in (events_path, sidecar_of(bold)) if path and path.is_file()),
    )
    return run, said or overhanging(events, n_times * used)


def find_table(
    path: Path, t_r: float | None = None, space: str = "", event_column: str = TRIAL_TYPE
) -> tuple[list[Run], list[dict[str, Any]]]:
    """Read the runs listed in a TSV file.

    Parameters
    ----------
    path : Path
        Tab-separated; columns subject, task, bold and optional mask, events, confounds,
        t_r (s), direction, session, run, family. Files are relative to the table's folder, ``~`` is
        one's own. A bold cell with wildcards or names in braces
        (:func:`~fmri_saliency.scans.table.patterns.match_cell`) stands for a run per file; what its line leaves empty
        is read from the files' names.
    t_r : float, optional
        Seconds per frame for all runs; beats the table and the headers.
    space : str
        BIDS name of the template space, empty if unknown.
    event_column : str
        The column of the events' tables that says what happened.

    Returns
    -------
    runs : list of Run
        The usable ones.
    log : list of dict
        One row per run: `run`, `status` (``found``, ``missing`` or ``unusable``), `message`.

    Raises
    ------
    InputError
        If the table itself cannot be used.
    """
    folder = Path(path).parent
    listed = _expand(_read_rows(Path(path)), folder)
    _number_repeats(listed)
    runs, log, lines = [], [], {}
    for one in listed:
        row, where = one.row, f"line {one.line} of {Path(path).name}"
        try:
            if one.problem:
                raise InputError(one.problem)
            for column in REQUIRED:
                if not row[column]:
                    hint = f" and cannot be read from {row['bold']}" if one.matched else ""
                    raise InputError(f"The column {column} is empty{hint}.")
            first = lines.setdefault((folder / row["bold"]).resolve(), one.line)
            if first != one.line:
                raise InputError(f"The scan {row['bold']} is already listed in line {first}: it would be both trained "
                                 "and tested on.")
            run, said = _to_run(row, folder, t_r, space, event_column)
            runs.append(run)
            log.append({"run": one.label, "status": "found", "message": said})
        except InputError as error:
            missing = bool(row["bold"]) and not (folder / row["bold"]).exists()
            status = one.status if one.problem else "missing" if missing else "unusable"
            log.append({"run": one.label, "status": status, "message": f"{where}: {error}"})
        except Exception as error:  # the edge: one run must not end the others
            message = f"{where}: {unusable(error, row['bold'])}"
            log.append({"run": one.label, "status": "unusable", "message": message})
    return runs, log
