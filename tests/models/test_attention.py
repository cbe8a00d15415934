"""Input-cell attention against the equations, the published cell, and its own properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmri_saliency.models import InputCellAttention, InputCellLSTM
from fmri_saliency.models.attention import causal_softmax_average

REFERENCE = Path(__file__).parent / "input_cell_reference.npz"


def slow_average(scores: Tensor, x: Tensor) -> Tensor:
    """Evaluate the equation step by step: softmax over the past for each hop, mean over hops."""
    steps = []
    for t in range(x.shape[1]):
        weights = scores[:, : t + 1].softmax(dim=1)
        steps.append((weights.transpose(1, 2) @ x[:, : t + 1]).mean(dim=1))
    return torch.stack(steps, dim=1)


def draw(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_two_steps_by_hand() -> None:
    # one hop; weights of the second step are e^0 : e^log3 = 1/4 : 3/4
    scores = torch.tensor([[[0.0], [float(np.log(3.0))]]])
    x = torch.tensor([[[4.0], [8.0]]])
    assert causal_softmax_average(scores, x).flatten().tolist() == pytest.approx([4.0, 7.0])


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 45), st.sampled_from([0.1, 1.0, 30.0]))
def test_equals_the_equation_for_any_chunk(n_times: int, hops: int, chunk: int, scale: float) -> None:
    scores = draw(n_times, 2, n_times, hops, scale=scale).requires_grad_()
    x = draw(hops, 2, n_times, 3).requires_grad_()
    fast, slow = causal_softmax_average(scores, x, chunk), slow_average(scores, x)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)
    weight = draw(9, *fast.shape)
    for one, other in zip(
        torch.autograd.grad((fast * weight).sum(), (scores, x)),
        torch.autograd.grad((slow * weight).sum(), (scores, x)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_scores_of_any_size_neither_overflow_nor_lose_the_past() -> None:
    scores = torch.tensor([1e4, -1e4, 0.0, -1e4] * 10, dtype=torch.float32).reshape(1, 40, 1).requires_grad_()
    x = torch.arange(40, dtype=torch.float32).reshape(1, 40, 1)
    found = causal_softmax_average(scores, x, chunk_size=7)
    best = torch.tensor([np.arange(0, t + 1, 4).mean() for t in range(40)], dtype=torch.float32)
    torch.testing.assert_close(found[0, :, 0], best)
    found.sum().backward()
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("case", ["mean_rows", "mean_rows_sharp"])
@pytest.mark.parametrize("chunk", [4, 32])
def test_equals_the_published_cell(case: str, chunk: int) -> None:
    with np.load(REFERENCE) as file:
        given_ = {k.split("/")[1]: torch.from_numpy(file[k]) for k in file.files if k.split("/")[0] == case}
    layer = InputCellLSTM(7, 5, hops=4, attention_size=6).double()
    layer.attention.chunk_size = chunk
    state = {
        "attention.first.weight": given_["attention_first_weight"],
        "attention.first.bias": given_["attention_first_bias"],
        "attention.second.weight": given_["attention_second_weight"],
        "attention.second.bias": given_["attention_second_bias"],
        "lstm.weight_ih_l0": given_["gate_input_weight"].T,
        "lstm.weight_hh_l0": given_["gate_hidden_weight"].T,
        "lstm.bias_ih_l0": given_["gate_bias"],
        "lstm.bias_hh_l0": torch.zeros(20, dtype=torch.float64),
    }
    layer.load_state_dict(state)
    x = given_["x"].clone().requires_grad_()
    hidden, (_, cell) = layer(x)
    (gradient,) = torch.autograd.grad((hidden[:, -1] @ given_["readout"]).sum(), x)
    torch.testing.assert_close(hidden, given_["hidden_sequence"], rtol=0, atol=1e-12)
    torch.testing.assert_close(cell[0], given_["last_cell_state"], rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, given_["input_gradient"], rtol=0, atol=1e-12)


@given(st.integers(0, 29))
def test_a_change_moves_nothing_before_it(step: int) -> None:
    torch.manual_seed(0)
    layer, x = InputCellAttention(3, hops=2, attention_size=4).double(), draw(1, 1, 30, 3)
    changed = x.clone()
    changed[:, step] += 1.0
    before, after = layer(x), layer(changed)
    assert torch.equal(before[:, :step], after[:, :step])
    assert not torch.equal(before[:, step], after[:, step])


@given(st.permutations(range(5)))
def test_permuting_regions_permutes_saliency(order: list[int]) -> None:
    torch.manual_seed(0)
    layer = InputCellLSTM(5, 4, hops=3, attention_size=6).double()
    other = InputCellLSTM(5, 4, hops=3, attention_size=6).double()
    other.load_state_dict(layer.state_dict())
    with torch.no_grad():
        other.attention.first.weight.copy_(layer.attention.first.weight[:, order])
        other.lstm.weight_ih_l0.copy_(layer.lstm.weight_ih_l0[:, order])
    x = draw(2, 2, 12, 5)
    maps = []
    for net, inputs in ((layer, x), (other, x[:, :, order])):
        inputs = inputs.clone().requires_grad_()
        maps.append(torch.autograd.grad(net(inputs)[0][:, -1].sum(), inputs)[0])
    torch.testing.assert_close(maps[0][:, :, order], maps[1], rtol=0, atol=1e-12)
