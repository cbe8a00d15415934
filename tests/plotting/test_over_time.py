"""Figures of attention, courses, training and checks show what they were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.stats import ttest_1samp

from fmri_saliency.errors import InputError
from fmri_saliency.plotting import (
    plot_attention,
    plot_evidence,
    plot_learning,
    plot_region_time,
    plot_time_courses,
)
from fmri_saliency.plotting.colours import CATEGORIES
from fmri_saliency.records import Event, Evidence


def test_bands_are_students_interval_over_subjects() -> None:
    courses = np.random.default_rng(0).standard_normal((6, 4, 2))
    courses[5, 2, 1] = np.nan  # one subject has no value there
    figure = plot_time_courses(courses, ["a", "b"], 2.0, title="motor", unit="logit", start=4.0)
    (axes,) = figure.axes
    bands = {to_hex(band.get_facecolor()[0][:3]): band for band in axes.collections}
    lines = {line.get_label(): line for line in axes.lines}
    for number, name in enumerate("ab"):
        assert lines[name].get_xdata().tolist() == [4, 6, 8, 10]
        corners = bands[CATEGORIES[number]].get_paths()[0].vertices
        for step in range(4):
            values = courses[:, step, number]
            values = values[np.isfinite(values)]
            known = ttest_1samp(values, 0).confidence_interval(0.95)
            assert lines[name].get_ydata()[step] == pytest.approx(values.mean())
            here = corners[corners[:, 0] == 4 + 2 * step, 1]
            assert (here.min(), here.max()) == pytest.approx((known.low, known.high))
    assert axes.get_ylabel() == "Saliency (logit)"
    assert figure.get_suptitle() == "motor; band: 95 % interval over 6 subjects"


def test_one_subject_has_a_course_without_a_band() -> None:
    figure = plot_time_courses(np.ones((1, 4, 1)), ["a"], 2.0, title="motor")
    assert figure.get_suptitle() == "motor"
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [1, 1, 1, 1]
    vertices = figure.axes[0].collections[0].get_paths()
    assert not vertices or not np.isfinite(vertices[0].vertices).any()


def test_courses_need_a_name_each() -> None:
    with pytest.raises(InputError, match=r"\(n_subjects, n_times, 2\), a column for each name; \(3, 4\) came"):
        plot_time_courses(np.ones((3, 4)), ["a", "b"], 1.0)


def test_expected_bold_lies_over_the_bars_of_its_events() -> None:
    values = np.zeros((40, 3))
    events = [Event(4.0, 6.0, "go"), Event(20.0, 4.0, "stop")]
    top, main, _ = plot_region_time(values, list("xyz"), 1.0, events).axes
    assert top.get_shared_x_axes().joined(top, main)
    go, stop = (line.get_ydata() for line in top.lines)
    assert go.max() == pytest.approx(0.4)  # from the lower edge of the row, -0.4, to the upper one
    assert go[0] == pytest.approx(-0.4)
    assert 8 <= go.argmax() <= 14
    assert stop.max() == pytest.approx(1.4)
    given = plot_region_time(values, list("xyz"), 1.0, events, responses={"go": np.full(40, 0.5)}).axes[0]
    assert [line.get_ydata()[0] for line in given.lines] == [0.0]
    assert not plot_region_time(values, list("xyz"), 1.0, events, responses={}).axes[0].lines


def test_networks_have_a_bar_of_colours_beside_their_rows() -> None:
    figure = plot_region_time(np.arange(15.0).reshape(3, 5), list("vwxyz"), 1.0, networks=["V", "M", "V", "D", "M"])
    axes = figure.axes[0]
    bars = [one for one in axes.collections if not one.get_clip_on()]
    assert [to_hex(bar.get_facecolor()[0]) for bar in bars] == list(CATEGORIES[:3])
    spans = [bar.get_paths()[0].get_extents().intervaly.tolist() for bar in bars]
    assert spans == [[-0.5, 1.5], [1.5, 3.5], [3.5, 4.5]]


def test_maps_without_a_sign_begin_at_zero() -> None:
    values = np.abs(np.random.default_rng(0).standard_normal((10, 4)))
    assert plot_region_time(values, list("abcd"), 1.0, signed=False).axes[0].images[0].get_clim() == (0, values.max())
    assert plot_region_time(values, list("abcd"), 1.0, limit=7).axes[0].images[0].get_clim() == (-7, 7)


def test_attention_is_drawn_beside_an_even_share() -> None:
    weights = np.array([[1.0, 0, 0], [0.25, 0.75, 0], [0.1, 0.3, 0.6]])
    image = plot_attention(weights, 2.0, start=4.0).axes[0].images[0]
    drawn = image.get_array()
    np.testing.assert_allclose(drawn.filled(-1), [[1, -1, -1], [0.5, 1.5, -1], [0.3, 0.9, 1.8]])
    assert list(image.get_extent()) == [4, 10, 10, 4]
    assert image.get_clim() == pytest.approx((0, 1.8))
    axes = plot_attention(weights[:2], 2.0, reader="hop").axes[0]
    assert axes.get_yticks().tolist() == [1, 2]
    assert axes.get_ylabel() == "Hop"
    with pytest.raises(InputError, match=r"\(n_readers, n_times\); \(1, 3, 3\) came"):
        plot_attention(weights[None], 1.0)
    with pytest.raises(InputError, match="one of time, hop; 'hops' came"):
        plot_attention(weights, 1.0, reader="hops")


def test_learning_curves_have_a_dot_at_the_epoch_that_was_kept() -> None:
    fold = [{"epoch": i, "train_loss": 1.0 / i, "valid_loss": abs(i - 3) + 0.5} for i in range(1, 6)]
    alone = [{"epoch": i, "train_loss": 2.0, "valid_loss": None} for i in range(1, 3)]
    first, second = plot_learning({"lstm": [fold, alone], "linear": [[]]}, "Title").axes
    drawn = [line for line in first.lines if len(line.get_xdata())]
    assert [line.get_ydata().tolist() for line in drawn] == [
        [1.0, 0.5, pytest.approx(1 / 3), 0.25, 0.2], [2.5, 1.5, 0.5, 1.5, 2.5], [0.5], [2.0, 2.0]
    ]  # fmt: skip
    assert drawn[2].get_xdata().tolist() == [3.0]
    assert (first.get_title(), second.get_title()) == ("lstm, 2 folds", "linear, 1 fold")
    assert not second.lines


def test_evidence_has_its_null_and_its_interval() -> None:
    rows = [
        Evidence("recovery", "a", 0.9, 0.5, "", "", (0.8, 0.95)),
        Evidence("last tenth", "net", 0.3, 0.1, "", ""),
        Evidence("recovery", "b", 0.7, float("nan"), "", ""),
        Evidence("recovery", "c", float("nan"), 0.5, "", ""),
    ]
    axes = plot_evidence(rows).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["recovery: a", "recovery: b", "last tenth: net"]
    points = {label: [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines
                      if line.get_label() == label] for label in ("this map", "a map that says nothing")}  # fmt: skip
    assert points == {"this map": [(0.9, 0), (0.7, 1), (0.3, 2)], "a map that says nothing": [(0.5, 0), (0.1, 2)]}
    assert [list(line.get_xdata()) for line in axes.lines if line.get_label() == "95 % interval"] == [[0.8, 0.95]]
    assert plot_evidence([]).axes
