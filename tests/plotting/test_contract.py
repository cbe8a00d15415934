"""What holds for every figure: units, room for the words, nothing left behind, and a place where one wants it."""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawing import Example, drawn_texts, make_examples
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from fmri_saliency import plotting

EXAMPLES = make_examples()
UNITLESS = {
    "AUPRC of cells", "AUROC", "AUROC of cells", "Epoch", "Figure of the check (share, correlation, or area under the "
    "curve)", "Hop", "Norm of last state's\nderivative by each state", "Predicted", "Probability of the answer",
    "Product of forget gates", "Rank correlation with the trained map", "Region", "Region, in the order of the atlas",
    "Share of the true class", "Share without data", "Time step", "True",
}  # fmt: skip
UNITS = {"%", "logit", "mm", "nats", "s", "times an even share"}


@pytest.fixture(params=EXAMPLES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def example(name: str) -> Example:
    return EXAMPLES[name]


@pytest.fixture(scope="module")
def figure(example: Example) -> Figure:
    figure = example.draw()
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # what is where is known then
    return figure


def test_every_figure_has_an_example() -> None:
    public = {name for name in plotting.__all__ if name.startswith("plot_")}
    assert {name.split()[0] for name in EXAMPLES} == public
    assert set(plotting.__all__) - public == {"GlassFilm", "animate_glass", "draw_glass_film", "view_volume"}
    for function in (getattr(plotting, name) for name in public):
        axes = inspect.signature(function).parameters["axes"]
        assert axes.default is None, function


def test_every_figure_is_used(repository: Path) -> None:
    """By a page, a tutorial, or a benchmark that draws published experiments again."""
    package = repository / "fmri_saliency"
    places = [*(package / "pipeline").rglob("*.py"), package / "plotting" / "quality.py",
              *(repository / "tutorials").glob("*.ipynb"),
              *(repository / "benchmarks" / "paper").glob("*.py")]  # fmt: skip
    code = "\n".join(path.read_text(encoding="utf-8") for path in places)
    assert [name for name in plotting.__all__ if f"{name}(" not in code and f"{name}," not in code] == []


def test_figures_are_no_business_of_pyplot(figure: Figure) -> None:
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []


def _are_apart(one: Text, other: Text) -> bool:
    """Return whether two oblique words beside each other leave room for the height of their letters."""
    angle = np.deg2rad(one.get_rotation())
    (x, y), (x_other, y_other) = (text.get_transform().transform(text.get_position()) for text in (one, other))
    across = abs((x_other - x) * np.sin(angle) - (y_other - y) * np.cos(angle))
    oblique = one.get_rotation() == other.get_rotation() and one.get_rotation() % 90 != 0
    return oblique and across >= one.get_fontsize() * one.figure.dpi / 72


def test_words_lie_within_the_figure_and_apart_from_each_other(figure: Figure) -> None:
    texts = drawn_texts(figure)
    assert texts
    for text, box in texts:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.width + 1, text
        assert box.y1 <= figure.bbox.height + 1, text
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(wide, high) <= 1.5 or _are_apart(one, other), (one.get_text(), other.get_text())


def _is_named(axes: Axes, which: str) -> bool:
    """Return whether the axis, or one that it shares its numbers with, says what it shows and in which unit."""
    siblings = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
    labels = {getattr(one, f"get_{which}label")() for one in siblings} - {""}
    return any(label in UNITLESS or label.rsplit("(")[-1].removesuffix(")") in UNITS for label in labels)


def _has_numbers(axis: Axis) -> bool:
    words = [text.get_text() for text in axis.get_ticklabels() if text.get_visible() and text.get_text()]
    return any(re.fullmatch(r"\W?[\d.]+(e\W?\d+)?|\$.*\$", word) for word in words)


def test_axes_with_numbers_have_units_or_are_known_to_have_none(figure: Figure) -> None:
    for axes in figure.axes:
        if not axes.axison or not axes.has_data():
            continue
        for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            assert not _has_numbers(axis) or _is_named(axes, which), (axes, which, axis.get_label())


def test_figures_take_the_place_of_axes(example: Example) -> None:
    page = Figure(figsize=(18, 5), layout="constrained")
    FigureCanvasAgg(page)
    ours, theirs = page.subplots(1, 2)
    assert example.draw(axes=ours) is page
    drawn = [axes for axes in page.axes if axes is not theirs]
    assert any(axes.has_data() for axes in drawn)
    assert not theirs.has_data()
    page.draw_without_rendering()
    for axes in drawn:
        assert axes.get_window_extent().x1 <= theirs.get_window_extent().x0
    assert plt.get_fignums() == []


def test_what_is_given_is_left_as_it_was(example: Example) -> None:
    arrays = [one for one in example.given if isinstance(one, np.ndarray)]
    before = [one.copy() for one in arrays]
    for one in arrays:
        one.setflags(write=False)
    example.draw()
    for one, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(one, copy)
        one.setflags(write=True)
