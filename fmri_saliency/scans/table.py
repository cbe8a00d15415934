"""Runs listed in a table that the user wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.errors import InputError, nearest
from fmri_saliency.files import read_tsv
from fmri_saliency.records import Run
from fmri_saliency.scans.events import check_timing, read_bids_events
from fmri_saliency.scans.images import read_bold_header

__all__ = ["COLUMNS", "find_table"]

REQUIRED = ("subject", "task", "bold")
OPTIONAL = ("mask", "events", "confounds", "t_r", "direction", "session", "run", "family")
COLUMNS = REQUIRED + OPTIONAL


def _read_rows(path: Path) -> pd.DataFrame:
    table = read_tsv(path, "a table of runs", dtype=str).fillna("")
    for column in REQUIRED:
        if column not in table:
            raise InputError(f"The table of runs {path} needs the columns {', '.join(REQUIRED)}; '{column}' is "
                             f"missing. It has: {', '.join(map(str, table.columns))}. Columns are separated by tabs.")
    for column in table.columns:
        if column not in COLUMNS:
            raise InputError(f"The table of runs {path} has an unknown column '{column}'; known are "
                             f"{', '.join(COLUMNS)}.{nearest(str(column), COLUMNS)}")
    if table.empty:
        raise InputError(f"The table of runs {path} lists no run.")
    for column in COLUMNS:
        if column not in table:
            table[column] = ""
    for column, prefix in (("subject", "sub-"), ("task", "task-"), ("session", "ses-"), ("run", "run-")):
        table[column] = table[column].str.removeprefix(prefix)
    return table


def _number_repeats(table: pd.DataFrame) -> pd.DataFrame:
    """Give a number to runs that subject, session, task and direction do not tell apart."""
    keys = list(table[["subject", "session", "task", "direction"]].itertuples(index=False, name=None))
    total, seen, numbers = Counter(keys), Counter(), []
    for key, given in zip(keys, table["run"], strict=True):
        seen[key] += 1
        numbers.append(given or (str(seen[key]) if total[key] > 1 else ""))
    return table.assign(run=numbers)


def _optional_file(row: dict[str, str], column: str, folder: Path) -> Path | None:
    if not row[column]:
        return None
    path = folder / row[column]
    if not path.is_file():
        raise InputError(f"The column {column} names {path}; there is no such file.")
    return path


def _to_run(row: dict[str, str], folder: Path, t_r: float | None, space: str) -> Run:
    if row["t_r"] and t_r is None:
        try:
            t_r = float(row["t_r"])
        except ValueError:
            raise InputError(f"The column t_r must hold seconds; '{row['t_r']}' came.") from None
    bold = folder / row["bold"]
    n_times, used, header_t_r = read_bold_header(bold, t_r)
    events_path = _optional_file(row, "events", folder)
    events = read_bids_events(events_path) if events_path else ()
    return Run(
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
    )


def find_table(path: Path, t_r: float | None = None, space: str = "") -> tuple[list[Run], list[dict[str, Any]]]:
    """Read the runs listed in a TSV file.

    Parameters
    ----------
    path : Path
        Tab-separated; columns subject, task, bold and optional mask, events, confounds,
        t_r (s), direction, session, run, family. Files are relative to the table's folder.
    t_r : float, optional
        Seconds per frame for all runs; beats the table and the headers.
    space : str
        BIDS name of the template space, empty if unknown.

    Returns
    -------
    runs : list of Run
        The usable ones.
    log : list of dict
        One row per listed run: `run`, `status` (``found``, ``missing`` or ``unusable``), `message`.

    Raises
    ------
    InputError
        If the table itself cannot be used.
    """
    table = _number_repeats(_read_rows(Path(path)))
    runs, log, lines = [], [], {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        where = f"line {number} of {Path(path).name}"
        entities = {"sub": row["subject"], "ses": row["session"], "task": row["task"], "dir": row["direction"],
                    "run": row["run"]}
        label = "_".join(f"{key}-{value}" for key, value in entities.items() if value)
        try:
            for column in REQUIRED:
                if not row[column]:
                    raise InputError(f"The column {column} is empty.")
            first = lines.setdefault((Path(path).parent / row["bold"]).resolve(), number)
            if first != number:
                raise InputError(f"The scan {row['bold']} is already listed in line {first}: it would be both trained "
                                 "and tested on.")
            runs.append(_to_run(row, Path(path).parent, t_r, space))
            log.append({"run": label, "status": "found", "message": ""})
        except InputError as error:
            missing = bool(row["bold"]) and not (Path(path).parent / row["bold"]).exists()
            log.append({"run": label, "status": "missing" if missing else "unusable", "message": f"{where}: {error}"})
    return runs, log
