"""Every explanation method on every network, and on functions whose answer is known."""

from itertools import product

import pytest
import torch
from torch import Tensor

from fmri_saliency.attribution import METHODS, attribute, completeness_gap, method_names
from fmri_saliency.errors import DecoderError, InputError
from fmri_saliency.models import READOUTS, make_network, needs_length, network_names

PAIRS = list(product(method_names(), network_names(), READOUTS))
WEIGHT = torch.tensor([[1.0, -2.0], [0.0, 3.0], [0.5, 0.0]])  # time x region


def linear(x: Tensor) -> Tensor:
    score = (x * WEIGHT).sum(dim=(1, 2))
    return torch.stack([score, -score], dim=1)


def both(x: Tensor) -> Tensor:
    """Be on only when region 0 is on at step 0 and region 1 at step 2."""
    score = x[:, 0, 0] * x[:, 2, 1]
    return torch.stack([score, torch.zeros_like(score)], dim=1)


@pytest.mark.parametrize(("method", "network", "readout"), PAIRS)
def test_every_method_on_every_network(method: str, network: str, readout: str) -> None:
    torch.manual_seed(0)
    net = make_network(network, 6, 3, hidden_size=6, hops=2, attention_size=4, readout=readout, n_times=9).eval()
    x, target = torch.randn(4, 9, 6), torch.tensor([0, 1, 2, 1])
    found = attribute(net, x, target, method, batch_size=3)
    assert found.shape == x.shape
    assert torch.isfinite(found).all()
    assert found.abs().sum() > 0
    assert not found.requires_grad
    assert x.grad is None
    assert not x.requires_grad
    alone = attribute(net, x[1:2], target[1:2], method)
    torch.testing.assert_close(found[1:2], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", network_names())
def test_integrated_gradients_are_complete(network: str) -> None:
    torch.manual_seed(1)
    net = make_network(network, 4, 2, hidden_size=6, n_times=8).eval().double()
    x, target, baseline = torch.randn(3, 8, 4).double(), torch.tensor([0, 1, 0]), torch.randn(8, 4).double()
    found = attribute(net, x, target, "integrated-gradients", baseline=baseline, steps=64)
    gap = completeness_gap(net, x, target, found, baseline).abs().max()
    kinks = network in ("tcn", "transformer", "feed-forward") or network.endswith("max-pooling")
    assert gap < (1e-2 if kinks else 1e-6)  # where the slope jumps along the path, the sum converges slowly


@pytest.mark.parametrize("method", method_names())
def test_a_linear_function_is_explained_exactly(method: str) -> None:
    x = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [4.0, 5.0]]])
    wanted = WEIGHT * x if METHODS[method].multiplied_by_input else WEIGHT.expand_as(x)
    torch.testing.assert_close(attribute(linear, x, torch.tensor([0]), method), wanted)
    torch.testing.assert_close(attribute(linear, x, torch.tensor([1]), method), -wanted)


def test_an_and_of_two_cells() -> None:
    x = torch.full((1, 3, 2), 2.0)
    # the gradient of ab is (b, a); along the straight path from 0 each cell gets half of ab
    known = {"gradient": 2.0, "input-x-gradient": 4.0, "integrated-gradients": 2.0}
    for method in method_names():
        found = attribute(both, x, torch.tensor([0]), method)[0]
        assert found[0, 0].item() == pytest.approx(known[method], rel=1e-5)
        assert found[2, 1].item() == pytest.approx(known[method], rel=1e-5)
        found[0, 0] = found[2, 1] = 0
        assert found.abs().max() == 0  # all other cells are ignored by the function


def test_the_baseline_moves_integrated_gradients_only() -> None:
    x = torch.ones(1, 3, 2)
    for method in method_names():
        zero = attribute(linear, x, torch.tensor([0]), method)
        one = attribute(linear, x, torch.tensor([0]), method, baseline=1.0)
        assert torch.equal(zero, one) == (not METHODS[method].uses_baseline)


