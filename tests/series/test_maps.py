"""Series of probabilistic atlases: least squares by hand, coverage of weights, and nilearn's masker."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making import T_R
from nilearn.maskers import NiftiMapsMasker

from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import Cleaning, extract_run

RAW = Cleaning(detrend=False, high_pass=0.0, standardize="none", min_coverage=0.0)


@pytest.fixture
def soft(atlas: Atlas) -> Atlas:
    """Return three overlapping maps, one of them with negative weights, and background."""
    rng = np.random.default_rng(1)
    maps = np.zeros((*atlas.labels.shape, 3), dtype=np.float32)
    maps[:4, :, :, 0] = rng.random((4, 5, 4))
    maps[2:, :, 1:, 1] = rng.random((4, 5, 3))
    maps[:, 2:, :2, 2] = rng.standard_normal((6, 3, 2))
    regions = pd.DataFrame({"index": [1, 2, 3], "name": ["front", "back", "below"]})
    return replace(atlas, labels=np.abs(maps).argmax(-1).astype(np.int32) + 1, regions=regions, maps=maps)


def load(run: Run) -> np.ndarray:
    return nib.load(run.bold).get_fdata(dtype=np.float32)


def rewrite(run: Run, values: np.ndarray) -> None:
    image = nib.load(run.bold)
    nib.save(nib.Nifti1Image(values, image.affine, image.header), run.bold)


def fit(maps: np.ndarray, values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Solve the normal equations in double precision, shape (n_times, n_maps)."""
    a, b = maps[where].astype(float), values[where].astype(float)
    return np.linalg.solve(a.T @ a, a.T @ b).T


def test_series_are_the_least_squares_fit_of_every_frame(noisy_run: Run, soft: Atlas) -> None:
    values = load(noisy_run)
    series = extract_run(noisy_run, soft, RAW)
    wanted = fit(soft.maps, values, np.ones(values.shape[:3], bool))
    np.testing.assert_allclose(series.values, wanted, rtol=1e-4)
    assert series.values.dtype == np.float32
    assert (series.coverage == 1).all()
    assert series.names == ("front", "back", "below")


def test_what_was_mixed_from_maps_is_taken_apart_again(write_bold: Callable[..., Path], soft: Atlas) -> None:
    truth = np.random.default_rng(2).standard_normal((30, 3)).astype(np.float32)
    run = Run("01", "x", write_bold((soft.maps @ truth.T).astype(np.float32), soft.affine), T_R, 30)
    np.testing.assert_allclose(extract_run(run, soft, RAW).values, truth, atol=1e-4)


def test_equals_the_masker_and_is_reached_through_extract_run(noisy_run: Run, soft: Atlas) -> None:
    masker = NiftiMapsMasker(nib.Nifti1Image(soft.maps, soft.affine), standardize="zscore_sample", detrend=True,
                             high_pass=0.02, t_r=T_R, clean_args={"filter": "cosine"}, reports=False)
    wanted = masker.fit_transform(str(noisy_run.bold))
    found = extract_run(noisy_run, soft, Cleaning(high_pass=0.02))
    np.testing.assert_allclose(found.values, wanted, atol=1e-3)  # float32 around a mean of 1000


def test_voxels_without_data_take_no_part(noisy_run: Run, soft: Atlas) -> None:
    values = load(noisy_run)
    values[:2] = 0
    values[5, 4, 3, 7] = np.nan
    rewrite(noisy_run, values)
    covered = np.ones(values.shape[:3], bool)
    covered[:2] = covered[5, 4, 3] = False
    series = extract_run(noisy_run, soft, RAW)
    np.testing.assert_allclose(series.values, fit(soft.maps, values, covered), rtol=1e-4)
    size = np.abs(soft.maps)
    np.testing.assert_allclose(series.coverage, size[covered].sum(0) / size.sum((0, 1, 2)), rtol=1e-6)
    assert 0.4 < series.coverage[0] < 0.6
    strict = extract_run(noisy_run, soft, replace(RAW, min_coverage=0.6))
    assert np.isnan(strict.values[:, 0]).all()
    np.testing.assert_array_equal(strict.values[:, 1:], series.values[:, 1:])  # the fit is that of all three maps


def test_a_map_outside_the_scan_keeps_its_column(noisy_run: Run, soft: Atlas, tmp_path: Path) -> None:
    mask = np.ones(soft.labels.shape, dtype=np.uint8)
    mask[2:] = 0
    mask[:, :, :2] = 0
    nib.save(nib.Nifti1Image(mask, soft.affine), tmp_path / "mask.nii.gz")
    series = extract_run(replace(noisy_run, mask=tmp_path / "mask.nii.gz"), soft, replace(RAW, min_coverage=0.1))
    assert series.coverage[1:].tolist() == [0, 0]
    assert np.isnan(series.values).all(axis=0).tolist() == [False, True, True]


def test_confounds_and_smoothing_reach_the_masker(noisy_run: Run, soft: Atlas, tmp_path: Path) -> None:
    wave = np.sin(np.arange(40))
    pd.DataFrame({"wave": wave}).to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    rewrite(noisy_run, load(noisy_run) + (100 * wave).astype(np.float32))
    run = replace(noisy_run, confounds=tmp_path / "c.tsv")
    clean = extract_run(run, soft, Cleaning(confounds=("wave",)))
    for column in range(3):
        assert abs(np.corrcoef(clean.values[:, column], wave)[0, 1]) < 0.1
    assert clean.history["confounds_used"] == ["wave"]
    smooth = extract_run(run, soft, replace(RAW, smoothing_fwhm=8.0))
    assert np.abs(smooth.values - extract_run(run, soft, RAW).values).max() > 1


def test_what_cannot_be_extracted_is_refused(noisy_run: Run, soft: Atlas) -> None:
    moved = soft.affine.copy()
    moved[0, 3] += 1
    with pytest.raises(InputError, match="is not on the grid"):
        extract_run(noisy_run, replace(soft, affine=moved))
    values = load(noisy_run)
    few = np.zeros_like(values)
    few[2, 3, 1] = values[2, 3, 1]
    rewrite(noisy_run, few)
    with pytest.raises(InputError, match="holds data in 1 voxels of the atlas 'Blocks', too few to tell its 3 maps"):
        extract_run(noisy_run, soft, RAW)
    rewrite(noisy_run, 0 * values)
    with pytest.raises(InputError, match="No region of the atlas 'Blocks' is covered"):
        extract_run(noisy_run, soft)
