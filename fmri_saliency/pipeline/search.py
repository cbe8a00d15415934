"""Which settings decode best, by nested cross-validation: chosen on some people, scored on others."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from fmri_saliency import __version__
from fmri_saliency.decoding import Fold, TaskDecoder, make_folds, score_predictions
from fmri_saliency.errors import ConfigError, DecoderError, InputError
from fmri_saliency.files import digest, read_json, write_json, write_text, write_tsv
from fmri_saliency.jobs import run_jobs
from fmri_saliency.locks import hold, note_time
from fmri_saliency.pipeline.begin import begin
from fmri_saliency.pipeline.config import Config, Decoder, build_section, to_plain
from fmri_saliency.pipeline.cut import SPLIT_WORDS, load_samples
from fmri_saliency.pipeline.train import held_out_units
from fmri_saliency.pipeline.workspace import Workspace, say
from fmri_saliency.records import Samples
from fmri_saliency.rows import Rows

__all__ = ["expand", "search"]

Setting = dict[str, Any]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Return the lists of a grid by dotted key."""
    found: dict[str, list[Any]] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{name}.")
        elif isinstance(value, list | tuple) and len(value):
            found[name] = list(value)
        else:
            raise ConfigError(f"{name} in [search.decoder] must be a list of the values to try; {value!r} came.")
    return found


