"""Averages over the samples and blocks of people, worked out by hand."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.disk.rows import Rows
from fmri_saliency.records import Event
from fmri_saliency.saliency import average_blocks, average_covered, outermost, plan_blocks, rows_of_people

NAN = np.nan


def test_samples_are_listed_by_person_and_class() -> None:
    table = pd.DataFrame({"subject": ["02", "01", "02", "01"], "label": ["a", "b", "a", "a"]}, index=[9, 8, 7, 6])
    found = [(subject, label, rows.tolist()) for subject, label, rows in rows_of_people(table)]
    assert found == [("01", "a", [3]), ("01", "b", [1]), ("02", "a", [0, 2])]


def test_a_region_is_averaged_over_the_samples_that_cover_it() -> None:
    values = np.array([[[1, 10, 7]], [[3, 99, 7]], [[5, 20, 7]]], dtype=np.float32)  # 3 samples, 1 step, 3 regions
    covered = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=bool)
    np.testing.assert_array_equal(average_covered(values, covered), [[3, 15, NAN]])
    np.testing.assert_array_equal(average_covered(Rows(values, [1, 2]), covered[1:]), [[4, 20, NAN]])


BLOCK = Event(10.0, 20.0, "0bk")
TRIALS = [Event(10.0, 2.5, "0bk_cor"), Event(15.0, 2.5, "0bk_err"), Event(27.5, 2.5, "0bk_cor")]
OTHER = Event(29.0, 20.0, "2bk")  # begins before the first ends


def test_trials_within_a_block_are_no_blocks() -> None:
    assert outermost([*TRIALS, OTHER, BLOCK]) == [BLOCK, OTHER]
    assert outermost([OTHER, *TRIALS, BLOCK], ["0bk_err"]) == [TRIALS[1]]
    assert outermost([]) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12))
def test_no_outermost_event_lies_in_another_and_every_other_does(spans: list[tuple[int, int]]) -> None:
    events = [Event(float(onset), float(long), str(k)) for k, (onset, long) in enumerate(spans)]
    found = outermost(events)

    def inside(one: Event, other: Event) -> bool:
        return one is not other and other.onset <= one.onset and one.onset + one.duration <= (
            other.onset + other.duration)  # fmt: skip

    assert not any(inside(one, other) and not inside(other, one) for one in found for other in found)
    assert all(any(inside(one, other) for other in found) for one in events if one not in found)


def test_blocks_are_as_long_as_the_longest_kind_and_lie_in_the_window() -> None:
    # 20 s and 6 s more are 13 steps of 2 s; the window is 20 steps, from 4 s on
    plan = plan_blocks([[BLOCK, *TRIALS], [OTHER], []], [4.0, 4.0, 4.0], 2.0, 20)
    assert (plan.n_times, plan.first, plan.kinds) == (13, ((3,), (), ()), ("0bk", "2bk"))  # OTHER at 12.5 does not fit
    early = plan_blocks([[Event(3.0, 1.0, "x")]], [4.0], 2.0, 20)
    assert early.first == ((0,),)  # half a step before the window is next to its first step
    assert plan_blocks([[Event(2.9, 1.0, "x")]], [4.0], 2.0, 20).n_times == 0
    assert plan_blocks([[], []], [0.0, 0.0], 2.0, 20).n_times == 0
    assert plan_blocks([[BLOCK, *TRIALS]], [4.0], 2.0, 20, ["0bk_cor"]).n_times == 5  # 8.5 s


def test_blocks_are_averaged_from_their_onsets() -> None:
    values = np.zeros((2, 6, 2), dtype=np.float32)
    values[0, :, 0] = [0, 1, 2, 3, 4, 5]
    values[1, :, 0] = [10, 0, 0, 0, 0, 0]
    values[:, :, 1] = 8
    covered = np.array([[True, True], [True, False]])
    found = average_blocks(values, covered, [(1, 3), (0,)], 2)
    np.testing.assert_allclose(found, [[(1 + 3 + 10) / 3, 8], [(2 + 4 + 0) / 3, 8]])
    np.testing.assert_array_equal(average_blocks(values, covered, [(), ()], 2), np.full((2, 2), NAN))
