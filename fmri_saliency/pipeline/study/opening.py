"""The beginning of every step: the folder is there, says where the scans are, and holds one configuration only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmri_saliency import __version__
from fmri_saliency.disk.files import digest, read_json, remove
from fmri_saliency.disk.sources import hash_file
from fmri_saliency.errors import InputError, OutsideError, StepError
from fmri_saliency.pipeline.study.config import Config, read_plain, to_plain, write_config
from fmri_saliency.pipeline.study.folder import Workspace, differences, say

__all__ = ["atlas_stamp", "begin", "reopen", "result_settings", "set_folds_aside", "source_links"]

NO_RESULT = {"output", "search", "scans.path", "scans.bids.raw", "scans.families", "scans.truth", "scans.subject_list",
             "scans.subjects", "decoder.threads"}  # fmt: skip
LINEAR = "logistic-regression"
"""The baseline whose scores are always there; it is a network with folds of its own where it is compared."""
WHOLE = ("report.html", "report.json", "quality.html", "figures", "evidence", "group", "fsleyes", "view.sh",
         "search/search.md", "search/scores.tsv", "search/settings.tsv", "search/settings.json")


def source_links(config: Config) -> dict[str, Path]:
    """Return the data sets that results are made from: the scans, and for derivatives the raw ones where known."""
    scans, raw = config.scans.path, config.scans.bids.raw
    return {"scans": scans if scans.is_dir() else scans.parent, **({} if raw is None else {"raw": raw})}


def result_settings(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return of a plain configuration what results depend on: no folders, no people, no number of processes."""
    kept = {}
    for key, value in plain.items():
        name = f"{prefix}{key}"
        if name in NO_RESULT:
            continue
        if isinstance(value, Mapping):
            kept[key] = result_settings(value, f"{name}.")
        else:  # a file that was moved is the same; whether its content is, its step finds out
            kept[key] = Path(value).name if isinstance(value, str) and value.startswith("/") else value
    return kept


def atlas_stamp(config: Config) -> str:
    """Return what identifies the configured atlas wherever its files lie: the settings, and what is in the files."""
    chosen = config.atlas
    content = []
    for path in (chosen.labels, chosen.maps, chosen.table):
        try:
            content.append(None if path is None else hash_file(path))
        except OSError:  # no series are of what cannot be read
            content.append("unreadable")
    return digest(result_settings(to_plain(chosen), "atlas."), content)


def _recorded(space: Workspace) -> dict[str, Any] | None:
    """Return the version and the settings that the folder's results were made with; None where it has none."""
    try:
        plain = read_plain(space.root / "config.toml")
    except (OSError, ValueError, InputError):
        return None
    path = space.root / "dataset_description.json"
    if not path.is_file():
        return None
    try:
        made_by = read_json(path)["GeneratedBy"][0].get("Version")
    except (OSError, InputError, LookupError, AttributeError, TypeError):
        made_by = None  # damaged: of an unknown version
    return {"version": made_by, **result_settings(plain)}


def config_changes(config: Config) -> list[str]:
    """Say which settings differ from those that the output folder was last worked on with."""
    before = _recorded(Workspace(config.output.path))
    now = {"version": __version__, **result_settings(to_plain(config))}
    return [] if before is None else differences(before, now)


def begin(config: Config) -> None:
    """Create the output folder, and set aside what does not belong to this configuration.

    Series, samples, decoders and saliency are each renewed by their step, as far as they depend on what changed. The
    page, its figures, the checks and the maps stand for all of it, so they go when anything has changed; so do networks
    and folds that the configuration does not have. They are kept in ``.earlier``.

    Raises
    ------
    StepError
        If the folder cannot be written to, or holds files that are not this package's.
    """
    space = Workspace(config.output.path)
    space.make()
    try:
        with space.alone("begin"):  # of two processes the later one sees what the first has done
            changes = config_changes(config)
            if changes:  # first of all: what is kept of the settings says until then that they have changed
                others = [space.root / name for name in WHOLE]
                remove(space.drawn)  # it says of maps that they are whole, and they go
                moved = space.set_aside([*others, *_other_networks(config, space)])
                aside = f" Set aside in {space.earlier}: {', '.join(moved)}." if moved else ""
                say(f"The configuration has changed since {space.root} was worked on: {'; '.join(changes)}. What "
                    f"depends on it is made again.{aside}")
            space.describe(source_links(config))
            write_config(config, space.root / "config.toml")
    except OutsideError:
        raise
    except OSError as error:
        raise StepError(f"The output folder {space.root} cannot be written to: {error.strerror or error}. See to its "
                        "rights, make room there, or choose another [output] path; what is done is kept.") from None


def _other_networks(config: Config, space: Workspace) -> list[Path]:
    """Return folders of networks that are not configured, and of folds beyond the configured number.

    The scores of the linear baseline stay: they are there whether or not it is compared.
    """
    found = [path for kind in _kinds(space) for path in sorted(kind.glob("*"))
             if path.name not in (*config.decoder.networks, LINEAR)]  # fmt: skip
    if LINEAR not in config.decoder.networks:
        found += [*sorted((space.root / "decoder" / LINEAR).glob("fold-*")), space.root / "saliency" / LINEAR]
    if config.decoder.split != "leave-one-run-out":  # there as many as there are runs: see set_folds_aside
        found += [path for path in _folds_beyond(space, config.decoder.folds)
                  if path not in found and path.parent not in found]  # fmt: skip
    return found


def _kinds(space: Workspace) -> tuple[Path, Path]:
    """Return the folders that hold a folder for each network."""
    return space.root / "decoder", space.root / "saliency"


def _folds_beyond(space: Workspace, n_folds: int) -> list[Path]:
    """Return what there is of folds with a higher number than the last one."""
    found = (path for kind in _kinds(space) for path in sorted(kind.glob("*/fold-*")))
    numbers = ((path, path.name.removeprefix("fold-").split(".")[0]) for path in found)
    return [path for path, number in numbers if number.isdigit() and int(number) > n_folds]


def set_folds_aside(config: Config, n_folds: int) -> None:
    """Set aside decoders and saliency of folds beyond the last one: there are fewer where runs were removed."""
    space = Workspace(config.output.path)
    if _folds_beyond(space, n_folds):
        with space.alone("begin"):
            space.set_aside(_folds_beyond(space, n_folds))


def reopen(config: Config) -> None:
    """Open the folder (:func:`begin`) for a step that needs what others made.

    Where there is no folder none is created: the step says which other step comes first.
    """
    if (config.output.path / "dataset_description.json").is_file():
        begin(config)
