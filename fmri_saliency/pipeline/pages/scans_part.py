"""The parts of the page about the scans: how many runs were used, which were not, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.pipeline.pages.quality_page import COLUMNS, RULE, rank_runs
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.records import Run

__all__ = ["quality_part", "scans_part"]

N_WORST = 5
SHOWN = ("fd_mean", "fd_max", "fd_share_high", "non_steady_frames", "mean_coverage", "absent_regions", "nan_voxels")
NOT_MNI = (
    "The scans are not stated to be in an MNI space ([scans] space). Glass brains are drawn as if they were; the maps "
    "themselves are in the scans' own space."
)
DENSE = (
    "The scans are dense series (CIFTI): such files say to which vertex of the cortex a value belongs, not where in "
    "space that vertex lies, so that this page has bars of the leading regions in place of pictures of the brain. To "
    "see the maps on the cortex, name surfaces of the same mesh (.surf.gii files, such as the midthickness of your "
    "data set) in [output] left_surface and right_surface, or open them in Connectome Workbench: wb_view *.surf.gii "
    "{maps}"
)
WB_MAPS = "group/*_stat-saliencymean_*_boldmap.dscalar.nii"


def _where(config: Config, runs: Sequence[Run]) -> list[str]:
    """Say what the pictures of the brain are, where the scans' space does not say it."""
    if runs and all(run.bold.name.endswith(".dtseries.nii") for run in runs):
        return [] if config.output.surfaces else [DENSE.format(maps=WB_MAPS)]
    return [] if all(run.space.startswith("MNI") for run in runs) else [NOT_MNI]


def _span(values: pd.Series, form: str) -> str:
    known = pd.to_numeric(values, errors="coerce").dropna()
    if known.empty:
        return ""
    low, high = known.min(), known.max()
    return format(low, form) if low == high else f"{format(low, form)} to {format(high, form)}"


def _by_task(log: pd.DataFrame) -> list[list[Any]]:
    """Return a row for each task: its runs by what became of them, people, frames and repetition times."""
    names = log["run"].astype(str).str
    table = log.assign(task=names.extract(r"_task-([^_]+)", expand=False).fillna("unknown"),
                       person=names.extract(r"sub-([^_]+)", expand=False))  # fmt: skip
    rows = []
    for task, part in [*table.groupby("task"), ("All", table)]:
        used = part[part["status"] == "done"]
        waiting = int((part["status"] == "found").sum())
        rows.append([task, len(part), len(used), len(part) - len(used) - waiting, waiting, used["person"].nunique(),
                     _span(used["frames"], ".0f"), _span(used["t_r"], "g")])  # fmt: skip
    return rows


def scans_part(
    config: Config, log: pd.DataFrame, notes: Sequence[str], runs: Sequence[Run], left_out: Sequence[str]
) -> dict[str, Any]:
    """Return what the page says about runs.

    Parameters
    ----------
    config : Config
    log : DataFrame
        Every expected run and what became of it.
    notes : sequence of str
        Of finding the runs.
    runs : sequence of Run
        The usable ones.
    left_out : sequence of str
        Windows that no samples were cut from, with the reason.

    Returns
    -------
    dict
        `scans`, `data`, `problems`, `notes`.
    """
    counts = ", ".join(f"{n} {status}" for status, n in log["status"].value_counts().items())
    bad = log.loc[~log["status"].isin(("done", "found"))]
    waiting = int((log["status"] == "found").sum())
    left = f"{len(bad)} of {len(log)} runs could not be used and are left out; the reasons are given with the scans."
    told = [left] if len(bad) else []
    told += [f"{waiting} of {len(log)} runs have no region time series yet and are in no result."] if waiting else []
    excluded = f" Left out by [scans] exclude: {', '.join(config.scans.exclude)}." if config.scans.exclude else ""
    windows = f" Windows left out of the samples: {len(left_out)} (the first: {left_out[0]})." if left_out else ""
    return {
        "scans": f"Runs expected: {len(log)} ({counts}). Subjects: {len({run.subject for run in runs})}."
                 f"{excluded}{windows}",
        "data": {
            "columns": ["Task", "Expected", "Used", "Left out", "Not extracted yet", "People", "Frames", "TR (s)"],
            "rows": _by_task(log),
        },
        "problems": bad[["run", "status", "message"]].astype(str).to_numpy().tolist(),
        "notes": [*told, *notes, *_where(config, runs)],
    }  # fmt: skip


def _cell(value: Any, form: str) -> str:
    return "" if pd.isna(value) else format(int(value) if form == "d" else value, form)


def quality_part(config: Config) -> dict[str, Any] | None:
    """Return what the page says about the quality of the runs; None before any was extracted."""
    path = config.output.path / "quality.tsv"
    if not path.is_file():
        return None
    table = rank_runs(read_own_tsv(path, "the quality of runs"))
    if table.empty:
        return None
    moved = table["fd_mean"].dropna()
    movement = "Head movement is unknown, as no confounds tell it." if moved.empty else \
        f"Mean framewise displacement lies between {moved.min():.3f} and {moved.max():.3f} mm."
    gaps = int((table["absent_regions"] > 0).sum())
    words = (f"{movement} Mean coverage of regions is {table['mean_coverage'].min():.4f} at least; "
             f"{gaps} of {len(table)} runs lack a region altogether. {RULE}")  # fmt: skip
    return {
        "words": words,
        "columns": ["Run", *(COLUMNS[name][0] for name in SHOWN)],
        "rows": [[row["run"], *(_cell(row[name], COLUMNS[name][1]) for name in SHOWN)]
                 for row in table.head(N_WORST).to_dict("records")],
    }  # fmt: skip
