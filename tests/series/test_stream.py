"""One pass through a scan gives what brute force and nilearn's masker give, whatever the file's format."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import T_R, make_atlas
from nilearn.maskers import NiftiLabelsMasker
from nilearn.regions import img_to_signals_maps

from fmri_saliency.disk import images
from fmri_saliency.errors import InputError, ScanWarning
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import Cleaning, extract_run, region_weights
from fmri_saliency.series.stream import stream_regions
from fmri_saliency.series.weights import label_weights, map_weights, region_signals

RAW = Cleaning(detrend=False, high_pass=0.0, standardize="none")


def frames_of(values: np.ndarray) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: (values[..., t].reshape(-1, order="F") for t in range(values.shape[3]))


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return 100 + 10 * np.random.default_rng(seed).standard_normal(shape)


@given(st.integers(0, 10_000))
def test_a_pass_is_what_brute_force_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atlas = make_atlas()
    values = noise((*atlas.labels.shape, 7), seed).astype(np.float32)
    kind = rng.choice(["good", "late nan", "nan", "inf", "constant", "huge constant", "zero"], atlas.labels.shape,
                      p=[0.6, 0.05, 0.05, 0.05, 0.1, 0.05, 0.1])  # fmt: skip
    values[kind == "late nan", 4] = np.nan
    values[kind == "nan"] = np.nan
    values[kind == "inf", 6] = -np.inf
    values[kind == "constant"] = 3.0
    values[kind == "huge constant"] = 1e30
    values[kind == "zero"] = 0.0
    inside = rng.random(atlas.labels.shape) < 0.9
    weights = region_weights(atlas)
    at = np.unravel_index(weights.voxels, atlas.labels.shape, order="F")
    found = stream_regions(frames_of(values), weights, inside[at])
    good = (kind == "good") & inside
    np.testing.assert_array_equal(found.covered, good[at])
    np.testing.assert_array_equal(found.gaps, (np.isin(kind, ["late nan", "nan", "inf"]) & inside)[at])
    np.testing.assert_array_equal(
        found.constant, (np.isin(kind, ["constant", "huge constant", "zero"]) & inside)[at]
    )
    for column, index in enumerate(atlas.regions["index"]):
        wanted = values[good & (atlas.labels == index)].astype(float).sum(axis=0)
        np.testing.assert_allclose(found.products[:, column], wanted, rtol=1e-12)


def test_a_second_pass_is_made_only_for_voxels_that_cease_to_be_finite() -> None:
    atlas, passes = make_atlas(), []
    values = noise((*atlas.labels.shape, 5)).astype(np.float32)
    values[atlas.labels == 2] = 0
    values[2, 2, 2] = np.nan

    def read() -> Iterator[np.ndarray]:
        passes.append(1)
        return frames_of(values)()

    weights = region_weights(atlas)
    stream_regions(read, weights, np.ones(len(weights.voxels), dtype=bool))
    assert len(passes) == 1
    values[3, 2, 2, 4] = np.nan
    stream_regions(read, weights, np.ones(len(weights.voxels), dtype=bool))
    assert len(passes) == 3


def make_run(image: nib.spatialimages.SpatialImage, path: Path) -> Run:
    nib.save(image, path)
    return Run("01", "x", path, T_R, image.shape[3])


def scaled(values: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    image = nib.Nifti1Image(values, affine)
    image.set_data_dtype(np.int16)  # nibabel then finds slope and intercept
    return image


FORMATS = {
    "f32.nii.gz": lambda x, a: nib.Nifti1Image(x.astype(np.float32), a),
    "f64.nii.gz": lambda x, a: nib.Nifti1Image(x, a),
    "i16.nii.gz": lambda x, a: nib.Nifti1Image((x * 50).astype(np.int16), a),
    "u8.nii.gz": lambda x, a: nib.Nifti1Image(x.astype(np.uint8), a),
    "i64.nii.gz": lambda x, a: nib.Nifti1Image((x * 1000).astype(np.int64), a, dtype=np.int64),
    "scaled.nii.gz": scaled,
    "big.nii.gz": lambda x, a: nib.Nifti1Image(x.astype(">f4"), a, nib.Nifti1Header(endianness=">")),
    "plain.nii": lambda x, a: nib.Nifti1Image(x.astype(np.float32), a),
    "plain_scaled.nii": scaled,
    "two.nii.gz": lambda x, a: nib.Nifti2Image(x.astype(np.float32), a),
    "pair.img.gz": lambda x, a: nib.Nifti1Pair(x.astype(np.float32), a),
    "analyze.img": lambda x, a: nib.Spm2AnalyzeImage(x.astype(np.int16), a),
    "freesurfer.mgz": lambda x, a: nib.MGHImage(x.astype(np.float32), a),
    "zip2.nii.bz2": lambda x, a: nib.Nifti1Image(x.astype(np.float32), a),
}


@pytest.mark.parametrize("library", ["fast", "standard"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_numbers_of_the_masker(
    name: str, library: str, atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "standard":
        monkeypatch.setattr(images, "gzip_ng", images.gzip)
    run = make_run(FORMATS[name](noise((*atlas.labels.shape, 60)), atlas.affine), tmp_path / name)
    settings = Cleaning(high_pass=0.05)
    found = extract_run(run, atlas, settings)
    wanted = extract_run(run, atlas, replace(settings, reader="nilearn"))
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
    np.testing.assert_array_equal(found.coverage, wanted.coverage)
    assert np.isfinite(found.values).all()
    raw = extract_run(run, atlas, RAW).values[:, 0]
    values = nib.load(run.bold).get_fdata()
    np.testing.assert_allclose(raw, values[atlas.labels == 1].mean(axis=0), rtol=1e-6)


def test_the_masker_alone_on_the_file_gives_the_same(noisy_run: Run, atlas: Atlas) -> None:
    masker = NiftiLabelsMasker(
        nib.Nifti1Image(atlas.labels, atlas.affine), standardize="zscore_sample", detrend=True, high_pass=0.05,
        t_r=T_R, clean_args={"filter": "cosine"}, resampling_target=None, reports=False,
    )  # fmt: skip
    found = extract_run(noisy_run, atlas, Cleaning(high_pass=0.05)).values
    np.testing.assert_allclose(found, masker.fit_transform(str(noisy_run.bold)), atol=2e-5)  # float32 around 1000
    exact = nib.Nifti1Image(nib.load(noisy_run.bold).get_fdata(), atlas.affine)
    np.testing.assert_allclose(found, masker.fit_transform(exact), atol=1e-6)


def test_gaps_give_the_numbers_of_the_masker(noisy_run: Run, atlas: Atlas) -> None:
    image = nib.load(noisy_run.bold)
    values = image.get_fdata(dtype=np.float32) - 900
    inside = np.argwhere(atlas.labels == 2)
    values[tuple(inside[0])], values[(*inside[1], 30)], values[(*inside[2], 0)] = 5.0, np.nan, np.inf
    values[atlas.labels == 4] = 0
    nib.save(nib.Nifti1Image(values, image.affine, image.header), noisy_run.bold)
    found, wanted = extract_run(noisy_run, atlas), extract_run(noisy_run, atlas, Cleaning(reader="nilearn"))
    np.testing.assert_allclose(found.values, wanted.values, atol=2e-5)
    assert found.coverage[1] == 1 - 3 / len(inside)
    assert np.isnan(found.values[:, 3]).all()


def test_smoothing_takes_the_masker(noisy_run: Run, atlas: Atlas) -> None:
    smooth = extract_run(noisy_run, atlas, replace(RAW, smoothing_fwhm=6.0))
    wanted = extract_run(noisy_run, atlas, replace(RAW, smoothing_fwhm=6.0, reader="nilearn"))
    np.testing.assert_array_equal(smooth.values, wanted.values)
    assert np.abs(smooth.values - extract_run(noisy_run, atlas, RAW).values).max() > 0.1


def test_a_file_is_read_forward_once(noisy_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    places, opened, real = [], [], images.gzip_ng.open

    class Watched:
        def __init__(self, path: str, mode: str) -> None:
            opened.append(path)
            self.stream = real(path, mode)

        def __enter__(self) -> "Watched":
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def read(self, size: int = -1) -> bytes:
            places.append(self.stream.tell())
            return self.stream.read(size)

        def seek(self, *where: int) -> int:
            return self.stream.seek(*where)

        def __getattr__(self, name: str) -> object:
            return getattr(self.stream, name)

    monkeypatch.setattr(images.gzip_ng, "open", Watched)
    assert len(list(images.iterate_frames(noisy_run.bold))) == 40
    assert len(opened) == 1
    after = [place for place in places if place >= 352]
    assert after == sorted(after)
    assert len(after) == 41


def test_bytes_after_the_last_frame(write_bold: Callable[..., Path], atlas: Atlas) -> None:
    path = write_bold(noise((*atlas.labels.shape, 4)).astype(np.float32), atlas.affine, "few.nii")
    path.write_bytes(path.read_bytes() + b"x" * 100)
    with pytest.warns(ScanWarning, match="goes on for 100 bytes after its last frame"):
        assert len(list(images.iterate_frames(path))) == 4
    path.write_bytes(path.read_bytes() + b"x" * 6 * 5 * 4 * 4)
    with pytest.raises(InputError, match="holds more frames than the 4"):
        list(images.iterate_frames(path))


def test_label_weights_do_not_need_ordered_labels() -> None:
    labels = np.array([[[0, 7], [3, 3]], [[9, 7], [7, 5]]])
    weights = label_weights(labels, np.array([7, 3, 4]))
    assert weights.count(np.ones(len(weights.voxels), dtype=bool)).tolist() == [3, 2, 0]
    assert sorted(labels.ravel(order="F")[weights.voxels]) == [3, 3, 7, 7, 7]
    for row, index in enumerate((7, 3, 4)):
        own = weights.voxels[weights.matrix[[row]].toarray()[0] > 0]
        assert (labels.ravel(order="F")[own] == index).all()


def test_overlapping_maps_are_fitted_as_nilearn_does() -> None:
    rng = np.random.default_rng(0)
    shape = (6, 5, 4)
    maps = np.clip(rng.standard_normal((*shape, 3)), 0, None).astype(np.float32)
    values = noise((*shape, 20)).astype(np.float64)
    mask = rng.random(shape) < 0.8
    values[~mask] = 0.0
    weights = map_weights(maps)
    found = stream_regions(frames_of(values), weights, np.ones(len(weights.voxels), dtype=bool))
    usable = np.ones(3, dtype=bool)
    signals = region_signals(found.products, weights, found.covered, usable)
    kinds = [nib.Nifti1Image(x, np.eye(4)) for x in (values, maps, mask.astype(np.uint8))]
    wanted, _ = img_to_signals_maps(kinds[0], kinds[1], kinds[2])
    np.testing.assert_allclose(signals, wanted, rtol=1e-6)
    shares = maps[mask].sum(axis=0) / maps.sum(axis=(0, 1, 2))
    np.testing.assert_allclose(weights.share(found.covered), shares, rtol=1e-5)
    two = region_signals(found.products, weights, found.covered, np.array([True, False, True]))
    wanted, _ = img_to_signals_maps(kinds[0], nib.Nifti1Image(maps[..., [0, 2]], np.eye(4)), kinds[2])
    np.testing.assert_allclose(two, wanted, rtol=1e-6)


def test_an_atlas_of_maps_is_averaged_alike_by_both_readers(noisy_run: Run, atlas: Atlas) -> None:
    class Maps(Atlas):
        """An atlas that also has maps."""

    maps = np.stack([gaussian(atlas.labels == i) for i in atlas.regions["index"]], axis=-1)
    own = Maps(atlas.name, atlas.labels, atlas.affine, atlas.regions)
    object.__setattr__(own, "maps", maps)
    found = extract_run(noisy_run, own).values
    wanted = extract_run(noisy_run, own, Cleaning(reader="nilearn")).values
    np.testing.assert_allclose(found, wanted, atol=2e-4)  # the masker's float32 least squares
    assert np.abs(found - extract_run(noisy_run, atlas).values).max() > 0.01


def gaussian(inside: np.ndarray) -> np.ndarray:
    """Return a map that is 1 inside and fades out over the neighbours along the first axis."""
    near = inside.astype(np.float32)
    near[1:] += 0.3 * inside[:-1]
    return near


def test_tables_of_regions_in_any_order(noisy_run: Run, atlas: Atlas) -> None:
    turned = replace(atlas, regions=atlas.regions.iloc[::-1].reset_index(drop=True))
    for reader in ("streaming", "nilearn"):
        found = extract_run(noisy_run, turned, replace(RAW, reader=reader)).values
        np.testing.assert_allclose(found[:, ::-1], extract_run(noisy_run, atlas, RAW).values, rtol=1e-6)
    assert isinstance(turned.regions, pd.DataFrame)


def test_a_process_that_reads_scans_loads_no_network_and_no_figure() -> None:
    code = (
        "import sys\nimport fmri_saliency.series.work\n"
        "heavy = {'torch', 'captum', 'matplotlib', 'numba'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
