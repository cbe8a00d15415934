"""Shapley values of windows and regions by Kernel SHAP: one weighted regression on random coalitions."""

from __future__ import annotations

from math import comb

import numpy as np
import torch
from torch import Tensor

from fmri_saliency.attribution.removal import window_groups
from fmri_saliency.attribution.settings import ExplainerSettings, Forward
from fmri_saliency.attribution.ties import ROUNDING, rank_with_ties

__all__ = [
    "BACKGROUND",
    "count_coalitions",
    "explain_time_shap",
    "explain_window_shap",
    "refined_players",
    "shapley_values",
    "time_shap_passes",
]

BACKGROUND = 4
PER_CALL = 256


def count_coalitions(n_players: int, per_player: int) -> int:
    """Return how many coalitions are asked: all, where there are no more than `per_player` for each player."""
    wanted = 2 * -(-per_player * n_players // 2)
    return min(2**n_players - 2, wanted) if n_players < 63 else wanted


def draw_coalitions(n_players: int, per_player: int) -> tuple[Tensor, Tensor]:
    r"""Return coalitions that are neither empty nor full, and their weights in the regression.

    All of them, weighted by the Shapley kernel :math:`(M - 1) / \big(\binom{M}{k} k (M - k)\big)` of their size
    :math:`k` among :math:`M` players, where there are few; otherwise drawn from that kernel, each with its
    complement, which halves the error and makes interactions of two players exact.

    Returns
    -------
    present : Tensor of bool, shape (n_coalitions, n_players)
    weight : Tensor of float64, shape (n_coalitions,)
    """
    n = count_coalitions(n_players, per_player)
    if n_players < 2:
        return torch.zeros(0, n_players, dtype=torch.bool), torch.zeros(0, dtype=torch.float64)
    size = torch.arange(1, n_players)
    if n == 2**n_players - 2:
        present = (torch.arange(1, n + 1).unsqueeze(1) >> torch.arange(n_players)) & 1 == 1
        kernel = [(n_players - 1) / (comb(n_players, k) * k * (n_players - k)) for k in size.tolist()]
        return present, torch.tensor(kernel, dtype=torch.float64)[present.sum(dim=1) - 1]
    chosen = size[torch.multinomial(1 / (size * (n_players - size)), n // 2, replacement=True)]
    rank = torch.rand(n // 2, n_players).argsort(dim=1).argsort(dim=1)
    half = rank < chosen.unsqueeze(1)
    return torch.cat([half, ~half]), torch.ones(n, dtype=torch.float64)


def _values(forward: Forward, x: Tensor, target: Tensor, players: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """Return the target's logit for each sample and coalition, mean over what stands in for absent players."""
    parts = []
    with torch.no_grad():
        for some in present.split(max(1, PER_CALL // (len(x) * len(absent)))):
            kept = some.to(x.device)[:, players].unsqueeze(1).unsqueeze(1)  # (coalition, 1, 1, time, region)
            mixed = torch.where(kept, x.unsqueeze(1), absent)  # (coalition, sample, background, time, region)
            answer = forward(mixed.flatten(0, 2)).unflatten(0, mixed.shape[:3]).mean(dim=2)
            parts.append(answer.gather(2, target.view(1, -1, 1).expand(len(some), -1, -1)).squeeze(2))
    return torch.cat(parts).T.cpu().double()


def shapley_values(
    forward: Forward, x: Tensor, target: Tensor, players: Tensor, absent: Tensor, per_player: int
) -> Tensor:
    r"""Return the Shapley value of every player, in logits: (n_samples, n_players).

    The value of a coalition is the logit when the cells of all other players are replaced, :math:`v(S) =
    \mathrm{mean}_b\, F(x_S, b_{\bar S})`. With :math:`z` the indicator of a coalition,

    .. math:: \min_\phi \sum_S \pi_S \big(v(S) - v(\emptyset) - z_S^T \phi\big)^2
        \quad \text{with} \quad \textstyle\sum_j \phi_j = v(\text{all}) - v(\emptyset)

    which is exact when every coalition is asked, and for linear functions from 3 coalitions per player on (with fewer
    there are not as many equations as values). All samples of a call see the same
    coalitions, so that a sample's values do not depend on the others.

    Parameters
    ----------
    forward : callable
    x : Tensor, shape (n_samples, n_times, n_regions)
    target : Tensor of int, shape (n_samples,)
    players : Tensor of int, shape (n_times, n_regions)
        The player that each cell belongs to, from 0 without gaps.
    absent : Tensor, shape (n_background, n_times, n_regions)
        What stands in for absent players.
    per_player : int
        Coalitions that are asked for each player.

    References
    ----------
    Lundberg, Lee (2017), arXiv:1705.07874, theorem 2; Covert, Lee (2021), arXiv:2012.01536, on pairs of complements.
    """
    n_players = int(players.max()) + 1
    ends = torch.tensor([[False], [True]]).expand(2, n_players)
    none, everyone = _values(forward, x, target, players, ends, absent).unbind(dim=1)
    even = ((everyone - none) / n_players).unsqueeze(1)
    present, weight = draw_coalitions(n_players, per_player)
    if not len(present):
        return even.expand(-1, n_players)
    z = present.double()
    rest = _values(forward, x, target, players, present, absent) - none.unsqueeze(1) - even * z.sum(dim=1)
    centred = z - z.mean(dim=1, keepdim=True)  # what is left to find sums to 0
    weighted = centred * weight.unsqueeze(1)
    return even + rest @ weighted @ torch.linalg.pinv(weighted.T @ centred, hermitian=True)


def _spread(values: Tensor, players: Tensor, x: Tensor) -> Tensor:
    """Share each player's value evenly among its cells: (n_samples, n_times, n_regions)."""
    return (values / players.flatten().bincount()).to(x)[:, players]


def explain_window_shap(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return Shapley values of regions x windows against other samples, by Kernel SHAP.

    An absent group is replaced by the same cells of four references (`BACKGROUND`), drawn once for all
    samples, and the logit averaged over them, as WindowSHAP does with its background data: what stands in is in
    the distribution of the data, which a constant is not. A group's value is shared evenly among its cells. With
    `n_samples` coalitions for each group.
    """
    references = settings.references_for(x, "window-shap")
    players = window_groups(*x.shape[1:], settings.window)[0][0]
    absent = references[torch.randperm(len(references))[:BACKGROUND].to(x.device)]
    return _spread(shapley_values(forward, x, target, players, absent, settings.n_samples), players, x)


def _kept(share_left_out: float, n: int) -> int:
    return max(1, round((1 - share_left_out) * n))


def _largest(values: Tensor, n: int) -> Tensor:
    """Return the place among the `n` largest absolute values, and `n` for all others; of like values the first."""
    size = values.abs().cpu().numpy()
    ranks = rank_with_ties(size, ROUNDING * size.max())
    place = np.argsort(np.argsort(-ranks, kind="stable"))
    return torch.from_numpy(place).clamp_max(n)


def refined_players(windows: Tensor, regions: Tensor, block: Tensor, gate: float) -> Tensor:
    """Return the players of the last step of :func:`explain_time_shap`, shape (n_times, n_regions).

    Parameters
    ----------
    windows, regions : Tensor, shapes (n_windows,) and (n_regions,)
        Shapley values.
    block : Tensor of int, shape (n_times,)
        The window of each step.
    gate : float
        Share of windows, and of regions, that are not looked into.
    """
    n_rows, n_columns = _kept(gate, len(windows)), _kept(gate, len(regions))
    row, column = _largest(windows, n_rows)[block], _largest(regions, n_columns)
    return (row.unsqueeze(1) * (n_columns + 1) + column).unique(return_inverse=True)[1]


def explain_time_shap(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return Shapley values of the windows x regions that matter, found by those of windows and of regions.

    Three games, all against the baseline, with `n_samples` coalitions for each player. In the first a
    player is a window of time with all its regions, values :math:`\phi_w`; in the second a region over all time,
    :math:`\psi_i`. The `gate` share of the windows with the smallest :math:`|\phi_w|`, and of the regions with the
    smallest :math:`|\psi_i|`, are then not looked into. With :math:`W` and :math:`R` those that are, the players
    of the third game are every :math:`\{w\} \times \{i\}` of :math:`W \times R`; for every :math:`w \in W` its
    other regions, :math:`\{w\} \times \bar R`; for every :math:`i \in R` its other windows,
    :math:`\bar W \times \{i\}`; and all that is left, :math:`\bar W \times \bar R`. The map is

    .. math:: A_{ti} = \frac{\chi_{p(t, i)}}{|p(t, i)|}

    with :math:`\chi` the values of the third game, :math:`p(t, i)` the player that the cell belongs to and
    :math:`|p|` its number of cells. It sums to :math:`F(x) - F(b)`. A window is left out for its value, not for its
    age: the published method also prunes old events, which takes for granted that they do not matter.
    What cancels within a window, or within a region, can be left out. `x` holds one sample.

    References
    ----------
    Bento, Saleiro, Cruz, Figueiredo, Bizarro (2021), arXiv:2012.00073.
    """
    n_times, n_regions = x.shape[1:]
    absent = settings.baseline_for(x)
    block = torch.arange(n_times, device=x.device) // settings.window
    of_window = block.unsqueeze(1).expand(-1, n_regions)
    of_region = torch.arange(n_regions, device=x.device).expand(n_times, -1)
    windows, regions = (
        shapley_values(forward, x, target, players, absent, settings.n_samples)[0] for players in (of_window, of_region)
    )
    players = refined_players(windows, regions, block.cpu(), settings.gate)
    return _spread(shapley_values(forward, x, target, players, absent, settings.n_samples), players, x)


def time_shap_passes(n_times: int, n_regions: int, settings: ExplainerSettings) -> int:
    """Return the forward passes of :func:`explain_time_shap` for one sample."""
    n_windows = -(-n_times // settings.window)
    rows, columns = _kept(settings.gate, n_windows), _kept(settings.gate, n_regions)
    last = (rows + (rows < n_windows)) * (columns + (columns < n_regions))
    return sum(2 + count_coalitions(players, settings.n_samples) for players in (n_windows, n_regions, last))
