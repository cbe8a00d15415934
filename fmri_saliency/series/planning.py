"""Which windows of which runs are samples, known before a scan is read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fmri_saliency.disk.bids_names import clean_label, name_twins
from fmri_saliency.errors import InputError, TimingWarning, nearest
from fmri_saliency.records import Event, Run, Samples
from fmri_saliency.series.resample import count_resampled, is_same_t_r, nearest_frame
from fmri_saliency.series.windows import REST, Windows

__all__ = ["WindowPlan", "class_balance", "plan_windows"]

SAID = 0.1
"""How far the shares of two classes may lie apart before it is said that they differ."""
REFUSED = 0.5
"""How far they may lie apart before the difference would name the class."""


@dataclass(frozen=True)
class WindowPlan:
    """Which windows will be cut, known before a scan is read.

    Attributes
    ----------
    table : DataFrame
        One row per sample, as in :class:`~fmri_saliency.records.Samples`.
    source, first : tuple of int
        The position of each sample's run, rising, and its first frame there (of `t_r` seconds).
    n_times : int
        Frames of every sample.
    t_r : float
        Seconds per frame.
    left_out : tuple of str
        Events without a sample, each with the reason.
    stretch : tuple of (int, int)
        First frame and number of frames of the stretch of its run that each sample is cleaned in.
    """

    table: pd.DataFrame
    source: tuple[int, ...]
    first: tuple[int, ...]
    n_times: int
    t_r: float
    left_out: tuple[str, ...] = ()
    stretch: tuple[tuple[int, int], ...] = ()

    def outline(self) -> Samples:
        """Return samples without regions: enough to ask how they can be split."""
        return Samples(np.zeros((len(self.table), self.n_times, 0), np.float32), self.table, self.t_r, ())


class _Window(NamedTuple):
    """A window of a run: its label, what its times are counted from (s), and its first frame."""

    label: str
    onset: float
    first: int


@dataclass(frozen=True)
class _Grid:
    """The frames that windows are laid on: of `t_r` seconds, `n_times` to a window."""

    t_r: float
    n_times: int

    def length(self, run: Run) -> int:
        """Return how many of them a run has."""
        return count_resampled(run.n_times, run.t_r, self.t_r)


def _choose_t_r(runs: Sequence[Run], windows: Windows) -> float:
    if windows.t_r:
        return windows.t_r
    times = np.array([run.t_r for run in runs])
    odd = int(np.abs(times - times[0]).argmax())
    if not is_same_t_r(times[odd], times[0]):
        raise InputError(f"All runs must have one repetition time; {runs[0].bold} has {times[0]:g} s and "
                         f"{runs[odd].bold} has {times[odd]:g} s. Decode them apart, or set t_r in [samples] to "
                         "resample all series to one.")
    return float(times[0])


def _row(run: Run, window: _Window, grid: _Grid) -> dict[str, Any]:
    return {
        "run": run.key,
        "subject": run.subject,
        "session": run.session,
        "task": run.task,
        "direction": run.direction,
        "group": run.group,
        "label": window.label,
        "onset": round(window.onset, 6),
        "start": round(window.first * grid.t_r, 6),
        "stop": round((window.first + grid.n_times) * grid.t_r, 6),
    }


def _whole_runs(runs: Sequence[Run], windows: Windows, t_r: float) -> tuple[_Grid, list[list[_Window]]]:
    """Return one window per run, all of one length."""
    first = nearest_frame(windows.offset, t_r)
    lengths = [_Grid(t_r, 1).length(run) - first for run in runs]
    shortest = int(np.argmin(lengths))
    n_times = nearest_frame(windows.length, t_r) if windows.length else lengths[shortest]
    if n_times > lengths[shortest] or n_times < 2:
        raise InputError(
            f"[samples] asks for windows of {n_times} frames from frame {first}; the shortest run "
            f"({runs[shortest].bold}) has {lengths[shortest] + first}. Every run must be cut alike, or its length "
            "alone would name the task: ask for less."
        )
    return _Grid(t_r, n_times), [[_Window(run.task, 0.0, first)] for run in runs]


def _class_of(runs: Sequence[Run], windows: Windows) -> dict[str, str]:
    """Return the class of each trial type that has one."""
    seen = {event.trial_type for run in runs for event in run.events}
    owner = {member: name for name, members in windows.classes.items() for member in members}
    for member in owner:
        if member not in seen:
            raise InputError(f"[samples.classes] names the trial type '{member}', which no run has. They have: "
                             f"{', '.join(sorted(seen)) or 'no events'}.{nearest(member, seen)}")
    if windows.rest and not owner and REST in seen:
        raise InputError(f"With rest = true in [samples], '{REST}' is the time between events, and the events have a "
                         "trial type of that name. Name the classes in [samples.classes].")
    return owner or {kind: kind for kind in seen}


def _after_event(event: Event, label: str, windows: Windows, grid: _Grid) -> Iterator[_Window]:
    """Yield the window after an event."""
    yield _Window(label, event.onset, nearest_frame(event.onset + windows.delay + windows.offset, grid.t_r))


def _within_event(event: Event, label: str, windows: Windows, grid: _Grid) -> Iterator[_Window]:
    """Yield the windows that fit into an event, one after the other, all delayed."""
    first = nearest_frame(event.onset + windows.delay + windows.offset, grid.t_r)
    usable = nearest_frame(event.duration - windows.offset, grid.t_r)
    for number in range(usable // grid.n_times):
        begin = number * grid.n_times
        yield _Window(label, event.onset + windows.offset + begin * grid.t_r, first + begin)


def _of_events(
    run: Run, windows: Windows, grid: _Grid, class_of: dict[str, str]
) -> tuple[list[_Window], list[str]]:
    """Return the windows of a run's events, and why others have none."""
    found, left_out = [], []
    lay = _after_event if windows.unit == "event" else _within_event
    for event in run.events:
        if event.trial_type not in class_of:
            continue
        where = f"{run.key}: '{event.trial_type}' at {event.onset:g} s"
        laid = list(lay(event, class_of[event.trial_type], windows, grid))
        if not laid:
            left_out.append(f"{where}, it lasts {event.duration:g} s, less than a window")
        for number, window in enumerate(laid, start=1):
            if window.first >= 0 and window.first + grid.n_times <= grid.length(run):
                found.append(window)
            else:
                which = "its window" if windows.unit == "event" else f"window {number} of it"
                left_out.append(f"{where}, {which} leaves the scan")
    return found, left_out


