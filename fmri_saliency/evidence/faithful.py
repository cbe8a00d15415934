"""Whether the cells that a map calls important are those that the answer hangs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid

from fmri_saliency.attribution.ties import rank_with_ties
from fmri_saliency.errors import InputError

__all__ = [
    "Curves",
    "answer_curve",
    "curve_area",
    "draw_patches",
    "faithfulness",
    "infidelity",
    "rank_blocks",
    "replacement_path",
    "total_change",
]

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Curves:
    """What becomes of the answer while blocks of cells are replaced, or put into other samples.

    Attributes
    ----------
    shares : ndarray, shape (n_shares + 1,)
        Of the blocks, from 0 on.
    removal, insertion : dict of str to ndarray, shape (n_shares + 1,)
        Mean probability of the answer that is followed, by ranking: ``absolute``, ``signed``, ``random``.
    removal_gain, insertion_gain : dict of str to float
        By ranking (not ``random``): how much lower, or higher, the mean of the curve is than that of random
        rankings; above 0 is faithful.
    removal_spread, insertion_spread : float
        Largest distance of a random ranking's mean from the average of all: what a gain must exceed.
    cpd, cpp, cpd_random : float
        Summed change of the probabilities, most important blocks first (higher is better), least important first
        (lower is better), and in random order.
    """

    shares: np.ndarray
    removal: dict[str, np.ndarray]
    insertion: dict[str, np.ndarray]
    removal_gain: dict[str, float]
    insertion_gain: dict[str, float]
    removal_spread: float
    insertion_spread: float
    cpd: float
    cpp: float
    cpd_random: float


def rank_blocks(values: np.ndarray, window: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rank of each block of one region and `window` consecutive steps, 0 for the largest mean.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_times, n_regions)
    window : int
        Steps of a block; the last one may be shorter.
    rng : numpy Generator
        Of the order of blocks that are equal but for rounding.

    Returns
    -------
    ndarray of int, shape (n_samples, n_blocks, n_regions)
    """
    begins = np.arange(0, values.shape[1], window)
    sizes = np.diff([*begins, values.shape[1]])
    means = np.add.reduceat(np.asarray(values, dtype=float), begins, axis=1) / sizes[:, None]
    flat = means.reshape(len(means), -1)
    order = np.stack([np.lexsort((rng.random(one.size), -one)) for one in rank_with_ties(flat)])
    return np.argsort(order, axis=1).reshape(means.shape)


def replacement_path(
    predict: Predict,
    X: np.ndarray,
    ranks: np.ndarray,
    donors: np.ndarray,
    shares: Sequence[float],
    window: int,
    seed: int = 0,
    insert: bool = False,
) -> np.ndarray:
    """Return the network's answers while more and more blocks are replaced by those of other samples.

    Every block has a donor of its own, drawn at random, which stays the same along the path: what replaces a block is
    data as the network knows them, which zeros or averages are not.

    Parameters
    ----------
    predict : callable
        Samples (n, n_times, n_regions) to probabilities (n, n_classes).
    X : ndarray, shape (n_samples, n_times, n_regions)
    ranks : ndarray of int, shape (n_samples, n_blocks, n_regions)
        Of :func:`rank_blocks`; the first are replaced first.
    donors : ndarray, shape (n_donors, n_times, n_regions)
        Training samples of all classes.
    shares : sequence of float
        Of the blocks, rising.
    window : int
        Steps of a block.
    seed : int
        Of the donors.
    insert : bool
        Begin with donors in all blocks, and put the sample's own blocks in.

    Returns
    -------
    ndarray, shape (n_shares + 1, n_samples, n_classes)
        The first is without any replaced, or put in.

    Raises
    ------
    InputError
        If the shapes do not fit, or there is no donor.
    """
    block = np.arange(X.shape[1]) // window
    if ranks.shape != (len(X), block[-1] + 1, X.shape[2]) or donors.shape[1:] != X.shape[1:] or not len(donors):
        raise InputError(f"Ranks must be those of the samples' blocks, and donors samples of their shape; samples "
                         f"{X.shape}, ranks {ranks.shape} and donors {donors.shape} came.")
    drawn = np.random.default_rng([seed, 7]).integers(len(donors), size=ranks.shape)[:, block]
    step, region = np.arange(X.shape[1])[:, None], np.arange(X.shape[2])
    other = donors[drawn, step, region]
    n_blocks = ranks[0].size
    answers = []
    for share in (0.0, *shares):
        chosen = (ranks < round(share * n_blocks))[:, block]
        answers.append(predict(np.where(chosen != insert, other, X)))
    return np.stack(answers)


