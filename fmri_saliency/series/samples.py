"""Cut region series into samples of one common length, in memory or straight to disk."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from fmri_saliency.disk.files import read_record, remove, write_array, write_json, write_rows, write_tsv
from fmri_saliency.disk.sources import check_content, hash_file
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.errors import CoverageWarning, DamagedError, InputError, TimingWarning
from fmri_saliency.records import RawSeries, RegionSeries, Run, Samples
from fmri_saliency.series.cleaning import clean_series, count_columns, resample_raw
from fmri_saliency.series.planning import SAID, WindowPlan, class_balance, plan_windows
from fmri_saliency.series.resample import count_resampled, resample_series
from fmri_saliency.series.windows import Windows

__all__ = ["cut_samples", "cut_to_disk", "read_samples", "write_samples"]


class _Cutter:
    """Cuts the windows of a plan, run by run, and keeps count of the regions that runs do not cover.

    Parameters
    ----------
    plan : WindowPlan
    series : iterable of RawSeries or RegionSeries, one per run of `runs`; each is let go when it is cut
    runs : sequence of Run

    Attributes
    ----------
    names : tuple of str
        Regions of the first series.
    """

    def __init__(self, plan: WindowPlan, series: Iterable[RawSeries | RegionSeries], runs: Sequence[Run]) -> None:
        self._plan, self._runs, self._series = plan, runs, iter(series)
        self._labels = plan.table["label"].to_numpy()
        self._source, self._starts = np.array(plan.source), np.array(plan.first)
        self._next = next(self._series)
        self.names = self._next.names
        self._absent = np.ones(len(self.names), dtype=bool)
        self._filled = np.zeros(len(self._labels), dtype=int)
        self._gaps = {label: np.zeros(len(self.names)) for label in sorted(set(self._labels))}
        self._covered = {label: np.zeros(len(self.names)) for label in self._gaps}
        self._columns = dict.fromkeys(self._gaps, 0)
        self._standardised, self._cleaned_whole = True, False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of all samples together."""
        return len(self._labels), self._plan.n_times, len(self.names)

    def parts(self) -> Iterator[np.ndarray]:
        """Yield the samples of each run that has some, in order: (n, n_times, n_regions), gaps filled with 0."""
        for position, (one, run) in enumerate(zip(self._all(), self._runs, strict=True)):
            self._check(one, run)
            self._absent &= np.isnan(one.values).all(axis=0)
            done = one.cleaning if isinstance(one, RawSeries) else one.history
            self._standardised &= done.get("standardize", "zscore_sample") == "zscore_sample"
            rows = np.flatnonzero(self._source == position)
            if len(rows):
                yield self._cut(one, rows, str(run.bold))
        self._check_gaps()
        self._check_columns()
        self._check_lengths()

    def _all(self) -> Iterator[RawSeries | RegionSeries]:
        """Yield all series, none of them held here longer than it is needed."""
        first, self._next = self._next, None
        yield first
        del first
        yield from self._series

    def _check(self, one: RawSeries | RegionSeries, run: Run) -> None:
        if one.names != self.names:
            raise InputError(f"{run.bold} has other regions than {self._runs[0].bold}; extract all runs with one "
                             "atlas.")
        if len(one.values) != run.n_times or not math.isclose(one.t_r, run.t_r, rel_tol=1e-3):
            raise InputError(f"The series of {run.bold} have {len(one.values)} frames of {one.t_r:g} s, the run has "
                             f"{run.n_times} of {run.t_r:g} s; extract it again.")

    def _cut(self, one: RawSeries | RegionSeries, rows: np.ndarray, where: str) -> np.ndarray:
        windows = self._cut_cleaned(one, rows) if isinstance(one, RegionSeries) and one.raw is None else \
            self._cut_raw(one if isinstance(one, RawSeries) else one.raw, rows, where)
        cut = np.stack(windows).astype(np.float32)
        gaps = np.isnan(cut).any(axis=1)
        self._filled[rows] = gaps.sum(axis=1)
        for label, missing in zip(self._labels[rows], gaps, strict=True):
            self._gaps[label] += missing
            self._covered[label] += one.coverage
        return np.nan_to_num(cut, copy=False)

    def _cut_cleaned(self, one: RegionSeries, rows: np.ndarray) -> list[np.ndarray]:
        """Cut windows of series that somebody cleaned as a whole run."""
        one, n_times = resample_series(one, self._plan.t_r), self._plan.n_times
        self._cleaned_whole |= one.history.get("standardize") == "zscore_sample" or bool(one.history.get("detrend"))
        return [one.values[first : first + n_times] for first in self._starts[rows]]

    def _cut_raw(self, raw: RawSeries, rows: np.ndarray, where: str) -> list[np.ndarray]:
        """Cut stretches of a run, clean each as if it were the run, and cut the windows from them."""
        raw, n_times = resample_raw(raw, self._plan.t_r), self._plan.n_times
        stretches = {place: clean_series(raw, where, *place).values
                     for place in sorted({self._plan.stretch[row] for row in rows})}
        found, columns = [], count_columns(raw)
        for row in rows:
            self._columns[self._labels[row]] += columns
            begin = self._starts[row] - self._plan.stretch[row][0]
            found.append(stretches[self._plan.stretch[row]][begin : begin + n_times])
        return found

    def finish(self) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Return the table with its column `filled`, and the regions that no run covers, once all parts are cut."""
        return self._plan.table.assign(filled=self._filled), tuple(np.array(self.names)[self._absent].tolist())

    def _check_gaps(self) -> None:
        """Refuse to fill gaps with 0 where 0 is not the mean; warn when gaps could name the class."""
        counts = np.array(list(self._gaps.values()))
        if counts.any() and not self._standardised:
            region = self.names[int(np.flatnonzero(counts.any(axis=0))[0])]
            raise InputError(f"Region '{region}' is absent from some runs. It can only be filled with the mean of a "
                             'standardised series: set standardize = "zscore_sample" in [cleaning].')
        sizes = np.array([[np.sum(self._labels == label)] for label in self._gaps])
        said = self._compare(counts / sizes, "are absent from", "samples",
                             "Their absence alone can name the class. Leave them out of the atlas, or lower "
                             "min_coverage in [cleaning]")
        covered = np.array(list(self._covered.values())) / sizes
        covered[:, said] = 0  # what is absent is covered less, and one warning is enough
        self._compare(covered, "are covered to", "their voxels on average",
                      "How noisy they are can name the class. Leave them out of the atlas, or raise min_coverage in "
                      "[cleaning]")

    def _compare(self, shares: np.ndarray, what: str, of: str, so: str) -> np.ndarray:
        """Warn of regions whose shares, of shape (n_classes, n_regions), differ between classes; return which."""
        apart = np.nan_to_num(np.ptp(shares, axis=0))
        uneven = np.flatnonzero(apart >= SAID - 1e-9)
        if not len(uneven):
            return uneven
        worst, kinds = int(apart.argmax()), list(self._gaps)
        high, low = int(shares[:, worst].argmax()), int(shares[:, worst].argmin())
        warnings.warn(f"{len(uneven)} regions {what} different shares of {of} in different classes, most of all "
                      f"'{self.names[worst]}': {shares[high, worst]:.0%} in '{kinds[high]}', {shares[low, worst]:.0%} "
                      f"in '{kinds[low]}'. {so}.", CoverageWarning, stacklevel=5)
        return uneven

    def _check_columns(self) -> None:
        """Warn where more columns are regressed out of one class than of another: each takes a part of the signal."""
        mean = {label: count / np.sum(self._labels == label) for label, count in self._columns.items()}
        most, least = max(mean, key=mean.get), min(mean, key=mean.get)
        if mean[most] - mean[least] >= SAID * mean[most] > 0:
            warnings.warn("More confounds are regressed out of some classes than of others: "
                          f"{mean[most]:.1f} columns on average of samples of '{most}', {mean[least]:.1f} of "
                          f"'{least}'. Their number alone can name the class, as that of the components of CompCor, "
                          "which goes with the length of a run: set n_compcor in [cleaning.denoise], or name as many "
                          "columns for all runs in confounds.", TimingWarning, stacklevel=4)

    def _check_lengths(self) -> None:
        """Warn when series were cleaned over whole runs whose lengths differ."""
        lengths = {count_resampled(run.n_times, run.t_r, self._plan.t_r) for run in self._runs}
        if self._cleaned_whole and len(lengths) > 1:
            warnings.warn("These series were cleaned over whole runs of different lengths, and the length of a run can "
                          "be told from them: it can name the class. Give raw series (extract_run's have them, "
                          "read_raw reads them).", TimingWarning, stacklevel=4)


def cut_samples(
    series: Iterable[RawSeries | RegionSeries],
    runs: Sequence[Run],
    windows: Windows,
    marks: Sequence[np.ndarray | None] | None = None,
) -> tuple[Samples, list[str]]:
    """Cut series into samples of one common length, in memory.

    Values of regions that a run does not cover become 0, which is the mean of a
    standardised series; the table's column `filled` says how many regions that were.

    Parameters
    ----------
    series : iterable of RawSeries or RegionSeries, one per run
        What is cleaned as a whole run tells how long the run was: raw series (those of a RegionSeries where it has
        them) are cut first and cleaned afterwards, each sample within a stretch as long as all runs have
        (:class:`WindowPlan`). Series without raw ones are cut as they are.
    runs : sequence of Run
        Where they came from.
    windows : Windows
    marks : sequence of (ndarray of bool, shape (n_times,), or None), one per run, optional
        Frames that are marked as bad.

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
        If a region is absent from one class, or covered in it, 10 percentage points more than in another.
    TimingWarning
        If series without raw ones are of runs of different lengths, the shares of repetition times differ, or more
        confounds are regressed out of one class than of another.
    """
    plan = plan_windows(runs, windows, marks)
    cutter = _Cutter(plan, series, runs)
    X, done = np.empty(cutter.shape, dtype=np.float32), 0
    for part in cutter.parts():
        X[done : done + len(part)] = part
        done += len(part)
    table, absent = cutter.finish()
    return Samples(X, table, plan.t_r, cutter.names, absent), list(plan.left_out)


def cut_to_disk(
    series: Iterable[RawSeries | RegionSeries],
    runs: Sequence[Run],
    windows: Windows,
    folder: Path,
    extra: Mapping[str, Any],
    marks: Sequence[np.ndarray | None] | None = None,
    progress: bool = False,
) -> list[str]:
    """Cut series into samples on disk, one run in memory at a time; :func:`read_samples` reads them.

    Parameters
    ----------
    series, runs, windows, marks
        As for :func:`cut_samples`, whose samples these are to the last bit.
    folder : Path
        Gets ``X.npy``, ``samples.tsv`` and, last, ``samples.json``.
    extra : mapping
        Goes into ``samples.json``, too.
    progress : bool
        Show a progress bar over runs.

    Returns
    -------
    list of str
        Events without a sample, each with the reason.

    Raises
    ------
    InputError
        As :func:`cut_samples` does; no samples are left in `folder` then.
    """
    folder = Path(folder)
    plan = plan_windows(runs, windows, marks)
    remove(folder / "samples.json")
    bar = tqdm(series, total=len(runs), desc="Cutting", unit="run", disable=not progress)
    cutter = _Cutter(plan, bar, runs)
    write_rows(folder / "X.npy", cutter.shape, cutter.parts())
    table, absent = cutter.finish()
    write_tsv(folder / "samples.tsv", table)
    _write_card(folder, table, plan.t_r, cutter.names, absent, {"LeftOut": list(plan.left_out), **extra})
    return list(plan.left_out)


def _write_card(
    folder: Path, table: pd.DataFrame, t_r: float, names: Sequence[str], absent: Sequence[str], extra: Mapping[str, Any]
) -> None:
    balance = class_balance(table).to_dict("index")
    sidecar = {"RepetitionTime": t_r, "Regions": names, "AbsentRegions": absent, "ClassBalance": balance,
               "SHA256": hash_file(folder / "X.npy"), **extra}  # fmt: skip
    write_json(folder / "samples.json", sidecar)


def write_samples(samples: Samples, folder: Path, extra: Mapping[str, Any]) -> None:
    """Write ``X.npy``, ``samples.tsv`` and, last, ``samples.json``."""
    folder = Path(folder)
    remove(folder / "samples.json")
    write_array(folder / "X.npy", samples.X)
    write_tsv(folder / "samples.tsv", samples.table)
    _write_card(folder, samples.table, samples.t_r, samples.names, samples.absent, extra)


SAMPLES_FIELDS = {"RepetitionTime": float | int, "Regions": list, "AbsentRegions": list}
"""What the JSON of samples says."""


def read_samples(folder: Path) -> Samples:
    """Read what :func:`cut_to_disk` or :func:`write_samples` wrote; `X` is memory-mapped and cannot be written to.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    folder = Path(folder)
    sidecar = read_record(folder / "samples.json", SAMPLES_FIELDS, "train CONFIG.toml")
    text = ("run", "subject", "session", "task", "direction", "group", "label")
    table = read_own_tsv(folder / "samples.tsv", "the table of samples", dtype=dict.fromkeys(text, str))
    table = table.fillna(dict.fromkeys(text, ""))
    try:
        X = np.load(folder / "X.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedError(f"{folder / 'X.npy'} is missing or damaged ({error}). Remove {folder / 'samples.json'} "
                           "and run `fmri-saliency train CONFIG.toml` again.", folder / "X.npy") from None
    check_content(folder / "X.npy", sidecar.get("SHA256"), "train CONFIG.toml")
    names, absent = tuple(sidecar["Regions"]), tuple(sidecar["AbsentRegions"])
    missing = [name for name in (*text, "onset", "start", "stop") if name not in table]
    try:
        if missing:
            raise InputError(f"samples.tsv has no column {missing[0]}")
        return Samples(X, table, float(sidecar["RepetitionTime"]), names, absent)
    except InputError as error:
        raise DamagedError(f"{folder / 'samples.json'} is damaged: it does not fit the files beside it ({error}). "
                           "`fmri-saliency train CONFIG.toml` makes it again.", folder / "samples.json") from None
