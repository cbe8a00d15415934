"""oneDNN's matrix product against torch's own: values, slopes, slopes of slopes, and who takes which."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from fmri_saliency.models import linear as module
from fmri_saliency.models.linear import linear, linear_beside

plain = torch.nn.functional.linear
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)
needs_onednn = pytest.mark.skipif(module.PRODUCT is None, reason="this build of torch has no oneDNN")


def draw(seed: int, *shape: int, kind: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(kind).requires_grad_()


def refuse(*_: object) -> Tensor:
    raise AssertionError("not asked for")


def test_by_hand() -> None:
    x, weight, bias = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[3.0, 5.0], [0.0, -1.0]]), torch.tensor([0.5, 0.0])
    assert linear(x, weight, bias).tolist() == [[[13.5, -2.0]]]
    assert linear(x, weight).tolist() == [[[13.0, -2.0]]]


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_slopes_and_their_slopes_are_torchs(kind: torch.dtype, has_bias: bool) -> None:
    x, weight, bias = draw(0, 3, 4, 5, kind=kind), draw(1, 6, 5, kind=kind), draw(2, 6, kind=kind)
    given = (x, weight, bias)[: 2 + has_bias]
    found: dict[str, list[Tensor]] = {}
    for name, function in {"ours": linear, "torchs": plain}.items():
        values = function(*given).tanh()
        slopes = torch.autograd.grad((values * values.detach().exp()).sum(), given, create_graph=True)
        found[name] = [values, *slopes, *torch.autograd.grad(sum((one**3).sum() for one in slopes), given)]
    for ours, torchs in zip(found["ours"], found["torchs"], strict=True):
        close(ours, torchs)


@pytest.mark.parametrize("has_bias", [True, False])
def test_an_input_used_twice_has_the_sum_of_both_slopes(has_bias: bool) -> None:
    x, weight, bias = draw(0, 3, 4, 5), draw(1, 6, 5), draw(2, 6)
    given = (x, weight, bias)[: 2 + has_bias]
    found: list[list[Tensor]] = []
    for function in (linear_beside, lambda *given: (plain(*given), given[0])):
        product, passed = function(*given)
        value = (product.tanh().sum(dim=2) * passed.sum(dim=2) ** 2).sum()
        slopes = torch.autograd.grad(value, given, create_graph=True)
        found.append([passed, *slopes, *torch.autograd.grad(sum((one**3).sum() for one in slopes), given)])
        found[-1] += torch.autograd.grad(function(*given)[0].sum(), x)  # what is passed on may stay unused
        found[-1] += torch.autograd.grad((function(*given)[1] ** 2).sum(), x)  # and so may the product
    for ours, torchs in zip(*found, strict=True):
        close(ours, torchs)


def test_views_that_are_not_contiguous() -> None:
    x, weight = draw(0, 5, 4, 3).transpose(0, 2), draw(1, 5, 9)[:, ::2]
    close(linear(x, weight), plain(x, weight))
    found, wanted = (torch.autograd.grad(one(x, weight).sum(), weight)[0] for one in (linear, plain))
    close(found, wanted)


@pytest.mark.parametrize("changed", [0, 1])
def test_a_tensor_changed_in_place_is_noticed(changed: int) -> None:
    given = draw(0, 2, 3, 4), draw(1, 5, 4)
    out = linear(*given)
    with torch.no_grad():
        given[changed].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(out.sum(), given[1 - changed])


@needs_onednn
def test_slopes_that_nobody_asked_for_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = draw(0, 2, 3, 4), draw(1, 5, 4), draw(2, 5)
    monkeypatch.setattr(module._OfWeight, "backward", staticmethod(refuse))
    (of_x,) = torch.autograd.grad(linear(x, weight, bias).sum(), x)
    close(of_x, weight.sum(dim=0).expand(2, 3, 4))
    with pytest.raises(AssertionError, match="not asked for"):
        torch.autograd.grad(linear(x, weight, bias).sum(), weight)
    monkeypatch.undo()
    monkeypatch.setattr(module._OfInput, "backward", staticmethod(refuse))
    assert torch.autograd.grad(linear(x, weight, bias).sum(), bias)[0].tolist() == [6.0] * 5


@needs_onednn
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's own, in its forward mode
def test_torchs_own_serves_where_ours_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = draw(0, 2, 3, 4), draw(1, 5, 4)
    wanted = plain(x, weight)
    monkeypatch.setattr(module, "PRODUCT", SimpleNamespace(default=refuse, binary=refuse))
    with pytest.raises(AssertionError, match="not asked for"):
        linear(x, weight)
    close(torch.func.vmap(lambda one: linear(one, weight))(x), wanted)
    close(torch.func.jacrev(lambda one: linear(one, weight).sum())(x), weight.sum(dim=0).expand(2, 3, 4))
    close(torch.func.jvp(lambda one: linear(one, weight), (x,), (x,))[1], wanted)
    close(linear(x.double(), weight.double()), wanted.double())
    assert linear(x[:0], weight).shape == (0, 3, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16
    monkeypatch.setattr(module, "PRODUCT", None)  # as in a build without oneDNN
    close(linear(x, weight), wanted)


@needs_onednn
def test_many_slopes_at_once() -> None:
    """Batched gradients, as torch.autograd.functional.jacobian takes them."""
    x, weight = draw(0, 1, 2, 3), draw(1, 2, 3)
    out = linear(x, weight)
    slopes = torch.eye(4).view(4, 1, 2, 2)
    (found,) = torch.autograd.grad(out, x, slopes, is_grads_batched=True)
    close(found.view(2, 2, 2, 3)[0, :, 0], weight)
