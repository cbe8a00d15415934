"""Accuracy with what it must be read against: chance, an interval, and the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

__all__ = ["Score", "score_predictions", "survey_interval"]


@dataclass(frozen=True)
class Score:
    """How well held-out samples were predicted.

    Attributes
    ----------
    accuracy, balanced_accuracy : float
    chance : float
        1 / number of classes.
    majority : float
        Accuracy of always answering with the most frequent class.
    interval : tuple of float
        95 % interval of the accuracy (see :func:`survey_interval`).
    n_samples, n_groups : int
    classes : tuple of str
    confusion : list of list of int
        Rows are true classes, columns predicted ones.
    recall : tuple of float
        Share of each class's samples that were recognised.
    split : str
        What was held out.
    """

    accuracy: float
    balanced_accuracy: float
    chance: float
    majority: float
    interval: tuple[float, float]
    n_samples: int
    n_groups: int
    classes: tuple[str, ...]
    confusion: list[list[int]]
    recall: tuple[float, ...]
    split: str


def survey_interval(correct: np.ndarray, groups: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    r"""Return an interval for a proportion whose samples come in groups.

    Wilson's score interval with an effective number of samples,

    .. math:: n_e = n / \max(1, v_g / v_0), \quad
        v_g = \frac{G}{G-1} \sum_g \left(\frac{\sum_{i \in g} (c_i - p)}{n}\right)^2, \quad
        v_0 = p (1 - p) / (n - 1)

    so that samples of one person that succeed or fail together do not count as many
    (Dean & Pagano 2015, doi:10.1093/jssam/smv024; design effect after Kish). When all
    samples succeed or all fail, how much they depend on each other cannot be estimated; then
    groups are counted instead of samples, :math:`n_e = G`, which is the cautious end.
    """
    correct = np.asarray(correct, dtype=float)
    n, p = len(correct), float(np.mean(correct))
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    plain = p * (1 - p) / max(1, n - 1)
    if len(names) > 1 and plain > 0:
        sums = np.bincount(member, weights=correct - p)
        clustered = len(names) / (len(names) - 1) * float(np.sum((sums / n) ** 2))
        n = n / max(1.0, clustered / plain)
    elif plain == 0:
        n = len(names)
    z = float(norm.ppf(0.5 + level / 2))
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return (0.0 if p == 0 else low), (1.0 if p == 1 else high)


def score_predictions(y: Any, predicted: Any, groups: Any, split: str) -> Score:
    """Score predictions of held-out samples.

    Parameters
    ----------
    y, predicted, groups : sequences of the same length
        True labels, predicted labels, and who the samples came from.
    split : str
        What was held out, in words, for the report.
    """
    y, predicted = np.asarray(y, dtype=str), np.asarray(predicted, dtype=str)
    classes, counts = np.unique(y, return_counts=True)
    correct = y == predicted
    confusion = confusion_matrix(y, predicted, labels=classes)
    return Score(
        accuracy=float(correct.mean()),
        balanced_accuracy=float(balanced_accuracy_score(y, predicted)),
        chance=1 / len(classes),
        majority=float(counts.max() / counts.sum()),
        interval=survey_interval(correct, np.asarray(groups)),
        n_samples=len(y),
        n_groups=len(set(np.asarray(groups).tolist())),
        classes=tuple(classes.tolist()),
        confusion=confusion.tolist(),
        recall=tuple((confusion.diagonal() / confusion.sum(axis=1)).tolist()),
        split=split,
    )
