"""Figures that stand beside published ones: numbers are read back from the drawn artists."""

import numpy as np
import pytest

from fmri_saliency.plotting import plot_beside, plot_curves, plot_maps


def test_dots_lines_and_diamonds_stand_where_the_numbers_are() -> None:
    panels = {"early": {"a": [0.1, 0.3], "b": [0.5]}, "late": {"a": [0.2], "b": [np.nan]}}
    figure = plot_beside(
        panels, {"early": {"b": 0.9, "unknown": 1.0}}, {"early": {"random map": 0.4}}, {"early": {"a": [0.6]}}, "AUROC"
    )
    early, late = figure.axes
    assert early.lines[0].get_xdata() == [0.4, 0.4]
    points = {c.get_label(): c.get_offsets().tolist() for c in early.collections}
    assert points["trained network, one dot per seed"] == [[0.1, 0.0], [0.3, 0.0], [0.5, 1.0]]
    assert points["untrained network"] == [[0.6, 0.0]]
    assert points["published"] == [[0.9, 1.0]]
    assert [c.get_offsets().tolist() for c in late.collections] == [[[0.2, 0.0]]]  # what is not known is not drawn
    assert [label.get_text() for label in early.get_yticklabels()] == ["a", "b"]
    assert early.get_ylim() == (1.5, -0.5)  # the first network is at the top
    assert late.get_xlabel() == "AUROC"


def test_curves_have_their_mean_and_range_and_the_published_ones_their_colour() -> None:
    ours = {"a": np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 3.0]]), "b": np.array([[0.0, 0.0, 1.0]])}
    figure = plot_curves([10, 20, 30], {"Drop": ours}, {"Drop": {"a": [5, 6, 7], "c": [1, 1, 1]}}, "Removed (%)")
    (axes,) = figure.axes
    assert axes.lines[0].get_ydata().tolist() == [2.0, 3.0, 3.0]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 4.0)
    assert axes.lines[2].get_ydata().tolist() == [5, 6, 7]
    assert axes.lines[2].get_color() == axes.lines[0].get_color()
    assert axes.lines[2].get_linestyle() == "--"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["a", "b", "a (published)", "c (published)"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Removed (%)", "Drop")


def test_every_picture_has_its_own_grey_scale_from_zero() -> None:
    maps = {"one": np.arange(24.0).reshape(2, 4, 3) - 2.0, "two": np.zeros((2, 4, 3))}
    figure = plot_maps(maps, ["x", "y"], "Title")
    figure.draw_without_rendering()
    assert len(figure.axes) == 4
    assert figure.axes[0].images[0].get_array()[0, 0] == 2.0  # absolute
    assert [axis.images[0].get_clim() for axis in figure.axes] == [(0, 9.0), (0, 21.0), (0, 1.0), (0, 1.0)]
    assert [axis.get_title() for axis in figure.axes] == ["x", "y", "", ""]
    assert figure.axes[2].get_ylabel() == "two"
    with pytest.raises(ValueError, match="zip"):
        plot_maps(maps, ["x"])
