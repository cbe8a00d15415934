"""Simulated signals against what is known of them."""

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.simulation import (
    TASKS,
    autocorrelated_noise,
    double_gamma,
    expected_response,
    plan_tasks,
    subject_gains,
)


def test_the_response_peaks_at_five_seconds_and_dips_below_zero() -> None:
    times = np.arange(0, 32, 0.01)
    response = double_gamma(times)
    assert response.max() == pytest.approx(1.0)
    assert times[response.argmax()] == pytest.approx(5.0, abs=0.05)  # the mode of a gamma of shape 6 is 5
    assert response[times > 12].min() < -0.05


def test_a_block_gives_a_delayed_plateau_of_height_one() -> None:
    response = expected_response([(10.0, 20.0)], 100, 0.72)
    assert response.max() == pytest.approx(1.0)
    assert np.all(response[: int(10 / 0.72)] == 0)
    assert 14 < 0.72 * np.flatnonzero(response > 0.5)[0] < 17
    assert not expected_response([], 50, 0.72).any()


def test_two_blocks_add_up_before_scaling() -> None:
    one, other = expected_response([(5.0, 10.0)], 200, 0.5), expected_response([(60.0, 10.0)], 200, 0.5)
    np.testing.assert_allclose(expected_response([(5.0, 10.0), (60.0, 10.0)], 200, 0.5), one + other, atol=0.02)


def test_noise_has_the_asked_correlation_and_variance() -> None:
    noise = autocorrelated_noise((4000, 30), np.random.default_rng(0), correlation=0.6)
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    neighbours = np.mean([np.corrcoef(c[:-1], c[1:])[0, 1] for c in noise.T])
    assert neighbours == pytest.approx(0.6, abs=0.02)
    smooth = autocorrelated_noise((50, 20, 20, 20), np.random.default_rng(0), correlation=0.0, smoothness=1.0)
    beside = np.corrcoef(smooth[:, :-1].ravel(), smooth[:, 1:].ravel())[0, 1]
    assert beside == pytest.approx(np.exp(-1 / 4), abs=0.02)  # a Gaussian's autocorrelation at one sigma


def test_gains_have_median_one() -> None:
    gains = subject_gains(20000, np.random.default_rng(0), 0.3)
    assert np.median(gains) == pytest.approx(1.0, abs=0.01)
    assert np.log(gains).std() == pytest.approx(0.3, abs=0.01)


def test_no_region_answers_to_two_tasks_and_the_shared_ones_are_alike() -> None:
    plans = plan_tasks(list(TASKS), 100, seed=3)
    owners = np.array([plan.truth().any(axis=0) for plan in plans.values()])
    assert owners.sum(axis=0).max() == 1
    assert owners.sum(axis=1).tolist() == [8] * 7
    shared = [plan.shared.any(axis=0) for plan in plans.values()]
    assert all((s == shared[0]).all() for s in shared)
    assert shared[0].sum() == 6
    assert not (shared[0] & owners.any(axis=0)).any()
    for task, plan in plans.items():
        assert plan.expected.shape == (TASKS[task].n_times, 100)
        for condition, members in plan.regions.items():
            spans = [(b.onset, b.duration) for b in plan.blocks if b.condition == condition]
            wanted = expected_response(spans, TASKS[task].n_times, 0.72)
            np.testing.assert_allclose(plan.expected[:, list(members)], wanted[:, None].repeat(len(members), 1))


def test_the_plan_follows_its_seed() -> None:
    first, again, other = (plan_tasks(["WM"], 30, seed)["WM"].regions for seed in (0, 0, 1))
    assert first == again != other


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'MOTOR'"):
        plan_tasks(["MOTORS"], 100, 0)
    with pytest.raises(InputError, match="need 22 regions"):
        plan_tasks(["MOTOR", "WM"], 21, 0)
