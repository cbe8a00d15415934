"""Region time series of one run, by nilearn's masker, with every region in its column."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiLabelsMasker

from fmri_saliency.errors import ConfigError, InputError, one_of
from fmri_saliency.images import open_image, read_voxels
from fmri_saliency.records import Atlas, RegionSeries, Run
from fmri_saliency.series.confounds import HCP_MOVEMENT, Denoise, gather_confounds, read_confounds

__all__ = ["HCP_MOVEMENT", "Cleaning", "extract_run", "read_confounds"]


@dataclass(frozen=True)
class Cleaning:
    """How the signal is cleaned; the names are those of nilearn's masker.

    Attributes
    ----------
    detrend : bool
        Remove a linear trend.
    high_pass, low_pass : float
        Cut-off frequencies in Hz; 0 means no filter.
    filter : {"cosine", "butterworth"}
        How slow drift is removed: by regressing out cosines, as SPM and fMRIPrep do, or by
        a Butterworth filter, which `low_pass` needs and which leaves trends in short runs.
    standardize : {"zscore_sample", "psc", "none"}
        Each region of each run: z-score, per cent signal change, or neither.
    smoothing_fwhm : float
        Of the image before averaging, in mm; 0 means none.
    confounds : tuple of str
        Columns of the run's confound file to regress out; ``("all",)`` takes every column.
    min_coverage : float
        A region whose voxels are covered by less than this share is NaN.
    denoise : Denoise
        Confounds by nilearn's strategies, for the tables that fMRIPrep writes.
    """

    detrend: bool = True
    high_pass: float = 0.008
    low_pass: float = 0.0
    filter: str = "cosine"
    standardize: str = "zscore_sample"
    smoothing_fwhm: float = 0.0
    confounds: tuple[str, ...] = ()
    min_coverage: float = 0.5
    denoise: Denoise = field(default_factory=Denoise)

    def __post_init__(self) -> None:
        one_of(self.standardize, ("zscore_sample", "psc", "none"), "standardize in [cleaning]", ConfigError)
        one_of(self.filter, ("cosine", "butterworth"), "filter in [cleaning]", ConfigError)
        if self.low_pass and self.filter == "cosine":
            raise ConfigError('low_pass in [cleaning] needs filter = "butterworth": cosines remove slow drift only.')
        for name in ("high_pass", "low_pass", "smoothing_fwhm"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} in [cleaning] must be at least 0; {getattr(self, name)} came.")
        if self.low_pass and self.high_pass >= self.low_pass:
            raise ConfigError(f"high_pass ({self.high_pass} Hz) in [cleaning] must be below low_pass "
                              f"({self.low_pass} Hz).")
        if not 0 <= self.min_coverage <= 1:
            raise ConfigError(f"min_coverage in [cleaning] must be between 0 and 1; {self.min_coverage} came.")
        if self.confounds and self.denoise.strategy:
            raise ConfigError("confounds in [cleaning] names columns, strategy in [cleaning.denoise] names groups of "
                              "columns: give one of them.")
        if self.high_pass and "high_pass" in self.denoise.strategy:
            raise ConfigError('The strategy "high_pass" in [cleaning.denoise] regresses out fMRIPrep\'s own cosines: '
                              "set high_pass = 0.0 in [cleaning], or drift is removed twice.")


def _load_run(run: Run) -> nib.Nifti1Image:
    image = open_image(run.bold, "a BOLD image")
    return nib.Nifti1Image(read_voxels(image, run.bold), image.affine)


def _covered_voxels(image: nib.Nifti1Image, run: Run) -> np.ndarray:
    """Return which voxels hold data: finite, changing over time, and in the run's mask."""
    values = image.get_fdata(dtype=np.float32)
    with np.errstate(invalid="ignore"):
        covered = np.isfinite(values).all(axis=3) & (values.max(axis=3) > values.min(axis=3))
    if run.mask is not None:
        mask = open_image(run.mask, "a brain mask")
        if mask.shape[:3] != image.shape[:3] or not np.allclose(mask.affine, image.affine, atol=1e-3):
            raise InputError(f"The mask {run.mask} is on another grid {mask.shape[:3]} than {run.bold} "
                             f"{image.shape[:3]}. Resample the mask to the run.")
        inside = read_voxels(mask, run.mask)
        if inside.size != covered.size:
            raise InputError(f"Expected a 3D mask at {run.mask}; its shape is {mask.shape}.")
        covered &= inside.reshape(covered.shape) > 0
    return covered


