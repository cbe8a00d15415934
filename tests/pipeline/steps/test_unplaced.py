"""Scans whose headers do not say where they lie: an atlas can be put on them by guessing only, which is said."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from making import make_atlas

from fmri_saliency.brain import resample_atlas
from fmri_saliency.disk.images import is_placed, open_image
from fmri_saliency.errors import SpaceMismatchWarning
from fmri_saliency.pipeline.steps.extraction import grid_atlas
from fmri_saliency.records import Run

ATLAS = make_atlas(shape=(6, 5, 4))
GUESSED = np.diag([-3.0, 3, 3, 1])  # what nibabel makes of 3 mm voxels that nothing places
GUESSED[:3, 3] = (7.5, -6, -4.5)


def run(folder: Path, kind: type = nib.Nifti1Image, affine: np.ndarray | None = None) -> Run:
    image = kind(np.ones((6, 5, 4, 3), np.float32), affine)
    image.header.set_zooms((3, 3, 3, 2.0))
    path = folder / ("bold.img" if kind is nib.AnalyzeImage else "bold.nii.gz")
    nib.save(image, path)
    return Run("1", "x", path, 2.0, 3)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.AnalyzeImage])
@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.CoverageWarning")
def test_a_guess_is_said(tmp_path: Path, kind: type) -> None:
    one = run(tmp_path, kind)
    image = open_image(one.bold, "a scan")
    assert not is_placed(image)
    with pytest.warns(SpaceMismatchWarning, match=r"does not say where its voxels lie .* not even which side is left"):
        found = grid_atlas(ATLAS, one)
    assert (found.labels == resample_atlas(ATLAS, image.affine, (6, 5, 4)).labels).all()


def test_labels_on_the_scans_own_grid_need_no_place(tmp_path: Path) -> None:
    one = run(tmp_path)
    own = replace(ATLAS, affine=GUESSED)
    assert grid_atlas(own, one) is own


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.CoverageWarning")
@pytest.mark.parametrize("code", ["sform_code", "qform_code"])
def test_one_of_the_two_codes_places_a_scan(tmp_path: Path, code: str) -> None:
    one = run(tmp_path, affine=np.diag([-3.0, 3, 3, 1]))
    image = nib.load(one.bold)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image.header[code] = 1
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), one.bold)
    assert is_placed(open_image(one.bold, "a scan"))
    grid_atlas(ATLAS, one)  # warnings are errors
