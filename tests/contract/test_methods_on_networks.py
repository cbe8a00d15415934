"""Every explanation method on every network, and on functions whose answer is known."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from fmri_saliency.attribution import METHODS, attribute, completeness_gap, forward_passes, method_names
from fmri_saliency.errors import DecoderError, InputError
from fmri_saliency.models import READOUTS, make_network, needs_length, network_names

PAIRS = [
    *product(method_names(), network_names(), ["last"]),
    *product(["gradient", "integrated-gradients", "shapley-sampling"], ["input-cell-lstm", "lstm", "tcn"], READOUTS),
]
WEIGHT = torch.tensor([[1.0, -2.0], [0.0, 3.0], [0.5, 0.0]])  # time x region
MASKS = ("latent-attention", "pooled-attention", "dynamask", "extremal-mask", "latent-attention-network")
QUICK = {"n_samples": 3, "steps": 4, "iterations": 5, "window": 2, "base": "input-x-gradient"}


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
    x, target, references = torch.randn(4, 9, 6), torch.tensor([0, 1, 2, 1]), torch.randn(7, 9, 6)
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    found = attribute(net, x, target, method, batch_size=3, references=references, **QUICK)
    assert found.shape == x.shape
    assert torch.isfinite(found).all()
    assert found.abs().sum() > 0
    assert METHODS[method].signed or found.min() >= 0
    assert not found.requires_grad
    assert x.grad is None
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], legacy)
    alone = attribute(net, x[1:2], target[1:2], method, references=references, **QUICK)
    torch.testing.assert_close(found[1:2], alone, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("network", network_names())
def test_integrated_gradients_are_complete(network: str) -> None:
    torch.manual_seed(1)
    net = make_network(network, 4, 2, hidden_size=6, n_times=8).eval().double()
    x, target, baseline = torch.randn(3, 8, 4).double(), torch.tensor([0, 1, 0]), torch.randn(8, 4).double()
    found = attribute(net, x, target, "integrated-gradients", baseline=baseline, steps=64)
    gap = completeness_gap(net, x, target, found, baseline).abs().max()
    kinks = network in ("tcn", "transformer", "feed-forward") or network.endswith("max-pooling")
    assert gap < (1e-2 if kinks else 1e-6)  # where the slope jumps along the path, the sum converges slowly


@pytest.mark.parametrize("network", network_names())
@pytest.mark.parametrize("window", [1, 3])
def test_shapley_values_share_out_the_whole_answer(network: str, window: int) -> None:
    torch.manual_seed(1)
    net = make_network(network, 4, 2, hidden_size=6, n_times=8).eval().double()
    x, target, baseline = torch.randn(2, 8, 4).double(), torch.tensor([0, 1]), torch.randn(8, 4).double()
    found = attribute(net, x, target, "shapley-sampling", baseline=baseline, window=window, n_samples=2)
    assert completeness_gap(net, x, target, found, baseline).abs().max() < 1e-6  # captum sums in single precision
    assert window == 1 or torch.equal(found[:, 0], found[:, 2])  # one value per region and window


@pytest.mark.parametrize("network", network_names())
def test_coalitions_share_out_the_whole_answer(network: str) -> None:
    torch.manual_seed(1)
    net = make_network(network, 4, 2, hidden_size=6, n_times=8).eval().double()
    x, target, baseline = torch.randn(2, 8, 4).double(), torch.tensor([0, 1]), torch.randn(8, 4).double()
    references = torch.randn(3, 8, 4).double()
    found = attribute(net, x, target, "time-shap", baseline=baseline, window=3, n_samples=2)
    assert completeness_gap(net, x, target, found, baseline).abs().max() < 1e-10
    found = attribute(net, x, target, "window-shap", references=references, window=3, n_samples=2)
    gaps = [completeness_gap(net, x, target, found, one) for one in references]
    assert torch.stack(gaps).mean(dim=0).abs().max() < 1e-10  # sums to F(x) less the mean over the references
    assert torch.equal(found[:, 0], found[:, 2])  # one value per region and window


EXACT = ("gradient", "input-x-gradient", "integrated-gradients", "smoothgrad", "segment-gradients", "ablation",
         "occlusion", "shapley-sampling", "time-shap")  # fmt: skip


@pytest.mark.parametrize("method", EXACT)
def test_a_linear_function_is_explained_exactly(method: str) -> None:
    x = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [4.0, 5.0]]])
    wanted = WEIGHT * x if METHODS[method].multiplied_by_input else WEIGHT.expand_as(x)
    # segments leave a cell out of some draws; with many draws every cell takes part
    settings = {"window": 1, "n_samples": 8, "steps": 8, "gate": 0.0}
    torch.testing.assert_close(attribute(linear, x, torch.tensor([0]), method, **settings), wanted)
    torch.testing.assert_close(attribute(linear, x, torch.tensor([1]), method, **settings), -wanted)


@pytest.mark.parametrize("method", ["gradient-shap", "window-shap"])
def test_values_against_another_sample_of_a_linear_function(method: str) -> None:
    x, reference = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [4.0, 5.0]]]), torch.ones(1, 3, 2)
    found = attribute(linear, x, torch.tensor([0]), method, references=reference, noise=0.0, window=1)
    torch.testing.assert_close(found, WEIGHT * (x - reference))


def test_windows_are_removed_together() -> None:
    x = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [4.0, 5.0]]])
    # region 0: steps 0 and 1 hold 1 * 1 + 0 * 3 = 1, half for each cell; step 2 is alone with 0.5 * 4
    wanted = torch.tensor([[[0.5, -3.5], [0.5, -3.5], [2.0, 0.0]]])
    settings = {"window": 2, "gate": 0.0, "references": torch.zeros(1, 3, 2)}
    for method in ("ablation", "shapley-sampling", "window-shap", "time-shap"):
        torch.testing.assert_close(attribute(linear, x, torch.tensor([0]), method, **settings), wanted)


@pytest.mark.parametrize(("n_times", "window"), [(284, 5), (7, 4), (9, 5), (3, 8), (6, 1), (10, 5)])
def test_occlusion_shares_a_fall_among_the_steps_that_were_occluded(n_times: int, window: int) -> None:
    """Where every cell adds 1 to the logit, every cell has 1, in a last window that is cut short, too."""

    def total(x: Tensor) -> Tensor:
        score = x.sum(dim=(1, 2))
        return torch.stack([score, -score], dim=1)

    found = attribute(total, torch.ones(2, n_times, 2), torch.tensor([0, 1]), "occlusion", window=window)
    torch.testing.assert_close(found[0], torch.ones(n_times, 2), rtol=0, atol=1e-4)
    torch.testing.assert_close(found[1], -torch.ones(n_times, 2), rtol=0, atol=1e-4)


def test_occlusion_by_hand() -> None:
    """Windows of 4 steps move by 2: steps 0 to 3, 2 to 5, and 4 to 6, which is one step shorter."""
    weight = torch.tensor([1.0, 0.0, 2.0, 0.0, 5.0, 0.0, 4.0])

    def score(x: Tensor) -> Tensor:
        return torch.stack([(x[:, :, 0] * weight).sum(dim=1), torch.zeros(len(x))], dim=1)

    found = attribute(score, torch.ones(1, 7, 2), torch.tensor([0]), "occlusion", window=4)[0]
    falls = [3 / 4, 7 / 4, 9 / 3]
    first, last = [falls[0]] * 2, [falls[2]]
    between = [(falls[0] + falls[1]) / 2] * 2 + [(falls[1] + falls[2]) / 2] * 2
    assert found[:, 0].tolist() == pytest.approx([*first, *between, *last])
    assert found[:, 1].tolist() == [0.0] * 7


ROUNDING = {"window-shap": 1e-12, "time-shap": 1e-12}  # they solve a system of equations


def test_an_and_of_two_cells() -> None:
    x = torch.full((1, 3, 2), 2.0)
    # the gradient of ab is (b, a); along the path from 0 each cell gets half of ab = 4; without either all is gone
    known = {"gradient": 2.0, "input-x-gradient": 4.0, "integrated-gradients": 2.0, "ablation": 4.0, "occlusion": 4.0,
             "window-shap": 2.0, "time-shap": 2.0}  # fmt: skip
    settings = {"window": 1, "gate": 0.0, "references": torch.zeros(1, 3, 2)}
    for method, value in known.items():
        found = attribute(both, x, torch.tensor([0]), method, **settings)[0]
        assert found[0, 0].item() == pytest.approx(value, rel=1e-5)
        assert found[2, 1].item() == pytest.approx(value, rel=1e-5)
        found[0, 0] = found[2, 1] = 0
        assert found.abs().max() <= ROUNDING.get(method, 0.0)  # all other cells are ignored by the function
    found = attribute(both, x, torch.tensor([0]), "shapley-sampling", window=1, n_samples=200)[0]
    assert found.sum().item() == pytest.approx(4.0)
    assert found[0, 0].item() == pytest.approx(2.0, abs=0.4)  # half of the orders bring either cell last


IGNORING = [name for name in method_names() if name not in ("pattern", "pattern-local", "occlusion")]


@pytest.mark.parametrize("method", IGNORING)
def test_what_is_ignored_gets_nothing(method: str) -> None:
    torch.manual_seed(0)
    x, references = torch.randn(2, 3, 2), torch.randn(20, 3, 2)
    settings = {"references": references, "window": 1, "size_penalty": 0.1, "gate": 0.0, "time_penalty": 0.0,
                "area": 1 / 3}  # fmt: skip
    found = attribute(both, x, torch.tensor([0, 0]), method, **settings)
    ignored = torch.ones(3, 2, dtype=torch.bool)
    ignored[0, 0] = ignored[2, 1] = False
    if method in ("temporal-rescaling", "pooled-attention"):  # a moment and a region that both matter, in another cell
        ignored[0, 1] = ignored[2, 0] = False
    # a mask only comes near to 0, the slower the less a square weighs there
    limits = dict.fromkeys(MASKS, 1e-2) | {"dynamask": 0.05, "pooled-attention": 0.02} | ROUNDING
    limit = limits.get(method, 0.0)
    assert found[:, ignored].abs().max() <= limit
    assert found[:, 0, 0].abs().max() > limit


@pytest.mark.parametrize("method", MASKS)
def test_a_mask_keeps_what_cannot_be_replaced(method: str) -> None:
    torch.manual_seed(0)
    references = torch.randn(200, 3, 2)
    x = torch.tensor([[[3.0, 0.1], [0.2, 0.3], [0.1, 3.0]]])
    settings = {"references": references, "window": 1, "iterations": 400, "time_penalty": 0.0, "area": 1 / 3}
    kept = attribute(both, x, torch.tensor([0]), method, size_penalty=0.1, **settings)[0]
    assert kept[0, 0] > 0.8
    assert kept[2, 1] > 0.8
    kept[0, 0] = kept[2, 1] = 0
    assert kept.max() < 0.05
    if method != "dynamask":  # which keeps its share at any price
        free = attribute(both, x, torch.tensor([0]), method, size_penalty=1e3, **settings)
        assert free.max() < 0.01


@pytest.mark.parametrize("method", ["latent-attention", "dynamask"])
def test_a_mask_of_a_linear_function_keeps_what_is_worth_its_price(method: str) -> None:
    """The target's logit falls by w (x - mean) where a cell is replaced; keeping it costs penalty / 6 cells."""
    torch.manual_seed(0)
    x, references = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [4.0, 5.0]]]), torch.randn(50, 3, 2)
    worth = (WEIGHT * (x[0] - references.mean(dim=0))).tolist()
    # near 1, -4 / 0, -3 / 2, 0: two cells are worth more than 0.5
    settings = {"replace_by": "mean", "loss": "logit", "window": 1, "references": references, "iterations": 400,
                "time_penalty": 0.0, "area": 1 / 3}  # fmt: skip
    kept = attribute(linear, x, torch.tensor([0]), method, size_penalty=3.0, **settings)[0]
    for t, n in product(range(3), range(2)):
        wanted = 1.0 if worth[t][n] > 0.5 else 0.0
        assert kept[t, n].item() == pytest.approx(wanted, abs=0.1), (t, n)