def _of_rest(run: Run, windows: Windows, grid: _Grid, taken: Sequence[_Window]) -> Iterator[_Window]:
    """Yield windows of the time in which nothing happened, delayed, and that no window has taken, one by one."""
    spans = {*run.busy, *((event.onset, event.onset + event.duration) for event in run.events)}
    busy = [(begin, end if end > begin else begin + windows.guard) for begin, end in spans]
    delayed = [(begin + windows.delay, end + windows.delay) for begin, end in busy]
    frames = [(math.floor(a / grid.t_r + 1e-6), math.ceil(b / grid.t_r - 1e-6)) for a, b in delayed]
    frames += [(window.first, window.first + grid.n_times) for window in taken]
    end = grid.length(run)
    free = 0
    back = windows.delay + windows.offset  # so that a rest window begins as long after its zero as an event's
    for begin, stop in [*sorted(frames), (end, end)]:
        while free + grid.n_times <= min(begin, end):
            yield _Window(REST, free * grid.t_r - back, free)
            free += grid.n_times
        free = max(free, stop)


def _is_told(run: Run) -> bool:
    """Return whether it is known when nothing happened in a run: from its events, or since its task is to rest."""
    return bool(run.events or run.busy) or run.task.lower().startswith(REST)


def _pauses(run: Run, windows: Windows, grid: _Grid, taken: Sequence[_Window]) -> tuple[list[_Window], list[str]]:
    """Return the windows of a run's rest where it is asked for, and why there are none."""
    if not windows.rest:
        return [], []
    if not _is_told(run):
        return [], [f"{run.key}: '{REST}', nothing is known of what happened in it and when: it has no events"]
    found = list(_of_rest(run, windows, grid, taken))
    nowhere = f"{run.key}: '{REST}', nowhere is there a window's time between what happened"
    return found, [] if found else [nowhere]


