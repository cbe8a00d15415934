"""Other repetition times: sinusoids stay sinusoids, and nothing aliases."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.records import RegionSeries
from fmri_saliency.series import resample_series, resample_values
from fmri_saliency.series.resample import count_resampled

TIMES = st.sampled_from([0.5, 0.72, 0.8, 1.0, 1.5, 2.0, 2.4])


def sine(n: int, t_r: float, frequency: float, phase: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(n) * t_r + phase)[:, None]


@given(TIMES, TIMES, st.floats(0.02, 0.78), st.floats(0, 6.28))
def test_a_slow_sinusoid_is_the_same_sinusoid(t_r: float, target: float, share: float, phase: float) -> None:
    slow = max(t_r, target)
    frequency = share * 0.5 / slow
    n = int(400 / t_r)
    found = resample_values(sine(n, t_r, frequency, phase), t_r, target)
    edge = int(np.ceil(20 * slow / target))  # what depends on how the ends are continued
    wanted = sine(len(found), target, frequency, phase)
    assert len(found) > 3 * edge
    np.testing.assert_allclose(found[edge:-edge], wanted[edge:-edge], atol=1.5e-3)


@given(st.sampled_from([(0.72, 2.0), (0.5, 1.5), (1.0, 2.4), (0.8, 1.0)]), st.floats(1.0, 1.6), st.floats(0, 6.28))
def test_a_sinusoid_above_the_new_nyquist_frequency_is_gone(
    times: tuple[float, float], share: float, phase: float
) -> None:
    t_r, target = times
    frequency = min(share * 0.5 / target, 0.49 / t_r)
    if frequency < 0.5 / target:
        return
    found = resample_values(sine(int(400 / t_r), t_r, frequency, phase), t_r, target)
    assert np.abs(found[20:-20]).max() < 2e-3  # picking every so-manieth frame would leave 1, at another frequency


@given(st.integers(1, 500), TIMES, TIMES)
def test_frames_lie_between_the_first_and_the_last(n: int, t_r: float, target: float) -> None:
    count = count_resampled(n, t_r, target)
    assert (count - 1) * target <= (n - 1) * t_r + 1e-5 * target
    assert count * target > (n - 1) * t_r - 1e-5 * target
    if n < 60:
        found = resample_values(np.full((n, 2), 1e4), t_r, target)
        assert found.shape == (count, 2)
        np.testing.assert_allclose(found, 1e4, rtol=1e-12)


def test_by_hand() -> None:
    assert count_resampled(284, 0.72, 2.0) == 102  # 283 x 0.72 = 203.76 s: frames at 0, 2, ..., 202
    assert count_resampled(101, 2.0, 1.0) == 201
    assert count_resampled(284, 0.72, 0.72) == 284
    ramp = np.arange(50.0)[:, None]
    np.testing.assert_allclose(resample_values(ramp, 2.0, 1.0)[30:-30, 0], np.arange(99)[30:-30] / 2, atol=5e-3)


def test_the_same_repetition_time_passes_through_bit_for_bit() -> None:
    values = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    assert resample_values(values, 0.72, 0.72) is values
    assert resample_values(values, 0.72, 0.7203) is values
    assert resample_values(values, 0.72, 0.722) is not values
    series = RegionSeries(values, 0.72, ("a", "b", "c"), np.ones(3))
    assert resample_series(series, 0.72) is series


def test_a_region_that_is_absent_stays_absent_and_spoils_no_other() -> None:
    values = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    alone = resample_values(values[:, [0, 2]], 1.0, 2.0)
    values[7, 1] = np.nan
    found = resample_values(values, 1.0, 2.0)
    assert found.dtype == np.float32
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[:, [0, 2]], alone, atol=1e-6)


def test_standardised_series_are_standardised_again_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 2)).astype(np.float32)
    series = RegionSeries(values, 0.5, ("a", "b"), np.ones(2), {"standardize": "zscore_sample"})
    found = resample_series(series, 2.0)
    assert (found.t_r, found.history["resampled_from"]) == (2.0, 0.5)
    np.testing.assert_allclose(found.values.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.values.std(axis=0, ddof=1), 1, atol=1e-6)
    raw = resample_series(replace(series, history={"standardize": "none"}), 2.0)
    assert raw.values.std() == pytest.approx(0.5, abs=0.1)  # white noise: a quarter of the band, of the variance
    flat = resample_series(replace(series, values=np.zeros((300, 2), np.float32)), 2.0)
    assert (flat.values == 0).all()
