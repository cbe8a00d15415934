"""Judging: trained and untrained maps that are compared explain the answer for the same labels."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from fmri_saliency.disk.files import read_json
from fmri_saliency.evidence import compare_untrained
from fmri_saliency.records import Evidence, Saliency
from fmri_saliency.saliency import read_saliency
from fmri_saliency.series import read_samples


def test_untrained_networks_explain_the_labels_that_the_trained_one_answered(
    cli: Callable, small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = small_config.read_text().replace("max_epochs = 3", "max_epochs = 1\nlearning_rate = 1e-9")
    small_config.write_text(text.replace("[saliency]", '[saliency]\ntarget = "predicted"'))
    judge, seen = importlib.import_module("fmri_saliency.pipeline.steps.judging"), []
    followed = judge.vanishing_profile

    def compare(trained: Saliency, untrained: Iterable[Saliency], network: str) -> Evidence:
        drawn = list(untrained)
        seen.extend((trained.labels, *(one.labels for one in drawn)))
        return compare_untrained(trained, drawn, network)

    def follow(network: str, module: object, inputs: object, targets: object, fresh: object) -> object:
        seen.append(tuple(targets.tolist()))
        return followed(network, module, inputs, targets, fresh)

    monkeypatch.setattr(judge, "compare_untrained", compare)
    monkeypatch.setattr(judge, "vanishing_profile", follow)
    for step in ("extract", "train", "explain", "judge"):
        assert cli(step, small_config).code == 0
    out = small_config.parent / "results"
    stem = next(path for path in out.rglob("*.json") if "samples" in read_json(path) and "fold-1" in str(path))
    explained = read_saliency(stem.with_suffix(""))
    true = read_samples(out / "samples").y[read_json(stem)["samples"]]
    assert (np.array(explained.labels) != true).any()  # a network that has hardly been trained errs
    assert seen[:-1] == [explained.labels] * 4  # of the trained network and of three that are not
    classes = sorted(set(true))
    assert {classes[number] for number in seen[-1]} <= set(explained.labels)
