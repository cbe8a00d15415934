"""Region series as BIDS tables: raw and cleaned, a column per region each, and one JSON beside them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.disk.bids_names import build_folder, build_name
from fmri_saliency.disk.files import misfit, read_record, remove, write_json, write_tsv
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.errors import DamagedError, InputError
from fmri_saliency.records import Atlas, RawSeries, RegionSeries, Run
from fmri_saliency.series.quality import Quality

__all__ = [
    "card_path",
    "confounds_path",
    "coverage_path",
    "forget_series",
    "quality_paths",
    "raw_path",
    "read_marked",
    "read_raw",
    "read_series",
    "read_series_card",
    "series_name",
    "series_outputs",
    "write_series",
]


def series_name(run: Run, atlas: Atlas) -> Path:
    """Return the path of a run's series below the output folder, without extension."""
    entities = {**run.entities, **atlas.entities, "stat": "mean"}
    if run.space:
        entities["space"] = run.space
    return build_folder(run.subject, run.session) / build_name(entities, "timeseries")


def card_path(stem: Path) -> Path:
    """Return where the card of a series lies: the JSON that is written last."""
    return stem.with_name(stem.name + ".json")


FIELDS = {"RepetitionTime": float | int, "Cleaning": dict, "AbsentRegions": list}
"""What the JSON of series says."""
MADE_FIELDS = {"inputs": str, "MadeFrom": dict, "SourceFiles": list, "Run": str, "Quality": dict}
"""What it says besides where the series were extracted from a scan."""
QUALITY = {"zero_variance_regions": list, "fd_source": str, "non_steady_frames": int, "non_steady_rule": str}
SOURCE = {"uri": str, "size": int, "mtime_ns": int, "sha256": str}
STEP = "extract CONFIG.toml"


def read_series_card(stem: Path, extracted: bool = True) -> dict[str, Any]:
    """Read the JSON of series.

    Parameters
    ----------
    stem : Path
    extracted : bool
        Whether it must say which scan they were extracted from; series that a program wrote itself need not.

    Raises
    ------
    InputError
        If there is none; :class:`~fmri_saliency.errors.DamagedError` if it says other things than it should.
    """
    path = card_path(stem)
    card = read_record(path, FIELDS | MADE_FIELDS if extracted else FIELDS, STEP)
    parts = [misfit(card, {name: kind for name, kind in MADE_FIELDS.items() if name in card})]
    if not any(parts):
        parts += [misfit(card["Quality"], QUALITY) if "Quality" in card else "",
                  *(misfit(one, SOURCE) for one in card.get("SourceFiles", ()))]  # fmt: skip
    if any(parts):
        raise DamagedError(f"{path} is damaged: {next(filter(None, parts))}. `fmri-saliency {STEP}` makes it again.",
                           path)
    return card


def _beside(stem: Path, ending: str) -> Path:
    """Return the path of another table of the run whose cleaned series lie at `stem`."""
    return stem.with_name(stem.name.removesuffix("_timeseries").removesuffix("_stat-mean") + ending)


def raw_path(stem: Path) -> Path:
    """Return where the series of a run before cleaning lie."""
    return _beside(stem, "_stat-mean_desc-raw_timeseries.tsv")


def confounds_path(stem: Path) -> Path:
    """Return where the confounds lie that are regressed out of a series; there is no file where there are none."""
    return _beside(stem, "_desc-confounds_timeseries.tsv")


def coverage_path(stem: Path) -> Path:
    """Return where the coverage of the regions of a series lies."""
    return _beside(stem, "_stat-coverage_bold.tsv")


def quality_paths(stem: Path) -> tuple[Path, Path]:
    """Return where the quality of a run lies: the table of its frames, and that of its regions."""
    return _beside(stem, "_desc-quality_timeseries.tsv"), _beside(stem, "_desc-quality_regions.tsv")


def series_outputs(stem: Path, card: Mapping[str, Any] | None = None) -> tuple[Path, ...]:
    """Return every file that each run has but its card, ``stem.json``; confounds where that says they are used."""
    used = isinstance(card, Mapping) and (card.get("Cleaning") or {}).get("confounds_used")
    outputs = (stem.with_name(stem.name + ".tsv"), raw_path(stem), coverage_path(stem), *quality_paths(stem))
    return (*outputs, confounds_path(stem)) if used else outputs


def forget_series(stem: Path) -> None:
    """Remove every file of a run, the card first; what cannot be removed stays, without its card of no use."""
    for path in (card_path(stem), *series_outputs(stem), confounds_path(stem)):
        with suppress(OSError):
            remove(path)


