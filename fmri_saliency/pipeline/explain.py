"""Step 3: saliency of held-out samples, class maps in brain space, leading regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from fmri_saliency import __version__
from fmri_saliency.attribution import METHODS
from fmri_saliency.bids import build_name, clean_label
from fmri_saliency.brain import project_labels, project_regions, save_grayordinates, save_map
from fmri_saliency.decoding import Fold, load_decoder, make_folds
from fmri_saliency.errors import StepError
from fmri_saliency.files import read_json, write_json, write_rows, write_tsv
from fmri_saliency.jobs import run_jobs
from fmri_saliency.pipeline.config import Config, to_plain
from fmri_saliency.pipeline.extract import choose_atlas, find, grid_atlas
from fmri_saliency.pipeline.train import SPLIT_WORDS, fold_inputs, load_samples, score_inputs
from fmri_saliency.pipeline.workspace import Workspace, is_done, require, say, stamp
from fmri_saliency.records import Atlas, Run, Saliency, Samples
from fmri_saliency.rows import Rows
from fmri_saliency.saliency import (
    begin_saliency,
    explain_samples,
    read_saliency,
    write_saliency,
    write_saliency_card,
)

__all__ = [
    "FoldStamps",
    "check_explained",
    "class_atlas",
    "class_entities",
    "explain",
    "fold_stamps",
    "network_table",
    "region_table",
]


def _explain_fold(config: Config, network: str, number: int, fold: Fold, samples: Samples, inputs: str) -> None:
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
    write_saliency_card(saliency, stem, {"samples": fold.test, "fold": number, "inputs": inputs})


def _in_order(parts: Sequence[Saliency], order: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the maps of all parts, numbered through from the first part's first, one by one in `order`."""
    part = np.repeat(np.arange(len(parts)), [len(one.labels) for one in parts])[order]
    place = np.concatenate([np.arange(len(one.labels)) for one in parts])[order]
    for number, row in zip(part, place, strict=True):
        yield parts[number].values[row : row + 1]


def _join_folds(config: Config, network: str, folds: Sequence[Fold], inputs: str) -> Saliency:
    """Put the samples of all folds in their order; write them and the class averages."""
    space = Workspace(config.output.path)
    parts = [read_saliency(space.fold_saliency(network, number)) for number in range(1, len(folds) + 1)]
    order = np.argsort(np.concatenate([fold.test for fold in folds]), kind="stable")
    labels = np.array([label for part in parts for label in part.labels])[order]
    stem = space.saliency(network, "samples")
    array = begin_saliency(stem)
    write_rows(array, (len(order), *parts[0].values.shape[1:]), _in_order(parts, order))
    whole = replace(
        parts[0],
        values=np.load(array, mmap_mode="r"),
        labels=tuple(labels.tolist()),
        n_averaged=(1,) * len(labels),
        seed=config.decoder.seed,
    )
    write_saliency_card(whole, stem, {"network": network, "inputs": inputs})
    classes = whole.average()
    write_saliency(classes, space.saliency(network, "classes"), {"network": network, "inputs": inputs})
    return classes


def class_atlas(config: Config) -> tuple[Atlas, str, list[Run]]:
    """Return the atlas on the grid of the first run, the note on spaces, and the runs."""
    finding = find(config)
    atlas, note = choose_atlas(config, finding.runs)
    run = finding.runs[0]
    return replace(grid_atlas(atlas, run), space=run.space or atlas.space), note, list(finding.runs)


def class_entities(
    config: Config, label: str, atlas: Atlas, run: Run, tasks: Sequence[str]
) -> dict[str, str]:
    """Return the BIDS entities of a class's map: the task is the class, or the class is a contrast.

    A contrast whose samples come from several `tasks` (as rest does) has no task.
    """
    entities = dict(atlas.entities)
    if run.space:
        entities["space"] = run.space
    if config.samples.unit == "run":
        return {"task": label, **entities}
    return {**({"task": tasks[0]} if len(tasks) == 1 else {}), "contrast": label, **entities}


def _shown(values: np.ndarray, samples: Samples) -> np.ndarray:
    """Return values with NaN in the columns of regions that no run covers."""
    absent = np.isin(samples.names, samples.absent)
    return np.where(absent, np.nan, values).astype(np.float32)


def _write_maps(config: Config, classes: Saliency, samples: Samples) -> list[Path]:
    atlas, note, runs = class_atlas(config)
    method = clean_label(classes.method)
    written = []
    for position, label in enumerate(tqdm(classes.labels, desc="Projecting", unit="class")):
        over_time = _shown(classes.values[position], samples)
        tasks = sorted(set(samples.table.loc[samples.y == label, "task"]))
        sign = "signed " if METHODS[classes.method].signed else ""
        maps = {
            "saliency": (over_time, classes.unit, f"{sign}saliency over time"),
            "saliencymean": (_shown(classes.over_time()[position], samples), classes.unit,
                             f"{sign}saliency, mean over time"),
            "peaktime": (_shown(classes.peak_time()[position], samples), "s",
                         f"seconds from the {config.samples.zero} to the largest absolute value"),
        }  # fmt: skip
        for stat, (values, unit, what) in maps.items():
            entities = {**class_entities(config, label, atlas, runs[0], tasks), "stat": stat, "desc": method}
            stem = config.output.path / "group" / build_name(entities, "boldmap")
            words = f"fmri_saliency {stat} {classes.method}: {label}"
            card = _sidecar(config, classes, position, unit, what, note, samples)
            written += _write_map(stem, values, atlas, classes, words, card)
    return written


