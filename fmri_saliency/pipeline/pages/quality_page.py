"""The page about the runs: a table of all of them, and figures of the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from fmri_saliency.disk.files import digest, remove, write_text
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.pipeline.pages.file_list import without_places
from fmri_saliency.pipeline.pages.html import make_page
from fmri_saliency.pipeline.pages.pictures import keep_picture
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.folder import Workspace, require, stamp
from fmri_saliency.plotting import plot_coverage, plot_run_quality
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import (
    Motion,
    card_path,
    quality_paths,
    read_marked,
    read_series,
    read_series_card,
    series_name,
)

__all__ = ["rank_runs", "write_quality_page"]

MAX_FIGURES = 24
"""Runs that have figures on the page; more would make it too large to open."""
MAX_NAMES = 12
COLUMNS = {
    "frames": ("Frames", "d"),
    "fd_mean": ("FD, mean (mm)", ".3f"),
    "fd_max": ("FD, max (mm)", ".3f"),
    "fd_share_high": ("FD, share above 0.5 mm", ".4f"),
    "marked_frames": ("Marked frames", "d"),
    "degrees_of_freedom": ("Degrees of freedom left", "d"),
    "non_steady_frames": ("Non-steady frames", "d"),
    "mean_coverage": ("Coverage, mean", ".4f"),
    "partly_covered_regions": ("Partly covered regions", "d"),
    "absent_regions": ("Absent regions", "d"),
    "zero_variance_regions": ("Zero-variance regions", "d"),
    "nan_voxels": ("NaN voxels", "d"),
}
RULE = (
    "The worst run is the one with the largest sum of three shares: frames with a displacement above 0.5 mm, frames "
    "before the signal is steady, and voxels that the regions lack in coverage (mean over regions). Equal sums: the "
    "larger mean displacement, then more NaN voxels. Unknown displacement counts as 0."
)
GLOSSARY = (
    "FD: framewise displacement (Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018), from the run's confounds; "
    "unknown where they do not tell it. Marked frames are outliers by movement (fd_threshold, or the strategy scrub), "
    "or not steady yet (with strategies); they are kept, and max_marked leaves out windows with many. Degrees of "
    "freedom: frames less what cleaning takes away (mean, trend, drift or band, confounds). Non-steady frames lie at "
    "the start; they are counted, not removed. Coverage: share of a region's voxels that hold data (inside the mask, "
    "finite, and changing), mean over regions. Absent regions have no such voxel; zero-variance regions have values "
    "that never change. NaN voxels are not finite in some frame. The same numbers, with more digits, are in "
    "quality.tsv; those of each frame and each region in sub-*/func/*_desc-quality_*.tsv."
)
READING = (
    "Carpet: each region's cleaned series as z-scores over time, black below -2, white above 2, blue where there is no "
    "data or no change; bars on top are the run's events. Below it, framewise displacement with the line at 0.5 mm; "
    "shaded frames are not steady yet (yellow) or were marked as bad (red). Last, the share of each region that holds "
    "no data: the darker, the less is covered; along a line of sight the worst region is seen."
)


def rank_runs(quality: pd.DataFrame) -> pd.DataFrame:
    """Return the table of quality (``quality.tsv``) with the worst run first, by the rule that the page states."""
    table = quality.apply(lambda column: column if column.name == "run" else pd.to_numeric(column))
    doubt = (
        table["fd_share_high"].fillna(0)
        + table["non_steady_frames"].fillna(0) / table["frames"]
        + (1 - table["mean_coverage"].fillna(0))
    )
    keys = pd.DataFrame({"doubt": doubt.round(9), "moved": table["fd_mean"].fillna(0), "gaps": table["nan_voxels"]})
    order = keys.sort_values(["doubt", "moved", "gaps"], ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _cell(value: Any, form: str) -> str:
    if pd.isna(value):
        return "unknown"
    return format(int(value) if form == "d" else float(value), form)


def _columns(regions: pd.DataFrame) -> dict[str, list[str]]:
    """Return network and hemisphere of each region, where the atlas knows any."""
    found = {}
    for given, column in (("networks", "network"), ("hemispheres", "hemisphere")):
        if column in regions and regions[column].fillna("").astype(str).ne("").any():
            found[given] = regions[column].fillna("").astype(str).replace("", "none").tolist()
    return found


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _words(card: dict[str, Any], n_marked: int) -> str:
    """Say what a run's numbers were computed from, and name the regions that are wrong."""
    quality = card["Quality"]
    parts = [f"Displacement: {quality['fd_source']}.",
             f"Non-steady frames: {quality['non_steady_frames']} (rule: {quality['non_steady_rule']})."]  # fmt: skip
    if n_marked:
        parts.append(f"Frames marked as bad: {n_marked}.")
    for what, names in (("Absent", card["AbsentRegions"]), ("Of zero variance", quality["zero_variance_regions"])):
        if names:
            parts.append(f"{what}: {_list(names)}.")
    return " ".join(parts)


