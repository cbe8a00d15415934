"""From what a user calls a network to a PyTorch module that fits the samples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fmri_saliency.decoding.settings import Architecture
from fmri_saliency.disk.files import digest
from fmri_saliency.errors import DecoderError
from fmri_saliency.models import make_network

__all__ = ["NetworkLike", "build_module", "fingerprint_module", "renew_module"]

NetworkLike = str | torch.nn.Module | Callable[[int, int], torch.nn.Module]
Shape = tuple[int, int, int]


def build_module(
    network: NetworkLike, architecture: Architecture, shape: Shape, device: str = "cpu"
) -> torch.nn.Module:
    """Return an untrained module; a module that was given is copied, weights and all.

    Parameters
    ----------
    network : str, Module or callable
        As in :class:`TaskDecoder`.
    architecture : Architecture
        For a name.
    shape : (n_times, n_regions, n_classes)
    device : str

    Raises
    ------
    DecoderError
        If `network` is none of these, or does not map (batch, time, region) to one logit per class.
    """
    n_times, n_regions, n_classes = shape
    if isinstance(network, str):
        module = make_network(network, n_regions, n_classes, **vars(architecture), n_times=n_times)
    elif isinstance(network, torch.nn.Module):
        module = copy.deepcopy(network)
    elif callable(network) and not isinstance(network, type):
        module = network(n_regions, n_classes)
    else:
        module = network
    if not isinstance(module, torch.nn.Module):
        came = repr(network) if module is network else f"a function that makes a {type(module).__name__}"
        raise DecoderError("network must be a name, a torch module, or a function (n_regions, n_classes) that makes "
                           f"one; {came} came.")
    module = module.to(device)
    _probe(module, shape, device)
    return module


def _probe(module: torch.nn.Module, shape: Shape, device: str) -> None:
    """Show the module two empty samples, and refuse it if it does not answer with logits."""
    n_times, n_regions, n_classes = shape
    training = module.training
    wanted = f"map (batch, time, region) to (batch, {n_classes}) logits in single precision"
    try:
        with torch.no_grad(), torch.random.fork_rng():
            answer = module.eval()(torch.zeros(2, n_times, n_regions, device=device))
    except DecoderError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DecoderError(f"The network must {wanted}; on samples of {n_times} steps and {n_regions} regions it "
                           f"fails: {str(error).splitlines()[0]}") from None
    finally:
        module.train(training)
    if not isinstance(answer, torch.Tensor):
        raise DecoderError(f"The network must {wanted}; it answers with a {type(answer).__name__}.")
    if tuple(answer.shape) != (2, n_classes):
        raise DecoderError(f"The network must {wanted}; for 2 samples {tuple(answer.shape)} came.")


def renew_module(module: torch.nn.Module) -> torch.nn.Module:
    """Draw new weights for every layer of a module (in place), by each layer's own ``reset_parameters``.

    Raises
    ------
    DecoderError
        If weights belong to a layer that cannot draw new ones.
    """
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    for name, value in module.named_parameters():
        constant = value.numel() < 2 or bool((value == value.flatten()[0]).all())
        if torch.equal(value, before[name]) and not constant:
            raise DecoderError(f"New weights cannot be drawn for '{name}' of {type(module).__name__}: its layer has no "
                               "reset_parameters. Give the network as a function that makes it.")
    return module


def fingerprint_module(module: torch.nn.Module) -> str:
    """Return what identifies a module: its kind, its layers, and its weights."""
    state = {name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    values: list[Any] = [np.ascontiguousarray(value) for value in state.values()]
    return digest(type(module).__qualname__, repr(module), list(state), *values)