def _region_coverage(atlas: Atlas, covered: np.ndarray) -> np.ndarray:
    index = atlas.regions["index"].to_numpy()
    size = np.bincount(atlas.labels.ravel(), minlength=index.max() + 1)[index]
    inside = np.bincount(atlas.labels[covered], minlength=index.max() + 1)[index]
    return np.divide(inside, size, out=np.zeros(len(index)), where=size > 0)


def extract_run(run: Run, atlas: Atlas, cleaning: Cleaning | None = None) -> RegionSeries:
    """Average each region of a run and clean the signal; for maps see :func:`~fmri_saliency.series.extract_maps_run`.

    Only voxels that hold data are averaged (finite, not constant, inside the run's
    mask), so that a parcel at the edge of the field of view is not diluted by zeros.

    Parameters
    ----------
    run : Run
    atlas : Atlas
        On the run's grid (see ``brain.resample_atlas``).
    cleaning : Cleaning, optional
        The defaults when omitted.

    Returns
    -------
    RegionSeries
        Every region of the atlas has its column; NaN where less than
        ``cleaning.min_coverage`` of its voxels hold data.

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
    if atlas.maps is not None:
        from fmri_saliency.series.maps import extract_maps_run  # which is built on this module

        return extract_maps_run(run, atlas, cleaning)
    image = _load_run(run)
    if atlas.labels.shape != image.shape[:3] or not np.allclose(atlas.affine, image.affine, atol=1e-3):
        raise InputError(f"The atlas '{atlas.name}' {atlas.labels.shape} is not on the grid of {run.bold} "
                         f"{image.shape[:3]}; resample it first.")
    covered = _covered_voxels(image, run)
    coverage = _region_coverage(atlas, covered)
    usable = (coverage > 0) & (coverage >= cleaning.min_coverage)
    if not usable.any():
        raise InputError(f"No region of the atlas '{atlas.name}' is covered by {run.bold}. Are both in the same space "
                         f"(atlas: {atlas.space or 'not stated'}, scan: {run.space or 'not stated'})?")
    kept = atlas.regions["index"].to_numpy()[usable]
    labels = np.where(covered & np.isin(atlas.labels, kept), atlas.labels, 0).astype(np.int32)
    masker = NiftiLabelsMasker(
        nib.Nifti1Image(labels, image.affine),
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
    nuisance = gather_confounds(run, cleaning.confounds, cleaning.denoise)
    with warnings.catch_warnings():
        # a run shorter than half the filter's period has no slow cosine to remove
        warnings.filterwarnings("ignore", message="Cosine filter was not created")
        found = masker.fit_transform(_without_gaps(image), confounds=nuisance.table)
    values = np.full((run.n_times, atlas.n_regions), np.nan, dtype=np.float32)
    column = {int(label): position for position, label in enumerate(atlas.regions["index"])}
    ids = [int(label) for key, label in masker.region_ids_.items() if key != "background"]
    values[:, [column[label] for label in ids]] = found
    history = {**asdict(cleaning), **nuisance.history}
    return RegionSeries(values, run.t_r, atlas.names, coverage, history)


def _without_gaps(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Replace NaN by 0: voxels that hold one are in no region, but smoothing would spread it."""
    values = image.get_fdata(dtype=np.float32)
    if np.isfinite(values).all():
        return image
    return nib.Nifti1Image(np.nan_to_num(values, posinf=0.0, neginf=0.0), image.affine)
