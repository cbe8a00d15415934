"""What is projected into the brain is what is extracted from it."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from making import make_atlas
from scipy.ndimage import mean

from fmri_saliency.brain import project_labels, stream_map
from fmri_saliency.records import Run
from fmri_saliency.series import Cleaning, extract_run

RAW = Cleaning(detrend=False, high_pass=0.0, standardize="none", min_coverage=0.0)
NUMBERS = st.floats(-1e3, 1e3, width=32)


@given(arrays(np.float32, (5, 6), elements=NUMBERS), st.permutations(range(6)))
def test_extract_of_project_is_the_identity(x: np.ndarray, order: list[int]) -> None:
    # a region that never changes holds no signal and is absent by definition: let every one move
    x = x + np.float32(2e3) * np.arange(5, dtype=np.float32)[:, None]
    atlas = make_atlas(6)
    atlas = replace(atlas, regions=atlas.regions.iloc[order].reset_index(drop=True))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.nii.gz"
        nib.save(project_labels(x, atlas, 2.0), path)
        found = extract_run(Run("1", "x", path, 2.0, 5), atlas, RAW)
    np.testing.assert_allclose(found.values, x, rtol=1e-6, atol=1e-3)


@given(st.integers(0, 5), st.integers(0, 2**31))
def test_an_absent_parcel_changes_no_shape_and_no_other_column(missing: int, seed: int) -> None:
    atlas = make_atlas(6)
    values = np.random.default_rng(seed).standard_normal((*atlas.labels.shape, 12)).astype(np.float32)
    with TemporaryDirectory() as folder:
        found = []
        for name in ("whole", "partial"):
            path = Path(folder) / f"{name}.nii.gz"
            nib.save(nib.Nifti1Image(values, atlas.affine), path)
            found.append(extract_run(Run("1", "x", path, 2.0, 12), atlas))
            values[atlas.labels == missing + 1] = 0
    whole, partial = found
    assert partial.values.shape == whole.values.shape
    assert np.isnan(partial.values[:, missing]).all()
    kept = np.arange(6) != missing
    np.testing.assert_allclose(partial.values[:, kept], whole.values[:, kept], rtol=1e-4, atol=1e-5)


@given(arrays(np.float32, (3, 6), elements=st.one_of(NUMBERS, st.just(np.nan))), st.permutations(range(6)))
def test_the_average_of_each_region_of_a_written_map_is_its_value(x: np.ndarray, order: list[int]) -> None:
    atlas = make_atlas(6)
    atlas = replace(atlas, regions=atlas.regions.iloc[order].reset_index(drop=True))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.nii.gz"
        stream_map(x, atlas, path, 2.0)
        frames = np.moveaxis(nib.load(path).get_fdata(), 3, 0)
    found = [mean(frame, atlas.labels, atlas.regions["index"]) for frame in frames]
    np.testing.assert_allclose(found, x, rtol=1e-6)
    assert (frames[:, atlas.labels == 0] == 0).all()
