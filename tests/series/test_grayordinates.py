"""Series of CIFTI files: parcel means by hand, what does not fit, and the whole way to maps."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from making_cifti import LABELS, models, rewrite, write_labels, write_series
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis, SeriesAxis

from fmri_saliency.brain import load_grayordinate_atlas
from fmri_saliency.disk.images import open_image
from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas, Run
from fmri_saliency.scans.images import read_bold_header
from fmri_saliency.series import Cleaning, extract_run

RAW = Cleaning(detrend=False, high_pass=0.0, standardize="none", min_coverage=0.0)


@pytest.fixture
def gray(tmp_path: Path) -> Atlas:
    return load_grayordinate_atlas(write_labels(tmp_path / "a.dlabel.nii"))


@pytest.fixture
def dense(tmp_path: Path) -> tuple[Run, np.ndarray]:
    values = np.random.default_rng(0).standard_normal((12, 10)).astype(np.float32)
    path = write_series(tmp_path / "x.dtseries.nii", values)
    return Run("01", "rest", path, 0.72, 12), values


def test_the_header_tells_frames_and_repetition_time(dense: tuple[Run, np.ndarray]) -> None:
    run, values = dense
    assert read_bold_header(run.bold) == (12, 0.72, 0.72)
    image = open_image(run.bold, "a BOLD image")
    assert image.shape == (10, 1, 1, 12)
    np.testing.assert_array_equal(image.dataobj[..., 3].ravel(), values[3])
    np.testing.assert_array_equal(image.dataobj[2:5, 0, 0, 1:3], values[1:3, 2:5].T)
    np.testing.assert_array_equal(image.get_fdata()[:, 0, 0], values.T)


def test_series_are_the_means_over_grayordinates(dense: tuple[Run, np.ndarray], gray: Atlas) -> None:
    run, values = dense
    series = extract_run(run, gray, RAW)
    wanted = np.column_stack([values[:, key == LABELS].mean(axis=1) for key in (1, 2, 3)])
    np.testing.assert_allclose(series.values, wanted, atol=1e-6)
    masked = extract_run(run, gray, replace(RAW, reader="nilearn"))
    np.testing.assert_allclose(masked.values, wanted, atol=1e-6)


def test_constant_and_missing_grayordinates_take_no_part(tmp_path: Path, gray: Atlas) -> None:
    values = np.random.default_rng(0).standard_normal((12, 10)).astype(np.float32)
    values[:, 0], values[4, 2] = 7, np.nan
    run = Run("01", "rest", write_series(tmp_path / "y.dtseries.nii", values), 0.72, 12)
    series = extract_run(run, gray, RAW)
    np.testing.assert_allclose(series.coverage, [1 / 2, 2 / 3, 1])
    np.testing.assert_allclose(series.values[:, 0], values[:, 1], atol=1e-6)
    np.testing.assert_allclose(series.values[:, 1], values[:, 3:5].mean(axis=1), atol=1e-6)


def test_what_does_not_fit_is_refused(dense: tuple[Run, np.ndarray], gray: Atlas, atlas: Atlas, tmp_path: Path) -> None:
    run, values = dense
    with pytest.raises(InputError, match="holds grayordinates, the atlas voxels"):
        extract_run(run, atlas, RAW)
    nib.save(nib.Nifti1Image(np.random.default_rng(1).random((10, 1, 1, 12)).astype(np.float32), np.eye(4)),
             tmp_path / "v.nii")  # fmt: skip
    with pytest.raises(InputError, match="holds voxels, the atlas grayordinates"):
        extract_run(replace(run, bold=tmp_path / "v.nii"), gray, RAW)
    other = BrainModelAxis.from_surface(np.arange(10), 12, "CIFTI_STRUCTURE_CORTEX_LEFT")
    path = write_series(tmp_path / "o.dtseries.nii", values, axis=other)
    with pytest.raises(InputError, match=r"holds 10 grayordinates in 1 structures \(cortex_left\), the atlas"):
        extract_run(replace(run, bold=path), gray, RAW)
    with pytest.raises(InputError, match="smoothing_fwhm in \\[cleaning\\] cannot smooth"):
        extract_run(run, gray, replace(RAW, smoothing_fwhm=4.0))


def test_a_mask_is_of_grayordinates_too(dense: tuple[Run, np.ndarray], gray: Atlas, tmp_path: Path) -> None:
    run, values = dense
    nib.save(nib.Nifti1Image(np.ones((10, 1, 1), np.uint8), np.eye(4)), tmp_path / "m.nii.gz")
    with pytest.raises(InputError, match=r"mask of voxels .*m\.nii\.gz does not fit: .* Leave the mask"):
        extract_run(replace(run, mask=tmp_path / "m.nii.gz"), gray, RAW)
    inside = np.array([[1, 0, 1, 1, 1, 1, 1, 1, 1, 1]], np.float32)
    nib.save(Cifti2Image(inside, header=(ScalarAxis(["inside"]), models())), tmp_path / "m.dscalar.nii")
    found = extract_run(replace(run, mask=tmp_path / "m.dscalar.nii"), gray, RAW)
    np.testing.assert_allclose(found.values[:, 0], values[:, 0], atol=1e-6)  # of its two grayordinates, the first


def test_files_that_are_no_dense_series_are_explained(tmp_path: Path) -> None:
    parcels = nib.cifti2.ParcelsAxis.from_brain_models([("all", models())])
    means = Cifti2Image(np.ones((2, 1), np.float32), header=(ScalarAxis(["a", "b"]), parcels))
    nib.save(means, tmp_path / "p.pscalar.nii")
    with pytest.raises(InputError, match=r"Expected a dense CIFTI file .* its axes are ScalarAxis and ParcelsAxis"):
        read_bold_header(tmp_path / "p.pscalar.nii")
    rows = SeriesAxis(0, 1, 2, "HERTZ")
    nib.save(Cifti2Image(np.ones((2, 10), np.float32), header=(rows, models())), tmp_path / "h.dtseries.nii")
    with pytest.raises(InputError, match=r"Expected a series in seconds .* its unit is HERTZ"):
        read_bold_header(tmp_path / "h.dtseries.nii")
    whole = write_series(tmp_path / "x.dtseries.nii", np.ones((20, 10)))
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"x\.dtseries\.nii breaks off"):
        read_bold_header(whole)


XML = '<?xml version="1.0" encoding="{}"?>\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('MeterExponent="-3"', 'MeterExponent="0"', r"in 10\^0 metres \(MeterExponent\); millimetres"),
        ('MeterExponent="-3"', 'MeterExponent="-6"', r"in 10\^-6 metres"),
        ('Dimensions="3,3,3"', 'Dimensions="99999,99999,9"', "a mesh of 9 vertices and a grid of 89998200009 voxels"),
        ('OfVertices="9"', 'OfVertices="999999999999"', "announces SurfaceNumberOfVertices = 999999999999; at most"),
        ('OfVertices="9"', 'OfVertices="-9"', "a mesh of 9 vertices"),
        ('SeriesExponent="0"', 'SeriesExponent="9"', "no scan is so slow"),
        ('SeriesExponent="0"', 'SeriesExponent="-3"', "no scan is so fast"),
        ('SeriesExponent="0"', 'SeriesExponent="999999999"', "announces SeriesExponent = 999999999; at most 12 is"),
        ('SeriesStep="0.72"', 'SeriesStep="-0.72"', "a positive number is needed"),
        ('SeriesStep="0.72"', 'SeriesStep="nan"', "a positive number is needed"),
        ('SeriesStep="0.72"', 'SeriesStep="1e300"', "no scan is so slow"),
        ('OfSeriesPoints="12"', 'OfSeriesPoints="99"', "are for 99 rows of 10 values; it holds 12 x 10"),
        ('IndexCount="5"', 'IndexCount="999999999999"', "announces IndexCount = 999999999999; at most"),
        ('SeriesUnit="SECOND"', 'SeriesUnit="HERTZ"', "its unit is HERTZ"),
        ("<CIFTI ", XML.format("nosuch") + "<CIFTI ", "it is not an image: .*unknown encoding"),
        ("<CIFTI ", XML.format("idna") + "<CIFTI ", "it is not an image"),
        ("CORTEX_LEFT", "CORTEX_LAFT", "it is not an image: Cifti2HeaderError"),
        ('IndexOffset="5"', 'IndexOffset="many"', "it is not an image: invalid literal"),
    ],
)
def test_axes_that_cannot_be_true(dense: tuple[Run, np.ndarray], old: str, new: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_bold_header(rewrite(dense[0].bold, old, new))


def test_a_series_in_milliseconds_is_read(dense: tuple[Run, np.ndarray]) -> None:
    path = rewrite(rewrite(dense[0].bold, 'SeriesExponent="0"', 'SeriesExponent="-3"'), 'Step="0.72"', 'Step="720"')
    assert read_bold_header(path) == (12, 0.72, 0.72)
