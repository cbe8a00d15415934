"""How a decoder is explained."""

from __future__ import annotations

from dataclasses import dataclass, field

from fmri_saliency.attribution import method_names
from fmri_saliency.settings import Settings, bounds

__all__ = ["BASELINES", "TARGETS", "SaliencySettings"]

TARGETS = ("true", "predicted")
BASELINES = ("zero", "training-mean")


@dataclass(frozen=True)
class SaliencySettings(Settings, where="in [saliency]"):
    """How the decoder is explained.

    Attributes
    ----------
    method : str
        One of :func:`fmri_saliency.attribution.method_names`.
    target : {"true", "predicted"}
        Whose logit is explained: that of the sample's label or that of the decoder's answer.
    baseline : {"zero", "training-mean"}
        What an absent signal looks like, for methods that need it: the run's mean, or the
        mean over the fold's training samples at each moment and region.
    steps : int
        Points of the integral of integrated gradients.
    n_samples : int
        Draws of the methods that draw at random.
    window : int, optional
        Frames that are removed, or kept, together, by methods that remove parts of the input; the method's own
        number when omitted.
    smoothing : float
        Full width at half maximum, in seconds, of a Gaussian over time applied to the
        signed saliency of each sample; 0 means none.
    """

    method: str = field(default="integrated-gradients", metadata=bounds(choices=method_names))
    target: str = field(default="true", metadata=bounds(choices=TARGETS))
    baseline: str = field(default="zero", metadata=bounds(choices=BASELINES))
    steps: int = field(default=32, metadata=bounds(low=2, high=100_000))
    n_samples: int = field(default=16, metadata=bounds(low=1, high=1_000_000))
    window: int | None = field(default=None, metadata=bounds(low=1, high=1_000_000))
    smoothing: float = field(default=0.0, metadata=bounds(low=0, high=10_000, unit="seconds"))
