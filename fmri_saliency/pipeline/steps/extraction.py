"""Step 1: region time series of every run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage
from nilearn.image.resampling import BoundingBoxError

from fmri_saliency import __version__
from fmri_saliency.brain import check_space, extend_grid, load_chosen_atlas, match_grayordinates, resample_atlas
from fmri_saliency.brain.cifti import identify_models
from fmri_saliency.disk.bids_names import bids_uri, build_name
from fmri_saliency.disk.files import read_json, write_json, write_tsv
from fmri_saliency.disk.grayordinates import grayordinates_of
from fmri_saliency.disk.images import describe_grid, is_placed, open_image
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.disk.sources import Source
from fmri_saliency.disk.texts import one_line
from fmri_saliency.errors import (
    ConfigError,
    InputError,
    SpaceMismatchWarning,
    StepError,
    UnreachableError,
    lacks_memory,
    nearest,
    unusable,
)
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, name_changes, say, say_why
from fmri_saliency.pipeline.study.leftovers import set_lost_runs_aside
from fmri_saliency.pipeline.study.opening import atlas_stamp, begin, source_links
from fmri_saliency.pipeline.study.runs import find, write_index
from fmri_saliency.records import Atlas, Run
from fmri_saliency.scans.find import Finding
from fmri_saliency.scans.fmriprep.spaces import INDIVIDUAL
from fmri_saliency.series import (
    Extracted,
    SeriesJob,
    card_path,
    confounds_path,
    described_by,
    extract_to_files,
    forget_series,
    note_failure,
    read_series_card,
    series_name,
    series_outputs,
    series_state,
)

__all__ = [
    "check_log",
    "choose_atlas",
    "extract",
    "extract_chosen",
    "grid_atlas",
    "known_failure",
    "note_atlas",
    "series_made_from",
    "series_sources",
    "series_stems",
    "source_links",
    "write_log",
]

Grid = tuple[tuple[int, ...], bytes, str]


def choose_atlas(config: Config, runs: Sequence[Run]) -> tuple[Atlas, str]:
    """Load the configured atlas and say how its space fits the scans'."""
    atlas = load_chosen_atlas(config.atlas)
    grids = _first_image(runs)
    same = all(g.shape[:3] == atlas.labels.shape and np.allclose(g.affine, atlas.affine, atol=1e-3) for g in grids)
    _check_individual(runs)
    notes = [check_space(atlas, space, same) for space in sorted({run.space for run in runs})]
    return atlas, " ".join(notes)


def _first_image(runs: Sequence[Run]) -> list[SpatialImage]:
    """Return the scan of the first run that can be opened; what is wrong with others is said when they are planned."""
    for run in runs:
        with suppress(Exception):
            return [open_image(run.bold, "a BOLD image")]
    return []


def _check_individual(runs: Sequence[Run]) -> None:
    """Refuse several people in spaces of their own: one atlas cannot fit them all."""
    own = [run for run in runs if run.space in INDIVIDUAL]
    if len({run.subject for run in own}) > 1:
        raise InputError(f"The scans of several people are each in a space of their own ({own[0].space}): one atlas "
                         "does not fit them all. Choose scans in a template space, or one subject.")


def grid_atlas(atlas: Atlas, run: Run, whole: Sequence[str] = ()) -> Atlas:
    """Put the atlas on the grid, or the grayordinates, of a run; extend the grid until it holds `whole` regions."""
    return _fit(atlas, open_image(run.bold, "a BOLD image"), run.bold, whole)


