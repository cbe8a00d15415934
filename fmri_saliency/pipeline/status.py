"""Where the work stands: per step what is done, running, failed and waiting. Reads only, and reads no scan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from fmri_saliency import __version__
from fmri_saliency.errors import InputError
from fmri_saliency.files import digest, read_json, read_tsv
from fmri_saliency.locks import Holder, read_holders, read_times
from fmri_saliency.pipeline.begin import config_changes
from fmri_saliency.pipeline.config import Config, to_plain
from fmri_saliency.pipeline.explain import class_inputs, explained_from
from fmri_saliency.pipeline.workspace import Workspace, stamp

__all__ = ["Status", "StepStatus", "status_in_words", "survey"]


@dataclass(frozen=True)
class StepStatus:
    """How far a step is.

    Attributes
    ----------
    step : str
        ``extract``, ``train lstm``, ``explain lstm``, ``judge``, ``report``.
    unit : str
        What is counted.
    done, running, failed, waiting : int
        Each unit is in one of them.
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
    waiting: int
    seconds_left: float | None = None
    units: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """Where the work for a configuration stands.

    Attributes
    ----------
    output : str
    begun : bool
    runs : dict
        How many runs have which status in ``runs.tsv``.
    changes : tuple of str
        Settings that differ from those the folder was last worked on with.
    steps : tuple of StepStatus
    failures : tuple of dict
        `run`, `status`, `file` where known, and `message`: what is wrong and what to do.
    working : tuple of dict
        `work`, `host`, `pid` and `began` of every living process's pieces of work.
    """

    output: str
    begun: bool
    runs: dict[str, int]
    changes: tuple[str, ...]
    steps: tuple[StepStatus, ...]
    failures: tuple[dict[str, str], ...]
    working: tuple[dict[str, Any], ...]


def _card(path: Path) -> dict[str, Any]:
    """Read a card; an empty one where there is none, or it is just being replaced."""
    try:
        content = read_json(path)
    except (InputError, OSError):
        return {}
    return content if isinstance(content, dict) else {}


@dataclass(frozen=True)
class _Known:
    """What the files of the folder say, read once."""

    config: Config
    space: Workspace
    log: pd.DataFrame
    cards: dict[str, str]
    failed: dict[str, dict[str, Any]]
    holders: list[Holder]
    times: dict[str, float]

    def seconds(self, prefix: str) -> list[float]:
        """Return the durations of the pieces of work whose name begins so."""
        return [value for name, value in self.times.items() if name.startswith(prefix)]

    def running(self, prefix: str) -> set[str]:
        """Return what is worked on, without the prefix."""
        return {one.work.removeprefix(prefix) for one in self.holders if one.work.startswith(prefix)}


def _is_current(card: dict[str, Any], wanted: dict[str, Any]) -> bool:
    made_from = card.get("MadeFrom")
    return isinstance(made_from, dict) and all(made_from.get(key) == value for key, value in wanted.items())


def _series_cards(config: Config, space: Workspace) -> dict[str, str]:
    """Return what identifies the series of this configuration, by run."""
    try:
        atlas = read_json(space.desk / "atlas.json")
    except InputError:
        return {}
    wanted = {"version": __version__, "cleaning": to_plain(config.cleaning)}
    found = {}
    for person in space.root.glob("sub-*"):
        for folder, _, names in os.walk(person):
            for name in names:
                if not name.endswith("_stat-mean_timeseries.json") or name.startswith("."):
                    continue
                card = _card(Path(folder, name))
                if _is_current(card, wanted) and card["MadeFrom"].get("atlas", {}).get("fingerprint") == atlas:
                    found[str(card.get("Run"))] = str(card.get("inputs"))
    return found


def _read(config: Config) -> _Known:
    space = Workspace(config.output.path)
    try:
        log = read_tsv(space.root / "runs.tsv", "the log of runs", dtype=str).fillna("")
    except InputError:
        log = pd.DataFrame(columns=["run", "status", "message"])
    failed = {str(card["run"]): card for path in sorted((space.desk / "failed").glob("*.json"))
              if "run" in (card := _card(path))}  # fmt: skip
    return _Known(config, space, log, _series_cards(config, space), failed, read_holders(space.desk),
                  read_times(space.desk))  # fmt: skip


def _left(known: _Known, prefix: str, n_left: int, at_once: int) -> float | None:
    took = known.seconds(prefix)
    if not n_left:
        return 0.0
    return n_left * median(took) / max(1, min(at_once, n_left)) if took else None


def _at_once(known: _Known, running: Sequence[str] | set[str]) -> int:
    """Return how many units are worked on at a time: as many as now, or as the configuration says where none is."""
    return len(running) or max(1, known.config.output.n_jobs)


def _extract(known: _Known) -> tuple[StepStatus, tuple[dict[str, str], ...]]:
    running = known.running("extract/")
    usable = [row for row in known.log.to_dict("records") if row["status"] in ("found", "done", "failed")]
    keys = [str(row["run"]) for row in usable]
    done = [key for key in keys if key in known.cards]
    failed = [key for key in keys if key not in known.cards and key in known.failed and key not in running]
    unusable = [row for row in known.log.to_dict("records") if row["status"] == "unusable"]
    n_running = len(running & set(keys) - set(done))
    waiting = len(keys) - len(done) - len(failed) - n_running
    left = _left(known, "extract/", waiting + n_running, _at_once(known, running))
    failures = [{"run": key, "status": "failed", "file": str(known.failed[key].get("file", "")),
                 "message": str(known.failed[key].get("message", ""))} for key in failed]  # fmt: skip
    failures += [{"run": str(row["run"]), "status": "unusable", "file": "", "message": str(row["message"])}
                 for row in unusable]  # fmt: skip
    step = StepStatus("extract", "run", len(done), n_running, len(failed) + len(unusable), waiting, left)
    return step, tuple(failures)


