"""Maps as files: their names, what is said beside them, and how they are written, for people and for the group."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fmri_saliency import __version__
from fmri_saliency.attribution import METHODS
from fmri_saliency.brain import save_grayordinates, stream_map
from fmri_saliency.disk.bids_names import build_folder, build_name, clean_label, parse_name
from fmri_saliency.disk.files import remove, write_json, write_tsv
from fmri_saliency.disk.rows import Rows, pieces
from fmri_saliency.evidence import GroupStatistics, group_statistics
from fmri_saliency.pipeline.steps.region_tables import describe_columns, region_time_table
from fmri_saliency.pipeline.steps.sampling import SPLIT_WORDS
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.folder import is_done
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.records import Atlas, Run, Saliency

__all__ = [
    "MapSetting",
    "class_entities",
    "is_written",
    "person_outputs",
    "remove_others",
    "run_outputs",
    "say_origin",
    "write_group",
    "write_person",
    "write_run",
]

OVER_TIME = ("saliency", "saliencyblock", "saliencyrun", "saliencyt", "saliencystderr")
"""Maps with a value per time step; the others have one per region."""
UNSIGNED = ("saliencyabs", "peaktime", "subjects", "saliencystderr", "saliencymeanstderr")
"""Maps whose values have no sign that speaks for or against a class, whatever the method."""
KINDS = ("_boldmap.", "_regions.", "_networks.")
"""How the names of maps and tables go on."""


@dataclass(frozen=True)
class MapSetting:
    """What all maps of a configuration share.

    Attributes
    ----------
    config : Config
    classes : Saliency
        The group's maps, for labels, time and method.
    atlas : Atlas
        On the grid of the scans, in their space.
    run : Run
        The first, which stands for the others.
    tasks : dict of str to tuple of str
        Class to the tasks of its samples.
    absent : tuple of str
        Regions that no run covers.
    note : str
        How the atlas's space fits the scans'.
    inputs : str
        What identifies the maps.
    block_kinds : dict of str to tuple of str
        Class to the trial types that its block averages are locked to.
    block_counts : dict of str to dict of str to int
        Class to person to the number of blocks that were averaged.
    """

    config: Config
    classes: Saliency
    atlas: Atlas
    run: Run
    tasks: dict[str, tuple[str, ...]]
    absent: tuple[str, ...]
    note: str
    inputs: str
    block_kinds: dict[str, tuple[str, ...]]
    block_counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def about_blocks(self, label: str, subject: str = "") -> dict[str, Any]:
        """Return what a sidecar says of the blocks of a person, or of all people, that were averaged."""
        counts = self.block_counts.get(label, {})
        averaged = counts.get(subject, 0) if subject else sum(counts.values())
        return {"BlockTrialTypes": list(self.block_kinds[label]), "BlocksAveraged": averaged}


@dataclass(frozen=True)
class _Map:
    """One map to be written: values per region, over time or not, and what they are."""

    values: np.ndarray
    unit: str
    words: str


def class_entities(
    config: Config, label: str, atlas: Atlas, run: Run, tasks: Sequence[str]
) -> dict[str, str]:
    """Return the BIDS entities of a class's map: the task is the class, or the class is a contrast.

    A contrast whose samples come from several `tasks` (as rest does) has no task. The map has the resolution (`res`)
    that the scan's name says.
    """
    entities = dict(atlas.entities)
    if run.space:
        entities["space"] = run.space
    if "res" in (named := parse_name(run.bold.name).entities):
        entities["res"] = named["res"]
    if config.samples.unit == "run":
        return {"task": label, **entities}
    return {**({"task": tasks[0]} if len(tasks) == 1 else {}), "contrast": label, **entities}


def _stem(setting: MapSetting, label: str, stat: str, subject: str = "") -> Path:
    """Return the path of a map without its ending, of a person or of the group."""
    entities = class_entities(setting.config, label, setting.atlas, setting.run, setting.tasks[label])
    entities |= {"stat": stat, "desc": clean_label(setting.classes.method)}
    if subject:
        entities["sub"] = subject
    folder = build_folder(subject) if subject else Path("group")
    return setting.config.output.path / folder / build_name(entities, "boldmap")


def _endings(setting: MapSetting, stat: str, *, dense: bool) -> tuple[str, ...]:
    """Return how the files of a map end; values over time in every grayordinate are written if `dense`."""
    if setting.atlas.grayordinates is None:
        return (".nii.gz",)
    if stat in OVER_TIME:
        return (".ptseries.nii", ".dtseries.nii") if dense else (".ptseries.nii",)
    return (".pscalar.nii", ".dscalar.nii")


def _card(stem: Path) -> Path:
    return stem.with_name(stem.name + ".json")


def _write(
    setting: MapSetting, stem: Path, label: str, stat: str, one: _Map, about: dict[str, Any], subject: str = ""
) -> None:
    """Write a map as an image, or as CIFTI where the atlas is of grayordinates, and its sidecar last."""
    card, files = _card(stem), _files(setting, stem, stat)
    if is_done(card, setting.inputs, files):
        return
    remove(card)
    classes, atlas = setting.classes, setting.atlas
    start = 0.0 if stat == "saliencyblock" else classes.start
    whose = about.get("Subject") or f"n={about['Subjects']}"
    words = f"fmri_saliency {stat} {classes.method}: {label} ({whose})"
    for path in files:
        if atlas.grayordinates is not None:
            save_grayordinates(one.values, atlas, path, classes.t_r, start, words)
        else:
            # a time or a number of people cannot be summed over maps: a voxel has that of the region it belongs to most
            by_maps = atlas.maps is not None and stat not in ("peaktime", "subjects")
            stream_map(one.values, atlas, path, classes.t_r, words, start, by_maps)
    write_json(card, _sidecar(setting, label, stat, one, start, about, subject))


def _files(setting: MapSetting, stem: Path, stat: str) -> list[Path]:
    endings = _endings(setting, stat, dense=stem.parent.name == "group")
    return [stem.with_name(stem.name + ending) for ending in endings]


def _sidecar(
    setting: MapSetting, label: str, stat: str, one: _Map, start: float, about: dict[str, Any], subject: str
) -> dict[str, Any]:
    """Say what a map is, and how it came about; `subject` is empty for the group."""
    config, classes = setting.config, setting.classes
    network = config.decoder.network
    resolution = " x ".join(f"{size:g}" for size in np.linalg.norm(setting.atlas.affine[:3, :3], axis=0)) + " mm"
    entities = class_entities(config, label, setting.atlas, setting.run, setting.tasks[label])
    locked = config.samples.unit != "run" or stat == "saliencyblock"
    return {
        "Description": f"{one.words}, class '{label}'",
        "Class": label,
        **about,
        "Network": network,
        "Method": classes.method,
        "Target": classes.target,
        "Baseline": classes.baseline,
        "SmoothingFWHM": config.saliency.smoothing,
        "Signed": METHODS[classes.method].signed and stat not in UNSIGNED,
        "Units": one.unit,
        "RepetitionTime": classes.t_r,
        "StartTime": start,
        "TimeZero": "block's onset" if stat == "saliencyblock" else config.samples.zero,
        "OnsetLocked": locked,
        **(setting.about_blocks(label, subject) if stat == "saliencyblock" else {}),
        "IntegrationSteps": config.saliency.steps if classes.method == "integrated-gradients" else None,
        "Samples": to_plain(config.samples),
        "HeldOut": f"every sample was explained by a decoder tested on it: {SPLIT_WORDS[config.decoder.split]}",
        "Seed": classes.seed,
        "inputs": setting.inputs,
        "AbsentRegions": list(np.array(classes.names)[np.isnan(np.atleast_2d(one.values)).all(axis=0)].tolist()),
        "AbsentRegionsValue": "NaN",
        "RegionsWithoutVoxels": _without_voxels(setting.atlas),
        "OutsideRegionsValue": 0,
        **({"Resolution": resolution} if "res" in entities else {}),
        "SpaceNote": setting.note,
        **say_origin(setting.config, *_sources(stat)),
    }


def _without_voxels(atlas: Atlas) -> list[str]:
    """Return the regions that have no voxel on the maps' grid: too small for it."""
    if atlas.grayordinates is not None or atlas.maps is not None:
        return []
    return [name for name, there in zip(atlas.names, np.isin(atlas.regions["index"], atlas.labels), strict=True)
            if not there]  # fmt: skip


