"""Files and folders without the right to read them: one row each, and the other runs are found."""

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fmri_saliency.errors import InputError, ScanWarning
from fmri_saliency.scans import Finding, Scans, find_runs
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids
from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree

BOLD = "task-look_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold"


@pytest.fixture
def deny(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Take the right to read a file or a folder away; from the superuser, too, who may read everything."""

    def take(path: Path) -> None:
        def refusing(real: Callable) -> Callable:
            def call(asked: object = ".", *given: object, **named: object) -> object:
                if isinstance(asked, str | Path) and Path(asked).is_relative_to(path):
                    raise PermissionError(errno.EACCES, "Permission denied", str(asked))
                return real(asked, *given, **named)

            return call

        for holder, name in ((builtins, "open"), (io, "open"), (os, "listdir"), (os, "scandir")):
            monkeypatch.setattr(holder, name, refusing(getattr(holder, name)))

    return take


def rows(found: Finding) -> dict[str, tuple[str, str]]:
    return {row["run"]: (row["status"], row["message"]) for row in found.log.to_dict("records")}


@pytest.mark.parametrize("name", ["raw/sub-01/func/sub-01_task-look_events.tsv",
                                  f"raw/derivatives/fmriprep/sub-01/func/sub-01_{BOLD}.json"])  # fmt: skip
def test_one_file_of_derivatives(tmp_path: Path, deny: Callable, name: str) -> None:
    made = simulate_bids(tmp_path / "raw", None, BidsSimulation(subjects=("01", "02"), tasks=("look",)))
    deny(tmp_path / name)
    found = find_runs(Scans("fmriprep", made))
    assert [run.subject for run in found.runs] == ["02"]
    status, words = rows(found)["sub-01_task-look"]
    assert status == "unusable"
    assert words.startswith(f"{tmp_path / name} cannot be read: Permission denied. Ask for the right")


def test_the_folder_of_one_person_of_derivatives(tmp_path: Path, deny: Callable) -> None:
    made = simulate_bids(tmp_path / "raw", None, BidsSimulation(subjects=("01", "02"), tasks=("look",)))
    deny(made / "sub-01")
    with pytest.warns(ScanWarning, match="sub-01 cannot be read: Permission denied.*Its runs are left out"):
        found = find_runs(Scans("fmriprep", made))
    assert [run.subject for run in found.runs] == ["02"]
    assert rows(found)["sub-01_task-look"][0] == "missing"  # the raw data set has it


def test_events_in_a_table(tmp_path: Path, deny: Callable, write_bold: Callable[..., Path]) -> None:
    lines = ["subject\ttask\tbold\tevents"]
    for name in ("a", "b"):
        write_bold(np.ones((2, 2, 2, 20), np.float32), np.eye(4), f"{name}.nii.gz", 0.5)
        (tmp_path / f"{name}.tsv").write_text("onset\tduration\ttrial_type\n0\t3\tx\n5\t3\ty\n")
        lines.append(f"{name}\tlook\t{name}.nii.gz\t{name}.tsv")
    (tmp_path / "runs.tsv").write_text("\n".join(lines) + "\n")
    deny(tmp_path / "b.tsv")
    found = find_runs(Scans("table", tmp_path / "runs.tsv"))
    assert [run.subject for run in found.runs] == ["a"]
    assert rows(found)["sub-b_task-look"] == (
        "unusable",
        f"line 3 of runs.tsv: {tmp_path / 'b.tsv'} cannot be read: Permission denied. Ask for the right to read it, or "
        "check its disk.",
    )


def test_a_subject_or_an_event_file_of_the_hcp(tmp_path: Path, deny: Callable) -> None:
    tree = make_hcp_tree(tmp_path / "HCP", MadeTree(("100307", "100408", "100509"), ("MOTOR",), shape=(2, 2, 2)))
    (tree / "lost+found").mkdir()
    deny(tree / "100408")
    deny(tree / "lost+found")
    deny(tree / "100307/MNINonLinear/Results/tfMRI_MOTOR_LR/EVs/lf.txt")
    found = find_runs(Scans("hcp", tree))
    assert sorted((run.subject, run.direction) for run in found.runs) == [
        ("100307", "RL"), ("100509", "LR"), ("100509", "RL"),
    ]  # fmt: skip
    bad = {key: words for key, (status, words) in rows(found).items() if status == "unusable"}
    assert sorted(bad) == ["sub-100307_task-motor_dir-LR_run-1", "sub-100408_task-motor_dir-LR_run-1",
                           "sub-100408_task-motor_dir-RL_run-1"]  # fmt: skip
    assert all("cannot be read: Permission denied. Ask for the right" in words for words in bad.values())
    deny(tree)
    with pytest.raises((InputError, OSError), match="Permission denied"):
        find_runs(Scans("hcp", tree))
