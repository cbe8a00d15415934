"""The made S1200 tree is what the release is like, and the reader and the command line find it."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.scans import HcpOptions, Scans, find_hcp, find_runs
from fmri_saliency.scans.hcp.events import HCP_TASKS
from fmri_saliency.series.confounds import read_confounds
from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree

SUBJECTS = ("100307", "100408", "101309", "192237")


def folder(tree: Path, subject: str, name: str) -> Path:
    return tree / subject / "MNINonLinear" / "Results" / f"tfMRI_{name}"


def test_every_run_is_found_with_its_length_and_its_events(s1200: Path) -> None:
    finding = find_runs(Scans("hcp", s1200))
    assert len(finding.runs) == 4 * 7 * 2 - 1
    lost = finding.log[finding.log["status"] != "found"]
    assert list(lost["run"]) == ["sub-192237_task-motor_dir-RL_run-1"]
    for run in finding.runs:
        one = HCP_TASKS[run.task.upper()]
        assert (run.n_times, run.t_r, run.space) == (one.n_times, 0.72, "MNI152NLin6Asym")
        assert {event.trial_type for event in run.events} <= set(one.files)
        assert set(one.conditions) <= {event.trial_type for event in run.events}
    assert finding.notes == (
        "8 of 55 runs: sub-100307_task-emotion_dir-LR_run-1: 1 of 6 events end after the scan of 126.7 s and are "
        "clipped to it ('fear' at 116.4 s by 7.7 s).",
    )


@pytest.mark.parametrize(
    ("events", "kinds", "number"),
    [("conditions", 24, 47 + 10 + 4), ("states", 21, 47), ("states-23", 23, 47 + 4), ("states-24", 24, 47 + 32)],
)
def test_the_states_of_one_person(s1200: Path, events: str, kinds: int, number: int) -> None:
    """Count events a direction: EMOTION 6, LANGUAGE 12, MOTOR 10 (and 10 cues), RELATIONAL 6, SOCIAL 5, WM 8: 47.

    GAMBLING has 4 blocks of 8 trials.
    """
    runs = find_runs(Scans("hcp", s1200, subjects=("100307",), events=events)).runs
    found = [event for run in runs for event in run.events]
    assert len({event.trial_type for event in found}) == kinds
    assert len(found) == 2 * number


def test_scans_look_like_the_release(s1200: Path) -> None:
    here = folder(s1200, "100307", "WM_LR")
    image = nib.load(here / "tfMRI_WM_LR.nii.gz")
    assert image.shape == (3, 3, 3, 405)
    assert image.get_data_dtype() == np.float32
    assert image.header.get_xyzt_units() == ("mm", "sec")
    values, mask = image.get_fdata(), nib.load(here / "brainmask_fs.2.nii.gz").get_fdata() > 0
    assert 0 < mask.sum() < mask.size
    assert (values[~mask] == 0).all()
    assert values[mask].mean() == pytest.approx(10000, rel=0.01)
    run = find_runs(Scans("hcp", s1200, subjects=["100307"], tasks=["WM"], directions=["LR"])).runs[0]
    movement = read_confounds(run, ("all",)).to_numpy()
    assert movement.shape == (405, 12)
    np.testing.assert_allclose(np.diff(movement[:, :6], axis=0), movement[1:, 6:], atol=2e-6)
    assert (movement[0, 6:] == 0).all()


def test_the_full_grid_is_the_hcp_s_own() -> None:
    affine = MadeTree(("1",), shape=(91, 109, 91)).affine
    np.testing.assert_array_equal(affine, [[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
    coarse = MadeTree(("1",), shape=(7, 7, 7)).affine
    ends = nib.affines.apply_affine(coarse, [[-0.5] * 3, [6.5] * 3])
    np.testing.assert_allclose(ends, [[91, -127, -73], [-91, 91, 109]])  # the same field of view


def test_runs_share_their_files_or_not(tmp_path: Path) -> None:
    small = {"tasks": ("EMOTION",), "directions": ("LR",), "shape": (2, 2, 2)}
    shared = make_hcp_tree(tmp_path / "a", MadeTree(("1", "2"), **small))
    own = make_hcp_tree(tmp_path / "b", MadeTree(("1", "2"), **small, share=False))
    for tree, same in ((shared, True), (own, False)):
        one, two = (folder(tree, subject, "EMOTION_LR") / "tfMRI_EMOTION_LR.nii.gz" for subject in "12")
        assert one.samefile(two) is same
        assert np.array_equal(nib.load(one).get_fdata(), nib.load(two).get_fdata()) is same
    assert not (shared / ".templates").exists()
    with pytest.raises(InputError, match="is not empty"):
        make_hcp_tree(shared, MadeTree(("1",)))


@pytest.mark.parametrize("wrong", [{"tasks": ("REST",)}, {"variants": ("clean",)}, {"directions": ("AP",)},
                                   {"shape": (1, 2, 2)}])
def test_one_message_for_each_wrong_tree(wrong: dict) -> None:
    with pytest.raises(InputError, match="came"):
        MadeTree(("1",), **wrong)


def test_families_are_in_the_table(s1200: Path) -> None:
    runs = find_hcp(s1200, options=HcpOptions(families=s1200 / "restricted.csv"))[0]
    # three children of one mother, the third by another father: two Family_IDs, one family
    families = {run.subject: run.group for run in runs}
    assert families == dict.fromkeys(SUBJECTS[:3], "family-50000_80000") | {SUBJECTS[3]: "family-50001_80001"}


def test_the_command_line_lists_the_made_tree(s1200: Path, tmp_path: Path, cli: Callable) -> None:
    (tmp_path / "people.txt").write_text("100307\n192237\nsub-101309  # the last\n")
    config = tmp_path / "c.toml"
    config.write_text(f"""
[scans]
layout = "hcp"
path = "{s1200.as_posix()}"
subject_list = "people.txt"
directions = ["RL"]
exclude = ["task-language", "sub-192237_task-wm"]
events = "states"
[samples]
unit = "event"
length = 10.08
offset = 4.32
[samples.classes]
film = ["mental", "rnd"]
comparison = ["match", "relation"]
[decoder]
folds = 3
compare = []
[output]
path = "out"
""")
    done = cli("runs", config)
    assert done.code == 0, done.err
    rows = [line.split("\t") for line in done.out.splitlines()[1:]]
    assert len(rows) == 3 * 6 - 1
    assert {row[0]: row[1] for row in rows if row[1] != "found"} == {"sub-192237_task-motor_dir-RL_run-1": "missing"}
    assert {row[0].split("_")[0] for row in rows} == {"sub-100307", "sub-101309", "sub-192237"}
    # EMOTION's last block is clipped, and said so: with RL it is one of neut
    (said,) = {row[2] for row in rows if "task-emotion" in row[0]}
    assert "('neut' at 116.4 s by 7.7 s)" in said
    assert "33 samples" in done.err  # of three people, 5 films and 6 blocks of comparisons
    keys = cli("runs", config, "--keys")
    assert len(keys.out.splitlines()) == 3 * 6 - 2
    assert "tfMRI_RELATIONAL_RL.nii.gz" in keys.out
