"""Find runs on disk, in the layouts that people have; write simulated ones."""

from fmri_saliency.scans.find import LAYOUTS, T_R_CONFLICTS, Finding, find_runs
from fmri_saliency.scans.hcp import find_hcp
from fmri_saliency.scans.simulated import SimulationSettings, simulate_hcp
from fmri_saliency.scans.table import find_table

__all__ = [
    "LAYOUTS",
    "T_R_CONFLICTS",
    "Finding",
    "SimulationSettings",
    "find_hcp",
    "find_runs",
    "find_table",
    "simulate_hcp",
]
