"""Where the work stands: per step what is done, running, failed, interrupted and waiting.

This is the one place that knows: `status` shows it, the page shows what it says is up to date, and `run` asks it
whether anything is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fmri_saliency.disk.files import digest, read_json
from fmri_saliency.disk.locks import Holder
from fmri_saliency.errors import FmriSaliencyError
from fmri_saliency.pipeline.progress.completeness import is_whole
from fmri_saliency.pipeline.progress.record import Known, read_known
from fmri_saliency.pipeline.steps.explanation import (
    FoldStamps,
    class_inputs,
    is_explained,
    maps_stamp,
    stamps_of,
    whole_stamp,
    whole_stems,
)
from fmri_saliency.pipeline.steps.fingerprints import are_cut, samples_made_from
from fmri_saliency.pipeline.steps.sampling import load_samples
from fmri_saliency.pipeline.steps.search_trials import expand
from fmri_saliency.pipeline.steps.searching import progress
from fmri_saliency.pipeline.steps.training import is_trained
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.folder import Workspace, is_done
from fmri_saliency.pipeline.study.opening import config_changes
from fmri_saliency.series import read_samples

__all__ = ["STATES", "Standing", "StepStanding", "survey"]

STATES = ("done", "running", "failed", "interrupted", "waiting")
ORDER = ("extract", "train", "explain", "judge", "report")
PARTS = {"train": ("samples", "train", "scores"), "explain": ("explain", "maps"), "search": ("search", "table")}
"""Steps of the command line whose work has several rows."""


@dataclass(frozen=True)
class StepStanding:
    """How far a step is.

    Attributes
    ----------
    step : str
        ``extract``, ``samples``, ``train lstm``, ``scores``, ``explain lstm``, ``maps``, ``judge``, ``report``; with
        [search] also ``search`` and its ``table``.
    unit : str
        What is counted.
    done, running, failed, interrupted, waiting : int
        Each unit is in one of them. Failed counts what the next call tries again, too; interrupted is what a process
        held that is gone.
    seconds_left : float or None
        From the median duration of the units that are done, and how many are worked on at a time. None where none was
        timed yet.
    units : dict
        State of every unit, where there are few (folds).
    """

    step: str
    unit: str
    done: int
    running: int
    failed: int
    interrupted: int
    waiting: int
    seconds_left: float | None = None
    units: dict[str, str] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many units are not done, and will be."""
        return self.running + self.interrupted + self.waiting


@dataclass(frozen=True)
class Standing:
    """Where the work for a configuration stands.

    Attributes
    ----------
    output : str
    begun : bool
    runs : dict
        How many runs are in which state: ``done``, ``found`` (waiting, or worked on), ``missing``, ``unusable``,
        ``failed``, ``again``.
    changes : tuple of str
        Settings that differ from those the folder was last worked on with.
    steps : tuple of StepStanding
    failures : tuple of dict
        `step`, `unit` (a run, a fold), `status` (``failed``, ``again``, ``unusable``, ``interrupted``), `file` where
        known, and `message`: what is wrong and what to do.
    working : tuple of dict
        `work`, `host`, `pid` and `began` of every living process's pieces of work.
    log : DataFrame
        A row per expected run: `run`, `status`, `message`, `frames`, `t_r`.
    stamps : FoldStamps or None
        What identifies the results of every fold; None where there are no samples, or they are out of date.
    obstacle : str
        Why no samples can be cut, where that was tried.
    """

    output: str
    begun: bool
    runs: dict[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    steps: tuple[StepStanding, ...] = ()
    failures: tuple[dict[str, str], ...] = ()
    working: tuple[dict[str, Any], ...] = ()
    log: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)
    stamps: FoldStamps | None = None
    obstacle: str = ""

    def rows(self, step: str) -> tuple[StepStanding, ...]:
        """Return the rows of a step of the command line."""
        return tuple(one for one in self.steps if one.step.split()[0] in PARTS.get(step, (step,)))

    def done(self, step: str) -> bool:
        """Return whether a step of the command line is done, and all before it: what lacks its origin does not count.

        That of ``extract`` is done where any run has series: later steps go on with those.
        """
        if not any(one.done for one in self.rows("extract")):
            return False
        rows = [row for one in ORDER[1 : ORDER.index(step) + 1] for row in self.rows(one)]
        return not any(row.left or row.failed for row in rows)


