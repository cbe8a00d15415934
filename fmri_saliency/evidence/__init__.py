"""Does the map hold? Checks that answer in numbers with their null."""

from fmri_saliency.evidence.gate import gate, passes
from fmri_saliency.evidence.localise import Localisation, localise, localise_classes, mass_areas, paper_scores
from fmri_saliency.evidence.naive import NAIVE, class_difference, naive_maps
from fmri_saliency.evidence.profile import compare_untrained, edge_shares
from fmri_saliency.evidence.recovery import recover
from fmri_saliency.evidence.summary import Judgement, Spread, over_seeds, summarise
from fmri_saliency.evidence.verdict import say_verdict

__all__ = [
    "NAIVE",
    "Judgement",
    "Localisation",
    "Spread",
    "class_difference",
    "compare_untrained",
    "edge_shares",
    "gate",
    "localise",
    "localise_classes",
    "mass_areas",
    "naive_maps",
    "over_seeds",
    "paper_scores",
    "passes",
    "recover",
    "say_verdict",
    "summarise",
]
