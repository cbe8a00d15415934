"""Pure noise must score at chance, although the lengths of the runs name the tasks."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import binom

from fmri_saliency.decoding import make_folds
from fmri_saliency.decoding.baseline import predict_linear
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.steps.sampling import _extracted
from fmri_saliency.records import Samples
from fmri_saliency.series import read_samples, read_series
from fmri_saliency.simulation import TASKS

CONFIG = """
[scans]
layout = "hcp"
path = "scans"
space = "MNI152NLin2009aSym"
[decoder]
compare = ["lstm"]
[decoder.architecture]
hidden_size = 8
[decoder.training]
max_epochs = 30
[output]
path = "results"
"""


def at_chance(accuracy: float, n: int, n_classes: int) -> bool:
    """Return whether an accuracy lies in the central 99.9 % of guessing."""
    low, high = binom.interval(0.999, n, 1 / n_classes)
    return bool(low <= round(accuracy * n) <= high)


def test_noise_with_the_true_run_lengths_scores_at_chance(cli: Callable, tmp_path: Path) -> None:
    words = ("--tasks", *TASKS, "--subjects", "6", "--effect", "0", "--seed", "1")
    assert cli("simulate", tmp_path / "scans", *words).code == 0
    path = tmp_path / "noise.toml"
    path.write_text(CONFIG)
    assert cli("extract", path).code == 0
    assert cli("train", path).code == 0
    for name in ("input-cell-lstm", "lstm", "logistic-regression"):
        score = json.loads((tmp_path / "results" / "decoder" / name / "scores.json").read_text())
        assert score["n_samples"] == 84
        assert at_chance(score["accuracy"], 84, 7), (name, score["accuracy"])
        assert score["interval"][0] < 1 / 7

    # the trap is real: the same noise, padded to the longest run instead of cut to the shortest
    runs, stems, *_ = _extracted(load_config(path))
    assert len({run.n_times for run in runs}) == 7
    padded = np.zeros((84, max(run.n_times for run in runs), 100), dtype=np.float32)
    for row, stem in zip(padded, stems, strict=True):
        values = read_series(stem).values
        row[: len(values)] = np.abs(values)
    samples = read_samples(tmp_path / "results" / "samples")
    trap = Samples(padded, samples.table, samples.t_r, samples.names)
    accuracy = np.mean(predict_linear(trap, make_folds(trap, "group", 5)) == trap.y)
    assert not at_chance(accuracy, 84, 7)
    assert accuracy > 0.9
