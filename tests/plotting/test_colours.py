"""Colours are told apart by readers who see fewer of them, and in grey."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fmri_saliency.plotting.colours import (
    CATEGORIES,
    LINES,
    SIGNED,
    UNSIGNED,
    colour_of,
    draw_scale,
    line_of,
    mark_negative,
    scale_of,
)

# Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1: of linear red, green and blue
DEUTERANOPIA = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                         [-0.011820, 0.042940, 0.968881]])  # fmt: skip
PROTANOPIA = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                       [-0.003882, -0.048116, 1.051998]])  # fmt: skip
# IEC 61966-2-1
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _linear(colours: np.ndarray) -> np.ndarray:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _lab(colours: np.ndarray, seen_by: np.ndarray | None = None) -> np.ndarray:
    """Return CIELAB of sRGB colours (n, 3), as they are seen by someone."""
    linear = _linear(np.asarray(colours, dtype=float))
    seen = np.clip(linear if seen_by is None else linear @ seen_by.T, 0, 1)
    share = seen @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def _steps(colours: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(_lab(colours), axis=0), axis=1)


PALETTE = np.array([to_rgb(colour) for colour in CATEGORIES])


def test_lightness_of_known_colours() -> None:
    np.testing.assert_allclose(_lab(np.array([[0, 0, 0], [1, 1, 1.0]]))[:, 0], [0, 100], atol=1e-9)
    np.testing.assert_allclose(_lab(np.array([[1, 0, 0]]))[0], [53.2, 80.1, 67.2], atol=0.1)  # published for sRGB red


@pytest.mark.parametrize("seen_by", [None, DEUTERANOPIA, PROTANOPIA], ids=["all", "deuteranopia", "protanopia"])
def test_categories_are_far_apart_for_everyone(seen_by: np.ndarray | None) -> None:
    lab = _lab(PALETTE, seen_by)
    for one, other in itertools.combinations(range(len(lab)), 2):
        assert np.linalg.norm(lab[one] - lab[other]) > 12, (CATEGORIES[one], CATEGORIES[other])


def test_neighbouring_categories_differ_in_grey() -> None:
    lightness = _lab(PALETTE)[:, 0]
    assert np.abs(lightness - np.roll(lightness, 1)).min() > 14


def test_lines_differ_without_any_colour() -> None:
    assert len(set(LINES)) == len(LINES) == len(CATEGORIES)
    assert line_of(1) == {"color": CATEGORIES[1], "linestyle": LINES[1]}
    assert colour_of(len(CATEGORIES)) == CATEGORIES[0]


@pytest.mark.parametrize("seen_by", [None, DEUTERANOPIA, PROTANOPIA], ids=["all", "deuteranopia", "protanopia"])
def test_signs_differ_for_everyone_and_sizes_in_grey(seen_by: np.ndarray | None) -> None:
    values = np.linspace(-1, 1, SIGNED.N)
    lab = _lab(SIGNED((values + 1) / 2)[:, :3], seen_by)
    size = np.abs(values)
    far = size > 0.25
    assert np.linalg.norm(lab - lab[::-1], axis=1)[far].min() > 20  # of one size and different sign
    if seen_by is None:
        assert (np.diff(lab[: SIGNED.N // 2, 0]) > 0).all()  # the larger, the darker: on either side
        assert (np.diff(lab[SIGNED.N // 2 :, 0]) < 0).all()
        assert lab[-1, 0] - lab[0, 0] > 12  # in grey the strongest negative is darker than the strongest positive


def test_scales_are_evenly_spaced() -> None:
    negative, positive = (_steps(SIGNED(half)[:, :3]) for half in np.split(np.arange(SIGNED.N), 2))
    assert negative.sum() == pytest.approx(positive.sum(), rel=0.05)  # a step is as much on either side
    for steps in (negative, positive, _steps(UNSIGNED(np.arange(UNSIGNED.N))[:, :3])):
        assert steps.max() / steps.min() < 1.8
    assert (np.diff(_lab(UNSIGNED(np.linspace(0, 1, 65))[:, :3])[:, 0]) < 0).all()


def test_ranges_are_symmetric_or_begin_at_zero() -> None:
    values = np.array([1.0, np.nan, -4.0])
    assert scale_of(values).get_clim() == (-4.0, 4.0)
    assert scale_of(np.abs(values), signed=False).get_clim() == (0.0, 4.0)
    assert scale_of(values, limit=9.0).get_clim() == (-9.0, 9.0)
    assert scale_of(np.array([np.nan])).get_clim() == (-1.0, 1.0)
    assert scale_of(np.abs(values)).get_clim() == (-4.0, 4.0)  # what has a sign need not show it


def test_negative_values_are_outlined_in_dashes() -> None:
    axes = Figure().subplots()
    pixels = np.zeros((4, 4))
    pixels[1, 2] = -3.0
    mark_negative(axes, pixels, (0, 8, 0, 4), 3.0)
    (lines,) = axes.collections
    (path,) = lines.get_paths()
    box = path.get_extents()
    np.testing.assert_allclose([box.x0, box.x1, box.y0, box.y1], (4, 6, 1, 2), atol=1e-6)  # the edges of that pixel
    middle = np.abs(path.vertices - (5.0, 1.5)) / (1.0, 0.5)
    assert middle.max(axis=1).min() > 0.95  # no corner is cut off
    assert lines.get_linestyles()[0][1] is not None  # dashes
    mark_negative(axes, -pixels, (0, 8, 0, 4), 3.0)
    mark_negative(axes, pixels / 4, (0, 8, 0, 4), 3.0)
    assert len(axes.collections) == 1


def test_outlines_leave_the_axes_as_they_are() -> None:
    axes = Figure().subplots()
    axes.imshow(-np.ones((2, 3)), extent=(0, 6, 1.5, -0.5), aspect="auto")
    mark_negative(axes, -np.ones((2, 3)), (0, 6, -0.5, 1.5), 1.0)
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.0, 6.0), (1.5, -0.5))
    assert axes.collections[0].get_paths()[0].get_extents().extents == pytest.approx((0, -0.5, 6, 1.5))


def test_small_numbers_have_a_power_of_ten() -> None:
    figure = Figure(layout="constrained")
    bar = draw_scale(figure, scale_of(np.array([2e-4])), figure.subplots(), "logit")
    figure.draw_without_rendering()
    assert bar.ax.yaxis.get_offset_text().get_text() == "1e\N{MINUS SIGN}4"
    assert bar.ax.get_ylabel() == "logit"
