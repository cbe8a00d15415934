"""Step 1: region time series of every run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage

from fmri_saliency.bids import bids_uri
from fmri_saliency.brain import check_space, load_chosen_atlas, match_grayordinates, resample_atlas
from fmri_saliency.brain.cifti import identify_models
from fmri_saliency.errors import ConfigError, InputError, StepError, nearest
from fmri_saliency.files import fingerprint, read_json, write_json, write_tsv
from fmri_saliency.grayordinates import grayordinates_of
from fmri_saliency.images import open_image
from fmri_saliency.jobs import run_jobs
from fmri_saliency.pipeline.config import Config, to_plain, write_config
from fmri_saliency.pipeline.index import find, write_index
from fmri_saliency.pipeline.workspace import Workspace, is_done, say, stamp
from fmri_saliency.records import Atlas, Run
from fmri_saliency.scans.bids_spaces import INDIVIDUAL
from fmri_saliency.scans.find import Finding
from fmri_saliency.series import (
    Cleaning,
    SeriesJob,
    card_path,
    described_by,
    extract_to_files,
    forget_series,
    series_name,
    series_outputs,
)

__all__ = [
    "choose_atlas",
    "extract",
    "extract_chosen",
    "grid_atlas",
    "series_inputs",
    "series_stems",
    "source_links",
    "write_log",
]

Grid = tuple[tuple[int, ...], bytes, str]


def source_links(config: Config) -> dict[str, Path]:
    """Return the data sets that results are made from: the scans, and for derivatives the raw ones where known."""
    scans, raw = config.scans.path, config.scans.bids.raw
    return {"scans": scans if scans.is_dir() else scans.parent, **({} if raw is None else {"raw": raw})}


def choose_atlas(config: Config, runs: Sequence[Run]) -> tuple[Atlas, str]:
    """Load the configured atlas and say how its space fits the scans'."""
    atlas = load_chosen_atlas(config.atlas)
    grids = [open_image(run.bold, "a BOLD image") for run in runs[:1]]
    same = all(g.shape[:3] == atlas.labels.shape and np.allclose(g.affine, atlas.affine, atol=1e-3) for g in grids)
    _check_individual(runs)
    notes = [check_space(atlas, space, same) for space in sorted({run.space for run in runs})]
    return atlas, " ".join(notes)


def _check_individual(runs: Sequence[Run]) -> None:
    """Refuse several people in spaces of their own: one atlas cannot fit them all."""
    own = [run for run in runs if run.space in INDIVIDUAL]
    if len({run.subject for run in own}) > 1:
        raise InputError(f"The scans of several people are each in a space of their own ({own[0].space}): one atlas "
                         "does not fit them all. Choose scans in a template space, or one subject.")


def grid_atlas(atlas: Atlas, run: Run) -> Atlas:
    """Put the atlas on the grid, or the grayordinates, of a run."""
    return _fit(atlas, open_image(run.bold, "a BOLD image"), run.bold)


def _fit(atlas: Atlas, image: SpatialImage, path: Path) -> Atlas:
    models = grayordinates_of(image)
    if (models is None) != (atlas.grayordinates is None):
        return atlas  # refused, with the reason, when the run is read
    if models is not None:
        return match_grayordinates(atlas, models, f"the series {path}")
    return resample_atlas(atlas, image.affine, image.shape[:3])


def series_inputs(run: Run, atlas: Atlas, cleaning: Cleaning) -> str:
    """Return what identifies the series of a run: its files, the atlas and the cleaning."""
    about = described_by(run, cleaning.denoise)
    files = [fingerprint(path) for path in (run.bold, run.mask, run.confounds, about)]
    return stamp(files, run.t_r, run.start_time, atlas.fingerprint, to_plain(cleaning))


@dataclass(frozen=True)
class _Plan:
    """What is to be done: jobs with the grids they lie on, the atlas on each, and why runs cannot be used."""

    jobs: list[tuple[SeriesJob, Grid]] = field(default_factory=list)
    atlases: dict[Grid, Atlas] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def _add_job(plan: _Plan, job: SeriesJob, atlas: Atlas) -> None:
    """Add a job with its grid of voxels; runs whose shapes and affines, or grayordinates, agree share one."""
    image = open_image(job.run.bold, "a BOLD image")
    models = grayordinates_of(image)
    place = "" if models is None else identify_models(models)
    grid = (tuple(map(int, image.shape[:3])), image.affine.round(4).tobytes(), place)
    if grid not in plan.atlases:
        plan.atlases[grid] = _fit(atlas, image, job.run.bold)
    plan.jobs.append((job, grid))


