"""Which steps are on task, which share of salient cells lies there, and what removing them does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import on_task_share, on_task_steps, removal_drop, top_cells
from fmri_saliency.records import Event


def test_steps_by_hand() -> None:
    events = [Event(2.0, 4.0, "a"), Event(5.0, 3.0, "b"), Event(12.0, 0.0, "instant")]
    # frames at 0, 2, ..., 14 s: a covers [2, 6), b [5, 8), the instant nothing
    assert on_task_steps(events, 8, 2.0).tolist() == [False, True, True, True, False, False, False, False]
    # frames at 3, 5, 7, 9 s
    assert on_task_steps(events, 4, 2.0, start=3.0).tolist() == [True, True, True, False]
    # a response 4 s later: [6, 10) and [9, 12)
    assert np.flatnonzero(on_task_steps(events, 8, 2.0, delay=4.0)).tolist() == [3, 4, 5]
    # 5 * 0.72 and 9 * 0.72 are a rounding below 3.6 and 6.48: frame 5 begins with the event, frame 9 at its end
    assert np.flatnonzero(on_task_steps([Event(3.6, 2.88, "a")], 40, 0.72)).tolist() == [5, 6, 7, 8]
    assert not on_task_steps([], 3, 1.0).any()
    with pytest.raises(InputError, match=r"at least 1 frame and a t_r above 0 s; 0 and 1\.0 came"):
        on_task_steps([], 0, 1.0)


def test_top_cells_are_the_largest_absolute_values() -> None:
    values = np.array([[[1.0, -8.0], [3.0, 2.0]], [[0.0, 1.0], [-7.0, 6.0]]])
    wanted = np.array([[[False, True], [True, False]], [[False, False], [True, True]]])
    np.testing.assert_array_equal(top_cells(values, 0.5), wanted)
    assert not top_cells(values, 0.0).any()
    assert top_cells(values, 1.0).all()


def test_equal_values_come_in_random_order() -> None:
    """An even map must not favour early steps."""
    found = top_cells(np.ones((200, 10, 4)), 0.25)
    assert (found.sum(axis=(1, 2)) == 10).all()
    np.testing.assert_allclose(found.mean(axis=(0, 2)), 0.25, atol=0.06)
    assert (found != top_cells(np.ones((200, 10, 4)), 0.25, seed=1)).any()


def test_share_on_task_by_hand() -> None:
    on_task = np.array([[True, False], [False, True]])
    values = np.array([[[4.0, 3.0], [2.0, 1.0]], [[4.0, -1.0], [3.0, 2.0]]])
    # a quarter: 1 of 1 in the first sample, 0 of 1 in the second; half: 2 of 2 and 1 of 2; all: half of the cells
    np.testing.assert_allclose(on_task_share(values, on_task, (0.25, 0.5, 1.0)), [0.5, 0.75, 0.5])


@given(st.integers(0, 1000), st.floats(0.1, 1.0))
def test_an_even_map_has_the_share_of_steps(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    on_task = rng.random((40, 20)) < 0.3
    found = on_task_share(np.ones((40, 20, 10)), on_task, (share, 1.0), seed)
    assert found[1] == pytest.approx(on_task.mean())
    assert found[0] == pytest.approx(on_task.mean(), abs=0.08)


def test_removing_what_is_read_costs_everything_and_the_rest_nothing() -> None:
    """A classifier that reads one cell: half of the samples are class 1, and without the cell all are class 0."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 5, 2)).astype(np.float32)
    y = np.array(["no", "yes"] * 4)
    X[:, 3, 1] = np.where(y == "yes", 1.0, -1.0)

    def predict(samples: np.ndarray) -> np.ndarray:
        assert samples.dtype == np.float32
        return np.where(samples[:, 3, 1] > 0, "yes", "no")

    read = np.zeros(X.shape)
    read[:, 3, 1] = -1.0
    np.testing.assert_allclose(removal_drop(predict, X, y, read, (0.0, 0.1)), [0.0, 0.5])
    np.testing.assert_allclose(removal_drop(predict, X, y, 1.0 + read, (0.5, 0.9, 1.0)), [0.0, 0.0, 0.5])
    # with 9 instead of 0 all are class 1, and the other half is wrong
    np.testing.assert_allclose(removal_drop(predict, X, y, read, (0.1,), fill=9.0), [0.5])
    assert X[0, 3, 1] == -1.0  # the samples are left as they were


def test_what_cannot_be_used_is_refused() -> None:
    maps = np.ones((2, 3, 4))
    with pytest.raises(InputError, match=r"one flag per sample and step, \(2, 3\); \(2, 4\) came"):
        on_task_share(maps, np.ones((2, 4)))
    with pytest.raises(InputError, match=r"0\.01 of 12 cells is less than one cell"):
        on_task_share(maps, np.ones((2, 3)), (0.5, 0.01))
    with pytest.raises(InputError, match="between 0 and 1; 10 came"):
        top_cells(maps, 10)
    with pytest.raises(InputError, match="must be finite"):
        top_cells(maps * np.nan, 0.5)
    with pytest.raises(InputError, match=r"\(n_samples, n_times, n_regions\); \(2, 3\) came"):
        top_cells(maps[0, :2, :3], 0.5)
    with pytest.raises(InputError, match=r"must fit: \(2, 3, 4\), \(2, 3, 4\) and \(3,\) came"):
        removal_drop(lambda x: x, maps, np.zeros(3), maps)
