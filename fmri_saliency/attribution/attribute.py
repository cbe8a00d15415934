"""One interface to the explanation methods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from fmri_saliency.attribution.methods import METHODS
from fmri_saliency.attribution.names import REFUSED
from fmri_saliency.attribution.settings import ExplainerSettings, Forward, check_settings
from fmri_saliency.errors import InputError, one_of

__all__ = ["attribute", "completeness_gap", "forward_passes"]


def forward_passes(method: str, n_times: int, n_regions: int, **settings: Any) -> int:
    """Return how many times the network is run to explain one sample; most runs have a backward pass, too.

    Of a method whose ``prior`` is true it is the number for a call, however many samples it explains.
    """
    _check_method(method)
    return METHODS[method].cost(n_times, n_regions, _settings_of(method, settings))


def _settings_of(method: str, settings: dict[str, Any]) -> ExplainerSettings:
    """Lay what the caller names over what the method has of its own."""
    return check_settings({**METHODS[method].defaults, **settings})


def _check_method(method: str) -> None:
    if method in REFUSED:
        raise InputError(f"The method '{method}' is refused on recurrent networks: {REFUSED[method]}.")
    one_of(method, METHODS, "The saliency method")


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Leave PyTorch's and numpy's global generators as they were."""
    before = np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        np.random.set_state(before)


def attribute(
    forward: Forward,
    inputs: Tensor,
    targets: Tensor,
    method: str = "integrated-gradients",
    *,
    batch_size: int = 16,
    progress: bool = False,
    **settings: Any,
) -> Tensor:
    """Attribute one logit per sample to its inputs.

    Parameters
    ----------
    forward : callable
        Maps (batch, time, region) to logits (batch, class). Samples must not influence
        each other; dropout and the like must be off.
    inputs : Tensor, shape (n_samples, n_times, n_regions)
        What is explained.
    targets : Tensor of int, shape (n_samples,)
        The class whose logit is explained, for each sample.
    method : str
        One of :func:`~fmri_saliency.attribution.method_names`; their properties are in :data:`METHODS`.
    batch_size : int
        Samples explained together. It does not change the result. A prior explains all together.
    progress : bool
        Show a progress bar over batches.
    **settings
        Fields of :class:`ExplainerSettings`: `baseline`, `references`, `steps`, `window`, ...

    Returns
    -------
    Tensor, shape (n_samples, n_times, n_regions)
        In the unit that ``METHODS[method].unit`` names, signed where ``METHODS[method].signed``.
        Detached, on the device of `inputs`.

    Raises
    ------
    InputError
        If the method or a setting is unknown, the method is wrong on recurrent networks, or
        the shapes do not fit.

    Notes
    -----
    Methods that draw at random explain every sample from the same `seed`, so that a map does not depend
    on the samples beside it, and leave the global random state alone.

    cuDNN refuses the backward pass of a recurrent layer in evaluation mode, so it is
    switched off while explaining; the numbers are those of PyTorch's own kernels.
    """
    _check_method(method)
    if inputs.ndim != 3 or len(targets) != len(inputs):
        raise InputError(
            "attribute expects inputs (n_samples, n_times, n_regions) and one target per sample; "
            f"inputs {tuple(inputs.shape)} and {len(targets)} targets came."
        )
    if not isinstance(targets, Tensor) or targets.is_floating_point() or (len(targets) and int(targets.min()) < 0):
        raise InputError("targets must be a tensor of class numbers, whole and at least 0, one per sample; "
                         f"{getattr(targets, 'dtype', type(targets).__name__)} came.")
    if not torch.isfinite(inputs).all():
        raise InputError("Inputs to explain must be finite; NaN or an infinite value came.")
    options, chosen = _settings_of(method, settings), METHODS[method]
    options.baseline_for(inputs[:1])
    # what a prior learns it learns once, however many samples are asked about
    size = 1 if chosen.one_by_one else max(1, len(inputs)) if chosen.prior else batch_size
    parts = []
    with torch.backends.cudnn.flags(enabled=False), _own_randomness():
        begins = range(0, len(inputs), size)
        for begin in tqdm(begins, desc="Explaining", unit="batch", disable=not progress, leave=False):
            torch.manual_seed(options.seed)
            np.random.seed(options.seed)
            x = inputs[begin : begin + size].detach().clone().requires_grad_()
            part = chosen.run(forward, x, targets[begin : begin + size], options)
            parts.append(part.detach().contiguous())
    return torch.cat(parts).to(inputs.dtype) if parts else torch.empty_like(inputs)


def completeness_gap(
    forward: Forward, inputs: Tensor, targets: Tensor, attributions: Tensor, baseline: Tensor | float = 0.0
) -> Tensor:
    """Return ``sum(attribution) - (F(input) - F(baseline))`` per sample, in logits.

    Zero for an exact method with the completeness axiom (Sundararajan et al. 2017,
    arXiv:1703.01365, proposition 1).
    """
    reference = ExplainerSettings(baseline=baseline).baseline_for(inputs)
    index = torch.arange(len(inputs), device=inputs.device)
    with torch.no_grad():
        change = forward(inputs)[index, targets] - forward(reference)[index, targets]
    return attributions.sum(dim=(1, 2)) - change
