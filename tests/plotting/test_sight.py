"""Glass brains are nilearn's: the same pixels, the same outlines."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from nilearn.plotting import plot_glass_brain

from fmri_saliency.errors import AtlasError
from fmri_saliency.plotting import animate_glass, plot_glass
from fmri_saliency.plotting.sight import BRAIN, Seen, draw_brain, look_through
from fmri_saliency.records import Atlas

NOTHING = Seen(np.zeros((2, 2)), (-1.0, 1.0, -1.0, 1.0))
LAS = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -40], [0, 0, 3, -20], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [LAS, LAS * [[-1], [1], [1], [1]]], ids=["from the right", "from the left"])
def test_pixels_are_those_of_nilearn(affine: np.ndarray) -> None:
    shape = (21, 24, 18)
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    values[values < 0.5] -= 0.2  # no two of one size and another sign
    image = nib.Nifti1Image(values, affine)
    labels = np.arange(1, values.size + 1, dtype=np.int32).reshape(shape)  # every voxel is a region
    regions = pd.DataFrame({"index": labels.ravel(), "name": labels.ravel().astype(str)})
    views = look_through(values.reshape(1, -1), Atlas("Voxels", labels, affine, regions), "lyrz")
    theirs = plot_glass_brain(image, display_mode="lyrz", plot_abs=False, threshold=None, colorbar=False,
                              figure=Figure())  # fmt: skip
    for direction, (seen,) in views.items():
        (drawn,) = theirs.axes[direction].ax.images
        np.testing.assert_array_equal(seen.pixels[::-1], drawn.get_array())
        np.testing.assert_allclose(np.abs(np.subtract(seen.extent, drawn.get_extent())), 1.5)  # half a voxel more


def test_oblique_labels_are_not_blended(atlas: Atlas) -> None:
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, 0.2, 0.1))
    turned = replace(atlas, affine=turn @ atlas.affine)
    for (seen,) in look_through(np.arange(1.0, 7.0)[None], turned, "lyrz").values():
        assert set(np.unique(seen.pixels)) <= set(range(7))


def test_outlines_are_those_of_nilearn() -> None:
    theirs = plot_glass_brain(None, display_mode="l", figure=Figure(), colorbar=False).axes["l"]
    figure = Figure()
    axes = figure.subplots()
    draw_brain(axes, "l", NOTHING, ScalarMappable(Normalize(-1, 1)))
    paths = [(patch.get_transform() - theirs.ax.transData).transform(patch.get_path().vertices)
             for patch in theirs.ax.patches]  # fmt: skip
    corners = np.concatenate([patch.get_path().vertices for patch in axes.patches])
    wanted = np.concatenate(paths)
    np.testing.assert_allclose(sorted(map(tuple, corners.round(6))), sorted(map(tuple, wanted.round(6))), atol=1e-5)
    assert {patch.get_edgecolor() for patch in axes.patches} == {one.get_edgecolor() for one in theirs.ax.patches}


def test_left_is_on_the_left_and_behind_a_side_is_nothing(atlas: Atlas) -> None:
    values = np.zeros(6)
    figure = plot_glass(values + 1.0, replace(atlas, affine=np.diag([3.0, 3, 3, 1]) + LAS * [0, 0, 0, 1] * 3))
    left, back, right, top = figure.axes[:4]
    assert left.images[0].get_array().count() == 0  # all voxels have positive x
    assert right.images[0].get_array().count() > 0
    assert left.get_xlim()[0] > left.get_xlim()[1]  # the front is on the left
    for axes in (back, top):
        assert [text.get_text() for text in axes.texts] == ["L", "R"]
        assert axes.get_xlim()[0] < axes.get_xlim()[1]


def test_small_values_can_be_left_out_and_ranges_shared(atlas: Atlas) -> None:
    values = np.array([1.0, -3.0, 0.5, 0.0, 2.0, 2.0])
    figure = plot_glass(values, atlas, threshold=1.5, limit=10.0)
    shown = np.concatenate([np.ma.compressed(axes.images[0].get_array()) for axes in figure.axes[:4]])
    assert set(np.unique(shown)) == {-3.0, 2.0}
    assert figure.axes[-1].get_ylim() == (-10.0, 10.0)
    one_sided = plot_glass(np.abs(values), atlas, signed=False)
    assert one_sided.axes[-1].get_ylim() == (0.0, 3.0)


def test_an_animation_has_one_range_and_shows_each_moment(atlas: Atlas) -> None:
    values = np.zeros((4, 6))
    values[1], values[3] = 2.0, -2.0
    pictures = animate_glass(values, atlas, 0.72, "motor", "logit", 1.0, dpi=40)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (4, 116, 344, 3)
    brains = pictures[:, :, :280].astype(int)  # without the scale
    reddish = ((brains[..., 0] - brains[..., 2]) > 60).sum(axis=(1, 2))
    assert (reddish > 10).tolist() == [False, True, False, False]
    assert (((brains[..., 2] - brains[..., 0]) > 60).sum(axis=(1, 2)) > 10).tolist() == [False, False, False, True]
    np.testing.assert_array_equal(pictures[:, 20:, 320:], pictures[:1, 20:, 320:].repeat(4, axis=0))  # the scale stays
    assert (pictures[0] != pictures[2]).any()  # the time is written
    still = animate_glass(values, atlas, 0.72, "motor", "logit", 1.0, dpi=40, every=3)
    assert len(still) == 2
    np.testing.assert_array_equal(still[1], pictures[3])


def test_animation_of_grayordinates_is_refused(atlas: Atlas) -> None:
    with pytest.raises(AtlasError, match="no glass brain"):
        animate_glass(np.zeros((2, 6)), replace(atlas, grayordinates=object()), 1.0)


def test_views_are_as_wide_as_their_outlines() -> None:
    figure = Figure()
    widths = {}
    for direction in BRAIN:
        axes = figure.add_subplot()
        draw_brain(axes, direction, NOTHING, ScalarMappable(Normalize(-1, 1)))
        widths[direction] = abs(np.subtract(*axes.get_xlim()))
    assert {key: width / widths["l"] for key, width in widths.items()} == pytest.approx(BRAIN, abs=0.01)