def _extract(known: Known) -> tuple[StepStanding, list[dict[str, str]]]:
    prefix, counts, failures = "extract/", dict.fromkeys(STATES, 0), []
    running = {one.work.removeprefix(prefix) for one in known.holders if one.work.startswith(prefix)}
    for row in known.log.to_dict("records"):
        key, status = row["run"], row["status"]
        if status == "missing":
            continue
        state = {"found": "waiting", "done": "done"}.get(status, "failed")
        state = "running" if key in running and state != "done" else state
        if state == "waiting" and prefix + key in known.gone:
            state = "interrupted"
            failures.append(_interrupted("extract", key, known.gone[prefix + key]))
        if state == "failed":
            failures.append({"step": "extract", "unit": key, "status": status, "file": row["file"],
                             "message": row["message"]})  # fmt: skip
        counts[state] += 1
    left = counts["running"] + counts["interrupted"] + counts["waiting"]
    seconds = known.seconds_left(prefix, left, counts["running"])
    return StepStanding("extract", "run", **counts, seconds_left=seconds), failures


def _interrupted(step: str, unit: str, gone: Holder) -> dict[str, str]:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(gone.began))
    words = (f"process {gone.pid} on {gone.host}, which worked on it since {began}, is gone without having said why: "
             "it was killed (for time or memory?), or its machine went down. The next call goes on from there.")
    return {"step": step, "unit": unit, "status": "interrupted", "file": "", "message": words}


def _row(known: Known, step: str, unit: str, units: dict[str, str], prefix: str) -> StepStanding:
    counts = {state: sum(one == state for one in units.values()) for state in STATES}
    left = counts["running"] + counts["interrupted"] + counts["waiting"]
    return StepStanding(step, unit, **counts, seconds_left=known.seconds_left(prefix, left, counts["running"]),
                        units=units if unit == "fold" else {})  # fmt: skip


def _single(known: Known, step: str, work: str, done: bool, noted: str) -> StepStanding:
    """Return the row of a step that is one piece of work; `noted` is the name that its failure has."""
    return _row(known, step, "step", {step: known.state(work, done, known.failures.get(noted))}, work)


def _samples(known: Known) -> str:
    """Return what identifies the samples; empty where they are absent, or of other series or settings."""
    keys = [key for key in known.runs if key in known.cards]
    cards = [known.cards[key] for key in keys]
    briefs = [{name: card[name] for name in ("inputs", "Cleaning")} for card in cards]
    runs, names = [known.runs[key] for key in keys], [card["name"] for card in cards]
    inputs, folder = digest(samples_made_from(known.config, runs, names, briefs)), known.space.samples
    return inputs if keys and are_cut(folder, inputs) else ""


def _stamps(known: Known) -> FoldStamps | None:
    inputs = _samples(known)
    try:
        return stamps_of(known.config, read_samples(known.space.samples), inputs) if inputs else None
    except FmriSaliencyError:  # they cannot be split as configured now
        return None


def _fold_rows(known: Known, step: str, done: dict[str, list[bool]]) -> list[StepStanding]:
    rows = []
    for network, every in done.items():
        prefix = f"{step}/{network}/"
        units = {f"fold-{number}": known.state(f"{prefix}fold-{number}", one) for number, one in enumerate(every, 1)}
        rows.append(_row(known, f"{step} {network}", "fold", units, prefix))
    return rows


def _later(known: Known, stamps: FoldStamps | None) -> list[StepStanding]:
    """Return the rows of the steps after the samples."""
    config, space = known.config, known.space
    if stamps is None:
        n_folds = len(known.cards) if config.decoder.split == "leave-one-run-out" else config.decoder.folds
        trained = explained = {network: [False] * n_folds for network in config.decoder.networks}
        scored, whole = False, ""
    else:
        trained = {network: [is_trained(space.fold(network, k), one) for k, one in enumerate(every, 1)]
                   for network, every in stamps.trained.items()}  # fmt: skip
        explained = {network: [is_explained(space.fold_saliency(network, k), one) for k, one in enumerate(every, 1)]
                     for network, every in stamps.explained.items()}  # fmt: skip
        scored = all(is_done(space.scores(network), one) for network, one in stamps.scores.items())
        whole = whole_stamp(stamps.explained)
    joined = stamps is not None and _are_joined(config, stamps)
    reported = scored and joined and is_whole(config, whole)
    drawn = reported or (joined and is_done(space.drawn, maps_stamp(config, stamps.explained)))
    judged = bool(whole) and is_done(space.root / "evidence" / "evidence.json", whole)
    return [
        *_fold_rows(known, "train", trained),
        _single(known, "scores", "train/scores", scored, "train"),
        *_fold_rows(known, "explain", explained),
        _single(known, "maps", "explain/maps", drawn, "explain"),
        _single(known, "judge", "judge", judged, "judge"),
        _single(known, "report", "report", reported, "report"),
    ]


