from .explain import explain_samples
from .pairs import DEFAULT_PAIR, PAIRS, Pair, explain_pair
from .people import (
    Blocks,
    average_blocks,
    average_covered,
    outermost,
    plan_blocks,
    rows_of_people,
)
from .settings import BASELINES, TARGETS, SaliencySettings
from .store import begin_saliency, read_saliency, write_saliency, write_saliency_card

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
