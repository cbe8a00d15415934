"""Training again without the cells that a map calls important, or with nothing but them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmri_saliency.attribution.ties import rank_with_ties
from fmri_saliency.errors import InputError
from fmri_saliency.evidence.faithful import check_shares

__all__ = ["Retrained", "retrain"]

Samples = tuple[np.ndarray, Any]


@dataclass(frozen=True)
class Retrained:
    """Accuracy after training again.

    Attributes
    ----------
    whole : float
        With all cells.
    shares : ndarray, shape (n_shares,)
        Of the cells that were removed, or kept.
    removed, kept : ndarray, shape (n_shares,)
        Accuracy without, or with only, the cells that are largest in the map.
    removed_random, kept_random : ndarray, shape (n_shares,)
        The same for random cells, mean over draws.
    """

    whole: float
    shares: np.ndarray
    removed: np.ndarray
    kept: np.ndarray
    removed_random: np.ndarray
    kept_random: np.ndarray

    @property
    def removed_gain(self) -> float:
        """How much more accuracy is lost than by removing random cells, mean over shares; above 0 is faithful."""
        return float((self.removed_random - self.removed).mean())

    @property
    def kept_gain(self) -> float:
        """How much more accuracy is kept than with random cells, mean over shares; above 0 is faithful."""
        return float((self.kept - self.kept_random).mean())


def retrain(
    fit_score: Callable[[Samples, Samples], float],
    train: Samples,
    test: Samples,
    importance: np.ndarray,
    shares: Sequence[float],
    n_random: int = 3,
    seed: int = 0,
) -> Retrained:
    """Remove the most important cells from every sample, or keep nothing else, and train again.

    The same cells are taken from all samples, and get the mean of the training samples: cells chosen for each sample
    by its own map would show a classifier the map, and with it the answer. Where what matters moves about, one ranking
    for all samples can say little.

    Parameters
    ----------
    fit_score : callable
        ``(train, test) -> accuracy``, each a pair of samples (n, n_times, n_regions) and labels.
    train, test : pairs of arrays
    importance : ndarray, shape (n_times, n_regions)
        For instance the mean absolute map of other samples.
    shares : sequence of float
        Of the cells.
    n_random : int
        Random rankings to compare with; at least 1.
    seed : int

    Raises
    ------
    InputError
        If there is no sample, the shapes do not fit, an importance is not finite, the shares are not rising from above
        0 to below 1, or there is no random ranking.

    References
    ----------
    Hooker et al. (2019), arXiv:1806.10758 (ROAR: remove and retrain), with one mask for all samples; Rahman et al.
    (2022), doi:10.1038/s41598-022-15539-2 (RAR: retain and retrain, on fMRI).
    """
    X, importance = np.asarray(train[0]), np.asarray(importance, dtype=float)
    if X.ndim != 3 or not X.size or np.shape(test[0])[1:] != X.shape[1:] or not len(test[0]):
        raise InputError("Samples to train and to test on must be (n, n_times, n_regions), none of them 0, and of one "
                         f"shape; {X.shape} and {np.shape(test[0])} came.")
    if importance.shape != X.shape[1:] or not np.isfinite(importance).all():
        raise InputError(f"One finite importance is needed for each cell {X.shape[1:]}; an array of shape "
                         f"{importance.shape} came.")
    check_shares(shares)
    if n_random < 1:
        raise InputError(f"n_random must be at least 1; {n_random} came.")
    rng, mean = np.random.default_rng([seed, 9]), X.mean(axis=0)

    def accuracy(gone: np.ndarray) -> float:
        return fit_score((np.where(gone, mean, X), train[1]), (np.where(gone, mean, test[0]), test[1]))

    def rank(values: np.ndarray) -> np.ndarray:
        order = np.lexsort((rng.random(values.size), -rank_with_ties(values.ravel())))
        return np.argsort(order).reshape(values.shape)

    orders = [rank(importance), *(rank(np.zeros(mean.shape)) for _ in range(n_random))]
    counts = [max(1, round(share * mean.size)) for share in shares]
    removed = np.array([[accuracy(ranks < count) for count in counts] for ranks in orders])
    kept = np.array([[accuracy(ranks >= count) for count in counts] for ranks in orders])
    return Retrained(
        whole=accuracy(np.zeros(mean.shape, dtype=bool)),
        shares=np.asarray(shares, dtype=float),
        removed=removed[0],
        kept=kept[0],
        removed_random=removed[1:].mean(axis=0),
        kept_random=kept[1:].mean(axis=0),
    )