def _fold_names(known: _Known) -> list[str]:
    decoder = known.config.decoder
    count = len(known.cards) if decoder.split == "leave-one-run-out" else decoder.folds
    return [f"fold-{number}" for number in range(1, count + 1)]


def _samples(known: _Known) -> str:
    """Return what identifies the samples; empty where they are absent, or of other series or settings."""
    card = _card(known.space.samples / "samples.json")
    inputs = [known.cards[key] for key in known.log["run"] if key in known.cards]
    wanted = {"series": digest(inputs), "samples": to_plain(known.config.samples), "version": __version__}
    return str(card.get("inputs", "")) if _is_current(card, wanted) else ""


def _folds(known: _Known, step: str, network: str, current: dict[str, bool]) -> StepStatus:
    prefix = f"{step}/{network}/"
    running = known.running(prefix)
    units = {name: "running" if name in running else "done" if current[name] else "waiting" for name in current}
    counts = {state: sum(one == state for one in units.values()) for state in ("done", "running", "waiting")}
    left = _left(known, prefix, counts["running"] + counts["waiting"], _at_once(known, running))
    return StepStatus(f"{step} {network}", "fold", counts["done"], counts["running"], 0, counts["waiting"], left, units)


def _decoders(known: _Known, network: str, samples: str) -> dict[str, str]:
    """Return what identifies the decoder of every fold; empty where it is absent or out of date."""
    settings = to_plain(known.config.decoder)
    used = {key: settings[key] for key in ("split", "folds", "seed", "device", "architecture", "training")}
    found = {}
    for name in _fold_names(known):
        card = _card(known.space.root / "decoder" / network / name / "model.json")
        fits = samples and _is_current(card, {"samples": samples, "decoder": used, "version": __version__})
        found[name] = str(card["inputs"]) if fits else ""
    return found


def _explained(known: _Known, network: str, decoders: dict[str, str]) -> dict[str, str]:
    found = {}
    for name, decoder in decoders.items():
        card = _card(known.space.root / "saliency" / network / f"{name}.json")
        wanted = digest(explained_from(known.config, decoder))
        found[name] = wanted if decoder and card.get("inputs") == wanted else ""
    return found


def _single(known: _Known, step: str, done: bool) -> StepStatus:
    running = any(one.work == step for one in known.holders)
    left = 0.0 if done else _left(known, step, 1, 1)
    return StepStatus(step, "step", int(done and not running), int(running), 0, int(not done and not running), left)


def survey(config: Config) -> Status:
    """Say where the work for a configuration stands, from the files of its output folder alone.

    Series, samples, decoders and saliency count as done where their JSON says that they were made from what is there
    now, with the settings of `config` and this version of the package. Scans and events are not looked at: the step
    itself finds out whether they have changed. Running is what a living process holds (:mod:`fmri_saliency.locks`).
    """
    space = Workspace(config.output.path)
    if not (space.root / "dataset_description.json").is_file():
        return Status(space.root.as_posix(), False, {}, (), (), (), ())
    known = _read(config)
    extracted, failures = _extract(known)
    samples = _samples(known)
    decoders = {network: _decoders(known, network, samples) for network in config.decoder.networks}
    explained = {network: _explained(known, network, every) for network, every in decoders.items()}
    steps = [extracted]
    for step, found in (("train", decoders), ("explain", explained)):
        steps += [_folds(known, step, network, {name: bool(one) for name, one in every.items()})
                  for network, every in found.items()]  # fmt: skip
    whole = stamp({network: class_inputs(list(every.values())) for network, every in explained.items()})
    for step, card in (("judge", space.root / "evidence" / "evidence.json"), ("report", space.root / "report.json")):
        steps.append(_single(known, step, _card(card).get("inputs") == whole))
    runs = {str(name): int(count) for name, count in known.log["status"].value_counts().items()}
    working = [{"work": one.work, "host": one.host, "pid": one.pid, "began": one.began} for one in known.holders]
    return Status(space.root.as_posix(), True, runs, tuple(config_changes(config)), tuple(steps), failures,
                  tuple(working))  # fmt: skip


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def status_in_words(status: Status, config: Path) -> str:
    """Return a status as lines of text; `config` is named in what to do next."""
    if not status.begun:
        return (f"{status.output}: not begun. `fmri-saliency runs {config}` lists the runs that will be found, "
                f"`fmri-saliency run {config}` does the whole job.")
    counts = ", ".join(f"{count} {name}" for name, count in status.runs.items()) or "not listed yet"
    lines = [status.output, f"Runs: {counts}."]
    if status.changes:
        lines.append(f"The configuration has changed since: {'; '.join(status.changes)}. The next call makes again "
                     "what depends on it.")
    width = max(len(one.step) for one in status.steps)
    lines.append(f"{'step':<{width}}  {'done':>6} {'running':>8} {'failed':>7} {'waiting':>8}  time left")
    for one in status.steps:
        lines.append(f"{one.step:<{width}}  {one.done:>6} {one.running:>8} {one.failed:>7} {one.waiting:>8}  "
                     f"{'-' if not one.running + one.waiting else _duration(one.seconds_left)}")
    for one in status.failures:
        lines.append(f"{one['status']}: {one['run']}: {one['message']}")
    places = sorted({f"{one['host']} (process {one['pid']})" for one in status.working})
    lines.append(f"Working now: {', '.join(places)}." if places else "No process is working here.")
    return "\n".join(lines)


def status_as_dict(status: Status) -> dict[str, Any]:
    """Return a status ready for JSON."""
    return asdict(status)
