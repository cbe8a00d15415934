"""Maps: equal to nilearn's, and with the header that programs need."""

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import make_atlas
from nilearn.maskers import NiftiLabelsMasker

from fmri_saliency.brain import load_atlas, project_labels, project_regions, save_map, stream_map
from fmri_saliency.disk.files import read_json
from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas


def with_nilearn(values: np.ndarray, atlas: Atlas) -> np.ndarray:
    image = nib.Nifti1Image(atlas.labels, atlas.affine)
    masker = NiftiLabelsMasker(image, standardize=None, reports=False).fit()
    return masker.inverse_transform(values).get_fdata()


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
def test_equals_nilearn(n_times: int, n_regions: int, seed: int) -> None:
    atlas = make_atlas(n_regions)
    values = np.random.default_rng(seed).standard_normal((n_times, n_regions)).astype(np.float32)
    np.testing.assert_array_equal(project_labels(values, atlas, 1.0).get_fdata(), with_nilearn(values, atlas))


def test_equals_nilearn_on_the_embedded_atlas() -> None:
    atlas = load_atlas()
    values = np.random.default_rng(0).standard_normal((2, 100)).astype(np.float32)
    np.testing.assert_array_equal(project_labels(values, atlas, 0.72).get_fdata(), with_nilearn(values, atlas))


def test_rows_in_another_order_than_labels_are_matched_by_index(atlas: Atlas) -> None:
    order = [3, 0, 5, 1, 4, 2]
    shuffled = replace(atlas, regions=atlas.regions.iloc[order].reset_index(drop=True))
    values = np.arange(6, dtype=np.float32)
    one = project_labels(values, atlas).get_fdata()
    np.testing.assert_array_equal(project_labels(values[order], shuffled).get_fdata(), one)


def test_the_header_keeps_time_units_and_space(atlas: Atlas) -> None:
    values = np.array([[1, -2, 3, 0, 0, np.nan]] * 4, dtype=np.float32)
    image = project_labels(values, replace(atlas, space="MNI152NLin6Asym"), 0.72, "x" * 100)
    header = image.header
    assert header.get_zooms() == pytest.approx((3.0, 3.0, 3.0, 0.72))
    assert header.get_xyzt_units() == ("mm", "sec")
    assert int(header["sform_code"]) == int(header["qform_code"]) == 4
    assert image.get_data_dtype() == np.float32
    assert (float(header["cal_min"]), float(header["cal_max"])) == (-3.0, 3.0)
    assert len(header["descrip"].item()) == 79
    assert np.isnan(image.get_fdata()[atlas.labels == 6]).all()
    assert (image.get_fdata()[atlas.labels == 0] == 0).all()
    native = project_labels(values, atlas, 0.72)
    assert int(native.header["sform_code"]) == int(native.header["qform_code"]) == 2


def test_wrong_widths_are_refused(atlas: Atlas) -> None:
    with pytest.raises(InputError, match=r"with 6 regions of atlas 'Blocks'; \(5,\) came"):
        project_labels(np.zeros(5), atlas)
    with pytest.raises(InputError, match="needs t_r"):
        project_labels(np.zeros((3, 6)), atlas)


def test_a_saved_map_has_its_sidecar_and_the_same_bytes_every_time(atlas: Atlas, tmp_path: Path) -> None:
    image = project_labels(np.ones((3, 6)), atlas, 0.72)
    for name in ("a", "b"):
        save_map(image, tmp_path / name / "map.nii.gz", {"Units": "logit"})
    assert (tmp_path / "a" / "map.nii.gz").read_bytes() == (tmp_path / "b" / "map.nii.gz").read_bytes()
    assert read_json(tmp_path / "a" / "map.json") == {"Units": "logit"}
    assert nib.load(tmp_path / "a" / "map.nii.gz").shape == (6, 5, 4, 3)


def maps_atlas(atlas: Atlas) -> Atlas:
    """Return an atlas whose regions overlap: everybody's own voxels, and a third of those of the one before."""
    one = (atlas.labels[..., None] == np.arange(1, 7)).astype(np.float32)
    return replace(atlas, maps=np.ascontiguousarray(one + np.roll(one, 1, axis=3) / 3))


def raw_header(path: Path) -> np.void:
    """Return the header as it stands in the file: nibabel hides the scaling."""
    return np.frombuffer(gzip.decompress(path.read_bytes())[:348], nib.Nifti1Header.template_dtype)[0]


@pytest.mark.parametrize("by_maps", [False, True])
@pytest.mark.parametrize("shape", [(6,), (1, 6), (37, 6)])  # of maps, more steps than are made together
def test_streamed_it_is_the_same_image(atlas: Atlas, tmp_path: Path, shape: tuple[int, ...], by_maps: bool) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    values[..., 2] = np.nan
    atlas = replace(maps_atlas(atlas) if by_maps else atlas, space="MNI152NLin6Asym")
    for name in ("a", "b"):
        stream_map(values, atlas, tmp_path / f"{name}.nii.gz", 0.72, "words", 4.0)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    found, wanted = nib.load(tmp_path / "a.nii.gz"), project_regions(values, atlas, 0.72, "words", 4.0)
    np.testing.assert_allclose(found.get_fdata(), wanted.get_fdata(), rtol=1e-6, atol=1e-6)
    nib.save(wanted, tmp_path / "whole.nii.gz")
    raw = [raw_header(tmp_path / name) for name in ("a.nii.gz", "whole.nii.gz")]
    ranges = ("cal_min", "cal_max") if by_maps else ()  # of maps, that of the regions' values
    for key in set(raw[0].dtype.names) - set(ranges):
        np.testing.assert_array_equal(raw[0][key], raw[1][key], err_msg=key)


def test_streaming_refuses_maps_that_are_not_there(atlas: Atlas, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'Blocks' has labels"):
        stream_map(np.ones(6), atlas, tmp_path / "x.nii.gz", by_maps=True)
    with pytest.raises(InputError, match="needs t_r"):
        stream_map(np.ones((2, 6)), atlas, tmp_path / "x.nii.gz")
    assert not list(tmp_path.iterdir())
