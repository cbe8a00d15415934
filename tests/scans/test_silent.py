"""What would be wrong without a word: one person under two names, events that did not occur, scans in own spaces."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.scans import Scans, find_runs
from fmri_saliency.scans.events import read_bids_events, read_fsl_events
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids


def write_scan(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 9), np.float32), np.eye(4))
    image.header.set_zooms((1, 1, 1, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def test_a_folder_caught_by_a_pattern_is_the_person_of_that_name(tmp_path: Path) -> None:
    write_scan(tmp_path / "sub-01" / "bold_look.nii.gz")
    write_scan(tmp_path / "more.nii.gz")
    (tmp_path / "runs.tsv").write_text(
        "subject\ttask\tbold\n\t\t{subject}/bold_{task}.nii.gz\nsub-01\tmove\tmore.nii.gz\n"
    )
    runs = find_runs(Scans("table", tmp_path / "runs.tsv")).runs
    assert {(run.subject, run.group) for run in runs} == {("01", "sub-01")}


def test_a_line_of_zeros_is_no_event(tmp_path: Path) -> None:
    (tmp_path / "lf.txt").write_text("0 0 0\n")
    (tmp_path / "rf.txt").write_text("3.5 2 1\n")
    found = read_fsl_events([tmp_path / "lf.txt", tmp_path / "rf.txt"])
    assert [(event.onset, event.trial_type) for event in found] == [(3.5, "rf")]
    (tmp_path / "rf.txt").write_text("3.5 2\n")
    with pytest.raises(InputError, match="Expected 'onset duration amplitude' in line 1"):
        read_fsl_events([tmp_path / "rf.txt"])


def test_a_negative_duration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\n1\t2\ta\n4\t-1\tb\n")
    with pytest.raises(InputError, match=r"duration in line 3 .* is -1 s; it must be at least 0"):
        read_bids_events(tmp_path / "events.tsv")


def test_a_run_that_cannot_be_used_can_be_excluded(tmp_path: Path) -> None:
    write_scan(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii.gz").write_text("no image")
    (tmp_path / "runs.tsv").write_text("subject\ttask\tbold\n01\tx\ta.nii.gz\n02\tx\tb.nii.gz\n")
    log = find_runs(Scans("table", tmp_path / "runs.tsv", exclude=["sub-02_task-x"])).log
    assert log["run"].tolist() == ["sub-01_task-x"]
    with pytest.raises(InputError, match="'sub-03', which no run is"):
        find_runs(Scans("table", tmp_path / "runs.tsv", exclude=["sub-03"]))


def test_spaces_of_single_people_take_one_person(cli: Callable, tmp_path: Path) -> None:
    rows = ["subject\ttask\tbold"]
    for subject in ("01", "02"):
        write_scan(tmp_path / f"{subject}.nii.gz")
        rows.append(f"{subject}\tx\t{subject}.nii.gz")
    (tmp_path / "runs.tsv").write_text("\n".join(rows) + "\n")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)), tmp_path / "labels.nii")
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tall\n")
    (tmp_path / "c.toml").write_text(
        '[scans]\nlayout = "table"\npath = "runs.tsv"\nspace = "T1w"\n[atlas]\nlabels = "labels.nii"\n'
        'table = "labels.tsv"\nspace = "T1w"\n[output]\npath = "out"\n'
    )
    done = cli("extract", tmp_path / "c.toml")
    assert done.code == 2
    assert "The scans of several people are each in a space of their own (T1w)" in done.err


def test_families_of_people_that_fmriprep_preprocessed_are_kept_together(tmp_path: Path) -> None:
    settings = BidsSimulation(("01", "02", "03"), ("look",), shape=(4, 4, 4), n_times=20)
    made = simulate_bids(tmp_path / "raw", None, settings)
    (tmp_path / "kin.csv").write_text("Subject,Family_ID\nsub-01,f1\n02,f1\n03,f2\n")
    runs = find_runs(Scans("fmriprep", made, families=tmp_path / "kin.csv")).runs
    assert {run.subject: run.group for run in runs} == {"01": "family-f1", "02": "family-f1", "03": "family-f2"}


def test_remarks_of_two_kinds_are_two_notes(tmp_path: Path) -> None:
    made = simulate_bids(tmp_path / "raw", None, BidsSimulation(("01", "02"), ("look",), shape=(4, 4, 4), n_times=20))
    for path in made.glob("sub-01/**/*desc-brain_mask.nii.gz"):
        path.unlink()
    for path in made.glob("sub-02/**/*desc-confounds*"):
        path.unlink()
    notes = find_runs(Scans("fmriprep", made)).notes
    assert [note for note in notes if note.startswith("2 of 2 runs: sub-01_task-look: no brain mask")]
    assert not [note for note in notes if "clipped" in note]


@pytest.mark.parametrize("line", ["nan 12 1", "10 nan 1", "10 inf 1", "10 -3 1", "10 12 nan", "1,5 12 1",
                                  "10 12 1 4", "1_0 12 1"])
def test_times_that_are_none_are_refused_in_fsl_files(tmp_path: Path, line: str) -> None:
    (tmp_path / "lf.txt").write_text(f"3.5 2 1\n{line}\n")
    with pytest.raises(InputError, match=rf"in line 2 of .*; '{line}' came\. Times are finite"):
        read_fsl_events([tmp_path / "lf.txt"])


@pytest.mark.parametrize(
    ("line", "words"),
    [("4\tinf\tb", "duration in line 3 .* is inf s; it must be at least 0, or n/a"),
     ("inf\t1\tb", "onset in line 3 .* is not a number"),
     ("4,5\t1\tb", "with decimal points, or n/a; '4,5' came in line 3")],
)  # fmt: skip
def test_times_that_are_none_are_refused_in_tables(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "events.tsv").write_text(f"onset\tduration\ttrial_type\n1\t2\ta\n{line}\n")
    with pytest.raises(InputError, match=words):
        read_bids_events(tmp_path / "events.tsv")
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\n1\tn/a\ta\n")  # nobody knows: guard
    assert read_bids_events(tmp_path / "events.tsv")[0].duration == 0


def test_blanks_around_a_trial_type_make_no_other_class(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text("onset\tduration\ttrial_type\n1\t2\tleft \n4\t1\t left\n7\t1\t \n9\t1\tn/a\n")
    assert [event.trial_type for event in read_bids_events(path)] == ["left", "left"]
    assert [event.trial_type for event in read_bids_events(path, unnamed=True)] == ["left", "left", "", ""]
