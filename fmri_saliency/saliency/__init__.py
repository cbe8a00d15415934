"""From a decoder and samples to saliency."""

from fmri_saliency.saliency.explain import BASELINES, TARGETS, SaliencySettings, explain_samples
from fmri_saliency.saliency.store import read_saliency, write_saliency

__all__ = ["BASELINES", "TARGETS", "SaliencySettings", "explain_samples", "read_saliency", "write_saliency"]
