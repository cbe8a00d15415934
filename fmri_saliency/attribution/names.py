"""The explanation methods' names, and those that are refused. Words only, so that asking is quick."""

from __future__ import annotations

__all__ = ["REFUSED", "method_names"]

_NAMES = (
    "gradient", "input-x-gradient", "integrated-gradients", "smoothgrad", "gradient-shap", "segment-gradients",
    "ablation", "occlusion", "shapley-sampling", "window-shap", "time-shap", "latent-attention", "pooled-attention",
    "dynamask", "extremal-mask", "latent-attention-network", "temporal-rescaling", "pattern", "pattern-local",
)  # fmt: skip

_NO_RULES = (
    "its rules do not reach into PyTorch's recurrent layers, where captum's version silently returns "
    "(input - baseline) times the slope; use integrated-gradients"
)
_NO_RELU = "without ReLU units it is the plain gradient; use gradient"
REFUSED = {
    "deep-lift": _NO_RULES,
    "deep-lift-shap": _NO_RULES,
    "lrp": "captum has no relevance rule for recurrent layers; use integrated-gradients or shapley-sampling",
    "guided-backprop": _NO_RELU,
    "deconvolution": _NO_RELU,
    "fit": "it credits a value at the step at which it appears, by an answer at every step, while networks of whole "
           "windows answer once and the haemodynamic response comes seconds later; use window-shap or latent-attention",
}


def method_names() -> list[str]:
    """Return the names that :func:`~fmri_saliency.attribution.attribute` knows."""
    return list(_NAMES)
