"""The reference: region series by nilearn's masker, with the whole scan in memory."""

from __future__ import annotations

from collections.abc import Iterator

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker
from nilearn.signal import clean, create_cosine_drift
from threadpoolctl import threadpool_limits

from fmri_saliency.disk.images import open_image, read_voxels
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series.settings import Cleaning
from fmri_saliency.series.weights import RegionWeights

__all__ = ["clean_signals", "load_scan", "mask_signals", "split_frames"]


def _settings(cleaning: Cleaning, t_r: float) -> dict[str, object]:
    """Return what nilearn's `clean` is told."""
    found = {"standardize": None if cleaning.standardize == "none" else cleaning.standardize,
             "detrend": cleaning.detrend, "filter": False}  # fmt: skip
    if cleaning.filter == "butterworth" and (cleaning.high_pass or cleaning.low_pass):
        band = {"high_pass": cleaning.high_pass or None, "low_pass": cleaning.low_pass or None}
        found |= {"filter": "butterworth", "t_r": t_r, **band}
    return found


def _with_drift(confounds: pd.DataFrame | None, n_times: int, t_r: float, cleaning: Cleaning) -> np.ndarray | None:
    """Return confounds with the cosines that are the filter, shape (n_times, n_columns); None where there are none.

    nilearn leaves its own cosines out as soon as one confound goes with one of them (correlation above 0.9), as a head
    that moves slowly does: such a run would keep the drift that all others lose.
    """
    columns = [] if confounds is None else [confounds.to_numpy(dtype=float)]
    if cleaning.high_pass and cleaning.filter == "cosine":
        columns.append(create_cosine_drift(cleaning.high_pass, np.arange(n_times) * t_r)[:, :-1])
    found = np.column_stack(columns) if columns else np.zeros((n_times, 0))
    return found if found.shape[1] else None


def clean_signals(
    signals: np.ndarray, t_r: float, cleaning: Cleaning, confounds: pd.DataFrame | None
) -> np.ndarray:
    """Clean signals of shape (n_times, n_regions) as nilearn's masker does after averaging; drift always goes.

    One thread for linear algebra: the last digits are then the same in every process.
    """
    with threadpool_limits(1, user_api="blas"):
        confounds = _with_drift(confounds, len(signals), t_r, cleaning)
        return clean(signals, confounds=confounds, **_settings(cleaning, t_r))


def load_scan(run: Run) -> nib.Nifti1Image:
    """Read the whole scan into memory as float32."""
    image = open_image(run.bold, "a BOLD image")
    return nib.Nifti1Image(read_voxels(image, run.bold), image.affine)


def split_frames(image: nib.Nifti1Image) -> Iterator[np.ndarray]:
    """Yield the frames of a scan in memory, each of shape (n_voxels,) in Fortran order."""
    values = image.get_fdata(dtype=np.float32)
    return (values[..., frame].reshape(-1, order="F") for frame in range(values.shape[3]))


def _without_gaps(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Set voxels that hold NaN to 0 in all frames: they are in no region, but smoothing would spread NaN, or a jump."""
    values = image.get_fdata(dtype=np.float32)
    whole = np.isfinite(values).all(axis=3)
    if whole.all():
        return image
    return nib.Nifti1Image(np.where(whole[..., None], values, np.float32(0)), image.affine)


def mask_signals(
    image: nib.Nifti1Image, atlas: Atlas, weights: RegionWeights, covered: np.ndarray, usable: np.ndarray,
    smoothing_fwhm: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Average by nilearn's masker; nothing is cleaned.

    Parameters
    ----------
    image : Nifti1Image
        The whole scan.
    covered : ndarray of bool, shape (n_voxels,)
        Voxels of `weights` that are averaged.
    usable : ndarray of bool, shape (n_regions,)
    smoothing_fwhm : float
        Of the image before averaging, in mm; 0 means none.

    Returns
    -------
    ndarray, shape (n_times, n_usable)
    """
    mask = np.zeros(image.shape[:3], dtype=np.uint8).reshape(-1, order="F")
    mask[weights.voxels[covered]] = 1
    mask = mask.reshape(image.shape[:3], order="F")
    settings = {"standardize": None, "smoothing_fwhm": smoothing_fwhm or None, "resampling_target": None,
                "reports": False}  # fmt: skip
    if getattr(atlas, "maps", None) is None:
        numbers = np.flatnonzero(usable)
        kept = atlas.regions["index"].to_numpy()[numbers]
        labels = np.where((mask > 0) & np.isin(atlas.labels, kept), atlas.labels, 0).astype(np.int32)
        masker = NiftiLabelsMasker(nib.Nifti1Image(labels, image.affine), **settings)
        column = {int(label): position for position, label in enumerate(kept)}
    else:
        maps = nib.Nifti1Image(np.nan_to_num(atlas.maps[..., usable]), image.affine)
        masker = NiftiMapsMasker(maps, mask_img=nib.Nifti1Image(mask, image.affine), **settings)
        column = None
    with threadpool_limits(1, user_api="blas"):
        found = masker.fit_transform(_without_gaps(image))
    if column is None:
        return found
    ids = [column[int(label)] for key, label in masker.region_ids_.items() if key != "background"]
    return found[:, np.argsort(ids)]