def _write_map(
    stem: Path, values: np.ndarray, atlas: Atlas, classes: Saliency, words: str, card: dict[str, Any]
) -> list[Path]:
    """Write a map as an image, or as CIFTI where the atlas is of grayordinates; return the files."""
    if atlas.grayordinates is not None:
        endings = (".ptseries.nii", ".dtseries.nii") if values.ndim == 2 else (".pscalar.nii", ".dscalar.nii")
        paths = [stem.with_name(stem.name + ending) for ending in endings]
        for path in paths:
            save_grayordinates(values, atlas, path, classes.t_r, classes.start, words)
        write_json(stem.with_name(stem.name + ".json"), card)
        return [*paths, stem.with_name(stem.name + ".json")]
    # a time cannot be summed over maps: a voxel has that of the region it belongs to most
    project = project_labels if "_stat-peaktime" in stem.name else project_regions
    path = stem.with_name(stem.name + ".nii.gz")
    save_map(project(values, atlas, classes.t_r, words, classes.start), path, card)
    return [path, stem.with_name(stem.name + ".json")]


def _sidecar(
    config: Config, classes: Saliency, position: int, unit: str, what: str, note: str, samples: Samples
) -> dict[str, Any]:
    stem = Workspace(config.output.path).saliency(config.decoder.network, "classes")
    return {
        "Description": f"{what}, class '{classes.labels[position]}'",
        "Class": classes.labels[position],
        "Network": config.decoder.network,
        "Method": classes.method,
        "Target": classes.target,
        "Baseline": classes.baseline,
        "SmoothingFWHM": config.saliency.smoothing,
        "Signed": METHODS[classes.method].signed,
        "Units": unit,
        "RepetitionTime": classes.t_r,
        "StartTime": classes.start,
        "TimeZero": config.samples.zero,
        "SamplesAveraged": classes.n_averaged[position],
        "IntegrationSteps": config.saliency.steps if classes.method == "integrated-gradients" else None,
        "Samples": to_plain(config.samples),
        "HeldOut": f"every sample was explained by a decoder tested on it: {SPLIT_WORDS[config.decoder.split]}",
        "Seed": classes.seed,
        "inputs": read_json(stem.with_name("classes.json"))["inputs"],
        "AbsentRegions": list(samples.absent),
        "AbsentRegionsValue": "NaN",
        "OutsideRegionsValue": 0,
        "SpaceNote": note,
        "Sources": ["saliency/" + config.decoder.network + "/classes.npy"],
        "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__},
    }


def region_table(classes: Saliency, atlas: Atlas, absent: Sequence[str] = ()) -> pd.DataFrame:
    """List every region of every class, leading regions first.

    Ranked by the signed mean over time for contributions, by its absolute value for
    sensitivities (whose sign does not speak for or against the class).
    """
    regions = atlas.regions.set_index(atlas.regions["name"].astype(str))
    rows = []
    for position, label in enumerate(classes.labels):
        mean = classes.over_time()[position]
        size = np.abs(classes.values[position]).mean(axis=0)
        strength = mean if classes.unit == "logit" else size
        peak = classes.peak_time()[position]
        for rank, region in enumerate(np.argsort(-strength, kind="stable"), start=1):
            name = classes.names[region]
            about = {key: regions.at[name, key] for key in ("hemisphere", "network", "x", "y", "z") if key in regions}
            values = {"mean": float(mean[region]), "mean_abs": float(size[region]), "peak_s": float(peak[region])}
            values = {key: round(value, 6) for key, value in values.items()}
            rows.append({"class": label, "rank": rank, "region": name, **about, **values, "absent": name in absent})
    return pd.DataFrame(rows)


def network_table(regions: pd.DataFrame) -> pd.DataFrame:
    """Summarise a region table by network and hemisphere, strongest networks first within each class.

    Parameters
    ----------
    regions : DataFrame
        As from :func:`region_table`, with the column `network`; regions that no scan covers, and those without a
        network, are left out.

    Returns
    -------
    DataFrame
        `class`, `network`, `hemisphere` where it is known, `n_regions`, and the means of `mean` and `mean_abs` over
        them; `share` is of the class's total `mean_abs`.
    """
    keys = ["class", "network", *(["hemisphere"] if "hemisphere" in regions else [])]
    covered = regions[~regions["absent"]]
    groups = covered[covered["network"].notna()].groupby(keys, dropna=False)
    table = groups.agg(n_regions=("region", "size"), mean=("mean", "mean"), mean_abs=("mean_abs", "mean")).reset_index()
    total = table["class"].map(covered.groupby("class")["mean_abs"].sum())
    table["share"] = table["mean_abs"] * table["n_regions"] / total
    return table.round(6).sort_values(["class", "share"], ascending=[True, False], ignore_index=True)


