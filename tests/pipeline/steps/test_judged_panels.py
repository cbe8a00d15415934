"""The checks of a run's own held-out samples: maps that are right, and the same maps turned round."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri_saliency.decoding import Architecture, TaskDecoder
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.steps.judged_panels import EXPLAINED, HELD_OUT, check_held_out, hangs_on_the_map
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.records import Saliency, Samples
from fmri_saliency.saliency import explain_samples

N_TIMES, N_REGIONS = 12, 4


@pytest.fixture(scope="module")
def samples() -> Samples:
    """Eighty samples of ten people; the class is the sign of what the first region does in the middle third."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, N_TIMES, N_REGIONS)).astype(np.float32)
    y = np.tile(["a", "b"], 40)
    X[:, 4:8, 0] += np.where(y == "a", 2.0, -2.0)[:, None]
    people = np.repeat([f"{k:02d}" for k in range(10)], 8)
    table = pd.DataFrame({"label": y, "group": people, "subject": people, "start": 0.0, "onset": 0.0})
    return Samples(X, table, 1.0, tuple("wxyz"))


@pytest.fixture(scope="module")
def held() -> np.ndarray:
    return np.arange(60, 80)


@pytest.fixture(scope="module")
def decoder(samples: Samples) -> TaskDecoder:
    return TaskDecoder("lstm", Architecture(hidden_size=8), seed=0).fit(samples.X[:60], samples.y[:60])


@pytest.fixture
def config(small_config: Path) -> Config:
    return load_config(small_config)


@pytest.fixture
def maps(config: Config, decoder: TaskDecoder, samples: Samples, held: np.ndarray) -> Saliency:
    return explain_samples(decoder, samples.X[held], samples.y[held], 1.0, samples.names, config.saliency)


def truth() -> dict[str, np.ndarray]:
    cells = np.zeros((N_TIMES + 3, N_REGIONS), dtype=bool)  # longer than the window, as planted responses can be
    cells[4:8, 0] = True
    return {"a": cells, "b": cells}


def test_right_maps_stand_and_the_same_turned_round_fall(
    config: Config, samples: Samples, decoder: TaskDecoder, maps: Saliency, held: np.ndarray
) -> None:
    row = check_held_out(config, samples, decoder, maps, held, truth())
    json.dumps(row, allow_nan=False)
    assert (row["set"], row["n_samples"], row["contributes"]) == (HELD_OUT, EXPLAINED, True)
    assert list(row["checks"]) == ["recover", "null", "faithful"]
    assert row["checks"]["recover"]["figures"]["auroc"] > 0.8
    assert row["checks"]["recover"]["beside"]["oracle"]["auroc"] == 1
    found = hangs_on_the_map(row)
    assert found.value > 0.2
    assert found.verdict == "the answer hangs on what the map calls important"
    turned = replace(maps, values=-maps.values)
    wrong = check_held_out(config, samples, decoder, turned, held, truth())
    assert wrong["checks"]["recover"]["figures"]["auroc"] < 0.3
    assert hangs_on_the_map(wrong).value < 0
    assert "no more than replacing anything else" in hangs_on_the_map(wrong).verdict


def test_numbers_are_those_of_the_chosen_samples(
    config: Config, samples: Samples, decoder: TaskDecoder, maps: Saliency, held: np.ndarray
) -> None:
    row = check_held_out(config, samples, decoder, maps, held)
    assert list(row["checks"]) == ["null", "faithful"]  # nothing was planted that is known
    assert "truth_profile" not in row["checks"]["null"]["curves"]
    chosen = np.unique(np.rint(np.linspace(0, 19, EXPLAINED)).astype(int))
    own = np.searchsorted(["a", "b"], samples.y[held[chosen]])
    sure = decoder.predict_proba(samples.X[held[chosen]])[np.arange(EXPLAINED), own]
    for order in ("removal_absolute", "removal_random"):
        assert row["checks"]["faithful"]["curves"][order][0] == pytest.approx(sure.mean(), abs=1e-5)
    mass = np.abs(maps.values[chosen]).sum(axis=2)
    wanted = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(row["checks"]["null"]["curves"]["profile"], wanted, rtol=1e-5)
    correct = decoder.predict(samples.X[held[chosen]]) == samples.y[held[chosen]]
    assert row["gate"]["value"] == correct.mean()


def test_labels_are_those_that_were_explained(
    config: Config, samples: Samples, decoder: TaskDecoder, maps: Saliency, held: np.ndarray
) -> None:
    """Where the decoder's own answer is explained, the curves follow it, whatever the sample's label."""
    predicted = replace(config, saliency=replace(config.saliency, target="predicted"))
    told = replace(maps, labels=tuple("b" if label == "a" else "a" for label in maps.labels))
    row = check_held_out(predicted, samples, decoder, told, held)
    usual = check_held_out(config, samples, decoder, maps, held)
    first = [one["checks"]["faithful"]["curves"]["removal_random"][0] for one in (row, usual)]
    assert sum(first) == pytest.approx(1, abs=1e-5)  # two classes
