"""Does the map hold? Checks that answer in numbers with their null."""

from fmri_saliency.evidence.localise import Localisation, localise, paper_scores
from fmri_saliency.evidence.permutation import (
    PermutationImportance,
    PermutationSettings,
    PermutationTest,
    TimeSpan,
    permutation_importance,
)
from fmri_saliency.evidence.profile import compare_untrained, edge_shares
from fmri_saliency.evidence.recovery import recover

__all__ = [
    "Localisation",
    "PermutationImportance",
    "PermutationSettings",
    "PermutationTest",
    "TimeSpan",
    "compare_untrained",
    "edge_shares",
    "localise",
    "paper_scores",
    "permutation_importance",
    "recover",
]
