"""Kernel SHAP over any players: against the definition, captum, and games that are solved by hand."""

from itertools import permutations
from math import comb

import pytest
import torch
from captum.attr import KernelShap, ShapleyValues
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmri_saliency.attribution import attribute, forward_passes
from fmri_saliency.attribution.coalitions import (
    count_coalitions,
    draw_coalitions,
    refined_players,
    shapley_values,
)


def tangled(x: Tensor) -> Tensor:
    """Answer with interactions of up to four cells."""
    score = x[:, 0, 0] * x[:, 1, 1] + (x[:, 0] * x[:, 1]).prod(dim=1) + x.sum(dim=(1, 2)).tanh()
    return torch.stack([score, -2 * score], dim=1)


def pairs(x: Tensor) -> Tensor:
    """Answer with interactions of two cells, at any distance."""
    weight = torch.arange(x[0].numel() ** 2, dtype=x.dtype).reshape(x[0].numel(), -1).sin()
    score = torch.einsum("ni,ij,nj->n", x.flatten(1), weight, x.flatten(1)) + x.sum(dim=(1, 2))
    return torch.stack([score, torch.zeros_like(score)], dim=1)


def by_definition(x: Tensor, absent: Tensor, players: Tensor) -> list[float]:
    """Average what each player adds, over all orders."""
    n = int(players.max()) + 1
    added = torch.zeros(n, dtype=x.dtype)
    orders = list(permutations(range(n)))
    for order in orders:
        now = absent.clone()
        for player in order:
            before = tangled(now[None])[0, 0]
            now = torch.where(players == player, x, now)
            added[player] += tangled(now[None])[0, 0] - before
    return (added / len(orders)).tolist()


@given(seed=st.integers(0, 10**6), n_players=st.integers(1, 4))
def test_they_are_shapley_values(seed: int, n_players: int) -> None:
    torch.manual_seed(seed)
    x, absent = torch.randn(2, 2, 2, 2).double()
    players = torch.arange(4).reshape(2, 2).clamp_max(n_players - 1)
    found = shapley_values(tangled, x, torch.tensor([0, 0]), players, absent, per_player=10)
    for k in range(2):
        wanted = torch.tensor([by_definition(x[k], one, players) for one in absent]).mean(dim=0)
        torch.testing.assert_close(found[k].float(), wanted, rtol=1e-5, atol=1e-5)


def test_they_are_captums() -> None:
    torch.manual_seed(0)
    x, baseline, target = torch.randn(1, 2, 3), torch.randn(1, 2, 3), torch.tensor([1])
    players = torch.tensor([[0, 1, 2], [3, 4, 4]])
    settings = {"baselines": baseline, "target": target, "feature_mask": players[None], "perturbations_per_eval": 64}
    exact = ShapleyValues(tangled).attribute(x, **settings)
    found = shapley_values(tangled, x, target, players, baseline, per_player=6)  # 2 ** 5 - 2 = 30: all of them
    torch.testing.assert_close(found[:, players].float(), exact, rtol=1e-4, atol=1e-5)
    drawn = KernelShap(tangled).attribute(x, n_samples=1000, **settings)
    torch.testing.assert_close(found[:, players].float(), drawn, rtol=0, atol=0.1)
    assert found.abs().max() > 1


def test_interactions_of_two_players_are_exact_from_few_coalitions() -> None:
    torch.manual_seed(0)
    x, baseline = torch.randn(3, 9, 4).double(), torch.randn(1, 9, 4).double()
    players = torch.arange(36).reshape(9, 4)
    # with all but one other cell at the baseline or all at the input, a pair's share is the same: half
    target = torch.tensor([0, 0, 0])
    alone, last = torch.zeros(2, 3, 36).double()
    for k in range(36):
        now = torch.where(players == k, x, baseline)
        alone[:, k] = (pairs(now) - pairs(baseline))[:, 0]
        last[:, k] = (pairs(x) - pairs(torch.where(players == k, baseline, x)))[:, 0]
    found = shapley_values(pairs, x, target, players, baseline, per_player=4)
    torch.testing.assert_close(found, (alone + last) / 2)


