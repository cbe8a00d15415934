"""Files of runs that the scans do not have any more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fmri_saliency.disk.bids_names import parse_name, plain_key, plain_label
from fmri_saliency.disk.files import remove
from fmri_saliency.disk.locks import hold
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.folder import Workspace, say
from fmri_saliency.pipeline.study.sidecars import is_of_series
from fmri_saliency.scans import Finding, Selection, read_subjects
from fmri_saliency.scans.selection import ENTITIES

__all__ = ["set_lost_runs_aside"]


def _plain(entities: Mapping[str, str]) -> dict[str, str]:
    """Return the entities that name a run, with labels as they are in names of files."""
    return {key: plain_label(label) for key, label in entities.items() if key in ENTITIES}


def _selection(config: Config) -> Selection:
    """Return which runs the configuration asks for, the excluded ones among them."""
    scans = config.scans
    people = read_subjects(scans.subject_list) if scans.subject_list else scans.subjects
    people = [label.removeprefix("sub-") for label in people]
    return Selection(*(tuple(map(plain_label, labels)) for labels in (scans.tasks, people, scans.directions)))


def _lost_files(root: Path, config: Config, finding: Finding) -> list[Path]:
    """Return the folders of people, and the series of runs, that the scans do not have any more."""
    selection = _selection(config)
    listed = [parse_name(f"{key}_x").entities for key in finding.log["run"].astype(str)]
    known = [_plain(one) for one in (*(run.entities for run in finding.runs), *listed)]
    people, lost = {one.get("sub") for one in known}, []
    for folder in sorted(root.glob("sub-*")):
        person = {"sub": folder.name.removeprefix("sub-")}
        if person["sub"] not in people:
            if Selection(subjects=selection.subjects).takes(person):
                lost.append(folder)
            continue
        for path in sorted(folder.rglob("*_timeseries.*")) + sorted(folder.rglob("*_desc-quality_*")):
            run = _plain(parse_name(path.name).entities)
            series = is_of_series(path.relative_to(root)) and not path.name.startswith(".")
            if series and run not in known and selection.takes(run):
                lost.append(path)
    return list(dict.fromkeys(lost))


def set_lost_runs_aside(config: Config, finding: Finding) -> None:
    """Set aside what the folder holds of people and runs that were removed from the scans, renamed, or excluded.

    A run that is expected and missing, or unusable, keeps its series: its scan may come back. So does a run that the
    configuration only does not choose (`subjects`, `subject_list`, `tasks` and `directions` in [scans]): several calls
    may extract the people of one study.

    Parameters
    ----------
    config : Config
    finding : Finding
        Of just now.
    """
    space = Workspace(config.output.path)
    if not (space.root / "dataset_description.json").is_file():
        return
    with suppress(FileNotFoundError):
        if _lost_files(space.root, config, finding):
            with hold(space.desk, "lost-runs"):  # of two processes the later one sees what the first has done
                moved = space.set_aside(_lost_files(space.root, config, finding))
            if moved:
                say(f"The scans do not have {len(moved)} files or folders any more that {space.root} had results of "
                    f"({', '.join(moved[:3])}{', ...' if len(moved) > 3 else ''}): set aside in {space.earlier}.")
    keys = {plain_key(str(key)) for key in finding.log["run"]}
    selection = _selection(config)
    for note in sorted((space.desk / "failed").glob("*.json")):
        if note.stem not in keys and selection.takes(_plain(parse_name(f"{note.stem}_x").entities)):
            remove(note)
