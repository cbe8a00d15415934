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
from fmri_saliency.decoding import Fold, TaskDecoder, dealt_by, find_blocks, make_folds, save_decoder, score_predictions
from fmri_saliency.decoding.baseline import predict_linear
from fmri_saliency.decoding.weights import read_decoder_card
from fmri_saliency.disk.bids_names import bids_uri
from fmri_saliency.disk.files import digest, read_json, remove, write_json, write_tsv
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.disk.locks import hold, note_time
from fmri_saliency.disk.rows import Rows
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.errors import ConfigError, DamagedError, InputError, one_of
from fmri_saliency.pipeline.steps.sampling import SPLIT_WORDS, TRAINED_BY, load_samples
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, is_done, name_changes, say, say_why, stamp
from fmri_saliency.pipeline.study.opening import LINEAR, begin, set_folds_aside
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.records import Samples

__all__ = ["LINEAR", "train", "train_fold"]

SCORE_FIELDS = {"accuracy": float | int, "interval": list, "chance": float | int, "confusion": list, "classes": list,
                "recall": list, "n_samples": int, "split": str, "folds": int}  # fmt: skip
"""What ``scores.json`` says."""
UNFINISHED = "unfinished.safetensors"  # the state of a fold's training, while it lasts


def fold_made_from(config: Config, network: str, number: int, fold: Fold, samples_inputs: str) -> dict[str, Any]:
    """Return what the decoder of a fold depends on."""
    settings = to_plain(config.decoder)
    used = {key: settings[key] for key in TRAINED_BY}
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
    files = [folder / "weights.safetensors", folder / "predictions.tsv"]
    return is_done(folder / "model.json", inputs, files) and _is_decoder(folder)


def _is_decoder(folder: Path) -> bool:
    """Return whether ``model.json`` describes a decoder."""
    try:
        return bool(read_decoder_card(folder))
    except (InputError, OSError):
        return False


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
        remove(folder / UNFINISHED)


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
    card = {"split": config.decoder.split, "fold": number, "DealtBy": dealt_by(), "inputs": digest(made_from),
            "MadeFrom": made_from}  # fmt: skip
    save_decoder(decoder, folder, {**card, "Sources": sources})


def held_out_units(config: Config, samples: Samples, folds: Sequence[Fold]) -> np.ndarray:
    """Return what each sample was held out with: its family or subject, its run, block, or stretch of time."""
    if config.decoder.split == "group":
        return samples.groups
    if config.decoder.split == "leave-one-run-out":
        return samples.table["run"].to_numpy(dtype=str)
    if config.decoder.split == "blocks":
        return find_blocks(samples)
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
    if not is_done(path, inputs, fields=SCORE_FIELDS):
        came = origin(config.output.path, ["bids::samples/X.npy"] if name == LINEAR else kinds,
                      split=config.decoder.split)  # fmt: skip
        stopped_on = [len(fold.valid) for fold in folds]
        write_json(path, {**asdict(score), "folds": len(folds), "validation_samples": stopped_on,
                          "seed": config.decoder.seed, "DealtBy": dealt_by(), "inputs": inputs, **came})
    low, high = score.interval
    say(f"{name}: accuracy {score.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}, chance {score.chance:.3f}) on "
        f"{score.n_samples} samples, {score.split}.")


def _gather(config: Config, network: str, folds: Sequence[Fold], samples: Samples) -> np.ndarray:
    predicted = np.empty(len(samples.y), dtype=object)
    for number in range(1, len(folds) + 1):
        path = Workspace(config.output.path).fold(network, number) / "predictions.tsv"
        try:
            table = read_own_tsv(path, "predictions", dtype={"label": str, "predicted": str})
            predicted[table["sample"].to_numpy(dtype=int)] = table["predicted"].to_numpy()
        except (InputError, LookupError, ValueError) as error:
            why = f"{path} is damaged ({error}). `fmri-saliency train CONFIG.toml` makes it again."
            raise DamagedError(why, path) from None
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
    if not check_fold(config, number, folds):
        return
    begin(config)
    jobs = [job for job in _fold_jobs(config, samples, samples_inputs, folds) if job[1] in chosen and job[2] == number]
    _train_folds(jobs, config)
    say(f"Fold {number} of {len(folds)}: {len(jobs)} trained, {len(chosen) - len(jobs)} up to date.")


def choose_networks(config: Config, network: str) -> tuple[str, ...]:
    """Return the one network, which must be a configured one, or all of them when `network` is empty."""
    networks = config.decoder.networks
    return (one_of(network, networks, "--network", ConfigError),) if network else networks


def check_fold(config: Config, number: int, folds: Sequence[Fold]) -> bool:
    """Refuse the number of a fold that there is not; return False for one that went with the runs that failed.

    Where single runs are left out there are as many folds as runs, and they are dealt out before it is known which of
    them fail: a workflow asks for all of them, and a bad scan must not stop it.
    """
    if 1 <= number <= len(folds):
        return True
    path = Workspace(config.output.path).desk / "folds.tsv"
    rows = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if config.decoder.split == "leave-one-run-out" and str(number) in {row.split("\t")[1] for row in rows}:
        say(f"There is no fold {number}: {len(folds)} runs have series.")
        return False
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
    set_folds_aside(config, len(folds))
    stamps = score_inputs(config, folds, samples_inputs)
    _train_folds(_fold_jobs(config, samples, samples_inputs, folds), config)
    with space.alone("train/scores"):
        return _score(config, folds, samples, stamps)


def _score(config: Config, folds: Sequence[Fold], samples: Samples, stamps: dict[str, str]) -> dict[str, Any]:
    """Write the scores of all networks, and of the linear baseline; return them."""
    space = Workspace(config.output.path)
    for network in config.decoder.networks:  # here, too: a job may be killed just after its card is written
        for number in range(1, len(folds) + 1):
            remove(space.fold(network, number) / UNFINISHED)
    for network in config.decoder.networks:
        _write_scores(config, network, samples, _gather(config, network, folds, samples), folds, stamps[network])
    if LINEAR not in config.decoder.networks and not is_done(space.scores(LINEAR), stamps[LINEAR], fields=SCORE_FIELDS):
        _write_scores(config, LINEAR, samples, predict_linear(samples, folds), folds, stamps[LINEAR])
    return {name: read_json(space.scores(name)) for name in dict.fromkeys((*config.decoder.networks, LINEAR))}
