"""What the explanation methods can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fmri_saliency.errors import InputError, one_of
from fmri_saliency.settings import Settings, bounds

__all__ = ["DRAWN", "POOLED", "ExplainerSettings", "Forward", "MaskSettings", "check_settings"]

Forward = Callable[[Tensor], Tensor]
READINGS = ("feature", "cell")
POOLED = ("pooled", "separable")
PARAMETERISATIONS = ("cells", "windows", "splines", *POOLED)
REPLACEMENTS = ("samples", "surrogate", "mean", "blur", "learned")
DRAWN = ("samples", "surrogate")  # of the replacements, those that are drawn anew at every step
SIZE_FORMS = ("linear", "squared", "area")
MOST_STEPS = 1_000_000  # of time
LARGEST_WEIGHT = 1_000_000_000
LOSSES = ("answer", "cross-entropy", "logit")


@dataclass(frozen=True)
class MaskSettings(Settings, where="of a mask", error=InputError):
    """What only masks are told: see :mod:`fmri_saliency.attribution.masks`.

    Attributes
    ----------
    parameterisation : {"windows", "cells", "splines", "pooled", "separable"}
        What one value of a mask is for: `window` consecutive steps of a region, one cell, or one of a region's
        cubic B-splines over time. ``pooled`` adds up a value for the moment, one for the region and one for
        the window of the region; ``separable`` the first two only, so that all regions share one course over time.
    spline_width : int
        Time steps from knot to knot of the splines, whose full width at half maximum is 1.45 times that;
        8 of 0.72 s are the width of a haemodynamic response.
    replace_by : {"samples", "surrogate", "mean", "blur", "learned"}
        What stands in a replaced cell: see :mod:`fmri_saliency.attribution.replacements`.
    draws : int
        Replacements that are tried at every step of the optimisation, where they are drawn at random.
    blur : float
        Standard deviation of the Gaussian over time, in steps.
    reference_penalty : float
        Weight of how far a learned reference lies, in mean absolute value, from the mean of `references`.
    size_form : {"linear", "squared", "area"}
        Of what `size_penalty` weighs: the mean share that is replaced, that of its squares, or how far the
        sorted mask is from one that keeps just the share `area`.
    area : float
        Share of cells that ``size_form="area"`` keeps.
    growth : float
        By which factor the weight of the size grows, geometrically, from the first step to the last.
    time_penalty : float
        Weight of the mean absolute difference of a mask from one moment to the next.
    loss : {"answer", "cross-entropy", "logit"}
        What must survive the replacement: the whole answer (Kullback-Leibler divergence), the target's
        probability (its negative logarithm), or the target's logit (how far it falls).
    hidden_size : int
        Units of each hidden layer of a mask that is a network.
    layers : int
        Of a mask that is a network, 2 to 5.
    """

    parameterisation: str = field(default="windows", metadata=bounds(choices=PARAMETERISATIONS))
    spline_width: int = field(default=8, metadata=bounds(low=1, high=MOST_STEPS))
    replace_by: str = field(default="samples", metadata=bounds(choices=REPLACEMENTS))
    draws: int = field(default=4, metadata=bounds(low=1, high=100_000))
    blur: float = field(default=2.0, metadata=bounds(above=0, high=MOST_STEPS, unit="time steps"))
    reference_penalty: float = field(default=5.0, metadata=bounds(low=0, high=LARGEST_WEIGHT))
    size_form: str = field(default="linear", metadata=bounds(choices=SIZE_FORMS))
    area: float = field(default=0.1, metadata=bounds(above=0, below=1, words="a share of cells above 0 and below 1"))
    growth: float = field(default=1.0, metadata=bounds(above=0, high=LARGEST_WEIGHT))
    time_penalty: float = field(default=0.0, metadata=bounds(low=0, high=LARGEST_WEIGHT))
    loss: str = field(default="answer", metadata=bounds(choices=LOSSES))
    hidden_size: int = field(default=32, metadata=bounds(low=1, high=4096))
    layers: int = field(default=3, metadata=bounds(low=2, high=5, words="from 2 to 5"))


@dataclass(frozen=True)
class ExplainerSettings(MaskSettings, where="of an explanation"):
    """Settings of all methods; each uses those that its entry in :data:`METHODS` names.

    They are flat: those of :class:`MaskSettings` are among them.

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
        Weight of the share of cells that a mask lets go of, or of what `size_form` makes of it.
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
    steps: int = field(default=32, metadata=bounds(low=1, high=100_000))
    n_samples: int = field(default=16, metadata=bounds(low=1, high=1_000_000))
    noise: float = field(default=0.1, metadata=bounds(low=0, high=1_000))
    window: int = field(default=5, metadata=bounds(low=1, high=MOST_STEPS))
    iterations: int = field(default=150, metadata=bounds(low=1, high=1_000_000))
    learning_rate: float = field(default=0.1, metadata=bounds(above=0, high=LARGEST_WEIGHT))
    size_penalty: float = field(default=5.0, metadata=bounds(low=0, high=LARGEST_WEIGHT))
    base: str = "gradient"
    reading: str = field(default="feature", metadata=bounds(choices=READINGS))
    gate: float = field(default=0.55, metadata=bounds(low=0, below=1))
    seed: int = field(default=0, metadata=bounds(low=0, high=2**63 - 1))

    def _check_together(self) -> None:
        for name in ("baseline", "references"):
            value = getattr(self, name)
            if value is not None and not bool(torch.as_tensor(value).isfinite().all()):
                came = "an array with other values" if isinstance(value, Tensor) else value
                raise InputError(f"{name} of an explanation must be finite; {came} came.")

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
