"""Explanations of any callable ``forward(batch, time, region) -> logits``."""

from fmri_saliency.attribution.attribute import METHODS, Method, attribute, completeness_gap, method_names

__all__ = ["METHODS", "Method", "attribute", "completeness_gap", "method_names"]
