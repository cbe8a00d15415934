"""Who is held out, and scores by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from making import make_samples

from fmri_saliency.decoding import Fold, find_blocks, make_folds, score_predictions
from fmri_saliency.decoding.baseline import predict_linear
from fmri_saliency.decoding.score import survey_interval
from fmri_saliency.errors import DecoderError, InputError, SplitWarning
from fmri_saliency.records import Event, Run, Samples
from fmri_saliency.series import Windows, plan_windows


def one_run(n: int = 40, spacing: float = 4.0, length: float = 6.0) -> Samples:
    """Return overlapping windows of a single run, as events of one person give."""
    whole = make_samples(n_subjects=1, per_subject=n)
    start = np.arange(n) * spacing
    return replace(whole, table=whole.table.assign(run="sub-00", start=start, stop=start + length))


def one_person() -> Samples:
    whole = make_samples(n_subjects=4)
    return replace(whole, table=whole.table.assign(group="sub-00"))


def in_blocks(labels: str, length: float = 6.0, spacing: float = 6.0) -> Samples:
    """Return windows of a single run, one label each."""
    whole = one_run(2 * len(labels), spacing, length)
    table = whole.table.iloc[: len(labels)].assign(label=list(labels))
    return replace(whole, X=whole.X[: len(labels)], table=table)


def check(folds: list[Fold], n_samples: int) -> None:
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(n_samples))
    for fold in folds:
        parts = [set(p.tolist()) for p in (fold.train, fold.valid, fold.test)]
        assert all(parts)
        assert not parts[0] & parts[1]
        assert not (parts[0] | parts[1]) & parts[2]


@given(st.integers(5, 12), st.integers(2, 5), st.integers(0, 99))
def test_groups_are_never_split(n_subjects: int, n_folds: int, seed: int) -> None:
    samples = make_samples(n_subjects)
    folds = make_folds(samples, "group", n_folds, seed)
    check(folds, len(samples.y))
    for fold in folds:
        owners = [set(samples.groups[p].tolist()) for p in (fold.train, fold.valid, fold.test)]
        assert not owners[0] & owners[1]
        assert not (owners[0] | owners[1]) & owners[2]


def test_families_stay_together() -> None:
    samples = make_samples(8)
    families = np.repeat([f"family-{i}" for i in range(4)], 8)  # two subjects each
    samples = replace(samples, table=samples.table.assign(group=families))
    for fold in make_folds(samples, "group", 4):
        assert set(samples.table["subject"].iloc[fold.test]).isdisjoint(samples.table["subject"].iloc[fold.train])
        assert len(fold.test) == 8


def test_one_run_is_left_out_at_a_time() -> None:
    samples = make_samples(5)
    folds = make_folds(samples, "leave-one-run-out")
    check(folds, 20)
    assert len(folds) == 5
    for fold in folds:
        assert samples.table["run"].iloc[fold.test].nunique() == 1
        assert samples.table["run"].iloc[fold.valid].nunique() == 1


def test_of_two_runs_one_is_trained_on_and_nothing_is_stopped_on() -> None:
    samples = make_samples(2, per_subject=6)
    folds = make_folds(samples, "leave-one-run-out")
    assert [(fold.train.tolist(), fold.valid.tolist(), fold.test.tolist()) for fold in folds] == [
        (list(range(6, 12)), [], list(range(6))), (list(range(6)), [], list(range(6, 12)))
    ]  # fmt: skip


def test_blocks_are_what_follows_each_other_of_one_run_and_class() -> None:
    samples = in_blocks("aabbba")
    shuffled = np.array([3, 0, 5, 1, 4, 2])
    assert find_blocks(samples).tolist() == [0, 0, 1, 1, 1, 2]
    moved = replace(samples, table=samples.table.iloc[shuffled].reset_index(drop=True))
    assert find_blocks(moved).tolist() == [1, 0, 2, 0, 1, 1]
    two = samples.table.assign(run=["1"] * 4 + ["2"] * 2)
    assert find_blocks(replace(samples, table=two)).tolist() == [0, 0, 1, 1, 2, 3]


@given(st.integers(2, 4), st.integers(4, 6), st.sampled_from([6.0, 8.0]), st.integers(0, 20))
def test_whole_blocks_are_held_out_class_by_class(n_folds: int, size: int, spacing: float, seed: int) -> None:
    samples = in_blocks(("a" * size + "b" * size) * 8, spacing=spacing)
    folds = make_folds(samples, "blocks", n_folds, seed)
    blocks = find_blocks(samples)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(16 * size))
    start, stop = samples.table["start"].to_numpy(), samples.table["stop"].to_numpy()
    for fold in folds:
        counts = [np.sum(samples.y[fold.test] == label) for label in "ab"]
        assert abs(counts[0] - counts[1]) <= size  # a block more of one class at most
        assert not set(blocks[fold.test]) & set(blocks[np.concatenate([fold.train, fold.valid])])
        assert set(samples.y[fold.train]) == {"a", "b"}
        for one, other in ((fold.train, fold.test), (fold.valid, fold.test), (fold.train, fold.valid)):
            if len(one) and len(other):
                gaps = np.maximum(start[one][:, None] - stop[other], start[other] - stop[one][:, None])
                assert gaps.min() >= 6.0 - 1e-6


def test_stretches_of_a_design_in_blocks_are_said_to_bias() -> None:
    samples = in_blocks(("a" * 5 + "b" * 5) * 2)
    # each stretch is a block, so that 5 of the 12 or 13 samples that are left are of its class
    with pytest.warns(SplitWarning, match=r"right in 40%, by chance in 50%\. .* below chance\. Set split = .blocks"):
        make_folds(samples, "contiguous", 4)
    make_folds(in_blocks("ab" * 12), "contiguous", 4)  # warnings are errors: these are mixed


@given(st.integers(2, 5), st.floats(1.0, 5.0), st.floats(2.0, 8.0))
def test_stretches_of_time_keep_a_gap_as_long_as_a_window(n_folds: int, spacing: float, length: float) -> None:
    samples = one_run(60, spacing, length)
    folds = make_folds(samples, "contiguous", n_folds)
    check(folds, 60)
    start, stop = samples.table["start"].to_numpy(), samples.table["stop"].to_numpy()
    for fold in folds:
        assert (np.diff(fold.test) == 1).all()
        for one, other in ((fold.train, fold.test), (fold.valid, fold.test), (fold.train, fold.valid)):
            gaps = np.maximum(start[one][:, None] - stop[other], start[other] - stop[one][:, None])
            assert gaps.min() >= length - 1e-6


@pytest.mark.parametrize(
    ("make", "split", "n_folds", "words"),
    [
        (lambda: make_samples(3), "group", 5, "5 folds by subject or family need at least 5"),
        (lambda: make_samples(2), "group", 2, 'come from 2. For a single person with several runs, set split = "leave'),
        (lambda: one_run(10), "group", 2, 'come from 1. For a single run, set split = "contiguous" .* or "blocks"'),
        (one_person, "group", 2, 'come from 1. For a single person with several runs, set split = "leave-one-run-out"'),
        (one_run, "leave-one-run-out", 2, 'at least 2 runs; the samples come from 1. For a single run'),
        (lambda: in_blocks("aabbaabbcc"), "blocks", 2, "at least 2 blocks of every class; 'c' has 1"),
        (lambda: in_blocks("ab" * 5), "blocks", 6, "6 folds of whole blocks need at least 6 blocks of every class"),
        (lambda: make_samples(8), "group", 1, "at least 2 folds"),
        (lambda: one_run(6, 1.0, 6.0), "contiguous", 3, "no sample to train on"),
        (lambda: one_run(4), "contiguous", 5, "at least 5 samples"),
        (lambda: make_samples(8), "subject", 3, "split in .* must be one of group"),
    ],
)
def test_one_message_for_each_impossible_split(
    make: Callable[[], Samples], split: str, n_folds: int, words: str
) -> None:
    with pytest.raises(DecoderError, match=words):
        make_folds(make(), split, n_folds)


def test_too_few_people_of_a_class_is_a_message() -> None:
    samples = make_samples(6, per_subject=1)
    with pytest.raises(DecoderError, match="5 folds by subject or family need at least 5 samples of every class"):
        make_folds(samples, "group", 5)
    check(make_folds(samples, "group", 3), 6)


def test_a_class_that_is_never_trained_on_is_named() -> None:
    samples = one_run(40)
    labels = ["a"] * 20 + ["b"] * 20
    with pytest.raises(DecoderError, match="Fold 1 of split 'contiguous' has no training sample of class 'a'"):
        make_folds(replace(samples, table=samples.table.assign(label=labels)), "contiguous", 2)


def test_scores_by_hand() -> None:
    y, predicted = list("aaaabb"), list("aaabbb")
    score = score_predictions(y, predicted, [1, 1, 2, 2, 3, 3], "held-out people")
    assert score.accuracy == pytest.approx(5 / 6)
    assert score.balanced_accuracy == pytest.approx((3 / 4 + 1) / 2)
    assert (score.chance, score.majority) == (0.5, pytest.approx(4 / 6))
    assert score.confusion == [[3, 1], [0, 2]]
    assert score.recall == (0.75, 1.0)
    assert (score.n_samples, score.n_groups, score.classes) == (6, 3, ("a", "b"))


def test_intervals_against_published_ones() -> None:
    # Wilson's interval for 8 of 10, independent samples: 0.490 to 0.943 (Brown, Cai & DasGupta 2001)
    correct = np.array([1] * 8 + [0] * 2)
    low, high = survey_interval(correct, np.arange(10))
    assert (low, high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert survey_interval(np.ones(10), np.arange(10)) == (pytest.approx(0.722, abs=1e-3), 1.0)


def test_when_everything_is_right_or_wrong_people_are_counted() -> None:
    # Wilson for n of n: lower limit 1 / (1 + z^2 / n), here with n = 16 people of 8 samples each
    low, high = survey_interval(np.ones(128), np.repeat(np.arange(16), 8))
    assert (low, high) == (pytest.approx(1 / (1 + 1.959964**2 / 16), abs=1e-6), 1.0)
    assert survey_interval(np.zeros(128), np.repeat(np.arange(16), 8)) == (0.0, pytest.approx(1 - low))


def test_people_who_fail_together_widen_the_interval() -> None:
    correct = np.repeat([1, 1, 1, 0], 25)
    alone = survey_interval(correct, np.arange(100))
    together = survey_interval(correct, np.repeat(np.arange(4), 25))
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_the_linear_baseline_learns_and_never_sees_its_test_samples() -> None:
    samples = make_samples(8, effect=3.0)
    folds = make_folds(samples, "group", 4)
    assert np.mean(predict_linear(samples, folds) == samples.y) > 0.8
    noise = make_samples(30, effect=0.0)
    assert np.mean(predict_linear(noise, make_folds(noise, "group", 5)) == noise.y) < 0.65


EVENTS = st.lists(
    st.tuples(st.floats(0, 180), st.floats(0, 30), st.sampled_from("ab")), min_size=24, max_size=40
).map(lambda found: tuple(Event(o, d, k) for o, d, k in sorted(found)))


@given(
    st.lists(EVENTS, min_size=6, max_size=6),
    st.sampled_from(["contiguous", "leave-one-run-out", "group"]),
    st.builds(Windows, st.sampled_from(["event", "block"]), st.floats(4.0, 12.0), delay=st.floats(0, 6),
              rest=st.booleans()),
)  # fmt: skip
def test_windows_that_share_frames_are_never_on_two_sides(
    designs: list[tuple[Event, ...]], split: str, windows: Windows
) -> None:
    """Six runs of five people, two of whom are of one family and one of whom has two runs."""
    owners = [("1", "", ""), ("1", "", "2"), ("2", "f", ""), ("3", "f", ""), ("4", "", ""), ("5", "", "")]
    runs = [
        Run(subject, "go", Path("x.nii"), 0.72, 280, events=events, run=number, family=family)
        for events, (subject, family, number) in zip(designs, owners, strict=True)
    ]
    try:
        samples = plan_windows(runs, windows).outline()
        folds = make_folds(samples, split, 3)
    except (DecoderError, InputError):
        assume(False)
    table = samples.table
    for fold in folds:
        for one, other in ((fold.train, fold.test), (fold.valid, fold.test), (fold.train, fold.valid)):
            a, b = table.iloc[one], table.iloc[other]
            same = a["run"].to_numpy()[:, None] == b["run"].to_numpy()
            gap = np.maximum(a["start"].to_numpy()[:, None] - b["stop"].to_numpy(),
                             b["start"].to_numpy() - a["stop"].to_numpy()[:, None])  # fmt: skip
            assert not (same & (gap < 0)).any()
            if split == "group":
                assert set(a["group"]).isdisjoint(b["group"])
                assert set(a["subject"]).isdisjoint(b["subject"])


def test_a_person_of_two_families_is_refused() -> None:
    samples = make_samples(8)
    families = samples.table["group"].mask(samples.table.index == 5, "family-7")
    with pytest.raises(DecoderError, match=r"Subject '01' belongs to several groups \(sub-01, family-7\)"):
        make_folds(replace(samples, table=samples.table.assign(group=families)), "group", 3)