def say_origin(config: Config, *names: str) -> dict[str, Any]:
    """Return what a sidecar says of the saliency that its file was made from, and of who made it."""
    return {
        **origin(config.output.path, [f"bids::saliency/{config.decoder.network}/{name}.npy" for name in names]),
        "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__},
    }


def _sources(stat: str) -> tuple[str, ...]:
    return {"saliencyblock": ("blocks",), "saliencyrun": ("samples",)}.get(stat, ("people",))


def _peaks(values: np.ndarray, start: float, t_r: float) -> np.ndarray:
    """Return the seconds of each region's largest absolute value, (n_regions,); NaN where it has none."""
    absent = np.isnan(values).all(axis=0)
    return np.where(absent, np.nan, start + np.abs(np.nan_to_num(values)).argmax(axis=0) * t_r)


def _maps_of(setting: MapSetting, values: np.ndarray, block: np.ndarray | None) -> dict[str, _Map]:
    """Return the maps that follow from values over time, (n_times, n_regions), and from their block average."""
    classes = setting.classes
    unit, sign = classes.unit, "signed " if METHODS[classes.method].signed else ""
    zero = setting.config.samples.zero
    events = "" if setting.config.samples.unit == "run" else ", averaged over windows locked to events"
    found = {
        "saliency": _Map(values, unit, f"{sign}saliency over time{events}"),
        "saliencymean": _Map(values.mean(axis=0), unit, f"{sign}saliency, mean over time"),
        "saliencyabs": _Map(np.abs(values).mean(axis=0), unit, "unsigned: absolute saliency, mean over time"),
        "peaktime": _Map(_peaks(values, classes.start, classes.t_r), "s",
                         f"seconds from the {zero} to the largest absolute value; every region has such a time, also "
                         "one whose saliency is noise throughout: read it beside saliencyabs"),
    }  # fmt: skip
    if block is not None:
        found["saliencyblock"] = _Map(block, unit, f"{sign}saliency from the onset of blocks on, averaged over them")
    return found


