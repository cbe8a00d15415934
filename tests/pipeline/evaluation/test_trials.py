"""The pieces of a trial, with spies in place of networks: which samples, labels and weights each check works on."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.evidence import Retrained
from fmri_saliency.pipeline.evaluation import trials
from fmri_saliency.pipeline.evaluation.protocol import LARGEST_SEED
from fmri_saliency.pipeline.steps import map_checks
from fmri_saliency.pipeline.steps.map_checks import Drawn, Faithful, Null, Trial, fresh_seed, learnt
from fmri_saliency.saliency import Pair

TRAIN, FIT, EXPLAINED, N = 12, 18, 22, 30


class Spy:
    """A decoder that keeps what it is given."""

    made: ClassVar[list["Spy"]] = []

    def __init__(self, network: str, architecture: Any, training: Any, seed: int, device: str) -> None:
        self.network, self.training, self.seed, self.device = network, training, seed, device
        self.weights, self.history_ = "trained", [1, 2, 3]
        self.classes_, self.renewed = np.arange(2), []
        Spy.made.append(self)

    def fit(self, X: np.ndarray, y: np.ndarray, validation: np.ndarray | None = None) -> "Spy":
        self.X, self.y, self.validation = X, y, validation
        return self

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        self.scored = X, y
        return 0.5

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.full((len(X), 2), 0.5)

    def logits(self, X: np.ndarray) -> np.ndarray:
        return np.stack([X[:, 1, 0], X[:, 2, 1]], axis=1)

    def untrained(self, seed: int) -> SimpleNamespace:
        self.renewed.append(seed)
        return SimpleNamespace(weights=seed, module_=None)


@pytest.fixture
def drawn() -> Drawn:
    """Every cell is a number of its own, so that it is known wherever it goes."""
    X = np.arange(N * 5 * 4, dtype=float).reshape(N, 5, 4)
    truth = np.zeros(X.shape, dtype=bool)
    truth[:, 1:3, :2] = True
    return Drawn(X, np.arange(N) % 2, truth, np.arange(N), slice(TRAIN), slice(FIT), slice(FIT, None),
                 slice(FIT, EXPLAINED))  # fmt: skip


@pytest.fixture
def trial(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """A trained network's maps are the truth, an untrained one's its opposite."""

    def explain(decoder: Any, pair: Pair, X: np.ndarray, y: np.ndarray, references: np.ndarray, seed: int) -> Any:
        found = drawn.truth[drawn.explained][: len(X)]
        return 1.0 * (found if decoder.weights == "trained" else ~found)

    monkeypatch.setattr(trials, "TaskDecoder", Spy)
    monkeypatch.setattr(map_checks, "TaskDecoder", Spy)
    monkeypatch.setattr(map_checks, "explain_pair", explain)
    Spy.made.clear()
    pair = Pair("p", "lstm", "gradient")
    decoder = trials.train(pair, drawn, 7, "cpu")
    yield Trial(pair, 7, drawn, decoder, map_checks.explain_drawn(pair, decoder, drawn, 7))
    Spy.made.clear()


def test_training_stops_on_samples_that_it_does_not_train_on(trial: Trial, drawn: Drawn) -> None:
    decoder = trial.decoder
    np.testing.assert_array_equal(decoder.X, drawn.X[:FIT])
    np.testing.assert_array_equal(decoder.validation, np.arange(FIT) >= TRAIN)
    np.testing.assert_array_equal(decoder.y, drawn.y[:FIT])
    assert (decoder.seed, decoder.network) == (7, "lstm")


def test_training_again_is_scored_on_samples_that_were_not_explained(trial: Trial, drawn: Drawn) -> None:
    map_checks.check_faithfulness(trial, Faithful(window=2, shares=(0.5,), draws=1, random=1))
    again = [one for one in Spy.made if one is not trial.decoder]
    assert {one.network for one in again} == {"logistic-regression"}
    for one in again:
        assert (one.scored[0].shape, one.scored[1].tolist()) == ((N - EXPLAINED, 5, 4), drawn.y[EXPLAINED:].tolist())
        untouched = one.scored[0] == drawn.X[EXPLAINED:]
        np.testing.assert_array_equal(untouched, np.broadcast_to(untouched[0], untouched.shape))
        np.testing.assert_array_equal(one.validation, np.arange(FIT) >= TRAIN)
        assert len(one.X) == FIT
    np.testing.assert_array_equal(again[-1].scored[0], drawn.X[EXPLAINED:])  # with all cells


def test_training_again_goes_without_other_samples_where_all_are_explained(
    trial: Trial, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []

    def retrain(*given: Any) -> Retrained:
        seen.append(given)
        return Retrained(1.0, *(np.zeros(1) for _ in range(5)))

    monkeypatch.setattr(map_checks, "retrain", retrain)
    every = replace(drawn, explained=slice(FIT, N))
    maps = np.where(np.arange(4) == 2, -3.0, 1.0) * np.ones((N - FIT, 5, 4))
    map_checks._retrain(replace(trial, drawn=every, maps=maps), "logistic-regression", Faithful())
    ((_, train, test, importance, *_),) = seen
    np.testing.assert_array_equal(train[0], drawn.X[:FIT])
    np.testing.assert_array_equal(test[0], drawn.X[FIT:])
    np.testing.assert_array_equal(importance[0], [1, 1, 3, 1])


def test_shuffled_labels_are_shuffled_and_nothing_else(trial: Trial, drawn: Drawn) -> None:
    found = map_checks._shuffled(trial, "labels")
    np.testing.assert_array_equal(found.X, drawn.X[:FIT])
    assert sorted(found.y) == sorted(drawn.y[:FIT])
    assert (found.y != drawn.y[:FIT]).any()
    assert found.validation is None
    assert found.training.max_epochs == 3  # as many as the pair's own


def test_shuffled_steps_are_shuffled_in_each_sample_and_nothing_else(trial: Trial, drawn: Drawn) -> None:
    found = map_checks._shuffled(trial, "times")
    np.testing.assert_array_equal(found.y, drawn.y[:FIT])
    np.testing.assert_array_equal(np.sort(found.X, axis=1), drawn.X[:FIT])  # each region rises over time
    order = (found.X - drawn.X[:FIT, :1])[:, :, 0]
    assert len(np.unique(order, axis=0)) > FIT / 2  # another order for each
    np.testing.assert_array_equal(found.X - found.X[:, :, :1], np.broadcast_to(np.arange(4.0), found.X.shape))


def test_the_untrained_row_is_of_new_weights(trial: Trial) -> None:
    found = map_checks.check_recovery(trial)
    assert trial.decoder.renewed == [fresh_seed(7, 0)]
    assert found["figures"]["auroc"] == 1
    assert found["beside"]["untrained network"]["auroc"] == 0
    assert found["beside"]["oracle"]["auroc"] == 1
    kinds = [f"{part}{score}" for part in ("", "time_", "region_") for score in ("auroc", "auprc")]
    assert [found["figures"][f"class_{kind}"] for kind in kinds] == [1] * 6
    assert [found["figures"][kind] for kind in kinds] == [1] * 6


def test_the_null_has_new_weights_in_every_draw(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_checks, "renew_from_output", lambda decoder, seed: [("linear", decoder.untrained(seed))])
    found = map_checks.check_null(trial, Null(draws=3, samples=2, retrain=False))
    seeds = [fresh_seed(7, draw) for draw in (1, 2, 3)]
    assert trial.decoder.renewed == [*seeds, seeds[0]]
    assert found["figures"]["renewed_absolute"] == pytest.approx(-1)
    assert np.isnan(found["figures"]["profile_learnt"])  # three draws cannot say so


def test_contributions_always_have_a_signed_gain(trial: Trial) -> None:
    settings = Faithful(window=2, shares=(0.5,), draws=1, random=1, retrain=())
    assert "removal_gain_signed" not in map_checks.check_faithfulness(trial, settings)["figures"]
    pair = Pair("p", "lstm", "gradient-shap")
    figures = map_checks.check_faithfulness(replace(trial, pair=pair), settings)["figures"]
    assert figures["removal_gain_signed"] == figures["removal_gain_absolute"]


@pytest.mark.parametrize(
    ("explainer", "slopes", "signed"),
    [("gradient", True, True), ("smoothgrad", True, True), ("gradient-shap", False, True),
     ("latent-attention", False, False), ("pattern", False, False)],
)  # fmt: skip
def test_what_a_map_foretells_is_what_its_kind_says(
    trial: Trial, drawn: Drawn, monkeypatch: pytest.MonkeyPatch, explainer: str, slopes: bool, signed: bool
) -> None:
    seen: list[tuple[Any, ...]] = []

    def infidelity(*given: Any) -> tuple[np.ndarray, np.ndarray]:
        seen.append(given)
        return np.array([0.25, np.nan, 0.75]), np.ones(3)

    monkeypatch.setattr(map_checks, "infidelity", infidelity)
    maps = -1.0 * trial.maps
    settings = Faithful(window=2, shares=(0.3, 0.5), draws=2, random=3, retrain=())
    given = replace(trial, pair=Pair("p", "lstm", explainer), maps=maps)
    figures = map_checks.check_faithfulness(given, settings)["figures"]
    assert (figures["infidelity"], figures["infidelity_shuffled"]) == (0.5, 1.0)
    ((answer, X, values, targets, donors, draws, *rest),) = seen
    assert answer == trial.decoder.logits
    np.testing.assert_array_equal(X, drawn.X[FIT:EXPLAINED])
    np.testing.assert_array_equal(values, maps if signed else -maps)
    np.testing.assert_array_equal(targets, drawn.y[FIT:EXPLAINED])
    np.testing.assert_array_equal(donors, drawn.X[:TRAIN])
    assert (draws, rest) == (12, [slopes, 7])


def test_curves_follow_the_label_that_was_explained(trial: Trial, drawn: Drawn) -> None:
    def answer(X: np.ndarray) -> np.ndarray:  # always the first class
        return np.tile([0.8, 0.2], (len(X), 1))

    trial.decoder.predict_proba = answer
    settings = Faithful(window=2, shares=(0.5,), draws=1, random=1, retrain=())
    labels = drawn.y[FIT:EXPLAINED]
    curve = map_checks.check_faithfulness(trial, settings)["curves"]["removal_absolute"]
    assert curve == pytest.approx(np.where(labels == 0, 0.8, 0.2).mean())


@pytest.mark.parametrize(
    ("p", "draws", "wanted"), [(0.05, 19, 1.0), (0.1, 19, 0.0), (0.06, 18, np.nan), (np.nan, 20, np.nan)]
)
def test_what_was_learnt_is_known_only_where_it_could_have_been_found(p: float, draws: int, wanted: float) -> None:
    np.testing.assert_equal(learnt(p, draws), wanted)


@given(st.integers(0, LARGEST_SEED), st.integers(0, 200))
def test_untrained_networks_have_seeds_that_no_trial_has(seed: int, draw: int) -> None:
    assert LARGEST_SEED < fresh_seed(seed, draw) < 2**32


def test_untrained_networks_of_all_trials_differ() -> None:
    seeds = [fresh_seed(seed, draw) for seed in (0, 1, 2, 301, 100_000, 100_001, LARGEST_SEED) for draw in range(50)]
    assert len(set(seeds)) == len(seeds)
