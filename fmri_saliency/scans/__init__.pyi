from .find import Finding, find_runs
from .fmriprep.runs import BidsChoice, find_fmriprep
from .hcp.events import EVENT_LABELS
from .hcp.runs import VARIANTS, HcpOptions, find_hcp
from .selection import Selection, check_pattern, read_subjects
from .settings import LAYOUTS, T_R_CONFLICTS, Scans
from .table.runs import find_table

__all__ = [
    "EVENT_LABELS",
    "LAYOUTS",
    "T_R_CONFLICTS",
    "VARIANTS",
    "BidsChoice",
    "Finding",
    "HcpOptions",
    "Scans",
    "Selection",
    "check_pattern",
    "find_fmriprep",
    "find_hcp",
    "find_runs",
    "find_table",
    "read_subjects",
]
