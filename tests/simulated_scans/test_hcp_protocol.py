"""Timings of the seven tasks, against numbers worked out from the published protocol."""

from itertools import pairwise

import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.scans.hcp.events import HCP_TASKS
from fmri_saliency.simulated_scans.hcp_protocol import protocol_events

BOTH = pytest.mark.parametrize("direction", ["LR", "RL"])


def test_the_last_block_of_fear_ends_after_the_scan() -> None:
    events = protocol_events("EMOTION", "LR")
    assert events["neut"] == ((11.0, 18.0), (53.16, 18.0), (95.32, 18.0))
    assert events["fear"][-1] == (116.4, 18.0)  # as in the released files; the scan ends at 176 x 0.72 = 126.72 s


@BOTH
def test_working_memory_has_eight_blocks_of_ten_trials(direction: str) -> None:
    events = protocol_events("WM", direction)
    blocks = sorted(events[name][0] for name in HCP_TASKS["WM"].states)
    # a countdown of 8 s, blocks of 2.5 s cue + 10 x 2.5 s, and 15 s of fixation after every second one
    assert blocks == [(onset, 27.5) for onset in (8.0, 35.5, 78.0, 105.5, 148.0, 175.5, 218.0, 245.5)]
    assert {len(events[name]) for name in HCP_TASKS["WM"].states} == {1}
    assert len(events["all_bk_cor"]) + len(events["all_bk_err"]) == 80
    assert sorted(events["0bk_cor"] + events["2bk_cor"]) == list(events["all_bk_cor"])
    assert events["0bk_err"] == events["0bk_nlr"] == ()  # empty files are part of the release
    first = min(events["all_bk_cor"])
    assert first == (10.5, 2.5)


@BOTH
def test_movements_follow_their_cues(direction: str) -> None:
    events = protocol_events("MOTOR", direction)
    moves = sorted(span for name in ("lf", "lh", "rf", "rh", "t") for span in events[name])
    assert [len(events[name]) for name in ("lf", "lh", "rf", "rh", "t", "cue")] == [2, 2, 2, 2, 2, 10]
    assert events["cue"] == tuple((onset - 3, 3.0) for onset, _ in moves)
    assert {duration for _, duration in moves} == {12.0}
    assert moves[0][0] == 11.0
    gaps = [b[0] - a[0] for a, b in pairwise(moves)]
    assert set(gaps) == {15.0, 30.0}  # the next cue and movement, or 15 s of fixation before them


@BOTH
def test_gambling_has_mostly_win_and_mostly_loss_blocks(direction: str) -> None:
    events = protocol_events("GAMBLING", direction)
    assert sorted(events["win"] + events["loss"]) == [(8.0, 28.0), (51.0, 28.0), (94.0, 28.0), (137.0, 28.0)]
    inside = [onset for onset, _ in events["win_event"] for start, lasts in events["win"] if 0 <= onset - start < lasts]
    assert len(inside) == 2 * 6
    assert sum(len(events[f"{kind}_event"]) for kind in ("win", "loss", "neut")) == 4 * 8


def test_social_and_relational_blocks() -> None:
    one, other = (protocol_events("SOCIAL", direction) for direction in ("LR", "RL"))
    assert (len(one["mental"]), len(one["rnd"]), len(other["mental"]), len(other["rnd"])) == (3, 2, 2, 3)
    assert one["mental"][:2] == ((8.0, 23.0), (84.0, 23.0))  # two films of 23 s and two fixations of 15 s between
    assert one["mental_resp"][0] == (28.0, 3.0)
    relational = protocol_events("RELATIONAL", "LR")
    assert sorted(relational["relation"] + relational["match"])[:3] == [(10.0, 16.0), (28.0, 16.0), (62.0, 16.0)]
    assert relational["error"] == ()


@BOTH
def test_stories_and_sums_take_turns(direction: str) -> None:
    events = protocol_events("LANGUAGE", direction)
    assert len(events["story"]) == 4
    assert events["math"][0][0] > events["story"][0][0]
    for kind in ("math", "story"):
        parts = zip(events[kind], events[f"present_{kind}"], events[f"question_{kind}"], strict=True)
        for (onset, _), (heard, lasts), (asked, _) in parts:
            assert heard == onset
            assert asked == pytest.approx(heard + lasts, abs=2e-3)


@BOTH
@pytest.mark.parametrize("task", HCP_TASKS)
def test_conditions_begin_in_the_scan_and_do_not_overlap(task: str, direction: str) -> None:
    events = protocol_events(task, direction)
    assert set(events) == set(HCP_TASKS[task].files)
    spans = sorted(span for name in HCP_TASKS[task].conditions for span in events[name])
    assert all(a[0] + a[1] <= b[0] + 1e-6 for a, b in pairwise(spans))
    length = HCP_TASKS[task].n_times * 0.72
    assert all(0 <= onset < length for name in events for onset, _ in events[name])
    ends = max(onset + duration for onset, duration in spans)
    assert ends > 0.75 * length
    assert (ends > length) == (task == "EMOTION")


def test_unknown_tasks_and_directions() -> None:
    with pytest.raises(InputError, match="An HCP task must be one of EMOTION"):
        protocol_events("REST", "LR")
    with pytest.raises(InputError, match="A direction must be one of LR, RL"):
        protocol_events("WM", "AP")
