"""From a decoder and samples to saliency."""

from fmri_saliency.saliency.explain import BASELINES, TARGETS, SaliencySettings, explain_samples
from fmri_saliency.saliency.pairs import DEFAULT_PAIR, PAIRS, Pair, explain_pair
from fmri_saliency.saliency.store import begin_saliency, read_saliency, write_saliency, write_saliency_card

__all__ = [
    "BASELINES",
    "DEFAULT_PAIR",
    "PAIRS",
    "TARGETS",
    "Pair",
    "SaliencySettings",
    "begin_saliency",
    "explain_pair",
    "explain_samples",
    "read_saliency",
    "write_saliency",
    "write_saliency_card",
]
