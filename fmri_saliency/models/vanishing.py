"""Why saliency vanishes: what the last state still knows of earlier ones, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError
from fmri_saliency.models.encoders import Plain
from fmri_saliency.models.networks import SequenceClassifier
from fmri_saliency.models.recurrent import InputCellLayer

__all__ = [
    "VanishingProfile",
    "edge_steps",
    "forget_gate_products",
    "jacobian_norms",
    "state_gradient_norms",
    "step_shares",
    "vanishing_profile",
]


@dataclass(frozen=True)
class VanishingProfile:
    """What is left of earlier time steps in a network's answer; every array has shape (n_times,).

    Attributes
    ----------
    name : str
        Of the network.
    shares : ndarray
        Share of the absolute input gradient at each step, mean over samples; sums to 1.
    untrained_shares : ndarray
        The same of the network with new weights, mean over draws; NaN where none was given.
    jacobian : ndarray
        Spectral norm of the derivative of the last hidden state by the state at each step, mean
        over samples; NaN where the network has no single recurrence.
    forget : ndarray
        Product of the forget gates after each step (paper's reduction), mean over samples and
        units; NaN where the cell has none.
    first, last, even : float
        Share of the first and of the last tenth of the steps, and what each would be if spread evenly.
    untrained_first, untrained_last : float
    correlation : float
        Of `shares` and `untrained_shares` over time.
    n_samples, n_draws : int
    """

    name: str
    shares: np.ndarray
    untrained_shares: np.ndarray
    jacobian: np.ndarray
    forget: np.ndarray
    first: float
    last: float
    even: float
    untrained_first: float
    untrained_last: float
    correlation: float
    n_samples: int
    n_draws: int


def edge_steps(n_times: int, tenth: float = 0.1) -> int:
    """Return how many steps a tenth of the time is, at least 1."""
    return max(1, round(tenth * n_times))


def step_shares(network: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    r"""Return the share of :math:`\sum_i |\partial S / \partial x_{ti}|` that lies at each step.

    :math:`S` is the logit of the sample's target.

    Parameters
    ----------
    network : Module
        In evaluation mode; (batch, time, region) to logits.
    x : Tensor, shape (batch, time, region)
    targets : Tensor of int, shape (batch,)

    Returns
    -------
    Tensor, shape (batch, time)
        Rows sum to 1; NaN where the gradient is zero everywhere.
    """
    inputs = x.detach().clone().requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):
        chosen = network(inputs).gather(1, targets.view(-1, 1)).sum()
        (gradient,) = torch.autograd.grad(chosen, inputs)
    mass = gradient.abs().sum(dim=2)
    return mass / mass.sum(dim=1, keepdim=True)


def _recurrence(network: nn.Module) -> tuple[nn.RNNBase, nn.Module | None]:
    """Return a network's only recurrence, in one direction, and the attention before it, if any."""
    encoder = network.encoder if isinstance(network, SequenceClassifier) else network
    layer, attention = encoder, None
    if isinstance(encoder, Plain):
        layer = encoder.layer
    elif isinstance(encoder, InputCellLayer) and encoder.upper is None and len(encoder.directions) == 1:
        layer, attention = encoder.directions[0].recurrence, encoder.directions[0].attention
    if not isinstance(layer, nn.RNNBase) or layer.num_layers > 1 or layer.bidirectional:
        raise DecoderError("Jacobians of the state are those of one recurrence in one direction; this network has "
                           f"none: {type(encoder).__name__}. Use one layer, or look at step_shares, which any network "
                           "has.")
    if layer.proj_size or not layer.bias or getattr(layer, "nonlinearity", "tanh") != "tanh":
        raise DecoderError("Jacobians of the state are worked out for recurrences with biases, without projections, "
                           "and with tanh; this one is another.")
    return layer, attention


def _step(layer: nn.RNNBase, read: Tensor, state: Tensor) -> Tensor:
    """Advance the state (hidden, or hidden and cell side by side) by one step, by the formulas of torch."""
    size = layer.hidden_size
    h = state[..., :size]
    a, b = read @ layer.weight_ih_l0.T + layer.bias_ih_l0, h @ layer.weight_hh_l0.T + layer.bias_hh_l0
    if isinstance(layer, nn.LSTM):
        i, f, g, o = (a + b).chunk(4, dim=-1)
        c = f.sigmoid() * state[..., size:] + i.sigmoid() * g.tanh()
        return torch.cat([o.sigmoid() * c.tanh(), c], dim=-1)
    if isinstance(layer, nn.GRU):
        (ar, az, an), (br, bz, bn) = a.chunk(3, dim=-1), b.chunk(3, dim=-1)
        z = (az + bz).sigmoid()
        return (1 - z) * (an + (ar + br).sigmoid() * bn).tanh() + z * h
    return (a + b).tanh()


def _read_of(network: nn.Module, x: Tensor) -> tuple[nn.RNNBase, Tensor, Tensor]:
    layer, attention = _recurrence(network)
    read = x if attention is None else attention(x)
    width = layer.hidden_size * (2 if isinstance(layer, nn.LSTM) else 1)
    return layer, read, x.new_zeros(len(x), width)


@torch.no_grad()
def jacobian_norms(network: nn.Module, x: Tensor) -> Tensor:
    r"""Return the spectral norm of :math:`\partial h_T / \partial s_t` for every step, exactly.

    :math:`s_t` is the whole state, hidden and cell of an LSTM; the derivative is the product of the
    one-step Jacobians :math:`\prod_{i=t+1}^{T} \partial s_i / \partial s_{i-1}`, each by automatic
    differentiation, of which the rows of :math:`h_T` are taken (Ismail et al. 2019, section on
    vanishing saliency, with the cell state followed, too).

    Parameters
    ----------
    network : Module
        A recurrent layer or a network around one, with one layer and one direction.
    x : Tensor, shape (batch, time, region)

    Returns
    -------
    Tensor, shape (batch, time)
        1 at the last step.

    Raises
    ------
    DecoderError
        If the network has no single recurrence.
    """
    layer, read, state = _read_of(network, x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda s, r: _step(layer, r, s)))
    steps = []
    for t in range(x.shape[1]):
        steps.append(jacobian(state, read[:, t]))
        state = _step(layer, read[:, t], state)
    size = layer.hidden_size
    product = torch.eye(state.shape[1], dtype=x.dtype, device=x.device)[:size].expand(len(x), -1, -1)
    norms = [torch.linalg.matrix_norm(product, 2)]
    for one in reversed(steps[1:]):
        product = product @ one
        norms.append(torch.linalg.matrix_norm(product, 2))
    return torch.stack(norms[::-1], dim=1)


