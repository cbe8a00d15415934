"""Cut region series into samples of one common length."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.bids import clean_label
from fmri_saliency.errors import ConfigError, CoverageWarning, InputError, nearest
from fmri_saliency.files import read_json, read_tsv, write_array, write_json, write_tsv
from fmri_saliency.records import RegionSeries, Run, Samples

__all__ = ["UNITS", "WindowPlan", "Windows", "cut_samples", "plan_windows", "read_samples", "write_samples"]

UNITS = ("run", "event")


@dataclass(frozen=True)
class Windows:
    """What one sample is.

    Attributes
    ----------
    unit : {"run", "event"}
        ``run``: each run is one sample, labelled by its task. ``event``: a window after
        each event, labelled by its trial type.
    length : float
        Seconds. For ``run`` 0 means the length of the shortest run.
    offset : float
        Seconds from the run's first frame, or from the event's onset, to the window.
    classes : dict
        For ``event``: class name to the trial types that belong to it. Empty: every
        trial type is a class of its own.
    """

    unit: str = "run"
    length: float = 0.0
    offset: float = 0.0
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(f"unit in [samples] must be run or event; '{self.unit}' came.{nearest(self.unit, UNITS)}")
        if not (math.isfinite(self.length) and math.isfinite(self.offset)):
            raise ConfigError(f"length and offset in [samples] must be finite; {self.length}, {self.offset} came.")
        for name, members in self.classes.items():
            if not members:
                raise ConfigError(f"The class '{name}' in [samples.classes] has no trial type.")
        if self.length < 0 or (self.unit == "event" and self.length == 0):
            raise ConfigError(f"length in [samples] must be {'above 0' if self.unit == 'event' else 'at least 0'} "
                              f"seconds; {self.length} came.")
        if self.unit == "run" and self.offset < 0:
            raise ConfigError(f"offset in [samples] must be at least 0 when a sample is a run; {self.offset} came.")
        owner: dict[str, str] = {}
        for name, members in self.classes.items():
            for member in members:
                if member in owner:
                    raise ConfigError(f"In [samples.classes], '{member}' belongs to both '{owner[member]}' and "
                                      f"'{name}'.")
                owner[member] = name


def _frames(seconds: float, t_r: float) -> int:
    """Return the nearest whole number of frames, halves up (Python's round would go to the even one)."""
    return math.floor(seconds / t_r + 0.5 + 1e-9)


@dataclass(frozen=True)
class WindowPlan:
    """Which windows will be cut, known before a scan is read.

    Attributes
    ----------
    table : DataFrame
        One row per sample, as in :class:`~fmri_saliency.records.Samples`.
    source, first : tuple of int
        The position of each sample's run, and its first frame there.
    n_times : int
        Frames of every sample.
    t_r : float
        Seconds per frame.
    left_out : tuple of str
        Events without a sample, each with the reason.
    """

    table: pd.DataFrame
    source: tuple[int, ...]
    first: tuple[int, ...]
    n_times: int
    t_r: float
    left_out: tuple[str, ...] = ()

    def outline(self) -> Samples:
        """Return samples without regions: enough to ask how they can be split."""
        return Samples(np.zeros((len(self.table), self.n_times, 0), np.float32), self.table, self.t_r, ())


def _check_t_r(runs: Sequence[Run]) -> float:
    times = np.array([run.t_r for run in runs])
    odd = int(np.abs(times - times[0]).argmax())
    if not np.allclose(times, times[0], rtol=1e-3):
        raise InputError(f"All runs must have one repetition time; {runs[0].bold} has {times[0]:g} s and "
                         f"{runs[odd].bold} has {times[odd]:g} s. Decode them apart.")
    return float(times[0])


def _row(run: Run, label: str, onset: float, start: float, stop: float) -> dict[str, Any]:
    return {
        "run": run.key,
        "subject": run.subject,
        "session": run.session,
        "task": run.task,
        "direction": run.direction,
        "group": run.group,
        "label": label,
        "onset": round(onset, 6),
        "start": round(start, 6),
        "stop": round(stop, 6),
    }


def _plan_runs(runs: Sequence[Run], windows: Windows, t_r: float) -> WindowPlan:
    first = _frames(windows.offset, t_r)
    lengths = [run.n_times - first for run in runs]
    shortest = int(np.argmin(lengths))
    n_times = _frames(windows.length, t_r) if windows.length else lengths[shortest]
    if n_times > lengths[shortest] or n_times < 2:
        raise InputError(
            f"[samples] asks for windows of {n_times} frames from frame {first}; the shortest run "
            f"({runs[shortest].bold}) has {lengths[shortest] + first}. Every run must be cut alike, or its length "
            "alone would name the task: ask for less."
        )
    table = pd.DataFrame([_row(run, run.task, 0.0, first * t_r, (first + n_times) * t_r) for run in runs])
    return WindowPlan(table, tuple(range(len(runs))), (first,) * len(runs), n_times, t_r)


def _class_of(runs: Sequence[Run], windows: Windows) -> dict[str, str]:
    """Return the class of each trial type that has one."""
    seen = {event.trial_type for run in runs for event in run.events}
    owner = {member: name for name, members in windows.classes.items() for member in members}
    for member in owner:
        if member not in seen:
            raise InputError(f"[samples.classes] names the trial type '{member}', which no run has. They have: "
                             f"{', '.join(sorted(seen)) or 'no events'}.{nearest(member, seen)}")
    return owner or {kind: kind for kind in seen}


def _plan_events(runs: Sequence[Run], windows: Windows, t_r: float) -> WindowPlan:
    n_times = _frames(windows.length, t_r)
    if n_times < 1:
        raise InputError(f"length in [samples] is {windows.length} s, less than one frame of {t_r:g} s.")
    class_of = _class_of(runs, windows)
    rows, source, starts, left_out = [], [], [], []
    for position, run in enumerate(runs):
        for event in run.events:
            if event.trial_type not in class_of:
                continue
            first = _frames(event.onset + windows.offset, t_r)
            if first < 0 or first + n_times > run.n_times:
                left_out.append(f"{run.key}: '{event.trial_type}' at {event.onset:g} s, its window leaves the scan")
                continue
            rows.append(_row(run, class_of[event.trial_type], event.onset, first * t_r, (first + n_times) * t_r))
            source.append(position)
            starts.append(first)
    if not rows:
        raise InputError("No event's window lies within its scan. Check length and offset in [samples], and that the "
                         "runs have events.")
    return WindowPlan(pd.DataFrame(rows), tuple(source), tuple(starts), n_times, t_r, tuple(left_out))


def _check_labels(labels: pd.Series) -> None:
    """Refuse labels that would share one file name."""
    owner: dict[str, str] = {}
    for label in sorted(set(labels)):
        other = owner.setdefault(clean_label(label), label)
        if other != label:
            raise InputError(f"The classes '{other}' and '{label}' would have the same file names (letters and digits "
                             f"only: '{clean_label(label)}'). Rename one in [samples.classes] or in the events.")


def _check_gaps(gaps: np.ndarray, labels: np.ndarray, names: Sequence[str], series: Sequence[RegionSeries]) -> None:
    """Refuse to fill gaps with 0 where 0 is not the mean; warn when gaps could name the class."""
    if gaps.any() and any(one.history.get("standardize", "zscore_sample") != "zscore_sample" for one in series):
        region = names[int(np.flatnonzero(gaps.any(axis=0))[0])]
        raise InputError(f"Region '{region}' is absent from some runs. It can only be filled with the mean of a "
                         'standardised series: set standardize = "zscore_sample" in [cleaning].')
    shares = np.array([gaps[labels == label].mean(axis=0) for label in np.unique(labels)])
    uneven = np.flatnonzero(np.ptp(shares, axis=0) >= 0.5)
    if len(uneven):
        warnings.warn(f"{len(uneven)} regions (first: '{names[uneven[0]]}') are absent from most runs of one class and "
                      "present in another: their absence alone can name the class. Leave them out of the atlas, or "
                      "lower min_coverage in [cleaning].", CoverageWarning, stacklevel=3)


def plan_windows(runs: Sequence[Run], windows: Windows) -> WindowPlan:
    """Say which windows will be cut from runs, without reading a scan.

    Raises
    ------
    InputError
        If the repetition times differ, a window does not fit, or fewer than two classes are left.
    """
    t_r = _check_t_r(runs)
    plan = (_plan_runs if windows.unit == "run" else _plan_events)(runs, windows, t_r)
    _check_labels(plan.table["label"])
    if plan.table["label"].nunique() < 2:
        raise InputError(f"Decoding needs at least two classes; all {len(plan.table)} samples are "
                         f"'{plan.table['label'].iloc[0]}'. Check [scans] tasks, or [samples] unit and classes.")
    return plan


def cut_samples(
    series: Sequence[RegionSeries], runs: Sequence[Run], windows: Windows
) -> tuple[Samples, list[str]]:
    """Cut series into samples of one common length.

    Values of regions that a run does not cover become 0, which is the mean of a
    standardised series; the table's column `filled` says how many regions that were.

    Parameters
    ----------
    series, runs : sequences of the same length
        Series and where they came from.
    windows : Windows

    Returns
    -------
    samples : Samples
    left_out : list of str
        Events without a sample, each with the reason.

    Raises
    ------
    InputError
        If the repetition times or the regions differ, a series has not its run's frames, a
        window does not fit, fewer than two classes are left, or a region is absent and the
        series are not standardised.

    Warns
    -----
    CoverageWarning
        If regions are absent from one class and not from another.
    """
    plan = plan_windows(runs, windows)
    names = series[0].names
    for one, run in zip(series, runs, strict=True):
        if one.names != names:
            raise InputError(f"{run.bold} has other regions than {runs[0].bold}; extract all runs with one atlas.")
        if len(one.values) != run.n_times or not math.isclose(one.t_r, run.t_r, rel_tol=1e-3):
            raise InputError(f"The series of {run.bold} have {len(one.values)} frames of {one.t_r:g} s, the run has "
                             f"{run.n_times} of {run.t_r:g} s; extract it again.")
    starts = zip(plan.source, plan.first, strict=True)
    X = np.stack([series[k].values[first : first + plan.n_times] for k, first in starts]).astype(np.float32)
    gaps = np.isnan(X).any(axis=1)
    absent = tuple(np.array(names)[np.all([np.isnan(s.values).all(axis=0) for s in series], axis=0)].tolist())
    table = plan.table.assign(filled=gaps.sum(axis=1))
    _check_gaps(gaps, table["label"].to_numpy(), names, series)
    return Samples(np.nan_to_num(X), table, plan.t_r, names, absent), list(plan.left_out)


def write_samples(samples: Samples, folder: Path, extra: Mapping[str, Any]) -> None:
    """Write ``X.npy``, ``samples.tsv`` and, last, ``samples.json``."""
    folder = Path(folder)
    (folder / "samples.json").unlink(missing_ok=True)
    write_array(folder / "X.npy", samples.X)
    write_tsv(folder / "samples.tsv", samples.table)
    sidecar = {"RepetitionTime": samples.t_r, "Regions": samples.names, "AbsentRegions": samples.absent, **extra}
    write_json(folder / "samples.json", sidecar)


def read_samples(folder: Path) -> Samples:
    """Read what :func:`write_samples` wrote.

    Raises
    ------
    InputError
        If a file is missing.
    """
    folder = Path(folder)
    sidecar = read_json(folder / "samples.json")
    text = ("run", "subject", "session", "task", "direction", "group", "label")
    table = read_tsv(folder / "samples.tsv", "the table of samples", dtype=dict.fromkeys(text, str))
    table = table.fillna(dict.fromkeys(text, ""))
    X = np.load(folder / "X.npy", allow_pickle=False)
    names, absent = tuple(sidecar["Regions"]), tuple(sidecar["AbsentRegions"])
    return Samples(X, table, float(sidecar["RepetitionTime"]), names, absent)
