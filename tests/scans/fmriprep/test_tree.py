"""Which files of a data set are seen, and which apply to a run."""

from pathlib import Path

import pytest

from fmri_saliency.scans.fmriprep.tree import Inheritance, list_functional, run_identity, same_label


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def test_functional_files_of_sessions_and_of_none(tmp_path: Path) -> None:
    touch(tmp_path, "sub-01/func/sub-01_task-a_bold.nii.gz", "sub-02/ses-1/func/sub-02_ses-1_task-a_bold.nii.gz",
          "sub-01/anat/sub-01_T1w.nii.gz", "sub-02/func/.hidden_bold.nii.gz", "sub-03.html", "code/func/x_bold.nii")
    assert [file.name for file in list_functional(tmp_path)] == [
        "sub-01_task-a_bold.nii.gz", "sub-02_ses-1_task-a_bold.nii.gz",
    ]  # fmt: skip
    assert [file.path for file in list_functional(tmp_path, ["02", "77"])] == [
        tmp_path / "sub-02" / "ses-1" / "func" / "sub-02_ses-1_task-a_bold.nii.gz"
    ]


def test_the_nearest_and_most_specific_file_applies(tmp_path: Path) -> None:
    touch(tmp_path, "task-a_events.tsv", "task-a_dir-LR_events.tsv", "task-a_dir-RL_events.tsv", "events.tsv",
          "task-a_events.json", "sub-01/ses-1/sub-01_ses-1_task-a_run-01_events.tsv",
          "sub-01/ses-2/sub-01_ses-2_task-a_events.tsv", "sub-01/sub-01_task-b_events.tsv")  # fmt: skip
    tree = Inheritance(tmp_path)
    run = {"sub": "01", "ses": "1", "task": "a", "dir": "LR", "run": "1"}
    assert tree.applicable(run, "events", ".tsv") == [
        tmp_path / "sub-01" / "ses-1" / "sub-01_ses-1_task-a_run-01_events.tsv", tmp_path / "task-a_dir-LR_events.tsv",
    ]  # fmt: skip
    assert tree.applicable({"sub": "02", "task": "a"}, "events", ".tsv") == [tmp_path / "task-a_events.tsv"]
    assert tree.applicable({"sub": "02", "task": "c"}, "events", ".tsv") == [tmp_path / "events.tsv"]
    assert tree.applicable(run, "bold", ".json") == []


@pytest.mark.parametrize(("one", "other", "same"), [("1", "01", True), ("a1", "a01", False), ("x", "x", True),
                                                    ("1", "2", False), ("", "0", False)])  # fmt: skip
def test_numbers_are_the_same_with_zeros(one: str, other: str, same: bool) -> None:
    assert same_label(one, other) is same


def test_what_tells_runs_apart() -> None:
    base = {"sub": "01", "task": "a", "run": "01"}
    variant = base | {"run": "1", "space": "x", "res": "2", "desc": "preproc", "echo": "2"}
    assert run_identity(base) == run_identity(variant)
    for entity in ("ses", "acq", "rec", "ce", "dir"):
        assert run_identity(base) != run_identity(base | {entity: "1"})
    assert run_identity(base) != run_identity(base | {"sub": "1"})
