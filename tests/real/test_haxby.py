"""Real scans: one person, twelve runs of one slice, eight kinds of objects, every voxel a region."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
[atlas]
name = "Voxels"
labels = "voxels.nii.gz"
table = "voxels.tsv"
[cleaning]
high_pass = 0.0   # each category occurs once a run: a filter would take part of it away
[samples]
unit = "event"
length = 22.5
[decoder]
split = "leave-one-run-out"
compare = []
[saliency]
method = "input-x-gradient"
[output]
path = "results"
"""


def test_from_scan_to_report(cli: Callable, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    data = real_data("haxby")
    numbers = range(1, 13)
    rows = [
        {"subject": "1", "task": "objects", "bold": data / f"run-{k:02d}_bold.nii.gz",
         "events": data / f"run-{k:02d}_events.tsv"}
        for k in numbers
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "runs.tsv", sep="\t", index=False)
    grid = nib.load(data / "run-01_bold.nii.gz")
    labels = np.arange(1, 801, dtype=np.int16).reshape(grid.shape[:3])
    nib.save(nib.Nifti1Image(labels, grid.affine), tmp_path / "voxels.nii.gz")
    names = [f"v{k:03d}" for k in range(1, 801)]
    pd.DataFrame({"index": range(1, 801), "name": names}).to_csv(tmp_path / "voxels.tsv", sep="\t", index=False)
    (tmp_path / "haxby.toml").write_text(CONFIG)

    done = cli("run", tmp_path / "haxby.toml")
    assert done.code == 0, done.err
    out = tmp_path / "results"
    linear, network = (
        json.loads((out / "decoder" / name / "scores.json").read_text())
        for name in ("logistic-regression", "input-cell-lstm")
    )
    assert (linear["n_samples"], linear["n_groups"], linear["chance"]) == (96, 12, 0.125)
    assert linear["accuracy"] == pytest.approx(0.594, abs=0.05)  # the published figure of the same windows
    assert network["accuracy"] >= 0.35
    assert network["interval"][0] > 0.125
    outside = json.loads((out / "samples" / "samples.json").read_text())["AbsentRegions"]
    still = np.asarray(grid.dataobj).std(axis=-1).ravel() == 0
    assert set(outside) <= {name for name, empty in zip(names, still, strict=True) if empty}
    assert len(outside) > 200
    (path,) = (out / "group").glob("*contrast-face_*stat-saliencymean*.nii.gz")
    image = nib.load(path).get_fdata()
    assert np.isnan(image).sum() == len(outside)