@pytest.mark.parametrize(("network", "readout"), list(product(network_names(), READOUTS)))
def test_samples_do_not_influence_each_other(network: str, readout: str) -> None:
    torch.manual_seed(0)
    net = make_network(network, 4, 3, readout=readout, n_times=11).eval()
    x = torch.randn(5, 11, 4)
    torch.testing.assert_close(net(x)[2:3], net(x[2:3]))
    assert net(x).shape == (5, 3)


def test_the_forget_bias_is_where_torch_has_it() -> None:
    net = make_network("lstm", 3, 2, hidden_size=4, forget_bias=2.5)
    layer = net.encoder.layer
    assert (layer.bias_ih_l0 + layer.bias_hh_l0)[4:8].tolist() == [2.5] * 4
    both = make_network("bi-input-cell-lstm", 3, 2, hidden_size=4, num_layers=2, forget_bias=2.5)
    upper = both.encoder.upper
    assert (upper.bias_ih_l0_reverse + upper.bias_hh_l0_reverse)[4:8].tolist() == [2.5] * 4


def test_unknown_names_are_named() -> None:
    with pytest.raises(DecoderError, match="Did you mean 'lstm'"):
        make_network("lstmm", 3, 2)
    with pytest.raises(DecoderError, match="Did you mean 'hops'"):
        make_network("lstm", 3, 2, hop=3)
    with pytest.raises(DecoderError, match="linear-svm\\) need n_times"):
        make_network("linear-svm", 3, 2)
    with pytest.raises(DecoderError, match="exactly \\(4, 3\\) time steps and regions; \\(5, 3\\) came"):
        make_network("feed-forward", 3, 2, n_times=4)(torch.zeros(1, 5, 3))
    with pytest.raises(DecoderError, match="must be even; 5 came"):
        make_network("transformer", 3, 2, hidden_size=5)
    with pytest.raises(DecoderError, match="has no attention weights"):
        make_network("lstm", 3, 2).readout.weights(torch.zeros(1, 4, 32))
    with pytest.raises(DecoderError, match="read-out must be one of last, mean, max, attention"):
        make_network("lstm", 3, 2, readout="first")
    with pytest.raises(InputError, match="saliency method must be one of gradient"):
        attribute(linear, torch.ones(1, 3, 2), torch.tensor([0]), "gradients")
    with pytest.raises(InputError, match="one target per sample"):
        attribute(linear, torch.ones(2, 3, 2), torch.tensor([0]))


PADDED = [name for name in network_names() if not needs_length(name)]


@pytest.mark.parametrize(("network", "readout"), list(product(PADDED, READOUTS)))
def test_padding_changes_no_answer(network: str, readout: str) -> None:
    torch.manual_seed(0)
    net = make_network(network, 4, 3, hidden_size=6, readout=readout).eval().double()
    x, lengths = torch.randn(3, 9, 4).double(), torch.tensor([9, 4, 1])
    for k, n in enumerate(lengths):
        x[k, n:] = 7.0
    answers = net(x, lengths)
    for k, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(answers[k : k + 1], net(x[k : k + 1, :n]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("input_cell", [True, False])
def test_the_attention_read_out_by_hand(input_cell: bool) -> None:
    torch.manual_seed(0)
    net = make_network(f"{'input-cell-' if input_cell else ''}lstm-self-attention", 4, 2, hidden_size=3).eval()
    x = torch.randn(2, 7, 4)
    hidden = net.encoder(x)[0]
    weights = net.readout.weights(hidden)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    read = sum(weights[:, t : t + 1] * hidden[:, t] for t in range(7))
    torch.testing.assert_close(net(x), net.linear(read))


def test_the_convolution_is_causal_and_sees_as_far_as_it_says() -> None:
    torch.manual_seed(0)
    net = make_network("tcn", 2, 2, hidden_size=48, num_layers=5).encoder.eval().double()
    x = torch.randn(20, 250, 2).double().requires_grad_()
    (gradient,) = torch.autograd.grad(net(x)[0][:, 220].sum(), x)
    seen = gradient.abs().sum(dim=(0, 2)).nonzero().flatten()
    assert seen[-1] == 220
    assert seen[0] == 220 - 6 * (2**5 - 1)