@dataclass(frozen=True)
class _Plan:
    """The folds, and what identifies the decoder and the saliency of each, by network."""

    samples: Samples
    folds: list[Fold]
    scores: dict[str, str]
    trained: dict[str, list[str]]
    explained: dict[str, list[str]]


def _plan(config: Config) -> _Plan:
    samples, samples_inputs = load_samples(config)
    folds = make_folds(samples, config.decoder.split, config.decoder.folds, config.decoder.seed)
    trained = {
        network: [fold_inputs(config, network, number, fold, samples_inputs) for number, fold in enumerate(folds, 1)]
        for network in config.decoder.networks
    }
    settings = to_plain(config.saliency)
    explained = {network: [stamp(one, settings) for one in every] for network, every in trained.items()}
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
        if read_json(card).get("inputs") != expected:
            raise StepError(f"{card} is out of date: run `fmri-saliency train CONFIG.toml` again.")
    for network in config.decoder.networks:
        card = require(Workspace(config.output.path).saliency(network, "classes").with_name("classes.json"), "explain")
        if read_json(card)["inputs"] != stamp(plan.explained[network]):
            raise StepError(f"{card} was made with other settings or samples: run `fmri-saliency explain CONFIG.toml` "
                            "again.")
    return stamp(plan.explained)


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
    plan = _plan(config)
    return FoldStamps(plan.scores, plan.trained, plan.explained)


def _check_trained(config: Config, plan: _Plan) -> None:
    for network, every in plan.trained.items():
        for number, expected in enumerate(every, 1):
            card = require(Workspace(config.output.path).fold(network, number) / "model.json", "train")
            if read_json(card)["inputs"] != expected:
                raise StepError(f"{card} was trained with other settings or samples: run `fmri-saliency train "
                                "CONFIG.toml` again.")


def explain(config: Config) -> None:
    """Explain the held-out samples of every network; write class maps of the main one.

    Raises
    ------
    StepError
        If the decoders are missing or out of date.
    """
    space = Workspace(config.output.path)
    plan = _plan(config)
    _check_trained(config, plan)
    jobs = []
    for network, every in plan.explained.items():
        for number, inputs in enumerate(every, 1):
            stem = space.fold_saliency(network, number)
            if not is_done(stem.with_name(stem.name + ".json"), inputs, [stem.with_name(stem.name + ".npy")]):
                jobs.append((config, network, number, plan.folds[number - 1], plan.samples, inputs))
    run_jobs(_explain_fold, jobs, config.output.n_jobs, "Explaining", "fold")
    classes = {
        network: _join_folds(config, network, plan.folds, stamp(every)) for network, every in plan.explained.items()
    }
    main = classes[config.decoder.network]
    written = _write_maps(config, main, plan.samples)
    atlas, _, _ = class_atlas(config)
    stem = space.root / "group" / f"desc-{clean_label(main.method)}"
    regions = region_table(main, atlas, plan.samples.absent)
    tables = {"regions": regions, **({"networks": network_table(regions)} if "network" in regions else {})}
    columns = _columns(config, main)
    for kind, table in tables.items():
        path = stem.with_name(f"{stem.name}_{kind}.tsv")
        write_tsv(path, table)
        write_json(path.with_suffix(".json"), {key: columns[key] for key in table})
        written += [path, path.with_suffix(".json")]
    _remove_others(space.root / "group", written)
    say(f"Maps: {len(main.labels)} classes in {space.root / 'group'}.")


def _columns(config: Config, classes: Saliency) -> dict[str, Any]:
    """Describe the columns of the region table, as BIDS has it."""
    by = "mean" if classes.unit == "logit" else "mean_abs"
    return {
        "class": {"Description": "The class whose logit was explained"},
        "rank": {"Description": f"1 is the region with the largest {by}"},
        "region": {"Description": "Name of the region in the atlas"},
        "hemisphere": {"Description": "Hemisphere, where the atlas knows it"},
        "network": {"Description": "Network that the atlas assigns the region to"},
        "n_regions": {"Description": "Regions of the network that scans cover; means are over them"},
        "share": {"Description": "Share of the sum of mean_abs over all regions of the class"},
        **{axis: {"Description": f"Centroid, {axis}, in the atlas's space", "Units": "mm"} for axis in "xyz"},
        "mean": {"Description": "Signed saliency, mean over time and held-out samples", "Units": classes.unit},
        "mean_abs": {"Description": "Absolute value of the class map, mean over time", "Units": classes.unit},
        "peak_s": {"Description": f"Time of the largest absolute value, from the {config.samples.zero}", "Units": "s"},
        "absent": {"Description": "True where no scan covers the region"},
    }


def _remove_others(folder: Path, keep: Sequence[Path]) -> None:
    """Remove maps of an earlier configuration, so that results of two never mix."""
    for path in folder.iterdir():
        if path not in keep and any(kind in path.name for kind in ("_boldmap", "_regions.", "_networks.")):
            path.unlink()
