"""Rounding errors, which depend on the processor and on the samples beside a sample, decide nothing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from fmri_saliency.attribution import attribute, method_names
from fmri_saliency.attribution.coalitions import refined_players
from fmri_saliency.attribution.ties import is_flat, rank_with_ties

LAST_BITS = 4 * torch.finfo(torch.float32).eps
MASKS = ("cells", "windows", "splines", "pooled", "separable")
KINDS = ("samples", "surrogate", "mean", "learned")


def alike(x: Tensor) -> Tensor:
    """Answer by four steps in which three regions take part alike: many cells matter exactly as much as others."""
    score = (x[:, :4] * torch.tensor([1.0, -1.0, 0.5])).sum(dim=1).tanh().sum(dim=1)
    return torch.stack([2 * score, -score, torch.zeros_like(score)], dim=1)


def shaken(forward: Callable[[Tensor], Tensor], seed: int) -> Callable[[Tensor], Tensor]:
    """Return the same function and slope but for the last bits, which change with every call and place in a batch."""
    generator = torch.Generator().manual_seed(seed)

    class Shake(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor) -> Tensor:
            return x * (1 + LAST_BITS * (torch.rand(x.shape, generator=generator) - 0.5))

        @staticmethod
        def backward(ctx, slope: Tensor) -> Tensor:
            return slope * (1 + LAST_BITS * (torch.rand(slope.shape, generator=generator) - 0.5))

    return lambda x: Shake.apply(forward(Shake.apply(x)))


def furthest(method: str, x: Tensor, **settings: object) -> float:
    """Return how far the last bits of an answer move a map, as a share of its largest value."""
    references, target = torch.randn(15, *x.shape[1:]), torch.arange(len(x)) % 3
    plain = attribute(alike, x, target, method, references=references, **settings)
    moved = [attribute(shaken(alike, seed), x, target, method, references=references, **settings) for seed in range(3)]
    return float(max((one - plain).abs().max() for one in moved) / plain.abs().max())


@pytest.mark.parametrize("method", method_names())
def test_the_last_bits_of_an_answer_move_no_map(method: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 12, 3)
    assert furthest(method, x, window=3, base="input-x-gradient", n_samples=8) < 1e-4


@pytest.mark.parametrize("parameterisation", MASKS)
@pytest.mark.parametrize("replace_by", KINDS)
@pytest.mark.parametrize("form", ["linear", "squared", "area"])
def test_the_last_bits_of_an_answer_move_no_mask(form: str, replace_by: str, parameterisation: str) -> None:
    torch.manual_seed(0)
    found = furthest("latent-attention", torch.randn(4, 12, 3), replace_by=replace_by, size_form=form, iterations=30,
                     parameterisation=parameterisation, time_penalty=0.5, spline_width=4, window=3)  # fmt: skip
    assert found < 1e-4


def symmetric(x: Tensor) -> Tensor:
    """Answer by a product in which every moment and region plays the same part."""
    score = x.mean(dim=(1, 2)) + (1 + x).mean(dim=2).prod(dim=1)
    return torch.stack([score, -score], dim=1)


@pytest.mark.parametrize("method", ["time-shap", "temporal-rescaling"])
def test_which_of_like_moments_are_looked_into_is_not_up_to_rounding(method: str) -> None:
    x, target = torch.full((1, 12, 6), 0.3), torch.tensor([0])
    settings = {"window": 2, "n_samples": 4, "base": "input-x-gradient"}
    plain = attribute(symmetric, x, target, method, **settings)
    for seed in range(5):
        moved = attribute(shaken(symmetric, seed), x, target, method, **settings)
        torch.testing.assert_close(moved, plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))


def test_players_of_like_value_keep_their_place() -> None:
    block = torch.arange(4)
    like = torch.tensor([1.0, 1.0 + 1e-7, -1.0 - 2e-7, 1.0], dtype=torch.float64)
    wanted = refined_players(torch.ones(4), torch.ones(4), block, gate=0.5)
    assert torch.equal(refined_players(like, like.flip(0), block, gate=0.5), wanted)
    larger = torch.tensor([1.0, 1.0, 1.0, 1.01])  # more than rounding
    assert not torch.equal(refined_players(larger, torch.ones(4), block, gate=0.5), wanted)


def test_ranks_with_ties_by_hand() -> None:
    assert rank_with_ties(np.array([0.3, -1.0, 0.1 + 0.2, 5.0])).tolist() == [1, 0, 1, 2]
    # each differs from the next by less than a millionth, the ends by more: a tie all the same
    assert rank_with_ties(np.array([1.0, 1.0 + 1.6e-6, 1.0 + 0.8e-6])).tolist() == [0, 0, 0]
    assert rank_with_ties(np.array([1.0, 1.0 + 3e-6, 0.0, -0.0, 1e-30])).tolist() == [2, 3, 0, 0, 1]
    assert rank_with_ties(np.array([[0.0, 1e-9], [1e-9, 1.0]]), floor=1e-8).tolist() == [[0, 0], [0, 1]]
    assert rank_with_ties(np.zeros((2, 0))).shape == (2, 0)
    assert rank_with_ties(np.array([7.0])).tolist() == [0]


def test_an_answer_that_is_always_the_same_has_no_pattern() -> None:
    def same(x: Tensor) -> Tensor:
        return torch.tensor([[3.0, -1.0]]).expand(len(x), -1) + 0 * x.sum(dim=(1, 2)).unsqueeze(1)

    references = torch.randn(40, 5, 3)
    found = attribute(shaken(same, 0), references[:2], torch.tensor([0, 1]), "pattern", references=references)
    assert found.abs().max() == 0


def test_what_is_flat() -> None:
    assert is_flat(np.array([0.1, 0.1 + 1e-9, 0.1]))
    assert is_flat(np.zeros(3))
    assert not is_flat(np.array([0.1, 0.1001]))
    assert not is_flat(np.array([-1.0, 1.0]))
