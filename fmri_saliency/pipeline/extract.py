"""Step 1: region time series of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from fmri_saliency.brain import check_space, load_chosen_atlas, resample_atlas
from fmri_saliency.errors import ConfigError, InputError, nearest
from fmri_saliency.files import fingerprint, read_json, write_tsv
from fmri_saliency.jobs import run_jobs
from fmri_saliency.pipeline.config import Config, to_plain, write_config
from fmri_saliency.pipeline.workspace import Workspace, is_done, say, stamp
from fmri_saliency.records import Atlas, Run
from fmri_saliency.scans import find_runs, read_subjects
from fmri_saliency.scans.find import Finding
from fmri_saliency.series import Cleaning, coverage_path, extract_run, series_name, write_series

__all__ = ["extract", "find", "grid_atlas", "series_inputs"]


def find(config: Config) -> Finding:
    """Find the configured runs."""
    scans = config.scans
    return find_runs(
        scans.layout,
        scans.path,
        t_r=scans.t_r,
        space=scans.space,
        tasks=scans.tasks,
        subjects=read_subjects(scans.subject_list) if scans.subject_list else scans.subjects,
        directions=scans.directions,
        exclude=scans.exclude,
        families=scans.families,
        variant=scans.variant,
        events=scans.events,
        bids=scans.bids,
    )


def choose_atlas(config: Config, runs: Sequence[Run]) -> tuple[Atlas, str]:
    """Load the configured atlas and say how its space fits the scans'."""
    atlas = load_chosen_atlas(config.atlas)
    grids = [nib.load(run.bold) for run in runs[:1]]
    same = all(g.shape[:3] == atlas.labels.shape and np.allclose(g.affine, atlas.affine, atol=1e-3) for g in grids)
    notes = [check_space(atlas, space, same) for space in sorted({run.space for run in runs})]
    return atlas, " ".join(notes)


def grid_atlas(atlas: Atlas, run: Run) -> Atlas:
    """Resample the atlas to the grid of a run."""
    image = nib.load(run.bold)
    return resample_atlas(atlas, image.affine, image.shape[:3])


def series_inputs(run: Run, atlas: Atlas, cleaning: Cleaning) -> str:
    """Return what identifies the series of a run: its files, the atlas and the cleaning."""
    files = [fingerprint(path) for path in (run.bold, run.mask, run.confounds)]
    return stamp(files, run.t_r, atlas.fingerprint, to_plain(cleaning))


@dataclass(frozen=True)
class _Job:
    run: Run
    stem: Path
    inputs: str
    grid: tuple[tuple[int, ...], bytes]


def _grid(run: Run) -> tuple[tuple[int, ...], bytes]:
    """Return what two runs share when they lie on one grid of voxels: shape and affine."""
    image = nib.load(run.bold)
    return image.shape[:3], image.affine.round(4).tobytes()


def _grid_atlases(atlas: Atlas, jobs: Sequence[_Job]) -> dict[tuple, Atlas]:
    """Resample the atlas once for every grid that occurs."""
    return {grid: grid_atlas(atlas, next(j.run for j in jobs if j.grid == grid)) for grid in {j.grid for j in jobs}}


def _extract_one(job: _Job, atlas: Atlas, cleaning: Cleaning, space_note: str) -> tuple[str, str]:
    """Extract and write one run; return its key and what went wrong, if anything did."""
    try:
        series = extract_run(job.run, atlas, cleaning)
        sources = [path.as_posix() for path in (job.run.bold, job.run.mask, job.run.confounds) if path]
        about = {"Sources": sources, "HeaderRepetitionTime": job.run.header_t_r, "Atlas": atlas.name}
        extra = {**about, "SpaceNote": space_note, "inputs": job.inputs}
        write_series(series, job.stem, extra)
    except (InputError, OSError) as error:
        # an older series of this run is out of date: without its card nothing will use it
        job.stem.with_name(job.stem.name + ".json").unlink(missing_ok=True)
        return job.run.key, str(error)
    return job.run.key, ""


def _choose_runs(runs: Sequence[Run], keys: Sequence[str]) -> list[Run]:
    known = {run.key: run for run in runs}
    for key in keys:
        if key not in known:
            raise ConfigError(f"No run '{key}' was found.{nearest(key, known)} `fmri-saliency runs CONFIG.toml` lists "
                              "them.")
    return [known[key] for key in keys] if keys else list(runs)


def _log_row(row: dict[str, Any], run: Run | None, stem: Path | None, failure: str) -> dict[str, Any]:
    row = {**row, "frames": None, "t_r": None, "absent_regions": None}
    if run is None or stem is None:
        return row
    row.update(frames=run.n_times, t_r=run.t_r)
    card = stem.with_name(stem.name + ".json")
    if failure:
        row.update(status="failed", message=failure)
    elif card.is_file():
        row.update(status="done", absent_regions=len(read_json(card)["AbsentRegions"]))
    return row


def extract(config: Config, keys: Sequence[str] = ()) -> pd.DataFrame:
    """Extract the series of all runs, or of those named by `keys`.

    Runs whose recorded inputs have not changed are skipped. A run that cannot be used is a
    row in ``runs.tsv``; the others go on.

    Returns
    -------
    DataFrame
        The log: `run`, `status` (``done``, ``found``, ``missing``, ``unusable``,
        ``failed``), `message`, `frames`, `t_r`, `absent_regions`.

    Raises
    ------
    InputError
        If no run can be used at all.
    """
    space = Workspace(config.output.path)
    finding = find(config)
    atlas, note = choose_atlas(config, finding.runs)
    space.begin()
    write_config(config, space.root / "config.toml")
    chosen = _choose_runs(finding.runs, keys)
    stems = {run.key: space.root / series_name(run, atlas) for run in finding.runs}
    if len(set(stems.values())) < len(finding.runs):
        raise InputError("Two runs would have the same file name; tell them apart by session, direction or run in "
                         f"{config.scans.path}.")
    jobs = []
    for run in chosen:
        stem = stems[run.key]
        inputs = series_inputs(run, atlas, config.cleaning)
        outputs = [stem.with_name(stem.name + ".tsv"), coverage_path(stem)]
        if not is_done(stem.with_name(stem.name + ".json"), inputs, outputs):
            jobs.append(_Job(run, stem, inputs, _grid(run)))
    atlases = _grid_atlases(atlas, jobs)
    work = [(job, atlases[job.grid], config.cleaning, note) for job in jobs]
    failures = dict(run_jobs(_extract_one, work, config.output.n_jobs, "Extracting", "run"))
    runs = {run.key: run for run in finding.runs}
    rows = [
        _log_row(row, runs.get(row["run"]), stems.get(row["run"]), failures.get(row["run"], ""))
        for row in finding.log.to_dict("records")
    ]
    log = pd.DataFrame(rows).astype({"frames": "Int64", "absent_regions": "Int64"})
    write_tsv(space.root / "runs.tsv", log)
    counts = ", ".join(f"{n} {status}" for status, n in log["status"].value_counts().items())
    say(f"Series: {len(jobs)} extracted, {len(chosen) - len(jobs)} up to date; runs: {counts}.")
    failed = [message for message in failures.values() if message]
    if failed and len(failed) == len(finding.runs):
        raise InputError(f"No run could be extracted. The first problem: {failed[0]}")
    return log
