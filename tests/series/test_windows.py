"""Samples: windows by hand, one length for all, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.errors import ConfigError, CoverageWarning, InputError
from fmri_saliency.records import Event, RegionSeries, Run, Samples
from fmri_saliency.series import Windows, cut_samples, plan_windows, read_samples, write_samples

NAMES = ("r1", "r2")


def make(n_times: int, task: str = "go", t_r: float = 2.0, subject: str = "1", **more: object) -> tuple:
    values = np.arange(2 * n_times, dtype=np.float32).reshape(n_times, 2)
    series = RegionSeries(values, t_r, NAMES, np.ones(2))
    return series, Run(subject, task, Path(f"{task}-{subject}.nii"), t_r, n_times, **more)


def cut(pairs: list[tuple], windows: Windows) -> tuple[Samples, list[str]]:
    return cut_samples([s for s, _ in pairs], [r for _, r in pairs], windows)


@given(st.lists(st.integers(5, 60), min_size=2, max_size=5), st.integers(0, 3))
def test_runs_are_cut_to_one_length_whatever_theirs(lengths: list[int], skipped: int) -> None:
    pairs = [make(n, task=f"t{i}") for i, n in enumerate(lengths)]
    samples, _ = cut(pairs, Windows(offset=2.0 * skipped))
    assert samples.X.shape == (len(lengths), min(lengths) - skipped, 2)
    assert (pairs[0][0].values[skipped : min(lengths)] == samples.X).all()
    assert samples.table["stop"].unique().tolist() == [2.0 * min(lengths)]


def test_a_window_longer_than_the_shortest_run_is_refused() -> None:
    pairs = [make(20, "a"), make(10, "b")]
    assert cut(pairs, Windows(length=20.0))[0].X.shape[1] == 10
    with pytest.raises(InputError, match=r"windows of 11 frames .* \(b-1.nii\) has 10.* length alone would name"):
        cut(pairs, Windows(length=22.0))


def test_events_by_hand() -> None:
    events = (Event(1.0, 0, "x"), Event(6.0, 0, "y"), Event(17.0, 0, "x"), Event(9.0, 0, "rest"))
    windows = Windows("event", length=4.0, offset=2.0, classes={"X": ("x",), "Y": ("y",)})
    samples, left_out = cut([make(10, events=events)], windows)
    # onset + offset = 3, 8, 19 s: frames round(1.5) = 2, 4, 10; the last window leaves the scan
    assert samples.X[:, :, 0].tolist() == [[4, 6], [8, 10]]
    assert samples.table[["onset", "start", "stop", "label"]].to_numpy().tolist() == [
        [1.0, 4.0, 8.0, "X"], [6.0, 8.0, 12.0, "Y"]
    ]  # fmt: skip
    assert left_out == ["sub-1_task-go: 'x' at 17 s, its window leaves the scan"]


def test_without_classes_each_trial_type_is_one() -> None:
    events = (Event(0.0, 0, "x"), Event(4.0, 0, "y"))
    assert cut([make(10, events=events)], Windows("event", length=4.0))[0].classes == ("x", "y")


def test_a_region_absent_from_one_run_changes_no_shape() -> None:
    (one, run), (other, second) = make(10, "a"), make(10, "b")
    values = one.values.copy()
    values[:, 1] = np.nan
    with pytest.warns(CoverageWarning):
        samples, _ = cut_samples([replace(one, values=values), other], [run, second], Windows())
    assert samples.X.shape == (2, 10, 2)
    assert (samples.X[0, :, 1] == 0).all()
    assert samples.table["filled"].tolist() == [1, 0]
    assert samples.absent == ()
    both, _ = cut_samples([replace(one, values=values), replace(other, values=values)], [run, second], Windows())
    assert both.absent == ("r2",)


def test_halves_are_rounded_up_every_time() -> None:
    events = tuple(Event(float(t), 0, "xy"[t % 4 > 1]) for t in (1, 3, 5, 7))
    samples, _ = cut([make(10, events=events)], Windows("event", length=4.0))
    assert samples.X[:, 0, 0].tolist() == [2, 4, 6, 8]  # frames 0.5, 1.5, 2.5 and 3.5


def test_gaps_are_not_filled_where_zero_is_not_the_mean_nor_when_they_name_the_class() -> None:
    (one, run), (other, second) = make(10, "a"), make(10, "b")
    values = one.values.copy()
    values[:, 1] = np.nan
    raw = replace(one, values=values, history={"standardize": "none"})
    with pytest.raises(InputError, match="Region 'r2' is absent from some runs"):
        cut_samples([raw, other], [run, second], Windows())
    with pytest.warns(CoverageWarning, match="r2': 100% in 'a', 0% in 'b'. Their absence alone can name the class"):
        cut_samples([replace(one, values=values), other], [run, second], Windows())


def test_classes_that_would_share_a_file_are_refused() -> None:
    with pytest.raises(InputError, match=r"'face\+' and 'face-' would have the same file names"):
        cut([make(10, "face+"), make(10, "face-")], Windows())


@pytest.mark.parametrize("label", ["../x", "a/b", "a\nb", "?"])
def test_a_class_that_can_name_no_file_is_refused_with_where_it_comes_from(label: str) -> None:
    pair = make(10, events=(Event(1.0, 0, "x"), Event(6.0, 0, label)))
    with pytest.raises(InputError) as error:
        cut([pair], Windows("event", length=4.0))
    assert f"The class {label!r} cannot be part of a BIDS name" in str(error.value)
    assert f"It is first that of {pair[1].key}, from 6 s" in str(error.value)


@pytest.mark.parametrize(
    ("pairs", "windows", "words"),
    [
        ([make(10, "a"), make(10, "b", t_r=1.0)], Windows(), "one repetition time; a-1.nii has 2 s and b-1.nii has 1"),
        ([make(10, "a"), make(12, "a", subject="2")], Windows(), "all 2 samples are 'a'"),
        ([make(10)], Windows("event", length=4.0), "needs events with a trial type; no run has one"),
        ([make(10, events=(Event(30, 0, "left"),))], Windows("event", length=4.0), "No event's window lies within"),
        ([make(10)], Windows("event", length=0.5), "less than one frame"),
        (
            [make(10, events=(Event(0, 0, "left"),))],
            Windows("event", length=4.0, classes={"l": ("lefft",)}),
            "trial type 'lefft', which no run has. They have: left. Did you mean 'left'",
        ),
    ],
)
def test_one_message_for_each_wrong_cut(pairs: list[tuple], windows: Windows, words: str) -> None:
    with pytest.raises(InputError, match=words):
        cut(pairs, windows)


def test_windows_are_known_before_anything_is_read() -> None:
    events = (Event(1.0, 0, "x"), Event(6.0, 0, "y"), Event(17.0, 0, "x"))
    runs = [make(10, events=events)[1], make(12, "b", events=events)[1]]
    plan = plan_windows(runs, Windows("event", length=4.0, offset=2.0))
    assert (plan.source, plan.first, plan.n_times) == ((0, 0, 1, 1, 1), (2, 4, 2, 4, 10), 2)
    assert len(plan.left_out) == 1
    assert plan.outline().X.shape == (5, 2, 0)
    assert plan.outline().start == pytest.approx((3 + 2 + 3 + 2 + 3) / 5)


def test_series_that_are_not_the_runs_are_refused() -> None:
    (one, run), other = make(10, "a"), make(10, "b")
    with pytest.raises(InputError, match=r"The series of a-1.nii have 10 frames of 2 s, the run has 11 of 2 s"):
        cut([(one, replace(run, n_times=11)), other], Windows())


def test_other_regions_are_refused() -> None:
    (one, run), (other, second) = make(10, "a"), make(10, "b")
    with pytest.raises(InputError, match="has other regions"):
        cut_samples([one, replace(other, names=("r2", "r1"))], [run, second], Windows())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"unit": "events"}, "run, event, block; 'events' came. Did you mean 'event'"),
        ({"unit": "event"}, "above 0 seconds"),
        ({"length": -1.0}, "at least 0 seconds"),
        ({"length": float("nan")}, "must be a finite number"),
        ({"unit": "event", "length": 1.0, "classes": {"a": ()}}, "has no trial type"),
        ({"offset": -1.0}, "at least 0 when a sample is a run"),
        ({"unit": "event", "length": 1.0, "classes": {"a": ("x",), "b": ("x",)}}, "'x' belongs to both 'a' and 'b'"),
    ],
)
def test_wrong_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Windows(**settings)


def test_samples_come_back_from_disk(samples: Samples, tmp_path: Path) -> None:
    write_samples(replace(samples, absent=("r2",)), tmp_path, {"inputs": "x"})
    again = read_samples(tmp_path)
    np.testing.assert_array_equal(again.X, samples.X)
    pd.testing.assert_frame_equal(again.table, samples.table, check_dtype=False, rtol=1e-12)
    assert again.table["subject"].iloc[0] == "00"
    assert (again.t_r, again.names, again.absent) == (samples.t_r, samples.names, ("r2",))
