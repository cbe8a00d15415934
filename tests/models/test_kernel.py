"""The compiled pass over time against the matrix products, and line by line without the compiler."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmri_saliency.models import InputCellAttention, InputCellLSTM, kernel, passes
from fmri_saliency.models.attention import causal_softmax_average

LOOPS = ("rank", "share_out", "make_room", "read", "_read_again", "read_back", "_reach_scores", "read_rows")


def draw(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def products(scores: Tensor, x: Tensor, window: int | None = None, keep_hops: bool = False) -> Tensor:
    return causal_softmax_average(scores, x, "flatten" if keep_hops else "mean", window=window, chunk_size=7)


def refuse(scores: Tensor, x: Tensor) -> Tensor:
    raise AssertionError("only the second derivative needs the plain form")


def derivatives(found: Tensor, scores: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((found * draw(7, *found.shape)).sum(), (scores, x))


def test_three_steps_by_hand_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hop with the weights 1, 3 and 1: averages 4, 7 and 6; the scores' slopes are covariances."""
    for name in LOOPS:
        monkeypatch.setattr(passes, name, getattr(passes, name).py_func)
    monkeypatch.setattr(passes, "WIDTH", 1)  # features one by one
    scores = torch.tensor([0.0, np.log(3.0), 0.0]).double().view(1, 3, 1).requires_grad_()
    x = torch.tensor([[4.0, 0.0], [8.0, 0.0], [2.0, 0.0]]).double().view(1, 3, 2).requires_grad_()
    assert kernel.can_compile(scores, x)
    found = kernel.read_past(scores, x, None, refuse)
    np.testing.assert_allclose(found.detach()[0, :, 0], [4.0, 7.0, 6.0], rtol=1e-12)
    of_scores, of_x = torch.autograd.grad(found[0, 2, 0], (scores, x))
    np.testing.assert_allclose(of_x[0, :, 0], [0.2, 0.6, 0.2], rtol=1e-12)
    np.testing.assert_allclose(of_scores[0, :, 0], [0.2 * (4 - 6), 0.6 * (8 - 6), 0.2 * (2 - 6)], rtol=1e-12)
    assert not of_x[0, :, 1].any()
    rows = kernel.read_past(torch.cat([scores, 0 * scores], dim=2), x, None, refuse, keep_hops=True)
    np.testing.assert_allclose(rows.detach()[0, :, [0, 2]], [[4.0, 4.0], [7.0, 6.0], [6.0, 14 / 3]], rtol=1e-12)


