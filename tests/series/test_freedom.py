"""Degrees of freedom by hand, and as nilearn's own cleaning leaves them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.series import Cleaning
from fmri_saliency.series.freedom import count_freedom
from fmri_saliency.series.masker import clean_signals

NONE = Cleaning(detrend=False, high_pass=0.0, standardize="none")


def noise(n_times: int, n_columns: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).standard_normal((n_times, n_columns)))


def test_by_hand() -> None:
    assert count_freedom(100, 2.0, NONE, None) == 99  # the mean
    assert count_freedom(100, 2.0, Cleaning(high_pass=0.0), None) == 98
    # cosines up to 0.01 Hz in 200 s: 2 x 200 x 0.01 = 4
    assert count_freedom(100, 2.0, Cleaning(high_pass=0.01), None) == 94
    assert count_freedom(100, 2.0, Cleaning(high_pass=0.01), noise(100, 10)) == 84
    table = noise(100, 3)
    table["again"], table["constant"], table["time"] = 1e-6 * table[0] - table[1], 7.0, np.arange(100.0)
    assert count_freedom(100, 2.0, Cleaning(high_pass=0.01), table) == 91  # three of the six are new
    assert count_freedom(20, 2.0, Cleaning(high_pass=0.0), noise(20, 30)) == 0


def test_a_band_by_hand() -> None:
    # 100 frames of 2 s: multiples of 0.005 Hz; 0.01 to 0.1 Hz are the 2nd to the 20th, a sine and a cosine each
    band = Cleaning(detrend=False, filter="butterworth", high_pass=0.01, low_pass=0.1)
    assert count_freedom(100, 2.0, band, None) == 38
    assert count_freedom(100, 2.0, band, noise(100, 5)) == 33
    wave = pd.DataFrame({"slow": np.sin(2 * np.pi * 0.005 * 2.0 * np.arange(100))})  # outside the band
    assert count_freedom(100, 2.0, band, wave) == 38
    high = Cleaning(detrend=False, filter="butterworth", high_pass=0.2)  # the 40th to the 50th, which has no sine
    assert count_freedom(100, 2.0, high, None) == 21
    low = Cleaning(detrend=False, filter="butterworth", high_pass=0.0, low_pass=0.1)  # the mean and 20 pairs
    assert count_freedom(100, 2.0, low, None) == 40


@given(st.integers(30, 80), st.integers(0, 12), st.sampled_from([0.0, 0.01, 0.03]), st.booleans())
def test_it_is_the_rank_of_what_nilearn_leaves(n_times: int, n_columns: int, high_pass: float, trend: bool) -> None:
    cleaning = Cleaning(detrend=trend, high_pass=high_pass, standardize="none")
    table = noise(n_times, n_columns) if n_columns else None
    left = clean_signals(np.eye(n_times), 2.0, cleaning, table)
    rank = np.linalg.matrix_rank(left - left.mean(axis=0), tol=1e-6)  # without trend and filter the mean stays
    assert count_freedom(n_times, 2.0, cleaning, table) == pytest.approx(rank, abs=0)
