"""From runs to region time series, and from series to samples."""

from fmri_saliency.series.extract import Cleaning, extract_run, extract_with_quality
from fmri_saliency.series.quality import Motion, Quality, framewise_displacement
from fmri_saliency.series.store import coverage_path, read_series, series_name, write_series
from fmri_saliency.series.weights import RegionWeights, region_weights
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
    "Motion",
    "Quality",
    "RegionWeights",
    "WindowPlan",
    "Windows",
    "coverage_path",
    "cut_samples",
    "extract_run",
    "extract_with_quality",
    "framewise_displacement",
    "plan_windows",
    "read_samples",
    "read_series",
    "region_weights",
    "series_name",
    "write_samples",
    "write_series",
]
