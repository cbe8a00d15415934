"""From a decoder and samples to saliency."""

from fmri_saliency.saliency.explain import BASELINES, TARGETS, SaliencySettings, explain_samples
from fmri_saliency.saliency.pairs import DEFAULT_PAIR, PAIRS, Pair, explain_pair
from fmri_saliency.saliency.people import (
    Blocks,
    average_blocks,
    average_covered,
    outermost,
    plan_blocks,
    rows_of_people,
)
from fmri_saliency.saliency.store import begin_saliency, read_saliency, write_saliency, write_saliency_card

__all__ = [
    "BASELINES",
    "DEFAULT_PAIR",
    "PAIRS",
    "TARGETS",
    "Blocks",
    "Pair",
    "SaliencySettings",
    "average_blocks",
    "average_covered",
    "begin_saliency",
    "explain_pair",
    "explain_samples",
    "outermost",
    "plan_blocks",
    "read_saliency",
    "rows_of_people",
    "write_saliency",
    "write_saliency_card",
]
