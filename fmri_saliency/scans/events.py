"""Read what happened when: BIDS event tables and FSL three-column files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fmri_saliency.disk.tables import line_of, read_lines, read_tsv, to_numbers
from fmri_saliency.errors import InputError, TimingWarning
from fmri_saliency.records import Event

__all__ = ["TRIAL_TYPE", "busy_spans", "check_timing", "overhanging", "read_bids_events", "read_bids_timing",
           "read_fsl_events", "shift_events"]  # fmt: skip

TRIAL_TYPE = "trial_type"


def read_bids_events(path: Path, unnamed: bool = False, column: str = TRIAL_TYPE) -> tuple[Event, ...]:
    """Read a table with the columns onset and duration (seconds), and one that says what happened.

    Rows without a type are left out, or with `unnamed` have the type "".

    Raises
    ------
    InputError
        If the file, onset or duration, or a number is missing.
    """
    chosen, every, _ = read_bids_timing(path, column)
    return every if unnamed else chosen


def read_bids_timing(path: Path, column: str = TRIAL_TYPE) -> tuple[tuple[Event, ...], tuple[Event, ...], str]:
    """Read the events of a run, whether or not it is known what they are.

    Parameters
    ----------
    path : Path
        A table with the columns onset and duration, in seconds.
    column : str
        The column that holds the trial types; ``trial_type``, which BIDS names and does not ask for.

    Returns
    -------
    chosen, every : tuple of Event
        Those that have a trial type, and all rows; the type of the others is "".
    said : str
        Why no row has a trial type; "" if one has.

    Raises
    ------
    InputError
        If the file, onset or duration, or a number is missing.
    """
    table = read_tsv(path, "a table of events", dtype=str, empty=True)
    for needed in ("onset", "duration"):
        if needed not in table:
            raise InputError(f"The events {path} need the columns onset and duration; '{needed}' is missing. They "
                             f"have: {', '.join(table.columns)}. Columns are separated by tabs.")
    onsets, lasting = _seconds(table, path)
    if column in table:
        kinds = table[column].fillna("").str.strip()  # "left " is no other class than "left"
        kinds = kinds.mask(kinds.str.lower() == "n/a", "")
    else:
        kinds = [""] * len(table)
    rows = zip(onsets, lasting, kinds, strict=True)
    every = tuple(sorted((Event(float(o), float(d), kind) for o, d, kind in rows), key=lambda e: e.onset))
    chosen = tuple(event for event in every if event.trial_type)
    return chosen, every, "" if chosen else _say_nameless(table, path, column)


def _say_nameless(table: pd.DataFrame, path: Path, column: str) -> str:
    """Say why no event has a trial type, and which columns may hold one."""
    if table.empty:
        return f"{path} lists no event: it has a header and no line below it."
    others = [name for name in table.columns if name not in ("onset", "duration", column)]
    hint = (f" Its columns are {', '.join(table.columns)}: name the one that says what happened by event_column in "
            "[samples].") if others else f" Its columns are {', '.join(table.columns)}."  # fmt: skip
    if column not in table:
        return f"{path} has no column '{column}' that says what its {len(table)} events are.{hint}"
    return f"The column '{column}' of {path} is n/a in all {len(table)} rows.{hint}"


def _seconds(table: pd.DataFrame, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return onsets and durations, each of shape (n_events,); 0 where a duration is not known."""
    onsets, lasting = to_numbers(table, ["onset", "duration"], path, "the events (in seconds)").T
    wrong = np.flatnonzero(~np.isfinite(onsets))
    if len(wrong):
        raise InputError(f"The onset in line {line_of(table, wrong[0])} of {path} is not a number.")
    wrong = np.flatnonzero((lasting < 0) | np.isinf(lasting))
    if len(wrong):
        raise InputError(f"The duration in line {line_of(table, wrong[0])} of {path} is {lasting[wrong[0]]:g} s; it "
                         "must be at least 0, or n/a where nobody knows it.")
    return onsets, np.nan_to_num(lasting)


