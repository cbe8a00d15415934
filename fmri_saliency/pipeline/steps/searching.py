"""Which settings decode best, by nested cross-validation: chosen on some people, scored on others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from fmri_saliency import __version__
from fmri_saliency.decoding import TaskDecoder, make_folds, score_predictions
from fmri_saliency.disk.files import read_record, write_json, write_text, write_tsv
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.disk.locks import hold, note_time
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import ConfigError, DamagedError, InputError, StepError, one_of
from fmri_saliency.pipeline.steps.sampling import SPLIT_WORDS, load_samples
from fmri_saliency.pipeline.steps.search_trials import TRIALS, Job, Plan, Setting, expand
from fmri_saliency.pipeline.steps.training import check_fold, held_out_units
from fmri_saliency.pipeline.study.config import Config, Decoder, to_plain
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, is_done, require, say, stamp
from fmri_saliency.pipeline.study.opening import begin
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.records import Samples

__all__ = ["expand", "progress", "search", "search_fold", "search_trial"]


def _plan(config: Config) -> Plan:
    """Plan the search on the samples that there are."""
    settings = expand(config)
    samples, inputs = load_samples(config)
    begin(config)
    return _planned(config, settings, samples, inputs)


def _planned(config: Config, settings: list[tuple[Setting, Decoder]], samples: Samples, inputs: str) -> Plan:
    folds = make_folds(samples, config.decoder.split, config.decoder.folds, config.decoder.seed)
    return Plan(config, settings, samples, folds, inputs)


def _work_of(job: Job) -> str:
    """Return what a decoder is called where it is written down who works on what."""
    return f"search/{job.name}"


def _path(config: Config, job: Job) -> Path:
    return config.output.path / "search" / "jobs" / f"{job.name}.json"


def _work(config: Config, job: Job, samples: Samples) -> None:
    """Train and test one decoder, unless that is done, and keep what it answered."""
    space, path, start = Workspace(config.output.path), _path(config, job), time.perf_counter()
    with hold(space.desk, _work_of(job)), noted(config, _work_of(job)):
        if path.is_file():
            return
        one = job.decoder
        decoder = TaskDecoder(one.network, one.architecture, one.training, seed=job.trial.seed + job.trial.outer,
                              device=one.device, threads=one.threads)  # fmt: skip
        seen = np.sort(np.concatenate([job.fold.train, job.fold.valid]))
        decoder.fit(Rows(samples.X, seen), samples.y[seen], validation=np.isin(seen, job.fold.valid))
        answer = decoder.predict(Rows(samples.X, job.fold.test))
        place = {"seed": job.trial.seed, "outer": job.trial.outer, "inner": job.trial.inner}
        write_json(path, {**place, "decoder": to_plain(one), "samples": job.fold.test,
                          "label": samples.y[job.fold.test].tolist(), "predicted": np.asarray(answer).tolist(),
                          **origin(space.root, ["bids::samples/X.npy"]), "inputs": job.inputs,
                          "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__}})
        note_time(space.desk, _work_of(job), time.perf_counter() - start)


def _answer(config: Config, job: Job) -> dict[str, Any]:
    found = read_record(_path(config, job), {"label": list, "predicted": list}, "search CONFIG.toml")
    if not len(found["label"]) == len(found["predicted"]) == len(job.fold.test):
        raise DamagedError(f"{_path(config, job)} is damaged: it must have an answer for each of the "
                           f"{len(job.fold.test)} samples. `fmri-saliency search CONFIG.toml` makes it again.",
                           _path(config, job))
    return found


def _balanced(rows: Sequence[dict[str, Any]]) -> float:
    """Return the balanced accuracy of several jobs' answers together."""
    label = [one for row in rows for one in row["label"]]
    return float(balanced_accuracy_score(label, [one for row in rows for one in row["predicted"]]))


def _inner_scores(plan: Plan, inner: Sequence[Job]) -> np.ndarray:
    """Return the score of every setting on the inner folds of an outer one, shape (n_settings,).

    Answers of the inner folds are pooled; the mean over seeds counts.
    """
    answers = {job.name: _answer(plan.config, job) for job in inner}
    scores = np.zeros(len(plan.settings))
    for setting in range(len(plan.settings)):
        mine = [job for job in inner if job.trial.setting == setting]
        pooled = [_balanced([answers[job.name] for job in mine if job.trial.seed == seed]) for seed in plan.seeds]
        scores[setting] = np.mean(pooled)
    return scores


def _best(scores: np.ndarray) -> int:
    """Return the best setting, the first of equals."""
    return int(scores.round(9).argmax())


def _share(jobs: Sequence[Job], part: tuple[int, int] | None) -> list[Job]:
    return list(jobs) if part is None else list(jobs[part[0] - 1 :: part[1]])


