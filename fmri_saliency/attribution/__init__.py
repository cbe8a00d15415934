"""Explanation of any callable ``(batch, time, region) -> logits``."""

from fmri_saliency.attribution.attribute import attribute, completeness_gap, forward_passes, method_names
from fmri_saliency.attribution.methods import METHODS, REFUSED, Method
from fmri_saliency.attribution.settings import ExplainerSettings

__all__ = [
    "METHODS",
    "REFUSED",
    "ExplainerSettings",
    "Method",
    "attribute",
    "completeness_gap",
    "forward_passes",
    "method_names",
]
