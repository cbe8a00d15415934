"""What is left of earlier steps: by hand, against automatic differentiation, and on networks known to forget."""

import direct
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError
from fmri_saliency.models import (
    forget_gate_products,
    jacobian_norms,
    make_network,
    network_names,
    state_gradient_norms,
    step_shares,
    vanishing_profile,
)

SINGLE = ("lstm", "gru", "rnn", "input-cell-lstm", "input-cell-gru", "input-cell-rnn")


def make(name: str, seed: int = 0, **settings: object) -> nn.Module:
    torch.manual_seed(seed)
    known = {"hidden_size": 4, "hops": 2, "attention_size": 3, "n_times": 9, **settings}
    return make_network(name, 5, 3, **known).eval().double()


def draw(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(3).standard_normal(shape))


TARGETS = torch.tensor([0, 2])


@pytest.mark.parametrize("name", network_names())
def test_shares_are_those_of_the_input_gradient(name: str) -> None:
    net, x = make(name), draw(2, 9, 5)
    shares = step_shares(net, x, TARGETS)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2).double())
    one = x[1:].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(one)[0, 2], one)
    mass = gradient[0].abs().sum(dim=1)
    torch.testing.assert_close(shares[1], mass / mass.sum())


@pytest.mark.parametrize("name", SINGLE)
def test_jacobians_against_differentiating_the_whole_run(name: str) -> None:
    net, x = make(name), draw(2, 7, 5)
    layer = net.encoder.layer if hasattr(net.encoder, "layer") else net.encoder.directions[0].recurrence
    read = x if hasattr(net.encoder, "layer") else direct.attention(net.encoder.directions[0].attention, x)
    norms = jacobian_norms(net, x)
    assert norms[:, -1].tolist() == pytest.approx([1.0, 1.0])
    for t in (0, 3, 5):
        h = c = torch.zeros(1, 4).double()
        for k in range(t + 1):
            h, c = direct.step(layer, "l0", read[1:, k], h, c)

        def rest(state: Tensor, begin: int = t + 1) -> Tensor:
            h, c = state[:4].unsqueeze(0), state[4:].unsqueeze(0)
            for k in range(begin, 7):
                h, c = direct.step(layer, "l0", read[1:, k], h, c)
            return h[0]

        state = torch.cat([h, c], dim=1)[0] if isinstance(layer, nn.LSTM) else h[0]
        jacobian = torch.autograd.functional.jacobian(rest, state)
        assert norms[1, t].item() == pytest.approx(torch.linalg.matrix_norm(jacobian, 2).item(), rel=1e-9)


@pytest.mark.parametrize("name", SINGLE)
def test_state_gradients_are_bounded_by_the_jacobians_and_exact_at_the_end(name: str) -> None:
    net, x = make(name), draw(2, 7, 5)
    found = state_gradient_norms(net, x, TARGETS)
    weight = net.linear.weight[TARGETS].norm(dim=1)
    torch.testing.assert_close(found[:, -1], weight)
    assert (found <= jacobian_norms(net, x) * weight.unsqueeze(1) * (1 + 1e-9)).all()


def test_a_plain_recurrence_by_hand() -> None:
    # h_t = tanh(0 * x + w h_{t-1}) from zero stays at zero, where the slope of tanh is 1: dh_T/dh_t = w^(T-t)
    net = nn.RNN(1, 1, batch_first=True).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.weight_hh_l0.fill_(-0.5)
    assert jacobian_norms(net, draw(1, 5, 1))[0].tolist() == [0.0625, 0.125, 0.25, 0.5, 1.0]


def test_forget_gates_by_hand() -> None:
    net = nn.LSTM(1, 2, batch_first=True).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    x = draw(1, 4, 1)
    # every gate is sigmoid(0) = 1/2 and the cell stays 0, where 1 - tanh^2 is 1
    assert forget_gate_products(net, x)[0].tolist() == [0.125, 0.25, 0.5, 1.0]
    assert forget_gate_products(net, x, output_gate=True)[0].tolist() == [1 / 64, 1 / 16, 1 / 4, 1.0]
    with torch.no_grad():
        net.bias_ih_l0[2:4] = 50.0
    assert forget_gate_products(net, x)[0].tolist() == pytest.approx([1.0] * 4)
    gru = nn.GRU(1, 2, batch_first=True).double()
    with torch.no_grad():
        for parameter in gru.parameters():
            parameter.zero_()
    assert forget_gate_products(gru, x)[0].tolist() == [0.125, 0.25, 0.5, 1.0]


def test_an_lstm_forgets_and_input_cell_attention_reads_everything() -> None:
    """The paper's claim in numbers, on networks before any training."""
    x = draw(8, 100, 5).float()
    targets = torch.zeros(8, dtype=torch.long)
    plain = vanishing_profile("lstm", make("lstm").float(), x, targets, [make("lstm", k).float() for k in (1, 2)])
    attended = vanishing_profile("input-cell-lstm", make("input-cell-lstm").float(), x, targets)
    assert plain.even == attended.even == 0.1
    assert plain.last > 0.8
    assert attended.last < 0.25
    assert plain.first < 1e-3
    assert plain.jacobian[0] < 1e-6 < plain.jacobian[-1] == pytest.approx(1.0)
    assert plain.forget[0] < 1e-6
    assert plain.correlation > 0.8  # nothing was learnt, so new weights have the same profile
    assert plain.untrained_last > 0.8
    assert (plain.n_samples, plain.n_draws, attended.n_draws) == (8, 2, 0)
    assert np.isnan(attended.untrained_last)


def test_networks_without_one_recurrence_still_have_a_profile() -> None:
    for name in ("transformer", "tcn", "feed-forward", "bi-lstm", "bi-input-cell-gru"):
        profile = vanishing_profile(name, make(name), draw(2, 9, 5), TARGETS)
        assert np.isnan(profile.jacobian).all()
        assert profile.shares.sum() == pytest.approx(1.0)
    rnn = vanishing_profile("rnn", make("rnn"), draw(2, 9, 5), TARGETS)
    assert np.isfinite(rnn.jacobian).all()
    assert np.isnan(rnn.forget).all()


def test_one_message_for_what_cannot_be_asked() -> None:
    x = draw(2, 9, 5)
    with pytest.raises(DecoderError, match="one recurrence in one direction; this network has none: TemporalConv"):
        jacobian_norms(make("tcn"), x)
    for other in (nn.RNN(5, 3, nonlinearity="relu"), nn.LSTM(5, 3, bias=False), nn.LSTM(5, 3, proj_size=2)):
        with pytest.raises(DecoderError, match="with biases, without projections, and with tanh"):
            jacobian_norms(other.double(), x)
    with pytest.raises(DecoderError, match="RNN has no forget gate"):
        forget_gate_products(make("rnn"), x)
    with pytest.raises(DecoderError, match="GRU has no forget gate and output gate"):
        forget_gate_products(make("gru"), x, output_gate=True)
    with pytest.raises(DecoderError, match="read-out is 'last'"):
        state_gradient_norms(make("lstm", readout="mean"), x, TARGETS)
