"""Samples through the steps: blocks, rest, marked frames, other repetition times, and what is said of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.steps.judging import read_truth
from fmri_saliency.records import Samples
from fmri_saliency.series import read_samples

BLOCKS = '[samples]\nunit = "block"\nlength = 12.0\ndelay = 4.0\nrest = true\nt_r = 1.44\n'


def with_samples(config: Path, text: str) -> Path:
    config.write_text(config.read_text().replace("[decoder]", text + "[decoder]", 1))
    return config


def marking(card: dict, *frames: int) -> dict:
    return {**card, "Cleaning": {**card["Cleaning"], "marked_frames": frames}}


def test_blocks_and_rest_go_all_the_way(cli: Callable, small_config: Path) -> None:
    seen = cli("runs", with_samples(small_config, BLOCKS))
    assert seen.code == 0
    assert "Classes are uneven: always answering 'rest' would be right in" in seen.err
    assert 'class_weights = "balanced" in [decoder.training]' in seen.err
    done = cli("run", small_config)
    assert done.code == 0, done.err
    out = small_config.parent / "results"
    samples = read_samples(out / "samples")
    assert samples.classes == ("fear", "lh", "neut", "rest", "rf")
    assert (samples.X.shape[1], samples.t_r) == (8, 1.44)  # 12 s are 8.33 frames
    assert samples.start == pytest.approx(4.0, abs=0.3)
    card = json.loads((out / "samples" / "samples.json").read_text())
    assert card["ClassBalance"]["rest"]["samples"] == (samples.y == "rest").sum()
    assert card["ClassBalance"]["lh"]["groups"] == 3
    names = {path.name.split("_space-")[0] for path in (out / "group").glob("*stat-saliency_*.nii.gz")}
    # lh is in the motor runs only, rest in those of both tasks; the first run is an emotion run
    assert {"task-motor_contrast-lh", "task-emotion_contrast-fear", "contrast-rest"} <= names
    sidecar = json.loads(next((out / "group").glob("*contrast-lh_*stat-saliency_*.json")).read_text())
    assert sidecar["TimeZero"] == "onset of the piece of the block"
    assert sidecar["StartTime"] == pytest.approx(samples.start)
    page = (out / "report.html").read_text()
    assert "Time from the onset of the piece of the block (s)" in page
    assert "as many windows as fit into each block, " in page
    assert "of series resampled to 1.44 s" in page


def test_frames_that_a_run_marks_are_counted_and_may_be_left_out(cli: Callable, small_config: Path) -> None:
    assert cli("extract", small_config).code == 0
    out = small_config.parent / "results"
    series = sorted(out.glob("sub-*/func/*_timeseries.json"))
    card = json.loads(series[0].read_text())
    series[0].write_text(json.dumps(marking(card, *range(100))))
    assert cli("train", small_config).code == 0
    table = pd.read_csv(out / "samples" / "samples.tsv", sep="\t")
    assert sorted(table["marked"]) == [0] * 11 + [100]
    assert "12 samples of 176 frames" in cli("runs", small_config).err
    left = cli("train", with_samples(small_config, "[samples]\nmax_marked = 0.5\n"))
    seen = cli("runs", small_config).err
    assert "At most 12 samples of 176 frames" in seen
    assert "Which windows have more than 50% of marked frames is known when the runs are extracted" in seen
    assert (left.code, "100 of its frames are marked" in left.err) == (0, True)
    assert len(read_samples(out / "samples").X) == 11
    series[0].write_text(json.dumps(marking(card, 1, 999)))
    wrong = cli("train", small_config)
    assert (wrong.code, "must list numbers of frames from 0 to 175; 999 came" in wrong.err) == (2, True)


def test_planted_truth_follows_the_samples_to_another_repetition_time(small_config: Path) -> None:
    truth = load_config(small_config).scans.truth
    planted = pd.read_csv(truth / "task-motor_response.tsv", sep="\t").to_numpy() > 0.5
    names = tuple(pd.read_csv(truth / "task-motor_response.tsv", sep="\t", nrows=0).columns)
    table = pd.DataFrame({"label": ["emotion", "motor"]})
    same = Samples(np.zeros((2, 20, len(names)), np.float32), table, 0.72, names)
    np.testing.assert_array_equal(read_truth(truth, same, 7.2)["motor"], planted[10:30])
    slow = replace(same, t_r=1.44)
    np.testing.assert_array_equal(read_truth(truth, slow, 14.4)["motor"], planted[20:60:2])
    # halves go up, as they do where windows are cut: half a frame is 1, and frames 1 and 3 of 1.08 s are 2 and 5
    np.testing.assert_array_equal(read_truth(truth, same, 0.5 * 0.72)["motor"], planted[1:21])
    odd = replace(same, t_r=1.08)
    rows = [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 23, 24, 26, 27, 29]
    np.testing.assert_array_equal(read_truth(truth, odd, 0.0)["motor"], planted[rows])
