"""How far a job has come, as its output folder shows: which steps are done, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fmri_saliency.errors import FmriSaliencyError
from fmri_saliency.files import read_json, read_tsv
from fmri_saliency.pipeline.config import Config
from fmri_saliency.pipeline.explain import FoldStamps, check_explained, fold_stamps
from fmri_saliency.pipeline.workspace import Workspace, is_done
from fmri_saliency.scans.find import Finding

__all__ = ["Progress", "Stage", "look", "read_log"]


@dataclass(frozen=True)
class Stage:
    """A step, and how far it is.

    Attributes
    ----------
    step : {"extract", "train", "explain", "judge"}
    state : {"done", "not complete", "not done"}
    words : str
        What there is, and what is missing.
    """

    step: str
    state: str
    words: str


@dataclass(frozen=True)
class Progress:
    """How far every step is, in their order; what is made from something out of date counts as not done.

    Attributes
    ----------
    stages : tuple of Stage
    log : DataFrame
        Every expected run and what became of it: ``runs.tsv``, or what finding the runs said.
    stamps : FoldStamps or None
        What identifies the results of every fold; None where no samples can be cut yet.
    """

    stages: tuple[Stage, ...]
    log: pd.DataFrame
    stamps: FoldStamps | None

    @property
    def complete(self) -> bool:
        """Whether all steps are done."""
        return all(stage.state == "done" for stage in self.stages)

    def done(self, step: str) -> bool:
        """Return whether a step is done."""
        return next(stage.state for stage in self.stages if stage.step == step) == "done"

    @property
    def first_missing(self) -> Stage | None:
        """The first step that is not done."""
        return next((stage for stage in self.stages if stage.state != "done"), None)


def read_log(config: Config, finding: Finding) -> pd.DataFrame:
    """Return the table of all expected runs; before anything is extracted, what finding them said."""
    path = config.output.path / "runs.tsv"
    log = read_tsv(path, "the log of runs") if path.is_file() else finding.log.assign(frames=pd.NA, t_r=pd.NA)
    return log.fillna({"message": ""})


def _extracted(log: pd.DataFrame) -> Stage:
    counts = log["status"].value_counts()
    done, waiting = int(counts.get("done", 0)), int(counts.get("found", 0))
    others = len(log) - done - waiting
    words = f"{done} of {len(log)} runs have region time series"
    words += f", {others} cannot be used" if others else ""
    words += f", {waiting} wait for their turn" if waiting else ""
    return Stage("extract", "done" if done else "not done", f"{words}.")  # later steps go on with those that have them


def _count(folds: list[str], cards: list[Path]) -> int:
    return sum(is_done(card, inputs) for inputs, card in zip(folds, cards, strict=True))


def _folds(step: str, what: str, counts: dict[str, tuple[int, int]], whole: bool, beside: str) -> Stage:
    """Say how many folds of each network a step has done; `beside` is what is made of all folds at the end."""
    words = "; ".join(f"{network}: {done} of {every} folds {what}" for network, (done, every) in counts.items())
    if whole:
        return Stage(step, "done", f"{words}.")
    started = any(done for done, _ in counts.values())
    all_folds = all(done == every for done, every in counts.values())
    words += f"; {beside} are missing or out of date" if all_folds else ""
    return Stage(step, "not complete" if started else "not done", f"{words}.")


def _trained(config: Config, stamps: FoldStamps) -> Stage:
    space = Workspace(config.output.path)
    counts = {
        network: (_count(every, [space.fold(network, k) / "model.json" for k in range(1, len(every) + 1)]), len(every))
        for network, every in stamps.trained.items()
    }
    scored = all(is_done(space.scores(network), inputs) for network, inputs in stamps.scores.items())
    whole = scored and all(done == every for done, every in counts.values())
    return _folds("train", "trained", counts, whole, "the scores")


def _explained(config: Config, stamps: FoldStamps) -> Stage:
    space = Workspace(config.output.path)
    counts = {}
    for network, every in stamps.explained.items():
        stems = [space.fold_saliency(network, number) for number in range(1, len(every) + 1)]
        counts[network] = (_count(every, [stem.with_name(stem.name + ".json") for stem in stems]), len(every))
    try:
        check_explained(config)
        whole = True
    except FmriSaliencyError:
        whole = False
    return _folds("explain", "explained", counts, whole, "the averages of classes")


def _judged(config: Config) -> Stage:
    path = config.output.path / "evidence" / "evidence.json"
    try:
        inputs = check_explained(config)
    except FmriSaliencyError as error:
        return Stage("judge", "not done", str(error))
    if not path.is_file():
        return Stage("judge", "not done", "The maps have not been checked.")
    if read_json(path).get("inputs") != inputs:
        return Stage("judge", "not done", "The checks were made of other maps.")
    return Stage("judge", "done", "The maps have been checked.")


def look(config: Config, finding: Finding) -> Progress:
    """Say how far each step is.

    Samples are cut where there are series and they are not up to date, as every later step does.
    """
    log = read_log(config, finding)
    first = _extracted(log)
    try:
        stamps = fold_stamps(config)
    except FmriSaliencyError as error:
        later = tuple(Stage(step, "not done", str(error) if step == "train" else "Waits for the steps before it.")
                      for step in ("train", "explain", "judge"))  # fmt: skip
        return Progress((first, *later), log, None)
    return Progress((first, _trained(config, stamps), _explained(config, stamps), _judged(config)), log, stamps)