def _fit(atlas: Atlas, image: SpatialImage, path: Path, whole: Sequence[str] = ()) -> Atlas:
    models = grayordinates_of(image)
    if (models is None) != (atlas.grayordinates is None):
        return atlas  # refused, with the reason, when the run is read
    if models is not None:
        return match_grayordinates(atlas, models, f"the series {path}")
    try:
        moved = resample_atlas(atlas, *extend_grid(atlas, whole, image.affine, image.shape[:3]))
    except BoundingBoxError:
        raise InputError(f"The scan {path} ({describe_grid(image)}) lies where the atlas has nothing. Correct its "
                         "sform or qform, or give an atlas in its space.") from None
    if moved is not atlas and not is_placed(image):
        warnings.warn(f"The header of {path} does not say where its voxels lie (its sform and qform codes are 0), not "
                      "even which side is left. The atlas was put on it as if its middle were the origin: write an "
                      "affine into it, or give labels on its own grid.", SpaceMismatchWarning, stacklevel=3)
    return moved


def series_made_from(run: Run, atlas: Atlas, config: Config) -> dict[str, Any]:
    """Return what the series of a run depend on, beside its files: version, times, atlas and cleaning."""
    about = {"name": atlas.name, "regions": atlas.n_regions, "fingerprint": atlas.fingerprint}
    return {"version": __version__, "t_r": run.t_r, "start_time": run.start_time, "atlas": about,
            "cleaning": to_plain(config.cleaning)}  # fmt: skip


def series_sources(run: Run, config: Config) -> tuple[Source, ...]:
    """Return the files that the series of a run are made from, named from the data sets' roots."""
    links = source_links(config)
    files = (run.bold, run.mask, run.confounds, described_by(run, config.cleaning.denoise))
    return tuple((bids_uri(path, links), path) for path in files if path)


@dataclass(frozen=True)
class _Plan:
    """What is to be done: jobs with the grids they lie on, the atlas on each, and why runs cannot be used."""

    jobs: list[tuple[SeriesJob, Grid]] = field(default_factory=list)
    atlases: dict[Grid, Atlas] = field(default_factory=dict)
    failures: dict[str, Extracted] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def _add_job(plan: _Plan, job: SeriesJob, atlas: Atlas) -> None:
    """Add a job with its grid of voxels; runs whose shapes and affines, or grayordinates, agree share one."""
    image = open_image(job.run.bold, "a BOLD image")
    models = grayordinates_of(image)
    place = "" if models is None else identify_models(models)
    grid = (tuple(map(int, image.shape[:3])), image.affine.round(4).tobytes(), place)
    if grid not in plan.atlases:
        plan.atlases[grid] = _fit(atlas, image, job.run.bold)
    plan.jobs.append((job, grid))


def _plan(runs: Sequence[Run], stems: dict[str, Path], atlas: Atlas, note: str, config: Config) -> _Plan:
    """Say which runs are not up to date; one whose files cannot be reached any more is a failure of its own."""
    plan, space = _Plan(), Workspace(config.output.path)
    for run in runs:
        stem = stems[run.key]
        try:
            made_from, sources = series_made_from(run, atlas, config), series_sources(run, config)
            card = _read_card(stem)
            whole = all(path.is_file() for path in series_outputs(stem, card))
            state = series_state(card, made_from, sources) if whole and card else "stale"
            if state == "current":
                continue
            about = {"Run": run.key, "HeaderRepetitionTime": run.header_t_r, "StartTime": run.start_time,
                     "Atlas": atlas.name, "SpaceNote": note}  # fmt: skip
            _add_job(plan, SeriesJob(run, stem, about, made_from, sources, space.desk), atlas)
            if card is not None and state == "stale":
                recorded = {**made_from, "files": card.get("MadeFrom", {}).get("files")}
                plan.reasons.append(name_changes(card_path(stem), recorded) or
                                    ("the scan, or a file beside it, has changed" if whole else "a file was lost"))
            _set_others_aside(space, stem, run)
        except Exception as error:  # the edge: one run must not end the others
            plan.failures[run.key] = failed = _why(error, run)
            forget_series(stem)
            note_failure(space.desk, run, failed.failure, failed.what == "again")
    return plan


