"""The field's other choices, beside recurrent networks: convolution, Transformer, feed-forward, linear."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError
from fmri_saliency.models.recurrent import run_recurrence

__all__ = ["FlatNetwork", "Plain", "TemporalConvolution", "TransformerLayers"]


class Plain(nn.Module):
    """One of torch's recurrent layers, with the `lengths` of :class:`InputCellLSTM`."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Return the hidden sequence and the last state."""
        return run_recurrence(self.layer, x, state, lengths)


class _Block(nn.Module):
    """Two dilated causal convolutions around which the input is added."""

    def __init__(self, width_in: int, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.lead = (kernel - 1) * dilation
        self.first = nn.Conv1d(width_in, width, kernel, dilation=dilation)
        self.second = nn.Conv1d(width, width, kernel, dilation=dilation)
        self.skip = nn.Conv1d(width_in, width, 1) if width_in != width else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(torch.relu(self.first(nn.functional.pad(x, (self.lead, 0)))))
        out = self.dropout(torch.relu(self.second(nn.functional.pad(out, (self.lead, 0)))))
        return torch.relu(out + self.skip(x))


class TemporalConvolution(nn.Module):
    """Temporal convolutional network (Bai, Kolter, Koltun 2018, arXiv:1803.01271): causal, dilated, residual.

    Without their weight normalisation, which changes training, not what can be expressed.

    Parameters
    ----------
    n_regions, hidden_size : int
    num_layers : int
        Blocks; each doubles the dilation, so that the last step sees ``1 + 6 (2^layers - 1)`` steps.
    dropout : float
    """

    def __init__(self, n_regions: int, hidden_size: int, num_layers: int = 5, dropout: float = 0.1) -> None:
        super().__init__()
        widths = [n_regions] + [hidden_size] * num_layers
        self.blocks = nn.Sequential(
            *(_Block(widths[k], widths[k + 1], 4, 2**k, dropout) for k in range(num_layers))
        )

    def forward(self, x: Tensor, state: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the hidden sequence (batch, time, hidden); causal, so padding behind a sample is never read."""
        return self.blocks(x.transpose(1, 2)).transpose(1, 2), None


class TransformerLayers(nn.Module):
    """Transformer encoder (Vaswani et al. 2017, arXiv:1706.03762) with sinusoidal positions.

    Parameters
    ----------
    n_regions, hidden_size : int
        `hidden_size` must be even.
    num_layers : int
    dropout : float

    Raises
    ------
    DecoderError
        If `hidden_size` is odd.
    """

    def __init__(self, n_regions: int, hidden_size: int, num_layers: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        if hidden_size % 2:
            raise DecoderError(f"hidden_size of a transformer must be even; {hidden_size} came.")
        heads = math.gcd(hidden_size, 4)
        self.embed = nn.Linear(n_regions, hidden_size)
        layer = nn.TransformerEncoderLayer(
            hidden_size, heads, 4 * hidden_size, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(hidden_size), enable_nested_tensor=False)

    def forward(self, x: Tensor, state: None = None, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the hidden sequence (batch, time, hidden); every step sees all others but padding."""
        embedded = self.embed(x)
        hidden = embedded + _positions(x.shape[1], embedded.shape[2]).to(embedded)
        padding = None
        if lengths is not None:
            padding = torch.arange(x.shape[1], device=x.device) >= lengths.to(x.device).unsqueeze(1)
        return self.layers(hidden, src_key_padding_mask=padding), None


def _positions(n_times: int, width: int) -> Tensor:
    """Return sines and cosines of geometrically spaced wave lengths, shape (n_times, width)."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(n_times).unsqueeze(1) * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


class FlatNetwork(nn.Module):
    """All time steps and regions side by side, through hidden layers or none, to logits.

    Without hidden layers it is the linear model whose weights scikit-learn finds
    (``logistic-regression``, ``linear-svm``).

    Parameters
    ----------
    n_times, n_regions, n_classes : int
    hidden_sizes : tuple of int
        Empty for a linear model.
    dropout : float
        On the inputs and on hidden units.
    """

    def __init__(
        self, n_times: int, n_regions: int, n_classes: int, hidden_sizes: tuple[int, ...] = (), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.shape = (n_times, n_regions)
        widths = [n_times * n_regions, *hidden_sizes]
        layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(dropout)]
        for k in range(len(hidden_sizes)):
            layers += [nn.Linear(widths[k], widths[k + 1]), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(widths[-1], n_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (batch, time, region) to logits (batch, class).

        Raises
        ------
        DecoderError
            If samples have another shape than the network was made for, or `lengths` are given.
        """
        if tuple(x.shape[1:]) != self.shape or lengths is not None:
            raise DecoderError(f"This network reads samples of exactly {self.shape} time steps and regions; "
                               f"{tuple(x.shape[1:])}{' with lengths' if lengths is not None else ''} came.")
        return self.linear(self.layers(x))
