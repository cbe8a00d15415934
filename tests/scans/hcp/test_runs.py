"""The HCP layout: real file names, missing runs, events, and the simulated tree."""

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making_cifti import write_series

from fmri_saliency.cli import main
from fmri_saliency.errors import InputError, TimingWarning
from fmri_saliency.scans import HcpOptions, Scans, Selection, find_hcp, find_runs
from fmri_saliency.scans.hcp import runs as hcp
from fmri_saliency.series.confounds import HCP_MOVEMENT, read_confounds
from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree
from fmri_saliency.simulation import TASKS


@pytest.fixture
def tree(small_scans: Path, tmp_path: Path) -> Path:
    shutil.copytree(small_scans / "scans", tmp_path / "scans")
    return tmp_path / "scans"


def folder(tree: Path, subject: str = "100101", task: str = "EMOTION", direction: str = "LR") -> Path:
    return tree / subject / "MNINonLinear" / "Results" / f"tfMRI_{task}_{direction}"


def test_all_runs_with_all_that_belongs_to_them(tree: Path) -> None:
    runs, log = find_hcp(tree)
    assert len(runs) == 3 * 2 * 2
    assert {row["status"] for row in log} == {"found"}
    run = runs[0]
    assert run.entities == {"sub": "100101", "task": "emotion", "dir": "LR", "run": "1"}
    assert (run.n_times, run.t_r, run.space) == (176, 0.72, "MNI152NLin6Asym")
    assert run.mask.name == "brainmask_fs.2.nii.gz"
    assert {event.trial_type for event in run.events} == {"fear", "neut"}  # Sync.txt is not an event file
    assert read_confounds(run, ("all",)).shape == (176, 12)
    assert list(read_confounds(run, ("rot_z", "trans_x_derivative1")).columns) == ["rot_z", "trans_x_derivative1"]
    assert HCP_MOVEMENT[3:6] == ("rot_x", "rot_y", "rot_z")


def test_a_missing_run_is_a_row(tree: Path) -> None:
    shutil.rmtree(folder(tree, task="MOTOR", direction="RL"))
    runs, log = find_hcp(tree)
    assert len(runs) == 11
    (row,) = [row for row in log if row["status"] == "missing"]
    assert row["run"] == "sub-100101_task-motor_dir-RL_run-1"
    assert "no such file" in row["message"]


def test_the_other_mask_name_and_an_empty_event_file(tree: Path) -> None:
    here = folder(tree)
    (here / "brainmask_fs.2.nii.gz").rename(here / "brainmask_fs.2.0.nii.gz")
    (here / "EVs" / "error.txt").write_text("")
    run = find_hcp(tree)[0][0]
    assert run.mask.name == "brainmask_fs.2.0.nii.gz"
    assert "error" not in {event.trial_type for event in run.events}


def test_a_block_that_ends_after_the_scan_is_clipped(tree: Path) -> None:
    (folder(tree) / "EVs" / "fear.txt").write_text("116.4\t18.0\t1\n")  # as in the real EMOTION runs
    run = find_hcp(tree)[0][0]
    fear = [event for event in run.events if event.trial_type == "fear"]
    assert fear[0].duration == pytest.approx(176 * 0.72 - 116.4)


def test_a_wrong_event_file_is_a_row_that_names_the_line(tree: Path) -> None:
    (folder(tree) / "EVs" / "fear.txt").write_text("1 2 1\nsoon 2 1\n")
    log = find_hcp(tree)[1]
    assert log[0]["status"] == "unusable"
    assert "line 2 of" in log[0]["message"]
    assert "'soon 2 1' came" in log[0]["message"]


def test_what_does_not_lie_beside_a_run_is_said(tree: Path) -> None:
    here = folder(tree)
    before = find_hcp(tree)[1][0]["message"]
    shutil.rmtree(here / "EVs")
    assert find_hcp(tree)[1][0]["message"] == ", ".join(filter(None, ("no event files (EVs)", before)))
    for name in ("brainmask_fs.2.nii.gz", "Movement_Regressors.txt"):
        (here / name).unlink(missing_ok=True)
    runs, log = find_hcp(tree)
    assert log[0]["message"] == "no event files (EVs), no brain mask, no movement regressors"
    assert (runs[0].events, runs[0].mask, runs[0].confounds) == ((), None, None)
    assert log[0]["status"] == "found"


def test_a_wrong_repetition_time_is_warned_about(tree: Path) -> None:
    with pytest.warns(TimingWarning, match="5 more runs|11 more runs"):
        find_runs(Scans("hcp", tree, t_r=0.3))


