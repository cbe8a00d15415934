"""Region time series of one run, with every region in its column."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from fmri_saliency.disk.grayordinates import describe_models, grayordinates_of
from fmri_saliency.disk.images import check_header, describe_grid, iterate_frames, open_image, read_voxels
from fmri_saliency.errors import InputError, ScanWarning, UnreachableError
from fmri_saliency.records import Atlas, RawSeries, RegionSeries, Run
from fmri_saliency.series.baseline import check_baseline
from fmri_saliency.series.cleaning import clean_series, round_signals
from fmri_saliency.series.confounds import Nuisance, gather_confounds, read_table
from fmri_saliency.series.freedom import FEW_LEFT, LEAST_LEFT, count_freedom
from fmri_saliency.series.masker import load_scan, mask_signals, split_frames
from fmri_saliency.series.quality import Motion, Quality, mark_moved, measure_motion, measure_quality
from fmri_saliency.series.settings import Cleaning
from fmri_saliency.series.stream import stream_regions
from fmri_saliency.series.weights import RegionWeights, region_signals, region_weights

__all__ = ["extract_run", "extract_with_quality"]


def _voxels_in_mask(run: Run, image: SpatialImage, weights: RegionWeights) -> np.ndarray:
    """Return which voxels of the regions are in the run's mask, bool of shape (n_voxels,)."""
    if run.mask is None:
        return np.ones(len(weights.voxels), dtype=bool)
    mask = open_image(run.mask, "a brain mask")
    if grayordinates_of(image) is not None and grayordinates_of(mask) is None:
        raise InputError(f"{run.bold} holds grayordinates, which the mask of voxels {run.mask} does not fit: a dense "
                         "series holds the brain alone. Leave the mask of this run out.")
    if mask.shape[:3] != image.shape[:3] or not np.allclose(mask.affine, image.affine, atol=1e-3):
        raise InputError(f"The mask {run.mask} is on another grid ({describe_grid(mask)}) than {run.bold} "
                         f"({describe_grid(image)}). Resample the mask to the run.")
    check_header(mask, run.mask)
    inside = read_voxels(mask, run.mask)
    if inside.size != np.prod(image.shape[:3]):
        raise InputError(f"Expected a 3D mask at {run.mask}; its shape is {mask.shape}.")
    return inside.reshape(-1, order="F")[weights.voxels] > 0


def _open_scan(run: Run, atlas: Atlas) -> SpatialImage:
    """Open the scan and refuse what cannot be averaged over the atlas."""
    image = open_image(run.bold, "a BOLD image")
    check_header(image, run.bold)
    if len(image.shape) != 4 or image.shape[3] != run.n_times:
        raise InputError(f"Expected a 4D image of {run.n_times} frames at {run.bold}; its shape is {image.shape}. Has "
                         "the file changed?")
    models = grayordinates_of(image)
    if (models is None) != (atlas.grayordinates is None):
        kind = "voxels, the atlas grayordinates" if models is None else "grayordinates, the atlas voxels"
        raise InputError(f"{run.bold} holds {kind} ('{atlas.name}'). A dense series (.dtseries.nii) needs labels in "
                         "CIFTI (.dlabel.nii), an image in voxels an image of labels: set labels in [atlas].")
    if models is not None and models != atlas.grayordinates:
        raise InputError(f"{run.bold} holds {describe_models(models)}, the atlas '{atlas.name}' "
                         f"{describe_models(atlas.grayordinates)}, not one for one the same. Put the atlas on "
                         "those of the series first: brain.match_grayordinates.")
    if atlas.labels.shape != image.shape[:3] or not np.allclose(atlas.affine, image.affine, atol=1e-3):
        raise InputError(f"The atlas '{atlas.name}' {atlas.labels.shape} is not on the grid of {run.bold} "
                         f"{image.shape[:3]}; resample it first.")
    return image


def _check_freedom(run: Run, nuisance: Nuisance, cleaning: Cleaning) -> int:
    """Return the degrees of freedom that are left, and warn when they are few.

    Confounds that explain every series, whatever it is, are refused: what would be left is rounding, scaled up.
    """
    left = count_freedom(run.n_times, run.t_r, cleaning, nuisance.table)
    n_columns = 0 if nuisance.table is None else nuisance.table.shape[1]
    if n_columns and left < LEAST_LEFT:
        raise InputError(f"{run.bold} has {run.n_times} frames, and its {n_columns} confounds, with mean and drift, "
                         f"explain all but {left} of them: nothing of the signal would be left. Choose fewer in "
                         "[cleaning].")
    if left < FEW_LEFT * run.n_times:
        warnings.warn(f"Cleaning leaves {left} degrees of freedom to the {run.n_times} frames of {run.bold} "
                      f"({n_columns} confounds, mean, and drift or band): little of the signal is left. Choose fewer "
                      "confounds, or a milder filter, in [cleaning].", ScanWarning, stacklevel=3)
    return left


def _movement(run: Run) -> tuple[Motion, pd.DataFrame | None]:
    """Measure movement; confounds that nobody asked for and that cannot be read do not stop a run."""
    if run.confounds is None:
        return measure_motion(None, run.n_times, why="unknown: the run has no confounds"), None
    try:
        table = read_table(run)
    except UnreachableError:  # the quality would say for good that nothing is known
        raise
    except InputError as error:
        return measure_motion(None, run.n_times, why=f"unknown: {error}"), None
    return measure_motion(table, run.n_times, degrees=run.confounds.suffix == ".txt"), table


