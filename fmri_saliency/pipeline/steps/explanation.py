"""Step 3: saliency of held-out samples, averages over people and classes, and their maps in brain space."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fmri_saliency import __version__
from fmri_saliency.decoding import Fold, load_decoder, make_folds
from fmri_saliency.decoding.weights import read_decoder_card
from fmri_saliency.disk.files import digest, write_json, write_rows
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.disk.locks import hold, note_time
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import StepError
from fmri_saliency.evidence import group_statistics
from fmri_saliency.pipeline.steps.fsleyes_view import say_view, write_view
from fmri_saliency.pipeline.steps.map_files import class_entities
from fmri_saliency.pipeline.steps.mapping import class_atlas, coverage, write_maps
from fmri_saliency.pipeline.steps.region_tables import network_table, region_table
from fmri_saliency.pipeline.steps.sampling import load_samples
from fmri_saliency.pipeline.steps.training import SCORE_FIELDS, check_fold, choose_networks, fold_inputs, score_inputs
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, is_done, name_changes, require, say, say_why, stamp
from fmri_saliency.pipeline.study.opening import atlas_stamp, begin
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.records import Saliency, Samples
from fmri_saliency.saliency import (
    average_covered,
    begin_saliency,
    explain_samples,
    read_saliency,
    rows_of_people,
    write_saliency,
    write_saliency_card,
)
from fmri_saliency.saliency.store import FIELDS as SALIENCY_FIELDS

__all__ = [
    "FoldStamps",
    "check_explained",
    "class_atlas",
    "class_entities",
    "explain",
    "explain_fold",
    "fold_stamps",
    "network_table",
    "region_table",
]

WEIGHING = "people weigh the same"  # says of averages how they were made


MORE_FIELDS = {"people": {"subjects": list}, "samples": {}, "classes": {}}
"""What the JSON of saliency says besides; that of a fold lists its samples."""


def is_explained(stem: Path, inputs: str) -> bool:
    """Return whether the saliency of a fold, or of all together, is up to date, and its JSON says of what it is."""
    fields = SALIENCY_FIELDS | MORE_FIELDS.get(stem.name, {"samples": list})
    return is_done(stem.with_name(stem.name + ".json"), inputs, [stem.with_name(stem.name + ".npy")], fields)


def explained_from(config: Config, trained: str) -> dict[str, Any]:
    """Return what the saliency of a fold depends on: its decoder, and how it is explained."""
    return {"version": __version__, "decoder": trained, "saliency": to_plain(config.saliency)}


def _explain_fold(
    config: Config, network: str, number: int, fold: Fold, samples: Samples, made_from: dict[str, Any]
) -> None:
    """Explain the test samples of a fold, unless another process just did."""
    space, begin = Workspace(config.output.path), time.perf_counter()
    work = f"explain/{network}/fold-{number}"
    with hold(space.desk, work), noted(config, work):
        if not is_explained(space.fold_saliency(network, number), digest(made_from)):
            _explain(config, network, number, fold, samples, made_from)
            note_time(space.desk, work, time.perf_counter() - begin)


def _explain(
    config: Config, network: str, number: int, fold: Fold, samples: Samples, made_from: dict[str, Any]
) -> None:
    space = Workspace(config.output.path)
    decoder = load_decoder(space.fold(network, number), config.decoder.device, config.decoder.threads)
    stem = space.fold_saliency(network, number)
    saliency = explain_samples(
        decoder,
        Rows(samples.X, fold.test),
        samples.y[fold.test],
        samples.t_r,
        samples.names,
        config.saliency,
        Rows(samples.X, fold.train),
        samples.start,
        begin_saliency(stem),
    )
    sources = [f"bids::decoder/{network}/fold-{number}/weights.safetensors", "bids::samples/X.npy"]
    card = {"samples": fold.test, "fold": number, "inputs": digest(made_from), "MadeFrom": made_from}
    write_saliency_card(saliency, stem, {**card, "Sources": sources})


def _in_order(parts: Sequence[Saliency], order: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the maps of all parts, numbered through from the first part's first, one by one in `order`."""
    part = np.repeat(np.arange(len(parts)), [len(one.labels) for one in parts])[order]
    place = np.concatenate([np.arange(len(one.labels)) for one in parts])[order]
    for number, row in zip(part, place, strict=True):
        yield parts[number].values[row : row + 1]


