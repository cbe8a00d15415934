"""Region time series by the maps of a probabilistic atlas, by nilearn's masker."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiMapsMasker

from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas, RegionSeries, Run
from fmri_saliency.series.extract import (
    Cleaning,
    _covered_voxels,
    _load_run,
    _without_gaps,
    read_confounds,
)

__all__ = ["extract_maps_run", "map_coverage"]


def map_coverage(maps: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Return the share of each map's absolute weight that lies in covered voxels.

    Parameters
    ----------
    maps : ndarray, shape (x, y, z, n_maps)
    covered : ndarray of bool, shape (x, y, z)

    Returns
    -------
    ndarray, shape (n_maps,)
        0 for a map without weight.
    """
    whole, inside = np.zeros((2, maps.shape[3]))
    for plane, seen in zip(maps, covered, strict=True):  # plane by plane: sizes of all weights would double the memory
        sizes = np.abs(plane)
        whole += sizes.sum(axis=(0, 1), dtype=float)
        inside += sizes[seen].sum(axis=0, dtype=float)
    return np.divide(inside, whole, out=np.zeros(len(whole)), where=whole > 0)


def extract_maps_run(run: Run, atlas: Atlas, cleaning: Cleaning | None = None) -> RegionSeries:
    """Regress every frame of a run on the maps of an atlas, and clean the signal.

    The series of a region is its coefficient in the least-squares fit of a frame by all maps
    together, as nilearn's ``NiftiMapsMasker`` has it: what two overlapping maps share is
    counted once. Only voxels that hold data take part (finite, not constant, inside the run's
    mask).

    Parameters
    ----------
    run : Run
    atlas : Atlas
        With maps, on the run's grid (see ``brain.resample_atlas``).
    cleaning : Cleaning, optional
        The defaults when omitted. `min_coverage` is of a map's absolute weight.

    Returns
    -------
    RegionSeries
        Every region has its column; NaN where less than ``cleaning.min_coverage`` of its weight
        lies in voxels that hold data. Such a map still takes part in the fit, so that its
        neighbours do not take over its signal.

    Raises
    ------
    InputError
        If the image is damaged, atlas or mask are on another grid, the confounds do not fit, no map is covered, or
        fewer voxels hold data than there are maps.
    """
    cleaning = cleaning or Cleaning()
    image = _load_run(run)
    if atlas.maps.shape[:3] != image.shape[:3] or not np.allclose(atlas.affine, image.affine, atol=1e-3):
        raise InputError(f"The atlas '{atlas.name}' {atlas.maps.shape[:3]} is not on the grid of {run.bold} "
                         f"{image.shape[:3]}; resample it first.")
    covered = _covered_voxels(image, run)
    coverage = map_coverage(atlas.maps, covered)
    usable = (coverage > 0) & (coverage >= cleaning.min_coverage)
    if not usable.any():
        raise InputError(f"No map of the atlas '{atlas.name}' is covered by {run.bold}. Are both in the same space "
                         f"(atlas: {atlas.space or 'not stated'}, scan: {run.space or 'not stated'})?")
    fitted = np.flatnonzero(coverage > 0)
    n_voxels = int((covered & (atlas.labels > 0)).sum())
    if n_voxels < len(fitted):
        raise InputError(f"{run.bold} holds data in {n_voxels} voxels of the atlas '{atlas.name}', too few to tell "
                         f"its {len(fitted)} maps apart. Choose an atlas with fewer regions.")
    masker = _make_masker(atlas.maps[..., fitted], covered, image, run, cleaning)
    confounds = read_confounds(run, cleaning.confounds)
    with warnings.catch_warnings():
        # a run shorter than half the filter's period has no slow cosine to remove
        warnings.filterwarnings("ignore", message="Cosine filter was not created")
        found = masker.fit_transform(_without_gaps(image), confounds=confounds)
    values = np.full((run.n_times, atlas.n_regions), np.nan, dtype=np.float32)
    values[:, fitted] = found
    values[:, ~usable] = np.nan
    history = {**asdict(cleaning), "confounds_used": [] if confounds is None else list(map(str, confounds.columns)),
               "extraction": "least squares on maps"}
    return RegionSeries(values, run.t_r, atlas.names, coverage, history)


def _make_masker(
    maps: np.ndarray, covered: np.ndarray, image: nib.Nifti1Image, run: Run, cleaning: Cleaning
) -> NiftiMapsMasker:
    return NiftiMapsMasker(
        nib.Nifti1Image(maps, image.affine),
        nib.Nifti1Image(covered.astype(np.uint8), image.affine),
        standardize=None if cleaning.standardize == "none" else cleaning.standardize,
        detrend=cleaning.detrend,
        high_pass=cleaning.high_pass or None,
        low_pass=cleaning.low_pass or None,
        smoothing_fwhm=cleaning.smoothing_fwhm or None,
        t_r=run.t_r,
        resampling_target=None,
        reports=False,
        clean_args={"filter": cleaning.filter if cleaning.high_pass or cleaning.low_pass else False},
    )
