"""The records: what they refuse, and arithmetic checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.records import RegionSeries, Run, Saliency, Samples


def test_saliency_averages_by_class_with_its_sign(saliency: Saliency) -> None:
    classes = saliency.average()
    assert classes.labels == ("a", "b")
    assert classes.n_averaged == (2, 2)
    assert classes.values[0, 1, 0] == 3.0
    assert classes.values[1, 4, 2] == -2.0
    assert np.count_nonzero(classes.values) == 2
    assert np.array_equal(classes.average().values, classes.values)


def test_averages_weigh_by_what_stands_behind_them(saliency: Saliency) -> None:
    merged = replace(saliency, labels=("a",) * 4, n_averaged=(1, 3, 1, 1)).average()
    assert merged.values[0, 1, 0] == pytest.approx((2 + 3 * 4) / 6)


def test_saliency_over_time(saliency: Saliency) -> None:
    assert saliency.over_time()[1].tolist() == pytest.approx([0.8, 0.0, 0.0])
    assert saliency.peak_time()[0, 0] == 2.0  # frame 1 of 2 s
    assert saliency.peak_time()[3, 2] == 8.0
    assert replace(saliency, start=4.8).peak_time()[0, 0] == pytest.approx(6.8)
    assert saliency.time_share()[0].tolist() == [0, 1, 0, 0, 0]
    assert np.isnan(replace(saliency, values=0 * saliency.values).time_share()).all()


def test_moments_cover_the_window_and_hold_its_peak(saliency: Saliency) -> None:
    values = np.zeros((1, 10, 1), dtype=np.float32)
    values[0, :, 0] = [0, 5, 1, -9, 0, 0, 0, 2, 1, 1]
    one = replace(saliency, values=values, labels=("a",), names=("r",), n_averaged=(1,))
    assert one.moments(5) == [[1, 3, 5, 7, 9]]  # the middle where nothing rises
    assert one.moments(2) == [[3, 7]]
    assert replace(one, values=values[:, :3]).moments(5) == [[0, 1, 2]]


@pytest.mark.parametrize(("course", "wanted"), [
    ([0, 1, 2, 4, 8, 9, 8, 4, 2, 1, 0, 0, 0, 0, 0], [2, 5, 12]),  # the peak lies on the border of 4 and 5
    ([0, 1, 2, 4, 9, 8, 7, 4, 3, 1, 0, 0, 5, 0, 0], [4, 7, 12]),
    ([0, 1, 2, 4, 9, 8, 8.5, 4, 3, 1, 0, 0, 5, 0, 0], [4, 7, 12]),  # a dent is no second peak
    ([0, 9, 2, 1, 0, 0, 0, 8, 2, 1, 0, 0, 0, 0, 7], [1, 7, 14]),
    (list(range(15)), [2, 7, 14]),  # of a slope the end, and what lies on the way
])  # fmt: skip
def test_no_peak_is_shown_twice(saliency: Saliency, course: list[float], wanted: list[int]) -> None:
    values = np.array(course, dtype=np.float32).reshape(1, 15, 1)
    one = replace(saliency, values=values, labels=("a",), names=("r",), n_averaged=(1,))
    assert one.moments(3) == [wanted]


def test_windows_know_when_they_begin(samples: Samples) -> None:
    assert samples.start == 0.0
    table = samples.table.assign(onset=samples.table["start"] - 4.8)
    assert replace(samples, table=table).start == 4.8


def test_threshold_keeps_the_largest(saliency: Saliency) -> None:
    values = np.arange(1, 11, dtype=np.float32).reshape(1, 5, 2) * [[[1, -1]]]
    small = replace(saliency, values=values, labels=("a",), names=("x", "y"), n_averaged=(1,))
    kept = small.threshold(0.3).values
    assert sorted(kept[kept != 0].tolist()) == [-10.0, -8.0, 9.0]
    assert np.array_equal(small.threshold(1).values, values)
    with pytest.raises(InputError, match="above 0 and at most 1"):
        small.threshold(0)


def test_shapes_are_checked(saliency: Saliency, samples: Samples, series: RegionSeries) -> None:
    with pytest.raises(InputError, match=r"Saliency must have shape \(4, any, 2\); \(4, 5, 3\) came"):
        replace(saliency, names=("r1", "r2"))
    with pytest.raises(InputError, match="Samples must have shape"):
        replace(samples, X=samples.X[0])
    with pytest.raises(InputError, match="Coverage must have shape"):
        replace(series, coverage=np.ones(2))


def test_a_run_is_grouped_by_family_where_known(noisy_run: Run) -> None:
    assert noisy_run.group == "sub-01"
    assert replace(noisy_run, family="F7").group == "family-F7"
    assert replace(noisy_run, direction="LR", session="2").entities == {
        "sub": "01", "ses": "2", "task": "rest", "dir": "LR"
    }  # fmt: skip