def test_temporal_rescaling_by_hand() -> None:
    """Of a linear function the gradient is the same with anything masked; input x gradient loses what is masked."""
    x = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [4.0, 5.0]]])
    plain = attribute(linear, x, torch.tensor([0]), "temporal-rescaling", base="gradient", gate=0.0)
    assert plain.abs().max() == 0
    contribution = (WEIGHT * x[0]).abs()  # 1 4 / 0 3 / 2 0
    moments, features = contribution.sum(dim=1, keepdim=True), contribution.sum(dim=0, keepdim=True)
    settings = {"base": "input-x-gradient", "gate": 0.0}
    found = attribute(linear, x, torch.tensor([0]), "temporal-rescaling", reading="feature", **settings)[0]
    torch.testing.assert_close(found, moments * features)
    found = attribute(linear, x, torch.tensor([0]), "temporal-rescaling", reading="cell", **settings)[0]
    torch.testing.assert_close(found, moments * contribution)
    settings["gate"] = 0.9
    gated = attribute(linear, x, torch.tensor([0]), "temporal-rescaling", reading="cell", **settings)
    assert gated[0].nonzero()[:, 0].unique().tolist() == [0]  # the moment that matters most


@pytest.mark.parametrize("method", ["pattern", "pattern-local"])
def test_the_pattern_finds_out_suppressors(method: str) -> None:
    """Haufe et al.'s example: x0 = signal + noise, x1 = noise; the best answer x0 - x1 has no pattern in x1."""
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 5000))
    x = torch.tensor(np.stack([signal + noise, noise], axis=1)[:, None, :], dtype=torch.float64)

    def answer(x: Tensor) -> Tensor:
        score = x[:, 0, 0] - x[:, 0, 1]
        return torch.stack([score, -score], dim=1)

    weight = attribute(answer, x[:1], torch.tensor([0]), "gradient")[0, 0]
    pattern = attribute(answer, x[[0, 0]], torch.tensor([0, 1]), method, references=x)
    assert weight.tolist() == [1.0, -1.0]
    # the score is twice the signal (own logit less the other's), so the pattern is 1/2 and 0
    assert pattern[0, 0].tolist() == pytest.approx([0.5, 0.0], abs=0.03)
    torch.testing.assert_close(pattern[1], -pattern[0])


