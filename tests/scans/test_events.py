"""When something happens, by hand: spans that keep rest away, and onsets counted from a later moment."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.records import Event
from fmri_saliency.scans import Scans, find_runs
from fmri_saliency.scans.events import busy_spans, read_bids_events, shift_events


def test_spans_by_hand() -> None:
    events = [Event(20, 0, "b"), Event(0, 5, "x"), Event(4, 6, "y"), Event(10, 2, "z"), Event(-4, 3, "x"),
              Event(20, 0, "c"), Event(95, 10, "x"), Event(100, 1, "late")]  # fmt: skip
    assert busy_spans(events, 100.0) == ((-4, -1), (0, 12), (20, 20), (95, 105))
    assert busy_spans((), 100.0) == ()


@given(st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 9)), max_size=12))
def test_spans_hold_the_same_seconds_as_the_events(events: list[tuple[int, int]]) -> None:
    spans = busy_spans([Event(o, d, "x") for o, d in events], 50.0)
    seconds = {s for o, d in events if o < 50 for s in range(o, o + d)}
    assert {s for begin, end in spans for s in range(begin, end)} == seconds
    assert {b for b, e in spans if b == e} == {o for o, d in events if d == 0 and o < 50}
    lasting = [span for span in spans if span[0] < span[1]]
    assert all(one[1] < other[0] for one, other in pairwise(lasting))


def test_onsets_from_a_later_moment() -> None:
    events = (Event(0.0, 3.0, "x"), Event(10.1, 2.0, "y"))
    assert shift_events(events, 0.9) == (Event(-0.9, 3.0, "x"), Event(9.2, 2.0, "y"))
    assert shift_events(events, 0.0) == events


def test_rows_without_a_name_are_no_events_and_no_rest(tmp_path: Path, write_bold: Callable[..., Path]) -> None:
    table = "onset\tduration\ttrial_type\n2\t4\tx\n8\tn/a\tn/a\n12\t2\tn/a\n20\t4\ty\n"
    (tmp_path / "e.tsv").write_text(table)
    assert read_bids_events(tmp_path / "e.tsv") == (Event(2, 4, "x"), Event(20, 4, "y"))
    assert [e.trial_type for e in read_bids_events(tmp_path / "e.tsv", unnamed=True)] == ["x", "", "", "y"]
    write_bold(np.random.default_rng(0).random((2, 2, 2, 20)).astype(np.float32), np.eye(4), "b.nii", 2.0)
    (tmp_path / "runs.tsv").write_text("subject\ttask\tbold\tevents\n1\tgo\tb.nii\te.tsv\n")
    run = find_runs(Scans("table", tmp_path / "runs.tsv")).runs[0]
    assert run.events == (Event(2, 4, "x"), Event(20, 4, "y"))
    assert run.busy == ((2, 6), (8, 8), (12, 14), (20, 24))