def test_tasks_and_subjects_can_be_chosen(tree: Path) -> None:
    runs, log = find_hcp(tree, selection=Selection(("motor",), ("100101", "999999")))
    assert [run.task for run in runs] == ["motor", "motor"]
    assert [row["status"] for row in log] == ["found", "found", "missing", "missing"]


def test_families_come_from_the_restricted_table(tree: Path, tmp_path: Path) -> None:
    csv = tmp_path / "restricted.csv"
    csv.write_text("Subject,Family_ID,Age\n100101,51488_81149,30\n100301,51488_81149,31\n")
    groups = {run.subject: run.group for run in find_runs(Scans("hcp", tree, families=csv)).runs}
    assert groups == {"100101": "family-51488_81149", "100201": "sub-100201", "100301": "family-51488_81149"}
    csv.write_text("Subject,Mother\n1,2\n")
    with pytest.raises(InputError, match="'Family_ID' is missing"):
        find_hcp(tree, options=HcpOptions(families=csv))


def test_a_folder_that_is_no_hcp_download(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        find_hcp(tmp_path / "none")
    with pytest.raises(InputError, match="No <subject>/MNINonLinear/Results below"):
        find_hcp(tmp_path)


BOTH = MadeTree(("1", "2"), ("EMOTION",), shape=(2, 2, 2), variants=("minimal", "hp0_clean_rclean_tclean"))


def test_one_variant_is_taken_and_never_mixed(tmp_path: Path) -> None:
    tree = make_hcp_tree(tmp_path / "tree", BOTH)
    cleaned = "tfMRI_EMOTION_LR_hp0_clean_rclean_tclean.nii.gz"
    for variant, name in (("minimal", "tfMRI_EMOTION_LR.nii.gz"), ("hp0_clean_rclean_tclean", cleaned)):
        runs = find_runs(Scans("hcp", tree, variant=variant, directions=["LR"])).runs
        assert [run.bold.name for run in runs] == [name] * 2
    (folder(tree, "2") / cleaned).unlink()
    runs, log = find_hcp(tree, options=HcpOptions("hp0_clean_rclean_tclean"))
    assert [run.subject for run in runs] == ["1", "1", "2"]
    (row,) = [row for row in log if row["status"] == "missing"]
    assert row["run"] == "sub-2_task-emotion_dir-LR_run-1"
    assert "The folder has the variant 'minimal': set variant = \"minimal\" in [scans]" in row["message"]
    with pytest.raises(InputError, match=r"variant in .scans. must be one of minimal, hp0_clean_rclean_tclean, Atlas"):
        find_runs(Scans("hcp", tree, variant="clean"))


def test_a_link_to_a_file_that_was_not_fetched(tmp_path: Path) -> None:
    tree = make_hcp_tree(tmp_path / "tree", BOTH)
    bold = folder(tree, "1") / "tfMRI_EMOTION_LR.nii.gz"
    bold.unlink()
    bold.symlink_to(tmp_path / "annex" / "nowhere")
    log = find_hcp(tree)[1]
    assert log[0]["status"] == "missing"
    assert "it is a link to a file that is not here. Fetch it (`datalad get`)" in log[0]["message"]
    assert [row["status"] for row in log[1:]] == ["found"] * 3


def test_runs_are_chosen_by_direction_and_left_out_by_entities(tree: Path) -> None:
    chosen = find_runs(Scans("hcp", tree, directions=["lr"], exclude=["sub-100101_task-motor", "sub-100301"])).runs
    assert [run.key for run in chosen] == [
        f"sub-{subject}_task-{task}_dir-LR_run-1"
        for subject, task in (("100101", "emotion"), ("100201", "emotion"), ("100201", "motor"))
    ]
    with pytest.raises(InputError, match=r"exclude in .scans. names 'sub-100102', which no run in .* is"):
        find_runs(Scans("hcp", tree, exclude=["sub-100102"]))
    with pytest.raises(InputError, match=r"A direction in .scans. must be one of LR, RL; 'AP' came"):
        find_runs(Scans("hcp", tree, directions=["AP"]))
    with pytest.raises(InputError, match=r"No task 'MOTR' below .*Did you mean 'MOTOR'"):
        find_runs(Scans("hcp", tree, tasks=["motr"]))
    shutil.copytree(folder(tree), folder(tree, task="STROOP"))  # somebody's own task, of another length
    log = find_hcp(tree)[1]
    assert sum("task-stroop" in row["run"] for row in log) == 6


def test_unreadable_folders_are_rows(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, listdir = str(folder(tree)), hcp.os.listdir

    def refuse(path: Path) -> list[str]:
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return listdir(path)

    monkeypatch.setattr(hcp.os, "listdir", refuse)
    runs, log = find_hcp(tree)
    assert len(runs) == 11
    assert log[0]["status"] == "unusable"
    assert "Permission denied" in log[0]["message"]


def test_clipped_events_are_said_once(tree: Path) -> None:
    for direction in ("LR", "RL"):
        (folder(tree, direction=direction) / "EVs" / "fear.txt").write_text("116.4\t18.0\t1\n")
    finding = find_runs(Scans("hcp", tree))
    (note,) = finding.notes
    assert note.startswith("2 of 12 runs: sub-100101_task-emotion_dir-LR_run-1: 1 of ")
    assert note.endswith("('fear' at 116.4 s by 7.7 s).")
    assert (finding.log["message"] != "").sum() == 2


def test_people_whose_family_is_not_known_are_said(tree: Path, tmp_path: Path) -> None:
    csv = tmp_path / "restricted.csv"
    csv.write_text("Subject,Family_ID\n100101,A\n100301,\n")
    finding = find_runs(Scans("hcp", tree, families=csv))
    assert {run.group for run in finding.runs} == {"family-A", "sub-100201", "sub-100301"}
    assert finding.notes[-1].startswith("2 of 3 subjects (first: 100201) have no family in restricted.csv")
    csv.write_text("Subject,Family_ID\n555555,A\n")
    with pytest.raises(InputError, match="list none of the subjects below"):
        find_runs(Scans("hcp", tree, families=csv))


def test_simulated_scans_are_what_was_planned(small_scans: Path) -> None:
    """Average over people and voxels: the planted response must stand out where and when it was planted."""
    tree = small_scans / "scans"
    response = pd.read_csv(tree / "truth" / "task-motor_response.tsv", sep="\t")
    assert response.shape == (TASKS["MOTOR"].n_times, 100)
    image = nib.load(folder(tree, task="MOTOR") / "tfMRI_MOTOR_LR.nii.gz")
    assert image.shape[3] == 284
    assert image.header.get_zooms()[3] == pytest.approx(0.72)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 4
    values = np.asarray(image.dataobj)
    assert (values[0, 0, 0] == 0).all()  # exactly 0 outside the mask, as in the HCP's files
    assert values[values > 0].mean() == pytest.approx(10000, rel=0.01)


def test_simulation_can_be_repeated_and_finished_but_not_mixed(small_scans: Path, tmp_path: Path) -> None:
    call = ["simulate", str(tmp_path / "again"), "--subjects", "1", "--tasks", "EMOTION", "MOTOR", "--seed", "5"]
    assert main(call) == 0
    here, there = (folder(root) / "tfMRI_EMOTION_LR.nii.gz" for root in (tmp_path / "again", small_scans / "scans"))
    assert here.read_bytes() == there.read_bytes()
    here.unlink()
    assert main(call) == 0
    assert here.read_bytes() == there.read_bytes()
    assert main([*call[:-1], "6"]) == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    assert main(["simulate", str(tmp_path / "full")]) == 2
    assert main(["simulate", str(tmp_path / "none"), "--subjects", "0"]) == 2
    assert not (tmp_path / "none").exists()


def test_grayordinates_of_a_run(tmp_path: Path) -> None:
    """The dense series beside the volume, in its own space and without the volume's mask."""
    tree = make_hcp_tree(tmp_path / "HCP", replace(BOTH, subjects=("1",), variants=("minimal",)))
    for direction in ("LR", "RL"):
        folder = tree / "1" / "MNINonLinear" / "Results" / f"tfMRI_EMOTION_{direction}"
        write_series(folder / f"{folder.name}_Atlas_MSMAll.dtseries.nii", np.zeros((176, 10)))
    volumes, dense = (find_runs(Scans("hcp", tree, variant=name)).runs for name in ("minimal", "Atlas_MSMAll"))
    assert [run.key for run in dense] == [run.key for run in volumes]
    assert {run.bold.name for run in dense} == {f"tfMRI_EMOTION_{d}_Atlas_MSMAll.dtseries.nii" for d in ("LR", "RL")}
    assert {(run.space, run.mask, run.n_times, run.t_r) for run in dense} == {("fsLR", None, 176, 0.72)}
    assert dense[0].events == volumes[0].events
    assert dense[0].confounds == volumes[0].confounds
    assert volumes[0].space == "MNI152NLin6Asym"