def test_a_window_of_two_by_hand_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights 1, 3 and 1 again; the first step has left when the third is read: (3 * 8 + 1 * 2) / 4."""
    for name in ("weigh_recent", "read_recent", "read_recent_back"):
        monkeypatch.setattr(passes, name, getattr(passes, name).py_func)
    scores = torch.tensor([0.0, np.log(3.0), 0.0]).double().view(1, 3, 1).requires_grad_()
    x = torch.tensor([4.0, 8.0, 2.0]).double().view(1, 3, 1).requires_grad_()
    found = kernel.read_past(scores, x, 2, refuse)
    np.testing.assert_allclose(found.detach().flatten(), [4.0, 7.0, 6.5], rtol=1e-12)
    of_scores, of_x = torch.autograd.grad(found[0, 2, 0], (scores, x))
    np.testing.assert_allclose(of_x.flatten(), [0.0, 0.75, 0.25], rtol=1e-12)
    np.testing.assert_allclose(of_scores.flatten(), [0.0, 0.75 * (8 - 6.5), 0.25 * (2 - 6.5)], rtol=1e-12)


@given(
    st.integers(1, 30), st.integers(1, 5), st.integers(1, 600), st.integers(1, 3),
    st.sampled_from([0.1, 3.0, 1e4]), st.sampled_from([torch.float32, torch.float64]),
    st.none() | st.integers(1, 32), st.booleans(),
)  # fmt: skip
def test_equals_the_matrix_products(
    n_times: int, hops: int, width: int, batch: int, scale: float, dtype: torch.dtype, window: int | None, rows: bool
) -> None:
    rows = rows and window is None
    scores = draw(n_times, batch, n_times, hops, scale=scale).to(dtype).requires_grad_()
    x = draw(hops, batch, n_times, width).to(dtype).requires_grad_()
    found, wanted = kernel.read_past(scores, x, window, refuse, rows), products(scores, x, window, rows)
    limit = 1e-11 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(found, wanted, rtol=limit, atol=limit / 10)
    for one, two in zip(derivatives(found, scores, x), derivatives(wanted, scores, x), strict=True):
        torch.testing.assert_close(one, two, rtol=limit, atol=limit)


@pytest.mark.parametrize(("window", "rows"), [(None, False), (None, True), (3, False)])
def test_the_second_derivative_is_that_of_the_products(window: int | None, rows: bool) -> None:
    plain = partial(products, window=window, keep_hops=rows)
    scores, x = draw(1, 2, 9, 3).requires_grad_(), draw(2, 2, 9, 4).requires_grad_()

    def through(scores: Tensor, x: Tensor) -> Tensor:
        return kernel.read_past(scores, x, window, plain, rows)

    assert torch.autograd.gradgradcheck(through, (scores, x))
    assert torch.autograd.gradgradcheck(lambda one: through(one, x.detach()), scores)  # weights learn from plain inputs
    assert torch.autograd.gradgradcheck(lambda one: through(scores.detach(), one), x)
    linked = x.cumsum(dim=2)[:, :, :3]  # scores that come from the inputs: no path is counted twice
    for read in (through, plain):
        slope = torch.autograd.grad(read(linked, x).pow(2).sum(), x, create_graph=True)[0]
        again = torch.autograd.grad(slope.pow(2).sum(), x, retain_graph=True)[0]
        if read is through:
            first = slope, again
    torch.testing.assert_close(first, (slope, again), rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's own, in its forward mode
@pytest.mark.parametrize("window", [None, 3])
def test_forward_mode_and_many_slopes_at_once_go_through_the_products(window: int | None) -> None:
    scores, x = draw(1, 2, 9, 3), draw(2, 2, 9, 4)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        found = torch.autograd.forward_ad.unpack_dual(causal_softmax_average(scores, dual, window=window))
        torch.testing.assert_close(found.tangent, torch.ones_like(x))  # an average moves as all it averages do
    x.requires_grad_()
    out = causal_softmax_average(scores, x, window=window)
    slopes = draw(3, 5, *out.shape)
    together = torch.autograd.grad(out, x, slopes, is_grads_batched=True, retain_graph=True)[0]
    single = [torch.autograd.grad(out, x, one, retain_graph=True)[0] for one in slopes]
    torch.testing.assert_close(together, torch.stack(single))


@pytest.mark.parametrize("window", [None, 3])
def test_any_number_of_threads_gives_the_same(window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LIGHT", 0)
    scores, x = draw(1, 5, 9, 3).requires_grad_(), draw(2, 5, 9, 4).requires_grad_()
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            out = kernel.read_past(scores, x, window, refuse)
            found[threads] = out, *derivatives(out, scores, x)
    finally:
        torch.set_num_threads(before)
    for threads in (2, 3):
        assert all(torch.equal(one, two) for one, two in zip(found[1], found[threads], strict=True))


def test_a_tensor_changed_in_place_is_noticed_and_strides_do_not_matter() -> None:
    scores, x = draw(1, 9, 2, 3).transpose(0, 1).requires_grad_(), draw(2, 4, 9, 2).permute(2, 1, 0).requires_grad_()
    found = kernel.read_past(scores, x, None, refuse)
    torch.testing.assert_close(found, products(scores, x))
    with torch.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        found.sum().backward()


def test_what_it_does_not_take_goes_through_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, x = draw(1, 2, 9, 3), draw(2, 2, 9, 4)
    assert kernel.can_compile(scores, x)
    assert not kernel.can_compile(scores.half(), x.half())
    assert not kernel.can_compile(scores.float(), x)
    assert not kernel.can_compile(scores[:0], x[:0])
    assert not kernel.can_compile(scores, x, window=kernel.WIDEST + 1)
    assert not kernel.can_compile(scores.to("meta"), x.to("meta"))
    seen = []
    torch.func.vmap(lambda one: seen.append(kernel.can_compile(one, one)) or one)(scores)
    torch.func.grad(lambda one: seen.append(kernel.can_compile(one, one)) or one.sum())(scores)
    assert seen == [False, False]
    wanted = causal_softmax_average(scores, x)
    monkeypatch.setattr(passes, "njit", None)  # as where there is no compiler
    assert not kernel.can_compile(scores, x)
    assert passes.compile_loops(refuse) is refuse
    torch.testing.assert_close(causal_softmax_average(scores, x), wanted, rtol=0, atol=1e-13)


def test_where_nothing_can_be_kept_it_is_compiled_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def picky(**options: object) -> object:
        asked.append(options)
        if "cache" in options:
            raise RuntimeError("no locator available")
        return lambda function: function

    monkeypatch.setattr(passes, "njit", picky)
    assert passes.compile_loops(refuse) is refuse
    assert ["cache" in options for options in asked] == [True, False]


def test_a_long_series_of_a_whole_layer_stays_exact() -> None:
    torch.manual_seed(0)
    layer, x = InputCellLSTM(5, 4, hops=3), draw(3, 2, 3000, 5).float()
    again = InputCellLSTM(5, 4, hops=3, chunk_size=20)
    again.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x)[0], again(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("current_input", [True, False])
@pytest.mark.parametrize("form", ["mean", "flatten"])
def test_projecting_first_changes_nothing(form: str, current_input: bool) -> None:
    """Forward, slopes and slopes of slopes, for as few rows as make it worth while."""
    attention = InputCellAttention(12, 3, 4, form, current_input=current_input).double()
    x, weight = draw(0, 2, 9, 12).requires_grad_(), draw(1, 4, attention.output_size).requires_grad_()
    assert attention.projects_first(x, len(weight))
    found: list[list[Tensor]] = []
    for out in (attention.project(x, weight), attention(x) @ weight.T):
        given = (x, weight, *attention.parameters())
        slopes = torch.autograd.grad((out * draw(2, *out.shape)).sum(), given, create_graph=True)
        more = torch.autograd.grad(slopes[0].pow(2).sum() + slopes[1].pow(2).sum(), given, retain_graph=True)
        cheap = torch.autograd.grad((out * draw(2, *out.shape)).sum(), given)
        found.append([out, *slopes, *more, *cheap])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)


def test_where_projecting_first_does_not_pay() -> None:
    x = draw(0, 1, 3, 12)
    assert not InputCellAttention(12, 3, form="mean").projects_first(x, 12)
    assert not InputCellAttention(12, 3, form="flatten").projects_first(x, 20)
    assert not InputCellAttention(12, 3, form="flatten", window=2).projects_first(x, 4)
    assert not InputCellAttention(12, 3, form="flatten_l2").projects_first(x, 4)  # a length is no linear map
    assert not InputCellAttention(12, 3, form="mean").projects_first(x.half(), 4)
