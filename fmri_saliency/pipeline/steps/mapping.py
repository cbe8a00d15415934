"""Which maps are written, and for whom: people, runs on demand, and the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.disk.files import read_record, remove, write_json, write_rows, write_tsv
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import ConfigError, nearest
from fmri_saliency.pipeline.steps.extraction import choose_atlas, grid_atlas
from fmri_saliency.pipeline.steps.map_files import (
    MapSetting,
    is_written,
    person_outputs,
    remove_others,
    run_outputs,
    say_origin,
    write_group,
    write_person,
    write_run,
)
from fmri_saliency.pipeline.steps.region_tables import describe_columns, network_table, region_table
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.folder import Workspace, is_done, say, stamp
from fmri_saliency.pipeline.study.runs import known_runs
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.records import Atlas, Run, Saliency, Samples
from fmri_saliency.saliency import (
    Blocks,
    average_blocks,
    average_covered,
    begin_saliency,
    plan_blocks,
    read_saliency,
    rows_of_people,
    write_saliency_card,
)
from fmri_saliency.series import card_path, read_series_card, series_name

__all__ = ["class_atlas", "coverage", "write_maps"]


def class_atlas(config: Config) -> tuple[Atlas, str, list[Run]]:
    """Return the atlas on the grid of the first run that has series, the note on spaces, and the runs, that one first.

    The grid is extended where it has no room for a region that any run covers. A run without series may lie anywhere.
    """
    finding = known_runs(config)
    atlas, note = choose_atlas(config, finding.runs)
    stands = [card_path(config.output.path / series_name(run, atlas)).is_file() for run in finding.runs]
    first, card = stands.index(True) if any(stands) else 0, Workspace(config.output.path).samples / "samples.json"
    runs = [finding.runs[first], *finding.runs[:first], *finding.runs[first + 1 :]]
    absent = read_record(card, {"AbsentRegions": list}, "train CONFIG.toml")["AbsentRegions"] if card.is_file() else ()
    covered = [name for name in atlas.names if name not in set(absent)]
    return replace(grid_atlas(atlas, runs[0], covered), space=runs[0].space or atlas.space), note, runs


def coverage(config: Config, samples: Samples) -> np.ndarray:
    """Return which regions the run of each sample covers, shape (n_samples, n_regions)."""
    covered = np.ones((len(samples.y), len(samples.names)), dtype=bool)
    gaps = samples.table.loc[samples.table["filled"] > 0, "run"]
    if gaps.empty:
        return covered
    finding = known_runs(config)
    atlas, _ = choose_atlas(config, finding.runs)
    runs = {run.key: run for run in finding.runs}
    for key in gaps.unique():
        card = read_series_card(config.output.path / series_name(runs[key], atlas))
        covered[samples.table["run"] == key] = ~np.isin(samples.names, card["AbsentRegions"])
    return covered


def _plan_blocks(config: Config, people: Saliency, samples: Samples, runs: Sequence[Run]) -> dict[str, Blocks]:
    """Say where the blocks of each class lie in all samples; nothing where a sample is a window after an event.

    Raises
    ------
    ConfigError
        If a trial type that blocks shall be of does not occur.
    """
    if config.samples.unit != "run":
        return {}
    known = {event.trial_type for run in runs for event in run.events}
    for kind in config.output.blocks:
        if kind not in known:
            raise ConfigError(f"blocks in [output] names the trial type '{kind}', which no run has. They have: "
                              f"{', '.join(sorted(known)) or 'no events'}.{nearest(kind, known)}")
    events = {run.key: run.events for run in runs}
    labels = np.array(read_saliency(Workspace(config.output.path).saliency(config.decoder.network, "samples")).labels)
    found = {}
    for label in sorted(set(people.labels)):
        given = [events[key] if mine else () for key, mine in zip(samples.table["run"], labels == label, strict=True)]
        plan = plan_blocks(given, samples.table["start"], samples.t_r, samples.X.shape[1], config.output.blocks)
        if plan.n_times:
            found[label] = plan
    return found


def _average_blocks(config: Config, samples: Samples, blocks: dict[str, Blocks], inputs: str) -> Saliency | None:
    """Average each person's blocks of each class and write them, padded with NaN to one length."""
    space, network = Workspace(config.output.path), config.decoder.network
    stem = space.saliency(network, "blocks")
    if not blocks:
        for ending in (".json", ".npy"):
            remove(stem.with_name(stem.name + ending))
        return None
    if is_done(stem.with_name(stem.name + ".json"), inputs, [stem.with_name(stem.name + ".npy")]):
        return read_saliency(stem)
    whole, people = (read_saliency(space.saliency(network, kind)) for kind in ("samples", "people"))
    covered, length = coverage(config, samples), max(one.n_times for one in blocks.values())
    array = begin_saliency(stem)

    def average(label: str, rows: np.ndarray) -> np.ndarray:
        found = np.full((1, length, len(samples.names)), np.nan, np.float32)
        if label in blocks:
            one = blocks[label]
            first = [one.first[row] for row in rows]
            found[0, : one.n_times] = average_blocks(Rows(whole.values, rows), covered[rows], first, one.n_times)
        return found

    everybody = rows_of_people(samples.table.assign(label=whole.labels))
    write_rows(array, (len(everybody), length, len(samples.names)), (average(*one[1:]) for one in everybody))
    found = replace(people, values=np.load(array, mmap_mode="r"), start=0.0)
    lengths = {label: one.n_times for label, one in blocks.items()}
    came = origin(space.root, [f"bids::saliency/{network}/samples.npy"], blocks=list(config.output.blocks))
    write_saliency_card(found, stem, {"network": network, "inputs": inputs, "n_times": lengths, **came})
    return found