def answer_curve(path: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the mean probability of each sample's answer `first` (n_samples,) along a path, shape (n_shares + 1,)."""
    return path[:, np.arange(path.shape[1]), first].mean(axis=1)


def curve_area(curve: np.ndarray, shares: Sequence[float]) -> float:
    """Return the mean height of a curve over its shares, by the trapezoidal rule."""
    return float(trapezoid(curve, shares) / (shares[-1] - shares[0]))


def total_change(path: np.ndarray) -> float:
    r"""Return the cumulative prediction difference of a path, mean over samples.

    .. math:: \sum_k \lVert F(x_k) - F(x_{k+1}) \rVert_1

    Cells with opposite effects do not cancel, as they do when all are removed at once, and the sign of the map does not
    matter. With the most important first it is called CPD (cumulative prediction difference, higher is better), with
    the least important first CPP (cumulative prediction preservation, lower is better).

    References
    ----------
    Jang, Kim, Yang (2025), TIMING, ICML; the sum over classes as in the paper, not the mean of the released code.
    """
    return float(np.abs(np.diff(path, axis=0)).sum(axis=(0, 2)).mean())


def check_shares(shares: Sequence[float]) -> None:
    """Refuse shares that cannot be walked along.

    Raises
    ------
    InputError
        If there are none, one is not above 0 and below 1, or one is not larger than the one before.
    """
    if not len(shares) or not all(0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
        raise InputError("Shares must be above 0 and below 1, each larger than the one before; "
                         f"{[float(share) for share in shares]} came.")


def _check(X: np.ndarray, values: np.ndarray, donors: np.ndarray, **counts: int) -> None:
    if X.ndim != 3 or not X.size:
        raise InputError(f"Samples must be (n_samples, n_times, n_regions), none of them 0; {X.shape} came.")
    if values.shape != X.shape:
        raise InputError(f"Maps must have the samples' shape {X.shape}; {values.shape} came.")
    if not np.isfinite(values).all():
        raise InputError("Maps must be finite.")
    if donors.shape[1:] != X.shape[1:] or not len(donors):
        raise InputError(f"At least one donor of the samples' shape {X.shape[1:]} is needed; {donors.shape} came.")
    for name, value in counts.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1; {value} came.")


def _check_targets(targets: Sequence[int], n_samples: int) -> np.ndarray:
    found = np.asarray(targets)
    if found.shape != (n_samples,) or found.dtype.kind not in "iu":
        raise InputError(f"One whole number per sample must say which answer is explained; {found.shape} of "
                         f"{found.dtype} came for {n_samples} samples.")
    return found


def faithfulness(
    predict: Predict,
    X: np.ndarray,
    values: np.ndarray,
    donors: np.ndarray,
    shares: Sequence[float],
    window: int = 5,
    draws: int = 4,
    n_random: int = 5,
    seed: int = 0,
    targets: Sequence[int] | None = None,
) -> Curves:
    """Remove and insert blocks in the order of a map, and in random orders.

    Parameters
    ----------
    predict, X, donors, shares, window
        As in :func:`replacement_path`.
    values : ndarray, shape of `X`
        The maps.
    draws : int
        Draws of donors; everything is the mean over them.
    n_random : int
        Random rankings; at least 1.
    seed : int
    targets : sequence of int, length n_samples, optional
        The column of the answer that each map explains, which the curves follow; the network's first answer when
        omitted.

    Returns
    -------
    Curves
        A map without negative values has one ranking, ``absolute``.

    Raises
    ------
    InputError
        If the shapes do not fit, there is no sample or no donor, a value of the maps is not finite, the shares are not
        rising from above 0 to below 1, or a number is below 1.
    """
    X, values, donors = np.asarray(X), np.asarray(values, dtype=float), np.asarray(donors)
    _check(X, values, donors, window=window, draws=draws, n_random=n_random)
    check_shares(shares)
    rng = np.random.default_rng([seed, 8])
    rankings = {"absolute": [rank_blocks(np.abs(values), window, rng)]}
    if (values < 0).any():
        rankings["signed"] = [rank_blocks(values, window, rng)]
    rankings["random"] = [rank_blocks(np.zeros(X.shape), window, rng) for _ in range(n_random)]
    first = predict(X).argmax(axis=1) if targets is None else _check_targets(targets, len(X))
    grid = np.array([0.0, *shares])

    def walk(ranks: np.ndarray, insert: bool = False) -> list[np.ndarray]:
        return [replacement_path(predict, X, ranks, donors, shares, window, seed * 1000 + draw, insert)
                for draw in range(draws)]  # fmt: skip

    removed = {name: [walk(ranks) for ranks in orders] for name, orders in rankings.items()}
    inserted = {name: [walk(ranks, True) for ranks in orders] for name, orders in rankings.items()}
    removal, removal_gain, removal_spread = _against_random(removed, first, grid, -1)
    insertion, insertion_gain, insertion_spread = _against_random(inserted, first, grid, 1)
    least_first = walk(ranks_reversed(rankings["absolute"][0]))
    return Curves(
        shares=grid,
        removal=removal,
        insertion=insertion,
        removal_gain=removal_gain,
        insertion_gain=insertion_gain,
        removal_spread=removal_spread,
        insertion_spread=insertion_spread,
        cpd=float(np.mean([total_change(path) for path in removed["absolute"][0]])),
        cpp=float(np.mean([total_change(path) for path in least_first])),
        cpd_random=float(np.mean([total_change(path) for walked in removed["random"] for path in walked])),
    )


def _against_random(
    walked: dict[str, list[list[np.ndarray]]], first: np.ndarray, grid: np.ndarray, sign: int
) -> tuple[dict[str, np.ndarray], dict[str, float], float]:
    """Return the mean curve of each kind of ranking, its gain on random ones, and the spread of these."""
    single = {
        name: [np.mean([answer_curve(path, first) for path in paths], axis=0) for paths in orders]
        for name, orders in walked.items()
    }
    curves = {name: np.mean(found, axis=0) for name, found in single.items()}
    areas = {name: curve_area(curve, grid) for name, curve in curves.items()}
    gains = {name: sign * (area - areas["random"]) for name, area in areas.items() if name != "random"}
    return curves, gains, max(abs(curve_area(one, grid) - areas["random"]) for one in single["random"])


def ranks_reversed(ranks: np.ndarray) -> np.ndarray:
    """Return ranks with the last first."""
    return ranks[0].size - 1 - ranks


def draw_patches(X: np.ndarray, donors: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replace a patch of each sample: some of the regions, over a window of time, by those of one other sample.

    The window begins and ends anywhere; how many regions there are is drawn, too, and then which.

    Returns
    -------
    patches : ndarray of bool, shape of `X`
    replaced : ndarray, shape of `X`
    """
    n_samples, n_times, n_regions = X.shape
    begin, end = np.sort(rng.integers(0, n_times + 1, size=(2, n_samples)), axis=0)[:, :, None]
    steps = np.arange(n_times)
    regions = rng.random((n_samples, n_regions)) < rng.random((n_samples, 1))
    patches = ((begin <= steps) & (steps < end))[:, :, None] & regions[:, None]
    return patches, np.where(patches, donors[rng.integers(len(donors), size=n_samples)], X)


def infidelity(
    predict: Predict,
    X: np.ndarray,
    values: np.ndarray,
    targets: Sequence[int],
    donors: np.ndarray,
    draws: int = 160,
    slopes: bool = False,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return how much of what becomes of the answers, when random patches are replaced, the maps do not foretell.

    With :math:`F` the answer that is explained, :math:`x'` the sample with a patch of another one in it, and
    :math:`a = \sum_j I_j S_j` the change that the map :math:`S` foretells,

    .. math:: \min_{\beta \geq 0} \frac{E\left[(\beta a - (F(x) - F(x')))^2\right]}{E\left[(F(x) - F(x'))^2\right]}

    over draws: 0 when the map foretells every change, 1 when it foretells none. For slopes :math:`I = x - x'`; for
    contributions, and whatever else says how much a cell matters, :math:`I` is 1 in the patch and 0 elsewhere. Patches
    of all sizes and places (see :func:`draw_patches`) tell maps apart; many small blocks, which always hold about the
    same part of what matters, would not. No map foretells everything of a network that is not linear, nor what the
    other sample brings, and larger patches change the answer more wherever they are: compare with `shuffled`.

    The expectation is the infidelity of Yeh et al. with perturbations that are data as the network knows them. Maps of
    any unit can be compared, as :math:`\beta` takes their scale away (captum's ``normalize``, which also lets
    :math:`\beta` be negative and thereby praises a map of the wrong sign) and the denominator that of the network.

    Parameters
    ----------
    predict : callable
        Samples (n, n_times, n_regions) to what the maps explain (n, n_classes): logits, as a rule.
    X, donors
        As in :func:`replacement_path`.
    values : ndarray, shape of `X`
        The maps.
    targets : sequence of int, length n_samples
        The column of the answer that each map explains.
    draws : int
        Patches of each sample.
    slopes : bool
        Whether the maps are slopes: the answer's unit per unit of signal.
    seed : int

    Returns
    -------
    own, shuffled : ndarray, shape (n_samples,)
        0 to 1; NaN where no replacement changes the answer. `shuffled` is of maps with the same values in random cells.

    Raises
    ------
    InputError
        If the shapes do not fit, there is no sample or no donor, a value of the maps is not finite, or there is no
        draw.

    References
    ----------
    Yeh et al. (2019), arXiv:1901.09392; the scale as in the authors' code and captum.
    """
    X, values, donors = np.asarray(X), np.asarray(values, dtype=float), np.asarray(donors)
    _check(X, values, donors, draws=draws)
    targets, own = _check_targets(targets, len(X)), np.arange(len(X))
    rng = np.random.default_rng([seed, 10])
    maps = np.stack([values, rng.permuted(values.reshape(len(X), -1), axis=1).reshape(values.shape)])
    whole = predict(X)[own, targets]
    foretold, changed = [], []
    for _ in range(draws):
        patches, replaced = draw_patches(X, donors, rng)
        foretold.append((maps * (X - replaced if slopes else patches)).sum(axis=(2, 3)))
        changed.append(whole - predict(replaced)[own, targets])
    a, b = np.array(foretold), np.array(changed, dtype=float)[:, None]
    both, size, change = (a * b).mean(axis=0), (a**2).mean(axis=0), (b**2).mean(axis=0)
    explained = np.divide(both.clip(0) ** 2, size * change, out=np.zeros_like(both), where=size * change > 0)
    left = np.where(change > 0, (1 - explained).clip(0), np.nan)
    return left[0], left[1]