def _of_all_events(
    runs: Sequence[Run], windows: Windows, t_r: float
) -> tuple[_Grid, list[list[_Window]], list[str]]:
    """Return the windows of every run's events, and of rest where it is asked for."""
    grid = _Grid(t_r, nearest_frame(windows.length, t_r))
    if grid.n_times < 1:
        raise InputError(f"length in [samples] is {windows.length} s, less than one frame of {t_r:g} s.")
    if not any(run.events for run in runs):
        raise InputError(f'unit = "{windows.unit}" in [samples] needs events with a trial type; no run has one. '
                         "`fmri-saliency runs CONFIG.toml` says of each run what its events have; event_column in "
                         f"[samples] ('{windows.event_column}' now) names the column of a table that holds the types.")
    class_of = _class_of(runs, windows)
    laid, left_out = [], []
    for run in runs:
        found, without = _of_events(run, windows, grid, class_of)
        pauses, why = _pauses(run, windows, grid, found)
        laid.append(found + pauses)
        left_out += without + why
    if not any(laid):
        raise InputError("No event's window lies within its scan. Check length and offset in [samples], and that the "
                         "runs have events.")
    return grid, laid, left_out


def _count_marked(run: Run, marked: np.ndarray | None, row: dict[str, Any]) -> tuple[int, float]:
    """Return how many frames of the scan that begin in a window are marked, and which share of them that is."""
    if marked is None:
        return 0, 0.0
    if len(marked) != run.n_times:
        raise InputError(f"{len(marked)} frames of {run.bold} are marked as good or bad; it has {run.n_times}. Extract "
                         "it again.")
    begin, stop = (math.ceil(row[key] / run.t_r - 1e-3) for key in ("start", "stop"))
    inside = marked[begin:stop]
    return int(inside.sum()), float(inside.mean()) if len(inside) else 0.0


def _check_labels(table: pd.DataFrame) -> None:
    """Refuse classes that cannot be in names of files, or would share one."""
    first = table.drop_duplicates("label").sort_values("label")
    for label, run, start in zip(first["label"], first["run"], first["start"], strict=True):
        try:
            clean_label(label, "The class")
        except InputError as error:
            raise InputError(f"{error} It is first that of {run}, from {start:g} s. Rename it in [samples.classes], or "
                             "in the column of the events that classes are taken from.") from None
    for label, other in name_twins(first["label"]).items():
        raise InputError(f"The classes '{other}' and '{label}' would have the same file names (letters and digits "
                         f"only: '{clean_label(label)}'). Rename one in [samples.classes] or in the events.")