def test_the_baseline_moves_what_uses_one() -> None:
    torch.manual_seed(0)
    x, references = torch.ones(1, 3, 2), torch.randn(9, 3, 2)
    for method in method_names():
        settings = {"references": references, "window": 1, "base": "input-x-gradient"}
        zero = attribute(both, 2 * x, torch.tensor([0]), method, **settings)
        one = attribute(both, 2 * x, torch.tensor([0]), method, baseline=0.5, **settings)
        assert torch.equal(zero, one) == (not METHODS[method].uses_baseline), method


class Counter:
    """Counts how many samples pass through a function."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.count += len(x)
        return linear(x)


@pytest.mark.parametrize("method", method_names())
def test_the_cost_is_what_is_stated(method: str) -> None:
    counter, x = Counter(), torch.randn(1, 3, 2)
    settings = {**QUICK, "window": 1, "references": torch.randn(5, 3, 2), "gate": 0.0}
    attribute(counter, x, torch.tensor([0]), method, **settings)
    stated = forward_passes(method, 3, 2, **settings)
    assert abs(counter.count - stated) <= 2  # captum asks some functions once more to see what they return


def test_one_message_for_each_wrong_explanation() -> None:
    x, target = torch.ones(1, 3, 2), torch.tensor([0])
    with pytest.raises(InputError, match="'deep-lift' is refused on recurrent networks: its rules do not reach"):
        attribute(linear, x, target, "deep-lift")
    with pytest.raises(InputError, match="'fit' is refused on recurrent networks: it credits a value at the step"):
        attribute(linear, x, target, "fit")
    with pytest.raises(InputError, match="Did you mean 'window'"):
        attribute(linear, x, target, "ablation", windw=3)
    with pytest.raises(InputError, match="'gradient-shap' replaces inputs by other samples: give training samples"):
        attribute(linear, x, target, "gradient-shap")
    with pytest.raises(InputError, match=r"references must have shape \(n, 3, 2\); \(4, 3, 5\) came"):
        attribute(linear, x, target, "latent-attention", references=torch.ones(4, 3, 5))
    with pytest.raises(InputError, match=r"baseline must be a number or have shape \(3, 2\)"):
        attribute(linear, x, target, baseline=torch.ones(4))
    with pytest.raises(InputError, match="n_samples of an explanation must be at least 1; 0 came"):
        attribute(linear, x, target, "smoothgrad", n_samples=0)
    with pytest.raises(InputError, match="base method of temporal rescaling must be one of"):
        attribute(linear, x, target, "temporal-rescaling", base="smoothgrad")


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
    for settings, words in (({"dropout": 2.0}, "dropout of a net"), ({"hidden_size": 0}, "hidden_size of a net"),
                            ({"form": "nonsense"}, "form of a network must be"), ({"window": 0}, "window of a net")):
        with pytest.raises(DecoderError, match=words):
            make_network("lstm", 3, 2, **settings)
    with pytest.raises(DecoderError, match="at least 1 region and 1 class; 0 and 2 came"):
        make_network("lstm", 0, 2)
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
    with pytest.raises(DecoderError, match="readout of a network must be one of last, mean, max, attention"):
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
        x[k, n:] = float("nan")
    for wrong in ([9, 4, 0], [9, 4, 10], [9.0, 4.0, 1.0], [9, 4]):
        with pytest.raises(DecoderError, match="lengths must be 3 whole numbers between 1 and 9"):
            net(x, torch.tensor(wrong))
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


@pytest.mark.parametrize("targets", [np.array([0]), torch.tensor([0.0]), torch.tensor([-1])])
def test_targets_are_class_numbers(targets: object) -> None:
    with pytest.raises(InputError, match="tensor of class numbers"):
        attribute(linear, torch.zeros(1, 3, 2), targets, "gradient")


def test_inputs_are_finite() -> None:
    with pytest.raises(InputError, match="must be finite"):
        attribute(linear, torch.full((1, 3, 2), torch.nan), torch.tensor([0]), "gradient")
