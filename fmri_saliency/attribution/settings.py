"""What the explanation methods can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fmri_saliency.errors import InputError, one_of

__all__ = ["DRAWN", "POOLED", "ExplainerSettings", "Forward", "MaskSettings", "check_settings"]

Forward = Callable[[Tensor], Tensor]
READINGS = ("feature", "cell")
POOLED = ("pooled", "separable")
PARAMETERISATIONS = ("cells", "windows", "splines", *POOLED)
REPLACEMENTS = ("samples", "surrogate", "mean", "blur", "learned")
DRAWN = ("samples", "surrogate")  # of the replacements, those that are drawn anew at every step
SIZE_FORMS = ("linear", "squared", "area")
LOSSES = ("answer", "cross-entropy", "logit")


@dataclass(frozen=True)
class MaskSettings:
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

    parameterisation: str = "windows"
    spline_width: int = 8
    replace_by: str = "samples"
    draws: int = 4
    blur: float = 2.0
    reference_penalty: float = 5.0
    size_form: str = "linear"
    area: float = 0.1
    growth: float = 1.0
    time_penalty: float = 0.0
    loss: str = "answer"
    hidden_size: int = 32
    layers: int = 3

    def __post_init__(self) -> None:
        one_of(self.parameterisation, PARAMETERISATIONS, "The parameterisation of a mask")
        one_of(self.replace_by, REPLACEMENTS, "replace_by of a mask")
        one_of(self.size_form, SIZE_FORMS, "size_form of a mask")
        one_of(self.loss, LOSSES, "The loss of a mask")
        for name in ("spline_width", "draws", "hidden_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of a mask must be at least 1; {getattr(self, name)} came.")
        for name in ("reference_penalty", "time_penalty"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} of a mask must be at least 0; {getattr(self, name)} came.")
        for name in ("blur", "growth"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} of a mask must be above 0; {getattr(self, name)} came.")
        if not 0 < self.area < 1:
            raise InputError(f"The area of a mask is the share of cells that it keeps, above 0 and below 1; "
                             f"{self.area} came.")
        if not 2 <= self.layers <= 5:
            raise InputError(f"A mask that is a network has 2 to 5 layers; {self.layers} came.")


@dataclass(frozen=True)
class ExplainerSettings(MaskSettings):
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
        super().__post_init__()
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float | Tensor) and not bool(torch.as_tensor(value).isfinite().all()):
                came = "an array with other values" if isinstance(value, Tensor) else value
                raise InputError(f"{item.name} of an explanation must be finite; {came} came.")
        for name in ("steps", "n_samples", "window", "iterations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of an explanation must be at least 1; {getattr(self, name)} came.")
        for name in ("noise", "size_penalty"):
            if not getattr(self, name) >= 0:
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
