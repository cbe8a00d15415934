"""From runs to region time series, and from series to samples."""

from fmri_saliency.series.confounds import Denoise
from fmri_saliency.series.extract import Cleaning, extract_run
from fmri_saliency.series.maps import extract_maps_run
from fmri_saliency.series.planning import WindowPlan, class_balance, plan_windows
from fmri_saliency.series.resample import resample_series, resample_values
from fmri_saliency.series.samples import cut_samples, cut_to_disk, read_samples, write_samples
from fmri_saliency.series.store import coverage_path, read_marked, read_series, series_name, write_series
from fmri_saliency.series.windows import REST, UNITS, Windows

__all__ = [
    "REST",
    "UNITS",
    "Cleaning",
    "Denoise",
    "WindowPlan",
    "Windows",
    "class_balance",
    "coverage_path",
    "cut_samples",
    "cut_to_disk",
    "extract_maps_run",
    "extract_run",
    "plan_windows",
    "read_marked",
    "read_samples",
    "read_series",
    "resample_series",
    "resample_values",
    "series_name",
    "write_samples",
    "write_series",
]