def _statistics(over_time: GroupStatistics, mean: GroupStatistics, unit: str) -> dict[str, _Map]:
    """Return the maps of how sure a group's mean is; nothing where no region has two people."""
    found = {"subjects": _Map(mean.n.astype(np.float32), "1", "number of subjects with a value")}
    if (mean.n > 1).any():
        found |= {
            "saliencystderr": _Map(over_time.standard_error, unit, "standard error between subjects over time"),
            "saliencyt": _Map(over_time.t, "1", "t between subjects over time, mean by standard error"),
            "saliencymeanstderr": _Map(mean.standard_error, unit, "standard error between subjects of the mean over "
                                                                  "time"),
            "saliencymeant": _Map(mean.t, "1", "t between subjects of the mean over time"),
        }
    return found


def _table(setting: MapSetting, label: str, subject: str = "") -> list[Path]:
    """Return the table of a class's regions, and its sidecar."""
    stem = _stem(setting, label, "saliency", subject)
    path = stem.with_name(stem.name.removesuffix("boldmap") + "regions.tsv")
    return [path, path.with_suffix(".json")]


def _write_table(setting: MapSetting, label: str, values: np.ndarray, subject: str = "") -> None:
    """Write a class's regions with their values over time, ranked."""
    path, card = _table(setting, label, subject)
    if is_done(card, setting.inputs, [path]):
        return
    remove(card)
    one = replace(setting.classes, values=values[None], labels=(label,), n_averaged=(1,))
    table = region_time_table(one, setting.atlas)
    write_tsv(path, table)
    columns = describe_columns(setting.config, one)
    came = say_origin(setting.config, "people")
    about = {"Seed": setting.classes.seed, "inputs": setting.inputs}
    write_json(card, {**{key: columns[key] for key in table}, **came, **about})


def _outputs(setting: MapSetting, label: str, stats: Iterable[str], subject: str = "") -> list[Path]:
    """Return the files of a class: maps, their sidecars, and the table."""
    stems = {stat: _stem(setting, label, stat, subject) for stat in stats}
    files = [path for stat, stem in stems.items() for path in (*_files(setting, stem, stat), _card(stem))]
    return [*files, *_table(setting, label, subject)]


