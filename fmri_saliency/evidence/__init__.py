"""Does the map hold? Checks that answer in numbers with their null."""

from fmri_saliency.evidence.localise import Localisation, localise, paper_scores
from fmri_saliency.evidence.on_task import on_task_share, on_task_steps, removal_drop, top_cells
from fmri_saliency.evidence.profile import compare_untrained, edge_shares
from fmri_saliency.evidence.recovery import recover

__all__ = [
    "Localisation",
    "compare_untrained",
    "edge_shares",
    "localise",
    "on_task_share",
    "on_task_steps",
    "paper_scores",
    "recover",
    "removal_drop",
    "top_cells",
]
