"""What the explanation methods can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fmri_saliency.errors import InputError, one_of

__all__ = ["ExplainerSettings", "Forward", "check_settings"]

Forward = Callable[[Tensor], Tensor]
READINGS = ("feature", "cell")


@dataclass(frozen=True)
class ExplainerSettings:
    """Settings of all methods; each uses those that its entry in :data:`METHODS` names.

    Attributes
    ----------
    baseline : float or Tensor, shape (n_times, n_regions)
        What a removed input looks like. Zero is the run's mean when series were standardised.
    references : Tensor, shape (n_references, n_times, n_regions), optional
        Other samples, of all classes, from training: what an input is replaced by.
    steps : int
        Points of an integral along a path.
    n_samples : int
        Draws of noise, of references, of segments, or of orders; coalitions for each player.
    noise : float
        Standard deviation of added noise, as a share of each sample's own.
    window : int
        Time steps that are removed, or kept, together.
    iterations : int
        Steps of an optimisation.
    learning_rate : float
    size_penalty : float
        Weight of the share of cells that a mask lets go of.
    base : str
        The method that temporal rescaling starts from.
    reading : {"feature", "cell"}
        Of temporal rescaling: a feature is masked over all time, or in one cell.
    gate : float
        Share of time steps, 0 to 1, whose features temporal rescaling does not look into; of windows and of
        regions that time-shap does not.
    seed : int
        Of everything random.
    """

    baseline: Tensor | float = 0.0
    references: Tensor | None = None
    steps: int = 32
    n_samples: int = 16
    noise: float = 0.1
    window: int = 5
    iterations: int = 150
    learning_rate: float = 0.1
    size_penalty: float = 5.0
    base: str = "gradient"
    reading: str = "feature"
    gate: float = 0.55
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "n_samples", "window", "iterations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of an explanation must be at least 1; {getattr(self, name)} came.")
        for name in ("noise", "size_penalty"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} of an explanation must be at least 0; {getattr(self, name)} came.")
        if not 0 <= self.gate < 1 or not self.learning_rate > 0:
            raise InputError(f"gate must be at least 0 and below 1, and learning_rate above 0; {self.gate} and "
                             f"{self.learning_rate} came.")
        one_of(self.reading, READINGS, "The reading of temporal rescaling")

    def baseline_for(self, inputs: Tensor) -> Tensor:
        """Return the baseline, expanded to the shape of `inputs` (n, n_times, n_regions)."""
        value = torch.as_tensor(self.baseline, dtype=inputs.dtype, device=inputs.device)
        try:
            return value.expand(inputs.shape)
        except RuntimeError:
            raise InputError(f"The baseline must be a number or have shape {tuple(inputs.shape[1:])} (n_times, "
                             f"n_regions); {tuple(value.shape)} came.") from None

    def references_for(self, inputs: Tensor, method: str) -> Tensor:
        """Return the references, on the device of `inputs`."""
        if self.references is None:
            raise InputError(f"The method '{method}' replaces inputs by other samples: give training samples of all "
                             "classes as references.")
        if self.references.ndim != 3 or self.references.shape[1:] != inputs.shape[1:] or not len(self.references):
            raise InputError(f"references must have shape (n, {inputs.shape[1]}, {inputs.shape[2]}); "
                             f"{tuple(self.references.shape)} came.")
        return self.references.to(inputs)


def check_settings(settings: dict[str, object]) -> ExplainerSettings:
    """Build settings from names and values.

    Raises
    ------
    InputError
        If a name is unknown or a value cannot be used.
    """
    for name in settings:
        one_of(name, ExplainerSettings.__dataclass_fields__, "A setting of an explanation method")
    return ExplainerSettings(**settings)