def _why(error: Exception, run: Run) -> Extracted:
    """Say why a run cannot be used, whatever was raised, and whether the next call may do better."""
    again = isinstance(error, UnreachableError | OSError) or lacks_memory(error)
    if isinstance(error, OSError):
        words = (f"{error.filename or run.bold} was found and cannot be reached now: {error.strerror or error}. Check "
                 "that it is still there.")
    else:
        words = str(error) if isinstance(error, InputError) else unusable(error, run.bold)
    return Extracted(run.key, words, "again" if again else "failed")


def _set_others_aside(space: Workspace, stem: Path, run: Run) -> None:
    """Set aside what another atlas or space gave for a run: its name says another atlas."""
    if not stem.parent.is_dir():
        return
    mine = {card_path(stem), *series_outputs(stem), confounds_path(stem)}
    name = build_name(run.entities)
    spaces = (f"{name}_space-*", f"{name}_atlas-*", f"{name}_stat-*", f"{name}_seg-*")
    others = [path for one in spaces for path in stem.parent.glob(one) if path not in mine]
    space.set_aside([path for path in sorted(others) if "unfinished" not in path.name and "_boldmap" not in path.name])


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


def known_failure(space: Workspace, key: str) -> Extracted | None:
    """Return why a run could not be extracted, now or by another call; None where it was not tried or is done."""
    try:
        note = read_json(space.failure(key))
        return Extracted(key, str(note["message"]), "again" if note.get("again") else "failed")
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return None


def _log_row(
    row: dict[str, Any], run: Run | None, card: dict[str, Any] | None, failure: Extracted | None
) -> dict[str, Any]:
    """Return the row of a run in the log; `card` is that of its series, None where there is none."""
    row = {**row, "frames": None, "t_r": None, "absent_regions": None}
    if run is None:
        return row
    row.update(frames=run.n_times, t_r=run.t_r)
    if failure is not None:
        row.update(status=failure.what, message=failure.failure)
    elif card is not None:
        row.update(status="done", absent_regions=len(card["AbsentRegions"]), message=" ".join(card.get("Notes", ())))
    return row


def _read_card(stem: Path) -> dict[str, Any] | None:
    """Read the card of a series; None where there is none, it is damaged, or another process is just replacing it."""
    try:
        return read_series_card(stem)
    except (InputError, OSError):
        return None


