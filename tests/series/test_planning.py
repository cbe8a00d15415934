"""Which windows are cut: blocks, rest, delays and marked frames, by hand and for any design."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.errors import InputError, TimingWarning
from fmri_saliency.records import Event, Run
from fmri_saliency.series import WindowPlan, Windows, class_balance, plan_windows
from fmri_saliency.series.resample import count_resampled


def run(*events: Event, n_times: int = 50, t_r: float = 2.0, subject: str = "1", **more: str) -> Run:
    return Run(subject, "go", Path(f"{subject}.nii"), t_r, n_times, events=events, **more)


def rows(plan: WindowPlan, *columns: str) -> list[list]:
    return plan.table[list(columns)].to_numpy().tolist()


def test_blocks_are_filled_with_windows_by_hand() -> None:
    # frames of 2 s, windows of 3; blocks of 8 and 3 frames hold 2 and 1; one of 2 frames holds none
    one = run(Event(4, 16, "x"), Event(30, 6, "y"), Event(50, 4, "x"))
    plan = plan_windows([one], Windows("block", length=6.0))
    assert rows(plan, "label", "onset", "start", "stop") == [
        ["x", 4, 4, 10], ["x", 10, 10, 16], ["y", 30, 30, 36]
    ]  # fmt: skip
    assert (plan.first, plan.n_times) == ((2, 5, 15), 3)
    assert plan.left_out == ("sub-1_task-go: 'x' at 50 s, it lasts 4 s, less than a window",)


def test_a_delay_moves_windows_and_not_what_they_are_counted_from() -> None:
    one = run(Event(4, 16, "x"), Event(30, 6, "y"), Event(90, 10, "x"))
    plan = plan_windows([one], Windows("block", length=6.0, delay=5.0))
    # 9 s and 15 s are frames 4.5 and 7.5: halves go up; the last block's response leaves the scan of 100 s
    assert rows(plan, "label", "onset", "start") == [["x", 4, 10], ["x", 10, 16], ["y", 30, 36]]
    assert plan.left_out == ("sub-1_task-go: 'x' at 90 s, window 1 of it leaves the scan",)
    assert plan.outline().start == pytest.approx(6.0)
    # the first 4 s of each block skipped: 12 s of the first are left for two windows, 2 s of the second for none
    skipped = plan_windows([one, run(Event(0, 10, "y"), subject="2")], Windows("block", 6.0, offset=4.0, delay=4.0))
    assert rows(skipped, "label", "onset", "start") == [["x", 8, 12], ["x", 14, 18], ["y", 4, 8]]
    events = plan_windows([one], Windows("event", length=6.0, delay=4.0, offset=-2.0))
    assert rows(events, "onset", "start") == [[4, 6], [30, 32], [90, 92]]


def test_rest_is_what_no_event_and_no_window_holds_by_hand() -> None:
    # 50 frames of 2 s. Blocks 10-20 s and 60-70 s, a button at 80 s that is no class; windows of 4 frames
    one = run(Event(10, 10, "x"), Event(60, 10, "y"), Event(80, 0, "button"))
    classes = {"x": ("x",), "y": ("y",)}
    plain = plan_windows([one], Windows("block", length=8.0, rest=True, classes=classes))
    rest = plain.table[plain.table["label"] == "rest"]
    # before: 0-8; between 20 and 60 s: 20, 28, 36, 44, 52; 70-78; after the button, which counts as 80-82: 82, 90
    assert rest["start"].tolist() == [0, 20, 28, 36, 44, 52, 70, 82, 90]
    late = plan_windows([one], Windows("block", length=8.0, delay=6.0, rest=True, classes=classes))
    rest = late.table[late.table["label"] == "rest"]
    # all 6 s later, from the scan's beginning to its end: 0, 8 (ends at 16), 26 ... 58, 76 (ends at 84), 88
    assert rest["start"].tolist() == [0, 8, 26, 34, 42, 50, 58, 76, 88]
    assert (rest["start"] - rest["onset"] == 6).all()
    after = plan_windows([one], Windows("event", length=14.0, rest=True, classes=classes))
    # windows of 14 s after brief events reach beyond them: 10-24 and 60-74 are taken
    rest = after.table[after.table["label"] == "rest"]
    assert rest["start"].tolist() == [24, 38, 82]


def test_rest_keeps_clear_of_what_is_no_event_by_hand() -> None:
    # 50 frames of 2 s, windows of 4; one event at 10-20 s; besides, a cue at 50-53 s and a press of a button at 71 s
    one = replace(run(Event(10, 10, "x")), busy=((10, 20), (50, 53), (71, 71)))
    plan = plan_windows([one], Windows("block", length=8.0, rest=True))
    rest = plan.table[plan.table["label"] == "rest"]
    # 20, 28, 36 (ends at 44); the cue takes the frames of 50-54: 54, 62 (ends at 70); the button 71-73, frames 70-74
    assert rest["start"].tolist() == [0, 20, 28, 36, 54, 62, 74, 82, 90]
    late = plan_windows([one], Windows("block", length=8.0, rest=True, delay=4.0, guard=8.0))
    rest = late.table[late.table["label"] == "rest"]
    # 14-24, 54-57 and 75-83, in frames 14-24, 54-58, 74-84
    assert rest["start"].tolist() == [0, 24, 32, 40, 58, 66, 84, 92]
    assert (rest["start"] - rest["onset"] == 4).all()


def test_a_run_without_time_for_rest_is_said() -> None:
    presses = tuple((float(second), float(second)) for second in range(0, 100, 4))
    one = replace(run(Event(10, 10, "x"), Event(30, 10, "y")), busy=presses)
    plan = plan_windows([one], Windows("block", length=8.0, rest=True))
    assert set(plan.table["label"]) == {"x", "y"}
    assert plan.left_out == ("sub-1_task-go: 'rest', nowhere is there a window's time between what happened",)


def test_a_run_without_known_events_is_no_rest() -> None:
    known, unknown = run(Event(10, 10, "x"), Event(60, 10, "y")), run(subject="2")
    plan = plan_windows([known, unknown], Windows("block", length=8.0, rest=True))
    assert set(plan.table["subject"]) == {"1"}
    assert plan.left_out == (
        "sub-2_task-go: 'rest', nothing is known of what happened in it and when: it has no events",
    )
    # a resting state has no events, and a run whose events are all no classes is known all the same
    resting, others = replace(unknown, task="restEyesOpen"), replace(unknown, subject="3", busy=((0.0, 84.0),))
    table = plan_windows([known, resting, others], Windows("block", length=8.0, rest=True)).table
    assert table.loc[table["subject"] == "2", "label"].tolist() == ["rest"] * 12
    assert table.loc[table["subject"] == "3", "start"].tolist() == [84, 92]


EVENTS = st.lists(
    st.tuples(st.floats(0, 190), st.floats(0, 40), st.sampled_from("abc")), min_size=2, max_size=12
).map(lambda found: tuple(Event(o, d, k) for o, d, k in sorted(found)))
ANY = st.builds(
    Windows,
    unit=st.sampled_from(["event", "block"]),
    length=st.floats(2.0, 15.0),
    offset=st.floats(0.0, 5.0),
    delay=st.floats(0.0, 8.0),
    rest=st.just(True),
    t_r=st.sampled_from([0.0, 1.0, 2.2]),
)


@given(EVENTS, ANY, st.sampled_from([0.72, 2.0]))
def test_whatever_the_design_windows_stay_in_the_run_and_keep_their_time(
    events: tuple[Event, ...], windows: Windows, t_r: float
) -> None:
    one = run(*events, n_times=int(200 / t_r), t_r=t_r)
    try:
        plan = plan_windows([one], windows)
    except InputError as error:
        assert "two classes" in str(error) or "No event's window" in str(error)  # noqa: PT017
        return
    table, first = plan.table, np.array(plan.first)
    assert first.min() >= 0
    assert first.max() + plan.n_times <= count_resampled(one.n_times, t_r, plan.t_r)
    np.testing.assert_allclose(table["start"], first * plan.t_r, atol=1e-6)
    np.testing.assert_allclose(table["stop"] - table["start"], plan.n_times * plan.t_r, atol=2e-6)
    shift = (table["start"] - table["onset"]).to_numpy()
    wanted = windows.delay + (windows.offset if windows.unit == "event" else 0)
    is_rest = (table["label"] == "rest").to_numpy()
    assert (np.abs(shift[~is_rest] - wanted) <= plan.t_r / 2 + 1e-5).all()
    if windows.unit == "block":  # each window lies in the response of an event of its label, to half a frame a side
        for row in table[~is_rest].itertuples():
            assert any(
                e.trial_type == row.label
                and e.onset + windows.delay - 0.5 * plan.t_r <= row.start + 1e-5
                and row.stop <= e.onset + e.duration + windows.delay + 1.0 * plan.t_r + 1e-5
                for e in events
            )
    for row in table[is_rest].itertuples():
        for e in events:
            begin, end = e.onset + windows.delay, e.onset + e.duration + windows.delay
            assert row.stop <= begin + 1e-4 * plan.t_r or row.start >= end - 1e-4 * plan.t_r
        others = table[(table.index != row.Index)]
        assert ((others["stop"] <= row.start + 1e-5) | (others["start"] >= row.stop - 1e-5)).all()


def test_marked_frames_are_counted_and_windows_with_too_many_are_left_out() -> None:
    one = run(Event(4, 6, "x"), Event(20, 6, "y"), Event(40, 6, "x"))
    marked = np.zeros(50, dtype=bool)
    marked[[1, 2, 3, 11]] = True  # 2 of the frames 2-4, 1 of 10-12, none of 20-22
    windows = Windows("event", length=6.0)
    assert plan_windows([one], windows, [marked]).table["marked"].tolist() == [2, 1, 0]
    assert plan_windows([one], windows).table["marked"].tolist() == [0, 0, 0]
    some = plan_windows([one], replace(windows, max_marked=0.5), [marked])
    assert rows(some, "label", "marked") == [["y", 1], ["x", 0]]
    assert some.left_out == ("sub-1_task-go: 'x' from 4 s, 2 of its frames are marked",)
    exactly = plan_windows([one], replace(windows, max_marked=2 / 3), [marked])
    assert len(exactly.table) == 3
    with pytest.raises(InputError, match="all 1 samples are 'x'"):
        plan_windows([one], replace(windows, max_marked=0.0), [marked])
    with pytest.raises(InputError, match=r"Every window has more marked frames than max_marked = 0"):
        plan_windows([one], replace(windows, max_marked=0.0), [np.ones(50, dtype=bool)])
    with pytest.raises(InputError, match=r"49 frames of 1\.nii are marked as good or bad; it has 50"):
        plan_windows([one], windows, [marked[1:]])


def test_marked_frames_are_those_of_the_scan_when_it_is_resampled() -> None:
    one = run(Event(0, 6, "x"), Event(20, 6, "y"), n_times=100, t_r=1.0)
    marked = np.zeros(100, dtype=bool)
    marked[[5, 6, 20]] = True
    plan = plan_windows([one], Windows("event", length=6.0, t_r=2.0), [marked])
    assert plan.table["marked"].tolist() == [1, 1]  # of the frames 0-5 and 20-25 of the scan


def test_scans_of_two_repetition_times_share_windows() -> None:
    events = Event(10, 10, "x"), Event(40, 10, "y")
    fast, slow = run(*events, n_times=139, t_r=0.72), run(*events, subject="2")
    with pytest.raises(InputError, match=r"or set t_r in \[samples\] to resample"):
        plan_windows([fast, slow], Windows("block", length=10.0))
    plan = plan_windows([fast, slow], Windows("block", length=10.0, t_r=2.0))
    assert (plan.t_r, plan.n_times) == (2.0, 5)
    assert rows(plan, "subject", "start", "stop") == [["1", 10, 20], ["1", 40, 50], ["2", 10, 20], ["2", 40, 50]]
    both = [replace(one, task=task) for one in (fast, slow) for task in "ab"]
    whole = plan_windows(both, Windows(t_r=2.0))
    assert whole.n_times == 50  # 138 x 0.72 = 99.36 s: frames at 0 ... 98, as many as the other has


def test_repetition_times_that_go_with_a_class_are_refused() -> None:
    fast, slow = run(n_times=139, t_r=0.72), run(subject="2")
    with pytest.raises(InputError, match=r"100% of the samples of 'a' come from .* a repetition time of 0\.72 s, "
                                         r"and 0% of those of 'b'\. Resampling .* spectrum"):
        plan_windows([replace(fast, task="a"), replace(slow, task="b")], Windows(t_r=2.0))
    few = [replace(one, task=task, subject=f"{k}") for task, count in (("a", 2), ("b", 1))
           for k, one in enumerate([fast] * count + [slow] * (5 - count))]
    with pytest.warns(TimingWarning, match=r"80% of the samples of 'b' .* of 2 s, and 60% of those of 'a': the rep"):
        plan_windows(few, Windows(t_r=2.0))


def test_stretches_that_windows_are_cleaned_in_by_hand() -> None:
    long = run(Event(0, 4, "x"), Event(40, 4, "x"), Event(96, 4, "x"), n_times=50)  # 2 s a frame
    short = run(Event(0, 4, "y"), Event(18, 4, "y"), Event(36, 4, "y"), n_times=20, subject="2")
    plan = plan_windows([long, short], Windows("event", length=4.0))
    # 30 frames are to spare, so that stretches begin at multiples of 4; a window from frame 20 of 48 belongs at
    # 20 * 30 / 48 = 12.5, and the last one at 28 would end at frame 48, two too early
    assert plan.stretch == ((0, 20), (12, 20), (30, 20), (0, 20), (0, 20), (0, 20))
    same = plan_windows([long, replace(long, subject="3", events=short.events)], Windows("event", length=4.0))
    assert set(same.stretch) == {(0, 50)}  # runs of one length are cleaned as a whole
    odd = [*[replace(long, subject=f"{k}", events=(Event(40, 4, kind),)) for k in range(3) for kind in "xy"],
           replace(short, events=short.events[:1])]
    assert plan_windows(odd, Windows("event", length=4.0)).stretch[:6] == ((0, 50),) * 6  # one broken run is one
    whole = plan_windows([replace(long, task="a"), replace(short, task="b")], Windows(offset=10.0))
    assert whole.stretch == ((5, 15), (5, 15))


@given(st.integers(20, 300), st.integers(20, 300), st.integers(1, 20), st.data())
def test_every_stretch_lies_in_its_run_and_holds_its_window(
    one: int, other: int, n_times: int, data: st.DataObject
) -> None:
    lengths = [one, other]
    starts = [data.draw(st.integers(0, (size - n_times) * 2)) / 2 for size in lengths for _ in range(3)]
    runs = [run(*(Event(2.0 * int(at), 1, kind) for at in starts[3 * k : 3 * k + 3]), n_times=size, subject=f"{k}")
            for k, (size, kind) in enumerate(zip(lengths, "xy", strict=True))]
    plan = plan_windows(runs, Windows("event", length=2.0 * n_times))
    for source, first, (begin, size) in zip(plan.source, plan.first, plan.stretch, strict=True):
        assert size == min(lengths)
        assert 0 <= begin <= first
        assert first + n_times <= begin + size <= lengths[source]


def test_a_trial_type_called_rest_is_not_mixed_with_the_time_between() -> None:
    one = run(Event(4, 16, "rest"), Event(30, 6, "y"))
    with pytest.raises(InputError, match="the events have a trial type of that name"):
        plan_windows([one], Windows("block", length=6.0, rest=True))
    plan = plan_windows([one], Windows("block", length=6.0, rest=True, classes={"y": ("y",), "pause": ("rest",)}))
    assert set(plan.table["label"]) == {"y", "pause", "rest"}


def test_the_balance_of_classes_by_hand() -> None:
    events = (Event(4, 12, "x"), Event(30, 6, "y"))
    plan = plan_windows([run(*events), run(*events, subject="2", family="7"), run(*events, subject="3", family="7")],
                        Windows("block", length=6.0))  # fmt: skip
    assert class_balance(plan.table).to_dict("index") == {
        "x": {"samples": 6, "runs": 3, "groups": 2}, "y": {"samples": 3, "runs": 3, "groups": 2}
    }  # fmt: skip
