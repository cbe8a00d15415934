from .find import Finding, find_runs
from .fmriprep import BidsChoice, find_fmriprep
from .hcp import VARIANTS, HcpOptions, find_hcp
from .hcp_events import EVENT_LABELS
from .selection import Selection, check_pattern, read_subjects
from .settings import LAYOUTS, T_R_CONFLICTS, Scans
from .simulated import SimulationSettings, simulate_hcp
from .simulated_bids import BidsSimulation, simulate_bids
from .table import find_table

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