def _quality_row(run: Run, card: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a run in the table of quality."""
    quality = card.get("Quality", {})
    still = len(quality.get("zero_variance_regions", ()))
    row = {"run": run.key, "frames": run.n_times, "t_r": run.t_r, "absent_regions": len(card["AbsentRegions"])}
    return {**row, "zero_variance_regions": still, **{name: quality.get(name) for name in QUALITY}}


def write_log(
    space: Workspace, finding: Finding, stems: dict[str, Path], failures: dict[str, Extracted]
) -> pd.DataFrame:
    """Write ``runs.tsv``, a row per expected run, and ``quality.tsv``, a row per run with series; return the former."""
    runs = {run.key: run for run in finding.runs}
    cards = {key: card for key, stem in stems.items() if (card := _read_card(stem)) is not None}
    rows = [
        _log_row(row, runs.get(row["run"]), cards.get(row["run"]),
                 failures.get(row["run"]) or (None if row["run"] in cards else known_failure(space, row["run"])))
        for row in finding.log.to_dict("records")
    ]
    log = pd.DataFrame(rows).astype({"frames": "Int64", "absent_regions": "Int64"})
    columns = ("run", "frames", "t_r", "absent_regions", "zero_variance_regions", *QUALITY)
    quality = pd.DataFrame([_quality_row(runs[key], card) for key, card in cards.items()], columns=columns)
    try:
        write_tsv(space.root / "runs.tsv", log)
        write_tsv(space.root / "quality.tsv", quality.round(6))
    except OSError as error:
        bad = "".join(f"\n  {one.key}: {one.failure}" for one in failures.values())
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


def note_atlas(config: Config, atlas: Atlas) -> None:
    """Write down which atlas the series are to be of, for those who ask how far this is."""
    with suppress(OSError):
        card = {"fingerprint": atlas.fingerprint, "settings": atlas_stamp(config)}
        write_json(Workspace(config.output.path).atlas, card)


def extract_chosen(
    config: Config, runs: Sequence[Run], stems: dict[str, Path], atlas: tuple[Atlas, str]
) -> tuple[dict[str, Extracted], str]:
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
        Key to what went wrong; nothing of runs that have their series.
    words : str
        How many were extracted.
    """
    note_atlas(config, atlas[0])
    plan = _plan(runs, stems, *atlas, config)
    say_why(plan.reasons, "series")
    done = _extract_all(plan, config)
    failures = {**plan.failures, **{one.key: one for one in done if one.failure}}
    made = sum(one.what == "made" for one in done)
    return failures, f"Series: {made} extracted, {len(runs) - made - len(failures)} up to date"


def _extract_all(plan: _Plan, config: Config) -> list[Extracted]:
    """Extract all runs of a plan; those that another process works on come last, and are waited for."""
    work = {job.run.key: (job, plan.atlases[grid], config.cleaning) for job, grid in plan.jobs}
    jobs = [(*one, False) for one in work.values()]
    done = run_jobs(extract_to_files, jobs, config.output.n_jobs, "Extracting", "run")
    busy = [(*work[one.key], True) for one in done if one.what == "busy"]
    if busy:
        done += run_jobs(extract_to_files, busy, config.output.n_jobs, "Waiting for another process", "run")
    return [one for one in done if one.what != "busy"]


def extract(config: Config, keys: Sequence[str] = (), finding: Finding | None = None) -> pd.DataFrame:
    """Extract the series of all runs, or of those named by `keys`.

    Runs are looked for on the disk, unless a `finding` of just now is given, and kept in an index for the steps that
    follow (:func:`~fmri_saliency.pipeline.study.runs.read_index`).

    Runs whose recorded inputs have not changed are skipped. A run that cannot be used is a
    row in ``runs.tsv``; the others go on. ``quality.tsv`` has a row per run with series:
    movement, coverage, voxels without data, frames before the signal is steady.

    Returns
    -------
    DataFrame
        The log: `run`, `status` (``done``, ``found``, ``missing``, ``unusable``,
        ``failed``, or ``again``: for lack of memory, of room or of a right, so the next call tries it again),
        `message`, `frames`, `t_r`, `absent_regions`.

    Raises
    ------
    StepError
        If no run can be used at all, or the tables cannot be written.
    """
    with noted(config, "extract"):
        return _extract(config, keys, finding or find(config))


def _extract(config: Config, keys: Sequence[str], finding: Finding) -> pd.DataFrame:
    space = Workspace(config.output.path)
    atlas, note = choose_atlas(config, finding.runs)
    begin(config)
    write_index(config, finding)
    set_lost_runs_aside(config, finding)
    chosen = _choose_runs(finding.runs, keys)
    stems = series_stems(config, finding.runs, atlas)
    with suppress(StepError, OSError):  # so that it can be asked how far this is; the end says what cannot be written
        write_log(space, finding, stems, {})
    failures, words = extract_chosen(config, chosen, stems, (atlas, note))
    log = write_log(space, finding, stems, failures)
    counts = ", ".join(f"{n} {status}" for status, n in log["status"].value_counts().items())
    say(f"{words}; runs: {counts}.")
    if failures and len(failures) == len(finding.runs):
        raise StepError(f"No run could be extracted. The first problem: {next(iter(failures.values())).failure}")
    return log


def check_log(log: object, where: Path) -> None:
    """Raise when runs could not be used (missing ones are no failure).

    Raises
    ------
    StepError
        Naming the runs, the reasons and the table that lists them all.
    """
    bad = log[log["status"].isin(("unusable", "failed", "again"))]
    if len(bad):
        lines = "\n".join(f"  {one_line(row.run)}: {one_line(row.message)}" for row in bad.head(10).itertuples())
        raise StepError(f"{len(bad)} of {len(log)} runs could not be used and were left out (all are listed in "
                        f"{where / 'runs.tsv'}):\n{lines}")