def _with(plain: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {**plain, first: _with(plain.get(first, {}), rest, value) if rest else value}


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
    lists = _leaves(config.search.decoder)
    settings = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    found = []
    for setting in settings:
        plain = {**to_plain(config.decoder), "compare": []}
        for key, value in setting.items():
            plain = _with(plain, key, value)
        found.append((setting, build_section(Decoder, plain, "search.decoder", Path())))
    return found


@dataclass(frozen=True)
class _Job:
    """One decoder to train and test.

    `outer` and `inner` are numbers of folds from 1; inner is 0 where the outer fold itself is tested.
    """

    setting: int
    seed: int
    outer: int
    inner: int
    decoder: Decoder
    fold: Fold
    inputs: str

    @property
    def name(self) -> str:
        """Name of its file; it changes with everything that the result depends on."""
        return f"outer-{self.outer}_inner-{self.inner}_{self.inputs}"


def _make_job(
    place: tuple[int, int, int, int], decoder: Decoder, fold: Fold, samples_inputs: str
) -> _Job:
    setting, seed, outer, inner = place
    plain = {key: value for key, value in to_plain(decoder).items() if key not in ("threads", "seed", "folds")}
    inputs = digest(__version__, samples_inputs, plain, seed, inner, outer, fold.train, fold.valid, fold.test)
    return _Job(setting, seed, outer, inner, decoder, fold, inputs)


def _inner_folds(config: Config, samples: Samples, outer: Fold) -> list[Fold]:
    """Split the samples that an outer fold trains and stops on; positions are those of all samples."""
    rest = np.sort(np.concatenate([outer.train, outer.valid]))
    part = replace(samples, X=Rows(samples.X, rest), table=samples.table.iloc[rest].reset_index(drop=True))
    try:
        folds = make_folds(part, config.decoder.split, config.search.inner_folds, config.decoder.seed)
    except DecoderError as error:
        raise ConfigError(f"inner_folds in [search]: {error}") from None
    return [Fold(rest[fold.train], rest[fold.valid], rest[fold.test]) for fold in folds]


def _path(config: Config, job: _Job) -> Path:
    return config.output.path / "search" / "jobs" / f"{job.name}.json"


def _work(config: Config, job: _Job, samples: Samples) -> None:
    """Train and test one decoder, unless that is done, and keep what it answered."""
    space, path, start = Workspace(config.output.path), _path(config, job), time.perf_counter()
    with hold(space.desk, f"search/{job.name}"):
        if path.is_file():
            return
        one = job.decoder
        decoder = TaskDecoder(one.network, one.architecture, one.training, seed=job.seed + job.outer,
                              device=one.device, threads=one.threads)  # fmt: skip
        seen = np.sort(np.concatenate([job.fold.train, job.fold.valid]))
        decoder.fit(Rows(samples.X, seen), samples.y[seen], validation=np.isin(seen, job.fold.valid))
        answer = decoder.predict(Rows(samples.X, job.fold.test))
        write_json(path, {"seed": job.seed, "outer": job.outer, "inner": job.inner, "decoder": to_plain(one),
                          "samples": job.fold.test, "label": samples.y[job.fold.test].tolist(),
                          "predicted": np.asarray(answer).tolist(), "Sources": ["bids::samples/X.npy"],
                          "inputs": job.inputs, "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__}})
        note_time(space.desk, f"search/{job.name}", time.perf_counter() - start)


def _answer(config: Config, job: _Job) -> dict[str, Any]:
    return read_json(_path(config, job))


def _balanced(rows: Sequence[dict[str, Any]]) -> float:
    """Return the balanced accuracy of several jobs' answers together."""
    label = [one for row in rows for one in row["label"]]
    return float(balanced_accuracy_score(label, [one for row in rows for one in row["predicted"]]))


def _select(config: Config, inner: Sequence[_Job], n_settings: int) -> tuple[np.ndarray, list[int]]:
    """Return the inner score of every setting in every outer fold, shape (n_outer, n_settings), and the best of each.

    Answers of the inner folds are pooled; the mean over seeds counts, and the first of equals is taken.
    """
    n_outer = max(job.outer for job in inner)
    scores = np.zeros((n_outer, n_settings))
    for outer in range(n_outer):
        for setting in range(n_settings):
            mine = [job for job in inner if job.outer == outer + 1 and job.setting == setting]
            seeds = sorted({job.seed for job in mine})
            pooled = [_balanced([_answer(config, job) for job in mine if job.seed == seed]) for seed in seeds]
            scores[outer, setting] = np.mean(pooled)
    return scores, [int(row.argmax()) for row in scores.round(9)]


def _share(jobs: Sequence[_Job], part: tuple[int, int] | None) -> list[_Job]:
    return list(jobs) if part is None else list(jobs[part[0] - 1 :: part[1]])


def _write(
    config: Config, settings: Sequence[Setting], scores: np.ndarray, chosen: Sequence[int], rows: list[dict[str, Any]]
) -> Path:
    """Write the table of settings, the scores of the outer folds, and the page; return the page."""
    folder = config.output.path / "search"
    keys = list(settings[0])
    table = pd.DataFrame([{key: str(one[key]) if isinstance(one[key], list) else one[key] for key in keys}
                          for one in settings])  # fmt: skip
    table["inner_balanced_accuracy"] = scores.mean(axis=0).round(6)
    table["chosen_in_folds"] = [list(chosen).count(number) for number in range(len(settings))]
    write_tsv(folder / "settings.tsv", table)
    outer = pd.DataFrame(rows)
    write_tsv(folder / "scores.tsv", outer.round(6))
    kinds = ["bids::search/jobs"]
    write_json(folder / "settings.json", {
        "inner_balanced_accuracy": {"Description": "Balanced accuracy in the inner folds, mean over outer folds and "
                                                   "seeds; what settings are chosen by, so it flatters the best"},
        "chosen_in_folds": {"Description": "In how many outer folds the setting was chosen"},
        "ChosenInFold": {str(number): settings[one] for number, one in enumerate(chosen, start=1)},
        "Sources": kinds, "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__},
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
    settings = expand(config)
    samples, inputs = load_samples(config)
    begin(config)
    folds = make_folds(samples, config.decoder.split, config.decoder.folds, config.decoder.seed)
    seeds = config.search.seeds or (config.decoder.seed,)
    inner = [_make_job((number, seed, k, i), decoder, fold, inputs)
             for k, outer in enumerate(folds, 1) for i, fold in enumerate(_inner_folds(config, samples, outer), 1)
             for number, (_, decoder) in enumerate(settings) for seed in seeds]  # fmt: skip
    _do(config, inner, part, samples, "Searching")
    if not all(_path(config, job).is_file() for job in inner):
        say("Jobs of other shares are still to be done; then call this again.")
        return None
    scores, chosen = _select(config, inner, len(settings))
    outer = [_make_job((best, seed, k, 0), settings[best][1], folds[k - 1], inputs)
             for k, best in enumerate(chosen, 1) for seed in seeds]  # fmt: skip
    _do(config, outer, part, samples, "Testing the chosen")
    if not all(_path(config, job).is_file() for job in outer):
        say("Jobs of other shares are still to be done; then call this again.")
        return None
    with Workspace(config.output.path).alone("search"):
        rows = [_score(config, [job for job in outer if job.seed == seed], samples, folds) for seed in seeds]
        return _write(config, [setting for setting, _ in settings], scores, chosen, rows)


def _do(config: Config, jobs: Sequence[_Job], part: tuple[int, int] | None, samples: Samples, what: str) -> None:
    left = [(config, job, samples) for job in _share(jobs, part) if not _path(config, job).is_file()]
    run_jobs(_work, left, config.output.n_jobs, what, "decoder")


def _score(config: Config, jobs: Sequence[_Job], samples: Samples, folds: Sequence[Fold]) -> dict[str, Any]:
    """Return the score of one seed on all outer folds."""
    predicted = np.empty(len(samples.y), dtype=object)
    for job in jobs:
        predicted[job.fold.test] = _answer(config, job)["predicted"]
    score = score_predictions(samples.y, predicted.astype(str), held_out_units(config, samples, folds),
                              SPLIT_WORDS[config.decoder.split])  # fmt: skip
    low, high = score.interval
    return {"seed": jobs[0].seed, "accuracy": score.accuracy, "low": low, "high": high,
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
