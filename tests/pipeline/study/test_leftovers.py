"""What is left in an output folder of people and runs that the scans do not have any more."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fmri_saliency.pipeline import Config, load_config
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.leftovers import set_lost_runs_aside
from fmri_saliency.pipeline.study.opening import begin
from fmri_saliency.records import Run
from fmri_saliency.scans import Finding

SERIES = "space-MNI152NLin6Asym_atlas-A_stat-mean_timeseries.tsv"
NOTES = {"sub-03_task-linkeHande": "sub-03_task-linkeHnde"}  # named after the label as it is written, without its ä
KEYS = ("sub-1_task-WM", "sub-1_task-MOTOR", "sub-2_task-WM", "sub-03_task-linkeHande")


@pytest.fixture
def config(small_config: Path) -> Config:
    """Return the configuration of a folder with a series of each of four runs, and a map of each person."""
    config = load_config(small_config)
    begin(config)
    for key in KEYS:
        folder = config.output.path / key.split("_")[0] / "func"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}_{SERIES}").write_text("r1\n1\n")
        (folder / f"{key}_stat-saliency_boldmap.nii.gz").write_bytes(b"")
        note = config.output.path / ".workflow" / "failed" / f"{NOTES.get(key, key)}.json"
        note.parent.mkdir(exist_ok=True)
        note.write_text("{}")
    return config


def finding(*runs: tuple[str, str], missing: tuple[str, ...] = ()) -> Finding:
    found = tuple(Run(subject, task, Path("x.nii.gz"), 1.0, 10) for subject, task in runs)
    log = pd.DataFrame({"run": [*(run.key for run in found), *missing]})
    return Finding(found, log, ())


def series(root: Path) -> list[str]:
    return sorted(path.name.removesuffix(f"_{SERIES}") for path in root.glob(f"sub-*/func/*{SERIES}"))


def notes(config: Config) -> list[str]:
    return sorted(path.stem for path in (config.output.path / ".workflow" / "failed").iterdir())


def test_a_removed_person_and_a_removed_run_are_set_aside(config: Config) -> None:
    set_lost_runs_aside(config, finding(("1", "WM"), ("03", "linke Hände")))
    root = config.output.path
    assert series(root) == ["sub-03_task-linkeHande", "sub-1_task-WM"]
    assert notes(config) == ["sub-03_task-linkeHnde", "sub-1_task-WM"]
    assert series(root / ".earlier") == ["sub-1_task-MOTOR", "sub-2_task-WM"]
    assert not (root / "sub-2").exists()
    assert (root / ".earlier/sub-2/func/sub-2_task-WM_stat-saliency_boldmap.nii.gz").is_file()
    assert (root / "sub-1/func/sub-1_task-MOTOR_stat-saliency_boldmap.nii.gz").is_file()  # of the step that makes maps


def test_a_run_that_is_missing_keeps_its_series(config: Config) -> None:
    set_lost_runs_aside(config, finding(("1", "WM"), ("1", "MOTOR"), ("2", "WM"), missing=("sub-03_task-linke Hände",)))
    assert series(config.output.path) == sorted(KEYS)
    assert len(notes(config)) == 4
    assert not Workspace(config.output.path).earlier.exists()


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({"subjects": ("sub-1", "7")}, ["sub-03_task-linkeHande", "sub-1_task-WM", "sub-2_task-WM"]),
        ({"tasks": ("wm",)}, ["sub-1_task-MOTOR", "sub-1_task-WM"]),
        ({"exclude": ("sub-2",)}, ["sub-1_task-WM"]),
    ],
)
def test_who_is_not_chosen_is_not_lost(config: Config, chosen: dict, kept: list[str]) -> None:
    config = replace(config, scans=replace(config.scans, **chosen))
    set_lost_runs_aside(config, finding(("1", "WM")))
    assert series(config.output.path) == kept


def test_a_list_of_subjects_chooses(config: Config, tmp_path: Path) -> None:
    (tmp_path / "people.txt").write_text("1\n")
    config = replace(config, scans=replace(config.scans, subject_list=tmp_path / "people.txt"))
    set_lost_runs_aside(config, finding(("1", "WM")))
    assert series(config.output.path) == ["sub-03_task-linkeHande", "sub-1_task-WM", "sub-2_task-WM"]
