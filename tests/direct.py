"""The equations, evaluated one step after the other with nothing clever: what the fast code must equal."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def attention(layer: Any, x: Tensor) -> Tensor:
    """Evaluate M_t step by step for one `InputCellAttention`."""
    steps = []
    for t in range(x.shape[1]):
        since = 0 if layer.window is None else max(0, t - layer.window + 1)
        seen = x[:, since : t + 1]
        weights = layer.second(torch.tanh(layer.first(seen))).softmax(dim=1)  # over the past
        rows = weights.transpose(1, 2) @ seen  # (batch, hops, features)
        read = rows.mean(dim=1) if layer.form == "mean" else rows.reshape(len(x), -1)
        if layer.form == "flatten_l2":
            read = read / read.norm(dim=1, keepdim=True)
        steps.append(torch.cat([read, x[:, t]], dim=1) if layer.current_input else read)
    return torch.stack(steps, dim=1)


def step(cell: nn.RNNBase, suffix: str, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step of a cell, by the formulas of torch's documentation."""
    w_x, w_h = getattr(cell, f"weight_ih_{suffix}"), getattr(cell, f"weight_hh_{suffix}")
    a, b = x @ w_x.T + getattr(cell, f"bias_ih_{suffix}"), h @ w_h.T + getattr(cell, f"bias_hh_{suffix}")
    if isinstance(cell, nn.LSTM):
        i, f, g, o = (a + b).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    if isinstance(cell, nn.GRU):
        (a_r, a_z, a_n), (b_r, b_z, b_n) = a.chunk(3, dim=1), b.chunk(3, dim=1)
        r, z = (a_r + b_r).sigmoid(), (a_z + b_z).sigmoid()
        return (1 - z) * (a_n + r * b_n).tanh() + z * h, c
    return (a + b).tanh(), c


def recur(cell: nn.RNNBase, suffix: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer in one direction: hidden sequence, last h, last c."""
    h = c = torch.zeros(len(x), cell.hidden_size, dtype=x.dtype)
    hidden = []
    for t in range(x.shape[1]):
        h, c = step(cell, suffix, x[:, t], h, c)
        hidden.append(h)
    return torch.stack(hidden, dim=1), h, c


def input_cell(layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate an input-cell layer with all its directions and layers: hidden sequence, last h, last c."""
    parts, h, c = [], [], []
    for number, direction in enumerate(layer.directions):
        turned = x.flip(1) if number else x
        sequence, last_h, last_c = recur(direction.recurrence, "l0", attention(direction.attention, turned))
        parts.append(sequence.flip(1) if number else sequence)
        h, c = [*h, last_h], [*c, last_c]
    sequence = torch.cat(parts, dim=2)
    for level in range(layer.num_layers - 1):
        below, parts = sequence, []
        for number in range(len(layer.directions)):
            suffix = f"l{level}" + ("_reverse" if number else "")
            part, last_h, last_c = recur(layer.upper, suffix, below.flip(1) if number else below)
            parts.append(part.flip(1) if number else part)
            h, c = [*h, last_h], [*c, last_c]
        sequence = torch.cat(parts, dim=2)
    return sequence, torch.stack(h), torch.stack(c)
