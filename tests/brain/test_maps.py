"""Atlases of maps: reading, resampling and projecting, equal to nilearn's masker."""

import warnings
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from caching import AFFINE, SHAPE, soft_maps
from nilearn.maskers import NiftiMapsMasker

from fmri_saliency.brain import (
    AtlasChoice,
    load_chosen_atlas,
    load_maps_atlas,
    project_labels,
    project_maps,
    project_regions,
    resample_atlas,
)
from fmri_saliency.brain.maps import AT_ONCE, map_centres, strongest
from fmri_saliency.errors import AtlasError, CoverageWarning, InputError
from fmri_saliency.records import Atlas


def save(tmp_path: Path, maps: np.ndarray, rows: str) -> tuple[Path, Path]:
    nib.save(nib.Nifti1Image(maps, AFFINE), tmp_path / "maps.nii.gz")
    (tmp_path / "maps.tsv").write_text("index\tname\n" + rows)
    return tmp_path / "maps.nii.gz", tmp_path / "maps.tsv"


THREE = "1\ta\n2\tb\n3\tc\n"


@pytest.fixture
def soft(tmp_path: Path) -> Atlas:
    return load_maps_atlas(*save(tmp_path, soft_maps(3), THREE), "Soft", "MNI152NLin6Asym")


def with_nilearn(values: np.ndarray, atlas: Atlas) -> np.ndarray:
    masker = NiftiMapsMasker(nib.Nifti1Image(atlas.maps, atlas.affine), standardize=None, reports=False).fit()
    return masker.inverse_transform(values).get_fdata()


def test_ones_own_maps(soft: Atlas, tmp_path: Path) -> None:
    assert (soft.name, soft.names, soft.space) == ("Soft", ("a", "b", "c"), "MNI152NLin6Asym")
    np.testing.assert_array_equal(soft.maps, soft_maps(3))
    assert np.sign(soft.regions["x"]).tolist() == [-1, 1, -1]
    choice = AtlasChoice(maps=tmp_path / "maps.nii.gz", table=tmp_path / "maps.tsv")
    assert load_chosen_atlas(choice).name == "Custom"
    assert load_chosen_atlas(replace(choice, name="Mine")).name == "Mine"


def test_the_index_says_which_volume_whatever_the_order_of_rows(tmp_path: Path) -> None:
    for rows in ("3\tc\n1\ta\n2\tb\n", "2\tc\n0\ta\n1\tb\n"):
        atlas = load_maps_atlas(*save(tmp_path, soft_maps(3), rows))
        assert atlas.names == ("a", "b", "c")
        assert atlas.regions["index"].tolist() == [1, 2, 3]


def test_gaps_in_maps_are_zeros(tmp_path: Path) -> None:
    maps = soft_maps(3)
    maps[9, 5, 3] = np.nan
    assert (load_maps_atlas(*save(tmp_path, maps, THREE)).maps[9, 5, 3] == 0).all()


@pytest.mark.parametrize(
    ("maps", "rows", "words"),
    [
        (soft_maps(3)[..., 0], THREE, r"Expected a 4D image of maps .* \(10, 6, 4\).* belongs in labels"),
        (soft_maps(3), "1\ta\n2\tb\n", "holds 3 maps, so the column index of .* must be 1 to 3 .*2 rows, 1 to 2"),
        (soft_maps(3), "1\ta\n2\tb\n4\tc\n", "each once; it has 3 rows, 1 to 4"),
        (soft_maps(3), "1\ta\n2\tb\n2\tc\n", "each once"),
        (soft_maps(3), "1\ta\n2\tb\n3\ta\n", "Every name must be unique"),
        (soft_maps(3) * [1, 0, 1], THREE, "The map of 'b' in .* is empty"),
        (soft_maps(3), "1\ta_R\n2\tb_L\n3\tc_R\n", "Left and right do not agree"),
    ],
)
def test_one_message_for_each_wrong_atlas(tmp_path: Path, maps: np.ndarray, rows: str, words: str) -> None:
    with pytest.raises(AtlasError, match=words):
        load_maps_atlas(*save(tmp_path, maps, rows), space="MNI152NLin6Asym")


def test_a_missing_image_or_table(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"there is no such file. Correct \[atlas\] maps"):
        load_maps_atlas(tmp_path / "no.nii.gz", tmp_path / "no.tsv")
    with pytest.raises(AtlasError, match=r"set \[atlas\] table"):
        load_chosen_atlas(AtlasChoice(maps=tmp_path / "no.nii.gz"))


