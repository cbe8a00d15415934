"""Step 2: samples, and decoders that are tested on people they never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency import __version__
from fmri_saliency.bids import bids_uri
from fmri_saliency.decoding import Fold, TaskDecoder, make_folds, save_decoder, score_predictions
from fmri_saliency.decoding.baseline import predict_linear
from fmri_saliency.errors import ConfigError, DecoderError, StepError, one_of
from fmri_saliency.files import digest, read_json, read_tsv, write_json, write_tsv
from fmri_saliency.jobs import run_jobs
from fmri_saliency.locks import hold, note_time
from fmri_saliency.pipeline.begin import begin
from fmri_saliency.pipeline.cards import origin
from fmri_saliency.pipeline.config import Config, to_plain
from fmri_saliency.pipeline.extract import choose_atlas, series_made_from, series_sources
from fmri_saliency.pipeline.failures import noted
from fmri_saliency.pipeline.index import known_runs
from fmri_saliency.pipeline.samples_inputs import samples_files, samples_made_from, series_brief
from fmri_saliency.pipeline.workspace import Workspace, is_done, name_changes, say, say_why, stamp
from fmri_saliency.records import Atlas, Run, Samples
from fmri_saliency.rows import Rows
from fmri_saliency.series import (
    WindowPlan,
    class_balance,
    cut_to_disk,
    plan_windows,
    read_marked,
    read_samples,
    read_series,
    series_name,
    series_state,
)
from fmri_saliency.sources import describe_source

__all__ = ["LINEAR", "foresee", "load_samples", "plan_folds", "say_plan", "train", "train_fold"]

LINEAR = "logistic-regression"
UNEVEN = 1.5  # how many times the smallest class the largest is, from which on it is said
UNFINISHED = "unfinished.safetensors"  # the state of a fold's training, while it lasts
SPLIT_WORDS = {
    "group": "held-out subjects (whole families where known)",
    "leave-one-run-out": "held-out runs of the same people",
    "contiguous": "held-out stretches of time of the same runs, with gaps of one window",
}


def plan_folds(config: Config, runs: Sequence[Run]) -> tuple[WindowPlan, list[Fold]]:
    """Plan the samples of runs and their folds, before anything is extracted.

    Raises
    ------
    InputError, ConfigError
        If no samples can be cut from these runs, or they cannot be split as configured.
    """
    plan = plan_windows(runs, config.samples)
    try:
        return plan, make_folds(plan.outline(), config.decoder.split, config.decoder.folds, config.decoder.seed)
    except DecoderError as error:
        raise ConfigError(str(error)) from None


def foresee(config: Config, runs: Sequence[Run]) -> str:
    """Say what will be decoded, before anything is extracted: the most there can be where frames may be marked.

    It raises what :func:`plan_folds` does.
    """
    return say_plan(config, *plan_folds(config, runs))


def say_plan(config: Config, plan: WindowPlan, folds: Sequence[Fold]) -> str:
    """Say what is planned in words."""
    counts = class_balance(plan.table)["samples"]
    classes = ", ".join(f"{label} {count}" for label, count in counts.items())
    may_shrink = config.samples.max_marked < 1
    words = [f"{'At most ' if may_shrink else ''}{len(plan.table)} samples of {plan.n_times} frames ({plan.t_r:g} s "
             f"each) in {len(counts)} classes ({classes}), {len(folds)} folds: {SPLIT_WORDS[config.decoder.split]}."]
    if may_shrink:
        words.append(f"Which windows have more than {config.samples.max_marked:.0%} of marked frames is known when the "
                     "runs are extracted: samples.json has the numbers without them.")
    if counts.max() >= UNEVEN * counts.min():
        hint = "" if config.decoder.training.class_weights == "balanced" else \
            '; class_weights = "balanced" in [decoder.training] lets them weigh alike'
        words.append(f"Classes are uneven: always answering '{counts.idxmax()}' would be right in "
                     f"{counts.max() / counts.sum():.0%} (chance {1 / len(counts):.0%}){hint}.")
    if plan.left_out:
        words.append(f"{len(plan.left_out)} windows are left out (the first: {plan.left_out[0]}).")
    return " ".join(words)


def _extracted(config: Config) -> tuple[list[Run], list[Path], list[dict[str, Any]]]:
    """Return the runs that have series, where those are, and what is written beside them."""
    finding = known_runs(config)
    atlas, _ = choose_atlas(config, finding.runs)
    runs, stems, cards = [], [], []
    for run in finding.runs:
        stem = config.output.path / series_name(run, atlas)
        card = stem.with_name(stem.name + ".json")
        if not card.is_file():
            continue
        content = read_json(card)
        if not _is_current(content, run, atlas, config):
            why = name_changes(card, {**series_made_from(run, atlas, config),
                                      "files": content.get("MadeFrom", {}).get("files")})
            raise StepError(f"{card} was made from another scan, atlas or [cleaning]{_because(why)}: run "
                            "`fmri-saliency extract CONFIG.toml` again.")
        runs.append(run)
        stems.append(stem)
        cards.append(series_brief(content))
    if not runs:
        raise StepError(f"There are no series in {config.output.path}: run `fmri-saliency extract CONFIG.toml` first, "
                        "or `fmri-saliency run`.")
    return runs, stems, cards


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _is_current(card: dict[str, Any], run: Run, atlas: Atlas, config: Config) -> bool:
    """Return whether series are of this scan and configuration; files that were touched or moved are read."""
    sources = series_sources(run, config)
    state = series_state(card, series_made_from(run, atlas, config), sources)
    if state != "unsure":
        return state == "current"
    found = [describe_source(source, card["SourceFiles"])["sha256"] for source in sources]
    return found == [one["sha256"] for one in card["SourceFiles"]]


def load_samples(config: Config) -> tuple[Samples, str]:
    """Cut the extracted series into samples on disk, run by run, unless they are up to date; map them into memory.

    Returns
    -------
    samples : Samples
    inputs : str
        What identifies them.
    """
    space = Workspace(config.output.path)
    runs, stems, cards = _extracted(config)
    made_from = samples_made_from(config, runs, [stem.name for stem in stems], cards)
    inputs = digest(made_from)
    folder = space.samples
    if not is_done(folder / "samples.json", inputs, samples_files(folder)):
        with hold(space.desk, "train/samples"), noted(config, "samples"):
            if not is_done(folder / "samples.json", inputs, samples_files(folder)):
                _cut(config, runs, stems, cards, {"MadeFrom": made_from, "inputs": inputs})
    return read_samples(folder), inputs


def _cut(
    config: Config, runs: list[Run], stems: list[Path], cards: list[dict[str, Any]], identity: dict[str, Any]
) -> None:
    """Cut the series of all runs into samples on disk."""
    begin, space = time.perf_counter(), Workspace(config.output.path)
    folder = space.samples
    say_why([name_changes(folder / "samples.json", identity["MadeFrom"])], "set of samples")
    marks = [read_marked(card, run.n_times, stem.with_name(stem.name + ".json"))
             for card, run, stem in zip(cards, runs, stems, strict=True)]
    sources = [bids_uri(stem.with_name(stem.name + ".tsv"), {"": space.root}) for stem in stems]
    extra = {"Settings": to_plain(config.samples), **identity, "Sources": sources}
    left_out = cut_to_disk((read_series(stem) for stem in stems), runs, config.samples, folder, extra, marks,
                           progress=True)
    for reason in left_out[:3]:
        say(f"No sample: {reason}.")
    if len(left_out) > 3:
        say(f"... and {len(left_out) - 3} more (see {folder / 'samples.json'}).")
    note_time(space.desk, "train/samples", time.perf_counter() - begin)


def fold_made_from(config: Config, network: str, number: int, fold: Fold, samples_inputs: str) -> dict[str, Any]:
    """Return what the decoder of a fold depends on."""
    settings = to_plain(config.decoder)
    used = {key: settings[key] for key in ("split", "folds", "seed", "device", "architecture", "training")}
    return {"version": __version__, "samples": samples_inputs, "network": network, "fold": number,
            "people": digest(fold.train, fold.valid, fold.test), "decoder": used}  # fmt: skip


def fold_inputs(config: Config, network: str, number: int, fold: Fold, samples_inputs: str) -> str:
    """Return what identifies the decoder of a fold."""
    return digest(fold_made_from(config, network, number, fold, samples_inputs))


def score_inputs(config: Config, folds: Sequence[Fold], samples_inputs: str) -> dict[str, str]:
    """Return what identifies the scores of every network, and of the linear baseline."""
    stamps = {
        network: stamp([fold_inputs(config, network, k, fold, samples_inputs) for k, fold in enumerate(folds, 1)])
        for network in config.decoder.networks
    }
    return {LINEAR: stamp(LINEAR, samples_inputs, [fold.test for fold in folds]), **stamps}


def is_trained(folder: Path, inputs: str) -> bool:
    """Return whether the decoder of a fold is up to date."""
    return is_done(folder / "model.json", inputs, [folder / "weights.safetensors", folder / "predictions.tsv"])


def _train_fold(
    config: Config, network: str, number: int, fold: Fold, samples: Samples, made_from: dict[str, Any]
) -> None:
    """Train and test the decoder of a fold, unless another process just did."""
    space, begin = Workspace(config.output.path), time.perf_counter()
    folder, work = space.fold(network, number), f"train/{network}/fold-{number}"
    with hold(space.desk, work), noted(config, work):
        if not is_trained(folder, digest(made_from)):
            _fit_fold(config, network, number, fold, samples, made_from)
            note_time(space.desk, work, time.perf_counter() - begin)
        (folder / UNFINISHED).unlink(missing_ok=True)


def _fit_fold(
    config: Config, network: str, number: int, fold: Fold, samples: Samples, made_from: dict[str, Any]
) -> None:
    space = Workspace(config.output.path)
    folder = space.fold(network, number)
    decoder = TaskDecoder(
        network,
        config.decoder.architecture,
        config.decoder.training,
        seed=config.decoder.seed + number,
        device=config.decoder.device,
        threads=config.decoder.threads,
        checkpoint=folder / UNFINISHED,
    )
    seen = np.sort(np.concatenate([fold.train, fold.valid]))
    decoder.fit(Rows(samples.X, seen), samples.y[seen], validation=np.isin(seen, fold.valid))
    probability = decoder.predict_proba(Rows(samples.X, fold.test))
    table = pd.DataFrame(probability.round(6), columns=[f"p_{name}" for name in decoder.classes_])
    table.insert(0, "predicted", decoder.classes_[probability.argmax(axis=1)])
    table.insert(0, "label", samples.y[fold.test])
    table.insert(0, "sample", fold.test)
    write_tsv(folder / "predictions.tsv", table)
    sources = [bids_uri(space.samples / name, {"": space.root}) for name in ("X.npy", "samples.tsv")]
    card = {"split": config.decoder.split, "fold": number, "inputs": digest(made_from), "MadeFrom": made_from}
    save_decoder(decoder, folder, {**card, "Sources": sources})


def held_out_units(config: Config, samples: Samples, folds: Sequence[Fold]) -> np.ndarray:
    """Return what each sample was held out with: its family or subject, its run, or its stretch of time."""
    if config.decoder.split == "group":
        return samples.groups
    if config.decoder.split == "leave-one-run-out":
        return samples.table["run"].to_numpy(dtype=str)
    stretch = np.zeros(len(samples.y), dtype=int)
    for number, fold in enumerate(folds):
        stretch[fold.test] = number
    return stretch


def _write_scores(
    config: Config, name: str, samples: Samples, predicted: np.ndarray, folds: Sequence[Fold], inputs: str
) -> None:
    units = held_out_units(config, samples, folds)
    score = score_predictions(samples.y, predicted, units, SPLIT_WORDS[config.decoder.split])
    kinds = [f"bids::decoder/{name}/fold-{number}/predictions.tsv" for number in range(1, len(folds) + 1)]
    path = Workspace(config.output.path).scores(name)
    if not is_done(path, inputs):
        came = origin(config.output.path, ["bids::samples/X.npy"] if name == LINEAR else kinds,
                      split=config.decoder.split)  # fmt: skip
        write_json(path, {**asdict(score), "folds": len(folds), "seed": config.decoder.seed, "inputs": inputs, **came})
    low, high = score.interval
    say(f"{name}: accuracy {score.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}, chance {score.chance:.3f}) on "
        f"{score.n_samples} samples, {score.split}.")


def _gather(config: Config, network: str, folds: Sequence[Fold], samples: Samples) -> np.ndarray:
    predicted = np.empty(len(samples.y), dtype=object)
    for number in range(1, len(folds) + 1):
        path = Workspace(config.output.path).fold(network, number) / "predictions.tsv"
        table = read_tsv(path, "predictions", dtype={"label": str, "predicted": str})
        predicted[table["sample"].to_numpy(dtype=int)] = table["predicted"].to_numpy()
    return predicted.astype(str)


def _fold_jobs(
    config: Config, samples: Samples, samples_inputs: str, folds: Sequence[Fold]
) -> list[tuple[Config, str, int, Fold, Samples, dict[str, Any]]]:
    """Return what :func:`_train_fold` is called with for each decoder that is not up to date."""
    space, jobs = Workspace(config.output.path), []
    for network in config.decoder.networks:
        for number, fold in enumerate(folds, start=1):
            made_from = fold_made_from(config, network, number, fold, samples_inputs)
            if not is_trained(space.fold(network, number), digest(made_from)):
                jobs.append((config, network, number, fold, samples, made_from))
    return jobs


def _train_folds(jobs: Sequence[tuple[Config, str, int, Fold, Samples, dict[str, Any]]], config: Config) -> None:
    """Train and test decoders, and say why those that are there are made again."""
    space = Workspace(config.output.path)
    say_why([name_changes(space.fold(job[1], job[2]) / "model.json", job[-1]) for job in jobs], "decoders")
    run_jobs(_train_fold, jobs, config.output.n_jobs, "Training", "fold")


def train_fold(config: Config, number: int, network: str = "") -> None:
    """Train one fold, of one network or of all; :func:`train` trains what is left, and scores.

    Parameters
    ----------
    config : Config
    number : int
        Of the fold, from 1.
    network : str
        One of those configured; all when empty.

    Raises
    ------
    ConfigError
        If there is no such fold or network.
    StepError
        If series are missing or out of date.
    """
    chosen = choose_networks(config, network)
    with noted(config, *(f"train/{one}/fold-{number}" for one in chosen)):
        _train_one(config, number, chosen)


def _train_one(config: Config, number: int, chosen: Sequence[str]) -> None:
    """Train one fold of some networks."""
    samples, samples_inputs = load_samples(config)
    folds = make_folds(samples, config.decoder.split, config.decoder.folds, config.decoder.seed)
    check_fold(number, folds)
    jobs = [job for job in _fold_jobs(config, samples, samples_inputs, folds) if job[1] in chosen and job[2] == number]
    _train_folds(jobs, config)
    say(f"Fold {number} of {len(folds)}: {len(jobs)} trained, {len(chosen) - len(jobs)} up to date.")


def choose_networks(config: Config, network: str) -> tuple[str, ...]:
    """Return the one network, which must be a configured one, or all of them when `network` is empty."""
    networks = config.decoder.networks
    return (one_of(network, networks, "--network", ConfigError),) if network else networks


def check_fold(number: int, folds: Sequence[Fold]) -> None:
    """Refuse the number of a fold that there is not."""
    if not 1 <= number <= len(folds):
        raise ConfigError(f"--fold must be from 1 to {len(folds)}, the number of folds; {number} came.")


def train(config: Config) -> dict[str, Any]:
    """Train every configured network on every fold, and score the held-out samples.

    Folds that are up to date are skipped, and one that was stopped goes on from its last epoch, so an
    interrupted call can be repeated.

    Returns
    -------
    dict
        Network name to the content of its ``scores.json``; also the linear baseline.
    """
    with noted(config, "train"):
        return _train(config)


def _train(config: Config) -> dict[str, Any]:
    space = Workspace(config.output.path)
    samples, samples_inputs = load_samples(config)
    begin(config)
    folds = make_folds(samples, config.decoder.split, config.decoder.folds, config.decoder.seed)
    stamps = score_inputs(config, folds, samples_inputs)
    _train_folds(_fold_jobs(config, samples, samples_inputs, folds), config)
    with space.alone("train/scores"):
        return _score(config, folds, samples, stamps)


def _score(config: Config, folds: Sequence[Fold], samples: Samples, stamps: dict[str, str]) -> dict[str, Any]:
    """Write the scores of all networks, and of the linear baseline; return them."""
    space = Workspace(config.output.path)
    for network in config.decoder.networks:  # here, too: a job may be killed just after its card is written
        for number in range(1, len(folds) + 1):
            (space.fold(network, number) / UNFINISHED).unlink(missing_ok=True)
    for network in config.decoder.networks:
        _write_scores(config, network, samples, _gather(config, network, folds, samples), folds, stamps[network])
    if LINEAR not in config.decoder.networks and not is_done(space.scores(LINEAR), stamps[LINEAR]):
        _write_scores(config, LINEAR, samples, predict_linear(samples, folds), folds, stamps[LINEAR])
    return {name: read_json(space.scores(name)) for name in dict.fromkeys((*config.decoder.networks, LINEAR))}
