"""The work in pieces for a cluster: runs found once and dealt out in chunks, then gathered.

In the folder ``.workflow`` of the results lie

- ``chunks/0001.json``: the runs of a chunk, as they were found, and what identifies the files that each is made from;
- ``chunks/0001.done``: that every run of it has its series, or a note in ``failed/`` of why its files do not give them
  (a run that failed for lack of memory, room or a right keeps its chunk from being done);
- ``folds.tsv``: a row per network and fold;
- ``trials.tsv``: a row per trial of [search], where there is one;
- ``size.json``: how many samples there will be at most, and how much they take;
- ``stages/``: what each stage depends on beside the scans (:mod:`fmri_saliency.pipeline.progress.stage_settings`).

A file whose content would be the same is left as it is, so that its time of change tells what must be done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from fmri_saliency.brain import load_chosen_atlas
from fmri_saliency.disk.files import digest, fingerprint, read_json, read_record, remove, write_json, write_text
from fmri_saliency.errors import ConfigError, DamagedError, InputError, StepError
from fmri_saliency.pipeline.progress.stage_settings import renew_stages
from fmri_saliency.pipeline.steps.extraction import (
    choose_atlas,
    extract_chosen,
    known_failure,
    note_atlas,
    series_stems,
    write_log,
)
from fmri_saliency.pipeline.steps.sampling import load_samples, plan_folds, say_plan
from fmri_saliency.pipeline.steps.search_trials import plan_trials, write_trials
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import forget, noted
from fmri_saliency.pipeline.study.folder import Workspace, require, say, stamp
from fmri_saliency.pipeline.study.leftovers import set_lost_runs_aside
from fmri_saliency.pipeline.study.opening import begin, source_links
from fmri_saliency.pipeline.study.runs import choice_stamp, find, known_runs, made_run, plain_run, write_index
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import Extracted, card_path

__all__ = ["CHUNK", "deal_runs", "extract_chunk", "gather"]

CHUNK = 100
"""Runs of a chunk: minutes of work, so that starting a job (seconds) costs little and losing one (minutes) too."""
SHOWN = 10  # failures that are said; all are in runs.tsv


def _chunks(desk: Path) -> list[Path]:
    return sorted((desk / "chunks").glob("*.json"))


def _mark(chunk: Path) -> Path:
    """Return the file that says that a chunk is done."""
    return chunk.with_suffix(".done")


def _write_if_new(path: Path, content: Any) -> None:
    """Write JSON unless the file holds it already."""
    if _content(path) != digest(content):
        write_json(path, content)


def _describe(run: Run, made_from: Sequence[Any]) -> dict[str, Any]:
    """Return a run as a chunk lists it: without its events, on which no series depends, but with a hash of all."""
    try:
        files: Any = [fingerprint(path) for path in (run.bold, run.mask, run.confounds)]
    except OSError as error:  # gone since it was found: the job that extracts it says so
        files = str(error)
    about = plain_run(replace(run, events=(), busy=()))
    return {**about, "state": stamp(files, plain_run(run), *made_from)}


def _read_run(values: dict[str, Any]) -> Run:
    return made_run({key: value for key, value in values.items() if key != "state"})


def deal_runs(config: Config, size: int = CHUNK) -> Path:
    """Find the runs once, and deal them out in chunks. Results of another configuration are left as they are.

    Chunks that hold what they held are left as they are, with the marks of what is done.

    Parameters
    ----------
    config : Config
    size : int
        Runs of a chunk.

    Returns
    -------
    Path
        The folder ``.workflow``.

    Raises
    ------
    ConfigError, InputError
        If `size` is below 1, no run is found, or the runs cannot be decoded as configured.
    """
    if size < 1:
        raise ConfigError(f"--chunk-size must be at least 1 run; {size} came.")
    space = Workspace(config.output.path)
    finding = find(config)
    atlas, note = choose_atlas(config, finding.runs)
    plan, folds = plan_folds(config, finding.runs)
    trials = plan_trials(config, plan.outline())  # what cannot be searched is said before anything is written
    say(say_plan(config, plan, folds))
    series_stems(config, finding.runs, atlas)
    if (space.root / "dataset_description.json").is_file():
        space.check_owner()
    else:
        space.begin(source_links(config))
    write_index(config, finding)
    set_lost_runs_aside(config, finding)
    note_atlas(config, atlas)
    wanted = _deal(config, finding.runs, size, (atlas, note))
    _say_changes(config, space, wanted)
    for number, content in enumerate(wanted, 1):
        _write_if_new(_chunk_path(space, number), content)
    for left in _chunks(space.desk)[len(wanted):]:
        remove(left)
        remove(_mark(left))
    rows = [f"{network}\t{fold}\n" for network in config.decoder.networks for fold in range(1, len(folds) + 1)]
    write_text(space.desk / "folds.tsv", "".join(rows))
    write_trials(config, trials)
    size = {"samples": len(plan.table), "frames": plan.n_times, "regions": atlas.n_regions}
    array_mb = -(-4 * prod(size.values()) // 2**20)  # what jobs that map all samples ask for depends on it
    write_json(space.desk / "size.json", {**size, "array_mb": array_mb})
    undone = [chunk for chunk in _chunks(space.desk) if not _is_done(chunk)]
    for chunk in undone:
        remove(_mark(chunk))  # that of other runs
    say(f"{len(finding.runs)} runs in {len(wanted)} chunks, of which {len(undone)} are to be extracted.")
    return space.desk


def _say_changes(config: Config, space: Workspace, wanted: Sequence[dict[str, Any]]) -> None:
    """Say which settings and runs have changed since the work was dealt out, and renew the files of the stages."""
    changes, stages = renew_stages(config)
    if changes:
        say(f"Changed since {space.root} was worked on: {'; '.join(changes)}. To be done again as far as it depends on "
            f"that: {', '.join(stages)}.")
    if "extract" in stages:  # the marks may be older than series of other settings
        for chunk in _chunks(space.desk):
            remove(_mark(chunk))
        return
    before = {one["bold"]: one["state"] for chunk in _chunks(space.desk) for one in _listed(chunk)}
    now = [one for chunk in wanted for one in chunk["runs"]]
    changed = [_read_run(one).key for one in now if before.get(one["bold"], one["state"]) != one["state"]]
    if changed:
        say(f"{len(changed)} runs have changed since they were dealt out (scan, mask, confounds or events): "
            f"{', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}.")


def _chunk_path(space: Workspace, number: int) -> Path:
    return space.desk / "chunks" / f"{number:04d}.json"


def _deal(config: Config, runs: Sequence[Run], size: int, atlas: tuple[Atlas, str]) -> list[dict[str, Any]]:
    """Return what the file of each chunk holds."""
    made_from = (atlas[0].fingerprint, to_plain(config.cleaning))
    described = [_describe(run, made_from) for run in runs]
    return [
        {"scans": choice_stamp(config), "note": atlas[1], "runs": described[begin : begin + size]}
        for begin in range(0, len(described), size)
    ]


def _is_done(chunk: Path) -> bool:
    """Return whether the runs of a chunk, as they are listed now, are done."""
    mark = _mark(chunk)
    return mark.is_file() and mark.read_text(encoding="utf-8") == f"{_content(chunk)}\n"


def _content(path: Path) -> str | None:
    """Return what identifies the content of a chunk's file; None where there is none, or it is damaged."""
    try:
        return digest(read_json(path))
    except (InputError, OSError):
        return None


