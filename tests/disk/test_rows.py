"""Rows that are read when asked for, and sums that do not depend on the pieces."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.disk.files import digest
from fmri_saliency.disk.rows import Rows, pieces, sum_rows


def made(n: int = 37, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 5, 3)).astype(np.float32)


def test_rows_are_those_that_were_chosen() -> None:
    array = made(6)
    rows = Rows(array, [4, 0, 5])
    assert (rows.shape, rows.ndim, rows.dtype, rows.size, rows.nbytes) == ((3, 5, 3), 3, np.float32, 45, 180)
    np.testing.assert_array_equal(rows[1], array[0])
    np.testing.assert_array_equal(rows[1:], array[[0, 5]])
    np.testing.assert_array_equal(rows[np.array([False, True, True])], array[[0, 5]])
    np.testing.assert_array_equal(np.asarray(rows), array[[4, 0, 5]])
    np.testing.assert_array_equal(Rows(array, array[:, 0, 0] > 0), array[array[:, 0, 0] > 0])


def test_rows_of_rows_are_rows_of_the_array() -> None:
    array = made(9)
    inner = Rows(Rows(array, [8, 2, 6, 1]), [False, True, False, True])
    assert inner.positions.tolist() == [2, 1]
    assert inner.array is array


def test_what_is_read_is_a_copy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", made())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    part = Rows(mapped, [3, 1])[:]
    part[:] = 0
    assert type(Rows(mapped, [3])[0]) is np.ndarray
    np.testing.assert_array_equal(mapped, made())


@given(st.integers(1, 60), st.integers(1, 700))
def test_pieces_cover_all_rows_once_and_hold_no_more_than_they_may(n: int, n_bytes: int) -> None:
    array = made(n)
    found = list(pieces(array, n_bytes))
    assert [i for piece in found for i in range(n)[piece]] == list(range(n))
    assert all(len(array[p]) == 1 or array[p].nbytes <= n_bytes for p in found)


@given(st.integers(1, 60), st.integers(0, 9), st.booleans())
def test_a_sum_by_pieces_is_the_sum_to_the_last_bit(n: int, seed: int, weighed: bool) -> None:
    array = made(n, seed)
    weights = np.random.default_rng(seed).integers(1, 9, n).astype(float) if weighed else None
    wanted = array.sum(axis=0) if weights is None else (array * weights[:, None, None]).sum(axis=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "__defaults__", (200,))
        assert len(list(pieces(array))) == -(-n // 3)
        np.testing.assert_array_equal(sum_rows(array, weights), wanted)


def test_a_digest_knows_values_not_where_they_lie() -> None:
    array = made()
    assert digest(Rows(array, np.arange(37))) == digest(array)
    assert digest(Rows(array, np.arange(36, -1, -1))) == digest(array[::-1])
    assert digest(Rows(array, np.arange(36))) != digest(array)
    whole = digest(array, np.ones(()), np.empty((0, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "__defaults__", (200,))
        assert digest(array, np.ones(()), np.empty((0, 3))) == whole
