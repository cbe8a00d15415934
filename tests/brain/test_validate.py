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

from fmri_saliency.brain import load_label_atlas
from fmri_saliency.brain.validate import check_sides, find_centres, list_names
from fmri_saliency.errors import AtlasError, CoverageWarning


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