def _search(known: Known, stamps: FoldStamps | None) -> tuple[list[StepStanding], list[dict[str, str]]]:
    """Return the rows of [search], its decoders and their table, and which decoders were interrupted."""
    config, space = known.config, known.space
    if config.search is None:
        return [], []
    done, table = _foreseen(config, known), False
    with suppress(FmriSaliencyError, OSError, LookupError):  # the samples cannot be split so: its next call says so
        if stamps is not None:
            inputs = str(read_json(space.samples / "samples.json")["inputs"])
            done, table = progress(config, read_samples(space.samples), inputs)
    units = {work: known.state(work, one) for work, one in done.items()}
    stopped = [_interrupted("search", work.removeprefix("search/"), known.gone[work]) for work, state in units.items()
               if state == "interrupted"]  # fmt: skip
    rows = [_row(known, "search", "decoder", units, "search/outer-"),
            _single(known, "table", "search/table", table, "search")]  # fmt: skip
    return rows, stopped


def _foreseen(config: Config, known: Known) -> dict[str, bool]:
    """Return as many decoders as a search will have, where there are no samples yet."""
    n_runs = len(known.cards)
    outer = n_runs if config.decoder.split == "leave-one-run-out" else config.decoder.folds
    inner = n_runs - 1 if config.decoder.split == "leave-one-run-out" else config.search.inner_folds
    n_settings, n_seeds = len(expand(config)), len(config.search.seeds) or 1
    return {f"search/{number}": False for number in range(max(0, outer * n_seeds * (n_settings * inner + 1)))}


def _are_joined(config: Config, stamps: FoldStamps) -> bool:
    """Return whether the folds' saliency was put together, for all networks."""
    wanted = [(stem, class_inputs(every)) for network, every in stamps.explained.items()
              for stem in whole_stems(config, network)]  # fmt: skip
    return all(is_explained(stem, inputs) for stem, inputs in wanted)


# of rows that the failure of a whole step is shown with
NAMES = {"train": "scores", "explain": "maps", "search": "table"}


def _step_failures(known: Known, steps: Iterable[StepStanding]) -> list[dict[str, str]]:
    """Return what is to be said of steps that failed or were interrupted, other than of single runs."""
    found, rows = [], {one.step: one for one in steps}
    for work, failure in known.failures.items():
        step, _, unit = work.partition("/")
        network, _, fold = unit.rpartition("/")
        alone = bool(unit) and not network  # a chunk, a decoder of a search
        name = f"{step} {network}" if network else step if alone else NAMES.get(step, step)
        row = rows.get(name)
        if name == "extract" and row.done and not row.left and not row.failed:  # it was done in another way since
            continue
        state = "failed" if row is None or name == "extract" or alone else row.units.get(fold) if network else \
            next(one for one in STATES if getattr(row, one))  # fmt: skip
        if state == "failed":
            found.append({"step": name, "unit": unit if alone else fold if network else "",
                          "status": "failed", "file": "", "message": failure.message})  # fmt: skip
    for row in rows.values():
        singles = {"samples": "train/samples", "scores": "train/scores", "maps": "explain/maps",
                   "table": "search/table"}  # fmt: skip
        if row.unit == "step" and row.interrupted:
            found.append(_interrupted(row.step, "", known.gone[singles.get(row.step, row.step)]))
        stopped = [unit for unit, state in row.units.items() if state == "interrupted"]
        found += [_interrupted(row.step, unit, known.gone[f"{row.step.replace(' ', '/', 1)}/{unit}"])
                  for unit in stopped]  # fmt: skip
    return found


def survey(config: Config, looking: bool = False) -> Standing:
    """Say where the work for a configuration stands.

    A result counts as done where its JSON says that it was made, with the settings of `config` and this version of the
    package, from what lies in the folder now. The runs are those that the last step that looked for them has found.
    Running is what a living process holds, interrupted what one held that is gone (:mod:`fmri_saliency.disk.locks`),
    failed what left a note (:mod:`fmri_saliency.pipeline.study.failures`) and has not succeeded since.

    Parameters
    ----------
    config : Config
    looking : bool
        Whether scans and events are compared with what the series were made from, and samples cut anew where that is
        due, as every step after ``extract`` does. Otherwise the folder is read, and nothing else, and nothing is
        written.
    """
    space, obstacle = Workspace(config.output.path), ""
    if not (space.root / "dataset_description.json").is_file():
        return Standing(space.root.as_posix(), False)
    if looking:
        try:
            load_samples(config)
        except FmriSaliencyError as error:
            obstacle = str(error)
    known = read_known(config)
    extracted, failures = _extract(known)
    stamps = None if obstacle else _stamps(known)
    cut = _single(known, "samples", "train/samples", stamps is not None, "samples")
    searched, stopped = _search(known, stamps)
    steps = (extracted, cut, *_later(known, stamps), *searched)
    runs = {str(name): int(count) for name, count in known.log["status"].value_counts().items()}
    working = [{"work": one.work, "host": one.host, "pid": one.pid, "began": one.began} for one in known.holders]
    failures += [*_step_failures(known, steps), *stopped]
    return Standing(space.root.as_posix(), True, runs, tuple(config_changes(config)), steps, tuple(failures),
                    tuple(working), known.log, stamps, obstacle)  # fmt: skip
