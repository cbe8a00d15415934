"""Real scans: one person, one run, events that follow each other every few seconds."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from validating import bids_errors

from fmri_saliency.records import Samples
from fmri_saliency.series import read_samples

CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
t_r = 2.4
[atlas]
name = "Localizer"
labels = "{data}/regions.nii.gz"
table = "{data}/regions.tsv"
[samples]
unit = "event"
length = 7.2
offset = 4.8   # where the response peaks: responses to neighbouring events overlap
[samples.classes]
auditory = ["calculation_auditory", "sentence_auditory", "left_click_auditory", "right_click_auditory"]
visual = ["calculation_visual", "sentence_visual", "left_click_visual", "right_click_visual"]
checkerboard = ["checkerboard_horizontal", "checkerboard_vertical"]
[decoder]
split = "contiguous"
compare = []
[decoder.architecture]
hidden_size = 16
dropout = 0.1
[saliency]
method = "integrated-gradients"
[output]
path = "results"
"""


@pytest.fixture
def config(real_data: Callable[[str], Path], tmp_path: Path) -> Path:
    data = real_data("localizer").as_posix()
    (tmp_path / "runs.tsv").write_text(
        f"subject\ttask\tbold\tevents\n01\tlocalizer\t{data}/bold.nii.gz\t{data}/events.tsv\n"
    )
    path = tmp_path / "localizer.toml"
    path.write_text(CONFIG.format(data=data))
    return path


def scores(config: Path, name: str) -> dict:
    return json.loads((config.parent / "results" / "decoder" / name / "scores.json").read_text())


def test_from_scan_to_report(cli: Callable, config: Path, need: Callable) -> None:
    done = cli("run", config)
    assert done.code == 0, done.err
    out = config.parent / "results"
    samples: Samples = read_samples(out / "samples")
    assert samples.X.shape == (79, 3, 6)  # 80 events; the window of the last leaves the scan
    assert samples.t_r == 2.4
    score = scores(config, "input-cell-lstm")
    assert score["chance"] == pytest.approx(1 / 3)
    assert score["accuracy"] >= 0.5
    assert score["interval"][0] > 1 / 3
    table = pd.read_csv(out / "group" / "desc-integratedgradients_regions.tsv", sep="\t")
    leading = table[table["rank"] == 1].set_index("class")["region"]
    assert leading["auditory"] in ("R auditory", "L auditory")
    first, second = table[table["class"] == "auditory"]["region"].iloc[:2]
    assert {first, second} == {"R auditory", "L auditory"}
    (path,) = (out / "group").glob("task-localizer_contrast-auditory_*stat-saliency_*.nii.gz")
    image = nib.load(path)
    assert image.shape == (79, 95, 46, 3)
    assert image.header.get_zooms() == pytest.approx((2, 2, 3, 2.4))
    labels = np.asarray(nib.load(config.read_text().split('labels = "')[1].split('"')[0]).dataobj)
    assert (image.get_fdata()[labels == 0] == 0).all()
    assert "auditory" in (out / "report.html").read_text()
    (path,) = (out / "sub-01" / "func").glob("*_contrast-auditory_*stat-saliency_*.nii.gz")
    assert nib.load(path).get_fdata() == pytest.approx(image.get_fdata(), abs=1e-6)  # the only person is the group
    assert not list((out / "group").glob("*stat-saliencyt_*"))  # of one person there is no t
    assert not list(out.rglob("*stat-saliencyblock_*"))  # windows after events are averages from their onset already
    assert bids_errors(need("validator"), out) == []


def test_left_clicks_are_seen_in_the_right_motor_hand_area(cli: Callable, config: Path) -> None:
    begin, end = CONFIG.index("auditory ="), CONFIG.index("[decoder]\n")
    classes = """left = ["left_click_auditory", "left_click_visual"]
auditory = ["calculation_auditory", "sentence_auditory"]
visual = ["calculation_visual", "sentence_visual"]
"""
    text = config.read_text().replace(CONFIG[begin:end], classes)
    config.write_text(text.replace("t_r = 2.4\n", 't_r = 2.4\nspace = "MNI152NLin6Asym"\n'))  # as SPM's template
    done = cli("run", config)
    assert done.code == 0, done.err
    score = scores(config, "input-cell-lstm")
    assert score["interval"][0] > score["majority"] > 1 / 3
    out = config.parent / "results"
    table = pd.read_csv(out / "group" / "desc-integratedgradients_regions.tsv", sep="\t")
    regions = {label: own.sort_values("rank")["region"].tolist() for label, own in table.groupby("class")}
    assert regions["left"][0] == "R motor hand"
    assert set(regions["auditory"][:2]) == {"R auditory", "L auditory"}
    assert "occipital" in regions["visual"][0]
    assert (out / "figures" / "class-left_surface.png").is_file()  # in a space that the cortex of fsaverage is in


def test_six_frames_after_the_event_as_in_the_published_figure(cli: Callable, config: Path) -> None:
    """Logistic regression on 6 frames after each event reaches 0.61 in contiguous folds; chance 1/3."""
    text = config.read_text().replace("length = 7.2", "length = 14.4").replace("offset = 4.8", "offset = 0.0")
    config.write_text(text + "[decoder.training]\nmax_epochs = 1\n")
    assert cli("extract", config).code == 0
    assert cli("train", config).code == 0
    assert scores(config, "logistic-regression")["accuracy"] == pytest.approx(0.61, abs=0.04)


def test_the_wrong_repetition_time_of_the_header_is_warned_about(cli: Callable, config: Path) -> None:
    config.write_text(config.read_text().replace("t_r = 2.4\n", ""))
    done = cli("runs", config)
    assert done.code == 0
    assert done.err.startswith("Warning: ")
    assert "events lie outside the scan of 128 frames x 1 s = 128.0 s" in done.err
    assert "the last ends at 296.7 s, long after the scan" in done.err
    assert "set t_r in [scans]" in done.err
