"""The running softmax against the equation, by hand, and at the ends of the number line."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmri_saliency.errors import DecoderError
from fmri_saliency.models import FORMS, InputCellAttention, prefix
from fmri_saliency.models import attention as module
from fmri_saliency.models.attention import causal_softmax_average


def slow(scores: Tensor, x: Tensor, form: str, window: int | None = None) -> Tensor:
    steps = []
    for t in range(x.shape[1]):
        since = 0 if window is None else max(0, t - window + 1)
        rows = scores[:, since : t + 1].softmax(dim=1).transpose(1, 2) @ x[:, since : t + 1]
        read = rows.mean(dim=1) if form == "mean" else rows.flatten(1)
        steps.append(read / read.norm(dim=1, keepdim=True) if form == "flatten_l2" else read)
    return torch.stack(steps, dim=1)


def draw(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_two_steps_by_hand() -> None:
    # one hop; weights of the second step are e^0 : e^log3 = 1/4 : 3/4
    scores = torch.tensor([[[0.0], [float(np.log(3.0))]]])
    x = torch.tensor([[[4.0], [8.0]]])
    assert causal_softmax_average(scores, x).flatten().tolist() == pytest.approx([4.0, 7.0])
    assert causal_softmax_average(scores, x, window=1).flatten().tolist() == [4.0, 8.0]


def test_forms_by_hand() -> None:
    # two hops that look at the first and at the second input only; one region after the other
    scores, x = torch.tensor([[[60.0, 0.0], [0.0, 60.0]]]), torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    assert causal_softmax_average(scores, x, "mean")[0, 1].tolist() == pytest.approx([1.5, 2.0])
    assert causal_softmax_average(scores, x, "flatten")[0, 1].tolist() == pytest.approx([3.0, 0.0, 0.0, 4.0])
    assert causal_softmax_average(scores, x, "flatten_l2")[0, 1].tolist() == pytest.approx([0.6, 0.0, 0.0, 0.8])


@given(
    st.integers(1, 40), st.integers(1, 4), st.none() | st.integers(1, 45), st.sampled_from([0.1, 1.0, 300.0]),
    st.sampled_from(FORMS), st.sampled_from([None, 1, 7, 100]),
)  # fmt: skip
def test_equals_the_equation_for_any_chunk(
    n_times: int, hops: int, chunk: int | None, scale: float, form: str, window: int | None
) -> None:
    scores = draw(n_times, 2, n_times, hops, scale=scale).requires_grad_()
    x = draw(hops, 2, n_times, 3).requires_grad_()
    fast = causal_softmax_average(scores, x, form, window=window, chunk_size=chunk)
    wanted = slow(scores, x, form, window)
    torch.testing.assert_close(fast, wanted, rtol=0, atol=1e-12)
    weight = draw(9, *fast.shape)
    for one, other in zip(
        torch.autograd.grad((fast * weight).sum(), (scores, x)),
        torch.autograd.grad((wanted * weight).sum(), (scores, x)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunk", [3, 8])
@pytest.mark.parametrize("slope", [0.0, 10.0, -10.0])
def test_long_series_carry_the_state_over_many_chunks(
    slope: float, chunk: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix, "CHUNKS", 4)  # 4 chunks per span: several spans in 101 steps
    ramp = slope * torch.arange(101).view(1, 101, 1)  # with it, one scale does not serve for all of time
    scores, x = (draw(1, 2, 101, 3, scale=3.0) + ramp).requires_grad_(), draw(2, 2, 101, 4).requires_grad_()
    assert prefix.is_mild(scores, chunk)
    assert prefix.is_mild(scores) == (slope == 0)
    fast, wanted = causal_softmax_average(scores, x, form, chunk_size=chunk), slow(scores, x, form)
    torch.testing.assert_close(fast, wanted, rtol=0, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(fast.pow(2).sum(), (scores, x)), torch.autograd.grad(wanted.pow(2).sum(), (scores, x)),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_both_ways_of_computing_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    for name in ("factored_average", "_pairwise"):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, n=name, f=original, **k: used.append(n) or f(*a, **k))
    monkeypatch.setattr(module, "read_past", lambda *a: used.append("read_past") or a[1])
    scores, x = draw(0, 1, 40, 2), draw(1, 1, 40, 3)
    causal_softmax_average(scores, x)
    causal_softmax_average(scores, x, chunk_size=20)
    causal_softmax_average(1e3 * scores, x, chunk_size=20)
    causal_softmax_average(scores, x, "flatten")
    causal_softmax_average(scores, x, window=3)
    causal_softmax_average(scores, x, "flatten", window=3)
    causal_softmax_average(scores, x, "flatten", chunk_size=20)
    once = ["read_past", "factored_average", "_pairwise", "read_past", "read_past", "_pairwise", "factored_average"]
    assert used == once


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_at_the_edge_of_mild_nothing_is_lost(dtype: torch.dtype, rising: bool, form: str) -> None:
    """Scores that rise or fall by just less than the limit within each chunk, over many chunks."""
    spread = 0.99 * prefix.SPREAD[dtype]
    ramp = torch.arange(64, dtype=torch.float64) * spread / 7  # 8 steps a chunk
    scores = (ramp if rising else -ramp).to(dtype).view(1, 64, 1).requires_grad_()
    x = draw(3, 1, 64, 2).to(dtype).requires_grad_()
    assert prefix.is_mild(scores, 8)
    assert not prefix.is_mild(1.02 * scores, 8)
    fast = causal_softmax_average(scores, x, form, chunk_size=8)
    wanted = slow(scores.double(), x.double(), form)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(fast.double(), wanted, rtol=tolerance, atol=tolerance)
    first = torch.autograd.grad(fast.pow(3).sum(), (scores, x), create_graph=True)
    again = torch.autograd.grad(wanted.pow(3).sum(), (scores, x), create_graph=True)
    second = torch.autograd.grad(sum(g.pow(2).sum() for g in first), x)
    other = torch.autograd.grad(sum(g.pow(2).sum() for g in again), x)
    for one, two in zip((*first, *second), (*again, *other), strict=True):
        torch.testing.assert_close(one.double(), two.double(), rtol=20 * tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("form", FORMS)
def test_scores_of_any_size_neither_overflow_nor_lose_the_past(form: str) -> None:
    scores = torch.tensor([1e4, -1e4, 0.0, -1e4] * 10, dtype=torch.float32).reshape(1, 40, 1).requires_grad_()
    x = torch.arange(1, 41, dtype=torch.float32).reshape(1, 40, 1)
    found = causal_softmax_average(scores, x, form, chunk_size=7)
    best = torch.tensor([np.arange(1, t + 2, 4).mean() for t in range(40)], dtype=torch.float32)
    torch.testing.assert_close(found[0, :, 0], torch.ones(40) if form == "flatten_l2" else best)
    found.sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_half_precision_is_computed_in_single() -> None:
    scores, x = draw(1, 1, 50, 2).to(torch.bfloat16), draw(2, 1, 50, 3).to(torch.bfloat16)
    found = causal_softmax_average(scores, x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, causal_softmax_average(scores.float(), x.float()).to(torch.bfloat16))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [None, 4])
@given(step=st.integers(0, 29))
def test_a_change_moves_nothing_before_it(form: str, window: int | None, step: int) -> None:
    torch.manual_seed(0)
    layer, x = InputCellAttention(3, 2, 4, form, window=window).double(), draw(1, 1, 30, 3)
    changed = x.clone()
    changed[:, step] += 1.0
    before, after = layer(x.requires_grad_()), layer(changed)
    # a later score may change the number that exponents are taken relative to, so equal up to rounding
    torch.testing.assert_close(before[:, :step], after[:, :step], rtol=0, atol=1e-14)
    assert not torch.autograd.grad(before[:, :step].sum() + 0 * x.sum(), x, retain_graph=True)[0][:, step:].any()
    assert not torch.equal(before[:, step], after[:, step])
    if window is not None:
        torch.testing.assert_close(before[:, step + window :], after[:, step + window :], rtol=0, atol=1e-14)


def test_weights_are_those_that_are_used() -> None:
    torch.manual_seed(0)
    for window in (None, 3):
        layer, x = InputCellAttention(4, 3, 5, "flatten", window=window).double(), draw(1, 2, 9, 4)
        for step in (0, 5, -1):
            weights = layer.weights(x, step)
            torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 3).double())
            torch.testing.assert_close((weights @ x).flatten(1), layer(x)[:, step], rtol=0, atol=1e-14)


def test_one_message_for_each_wrong_setting() -> None:
    with pytest.raises(DecoderError, match="form of the input-cell attention must be one of mean, flatten"):
        InputCellAttention(3, form="means")
    with pytest.raises(DecoderError, match="hops of the input-cell attention must be at least 1; 0 came"):
        InputCellAttention(3, hops=0)
    with pytest.raises(DecoderError, match=r"window .* at least 1 step; 0 came"):
        causal_softmax_average(draw(0, 1, 4, 1), draw(0, 1, 4, 1), window=0)
    assert "form=flatten" in repr(InputCellAttention(3, form="flatten"))
    with pytest.raises(DecoderError, match=r"at least one step, with at least one hop; \(1, 5, 1\) and \(1, 4, 1\)"):
        causal_softmax_average(draw(0, 1, 5, 1), draw(0, 1, 4, 1))
    with pytest.raises(DecoderError, match=r"at least one hop; \(1, 4, 0\) and \(1, 4, 1\)"):
        causal_softmax_average(draw(0, 1, 4, 0), draw(0, 1, 4, 1))
    with pytest.raises(DecoderError, match=r"chunk_size .* at least 1; -1 came"):
        causal_softmax_average(draw(0, 1, 4, 1), draw(0, 1, 4, 1), chunk_size=-1)
    with pytest.raises(DecoderError, match=r"reads \(batch, time, 3\); \(4, 3\) came"):
        InputCellAttention(3)(torch.zeros(4, 3))


def test_a_window_of_all_steps_is_none_and_a_chunk_no_longer_than_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    original = module.factored_average
    monkeypatch.setattr(module, "factored_average", lambda *a, **k: used.append(a[2]) or original(*a, **k))
    scores, x = draw(0, 1, 40, 2), draw(1, 1, 40, 3)
    whole = causal_softmax_average(scores, x, chunk_size=20)
    assert torch.equal(causal_softmax_average(scores, x, window=40, chunk_size=20), whole)
    torch.testing.assert_close(causal_softmax_average(scores, x, chunk_size=4000), whole, rtol=0, atol=1e-14)
    assert used == [20, 20, 40]


@pytest.mark.parametrize("form", FORMS)
def test_training_leaves_the_bias_alone_that_no_answer_depends_on(form: str) -> None:
    """A constant of a hop changes no softmax over time; what rounding leaves of its slope must not move it."""
    torch.manual_seed(0)
    layer = InputCellAttention(4, hops=3, attention_size=5, form=form)
    x, others = torch.randn(6, 30, 4), layer.first.weight.detach().clone()
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        layer(x).square().sum().backward()
        optimiser.step()
    assert layer.second.bias.abs().max() == 0
    assert (layer.first.weight - others).abs().max() > 0.1
    shift = torch.tensor([1.0, -2.0, 0.5])
    with torch.no_grad():
        before, scores = layer(x), layer.scores(x)
        layer.second.bias += shift  # as in a file of weights of an earlier training: it is read, and changes no answer
        torch.testing.assert_close(layer.scores(x) - scores, shift.expand_as(scores), rtol=0, atol=1e-5)
        torch.testing.assert_close(layer(x), before, rtol=1e-4, atol=1e-5)