def _join_folds(config: Config, network: str, folds: Sequence[Fold], samples: Samples, inputs: str) -> Saliency:
    """Put the samples of all folds in their order, average them by person, and people by class; write all three."""
    space = Workspace(config.output.path)
    stems = {kind: space.saliency(network, kind) for kind in ("samples", "people", "classes")}
    if all(is_explained(stem, inputs) for stem in stems.values()):
        return read_saliency(stems["classes"])
    parts = [read_saliency(space.fold_saliency(network, number)) for number in range(1, len(folds) + 1)]
    order = np.argsort(np.concatenate([fold.test for fold in folds]), kind="stable")
    labels = np.array([label for part in parts for label in part.labels])[order]
    array = begin_saliency(stems["samples"])
    write_rows(array, (len(order), *parts[0].values.shape[1:]), _in_order(parts, order))
    whole = replace(
        parts[0],
        values=np.load(array, mmap_mode="r"),
        labels=tuple(labels.tolist()),
        n_averaged=(1,) * len(labels),
        seed=config.decoder.seed,
    )
    made_of = [f"bids::saliency/{network}/fold-{number}.npy" for number in range(1, len(folds) + 1)]
    about = {"network": network, "inputs": inputs, **origin(space.root, made_of, weighing=WEIGHING)}
    write_saliency_card(whole, stems["samples"], about)
    classes = _average_classes(_average_people(config, whole, samples, stems["people"], about))
    write_saliency(classes, stems["classes"], about)
    return classes


def _average_people(
    config: Config, whole: Saliency, samples: Samples, stem: Path, about: dict[str, Any]
) -> Saliency:
    """Average the samples of each person and explained class, one after the other, and write them."""
    covered = coverage(config, samples)
    people = rows_of_people(samples.table.assign(label=whole.labels))
    array = begin_saliency(stem)
    parts = (average_covered(Rows(whole.values, rows), covered[rows])[None] for _, _, rows in people)
    write_rows(array, (len(people), *whole.values.shape[1:]), parts)
    found = replace(
        whole,
        values=np.load(array, mmap_mode="r"),
        labels=tuple(label for _, label, _ in people),
        n_averaged=tuple(len(rows) for _, _, rows in people),
    )
    write_saliency_card(found, stem, {**about, "subjects": [subject for subject, _, _ in people]})
    return found


def _average_classes(people: Saliency) -> Saliency:
    """Average the maps of people by class, everybody alike; 0 in regions that nobody's scans cover."""
    labels = np.array(people.labels)
    kinds = sorted(set(people.labels))
    means = [np.nan_to_num(group_statistics(Rows(people.values, labels == kind)).mean) for kind in kinds]
    counts = [int(np.array(people.n_averaged)[labels == kind].sum()) for kind in kinds]
    return replace(people, values=np.stack(means), labels=tuple(kinds), n_averaged=tuple(counts))


@dataclass(frozen=True)
class _Plan:
    """The folds, and what identifies the decoder and the saliency of each, by network."""

    samples: Samples
    folds: list[Fold]
    scores: dict[str, str]
    trained: dict[str, list[str]]
    explained: dict[str, list[str]]


def _plan(config: Config) -> _Plan:
    return _plan_of(config, *load_samples(config))


def _plan_of(config: Config, samples: Samples, samples_inputs: str) -> _Plan:
    folds = make_folds(samples, config.decoder.split, config.decoder.folds, config.decoder.seed)
    trained = {
        network: [fold_inputs(config, network, number, fold, samples_inputs) for number, fold in enumerate(folds, 1)]
        for network in config.decoder.networks
    }
    explained = {network: [digest(explained_from(config, one)) for one in every] for network, every in trained.items()}
    return _Plan(samples, folds, score_inputs(config, folds, samples_inputs), trained, explained)


def check_explained(config: Config) -> str:
    """Return what identifies the maps of all networks, after checking that scores and maps are up to date.

    Raises
    ------
    StepError
        If scores or maps are missing, or were made with other settings.
    """
    plan = _plan(config)
    for network, expected in plan.scores.items():
        card = require(Workspace(config.output.path).scores(network), "train")
        if not is_done(card, expected, fields=SCORE_FIELDS):
            raise StepError(f"{card} is out of date: run `fmri-saliency train CONFIG.toml` again.")
    for network in config.decoder.networks:
        card = require(Workspace(config.output.path).saliency(network, "classes").with_name("classes.json"), "explain")
        inputs = class_inputs(plan.explained[network])
        if not all(is_explained(stem, inputs) for stem in whole_stems(config, network)):
            raise StepError(f"{card} was made with other settings or samples, or is damaged: run `fmri-saliency "
                            "explain CONFIG.toml` again.")
    return whole_stamp(plan.explained)


@dataclass(frozen=True)
class FoldStamps:
    """What identifies the scores of every network, and decoder and saliency of each of its folds.

    Attributes
    ----------
    scores : dict
        Network, or linear baseline, to stamp.
    trained, explained : dict
        Network to a stamp for each fold.
    """

    scores: dict[str, str]
    trained: dict[str, list[str]]
    explained: dict[str, list[str]]


def fold_stamps(config: Config) -> FoldStamps:
    """Return what identifies the results of all folds, as the configuration asks for them.

    Raises
    ------
    StepError
        If there are no series, or they are out of date.
    """
    return stamps_of(config, *load_samples(config))


def stamps_of(config: Config, samples: Samples, inputs: str) -> FoldStamps:
    """Return what :func:`fold_stamps` does, of samples that are there and what identifies them."""
    plan = _plan_of(config, samples, inputs)
    return FoldStamps(plan.scores, plan.trained, plan.explained)