def state_gradient_norms(network: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    r"""Return :math:`\lVert \partial S / \partial s_t \rVert` for every step: what one backward pass gives.

    The cheap companion of :func:`jacobian_norms`: not all directions of the last hidden state, only
    the one that the target's logit reads, at the cost of one pass.

    Parameters
    ----------
    network : SequenceClassifier
        With one recurrence, and the read-out ``last``.
    x : Tensor, shape (batch, time, region)
    targets : Tensor of int, shape (batch,)

    Returns
    -------
    Tensor, shape (batch, time)

    Raises
    ------
    DecoderError
        If the network has no single recurrence, or reads other steps than the last.
    """
    if not isinstance(network, SequenceClassifier) or network.readout.kind != "last":
        raise DecoderError("state_gradient_norms needs a network whose read-out is 'last'.")
    layer, read, state = _read_of(network, x)
    states = []
    state = state.requires_grad_()
    for t in range(x.shape[1]):
        state = _step(layer, read[:, t], state)
        states.append(state)
    logits = network.linear(state[:, : layer.hidden_size])
    chosen = logits.gather(1, targets.view(-1, 1)).sum()
    return torch.stack([g.norm(dim=1) for g in torch.autograd.grad(chosen, states)], dim=1)


@torch.no_grad()
def forget_gate_products(network: nn.Module, x: Tensor, output_gate: bool = False) -> Tensor:
    r"""Return the product of the gates after each step that keep the state, mean over units.

    For an LSTM :math:`\prod_{i=t+1}^{T} f_i`, which is :math:`\partial c_T / \partial c_t` along
    the cell alone; with `output_gate` the factors are :math:`o_i (1 - \tanh^2 c_i) f_i`, to which the
    paper reduces :math:`\partial h_i / \partial h_{i-1}` (Ismail et al. 2019, poster). For a GRU the
    update gate :math:`z_i` takes the place of :math:`f_i`.

    Parameters
    ----------
    network : Module
        With one LSTM or GRU recurrence.
    x : Tensor, shape (batch, time, region)
    output_gate : bool
        The paper's factors; LSTM only.

    Returns
    -------
    Tensor, shape (batch, time)
        1 at the last step.

    Raises
    ------
    DecoderError
        If the cell has no such gate.
    """
    layer, read, state = _read_of(network, x)
    if type(layer) is nn.RNN or (output_gate and type(layer) is not nn.LSTM):
        raise DecoderError(f"{type(layer).__name__} has no forget gate{' and output gate' if output_gate else ''}.")
    size, factors = layer.hidden_size, []
    for t in range(x.shape[1]):
        gates = read[:, t] @ layer.weight_ih_l0.T + layer.bias_ih_l0
        gates = gates + state[:, :size] @ layer.weight_hh_l0.T + layer.bias_hh_l0
        state = _step(layer, read[:, t], state)
        keep = gates[:, size : 2 * size].sigmoid()
        if output_gate:
            keep = keep * gates[:, 3 * size :].sigmoid() * (1 - state[:, size:].tanh() ** 2)
        factors.append(keep)
    later = torch.stack([*factors[1:], torch.ones_like(factors[0])], dim=1)
    return later.flip(1).cumprod(dim=1).flip(1).mean(dim=2)


def vanishing_profile(
    name: str, network: nn.Module, x: Tensor, targets: Tensor, untrained: Sequence[nn.Module] = ()
) -> VanishingProfile:
    """Say in numbers how much of each time step is left in a network's answer.

    Parameters
    ----------
    name : str
        For the figure.
    network : Module
        In evaluation mode.
    x : Tensor, shape (batch, time, region)
    targets : Tensor of int, shape (batch,)
    untrained : sequence of Module
        The network with new weights, several draws of them, in evaluation mode: a profile that they
        have, too, is the architecture's and not learnt.

    Returns
    -------
    VanishingProfile
    """
    shares = step_shares(network, x, targets).nanmean(dim=0)
    blank = torch.full_like(shares, torch.nan)
    drawn = [step_shares(other, x, targets).nanmean(dim=0) for other in untrained]
    fresh = torch.stack(drawn).nanmean(dim=0) if drawn else blank
    jacobian = forget = blank
    try:
        jacobian = jacobian_norms(network, x).mean(dim=0)
        forget = forget_gate_products(network, x).mean(dim=0)
    except DecoderError:
        pass  # no single recurrence, or no forget gate
    steps = edge_steps(len(shares))
    return VanishingProfile(
        name=name,
        shares=shares.numpy(force=True),
        untrained_shares=fresh.numpy(force=True),
        jacobian=jacobian.numpy(force=True),
        forget=forget.numpy(force=True),
        first=float(shares[:steps].sum()),
        last=float(shares[-steps:].sum()),
        even=steps / len(shares),
        untrained_first=float(fresh[:steps].sum()),
        untrained_last=float(fresh[-steps:].sum()),
        correlation=float(torch.corrcoef(torch.stack([shares, fresh]))[0, 1]) if len(shares) > 1 else float("nan"),
        n_samples=len(x),
        n_draws=len(drawn),
    )
