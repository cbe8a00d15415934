"""From runs to region time series, and from series to samples."""

from fmri_saliency.series.extract import Cleaning, extract_run
from fmri_saliency.series.store import coverage_path, read_series, series_name, write_series
from fmri_saliency.series.windows import UNITS, Windows, cut_samples, read_samples, write_samples

__all__ = [
    "UNITS",
    "Cleaning",
    "Windows",
    "coverage_path",
    "cut_samples",
    "extract_run",
    "read_samples",
    "read_series",
    "series_name",
    "write_samples",
    "write_series",
]