def read_fsl_events(paths: Sequence[Path | str]) -> tuple[Event, ...]:
    """Read FSL three-column files (onset, duration, amplitude); the file's stem is the trial type.

    Empty files are allowed: a condition that did not occur.

    Raises
    ------
    InputError
        If a line is not three finite numbers, or a duration is below 0.
    """
    events = []
    for path in paths:
        kind = Path(path).stem
        for number, line in enumerate(read_lines(path, "a file of events (FSL, three columns)"), start=1):
            fields = line.split()
            if not fields:
                continue
            try:
                onset, duration, amplitude = map(float, fields)  # which takes 1_0 for 10
                if not all(map(math.isfinite, (onset, duration, amplitude))) or duration < 0 or "_" in line:
                    raise ValueError
            except ValueError:
                raise InputError(f"Expected 'onset duration amplitude' in line {number} of {path}; '{line.strip()}' "
                                 "came. Times are finite seconds, and no event lasts less than 0.") from None
            if amplitude:  # FSL writes a condition that did not occur as a line of zeros
                events.append(Event(onset, duration, kind))
    return tuple(sorted(events, key=lambda e: (e.onset, e.trial_type)))


def busy_spans(events: Sequence[Event], length: float) -> tuple[tuple[float, float], ...]:
    """Return onset and end (s) of what happens before the end of a scan of `length` seconds.

    Events that overlap or meet are joined; those without a duration stay moments of their own. What
    begins before the first frame is kept: its response may reach into the scan.
    """
    known = {(e.onset, e.onset + e.duration) for e in events if e.onset < length}
    moments = [span for span in known if span[0] == span[1]]
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(known.difference(moments)):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return tuple(sorted(joined + moments))


def shift_events(events: Sequence[Event], seconds: float) -> tuple[Event, ...]:
    """Return the events as they are counted from a moment that is `seconds` later."""
    return tuple(replace(e, onset=round(e.onset - seconds, 6)) for e in events) if seconds else tuple(events)


def overhanging(events: Sequence[Event], length: float) -> str:
    """Say which events begin within a scan of `length` seconds and end after it; "" if none does."""
    late = [(e.onset + e.duration - length, e) for e in events if 0 <= e.onset < length < e.onset + e.duration - 1e-3]
    if not late:
        return ""
    by, last = max(late, key=lambda pair: pair[0])
    return (f"{len(late)} of {len(events)} events end after the scan of {length:.1f} s and are clipped to it "
            f"('{last.trial_type}' at {last.onset:g} s by {by:.1f} s).")


def check_timing(events: Sequence[Event], n_times: int, t_r: float, header_t_r: float, where: str) -> tuple[Event, ...]:
    """Clip events to the scan, and warn when events and scan do not fit together.

    Returns
    -------
    tuple of Event
        Events that begin within the scan; those that end after it are clipped.

    Warns
    -----
    TimingWarning
        If events begin after the end of the scan, or the last one ends long before it (in
        the first half): both are signs of a wrong repetition time.

    Raises
    ------
    InputError
        If no event begins within the scan.
    """
    if not events:
        return ()
    length = n_times * t_r
    last = max(event.onset + event.duration for event in events)
    inside = tuple(
        e if e.onset + e.duration <= length else Event(e.onset, length - e.onset, e.trial_type)
        for e in events
        if 0 <= e.onset < length
    )
    scan = f"the scan of {n_times} frames x {t_r:g} s = {length:.1f} s ({where})"
    source = "" if math.isclose(t_r, header_t_r, rel_tol=1e-5) else f" (the header says {header_t_r:g} s)"
    if not inside:
        raise InputError(f"No event begins within {scan}; the first is at {min(e.onset for e in events):g} s. Onsets "
                         f"are in seconds, and the repetition time is {t_r:g} s{source}: check both.")
    remedy = (f"The repetition time used is {t_r:g} s{source}; if that is not the acquisition's, set t_r in [scans] "
              "or in the table.")
    late, early = sum(e.onset >= length for e in events), sum(e.onset < 0 for e in events)
    if early:
        warnings.warn(f"{early} of {len(events)} events begin before the first frame of {scan} and are left out. "
                      "Onsets are in seconds from the first frame.", TimingWarning, stacklevel=2)
    if late:
        warnings.warn(f"{late} of {len(events)} events lie outside {scan}: the last ends at {last:.1f} s, long after "
                      f"the scan, and they are left out. {remedy}", TimingWarning, stacklevel=2)
    elif last < 0.5 * length:
        warnings.warn(f"The last event ends at {last:.1f} s, long before the end of {scan}. {remedy}",
                      TimingWarning, stacklevel=2)
    return inside
