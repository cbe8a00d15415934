"""Sidecars and folders that are not what a layout expects are named, with what to do, and no other run stops."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.errors import InputError, OrientationWarning, ScanWarning, TimingWarning
from fmri_saliency.records import Run
from fmri_saliency.scans import BidsChoice, Scans, find_fmriprep, find_hcp, find_runs
from fmri_saliency.scans.fmriprep.runs import read_bold_header
from fmri_saliency.scans.selection import Selection
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids
from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree

SPARSE = [0.0, 2.0, 10.0, 12.0, 20.0, 22.0]
LINES = "subject\ttask\tbold\n01\tlook\ta.nii.gz\n02\tlook\tb.nii.gz\n"


@pytest.fixture
def table(tmp_path: Path, write_bold: Callable[..., Path]) -> Scans:
    """Return two runs of 2 s per frame in a table."""
    for name in ("a.nii.gz", "b.nii.gz"):
        write_bold(np.ones((2, 2, 2, 6), np.float32), np.eye(4), name, 2.0)
    (tmp_path / "runs.tsv").write_text(LINES)
    return Scans("table", tmp_path / "runs.tsv")


def log_of(scans: Scans) -> dict[str, tuple[str, str]]:
    return {row["run"]: (row["status"], row["message"]) for row in find_runs(scans).log.to_dict("records")}


@pytest.mark.parametrize("t_r", [None, 2.0])
def test_frames_at_unequal_times(table: Scans, tmp_path: Path, t_r: float | None) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"VolumeTiming": SPARSE}))
    log = log_of(Scans("table", table.path, t_r=t_r))
    assert log["sub-02_task-look"][0] == "found"
    status, words = log["sub-01_task-look"]
    assert status == "unusable"
    assert f"VolumeTiming in {tmp_path / 'a.json'} has steps from 2 to 8 s" in words


@pytest.mark.parametrize(("label", "words"), [("x" * 200, "a name of 212 characters, sub-01_task-xxxxxxxx"),
                                              ("\u65e5\u672c", "cannot be part of a BIDS name")])  # fmt: skip
def test_a_name_that_no_file_can_have_is_a_row(tmp_path: Path, label: str, words: str) -> None:
    """Of derivatives, whose names are no cells of a table."""
    func = tmp_path / "sub-01" / "func"
    func.mkdir(parents=True)
    for task in (label, "go"):
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 6), np.float32), np.eye(4)),
                 func / f"sub-01_task-{task}_space-X_desc-preproc_bold.nii.gz")  # fmt: skip
    with pytest.warns(TimingWarning, match="No sidecar states"):
        log = log_of(Scans("fmriprep", tmp_path))
    assert log["sub-01_task-go"][0] == "found"
    status, said = log[f"sub-01_task-{label}"]
    assert (status, words in said) == ("unusable", True)


def test_names_that_are_odd_or_another_persons_are_rows_and_loops_of_links_a_warning(tmp_path: Path) -> None:
    func, image = tmp_path / "sub-01" / "func", nib.Nifti1Image(np.ones((2, 2, 2, 6), np.float32), np.eye(4))
    func.mkdir(parents=True)
    for name in ("sub-01_task-go", "sub-02_task-go", "sub-01_task-go_run-\u00b2"):
        nib.save(image, func / f"{name}_space-X_desc-preproc_bold.nii.gz")
        (func / f"{name}_space-X_desc-preproc_bold.json").write_text('{"RepetitionTime": 1}')
    (tmp_path / "sub-03").symlink_to("sub-03")
    with pytest.warns(ScanWarning, match=r"sub-03 cannot be read: .* Its runs are left out"):
        log = log_of(Scans("fmriprep", tmp_path))
    assert {run: status for run, (status, _) in log.items()} == {
        "sub-01_task-go": "found", "sub-02_task-go": "unusable", "sub-01_task-go_run-\u00b2": "found"}
    assert "lies in sub-01, and its name says sub-02. Whose is it?" in log["sub-02_task-go"][1]


@pytest.mark.parametrize("times", [[1], "every 2 s", [0, "2"], {"0": 2}, [0, -2, -4], [0, float("nan"), 4]])
def test_times_of_frames_that_are_none(table: Scans, tmp_path: Path, times: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"VolumeTiming": times}))
    status, words = log_of(table)["sub-01_task-look"]
    assert (status, "VolumeTiming in" in words) == ("unusable", True)


def test_frames_at_equal_times_are_a_repetition_time(table: Scans, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"VolumeTiming": [0, 2.01, 3.99, 6, 8, 10]}))
    assert len(find_runs(table).runs) == 2
    (tmp_path / "a.json").write_text(json.dumps({"VolumeTiming": [0, 2.5, 5, 7.5, 10, 12.5]}))
    with pytest.warns(TimingWarning, match=r"is 2 s here \(header: 2 s\); its sidecar says 2.5 s"):
        find_runs(table)


def test_a_list_of_frames_that_is_not_the_scans_is_said(table: Scans, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"VolumeTiming": [0, 2, 4]}))
    with pytest.warns(TimingWarning, match=r"VolumeTiming in .*a\.json lists 3 frames; .*a\.nii\.gz has 6\."):
        find_runs(table)


def test_frames_at_unequal_times_of_derivatives(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    out = simulate_bids(raw, None, BidsSimulation(subjects=("01", "02"), tasks=("look",), shape=(2, 2, 2), n_times=20))
    beside = next((out / "sub-01").rglob("*_desc-preproc_bold.json"))
    kept = beside.read_text()
    beside.write_text(json.dumps({"VolumeTiming": SPARSE}))
    runs, log = find_fmriprep(out)
    assert [run.subject for run in runs] == ["02"]
    assert "VolumeTiming in" in next(row["message"] for row in log if row["status"] == "unusable")
    beside.write_text(kept)
    assert len(find_fmriprep(out)[0]) == 2
    for card in raw.glob("*task-look_bold.json"):
        card.unlink()
    (raw / "task-look_bold.json").write_text(json.dumps({"VolumeTiming": SPARSE}))  # inherited
    assert find_fmriprep(out, choice=BidsChoice(raw=raw))[0] == []
    assert find_fmriprep(out, 2.0, choice=BidsChoice(raw=raw))[0] == []  # whatever the repetition time
    for value in (10**400, True, "2", 0, float("inf"), 1e300):
        beside.write_text(json.dumps({"RepetitionTime": value}))
        (raw / "task-look_bold.json").write_text("{}")
        row = next(row for row in find_fmriprep(out, choice=BidsChoice(raw=raw))[1] if "sub-01" in row["run"])
        assert row["status"] == "unusable"
        assert "RepetitionTime" in row["message"]


@pytest.mark.parametrize("question", ["sidecar_refusal", "sidecar_conflict", "lacks_unit", "says_slice_timing"])
def test_whatever_a_sidecar_raises_stops_no_other_run(
    table: Scans, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    def stumble(run: Run) -> str:
        if run.bold.name == "a.nii.gz":
            raise KeyError("a fault of a library")
        return ""

    monkeypatch.setattr(f"fmri_saliency.scans.find.{question}", stumble)
    found = find_runs(replace(table, t_r_conflict="error"))
    if question.startswith("sidecar"):
        (words,) = found.log.loc[found.log["status"] == "unusable", "message"]
        assert "a.nii.gz cannot be used: KeyError: 'a fault of a library'" in words
    assert len(found.runs) == (1 if question.startswith("sidecar") else 2)


def test_a_task_that_nobody_did_is_a_row(tmp_path: Path) -> None:
    out = simulate_bids(tmp_path / "raw", None, BidsSimulation(subjects=("01", "02"), tasks=("look",)))
    found = find_runs(Scans("fmriprep", out, tasks=("look", "lok")))
    assert len(found.runs) == 2
    assert found.log.iloc[-1]["run"] == "task-lok"
    assert found.log.iloc[-1]["message"] == f"{out.name} has no run of this task. Did you mean 'look'?"


def test_a_unit_that_the_header_does_not_give_is_a_note(table: Scans, tmp_path: Path) -> None:
    assert find_runs(table).notes == ()
    image = nib.load(tmp_path / "a.nii.gz")
    image.header.set_xyzt_units("mm", "unknown")
    for name in ("a.nii.gz", "b.nii.gz"):
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 6), np.float32), np.eye(4), image.header), tmp_path / name)
    (note,) = find_runs(table).notes
    assert note.startswith("The header of a.nii.gz does not give the unit of its repetition time; it is taken as 2 s")
    assert read_bold_header(tmp_path / "a.nii.gz") == (6, 2.0, 2.0)
    (tmp_path / "a.json").write_text('{"RepetitionTime": 2.0}')
    assert find_runs(table).notes == ()


def test_sides_that_are_not_sure_are_said_once_for_all_runs(table: Scans, tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        image = nib.load(tmp_path / name)
        image.header.set_qform(np.diag([-1.0, 1, 1, 1]), 1)
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 6), np.float32), image.affine, image.header), tmp_path / name)
    with pytest.warns(OrientationWarning, match=r"a\.nii\.gz says RAS, its qform LAS.*\(1 more runs have such") as said:
        found = find_runs(table)
    assert (len(said), len(found.runs), len(found.notes)) == (1, 2, 2)


def test_whatever_a_scan_raises_is_its_row(table: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_hcp_tree(tmp_path / "HCP", MadeTree(("1", "2"), ("MOTOR",), shape=(2, 2, 2)))
    out = simulate_bids(tmp_path / "raw", None, BidsSimulation(subjects=("01", "02"), tasks=("look",)))
    for room, scans, bad in (("table", table, "a.nii.gz"), ("hcp", Scans("hcp", made), "/1/"),
                             ("fmriprep", Scans("fmriprep", out), "sub-01")):  # fmt: skip
        def stumble(path: Path, t_r: float | None = None, bad: str = bad) -> tuple[int, float, float]:
            if bad in str(path):
                raise KeyError("a fault of a library")
            return read_bold_header(path, t_r)

        monkeypatch.setattr(f"fmri_saliency.scans.{room}.runs.read_bold_header", stumble)
        found = find_runs(scans)
        rows = found.log[found.log["status"] == "unusable"]["message"]
        assert len(found.runs) == len(found.log) - len(rows) > 0
        assert all("cannot be used: KeyError: 'a fault of a library'" in words for words in rows)
        assert len(rows) == (2 if room == "hcp" else 1)


def move(tree: Path, subject: str, old: str, new: str, scan: str = "") -> Path:
    """Give a folder of the HCP another name, and its scan, too."""
    results = tree / subject / "MNINonLinear" / "Results"
    (results / old).rename(results / new)
    (results / new / f"{old}.nii.gz").rename(results / new / (scan or f"{new}.nii.gz"))
    return results / new


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_hcp_tree(tmp_path / "HCP", MadeTree(("HCA1_V1_MR", "2"), ("MOTOR", "WM"), shape=(2, 2, 2)))


PATTERN = "{subject}/MNINonLinear/Results/"


@pytest.mark.parametrize(
    ("folder", "key", "place"),
    [
        ("tfMRI_CARIT_PA", "task-carit_dir-PA_run-1", "tfMRI_{task}_{direction}/tfMRI_{task}_{direction}.nii.gz"),
        ("tfMRI_MOVIE1_7T_AP", "task-movie1_acq-7T_dir-AP_run-1",
         "tfMRI_{task}_7T_{direction}/tfMRI_{task}_7T_{direction}.nii.gz"),
        ("tfMRI_VISMOTOR", "task-vismotor_run-1", "tfMRI_{task}/tfMRI_{task}.nii.gz"),
    ],
)
def test_folders_of_other_releases_are_rows_that_say_what_to_do(
    tree: Path, tmp_path: Path, folder: str, key: str, place: str
) -> None:
    move(tree, "HCA1_V1_MR", "tfMRI_MOTOR_LR", folder)
    runs, log = find_hcp(tree)
    (row,) = [row for row in log if key in row["run"]]
    assert (row["status"], row["message"].startswith(f"{folder} is not of the S1200 layout")) == ("missing", True)
    assert row["message"].endswith(f"in its column bold: {PATTERN}{place}")
    assert len(runs) == 7
    (tree / "runs.tsv").write_text(f"subject\ttask\tbold\n\t\t{PATTERN}{place}\n")  # and it does what it says
    (found,) = [run for run in find_runs(Scans("table", tree / "runs.tsv")).runs if run.bold.name.startswith(folder)]
    assert (found.subject, found.task) == ("HCA1_V1_MR", folder.split("_")[1])
    assert len(find_hcp(tree, selection=Selection(tasks=("wm",)))[1]) == 4  # not asked for
    rows = find_hcp(tree, selection=Selection(exclude=(f"task-{folder.split('_')[1].lower()}",)))[1]
    assert not [row for row in rows if key in row["run"]]


def test_a_task_that_is_there_in_another_layout_only(tree: Path) -> None:
    for subject in ("HCA1_V1_MR", "2"):
        move(tree, subject, "tfMRI_MOTOR_LR", "tfMRI_CARIT_PA")
    with pytest.raises(InputError, match=r"No usable run of 2 .*tfMRI_CARIT_PA is not of the S1200 layout"):
        find_runs(Scans("hcp", tree, tasks=("CARIT",)))
    with pytest.raises(InputError, match=r"No task 'CARITAS' below .*; there are CARIT, MOTOR, WM. Did you mean"):
        find_runs(Scans("hcp", tree, tasks=("CARITAS",)))


def test_folders_of_statistics_hold_no_scans(tree: Path) -> None:
    results = tree / "2" / "MNINonLinear" / "Results"
    (results / "tfMRI_WM" / "tfMRI_WM_hp200_s4_level2.feat").mkdir(parents=True)
    (results / "rfMRI_REST1_LR").mkdir()
    assert len(find_hcp(tree)[1]) == 8


def test_a_name_that_only_fix_gives(tree: Path) -> None:
    here = tree / "2" / "MNINonLinear" / "Results" / "tfMRI_WM_RL"
    shutil.move(here / "tfMRI_WM_RL.nii.gz", here / "tfMRI_WM_RL_hp2000_clean.nii.gz")
    (row,) = [row for row in find_hcp(tree)[1] if row["status"] != "found"]
    assert row["run"] == "sub-2_task-wm_dir-RL_run-1"
    assert "The folder has tfMRI_WM_RL_hp2000_clean.nii.gz, which is no variant that is known" in row["message"]
    assert row["message"].endswith("tfMRI_{task}_{direction}/tfMRI_{task}_{direction}_hp2000_clean.nii.gz")
