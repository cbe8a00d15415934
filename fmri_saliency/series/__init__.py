"""From runs to region time series, and from series to samples."""

from fmri_saliency.series.confounds import Denoise, described_by
from fmri_saliency.series.design import expected_responses
from fmri_saliency.series.extract import Cleaning, extract_run, extract_with_quality
from fmri_saliency.series.planning import WindowPlan, class_balance, plan_windows
from fmri_saliency.series.quality import Motion, Quality, framewise_displacement
from fmri_saliency.series.resample import resample_series, resample_values
from fmri_saliency.series.samples import cut_samples, cut_to_disk, read_samples, write_samples
from fmri_saliency.series.store import (
    card_path,
    coverage_path,
    forget_series,
    quality_paths,
    read_marked,
    read_series,
    series_name,
    series_outputs,
    write_series,
)
from fmri_saliency.series.weights import RegionWeights, region_weights
from fmri_saliency.series.windows import REST, UNITS, Windows
from fmri_saliency.series.work import Extracted, SeriesJob, extract_to_files, failure_path, note_failure, series_state

__all__ = [
    "REST",
    "UNITS",
    "Cleaning",
    "Denoise",
    "Extracted",
    "Motion",
    "Quality",
    "RegionWeights",
    "SeriesJob",
    "WindowPlan",
    "Windows",
    "card_path",
    "class_balance",
    "coverage_path",
    "cut_samples",
    "cut_to_disk",
    "described_by",
    "expected_responses",
    "extract_run",
    "extract_to_files",
    "extract_with_quality",
    "failure_path",
    "forget_series",
    "framewise_displacement",
    "note_failure",
    "plan_windows",
    "quality_paths",
    "read_marked",
    "read_samples",
    "read_series",
    "region_weights",
    "resample_series",
    "resample_values",
    "series_name",
    "series_outputs",
    "series_state",
    "write_samples",
    "write_series",
]
