"""Does the map hold? Checks that answer in numbers with their null."""

from fmri_saliency.evidence.faithful import Curves, faithfulness, infidelity
from fmri_saliency.evidence.gate import gate, passes
from fmri_saliency.evidence.group import GroupStatistics, group_statistics
from fmri_saliency.evidence.holds import Verdict, say_whether_it_holds
from fmri_saliency.evidence.localise import Localisation, localise, localise_classes, mass_areas, paper_scores
from fmri_saliency.evidence.naive import NAIVE, class_difference, naive_maps
from fmri_saliency.evidence.null import Band, Likeness, compare_maps, profile_band, renew_from_output, time_profile
from fmri_saliency.evidence.on_task import on_task_share, on_task_steps, removal_drop, top_cells
from fmri_saliency.evidence.permutation import (
    PermutationImportance,
    PermutationSettings,
    PermutationTest,
    TimeSpan,
    permutation_importance,
)
from fmri_saliency.evidence.profile import compare_untrained, edge_shares
from fmri_saliency.evidence.recovery import recover
from fmri_saliency.evidence.retrain import Retrained, retrain
from fmri_saliency.evidence.summary import Judgement, Spread, over_seeds, summarise
from fmri_saliency.evidence.suppress import Suppression, suppression
from fmri_saliency.evidence.verdict import best_rival, say_verdict

__all__ = [
    "NAIVE",
    "Band",
    "Curves",
    "GroupStatistics",
    "Judgement",
    "Likeness",
    "Localisation",
    "PermutationImportance",
    "PermutationSettings",
    "PermutationTest",
    "Retrained",
    "Spread",
    "Suppression",
    "TimeSpan",
    "Verdict",
    "best_rival",
    "class_difference",
    "compare_maps",
    "compare_untrained",
    "edge_shares",
    "faithfulness",
    "gate",
    "group_statistics",
    "infidelity",
    "localise",
    "localise_classes",
    "mass_areas",
    "naive_maps",
    "on_task_share",
    "on_task_steps",
    "over_seeds",
    "paper_scores",
    "passes",
    "permutation_importance",
    "profile_band",
    "recover",
    "removal_drop",
    "renew_from_output",
    "retrain",
    "say_verdict",
    "say_whether_it_holds",
    "summarise",
    "suppression",
    "time_profile",
    "top_cells",
]
