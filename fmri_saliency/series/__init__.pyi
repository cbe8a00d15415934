from .cleaning import clean_series, resample_raw
from .confounds import described_by
from .design import expected_responses
from .extract import extract_run, extract_with_quality
from .planning import WindowPlan, class_balance, plan_windows
from .quality import Motion, Quality, framewise_displacement
from .resample import nearest_frame, resample_series, resample_values
from .samples import cut_samples, cut_to_disk, read_samples, write_samples
from .settings import Cleaning, Denoise
from .store import (
    card_path,
    confounds_path,
    coverage_path,
    forget_series,
    quality_paths,
    raw_path,
    read_marked,
    read_raw,
    read_series,
    read_series_card,
    series_name,
    series_outputs,
    write_series,
)
from .weights import RegionWeights, region_weights
from .windows import REST, UNITS, Windows
from .work import Extracted, SeriesJob, extract_to_files, failure_path, note_failure, series_state

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
    "clean_series",
    "confounds_path",
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
    "nearest_frame",
    "note_failure",
    "plan_windows",
    "quality_paths",
    "raw_path",
    "read_marked",
    "read_raw",
    "read_samples",
    "read_series",
    "read_series_card",
    "region_weights",
    "resample_raw",
    "resample_series",
    "resample_values",
    "series_name",
    "series_outputs",
    "series_state",
    "write_samples",
    "write_series",
]