def test_coalitions_come_with_their_complement_and_the_kernels_sizes() -> None:
    torch.manual_seed(0)
    present, weight = draw_coalitions(5, per_player=100)
    assert present.sum(dim=1).bincount().tolist() == [0, *(comb(5, k) for k in range(1, 5))]
    assert len(present.unique(dim=0)) == 30
    # the kernel: 4 / (5 * 1 * 4) for one of five players, 4 / (10 * 2 * 3) for two
    assert weight[present.sum(dim=1) == 1].tolist() == pytest.approx([0.2] * 5)
    assert weight[present.sum(dim=1) == 3].tolist() == pytest.approx([1 / 15] * 10)
    present, weight = draw_coalitions(20, per_player=500)
    assert len(present) == count_coalitions(20, 500) == 10000
    assert torch.equal(present[:5000], ~present[5000:])
    assert weight.unique().tolist() == [1]
    size = torch.arange(1, 20)
    wanted = (1 / (size * (20 - size))) / (1 / (size * (20 - size))).sum()
    share = present.sum(dim=1).bincount(minlength=21)[1:20] / 10000
    torch.testing.assert_close(share, wanted, rtol=0, atol=0.015)
    assert (present.float().mean(dim=0) - 0.5).abs().max() < 1e-6  # each player is in one of each pair


def test_the_players_of_the_last_game() -> None:
    windows, regions = torch.tensor([0.1, -3.0, 1.0, 0.0]), torch.tensor([2.0, 0.0, 1.0])
    block = torch.tensor([0, 0, 1, 2, 3])
    players = refined_players(windows, regions, block, gate=0.5)  # two of the windows, two of the regions
    # window 1 x region 0, x region 2, x the other; window 2; and windows 0 and 3 together
    assert players.tolist() == [[6, 8, 7], [6, 8, 7], [0, 2, 1], [3, 5, 4], [6, 8, 7]]
    assert refined_players(windows, regions, block, gate=0.0).unique().tolist() == list(range(12))
    assert refined_players(windows, regions, block, gate=0.9).tolist() == [[2, 3, 3], [2, 3, 3], [0, 1, 1],
                                                                           [2, 3, 3], [2, 3, 3]]  # fmt: skip


def test_time_shap_leaves_out_what_adds_little_and_not_what_is_old() -> None:
    """The answer is at the first and at the last step; whatever is between them is left out."""
    weight = torch.zeros(8, 3)
    weight[0, 0], weight[7, 2], weight[3, 1] = 5.0, 4.0, 0.1

    def answer(x: Tensor) -> Tensor:
        return torch.stack([(x * weight).sum(dim=(1, 2)), torch.zeros(len(x))], dim=1)

    found = attribute(answer, torch.ones(1, 8, 3), torch.tensor([0]), "time-shap", window=1, gate=0.67)[0]
    wanted = torch.zeros(8, 3)  # round(0.33 * 8) = 3 windows: 0, 7, 3; round(0.33 * 3) = 1 region: 0
    wanted[0, 0], wanted[7, 1:], wanted[3, 1:] = 5.0, 2.0, 0.05
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    # 8 windows and 3 regions: 2 ** 3 - 2 = 6 coalitions of the three; 16 for each of 8 and of (3 + 1) * (1 + 1)
    assert forward_passes("time-shap", 8, 3, window=1, gate=0.67) == (2 + 128) + (2 + 6) + (2 + 128)


def test_window_shap_averages_over_other_samples() -> None:
    """A product is worth half of what it is more than each background's, by hand."""

    def product(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0, 0] * x[:, 0, 1], torch.zeros(len(x))], dim=1)

    x, references = torch.tensor([[[3.0, 2.0]]]), torch.tensor([[[1.0, 0.0]], [[0.0, 4.0]]])
    found = attribute(product, x, torch.tensor([0]), "window-shap", references=references)[0, 0]
    # against (1, 0): alone 0 - 0 and 2 - 0, last 6 - 2 and 6 - 0; against (0, 4): 12 - 0 and 0 - 0, 6 - 0 and 6 - 12
    assert found.tolist() == pytest.approx([(2 + 9) / 2, (4 - 3) / 2])
