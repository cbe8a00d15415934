"""One run from scan to files, in a process that loads nothing else."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmri_saliency.errors import InputError, ScanWarning
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series.extract import Cleaning, extract_with_quality
from fmri_saliency.series.store import forget_series, write_series

__all__ = ["SeriesJob", "extract_to_files"]


@dataclass(frozen=True)
class SeriesJob:
    """A run whose series are to be made.

    Attributes
    ----------
    run : Run
    stem : Path
        Of the files to write.
    about : dict
        What the JSON beside the series says besides.
    """

    run: Run
    stem: Path
    about: dict[str, Any]


def _extract(job: SeriesJob, atlas: Atlas, cleaning: Cleaning) -> str:
    """Extract and write; return what went wrong, or nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScanWarning)
        try:
            series, quality = extract_with_quality(job.run, atlas, cleaning)
        except InputError as error:
            return str(error)
        except MemoryError:
            return f"{job.run.bold} does not fit into memory. Give the job more, or work on fewer runs at a time."
    notes = [str(warning.message) for warning in caught if issubclass(warning.category, ScanWarning)]
    for warning in caught:
        if not issubclass(warning.category, ScanWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    try:
        write_series(series, job.stem, {**job.about, "Notes": notes}, quality)
    except OSError as error:
        return (f"The series of {job.run.bold} cannot be written to {job.stem.parent}: {error.strerror or error}. Make "
                "room there, or choose another [output] path, and run the same command again.")
    return ""


def extract_to_files(job: SeriesJob, atlas: Atlas, cleaning: Cleaning) -> tuple[str, str]:
    """Extract and write one run; return its key and what went wrong, if anything did.

    Whatever goes wrong ends this run only. Nothing is left of a run that failed, nor of what
    an earlier scan of its name gave.
    """
    try:
        failure = _extract(job, atlas, cleaning)
    except Exception as error:  # the edge: one run must not end the others
        failure = f"{job.run.bold}: unexpected {type(error).__name__}: {error}."
    if failure:
        forget_series(job.stem)
    return job.run.key, failure
