"""Simulated BIDS data sets: what was planted is there, and the validator accepts them."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids
from fmri_saliency.simulation import expected_response

WHOLE = BidsSimulation(subjects=("01", "02"), sessions=("pre",), directions=("LR",), runs=("1", "2"), shape=(2, 2, 2),
                       spaces=(("MNI152NLin2009cAsym", "2"), ("MNI152NLin6Asym", ""), ("T1w", "")))  # fmt: skip


@pytest.mark.parametrize("which", ["raw", "derivatives"])
def test_the_validator_accepts_it(tmp_path: Path, which: str, need: Callable[[str], str]) -> None:
    command = need("validator")
    out = simulate_bids(tmp_path / "raw", None, WHOLE)
    folder = out if which == "derivatives" else tmp_path / "raw"
    done = subprocess.run([command, "--json", str(folder)], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0
    (folder / "sub-01" / "ses-pre" / "func" / "sub-01_wrong_bold.nii.gz").write_bytes(b"x")  # and it does look
    assert subprocess.run([command, str(folder)], capture_output=True, check=False).returncode != 0


def test_voxels_answer_to_their_events(tmp_path: Path) -> None:
    settings = BidsSimulation(subjects=("01",), tasks=("look",), shape=(4, 4, 4), n_times=120)
    out = simulate_bids(tmp_path / "raw", tmp_path / "out", settings)
    stem = "sub-01/func/sub-01_task-look"
    values = nib.load(out / f"{stem}_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz").get_fdata()
    events = pd.read_csv(tmp_path / "raw" / f"{stem}_events.tsv", sep="\t")
    for part, kind, other in ((slice(0, 2), "left", "right"), (slice(2, 4), "right", "left")):
        signal = values[part].mean(axis=(0, 1, 2))
        blocks = {k: events.loc[events["trial_type"] == k, ["onset", "duration"]].to_numpy() for k in (kind, other)}
        wanted, unwanted = (np.corrcoef(signal, expected_response(b, 120, 2.0))[0, 1] for b in blocks.values())
        assert wanted > 0.9 > 0.5 > unwanted


def test_confounds_are_as_fmriprep_writes_them(tmp_path: Path) -> None:
    out = simulate_bids(tmp_path / "raw", None, replace(WHOLE, n_times=140))
    path = next(out.rglob("*_desc-confounds_timeseries.tsv"))
    table = pd.read_csv(path, sep="\t")
    assert "n/a" in path.read_text()
    moved = table["trans_y"].diff()
    np.testing.assert_allclose(table["trans_y_derivative1"][1:], moved[1:])
    assert table["framewise_displacement"].idxmax() == 12
    steps = table[[f"trans_{a}" for a in "xyz"]].diff().abs().sum(axis=1) + 50 * table[
        [f"rot_{a}" for a in "xyz"]].diff().abs().sum(axis=1)
    np.testing.assert_allclose(table["framewise_displacement"][1:], steps[1:])
    cosines = table.filter(like="cosine")
    assert cosines.shape[1] == 4  # up to 1/128 Hz in 280 s: periods of 560, 280, 187 and 140 s
    np.testing.assert_allclose(np.triu(cosines.T @ cosines, 1), 0, atol=1e-9)
    card = json.loads(path.with_suffix(".json").read_text())
    assert (card["a_comp_cor_00"]["Mask"], card["w_comp_cor_02"]["Mask"]) == ("combined", "WM")


def test_it_does_not_write_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        simulate_bids(tmp_path / "raw")
    with pytest.raises(InputError, match="n_times of a simulation must be at least 14 frames; 13 came"):
        BidsSimulation(n_times=13)