def _lay_stretches(
    first: np.ndarray, lengths: np.ndarray, n_times: int, labels: pd.Series
) -> list[tuple[int, int]]:
    """Return the stretch of its run that each window is cleaned in: first frame and number of frames.

    What is cleaned as a whole run tells how long the run was, and the run's length can name the class. So every
    window is cleaned within a stretch of one length, that of the runs of the class whose runs are shortest (their
    median), and lies in it where it lies in its run: a window at two thirds of the run at two thirds of the stretch.
    Stretches of one run begin at no more than about eight frames, so that windows share them. Shorter runs are cleaned
    as a whole, as all are where all have one length.

    Parameters
    ----------
    first, lengths : ndarray of int, shape (n_samples,)
        First frame of each window, and the frames of its run.
    n_times : int
        Frames of a window.
    labels : Series, shape (n_samples,)
    """
    common = int(pd.Series(lengths).groupby(labels.to_numpy()).median().min())
    size = np.minimum(lengths, max(common, n_times))
    room = np.maximum(lengths - n_times, 1)
    step = np.maximum(1, -(-(lengths - size) // 8))
    begin = (first * (lengths - size) // room + step // 2) // step * step
    begin = np.clip(begin, first + n_times - size, np.minimum(first, lengths - size))
    return list(zip(begin.tolist(), size.tolist(), strict=True))


def _check_times(labels: pd.Series, t_r: np.ndarray) -> None:
    """Refuse repetition times that go with a class: resampling leaves each a spectrum of its own."""
    kinds = t_r.copy()
    for one in sorted(set(t_r.tolist()), reverse=True):
        kinds[[is_same_t_r(one, other) for other in t_r]] = one  # the least of those that are taken for one
    shares = pd.crosstab(labels.to_numpy(), kinds, normalize="index")
    apart = shares.max() - shares.min()
    if len(apart) < 2 or apart.max() < SAID:
        return
    most = float(apart.idxmax())
    words = (f"{shares[most].max():.0%} of the samples of '{shares[most].idxmax()}' come from runs with a repetition "
             f"time of {most:g} s, and {shares[most].min():.0%} of those of '{shares[most].idxmin()}'")
    if apart.max() >= REFUSED:
        raise InputError(f"{words}. Resampling to one t_r leaves each repetition time a spectrum of its own, which "
                         "would name the class. Choose runs whose repetition times do not go with a class.")
    warnings.warn(f"{words}: the repetition time can help to tell them apart.", TimingWarning, stacklevel=3)


def plan_windows(
    runs: Sequence[Run], windows: Windows, marks: Sequence[np.ndarray | None] | None = None
) -> WindowPlan:
    """Say which windows will be cut from runs, without reading a scan.

    Parameters
    ----------
    runs : sequence of Run
    windows : Windows
    marks : sequence of (ndarray of bool, shape (n_times,), or None), one per run, optional
        Frames of the scan that are marked as bad; they are counted in the table's column `marked`.

    Raises
    ------
    InputError
        If the repetition times differ, a window does not fit, or fewer than two classes are left.
    """
    t_r = _choose_t_r(runs, windows)
    left_out: list[str] = []
    if windows.unit == "run":
        grid, laid = _whole_runs(runs, windows, t_r)
    else:
        grid, laid, left_out = _of_all_events(runs, windows, t_r)
    rows, source, starts = [], [], []
    for position, (run, found) in enumerate(zip(runs, laid, strict=True)):
        for window in found:
            row = _row(run, window, grid)
            count, share = _count_marked(run, marks[position] if marks else None, row)
            if share > windows.max_marked + 1e-9:
                left_out.append(f"{run.key}: '{window.label}' from {row['start']:g} s, {count} of its frames are "
                                "marked")
                continue
            rows.append({**row, "marked": count})
            source.append(position)
            starts.append(window.first)
    if not rows:
        raise InputError(f"Every window has more marked frames than max_marked = {windows.max_marked:g} in [samples] "
                         "allows. Allow more, or make windows shorter.")
    table = pd.DataFrame(rows)
    lengths = [grid.length(runs[position]) for position in source]
    stretch = [(first, grid.n_times) for first in starts] if windows.unit == "run" else \
        _lay_stretches(np.array(starts), np.array(lengths), grid.n_times, table["label"])
    plan = WindowPlan(table, tuple(source), tuple(starts), grid.n_times, t_r, tuple(left_out), tuple(stretch))
    _check_labels(plan.table)
    if plan.table["label"].nunique() < 2:
        raise InputError(f"Decoding needs at least two classes; all {len(plan.table)} samples are "
                         f"'{plan.table['label'].iloc[0]}'. Check [scans] tasks, or [samples] unit and classes.")
    _check_times(plan.table["label"], np.array([runs[position].t_r for position in source]))
    return plan


def class_balance(table: pd.DataFrame) -> pd.DataFrame:
    """Count the `samples`, `runs` and `groups` (families or subjects) of each class of a table of samples."""
    by = table.groupby("label", sort=True)
    return pd.DataFrame({"samples": by.size(), "runs": by["run"].nunique(), "groups": by["group"].nunique()})
