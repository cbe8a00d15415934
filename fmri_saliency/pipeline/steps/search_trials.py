"""What a search compares: every setting of the grid, and the trials of inner and outer folds that they make."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fmri_saliency import __version__
from fmri_saliency.decoding import Fold, make_folds
from fmri_saliency.disk.files import digest, remove, write_text
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import ConfigError, DecoderError
from fmri_saliency.pipeline.study.config import Config, Decoder, list_values, to_plain, try_values
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.records import Samples

__all__ = ["TRIALS", "Job", "Plan", "Setting", "Trial", "expand", "plan_trials", "write_trials"]

TRIALS = "trials.tsv"
"""Below ``.workflow``: key, outer and inner fold, setting (from 1) and seed of each trial of the inner folds."""
Setting = dict[str, Any]


def expand(config: Config) -> list[tuple[Setting, Decoder]]:
    """Return every setting of the grid, with the decoder section that it makes.

    Raises
    ------
    ConfigError
        If there is no [search], or a setting of it is none of [decoder].
    """
    if config.search is None:
        raise ConfigError("There is no [search] in the configuration: add one, for example [search.decoder] with "
                          "architecture.hidden_size = [16, 32].")
    lists = list_values(config.search.decoder)
    settings = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    return [(setting, try_values(config.decoder, setting)) for setting in settings]


@dataclass(frozen=True)
class Trial:
    """A decoder of the search, before it is known who is in which fold.

    Attributes
    ----------
    outer, inner : int
        Numbers of folds from 1; inner is 0 where the outer fold itself is tested.
    setting : int
        Its place in the grid, from 0.
    seed : int
    key : str
        Its name for jobs of a cluster, the same as long as the configuration asks for the same decoder.
    """

    outer: int
    inner: int
    setting: int
    seed: int
    key: str


@dataclass(frozen=True)
class Job:
    """One decoder to train and test."""

    trial: Trial
    decoder: Decoder
    fold: Fold
    inputs: str

    @property
    def name(self) -> str:
        """Name of its file; it changes with everything that the result depends on."""
        return f"outer-{self.trial.outer}_inner-{self.trial.inner}_{self.inputs}"


def _plain(decoder: Decoder) -> dict[str, Any]:
    """Return what of a decoder section its results depend on, beside seeds and folds."""
    return {key: value for key, value in to_plain(decoder).items() if key not in ("threads", "seed", "folds")}


@dataclass(frozen=True)
class Plan:
    """What is searched, and on what: the grid, and the outer folds of the samples."""

    config: Config
    settings: list[tuple[Setting, Decoder]]
    samples: Samples
    folds: list[Fold]
    inputs: str = ""

    @property
    def seeds(self) -> tuple[int, ...]:
        """What every setting is trained with."""
        return self.config.search.seeds or (self.config.decoder.seed,)

    def trial(self, outer: int, inner: int, setting: int, seed: int) -> Trial:
        """Return a trial with its name."""
        split = self.config.decoder
        about = (__version__, _plain(self.settings[setting][1]), seed, split.folds, split.seed,
                 self.config.search.inner_folds)  # fmt: skip
        return Trial(outer, inner, setting, seed, f"outer-{outer}_inner-{inner}_{digest(*about)}")

    def trials(self, outer: int, n_inner: int) -> list[Trial]:
        """Return those of the inner folds of an outer one, in the order of folds, settings and seeds."""
        return [self.trial(outer, inner, setting, seed) for inner in range(1, n_inner + 1)
                for setting in range(len(self.settings)) for seed in self.seeds]  # fmt: skip

    def job(self, trial: Trial, fold: Fold) -> Job:
        """Return a trial with what it works on."""
        decoder = self.settings[trial.setting][1]
        inputs = digest(__version__, self.inputs, _plain(decoder), trial.seed, trial.inner, trial.outer, fold.train,
                        fold.valid, fold.test)  # fmt: skip
        return Job(trial, decoder, fold, inputs)

    def inner(self, outer: int, key: str = "") -> list[Job]:
        """Return the jobs that the setting of an outer fold is chosen by, or only that of a name."""
        folds = _inner_folds(self.config, self.samples, self.folds[outer - 1])
        chosen = [trial for trial in self.trials(outer, len(folds)) if key in ("", trial.key)]
        return [self.job(trial, folds[trial.inner - 1]) for trial in chosen]

    def chosen(self, outer: int, setting: int) -> list[Job]:
        """Return the jobs that test the chosen setting on an outer fold."""
        return [self.job(self.trial(outer, 0, setting, seed), self.folds[outer - 1]) for seed in self.seeds]


def _inner_folds(config: Config, samples: Samples, outer: Fold) -> list[Fold]:
    """Split the samples that an outer fold trains and stops on; positions are those of all samples."""
    rest = np.sort(np.concatenate([outer.train, outer.valid]))
    part = replace(samples, X=Rows(samples.X, rest), table=samples.table.iloc[rest].reset_index(drop=True))
    try:
        folds = make_folds(part, config.decoder.split, config.search.inner_folds, config.decoder.seed)
    except DecoderError as error:
        raise ConfigError(f"inner_folds in [search]: {error}") from None
    return [Fold(rest[fold.train], rest[fold.valid], rest[fold.test]) for fold in folds]


def plan_trials(config: Config, outline: Samples) -> list[Trial]:
    """Return the trials of the inner folds, before anything is extracted; none where there is no [search].

    Parameters
    ----------
    config : Config
    outline : Samples
        Of all runs that were found; regions are not needed.

    Raises
    ------
    ConfigError
        If a setting cannot be used, or the samples cannot be split so often.
    """
    if config.search is None:
        return []
    folds = make_folds(outline, config.decoder.split, config.decoder.folds, config.decoder.seed)
    plan = Plan(config, expand(config), outline, folds)
    return [trial for outer, fold in enumerate(folds, 1)
            for trial in plan.trials(outer, len(_inner_folds(config, outline, fold)))]  # fmt: skip


def write_trials(config: Config, trials: Sequence[Trial]) -> None:
    """List trials in ``.workflow/trials.tsv``, a row each; there is no such file where there is no [search]."""
    path = Workspace(config.output.path).desk / TRIALS
    if config.search is None:
        remove(path)
        return
    rows = [(trial.key, trial.outer, trial.inner, trial.setting + 1, trial.seed) for trial in trials]
    write_text(path, "".join("\t".join(map(str, row)) + "\n" for row in rows))