def person_outputs(setting: MapSetting, subject: str, label: str) -> list[Path]:
    """Return the files of a person and class."""
    block = ("saliencyblock",) if label in setting.block_kinds else ()
    return _outputs(setting, label, ("saliency", "saliencymean", "saliencyabs", "peaktime", *block), subject)


def is_written(setting: MapSetting, files: Sequence[Path]) -> bool:
    """Return whether all files are there, and their sidecars say that they are up to date."""
    return all(is_done(path, setting.inputs) if path.suffix == ".json" else path.is_file() for path in files)


def write_person(
    setting: MapSetting, subject: str, label: str, values: np.ndarray, block: np.ndarray | None, n_samples: int
) -> None:
    """Write one person's maps of a class, and the table of regions; what is up to date is left as it is.

    Parameters
    ----------
    setting : MapSetting
    subject, label : str
    values : ndarray, shape (n_times, n_regions)
        NaN in regions that no scan of the person covers.
    block : ndarray, shape (n_block, n_regions), or None
        From the onset of blocks on, for classes that have some.
    n_samples : int
        How many samples were averaged.
    """
    values = np.array(values, dtype=np.float32)
    about = {"Subject": f"sub-{clean_label(subject)}", "SamplesAveraged": n_samples}
    for stat, one in _maps_of(setting, values, block).items():
        _write(setting, _stem(setting, label, stat, subject), label, stat, one, about, subject)
    _write_table(setting, label, values, subject)


def _run_stem(setting: MapSetting, run: Run, label: str) -> Path:
    stem = _stem(setting, label, "saliencyrun", run.subject)
    folder = setting.config.output.path / build_folder(run.subject, run.session)
    return folder / build_name(parse_name(stem.name).entities | run.entities, "boldmap")


def run_outputs(setting: MapSetting, run: Run, label: str) -> list[Path]:
    """Return the files of a run and class."""
    stem = _run_stem(setting, run, label)
    return [*_files(setting, stem, "saliencyrun"), _card(stem)]


def write_run(setting: MapSetting, run: Run, label: str, values: np.ndarray, n_samples: int) -> None:
    """Write one run's map of a class over time, (n_times, n_regions)."""
    one = _maps_of(setting, np.asarray(values), None)["saliency"]
    about = {"Subject": f"sub-{clean_label(run.subject)}", "Run": run.key, "SamplesAveraged": n_samples}
    _write(setting, _run_stem(setting, run, label), label, "saliencyrun", one, about)


def write_group(
    setting: MapSetting, label: str, people: Rows, blocks: Rows | None, n_samples: int
) -> list[Path]:
    """Write the group's maps of a class, in which every person weighs the same, and the table of regions.

    Parameters
    ----------
    setting : MapSetting
    label : str
    people : Rows, shape (n_people, n_times, n_regions)
        NaN where a person has no value.
    blocks : Rows, shape (n_people, n_block, n_regions), or None
    n_samples : int
        Of all people.

    Returns
    -------
    list of Path
        All files of the class.
    """
    over_time = group_statistics(people)
    mean = group_statistics(np.concatenate([people[piece].mean(axis=1) for piece in pieces(people)]))
    block = None if blocks is None else group_statistics(blocks).mean
    maps = _maps_of(setting, over_time.mean, block) | _statistics(over_time, mean, setting.classes.unit)
    about = {"Subjects": len(people), "SamplesAveraged": n_samples}
    for stat, one in maps.items():
        _write(setting, _stem(setting, label, stat), label, stat, one, about)
    _write_table(setting, label, over_time.mean)
    return _outputs(setting, label, maps)


def remove_others(root: Path, keep: Iterable[Path]) -> None:
    """Remove maps and tables of an earlier configuration, so that results of two never mix."""
    kept = set(keep)
    folders = [root / "group", *root.glob("sub-*/func"), *root.glob("sub-*/ses-*/func")]
    for path in itertools.chain.from_iterable(folder.iterdir() for folder in folders if folder.is_dir()):
        stale = any(kind in path.name for kind in KINDS) and "_desc-quality_" not in path.name
        if stale and path not in kept:
            remove(path)