def test_many_maps_are_compared_in_parts() -> None:
    maps = np.random.default_rng(0).standard_normal((3, 4, 2, 2 * AT_ONCE + 5)).astype(np.float32)
    labels, top = strongest(maps)
    np.testing.assert_array_equal(labels, np.abs(maps).argmax(axis=-1) + 1)
    np.testing.assert_array_equal(top, np.abs(maps).max(axis=(0, 1, 2)))
    centres = map_centres(maps, AFFINE, top)
    half = np.argwhere(np.abs(maps[..., 40]) >= top[40] / 2)
    np.testing.assert_allclose(centres[40], nib.affines.apply_affine(AFFINE, half).mean(axis=0))


def test_resampling_is_the_maskers(soft: Atlas) -> None:
    affine = AFFINE.copy()
    affine[:3, :3] *= 0.75
    affine[:3, 3] += 1.0
    shape = (12, 7, 5)
    scan = nib.Nifti1Image(np.random.default_rng(0).standard_normal((*shape, 5)).astype(np.float32), affine)
    masker = NiftiMapsMasker(nib.Nifti1Image(soft.maps, soft.affine), standardize=None, resampling_target="data",
                             reports=False).fit(scan)
    moved = resample_atlas(soft, affine, shape)
    np.testing.assert_allclose(moved.maps, masker.maps_img_.get_fdata(), atol=1e-6)
    np.testing.assert_array_equal(moved.labels, strongest(moved.maps)[0])
    assert moved.names == soft.names
    assert resample_atlas(soft, AFFINE, SHAPE) is soft


def test_a_map_outside_the_grid_is_named(soft: Atlas) -> None:
    with pytest.warns(CoverageWarning, match="1 of 3 regions of the atlas Soft have no voxel on .*: b. They are too"):
        moved = resample_atlas(soft, AFFINE, (3, 6, 4))
    assert moved.maps.shape == (3, 6, 4, 3)


@pytest.mark.parametrize("shape", [(3,), (4, 3)])
def test_projection_equals_nilearn(soft: Atlas, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = project_maps(values, soft, 0.72)
    assert found.shape == (*SHAPE, *shape[:-1])
    np.testing.assert_allclose(found.get_fdata(), with_nilearn(values, soft), atol=1e-6)
    np.testing.assert_array_equal(project_regions(values, soft, 0.72).get_fdata(), found.get_fdata())
    assert found.get_data_dtype() == np.float32
    if len(shape) == 2:
        assert found.header.get_zooms()[3] == pytest.approx(0.72)


def test_what_is_absent_adds_nothing_and_is_nan_where_it_dominates() -> None:
    maps = np.zeros((4, 1, 1, 2), dtype=np.float32)
    maps[:, 0, 0] = [[2, 0], [1, 3], [-3, 1], [0, 1]]
    regions = pd.DataFrame({"index": [1, 2], "name": ["a", "b"]})
    atlas = Atlas("A", strongest(maps)[0], np.eye(4), regions, maps=maps)
    found = project_maps(np.array([np.nan, 10.0]), atlas).get_fdata().ravel()
    np.testing.assert_array_equal(found, [np.nan, 30, np.nan, 10])
    over_time = project_maps(np.array([[1.0, np.nan], [2.0, np.nan]]), atlas, 1.0).get_fdata().reshape(4, 2)
    np.testing.assert_array_equal(over_time, [[2, 4], [np.nan, np.nan], [-3, -6], [np.nan, np.nan]])


def test_labels_are_projected_by_labels_and_wrong_calls_refused(soft: Atlas, atlas: Atlas) -> None:
    values = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(
        project_regions(values, atlas).get_fdata(), project_labels(values, atlas).get_fdata()
    )
    with pytest.raises(InputError, match="needs an atlas of maps; 'Blocks' has labels"):
        project_maps(values, atlas)
    with pytest.raises(InputError, match=r"project_maps expects .* with 3 regions of atlas 'Soft'; \(6,\) came"):
        project_maps(values, soft)
    with pytest.raises(InputError, match="needs t_r"):
        project_maps(np.zeros((2, 3)), soft)
    with pytest.raises(InputError, match=r"The maps of an atlas must have shape \(10, 6, 4, 3\)"):
        replace(soft, maps=soft.maps[..., :2])


def test_the_fingerprint_sees_the_weights(soft: Atlas) -> None:
    assert replace(soft).fingerprint == soft.fingerprint
    assert replace(soft, maps=soft.maps * 1.5).fingerprint != soft.fingerprint
    assert replace(soft, maps=None).fingerprint != soft.fingerprint


def test_a_probabilistic_xml_counts_from_zero(tmp_path: Path) -> None:
    image, _ = save(tmp_path, soft_maps(2), "")
    xml = tmp_path / "maps.xml"
    xml.write_text('<atlas><header><type>Probabilistic</type></header><data><label index="1">b</label>'
                   '<label index="0">a</label></data></atlas>')  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_maps_atlas(image, xml).names == ("a", "b")