def write_series(series: RegionSeries, stem: Path, extra: dict[str, Any], quality: Quality | None = None) -> None:
    """Write ``stem.tsv``, raw series, coverage, confounds and `quality` where there are any, and ``stem.json``.

    The JSON is written last: where it is, the others are whole. `extra` goes into it.
    """
    stem, raw = Path(stem), series.raw
    remove(card_path(stem))
    remove(confounds_path(stem))
    write_tsv(stem.with_name(stem.name + ".tsv"), pd.DataFrame(series.values, columns=list(series.names)))
    if raw is not None:
        write_tsv(raw_path(stem), pd.DataFrame(raw.values, columns=list(series.names)))
        if raw.confounds is not None:
            write_tsv(confounds_path(stem), raw.confounds)
    write_tsv(coverage_path(stem), pd.DataFrame([series.coverage.round(4)], columns=list(series.names)))
    if quality is not None:
        frames, regions = quality_paths(stem)
        write_tsv(frames, quality.frames().round(6))
        table = quality.regions.assign(coverage=quality.regions["coverage"].round(4))
        write_tsv(regions, table.assign(zero_variance=table["zero_variance"].astype(int)))
    absent = [name for name, column in zip(series.names, series.values.T, strict=True) if np.isnan(column).all()]
    sidecar = {
        "RepetitionTime": series.t_r,
        "SamplingFrequency": 1.0 / series.t_r,
        "Cleaning": series.history,
        "AbsentRegions": absent,
        **({} if quality is None else {"Quality": quality.summary()}),
        **extra,
    }
    write_json(card_path(stem), sidecar)


def read_series(stem: Path) -> RegionSeries:
    """Read the cleaned series that :func:`write_series` wrote, without the raw ones (:func:`read_raw`).

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    table, coverage, sidecar = _read(stem, stem.with_name(stem.name + ".tsv"))
    t_r, names = float(sidecar["RepetitionTime"]), tuple(map(str, table.columns))
    return RegionSeries(table.to_numpy(dtype=np.float32), t_r, names, coverage, sidecar["Cleaning"])


def read_raw(stem: Path) -> RawSeries:
    """Read the raw series that :func:`write_series` wrote, with the confounds that are to be regressed out.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    table, coverage, sidecar = _read(stem, raw_path(stem))
    cleaning, confounds = sidecar["Cleaning"], None
    if cleaning.get("confounds_used"):
        confounds = read_own_tsv(confounds_path(stem), "the confounds of region series")
        if len(confounds) != len(table):
            raise InputError(f"{confounds_path(stem)} has {len(confounds)} rows, {raw_path(stem)} has {len(table)}; "
                             "extract the run again.")
    t_r, names = float(sidecar["RepetitionTime"]), tuple(map(str, table.columns))
    return RawSeries(table.to_numpy(dtype=float), t_r, names, coverage, cleaning, confounds)


def _read(stem: Path, path: Path) -> tuple[pd.DataFrame, np.ndarray, dict[str, Any]]:
    """Read one table of series, the coverage of its regions, and the JSON of the run."""
    sidecar = read_record(card_path(stem), FIELDS, STEP)
    table = _numbers(path, "region series")
    coverage = _numbers(coverage_path(stem), "the coverage of regions")
    if list(coverage.columns) != list(table.columns):
        raise DamagedError(f"{path.name} and the coverage of {stem} name different regions; extract the run again.",
                           path)
    return table, coverage.to_numpy(dtype=float)[0], sidecar


def _numbers(path: Path, what: str) -> pd.DataFrame:
    """Read a table that this package wrote, of which every cell is a number.

    Raises
    ------
    InputError
        If there is none; :class:`~fmri_saliency.errors.DamagedError` if it is not such a table.
    """
    try:
        table = read_own_tsv(path, what)
    except InputError as error:
        if not path.is_file():
            raise
        raise DamagedError(f"{error} `fmri-saliency {STEP}` makes it again.", path) from None
    texts = [name for name, column in table.items() if not pd.api.types.is_numeric_dtype(column)]
    if texts or not len(table):
        why = f"column {texts[0]} holds text" if texts else "it has no row"
        raise DamagedError(f"{path} is damaged: {why} where {what} are numbers. `fmri-saliency {STEP}` makes it again.",
                           path)
    return table


def read_marked(card: dict[str, Any], n_times: int, where: Path) -> np.ndarray | None:
    """Return which frames of a run are marked as bad, shape (n_times,) of bool; None where nothing was marked.

    Parameters
    ----------
    card : dict
        The content of a series' JSON; `marked_frames` in its `Cleaning` lists numbers of frames, the first is 0.
    n_times : int
        Frames of the run.
    where : Path
        The JSON, for the message.

    Raises
    ------
    InputError
        If a number is not one of the run's frames.
    """
    given = card.get("Cleaning", {}).get("marked_frames")
    if given is None:
        return None
    frames = np.asarray(given, dtype=float)
    wrong = (frames != np.floor(frames)) | (frames < 0) | (frames >= n_times)
    if frames.ndim != 1 or wrong.any():
        raise InputError(f"marked_frames in {where} must list numbers of frames from 0 to {n_times - 1}; "
                         f"{given[int(wrong.argmax())] if frames.ndim == 1 else 'other things'} came. Extract the run "
                         "again.")
    marked = np.zeros(n_times, dtype=bool)
    marked[frames.astype(int)] = True
    return marked
