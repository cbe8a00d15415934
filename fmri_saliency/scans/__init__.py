"""Find runs on disk, in the layouts that people have; write simulated ones."""

from fmri_saliency.scans.find import Finding, find_runs
from fmri_saliency.scans.fmriprep import BidsChoice, find_fmriprep
from fmri_saliency.scans.hcp import VARIANTS, HcpOptions, find_hcp
from fmri_saliency.scans.hcp_events import EVENT_LABELS
from fmri_saliency.scans.selection import Selection, check_pattern, read_subjects
from fmri_saliency.scans.settings import LAYOUTS, T_R_CONFLICTS, Scans
from fmri_saliency.scans.simulated import SimulationSettings, simulate_hcp
from fmri_saliency.scans.simulated_bids import BidsSimulation, simulate_bids
from fmri_saliency.scans.table import find_table

__all__ = [
    "EVENT_LABELS",
    "LAYOUTS",
    "T_R_CONFLICTS",
    "VARIANTS",
    "BidsChoice",
    "BidsSimulation",
    "Finding",
    "HcpOptions",
    "Scans",
    "Selection",
    "SimulationSettings",
    "check_pattern",
    "find_fmriprep",
    "find_hcp",
    "find_runs",
    "find_table",
    "read_subjects",
    "simulate_bids",
    "simulate_hcp",
]
