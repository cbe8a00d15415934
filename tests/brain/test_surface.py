"""Vertices have the region that nilearn's sampling finds, unblended, and none on the medial wall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making_cifti import write_labels
from nilearn.datasets import load_fsaverage, load_fsaverage_data
from nilearn.surface import vol_to_surf

from fmri_saliency.brain import (
    HEMISPHERES,
    Hemisphere,
    load_atlas,
    load_grayordinate_atlas,
    load_hemisphere,
    project_surface,
    project_vertices,
    read_hemisphere,
    sample_regions,
)
from fmri_saliency.brain import surface as room
from fmri_saliency.errors import AtlasError, InputError
from fmri_saliency.records import Atlas

AFFINE = np.array([[4.0, 0, 0, -90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def slabs() -> Atlas:
    """Return an atlas whose regions fill the whole box: in front, in the middle and behind, on either side."""
    labels = np.zeros((46, 55, 46), dtype=np.int32)
    for number in range(3):
        labels[:23, number * 18 : 19 + number * 18] = 10 + number  # numbers need not be those of the rows
        labels[23:, number * 18 : 19 + number * 18] = 20 + number
    regions = pd.DataFrame({"index": [20, 21, 22, 10, 11, 12], "name": list("abcdef")})
    return Atlas("Slabs", labels, AFFINE, regions, "MNI152NLin6Asym")


def test_vertices_have_the_region_that_nilearn_finds(slabs: Atlas) -> None:
    found, meshes = sample_regions(slabs), load_fsaverage("fsaverage5")
    index = slabs.regions["index"].to_numpy()
    for side in HEMISPHERES:
        theirs = vol_to_surf(nib.Nifti1Image(slabs.labels, slabs.affine), meshes["pial"].parts[side],
                             inner_mesh=meshes["white_matter"].parts[side],
                             interpolation="nearest_most_frequent")  # fmt: skip
        cortex = found[side] >= 0
        assert (index[found[side][cortex]] == theirs[cortex]).mean() > 0.995  # ties, and halves of voxels
        thickness = load_fsaverage_data(mesh="fsaverage5", data_type="thickness").data.parts[side]
        assert cortex.mean() == pytest.approx(0.93, abs=0.01)
        assert (thickness[~cortex] < 1.5).mean() > 0.7  # what is missing is the medial wall


def test_the_front_left_is_in_front_on_the_left(slabs: Atlas) -> None:
    values = project_surface(np.array([1.0, 2, 3, 4, 5, np.nan]), slabs)
    for side, wanted in (("left", [4.0, 5.0]), ("right", [1.0, 2.0, 3.0])):
        y = load_hemisphere(side, "white_matter").coordinates[:, 1]
        known = np.isfinite(values[side])
        assert set(np.unique(values[side][known])) >= set(wanted)
        means = [y[values[side] == value].mean() for value in wanted]
        assert means == sorted(means)
    assert (values["left"][np.isfinite(values["left"])] <= 3).mean() < 0.02  # a few cross the middle


def test_values_do_not_blend() -> None:
    atlas = load_atlas("Compact")
    values = np.arange(1.0, 101.0) ** 2
    for side, found in project_surface(values, atlas).items():
        known = found[np.isfinite(found)]
        assert set(known) <= set(values), side
        assert len(known) / len(found) > 0.9


def test_gaps_are_filled_from_near_by_only() -> None:
    places = np.zeros((5, 5, 5), dtype=int)
    places[1, 2, 2] = 7
    middle = np.array([[2.0, 2, 2], [4.5, 2, 2], [5.5, 2, 2]])  # 1, 3.5 and 4.5 mm away
    found = room._fill_gaps(np.array([0, 0, 0]), middle, places, np.eye(4))
    assert found.tolist() == [7, 7, 0]
    assert room._fill_gaps(np.array([3]), middle[:1], places, np.eye(4)).tolist() == [3]


def test_most_frequent_is_not_the_background() -> None:
    rows = np.array([[0, 0, 0, 5, 2, 5], [4, 4, 0, 9, 9, 9], [0, 0, 0, 0, 0, 0]])
    assert room._most_frequent(rows).tolist() == [5, 9, 0]


def test_atlases_are_told_apart_and_the_oldest_forgotten(slabs: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SAMPLED", {str(i): {} for i in range(room.KEPT)})
    first = sample_regions(slabs)
    assert sample_regions(slabs) is first
    assert len(room._SAMPLED) == room.KEPT
    assert "0" not in room._SAMPLED
    turned = replace(slabs, labels=slabs.labels[:, ::-1].copy())
    assert (sample_regions(turned)["left"] != first["left"]).any()


def test_maps_are_averaged_between_the_surfaces(slabs: Atlas) -> None:
    weights = np.stack([(slabs.labels == i) for i in slabs.regions["index"]], axis=-1).astype(np.float32) / 2
    found = project_surface(np.full(6, 3.0), replace(slabs, maps=weights))
    for values in found.values():
        assert np.nanmedian(values) == pytest.approx(1.5)


def test_what_cannot_be_shown_is_refused(slabs: Atlas) -> None:
    with pytest.raises(InputError, match=r"each of the 6 regions of atlas 'Slabs'; \(2, 6\) came"):
        project_surface(np.zeros((2, 6)), slabs)
    with pytest.raises(AtlasError, match="needs an atlas of voxels"):
        sample_regions(replace(slabs, grayordinates=object()))


def test_grayordinates_lie_on_the_vertices_that_they_name(tmp_path: Path) -> None:
    write_labels(tmp_path / "small.dlabel.nii")
    atlas = load_grayordinate_atlas(tmp_path / "small.dlabel.nii")
    flat = Hemisphere(np.zeros((9, 3)), np.zeros((0, 3), dtype=int), np.zeros(9))
    found = project_vertices(np.array([1.0, 2.0, 3.0]), atlas, {"left": flat, "right": flat})
    np.testing.assert_array_equal(found["left"], [1, np.nan, 1, 2, np.nan, 2, np.nan, 2, np.nan])
    np.testing.assert_array_equal(found["right"], [np.nan, np.nan, np.nan, np.nan, 3, np.nan, 3, np.nan, np.nan])
    fewer = Hemisphere(np.zeros((8, 3)), flat.faces, np.zeros(8))
    with pytest.raises(AtlasError, match="left side has 8 vertices"):
        project_vertices(np.ones(3), atlas, {"left": fewer, "right": flat})


def test_what_is_no_surface_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.surf.gii").write_text("no surface")
    for path in (tmp_path / "words.surf.gii", tmp_path / "gone.surf.gii"):
        with pytest.raises(AtlasError, match="Expected a surface"):
            read_hemisphere(path)
    nib.save(nib.gifti.GiftiImage(), tmp_path / "empty.surf.gii")
    with pytest.raises(AtlasError, match="Expected a surface"):
        read_hemisphere(tmp_path / "empty.surf.gii")