def _plan(
    runs: Sequence[Run], stems: dict[str, Path], atlas: Atlas, note: str, cleaning: Cleaning, links: dict[str, Path]
) -> _Plan:
    """Say which runs are not up to date; one whose files cannot be reached any more is a failure of its own."""
    plan = _Plan()
    for run in runs:
        stem = stems[run.key]
        try:
            inputs = series_inputs(run, atlas, cleaning)
            if is_done(card_path(stem), inputs, series_outputs(stem)):
                continue
            sources = [bids_uri(path, links) for path in (run.bold, run.mask, run.confounds) if path]
            about = {"Sources": sources, "HeaderRepetitionTime": run.header_t_r, "StartTime": run.start_time,
                     "Atlas": atlas.name}  # fmt: skip
            _add_job(plan, SeriesJob(run, stem, {**about, "SpaceNote": note, "inputs": inputs}), atlas)
        except OSError as error:
            plan.failures[run.key] = (f"{error.filename or run.bold} was found and cannot be reached now: "
                                      f"{error.strerror or error}. Check that it is still there.")
        except InputError as error:
            plan.failures[run.key] = str(error)
        if run.key in plan.failures:
            forget_series(stem)
    return plan


def _choose_runs(runs: Sequence[Run], keys: Sequence[str]) -> list[Run]:
    known = {run.key: run for run in runs}
    for key in keys:
        if key not in known:
            raise ConfigError(f"No run '{key}' was found.{nearest(key, known)} `fmri-saliency runs CONFIG.toml` lists "
                              "them.")
    return [known[key] for key in keys] if keys else list(runs)


QUALITY = (
    "fd_mean", "fd_max", "fd_share_high", "non_steady_frames", "mean_coverage", "partly_covered_regions",
    "nan_voxels", "constant_voxels", "marked_frames", "degrees_of_freedom",
)  # fmt: skip


def _log_row(row: dict[str, Any], run: Run | None, card: dict[str, Any] | None, failure: str) -> dict[str, Any]:
    """Return the row of a run in the log; `card` is that of its series, None where there is none."""
    row = {**row, "frames": None, "t_r": None, "absent_regions": None}
    if run is None:
        return row
    row.update(frames=run.n_times, t_r=run.t_r)
    if failure:
        row.update(status="failed", message=failure)
    elif card is not None:
        row.update(status="done", absent_regions=len(card["AbsentRegions"]), message=" ".join(card.get("Notes", ())))
    return row


def _read_card(stem: Path) -> dict[str, Any] | None:
    """Read the card of a series; None where there is none, or another process is just replacing it."""
    try:
        return read_json(card_path(stem))
    except (InputError, OSError):
        return None