def _write(
    plan: Plan, scores: np.ndarray, chosen: Sequence[int], rows: list[dict[str, Any]], jobs: Sequence[Job]
) -> Path:
    """Write the table of settings, the scores of the outer folds, and the page; return the page."""
    config, settings = plan.config, [setting for setting, _ in plan.settings]
    folder = config.output.path / "search"
    keys = list(settings[0])
    table = pd.DataFrame([{key: str(one[key]) if isinstance(one[key], list) else one[key] for key in keys}
                          for one in settings])  # fmt: skip
    table["inner_balanced_accuracy"] = scores.mean(axis=0).round(6)
    table["chosen_in_folds"] = [list(chosen).count(number) for number in range(len(settings))]
    write_tsv(folder / "settings.tsv", table)
    outer = pd.DataFrame(rows)
    write_tsv(folder / "scores.tsv", outer.round(6))
    kinds = [f"bids::search/jobs/{job.name}.json" for job in jobs]
    write_json(folder / "settings.json", {
        "inner_balanced_accuracy": {"Description": "Balanced accuracy in the inner folds, mean over outer folds and "
                                                   "seeds; what settings are chosen by, so it flatters the best"},
        "chosen_in_folds": {"Description": "In how many outer folds the setting was chosen"},
        "ChosenInFold": {str(number): settings[one] for number, one in enumerate(chosen, start=1)},
        **origin(config.output.path, kinds), "inputs": _table_inputs(jobs),
        "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__},
    })  # fmt: skip
    first = rows[0]
    words = ["# Search", "", f"{len(settings)} settings, chosen by {config.search.inner_folds} inner folds of the "
             f"training samples of each of {len(chosen)} outer folds ({SPLIT_WORDS[config.decoder.split]}).", "",
             f"**Accuracy of the chosen settings on the outer folds, which took no part in the choice: "
             f"{outer['accuracy'].mean():.3f}** (mean over {len(rows)} seeds; chance {first['chance']:.3f}, always the "
             f"most frequent class {first['majority']:.3f}).", "",
             "| seed | accuracy | 95 % interval | samples | held-out units |", "|---|---|---|---|---|"]
    words += [f"| {one['seed']} | {one['accuracy']:.3f} | {one['low']:.3f} to {one['high']:.3f} | {one['n_samples']} | "
              f"{one['n_units']} |" for one in rows]
    words += ["", "Inner scores are what the choice was made by: the best of them is too good to be reported.", "",
              "| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    words += ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
    write_text(folder / "search.md", "\n".join(words) + "\n")
    return folder / "search.md"


TABLES = ("search.md", "scores.tsv", "settings.tsv")


def _table_inputs(jobs: Sequence[Job]) -> str:
    """Return what identifies the table: the names of all jobs, which change with whatever their answers depend on."""
    return stamp([job.name for job in jobs])


def progress(config: Config, samples: Samples, inputs: str) -> tuple[dict[str, bool], bool]:
    """Say which decoders of a search are done, without doing or writing anything.

    Parameters
    ----------
    config : Config
    samples : Samples
    inputs : str
        What identifies them.

    Returns
    -------
    done : dict
        By what each decoder is called where it is written down who works on what. Those that test the choice of an
        outer fold have no name before that can be chosen: ``search/outer-1_inner-0_seed-0``.
    table : bool
        Whether the table of all is there, and of these.

    Raises
    ------
    FmriSaliencyError
        If the samples cannot be split as configured, or a setting cannot be used.
    """
    plan, every, outer, done = _planned(config, expand(config), samples, inputs), [], [], {}
    for number in range(1, len(plan.folds) + 1):
        inner = plan.inner(number)
        every += inner
        done |= {_work_of(job): _path(config, job).is_file() for job in inner}
        if not all(done[_work_of(job)] for job in inner):
            done |= {f"search/outer-{number}_inner-0_seed-{seed}": False for seed in plan.seeds}
            continue
        chosen = plan.chosen(number, _best(_inner_scores(plan, inner)))
        outer += chosen
        done |= {_work_of(job): _path(config, job).is_file() for job in chosen}
    folder = config.output.path / "search"
    files = [folder / name for name in TABLES]
    return done, all(done.values()) and is_done(folder / "settings.json", _table_inputs([*every, *outer]), files)


def search(config: Config, part: tuple[int, int] | None = None) -> Path | None:
    """Train every setting of the grid on inner folds, choose by them, and score the choice on outer folds.

    For every outer fold (those of ``train``) only the samples that it does not test are split again. The setting with
    the best inner score is trained as ``train`` does it, and tested on the outer fold. What was chosen may differ from
    fold to fold: the score is that of the whole procedure (Varma & Simon 2006, doi:10.1186/1471-2105-7-91).

    Parameters
    ----------
    config : Config
        With ``search``.
    part : (int, int), optional
        The k-th of n shares of the jobs that can be done now: first inner folds, and once they are all there, outer
        ones. The table is written by the call that finds everything done.

    Returns
    -------
    Path or None
        The page ``search/search.md``; None where jobs of other shares are still to be done.

    Raises
    ------
    ConfigError
        If there is no [search], or a setting cannot be used.
    StepError
        If nothing has been extracted.
    """
    with noted(config, "search"):
        return _search(config, part)


def _search(config: Config, part: tuple[int, int] | None) -> Path | None:
    """Do what :func:`search` says."""
    plan = _plan(config)
    inner = [plan.inner(outer) for outer in range(1, len(plan.folds) + 1)]
    every = [job for jobs in inner for job in jobs]
    _do(config, every, part, plan.samples, "Searching")
    if not _all_done(config, every):
        return None
    scores = np.stack([_inner_scores(plan, jobs) for jobs in inner])
    chosen = [_best(row) for row in scores]
    outer = [job for number, best in enumerate(chosen, 1) for job in plan.chosen(number, best)]
    _do(config, outer, part, plan.samples, "Testing the chosen")
    if not _all_done(config, outer):
        return None
    with Workspace(config.output.path).alone("search/table"):
        rows = [_score(plan, [job for job in outer if job.trial.seed == seed]) for seed in plan.seeds]
        return _write(plan, scores, chosen, rows, [*every, *outer])


def _all_done(config: Config, jobs: Sequence[Job]) -> bool:
    if all(_path(config, job).is_file() for job in jobs):
        return True
    say("Jobs of other shares are still to be done; then call this again.")
    return False


def search_trial(config: Config, key: str) -> None:
    """Train and test one decoder of the inner folds, as a job of its own.

    Parameters
    ----------
    config : Config
    key : str
        The first column of a row of ``.workflow/trials.tsv``, which ``fmri-saliency index`` writes.

    Raises
    ------
    ConfigError
        If there is no such trial.
    StepError
        If it was not dealt out, or nothing has been extracted.
    """
    expand(config)
    rows = require(Workspace(config.output.path).desk / TRIALS, "index").read_text(encoding="utf-8").splitlines()
    places = {row.split("\t")[0]: int(row.split("\t")[1]) for row in rows}
    one_of(key, tuple(places), "--trial", ConfigError)
    with noted(config, f"search/{key}"):
        _search_trial(config, key, places[key])


def _search_trial(config: Config, key: str, outer: int) -> None:
    """Do a trial that was dealt out."""
    plan = _plan(config)
    known = check_fold(config, outer, plan.folds)
    jobs = plan.inner(outer, key) if known else []
    if known and not jobs and config.decoder.split != "leave-one-run-out":
        raise ConfigError(f"There is no trial {key} any more: run `fmri-saliency index CONFIG.toml` again.")
    _do(config, jobs, None, plan.samples, "Searching")


def search_fold(config: Config, number: int) -> None:
    """Choose a setting by the trials of an outer fold, and test it on that fold, as a job of its own.

    Raises
    ------
    ConfigError
        If there is no such fold.
    StepError
        If trials are missing.
    """
    with noted(config, f"search/fold-{number}"):
        _search_fold(config, number)


def _search_fold(config: Config, number: int) -> None:
    """Choose for an outer fold, and test the choice."""
    plan = _plan(config)
    if not check_fold(config, number, plan.folds):
        return
    inner = plan.inner(number)
    missing = [job for job in inner if not _path(config, job).is_file()]
    if missing:
        raise StepError(f"{len(missing)} of {len(inner)} trials of fold {number} are not done (first: "
                        f"{missing[0].trial.key}). Run the workflow again, or `fmri-saliency search CONFIG.toml`.")
    _do(config, plan.chosen(number, _best(_inner_scores(plan, inner))), None, plan.samples, "Testing the chosen")


def _do(config: Config, jobs: Sequence[Job], part: tuple[int, int] | None, samples: Samples, what: str) -> None:
    left = [(config, job, samples) for job in _share(jobs, part) if not _path(config, job).is_file()]
    run_jobs(_work, left, config.output.n_jobs, what, "decoder")


def _score(plan: Plan, jobs: Sequence[Job]) -> dict[str, Any]:
    """Return the score of one seed on all outer folds."""
    config, samples = plan.config, plan.samples
    predicted = np.empty(len(samples.y), dtype=object)
    for job in jobs:
        predicted[job.fold.test] = _answer(config, job)["predicted"]
    score = score_predictions(samples.y, predicted.astype(str), held_out_units(config, samples, plan.folds),
                              SPLIT_WORDS[config.decoder.split])  # fmt: skip
    low, high = score.interval
    return {"seed": jobs[0].trial.seed, "accuracy": score.accuracy, "low": low, "high": high,
            "balanced_accuracy": score.balanced_accuracy, "chance": score.chance, "majority": score.majority,
            "n_samples": score.n_samples, "n_units": score.n_groups, "split": score.split}  # fmt: skip


def read_part(words: str | None) -> tuple[int, int] | None:
    """Read ``K/N``, the K-th of N shares.

    Raises
    ------
    InputError
    """
    if words is None:
        return None
    number, _, total = words.partition("/")
    if not (number.isdigit() and total.isdigit() and 1 <= int(number) <= int(total)):
        raise InputError(f"A share must be K/N, from 1/N to N/N, such as 3/20; {words!r} came.")
    return int(number), int(total)
