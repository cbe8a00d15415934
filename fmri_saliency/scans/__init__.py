"""Find runs on disk, in the layouts that people have; write simulated ones."""

from fmri_saliency.scans.find import LAYOUTS, Finding, find_runs
from fmri_saliency.scans.fmriprep import BidsChoice, find_fmriprep
from fmri_saliency.scans.hcp import find_hcp
from fmri_saliency.scans.simulated import SimulationSettings, simulate_hcp
from fmri_saliency.scans.simulated_bids import BidsSimulation, simulate_bids
from fmri_saliency.scans.table import find_table

__all__ = [
    "LAYOUTS",
    "BidsChoice",
    "BidsSimulation",
    "Finding",
    "SimulationSettings",
    "find_fmriprep",
    "find_hcp",
    "find_runs",
    "find_table",
    "simulate_bids",
    "simulate_hcp",
]