def whole_stamp(explained: Mapping[str, Sequence[str]]) -> str:
    """Return what identifies the maps of all networks, of what identifies the saliency of each of their folds."""
    return stamp({network: class_inputs(every) for network, every in explained.items()})


def maps_stamp(config: Config, explained: Mapping[str, Sequence[str]]) -> str:
    """Return what identifies maps as files: the saliency, and the atlas with its whole table of regions."""
    return stamp(whole_stamp(explained), atlas_stamp(config))


def whole_stems(config: Config, network: str) -> list[Path]:
    """Return where the saliency of all samples, of people and of classes lies."""
    return [Workspace(config.output.path).saliency(network, kind) for kind in ("samples", "people", "classes")]


def _check_trained(config: Config, plan: _Plan) -> None:
    for network, every in plan.trained.items():
        for number, expected in enumerate(every, 1):
            _check_decoder(config, network, number, expected)


def _check_decoder(config: Config, network: str, number: int, expected: str) -> None:
    """Refuse a decoder that is missing or was trained on other things than expected."""
    card = require(Workspace(config.output.path).fold(network, number) / "model.json", "train")
    read_decoder_card(card.parent)
    if not is_done(card, expected):
        raise StepError(f"{card} was trained with other settings or samples: run `fmri-saliency train CONFIG.toml` "
                        "again.")


def _fold_jobs(config: Config, plan: _Plan) -> list[tuple[Config, str, int, Fold, Samples, dict[str, Any]]]:
    """Return what :func:`_explain_fold` is called with for each fold that is not up to date."""
    space, jobs = Workspace(config.output.path), []
    for network, every in plan.trained.items():
        for number, trained in enumerate(every, 1):
            stem, made_from = space.fold_saliency(network, number), explained_from(config, trained)
            if not is_explained(stem, digest(made_from)):
                jobs.append((config, network, number, plan.folds[number - 1], plan.samples, made_from))
    return jobs


def _explain_folds(jobs: Sequence[tuple[Config, str, int, Fold, Samples, dict[str, Any]]], config: Config) -> None:
    """Explain folds, and say why those that are there are made again."""
    space = Workspace(config.output.path)
    stems = [space.fold_saliency(job[1], job[2]) for job in jobs]
    cards = [stem.with_name(stem.name + ".json") for stem in stems]
    say_why([name_changes(card, job[-1]) for card, job in zip(cards, jobs, strict=True)], "sets of saliency")
    run_jobs(_explain_fold, jobs, config.output.n_jobs, "Explaining", "fold")


def explain_fold(config: Config, number: int, network: str = "") -> None:
    """Explain one fold's held-out samples; :func:`explain` does what is left, and the maps.

    Parameters are those of :func:`~fmri_saliency.pipeline.steps.training.train_fold`.

    Raises
    ------
    ConfigError
        If there is no such fold or network.
    StepError
        If its decoder is missing or out of date.
    """
    chosen = choose_networks(config, network)
    with noted(config, *(f"explain/{one}/fold-{number}" for one in chosen)):
        _explain_one(config, number, chosen)


def _explain_one(config: Config, number: int, chosen: Sequence[str]) -> None:
    """Explain one fold of some networks."""
    plan = _plan(config)
    if not check_fold(config, number, plan.folds):
        return
    for one in chosen:
        _check_decoder(config, one, number, plan.trained[one][number - 1])
    begin(config)
    jobs = [job for job in _fold_jobs(config, plan) if job[1] in chosen and job[2] == number]
    _explain_folds(jobs, config)
    say(f"Fold {number} of {len(plan.folds)}: {len(jobs)} explained, {len(chosen) - len(jobs)} up to date.")


def class_inputs(folds: Sequence[str]) -> str:
    """Return what identifies the averages over people and classes of maps that folds made."""
    return stamp(folds, WEIGHING)


def explain(config: Config) -> None:
    """Explain the held-out samples of every network; write the maps of the main one, of people and of the group.

    Raises
    ------
    StepError
        If the decoders are missing or out of date.
    """
    space = Workspace(config.output.path)
    with noted(config, "explain"):
        plan = _plan(config)
        _check_trained(config, plan)
        begin(config)
        _explain_folds(_fold_jobs(config, plan), config)
        with space.alone("explain/maps"):
            _write_whole(config, plan)
            write_json(space.drawn, {"inputs": maps_stamp(config, plan.explained)})
    say_view(space.root)


def _write_whole(config: Config, plan: _Plan) -> None:
    """Join the folds; write the maps of the main network, of people and of the group, and how to look at them."""
    space = Workspace(config.output.path)
    classes = {
        network: _join_folds(config, network, plan.folds, plan.samples, class_inputs(every))
        for network, every in plan.explained.items()
    }
    network = config.decoder.network
    write_maps(config, classes[network], plan.samples, class_inputs(plan.explained[network]))
    write_view(space.root, classes[network], class_atlas(config)[0])
