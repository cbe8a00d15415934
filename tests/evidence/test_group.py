"""Statistics of a group: by hand, and as SciPy has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from fmri_saliency.disk import rows
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import InputError
from fmri_saliency.evidence import group_statistics


def test_by_hand() -> None:
    nan = np.nan
    found = group_statistics(np.array([[1.0, 5.0, nan, 2.0], [3.0, nan, nan, 2.0], [5.0, nan, nan, 2.0]]))
    np.testing.assert_array_equal(found.mean, [3, 5, nan, 2])
    assert found.n.tolist() == [3, 1, 0, 3]
    # deviations -2, 0, 2: variance 8 / 2 = 4, standard error 2 / sqrt(3), t = 3 sqrt(3) / 2
    np.testing.assert_allclose(found.standard_error, [2 / np.sqrt(3), nan, nan, 0], rtol=1e-6)
    np.testing.assert_allclose(found.t, [1.5 * np.sqrt(3), nan, nan, nan], rtol=1e-6)


@given(st.integers(2, 9), st.integers(0, 2**31), st.floats(0, 0.6))
def test_it_is_the_t_of_one_sample(n: int, seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((n, 3, 4)).astype(np.float32) + 1
    maps[rng.random(maps.shape) < missing] = np.nan
    found = group_statistics(maps)
    for place in np.ndindex(3, 4):
        there = maps[(slice(None), *place)]
        there = there[~np.isnan(there)].astype(float)
        assert found.n[place] == len(there)
        wanted = ttest_1samp(there, 0).statistic if len(there) > 1 else np.nan
        np.testing.assert_allclose(found.t[place], wanted, rtol=1e-4)
        assert np.isnan(found.standard_error[place]) == (len(there) < 2)


def test_it_does_not_matter_how_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.random.default_rng(0).standard_normal((7, 5, 3)).astype(np.float32)
    whole = group_statistics(maps[::-1])
    monkeypatch.setattr(rows, "PIECE_BYTES", 1)
    monkeypatch.setattr("fmri_saliency.evidence.group.pieces", lambda array: rows.pieces(array, 1))
    found = group_statistics(Rows(maps, np.arange(7)[::-1]))
    for key in ("mean", "standard_error", "t", "n"):
        np.testing.assert_allclose(getattr(found, key), getattr(whole, key), rtol=1e-6)


def test_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="at least one person"):
        group_statistics(np.zeros((0, 3)))
