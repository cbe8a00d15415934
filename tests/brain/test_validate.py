"""What is checked of an atlas before it is used."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from caching import AFFINE, two_sides
from hypothesis import given
from hypothesis import strategies as st
from making import make_atlas

from fmri_saliency.brain import load_label_atlas, project_labels
from fmri_saliency.brain.maps import load_maps_atlas
from fmri_saliency.brain.validate import check_sides, find_centres, list_names, number_regions
from fmri_saliency.errors import AtlasError, CoverageWarning, OrientationWarning


def save(tmp_path: Path, labels: np.ndarray, rows: str, affine: np.ndarray = AFFINE) -> tuple[Path, Path]:
    nib.save(nib.Nifti1Image(labels, affine), tmp_path / "labels.nii.gz")
    (tmp_path / "labels.tsv").write_text("index\tname\n" + rows)
    return tmp_path / "labels.nii.gz", tmp_path / "labels.tsv"


@given(st.integers(1, 9), st.integers(0, 2**31))
def test_centres_are_the_mean_places_of_voxels(n_regions: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, n_regions + 1, (5, 4, 3)).astype(np.int32)
    affine = make_atlas().affine
    index = np.random.default_rng(seed).permutation(np.arange(1, n_regions + 2))
    found = find_centres(labels, affine, index)
    for label, centre in zip(index, found, strict=True):
        voxels = np.argwhere(labels == label)
        if len(voxels):
            np.testing.assert_allclose(centre, nib.affines.apply_affine(affine, voxels).mean(axis=0), atol=1e-9)
        else:
            assert np.isnan(centre).all()


@pytest.mark.parametrize("names", [("a_L", "a_R"), ("7Networks_LH_Vis_1", "7Networks_RH_Vis_1"), ("Left x", "Right x")])
def test_left_and_right_must_be_where_their_names_say(tmp_path: Path, names: tuple[str, str]) -> None:
    image, table = save(tmp_path, two_sides(), f"1\t{names[0]}\n2\t{names[1]}\n")
    assert load_label_atlas(image, table, space="MNI152NLin6Asym").regions["hemisphere"].tolist() == ["L", "R"]
    table.write_text(f"index\tname\n2\t{names[0]}\n1\t{names[1]}\n")
    words = f"2 of 2 regions of .*labels.nii.gz lie on the other side .*'{names[0]}' has its centre at x = \\+20 mm"
    for space in ("MNI152NLin6Asym", ""):  # in an unknown space only the order of the two sides is known
        with pytest.raises(AtlasError, match=words):
            load_label_atlas(image, table, space=space)


def test_the_column_hemisphere_is_asked_where_names_say_nothing(tmp_path: Path) -> None:
    image, table = save(tmp_path, two_sides(), "")
    table.write_text("index\tname\themisphere\n1\ta\tRH\n2\tb\tLH\n")
    with pytest.raises(AtlasError, match="Left and right do not agree"):
        load_label_atlas(image, table, space="MNI152NLin6Asym")


def test_an_origin_elsewhere_matters_in_a_template_only(tmp_path: Path) -> None:
    shifted = AFFINE.copy()
    shifted[0, 3] += 100
    paths = save(tmp_path, two_sides(), "1\ta_L\n2\ta_R\n", shifted)
    assert load_label_atlas(*paths).n_regions == 2
    with pytest.raises(AtlasError, match="1 of 2 regions"):
        load_label_atlas(*paths, space="MNI152NLin6Asym")


def test_regions_near_the_midline_and_a_tolerated_share() -> None:
    regions = pd.DataFrame({"index": [1, 2, 3], "name": ["a_L", "b_L", "c_R"]})
    centres = np.array([[-20.0, 0, 0], [3.9, 0, 0], [np.nan] * 3])
    check_sides(regions, centres, "MNI152", "it")
    centres[1, 0] = 4.1
    with pytest.raises(AtlasError, match="1 of 3"):
        check_sides(regions, centres, "MNI152", "it")
    check_sides(regions, centres, "MNI152", "it", tolerated=0.5)


def test_rows_without_voxels_are_absent_and_named(tmp_path: Path) -> None:
    paths = save(tmp_path, two_sides(), "1\ta_L\n2\ta_R\n9\tgone\n10\tlost\n")
    with pytest.warns(CoverageWarning, match=r"2 of 4 regions .*labels.tsv names .*labels.nii.gz: gone, lost\."):
        atlas = load_label_atlas(*paths)
    assert atlas.names == ("a_L", "a_R", "gone", "lost")
    assert atlas.regions["x"].isna().tolist() == [False, False, True, True]


def test_a_freesurfer_table_names_more_than_an_image_holds(tmp_path: Path) -> None:
    image, _ = save(tmp_path, two_sides(17, 53), "")
    lut = tmp_path / "lut.txt"
    lut.write_text("0 Unknown 0 0 0 0\n17 Left-Hippocampus 1 2 3 0\n53 Right-Hippocampus 1 2 3 0\n77 WM 1 2 3 0\n")
    assert load_label_atlas(image, lut).names == ("Left-Hippocampus", "Right-Hippocampus")
    lut.write_text("17 Left-Hippocampus 1 2 3 0\n")
    with pytest.raises(AtlasError, match="holds label 53"):
        load_label_atlas(image, lut)


def test_labels_that_wrapped_when_they_were_written(tmp_path: Path) -> None:
    """Labels 1 and 300 written as 8 bits become 1 and 44: the table gives it away."""
    wrapped = two_sides(1, 300).astype(np.uint8)
    assert set(np.unique(wrapped)) == {0, 1, 44}
    with pytest.raises(AtlasError, match=r"names labels up to 300, but .* is stored as uint8, which ends at 255"):
        load_label_atlas(*save(tmp_path, wrapped, "1\ta_L\n300\ta_R\n"))


def test_an_image_of_eight_bits_is_fine_below(tmp_path: Path) -> None:
    assert load_label_atlas(*save(tmp_path, two_sides(1, 255, np.uint8), "1\ta_L\n255\ta_R\n")).n_regions == 2


def test_long_lists_of_names_are_cut() -> None:
    assert list_names(["a", "b"]) == "a, b"
    assert list_names(list(range(11))) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"


@pytest.mark.parametrize(
    ("largest", "kind"),
    [(2**32 + 1, np.int64), (2**32 + 1, np.uint64), (2**63, np.uint64), (2**32 - 1, np.uint32), (2**31, np.float64),
     (1e20, np.float32), (1e300, np.float64)],
)  # fmt: skip
def test_labels_that_do_not_fit_32_bits(tmp_path: Path, largest: float, kind: type) -> None:
    labels = np.ones((2, 2, 2), kind)
    labels[0, 0, 0] = largest
    nib.save(nib.Nifti1Image(labels, AFFINE, dtype=kind), tmp_path / "atlas.nii.gz")
    (tmp_path / "atlas.tsv").write_text("index\tname\n1\ta\n2\tb\n")
    with pytest.raises(AtlasError, match=r"Labels must be at most 2147483647 \(32 bits\); .*atlas\.nii\.gz holds"):
        load_label_atlas(tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv")


def test_the_largest_labels_stay_what_they_are(tmp_path: Path) -> None:
    """As float32 2**24 + 1 would be 2**24; a table as long as the largest label would take 16 GB."""
    labels = np.zeros((2, 2, 2))
    labels[0], labels[1, 0], labels[1, 1] = 2**24 + 1, 2**24, 2**31 - 1
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "atlas.nii.gz")
    (tmp_path / "atlas.tsv").write_text(f"index\tname\n{2**31 - 1}\ta\n{2**24}\tb\n{2**24 + 1}\tc\n")
    atlas = load_label_atlas(tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv")
    assert np.array_equal(atlas.labels, labels)
    projected = project_labels(np.array([1.0, 2.0, 3.0], np.float32), atlas).get_fdata()
    assert np.array_equal(projected[:, :, 0], [[3, 3], [2, 1]])
    centres = [atlas.regions.loc[atlas.regions["name"] == name, ["x", "y", "z"]].to_numpy()[0] for name in "abc"]
    voxels = [[1, 1, 0.5], [1, 0, 0.5], [0, 0.5, 0.5]]
    assert np.allclose(centres, nib.affines.apply_affine(AFFINE, voxels), atol=0.051)


@given(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=9, unique=True), st.integers(0, 2**31 - 1))
def test_rows_of_labels_however_large(index: list[int], other: int) -> None:
    labels = np.array([0, other, *index])
    numbered, place = number_regions(labels, np.array(index))
    expected = [0, *([index.index(other) + 1] if other in index else [0]), *range(1, len(index) + 1)]
    assert place[numbered].tolist() == expected
    assert len(place) <= 2**22 + 1


@pytest.mark.parametrize(("colour", "fine"), [("#1f77b4", True), ("n/a", True), ("blue", True), ("#zz0000", False)])
def test_colours_of_a_table(tmp_path: Path, colour: str, fine: bool) -> None:
    labels = np.ones((2, 2, 2), np.int16)
    paths = save(tmp_path, labels, "")
    paths[1].write_text(f"index\tname\tcolor\n1\ta\t{colour}\n")
    if fine:
        load_label_atlas(*paths)
        return
    with pytest.raises(AtlasError, match=f"must hold colours such as #1f77b4, or n/a; '{colour}' came"):
        load_label_atlas(*paths)


@pytest.mark.parametrize("maps", [False, True])
def test_an_atlas_whose_header_cannot_be_true(tmp_path: Path, maps: bool) -> None:
    values = np.ones((2, 2, 2, 2) if maps else (2, 2, 2), np.int16)
    values[0] = 2
    image = nib.Nifti1Image(values, AFFINE)
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "atlas.nii.gz")
    (tmp_path / "atlas.tsv").write_text("index\tname\n1\ta\n2\tb\n")
    load = load_maps_atlas if maps else load_label_atlas
    with pytest.raises(AtlasError, match=r"in metres.*Correct \[atlas\] (labels|maps)"):
        load(tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv")
    image.header.set_xyzt_units("mm")
    image.header.set_qform(AFFINE * [[-1], [1], [1], [1]], 1)
    nib.save(nib.Nifti1Image(values, AFFINE, image.header), tmp_path / "atlas.nii.gz")
    with pytest.warns(OrientationWarning, match="disagree about left and right"):
        load(tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv")
