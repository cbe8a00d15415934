"""Which moments a network's attention reads, for pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError
from fmri_saliency.models.recurrent import InputCellLayer

__all__ = ["attention_over_time", "readout_over_time"]


def attention_over_time(network: nn.Module, x: Tensor) -> Tensor:
    """Return how much every time step of an input-cell network reads of every input, mean over samples and hops.

    Parameters
    ----------
    network : Module
        Of :func:`make_network`, with input-cell attention; of a network of two directions the forward one is shown.
    x : Tensor, shape (batch, time, region)

    Returns
    -------
    Tensor, shape (time, time)
        Row `t` is what step `t` reads: it sums to 1 over the inputs up to `t` (within the window), and is 0 after it.

    Raises
    ------
    DecoderError
        If the network has no input-cell attention.
    """
    layer = next((one for one in network.modules() if isinstance(one, InputCellLayer)), None)
    if layer is None:
        raise DecoderError("Only networks whose name has 'input-cell' have attention over their inputs; "
                           f"{type(network).__name__} has none.")
    attention = layer.directions[0].attention
    with torch.no_grad():
        return torch.stack([attention.weights(x, step).mean(dim=(0, 1)) for step in range(x.shape[1])])


def readout_over_time(network: nn.Module, x: Tensor) -> Tensor:
    """Return how much a self-attention read-out takes of every time step, shape (time,), mean over samples.

    Raises
    ------
    DecoderError
        If the network has another read-out.
    """
    readout = getattr(network, "readout", None)
    if getattr(readout, "score", None) is None:
        raise DecoderError("Only networks with the read-out 'attention' (their name ends in 'self-attention') have "
                           f"weights over their hidden states; {type(network).__name__} has none.")
    with torch.no_grad():
        return readout.weights(network.encoder(x, None, None)[0]).mean(dim=0)