def _read_chunk(path: Path) -> dict[str, Any]:
    """Read which runs a chunk lists.

    Raises
    ------
    DamagedError
        If it is not what ``index`` writes.
    """
    content = read_record(path, {"scans": str, "note": str, "runs": list}, "index CONFIG.toml")
    try:
        [_read_run(one) for one in content["runs"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(f"{path} is damaged: it does not list runs ({error!r}). `fmri-saliency index CONFIG.toml` "
                           "makes it again.", path) from None
    return content


def _listed(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a chunk as its file lists them; none where it is damaged."""
    try:
        return _read_chunk(path)["runs"]
    except (InputError, OSError):
        return []


def extract_chunk(config: Config, number: int) -> None:
    """Extract the runs of a chunk, and mark it as done; nothing else is looked for or loaded.

    Raises
    ------
    StepError
        If there is no such chunk, or it was dealt out for other scans; or at the end, when some of its runs could not
        be used. The chunk is marked as done all the same, unless the same files may do another time: where memory,
        room on the disk or the right to a file was lacking.
    """
    space = Workspace(config.output.path)
    chunk = require(_chunk_path(space, number), "index")
    with noted(config, f"extract/chunk-{number:04d}"):
        content = _read_chunk(chunk)
        failures = _extract_listed(config, chunk, content)
    again = {key: one for key, one in failures.items() if one.what == "again"}
    count = f"of {len(content['runs'])} runs"
    if again:
        raise StepError(f"{len(again)} {count} failed for another reason than their files; the next call tries them "
                        f"again:\n{_list(_messages(again))}")
    if failures:
        raise StepError(f"{len(failures)} {count} could not be used:\n{_list(_messages(failures))}")


def _extract_listed(config: Config, chunk: Path, content: dict[str, Any]) -> dict[str, Extracted]:
    """Extract the runs that a chunk lists, and mark it unless some are to be tried again; return what failed."""
    if content["scans"] != choice_stamp(config):
        raise StepError(f"{chunk} lists the runs of another [scans], or with another event_column of [samples]: run "
                        "`fmri-saliency index CONFIG.toml` again.")
    begin(config)
    remove(_mark(chunk))
    runs, space = [_read_run(values) for values in content["runs"]], Workspace(config.output.path)
    atlas = load_chosen_atlas(config.atlas)
    stems = series_stems(config, runs, atlas)
    failures, words = extract_chosen(config, runs, stems, (atlas, content["note"]))
    say(f"{words}.")
    if any(one.what == "again" for one in failures.values()):
        return failures
    for run in runs:  # a chunk is not done where not even the reason could be kept, as on a full disk
        if not card_path(stems[run.key]).is_file() and not space.failure(run.key).is_file():
            why = failures[run.key].failure if run.key in failures else "unknown"
            raise StepError(f"{run.key} has neither series nor a note of why not: {why}")
    write_text(_mark(chunk), digest(content) + "\n")
    return failures


def _messages(failures: dict[str, Extracted]) -> dict[str, str]:
    return {key: one.failure for key, one in failures.items()}


def _list(failures: dict[str, str]) -> str:
    lines = [f"  {key}: {message}" for key, message in failures.items()]
    return "\n".join(lines[:SHOWN] + ([f"  ... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []))


def gather(config: Config) -> None:
    """Write the log of all runs, and cut the samples, once every chunk is done.

    Runs that could not be used are rows of ``runs.tsv``, and stop nothing.

    Raises
    ------
    StepError
        If a chunk is not done, or a run has neither series nor a note of why not.
    """
    with noted(config, "samples"):
        _gather(config)
    forget(config, "extract")  # a call for all runs may have left a note: every chunk is done now


def _gather(config: Config) -> None:
    space = Workspace(config.output.path)
    undone = [int(chunk.stem) for chunk in _chunks(space.desk) if not _is_done(chunk)]
    if undone:
        raise StepError(f"{len(undone)} of {len(_chunks(space.desk))} chunks are not done (first: {undone[0]}). Run "
                        f"the workflow again, or `fmri-saliency extract CONFIG.toml --chunk {undone[0]}`.")
    begin(config)
    space.clear()
    finding = known_runs(config)
    atlas, _ = choose_atlas(config, finding.runs)
    stems = series_stems(config, finding.runs, atlas)
    absent = [run.key for run in finding.runs if not card_path(stems[run.key]).is_file()]
    notes = {key: known_failure(space, key) for key in absent}
    failures = {key: one for key, one in notes.items() if one is not None and one.what == "failed"}
    if len(failures) < len(absent):
        for chunk in _chunks(space.desk):
            remove(_mark(chunk))
        first = next(key for key in absent if key not in failures)
        raise StepError(f"{len(absent) - len(failures)} runs have no series (first: {first}): new ones, or files were "
                        "removed. Run the workflow again, or `fmri-saliency extract CONFIG.toml`.")
    log = write_log(space, finding, stems, failures)
    bad = log[log["status"].isin(("unusable", "failed"))]
    if len(bad):
        say(f"{len(bad)} of {len(log)} runs could not be used and are left out (all are listed in "
            f"{space.root / 'runs.tsv'}):\n{_list(dict(zip(bad['run'], bad['message'], strict=True)))}")
    load_samples(config)
