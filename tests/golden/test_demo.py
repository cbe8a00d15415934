"""The demo: its figures, and files whose headers must not change by accident."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from validating import bids_errors

from fmri_saliency.brain import load_atlas

STEM = "task-motor_space-MNI152NLin2009aSym_atlas-Compact_scale-100_stat-{}_desc-inputxgradient_boldmap"


@pytest.fixture(scope="module")
def results(demo: Path) -> Path:
    return demo / "results"


def test_accuracy_on_people_never_seen(results: Path) -> None:
    score = json.loads((results / "decoder" / "input-cell-lstm" / "scores.json").read_text())
    assert score["chance"] == 0.25
    assert score["n_groups"] == 16
    assert score["accuracy"] >= 0.90
    assert score["split"] == "held-out subjects (whole families where known)"


def test_the_maps_recover_what_was_planted(results: Path) -> None:
    evidence = json.loads((results / "evidence" / "evidence.json").read_text())["evidence"]
    regions = [item for item in evidence if item["check"] == "recovery of regions"]
    assert len(regions) == 4
    # one class of four can be told by what it lacks: 0.79, 1, 1 and 1 with the demo's seeds
    assert sorted(item["value"] for item in regions)[1] >= 0.95
    assert np.mean([item["value"] for item in regions]) >= 0.9
    assert all(abs(item["null"] - 0.5) < 0.03 for item in regions)
    cells = [item["value"] for item in evidence if item["check"] == "recovery of regions and times"]
    assert np.mean(cells) >= 0.75


def test_the_plain_lstm_looks_at_the_end_only(results: Path) -> None:
    evidence = json.loads((results / "evidence" / "evidence.json").read_text())["evidence"]
    last = {i["subject"]: i["value"] for i in evidence if "last tenth" in i["check"]}
    assert last["lstm"] > 0.5
    assert last["input-cell-lstm"] < 0.2


@pytest.mark.parametrize("stat", ["saliency", "saliencymean", "peaktime"])
def test_header_of_a_map(results: Path, stat: str) -> None:
    image = nib.load(results / "group" / f"{STEM.format(stat)}.nii.gz")
    header = image.header
    assert image.shape == ((21, 25, 23, 176) if stat == "saliency" else (21, 25, 23))
    assert image.get_data_dtype() == np.float32
    assert header["sizeof_hdr"] == 348
    assert int(header["sform_code"]) == int(header["qform_code"]) == 4
    np.testing.assert_array_equal(image.affine, [[8, 0, 0, -80], [0, 8, 0, -112], [0, 0, 8, -72], [0, 0, 0, 1]])
    np.testing.assert_allclose(image.get_qform(), image.affine)
    assert header.get_xyzt_units() == ("mm", "sec")
    if stat == "saliency":
        assert header.get_zooms() == pytest.approx((8, 8, 8, 0.72))
    assert header["descrip"].item().decode() == f"fmri_saliency {stat} input-x-gradient: motor (n=16)"
    assert int(header["intent_code"]) == 0
    if stat == "peaktime":
        values = image.get_fdata()
        assert values.min() >= 0
        assert values.max() < 176 * 0.72


def test_sidecar_of_a_map(results: Path) -> None:
    sidecar = json.loads((results / "group" / f"{STEM.format('saliency')}.json").read_text())
    assert list(sidecar) == [
        "Description", "Class", "Subjects", "SamplesAveraged", "Network", "Method", "Target", "Baseline",
        "SmoothingFWHM", "Signed", "Units", "RepetitionTime", "StartTime", "TimeZero", "OnsetLocked",
        "IntegrationSteps", "Samples", "HeldOut", "Seed", "inputs", "AbsentRegions", "AbsentRegionsValue",
        "RegionsWithoutVoxels",
        "OutsideRegionsValue", "SpaceNote", "Sources", "MadeFrom", "GeneratedBy",
    ]  # fmt: skip
    assert sidecar["Subjects"] == 16
    assert (sidecar["SamplesAveraged"], sidecar["Signed"], sidecar["SmoothingFWHM"]) == (32, True, 8.0)
    assert sidecar["SpaceNote"] == "Atlas and scans are both in MNI152NLin2009aSym."


def test_series_of_a_run(results: Path) -> None:
    stem = "sub-100101_task-motor_dir-LR_run-1_space-MNI152NLin2009aSym_atlas-Compact_scale-100_stat-mean_timeseries"
    table = pd.read_csv(results / "sub-100101" / "func" / f"{stem}.tsv", sep="\t")
    assert list(table.columns) == list(load_atlas().names)
    assert len(table) == 284
    sidecar = json.loads((results / "sub-100101" / "func" / f"{stem}.json").read_text())
    assert sidecar["RepetitionTime"] == 0.72
    assert sidecar["SamplingFrequency"] == pytest.approx(1 / 0.72)
    assert {"Sources", "Atlas", "Cleaning", "AbsentRegions", "inputs"} <= set(sidecar)


def test_the_data_set_describes_itself(results: Path, need: Callable) -> None:
    card = json.loads((results / "dataset_description.json").read_text())
    assert card["DatasetType"] == "derivative"
    assert card["GeneratedBy"][0]["Name"] == "fmri_saliency"
    assert "group" in (results / ".bidsignore").read_text().splitlines()
    assert bids_errors(need("validator"), results) == []


def test_the_page_stands_alone(results: Path) -> None:
    page = (results / "report.html").read_text()
    assert (results / "report.html").stat().st_size < 15e6
    assert "<link" not in page
    assert "default-src 'none'" in unescape(page)  # the browser refuses whatever is not in the page
    assert set(re.findall(r'src="(.{11})', page)) == {"data:image/"}
    images = re.findall(r'<img [^>]*alt="([^"]+)"', page)
    assert len(images) == 4 * 8 + 8  # of each class five figures, the slider's two layers and the animation
    for words in ("95 % interval", "chance", "recovery of regions", "logistic-regression", "held-out subjects"):
        assert words in page


def test_the_configuration_beside_the_results_is_complete(demo: Path) -> None:
    assert (demo / "demo.toml").is_file()
    text = (demo / "results" / "config.toml").read_text()
    assert all(f"[{section}]" in text for section in ("scans", "atlas", "cleaning", "decoder.training", "saliency"))
