"""Glass brains of many moments: nilearn's projection, each moment in its place."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from making import make_atlas
from matplotlib.figure import Figure
from nilearn.image import reorder_img
from nilearn.plotting import plot_glass_brain

from fmri_saliency.brain import load_atlas, project_regions
from fmri_saliency.plotting import draw_glass_film, view_volume
from fmri_saliency.plotting.film import VIEWS
from fmri_saliency.plotting.sight import AXES, project_glass
from fmri_saliency.records import Atlas


def coarse(step: float = 8.0) -> Atlas:
    """Return 27 regions of 3 x 3 x 3 voxels around the origin of MNI's space; the first axis runs as `step` says."""
    x, y, z = np.indices((18, 9, 9)) // 3
    labels = (1 + x + 6 * (y + 3 * z)).astype(np.int32)
    atlas = make_atlas(n_regions=54, shape=(18, 9, 9), space="MNI152NLin6Asym")
    affine = np.diag([step, 8.0, 8.0, 1.0])
    affine[:3, 3] = (-8 * step, -50.0, -20.0)
    return replace(atlas, labels=labels, affine=affine)


@pytest.mark.parametrize("step", [8.0, -8.0])
@pytest.mark.parametrize("view", VIEWS)
def test_a_projection_is_nilearns(view: str, step: float) -> None:
    atlas = coarse(step)
    values = np.random.default_rng(0).standard_normal((3, 54)).astype(np.float32)
    values[1, 4] = np.nan
    found = project_glass(values, atlas, view)
    axes = plot_glass_brain(None, display_mode=view, figure=Figure(), plot_abs=False, colorbar=False).axes[view]
    for one, row in zip(found, np.nan_to_num(values), strict=True):
        image = reorder_img(project_regions(row, atlas))
        wanted = np.rot90(axes.transform_to_2d(image.get_fdata(), image.affine), -1)
        turned = one[::-1] if step < 0 and view in "yz" else one
        np.testing.assert_allclose(turned, wanted, atol=1e-6)


def test_maps_are_added_before_they_are_seen_through() -> None:
    atlas = coarse()
    maps = np.stack([atlas.labels == 1 + region for region in range(54)], axis=-1).astype(np.float32)
    maps[..., 1] += 0.5 * maps[..., 0]
    by_maps = replace(atlas, maps=maps)
    values = np.random.default_rng(1).standard_normal((10, 54)).astype(np.float32)  # more than are made at a time
    found = project_glass(values, by_maps, "z")
    for one, row in zip(found, values, strict=True):
        volume = project_regions(row, by_maps).get_fdata()
        wanted = np.take_along_axis(volume, np.abs(volume).argmax(axis=2)[..., None], axis=2)[..., 0]
        np.testing.assert_allclose(one, wanted, atol=1e-6)


def test_each_moment_is_drawn_where_it_lies() -> None:
    atlas = coarse()
    values = np.zeros((3, 54), dtype=np.float32)
    values[1, 0], values[2, 53] = 2.0, -1.0  # left, back, low; then right, front, high, half as strong
    film = draw_glass_film(values, atlas, "logit")
    n, height, width = film.frames.shape
    assert n == 3
    assert film.outlines.shape == (height, width, 3)
    white = len(film.colours) // 2
    assert (film.colours[white] == 255).all()
    assert (film.frames[0] == white).all()
    assert set(np.unique(film.frames[1])) == {white, len(film.colours) - 1}
    assert set(np.unique(film.frames[2])) == {white, round(0.25 * (len(film.colours) - 1))}
    views = [(0, 0.25), (0.25, 0.47), (0.47, 0.71), (0.71, 0.9)]  # left, back, right, top
    shown = [[(film.frames[k, :, round(a * width) : round(b * width)] != white).any() for a, b in views]
             for k in (1, 2)]  # fmt: skip
    assert shown == [[True, True, False, True], [False, True, True, True]]
    top = film.frames[:, :, round(0.71 * width) : round(0.9 * width)]
    rows, columns = zip(*(np.argwhere(one != white).mean(axis=0) for one in top[1:]), strict=True)
    assert rows[0] > rows[1]  # the back is at the bottom
    assert columns[0] < columns[1]  # left is left
    red, blue = (film.moment(k)[film.frames[k] != white].mean(axis=0) for k in (1, 2))
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_an_oblique_grid_is_put_upright() -> None:
    atlas = coarse()
    turned = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.0, 0.0, 0.2) @ atlas.affine[:3, :3], (-60, -60, -20))
    film = draw_glass_film(np.ones((1, 54)), replace(atlas, affine=turned))
    assert (film.frames[0] == len(film.colours) - 1).sum() > 500


def test_nothing_to_see_is_white() -> None:
    film = draw_glass_film(np.full((2, 54), np.nan), coarse())
    assert (film.frames == len(film.colours) // 2).all()
    far = replace(coarse(), affine=nib.affines.from_matvec(np.eye(3), (500, 500, 500)))  # beside every brain
    assert (draw_glass_film(np.ones((1, 54)), far).frames == len(film.colours) // 2).all()


def test_the_axes_of_views_are_two_of_three() -> None:
    assert set(AXES) == set(VIEWS)


def test_a_volume_needs_no_network_and_is_the_same_each_time() -> None:
    atlas = load_atlas()
    values = np.linspace(-1, 1, atlas.n_regions)
    page = view_volume(values, atlas, "class-a")
    assert page == view_volume(values, atlas, "class-a")
    assert "http" not in page.replace("http://www.w3.org", "")
    assert 'id="div_viewer-class-a"' in page
    assert len(page) < 2e6


def test_a_volume_opens_at_its_strongest_region_and_has_a_unit() -> None:
    atlas = load_atlas()
    values = np.zeros(atlas.n_regions)
    values[7], values[40] = 0.3, -0.8
    page = view_volume(values, atlas, "class-a", "logit")
    assert '"title": "logit"' in page
    (words,) = re.findall(r'"numSlice": (\{[^}]+\})', page)
    (affine,) = re.findall(r'"affine": (\[\[[^a-z]+\]\])', page)
    opened = nib.affines.apply_affine(np.array(json.loads(affine)), list(json.loads(words).values()))
    voxel = nib.affines.apply_affine(np.linalg.inv(atlas.affine), opened).round().astype(int)
    assert atlas.labels[tuple(voxel)] == atlas.regions["index"][40]