def _count_blocks(config: Config, samples: Samples, blocks: dict[str, Blocks]) -> dict[str, dict[str, int]]:
    """Return how many blocks of each class are averaged of each person."""
    whole = read_saliency(Workspace(config.output.path).saliency(config.decoder.network, "samples"))
    counts: dict[str, dict[str, int]] = {label: {} for label in blocks}
    for subject, label, rows in rows_of_people(samples.table.assign(label=whole.labels)):
        if label in blocks:
            counts[label][subject] = sum(len(blocks[label].first[row]) for row in rows)
    return counts


def _person_maps(
    setting: MapSetting, subject: str, rows: Sequence[int], people: Saliency, averages: Saliency | None,
    blocks: dict[str, int],
) -> None:
    """Write all maps of one person, whose classes lie in `rows`."""
    for row in rows:
        label = people.labels[row]
        block = None if averages is None or label not in blocks else averages.values[row, : blocks[label]]
        write_person(setting, subject, label, people.values[row], block, people.n_averaged[row])


def _write_people(
    setting: MapSetting, subjects: Sequence[str], people: Saliency, averages: Saliency | None, blocks: dict[str, int]
) -> list[Path]:
    """Write the maps of everybody that are not up to date; return all files."""
    outputs: list[Path] = []
    jobs = []
    for subject in sorted(set(subjects)):
        rows = [row for row, one in enumerate(subjects) if one == subject]
        files = [path for row in rows for path in person_outputs(setting, subject, people.labels[row])]
        outputs += files
        if not is_written(setting, files):
            jobs.append((setting, subject, rows, people, averages, blocks))
    run_jobs(_person_maps, jobs, setting.config.output.n_jobs, "Mapping people", "person")
    return outputs


def _run_maps(
    setting: MapSetting, run: Run, label: str, rows: np.ndarray, whole: Saliency, covered: np.ndarray
) -> None:
    write_run(setting, run, label, average_covered(Rows(whole.values, rows), covered), len(rows))


def _write_runs(setting: MapSetting, samples: Samples, runs: Sequence[Run]) -> list[Path]:
    """Write a map over time for every run and class that are not up to date; return all files."""
    config = setting.config
    whole = read_saliency(Workspace(config.output.path).saliency(config.decoder.network, "samples"))
    covered, known = coverage(config, samples), {run.key: run for run in runs}
    outputs: list[Path] = []
    jobs = []
    groups = samples.table.assign(label=whole.labels).reset_index(drop=True).groupby(["run", "label"], sort=True)
    for (key, label), rows in groups.indices.items():
        files = run_outputs(setting, known[key], label)
        outputs += files
        if not is_written(setting, files):
            jobs.append((setting, known[key], label, rows, whole, covered[rows]))
    run_jobs(_run_maps, jobs, config.output.n_jobs, "Mapping runs", "run")
    return outputs


def _write_tables(setting: MapSetting) -> list[Path]:
    """Write the tables of all classes together; return the files."""
    config, classes = setting.config, setting.classes
    regions = region_table(classes, setting.atlas, setting.absent)
    tables = {"regions": regions, **({"networks": network_table(regions)} if "network" in regions else {})}
    columns = describe_columns(config, classes)
    written = []
    for kind, table in tables.items():
        path = config.output.path / "group" / f"desc-{clean_label(classes.method)}_{kind}.tsv"
        write_tsv(path, table)
        about = {**say_origin(config, "people"), "Seed": classes.seed, "inputs": setting.inputs}
        write_json(path.with_suffix(".json"), {**{key: columns[key] for key in table}, **about})
        written += [path, path.with_suffix(".json")]
    return written


def _subjects(stem: Path) -> list[str]:
    """Return whose each map of people is."""
    return read_record(stem.with_name("people.json"), {"subjects": list}, "explain CONFIG.toml")["subjects"]


def write_maps(config: Config, classes: Saliency, samples: Samples, inputs: str) -> None:
    """Write the maps of the group, of every person, and, where configured, of every run; remove those of others.

    Parameters
    ----------
    config : Config
    classes : Saliency
        One map per class, of the network whose maps are made.
    samples : Samples
    inputs : str
        What identifies the saliency.
    """
    space, network = Workspace(config.output.path), config.decoder.network
    atlas, note, runs = class_atlas(config)
    stem = space.saliency(network, "people")
    people, subjects = read_saliency(stem), _subjects(stem)
    blocks = _plan_blocks(config, people, samples, runs)
    inputs = stamp(inputs, list(config.output.blocks), note, runs[0].space, atlas.table_fingerprint)
    averages = _average_blocks(config, samples, blocks, inputs)
    tasks = {label: tuple(sorted(set(samples.table.loc[samples.y == label, "task"]))) for label in classes.labels}
    kinds = {label: one.kinds for label, one in blocks.items()}
    lengths = {label: one.n_times for label, one in blocks.items()}
    setting = MapSetting(config, classes, atlas, runs[0], tasks, samples.absent, note, inputs, kinds,
                         _count_blocks(config, samples, blocks))  # fmt: skip
    written = []
    bar = tqdm(classes.labels, desc="Mapping classes", unit="class")
    for label, count in zip(bar, classes.n_averaged, strict=True):
        mine = np.array(people.labels) == label
        block = Rows(averages.values[:, : lengths[label]], mine) if label in lengths else None
        written += write_group(setting, label, Rows(people.values, mine), block, count)
    written += _write_tables(setting)
    written += _write_people(setting, subjects, people, averages, lengths)
    if config.output.per_run:
        written += _write_runs(setting, samples, runs)
    remove_others(space.root, written)
    say(f"Maps: {len(classes.labels)} classes in {space.root / 'group'}, {len(set(subjects))} subjects in "
        f"{space.root / 'sub-*' / 'func'}.")
