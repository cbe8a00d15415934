"""A data set with known truth, and the whole job on it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import tomli_w

from fmri_saliency.brain import load_atlas, resample_atlas
from fmri_saliency.disk.files import write_text
from fmri_saliency.disk.places import data_folder
from fmri_saliency.pipeline.commands.whole_job import run_all
from fmri_saliency.pipeline.study.config import load_config
from fmri_saliency.records import Atlas
from fmri_saliency.simulated_scans import SimulationSettings, simulate_hcp

__all__ = ["coarse_atlas", "run_demo", "simulate"]

PROCESSES = 2
VOXEL_MM = 8.0
FIRST_VOXEL_MM = (-80.0, -112.0, -72.0)
GRID = (21, 25, 23)


def coarse_atlas() -> Atlas:
    """Return the embedded atlas on the coarse grid of the simulated scans (8 mm)."""
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = FIRST_VOXEL_MM
    return resample_atlas(load_atlas(), affine, GRID)


def simulate(out: Path, settings: SimulationSettings) -> Path:
    """Write a simulated HCP-like data set; see :func:`fmri_saliency.scans.simulate_hcp`."""
    return simulate_hcp(out, coarse_atlas(), settings, progress=True, n_jobs=PROCESSES)


def run_demo(out: Path, settings: SimulationSettings | None = None) -> Path:
    """Simulate scans below `out`, write a configuration for them, and run every step.

    Returns
    -------
    Path
        The report.
    """
    out = Path(out)
    simulate(out / "scans", settings or SimulationSettings())
    template = (data_folder("workflows") / "demo.toml").read_text(encoding="utf-8")
    values = tomllib.loads(template)
    values["scans"].update(path="scans", truth="scans/truth")
    values["output"]["path"] = "results"
    write_text(out / "demo.toml", tomli_w.dumps(values))
    return run_all(load_config(out / "demo.toml"))