def _mark(run: Run, nuisance: Nuisance, motion: Motion, threshold: float) -> Nuisance:
    """Add the frames before which the head moved by more than the threshold (mm) to those that are marked."""
    if not threshold:
        return nuisance
    if not np.isfinite(motion.displacement).any():
        raise InputError(f"fd_threshold = {threshold:g} in [cleaning] marks frames by head movement, which is not "
                         f"known of {run.bold} ({motion.source}). Give its confounds trans_x to rot_z or "
                         "framewise_displacement, or set fd_threshold = 0.")
    moved = mark_moved(motion, threshold)
    return replace(nuisance, marked=tuple(sorted({*nuisance.marked, *moved})))


def extract_run(run: Run, atlas: Atlas, cleaning: Cleaning | None = None) -> RegionSeries:
    """Average each region of a run and clean the signal; see :func:`extract_with_quality`."""
    return extract_with_quality(run, atlas, cleaning)[0]


def extract_with_quality(
    run: Run, atlas: Atlas, cleaning: Cleaning | None = None
) -> tuple[RegionSeries, Quality]:
    """Average each region of a run, clean the signal, and say how good the run is.

    With an atlas of maps the series of a region is its coefficient in the least-squares fit of a frame by
    all maps together (:func:`~fmri_saliency.series.weights.region_signals`). Only voxels that hold data
    take part (finite, not constant, inside the run's mask), so that a parcel at the edge of the field of
    view is not diluted by zeros.

    Parameters
    ----------
    run : Run
    atlas : Atlas
        On the run's grid (see ``brain.resample_atlas``), or grayordinates (``brain.match_grayordinates``).
    cleaning : Cleaning, optional
        The defaults when omitted.

    Returns
    -------
    series : RegionSeries
        Every region of the atlas has its column; NaN where less than
        ``cleaning.min_coverage`` of its voxels hold data. `raw` is the signal before cleaning, from which
        samples are cut.
    quality : Quality

    Raises
    ------
    InputError
        If the image is damaged, atlas or mask are on another grid, the confounds do not
        fit, or no region is covered.
    """
    cleaning = cleaning or Cleaning()
    if max(cleaning.high_pass, cleaning.low_pass) >= 0.5 / run.t_r:
        raise InputError(f"The filters in [cleaning] must lie below {0.5 / run.t_r:g} Hz, half the sampling rate of "
                         f"{run.bold}; {max(cleaning.high_pass, cleaning.low_pass):g} Hz came.")
    image = _open_scan(run, atlas)
    if cleaning.smoothing_fwhm and atlas.grayordinates is not None:
        raise InputError(f"{run.bold} holds grayordinates, which smoothing_fwhm in [cleaning] cannot smooth: they lie "
                         "on a surface. Set it to 0, and smooth with wb_command -cifti-smoothing if needed.")
    nuisance = gather_confounds(run, cleaning.confounds, cleaning.denoise)
    left = _check_freedom(run, nuisance, cleaning)
    motion, table = _movement(run)
    nuisance = _mark(run, nuisance, motion, cleaning.fd_threshold)
    weights = region_weights(atlas)
    inside = _voxels_in_mask(run, image, weights)
    whole = load_scan(run) if cleaning.reader == "nilearn" or cleaning.smoothing_fwhm else None
    frames = partial(iterate_frames, run.bold) if whole is None else partial(split_frames, whole)
    scan = stream_regions(frames, weights, inside)
    coverage = weights.share(scan.covered)
    usable = (coverage > 0) & (coverage >= cleaning.min_coverage)
    if not usable.any():
        within = f" within its mask {run.mask}" if run.mask else ""
        raise InputError(f"No region of the atlas '{atlas.name}' is covered by {run.bold}{within}. Are both in the "
                         f"same space (atlas: {atlas.space or 'not stated'}, scan: {run.space or 'not stated'})?")
    fitted = usable if atlas.maps is None else _told_apart(coverage > 0, scan.covered, atlas, run)
    if whole is None:
        signals = region_signals(scan.products, weights, scan.covered, fitted)
    else:
        signals = mask_signals(whole, atlas, weights, scan.covered, fitted, cleaning.smoothing_fwhm)
    if cleaning.standardize == "psc":
        check_baseline(signals, np.array(atlas.names)[fitted], run.bold)
    values = np.full((run.n_times, atlas.n_regions), np.nan)
    values[:, fitted] = round_signals(signals)
    values[:, ~usable] = np.nan
    history = {**asdict(cleaning), **nuisance.history}
    raw = RawSeries(values, run.t_r, atlas.names, coverage, history, nuisance.table)
    series = clean_series(raw, str(run.bold))
    quality = measure_quality(scan, weights, inside, atlas.names, motion, table)
    return series, replace(quality, freedom=left, marked=nuisance.marked)


def _told_apart(touched: np.ndarray, covered: np.ndarray, atlas: Atlas, run: Run) -> np.ndarray:
    """Return which maps take part in the fit: all with any weight, so that none takes over its neighbours' signal."""
    if covered.sum() < touched.sum():
        raise InputError(f"{run.bold} holds data in {covered.sum()} voxels of the atlas '{atlas.name}', too few to "
                         f"tell its {touched.sum()} maps apart. Choose an atlas with fewer regions.")
    return touched
