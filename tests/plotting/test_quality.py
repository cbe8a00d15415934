"""Figures of a run's quality show what they were given: numbers are read back from the drawn artists."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from fmri_saliency.plotting import plot_coverage, plot_run_quality
from fmri_saliency.plotting.quality import SHADES
from fmri_saliency.records import Atlas, Event, RegionSeries
from fmri_saliency.series import Motion

UNKNOWN = Motion(np.full(5, np.nan), "unknown: no confounds")


@pytest.fixture
def run() -> RegionSeries:
    values = np.zeros((5, 4), dtype=np.float32)
    values[:, 0] = [10, 10, 10, 10, 20]  # mean 12, standard deviation 4
    values[:, 1] = [0, 1, 0, 1, 0]
    values[:, 2] = np.nan
    values[:, 3] = 7
    return RegionSeries(values, 2.0, tuple("abcd"), np.array([1.0, 0.5, 0.0, 1.0]))


def test_the_carpet_holds_z_scores_on_a_clock_in_seconds(run: RegionSeries) -> None:
    carpet, below = plot_run_quality(run, UNKNOWN, title="Run").axes
    drawn = carpet.images[0].get_array()
    np.testing.assert_allclose(drawn[0], [-0.5, -0.5, -0.5, -0.5, 2.0])
    assert np.ma.getmaskarray(drawn).all(axis=1).tolist() == [False, False, True, True]  # absent, and constant
    assert carpet.images[0].get_clim() == (-2, 2)
    assert carpet.images[0].get_extent() == [0, 10.0, 3.5, -0.5]
    assert (below.get_xlim(), below.get_xlabel()) == ((0, 10.0), "Time (s)")


def test_regions_lie_by_network_and_within_it_by_hemisphere(run: RegionSeries) -> None:
    ramp = replace(run, values=np.outer([0, 0, 0, 0, 1], [1, -1, 1, -1]) + np.outer([0, 1, 0, 0, 0], [0, 0, 3, 3.0]))
    wanted = plot_run_quality(ramp, UNKNOWN).axes[0].images[0].get_array()
    axes = plot_run_quality(ramp, UNKNOWN, networks=["V", "M", "M", "V"], hemispheres=["L", "R", "L", "R"]).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), wanted[[0, 3, 2, 1]])
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["V", "M"]
    sides = plot_run_quality(ramp, UNKNOWN, hemispheres=["L", "R", "L", "R"]).axes[0]
    np.testing.assert_array_equal(sides.images[0].get_array(), wanted[[0, 2, 1, 3]])
    assert [label.get_text() for label in sides.child_axes[0].get_yticklabels()] == ["L", "R"]


def test_displacement_lies_under_events_with_its_limit_and_shades(run: RegionSeries) -> None:
    motion = Motion(np.array([np.nan, 0.1, 3.0, 0.2, 0.1]), "of a table")
    events = [Event(0.0, 4.0, "go"), Event(6.0, 2.0, "stop")]
    marked = np.array([False, False, True, True, False])
    top, _, below = plot_run_quality(run, motion, events, 1, marked).axes
    assert [label.get_text() for label in top.get_yticklabels()] == ["go", "stop"]
    (steps,) = [patch for patch in below.patches if hasattr(patch, "get_data")]
    np.testing.assert_array_equal(steps.get_data().values, motion.displacement)
    assert steps.get_data().edges.tolist() == [0, 2, 4, 6, 8, 10]
    assert below.get_ylim()[1] >= 3.0
    (limit,) = below.lines
    assert list(limit.get_ydata()) == [0.5, 0.5]
    shades = {bars.get_label(): bars for bars in below.collections}
    spans = {name: [tuple(path.get_extents().intervalx) for path in bars.get_paths()] for name, bars in shades.items()}
    assert spans == {"not steady": [(0, 2)], "marked": [(4, 8)]}
    assert tuple(shades["marked"].get_facecolor()[0][:3]) == to_rgb(SHADES["marked"])


def test_unknown_displacement_is_said(run: RegionSeries) -> None:
    below = plot_run_quality(run, UNKNOWN).axes[-1]
    assert [text.get_text() for text in below.texts] == ["unknown: no confounds"]
    assert not below.lines


def test_coverage_lies_on_a_glass_brain_or_in_bars(atlas: Atlas) -> None:
    coverage = np.array([1.0, 0.25, 0.0, np.nan, 1.0, 1.0])
    bars = plot_coverage(coverage, atlas, "Title").axes[0]  # the space is not known
    assert [bar.get_height() for bar in bars.patches] == [0, 0.75, 1, 1, 0, 0]
    mni = replace(atlas, space="MNI152NLin6Asym")
    figure = plot_coverage(coverage, mni, "Title")
    drawn = [image for axes in figure.axes for image in axes.images]
    assert len(drawn) == 4
    assert all(image.get_clim() == (0, 1) for image in drawn)
    assert figure.axes[-1].get_ylim() == (0, 1)
    for given, worst in ((coverage, 1.0), (np.ones(6), 0.0), (np.full(6, 0.6), 0.4)):
        images = [image for axes in plot_coverage(given, mni).axes for image in axes.images]
        assert max(float(image.get_array().max()) for image in images) == pytest.approx(worst)


def test_coverage_of_maps_is_that_of_the_strongest_region(atlas: Atlas) -> None:
    maps = np.ones((*atlas.labels.shape, 6), dtype=np.float32)  # they overlap everywhere
    soft = replace(atlas, maps=maps, space="MNI152NLin6Asym")
    figure = plot_coverage(np.full(6, 0.5), soft)
    images = [image for axes in figure.axes for image in axes.images]
    assert max(float(image.get_array().max()) for image in images) == pytest.approx(0.5)
