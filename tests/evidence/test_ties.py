"""What differs by rounding only is equal to every ranking, area, correlation and verdict."""

from dataclasses import replace

import numpy as np
import pytest

from fmri_saliency.evidence import (
    compare_maps,
    compare_untrained,
    group_statistics,
    localise,
    mass_areas,
    permutation_importance,
    profile_band,
    recover,
    retrain,
    top_cells,
)
from fmri_saliency.evidence.faithful import rank_blocks
from fmri_saliency.evidence.naive import class_difference
from fmri_saliency.pipeline.steps.judged_panels import hangs_on_the_map
from fmri_saliency.records import Saliency

SHAPE = (3, 20, 6)


@pytest.fixture(params=range(3))
def nearly(request: pytest.FixtureRequest) -> np.ndarray:
    """Return ones but for the last bits of single precision."""
    return 1 + 1e-7 * np.random.default_rng(request.param).uniform(-1, 1, SHAPE)


@pytest.fixture
def truth() -> np.ndarray:
    planted = np.zeros(SHAPE, dtype=bool)
    planted[:, 4:9, :2] = True
    return planted


def test_rankings_of_nearly_equal_maps_are_those_of_equal_ones(nearly: np.ndarray) -> None:
    ones = np.ones(SHAPE)
    blocks = [rank_blocks(values, 3, np.random.default_rng(5)) for values in (nearly, ones)]
    np.testing.assert_array_equal(*blocks)
    np.testing.assert_array_equal(top_cells(nearly, 0.3), top_cells(ones, 0.3))
    X, y = np.random.default_rng(1).standard_normal(SHAPE), np.arange(3)

    def score(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
        return float((train[0] * np.arange(120).reshape(20, 6)).sum())

    found = [retrain(score, (X, y), (X, y), values[0], [0.1, 0.5], n_random=1) for values in (nearly, ones)]
    np.testing.assert_array_equal(found[0].removed, found[1].removed)


def test_nearly_equal_maps_find_nothing(nearly: np.ndarray, truth: np.ndarray, saliency: Saliency) -> None:
    found = localise(nearly, truth)
    assert (found.auroc, found.time_auroc, found.region_auroc) == (0.5, 0.5, 0.5)
    assert found.auprc == pytest.approx(found.density)
    np.testing.assert_allclose(mass_areas(nearly, truth), mass_areas(np.ones(SHAPE), truth), rtol=1e-5)
    names = tuple(f"r{k}" for k in range(6))
    maps = replace(saliency, values=nearly[:1].astype(np.float32), labels=("a",), n_averaged=(1,), names=names)
    assert [one.value for one in recover(maps, {"a": truth[0]})] == [0.5, 0.5]


def test_nearly_equal_maps_correlate_with_nothing(nearly: np.ndarray, saliency: Saliency) -> None:
    other = np.random.default_rng(9).standard_normal(SHAPE)
    alike = compare_maps(nearly, other, other)
    assert np.isnan([alike.signed, alike.absolute, alike.given_input, alike.profile]).all()
    values = nearly.astype(np.float32)
    maps = replace(saliency, values=values, labels=("a",) * 3, n_averaged=(1,) * 3, names=tuple("abcdef"))
    rising = replace(maps, values=values * np.arange(1, 21, dtype=np.float32).reshape(1, -1, 1))
    assert compare_untrained(maps, [rising], "net").verdict == "cannot be said: a profile is flat"
    assert np.isfinite(compare_untrained(rising, [rising], "net").value)


def test_a_profile_as_far_as_the_others_but_for_rounding_is_one_of_them() -> None:
    profile = np.array([0.5, 0.3, 0.2])
    for shift in (-1e-8, 1e-8):
        trained = profile + shift * np.array([1, -1, 0])
        assert profile_band(trained, [profile[::-1], profile]).p == pytest.approx(1.0)


def test_people_who_differ_by_rounding_have_no_t(nearly: np.ndarray) -> None:
    found = group_statistics(nearly.astype(np.float32))
    assert np.isnan(found.t).all()
    assert np.isfinite(found.standard_error).all()


def test_cells_that_differ_by_rounding_tell_no_classes_apart(nearly: np.ndarray) -> None:
    X = np.concatenate([nearly, 1 + 2e-7 * np.ones(SHAPE)])
    assert class_difference(X, [0, 0, 0, 1, 1, 1]).max() == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_decoder_that_needs_nothing_is_not_said_to_by_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def predict(X: np.ndarray) -> np.ndarray:
        return 0.5 + 1e-8 * rng.uniform(0, 1) * np.array([1, -1]) * np.ones((len(X), 1))

    X, y = rng.standard_normal((10, 8, 2)), np.zeros(10, dtype=int)
    found = permutation_importance(predict, X, y)
    assert [test.p for test in found.tests] == [1.0, 1.0]


def test_an_answer_that_never_moves_does_not_hang_on_a_map() -> None:
    row = {"pair": "net", "contributes": False, "n_samples": 4,
           "checks": {"faithful": {"figures": {"removal_gain_absolute": 3e-9, "removal_spread": 1e-9}}}}  # fmt: skip
    assert "no more than replacing anything else" in hangs_on_the_map(row).verdict
    row["checks"]["faithful"]["figures"]["removal_gain_absolute"] = 0.01
    assert hangs_on_the_map(row).verdict.startswith("the answer hangs")
