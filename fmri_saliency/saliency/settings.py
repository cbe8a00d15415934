"""How a decoder is explained."""

from __future__ import annotations

from dataclasses import dataclass

from fmri_saliency.attribution import method_names
from fmri_saliency.errors import ConfigError, one_of

__all__ = ["BASELINES", "TARGETS", "SaliencySettings"]

TARGETS = ("true", "predicted")
BASELINES = ("zero", "training-mean")


@dataclass(frozen=True)
class SaliencySettings:
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

    method: str = "integrated-gradients"
    target: str = "true"
    baseline: str = "zero"
    steps: int = 32
    n_samples: int = 16
    window: int | None = None
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.method, method_names(), "method in [saliency]", ConfigError)
        one_of(self.target, TARGETS, "target in [saliency]", ConfigError)
        one_of(self.baseline, BASELINES, "baseline in [saliency]", ConfigError)
        if self.steps < 2 or self.smoothing < 0:
            raise ConfigError("In [saliency], steps must be at least 2 and smoothing at least 0 seconds; "
                              f"{self.steps} and {self.smoothing} came.")
        if self.n_samples < 1 or (self.window is not None and self.window < 1):
            raise ConfigError("In [saliency], n_samples and window must be at least 1; "
                              f"{self.n_samples} and {self.window} came.")