def _run_part(run: Run, stem: Path, atlas: Atlas, folder: Path) -> dict[str, Any]:
    """Return the pictures of a run; those of unchanged inputs are taken from `folder`."""
    card = read_series_card(stem)
    frames_path, regions_path = quality_paths(stem)
    coverage = read_own_tsv(regions_path, "the quality of regions")["coverage"].to_numpy(dtype=float)
    sides = _columns(atlas.regions)
    marked = read_marked(card, run.n_times, card_path(stem))

    def draw_frames() -> Any:
        frames = read_own_tsv(frames_path, "the quality of frames")
        displacement = frames["framewise_displacement"].to_numpy(dtype=float)
        motion = Motion(displacement, card["Quality"]["fd_source"])
        early = card["Quality"]["non_steady_frames"]
        return plot_run_quality(read_series(stem), motion, run.events, early, marked, **sides, title=run.key)

    frames = f"{stem.name}_{stamp(card['inputs'], [asdict(event) for event in run.events], sides)}.png"
    seen = f"coverage_{stamp(digest(coverage), atlas.fingerprint, atlas.is_mni)}.png"  # runs of one coverage share it
    partly, absent = int(((coverage > 0) & (coverage < 1)).sum()), int((coverage == 0).sum())
    return {
        "run": run.key,
        "words": _words(card, 0 if marked is None else int(marked.sum())),
        "frames": keep_picture(draw_frames, folder / frames,
                               f"{run.key}: carpet, {len(run.events)} events and framewise displacement over "
                               f"{run.n_times * run.t_r:.1f} s; mean displacement (mm): "
                               f"{_cell(card['Quality']['fd_mean'], '.3f')}."),
        "coverage": keep_picture(lambda: plot_coverage(coverage, atlas, "Share of each region without data"),
                                 folder / seen,
                                 f"{run.key}: {len(coverage)} regions, of which {partly} are covered in part and "
                                 f"{absent} not at all; mean coverage {card['Quality']['mean_coverage']:.4f}."),
        "used": (frames, seen),
    }  # fmt: skip


def _draw_runs(space: Workspace, keys: Sequence[str], runs: Sequence[Run], atlas: Atlas) -> list[dict[str, Any]]:
    """Draw the first runs of `keys` that have series; pictures of earlier inputs are removed."""
    folder = space.root / "figures" / "quality"
    known = {run.key: (run, space.root / series_name(run, atlas)) for run in runs}
    chosen = [known[key] for key in keys if key in known and card_path(known[key][1]).is_file()][:MAX_FIGURES]
    parts = [_run_part(run, stem, atlas, folder) for run, stem in tqdm(chosen, desc="Drawing", unit="run")]
    used = {name for part in parts for name in part["used"]}
    for path in folder.glob("[!.]*.png"):
        if path.name not in used:
            remove(path)
    return parts


def _summary(table: pd.DataFrame, n_failed: int) -> str:
    parts = [f"{len(table)} {'run has' if len(table) == 1 else 'runs have'} series"]
    if n_failed:
        parts.append(f"{n_failed} {'has' if n_failed == 1 else 'have'} none")
    moved = table["fd_mean"].notna()
    if moved.any():
        parts.append(f"head movement is known of {moved.sum()}, with a mean displacement of "
                     f"{table.loc[moved, 'fd_mean'].min():.3f} to {table.loc[moved, 'fd_mean'].max():.3f} mm")
    elif len(table):
        parts.append("head movement is unknown, as no confounds tell it")
    if len(table):
        parts.append(f"mean coverage is {table['mean_coverage'].min():.4f} at least")
    return "; ".join(parts) + "."


def write_quality_page(config: Config, atlas: Atlas, runs: Sequence[Run], log: pd.DataFrame) -> Path:
    """Write ``quality.html`` from what the extraction saved of each run.

    Parameters
    ----------
    config : Config
    atlas : Atlas
        On the grid of a run, in the scans' space.
    runs : sequence of Run
    log : DataFrame
        ``runs.tsv``.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    StepError
        If the runs have not been extracted.
    """
    space = Workspace(config.output.path)
    table = rank_runs(read_own_tsv(require(space.root / "quality.tsv", "extract"), "the quality of runs"))
    problems = log.loc[log["status"] != "done", ["run", "status", "message"]].fillna("").astype(str)
    parts = _draw_runs(space, table["run"].tolist(), runs, atlas)
    drawn = {part["run"] for part in parts}
    rows = [
        {"run": row["run"], "shown": row["run"] in drawn,
         "cells": [_cell(row[name], form) for name, (_, form) in COLUMNS.items()]}
        for row in table.to_dict("records")
    ]  # fmt: skip
    every = len(parts) == len(table)
    which = "every run" if every else f"the worst {len(parts)} of {len(table)} runs; the table above has all of them"
    content = {
        "title": f"Quality of the runs{f': {config.output.title}' if config.output.title else ''}",
        "summary": _summary(table, len(problems)),
        "rule": RULE,
        "columns": ["Run", *(words for words, _ in COLUMNS.values())],
        "rows": rows,
        "glossary": GLOSSARY,
        "problems": problems.to_dict("records"),
        "shown": f"Figures of {which}, worst first.",
        "reading": READING,
        "runs": parts,
    }
    page = space.root / "quality.html"
    write_text(page, make_page(without_places(content, space.root), "quality.html.j2"))
    return page
