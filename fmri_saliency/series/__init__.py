"""From runs to region time series, and from series to samples."""

from fmri_saliency.series.extract import Cleaning, extract_run
from fmri_saliency.series.maps import extract_maps_run
from fmri_saliency.series.store import coverage_path, read_series, series_name, write_series
from fmri_saliency.series.windows import (
    UNITS,
    WindowPlan,
    Windows,
    cut_samples,
    plan_windows,
    read_samples,
    write_samples,
)

__all__ = [
    "UNITS",
    "Cleaning",
    "WindowPlan",
    "Windows",
    "coverage_path",
    "cut_samples",
    "extract_maps_run",
    "extract_run",
    "plan_windows",
    "read_samples",
    "read_series",
    "series_name",
    "write_samples",
    "write_series",
]