def _quality_row(run: Run, card: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a run in the table of quality."""
    quality = card.get("Quality", {})
    still = len(quality.get("zero_variance_regions", ()))
    row = {"run": run.key, "frames": run.n_times, "t_r": run.t_r, "absent_regions": len(card["AbsentRegions"])}
    return {**row, "zero_variance_regions": still, **{name: quality.get(name) for name in QUALITY}}


def write_log(space: Workspace, finding: Finding, stems: dict[str, Path], failures: dict[str, str]) -> pd.DataFrame:
    """Write ``runs.tsv``, a row per expected run, and ``quality.tsv``, a row per run with series; return the former."""
    runs = {run.key: run for run in finding.runs}
    cards = {key: card for key, stem in stems.items() if (card := _read_card(stem)) is not None}
    rows = [
        _log_row(row, runs.get(row["run"]), cards.get(row["run"]), failures.get(row["run"], ""))
        for row in finding.log.to_dict("records")
    ]
    log = pd.DataFrame(rows).astype({"frames": "Int64", "absent_regions": "Int64"})
    columns = ("run", "frames", "t_r", "absent_regions", "zero_variance_regions", *QUALITY)
    quality = pd.DataFrame([_quality_row(runs[key], card) for key, card in cards.items()], columns=columns)
    try:
        write_tsv(space.root / "runs.tsv", log)
        write_tsv(space.root / "quality.tsv", quality.round(6))
    except OSError as error:
        bad = "".join(f"\n  {key}: {words}" for key, words in failures.items() if words)
        raise StepError(f"The tables of runs cannot be written to {space.root}: {error.strerror or error}. Make room "
                        f"there and run the same command again; what is done is kept.{bad}") from None
    return log


def series_stems(config: Config, runs: Sequence[Run], atlas: Atlas) -> dict[str, Path]:
    """Return where the series of each run go, by its key; refuse two runs of one name.

    Raises
    ------
    InputError
    """
    stems = {run.key: config.output.path / series_name(run, atlas) for run in runs}
    if len(set(stems.values())) < len(runs):
        raise InputError("Two runs would have the same file name; tell them apart by session, direction or run in "
                         f"{config.scans.path}.")
    return stems


def _note_failure(path: Path, run: Run, message: str) -> None:
    """Write down why a run failed, or forget that it did."""
    with suppress(OSError):  # where nothing can be written, that is said all the same
        if message:
            write_json(path, {"run": run.key, "file": run.bold.as_posix(), "message": message})
        else:
            path.unlink(missing_ok=True)


def extract_chosen(
    config: Config, runs: Sequence[Run], stems: dict[str, Path], atlas: tuple[Atlas, str]
) -> tuple[dict[str, str], str]:
    """Extract the series of runs, unless they are up to date; a run that fails leaves a note of why.

    Parameters
    ----------
    config : Config
    runs : sequence of Run
    stems : dict
        Where the series of each go, by its key.
    atlas : (Atlas, str)
        With how its space fits the scans'.

    Returns
    -------
    failures : dict
        Key to what went wrong, an empty text where nothing did.
    words : str
        How many were extracted.
    """
    space = Workspace(config.output.path)
    plan = _plan(runs, stems, *atlas, config.cleaning, source_links(config))
    work = [(job, plan.atlases[grid], config.cleaning) for job, grid in plan.jobs]
    failures = {**plan.failures, **dict(run_jobs(extract_to_files, work, config.output.n_jobs, "Extracting", "run"))}
    for run in runs:
        _note_failure(space.failure(run.key), run, failures.get(run.key, ""))
    n_failed = sum(map(bool, failures.values()))
    made, current = len(work) - n_failed + len(plan.failures), len(runs) - len(work) - len(plan.failures)
    return failures, f"Series: {made} extracted, {current} up to date"


def extract(config: Config, keys: Sequence[str] = (), finding: Finding | None = None) -> pd.DataFrame:
    """Extract the series of all runs, or of those named by `keys`.

    Runs are looked for on the disk, unless a `finding` of just now is given, and kept in an index for the steps that
    follow (:func:`~fmri_saliency.pipeline.index.read_index`).

    Runs whose recorded inputs have not changed are skipped. A run that cannot be used is a
    row in ``runs.tsv``; the others go on. ``quality.tsv`` has a row per run with series:
    movement, coverage, voxels without data, frames before the signal is steady.

    Returns
    -------
    DataFrame
        The log: `run`, `status` (``done``, ``found``, ``missing``, ``unusable``,
        ``failed``), `message`, `frames`, `t_r`, `absent_regions`.

    Raises
    ------
    StepError
        If no run can be used at all, or the tables cannot be written.
    """
    space = Workspace(config.output.path)
    finding = finding or find(config)
    atlas, note = choose_atlas(config, finding.runs)
    space.begin(source_links(config))
    write_index(config, finding)
    write_config(config, space.root / "config.toml")
    chosen = _choose_runs(finding.runs, keys)
    stems = series_stems(config, finding.runs, atlas)
    failures, words = extract_chosen(config, chosen, stems, (atlas, note))
    log = write_log(space, finding, stems, failures)
    counts = ", ".join(f"{n} {status}" for status, n in log["status"].value_counts().items())
    failed = [message for message in failures.values() if message]
    say(f"{words}; runs: {counts}.")
    if failed and len(failed) == len(finding.runs):
        raise StepError(f"No run could be extracted. The first problem: {failed[0]}")
    return log
