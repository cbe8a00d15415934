"""Which networks, regions and moments a decoder needs over a whole data set, with p-values: permutation by a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import log_softmax
from scipy.stats import false_discovery_control
from tqdm.auto import tqdm

from fmri_saliency.attribution.ties import ROUNDING
from fmri_saliency.errors import InputError, one_of
from fmri_saliency.settings import Settings, bounds

__all__ = [
    "PermutationImportance",
    "PermutationSettings",
    "PermutationTest",
    "TimeSpan",
    "permutation_importance",
]

Predict = Callable[[np.ndarray], np.ndarray]
ANSWERS = ("probabilities", "logits")


@dataclass(frozen=True)
class PermutationSettings(Settings, where="of a permutation test", error=InputError):
    """How the tree is tested.

    Attributes
    ----------
    window : int
        Time steps of a leaf.
    n_permutations : int
        Of each test. The smallest p-value is ``1 / (n_permutations + 1)``: to find a single node among m
        siblings, at least ``m / level - 1`` are needed.
    level : float
        Of the false discovery rate within each family of siblings.
    gamma : float
        Share of a region's importance that its span of time may lose.
    seed : int
        Of the permutations.
    """

    window: int = field(default=5, metadata=bounds(low=1, high=1_000_000))
    n_permutations: int = field(default=99, metadata=bounds(low=1, high=10_000_000))
    level: float = field(default=0.05, metadata=bounds(above=0, below=1))
    gamma: float = field(default=0.1, metadata=bounds(low=0, below=1))
    seed: int = field(default=0, metadata=bounds(low=0, high=2**63 - 1))


@dataclass(frozen=True)
class PermutationTest:
    """What happens to a decoder when a node of the tree is permuted across samples.

    Attributes
    ----------
    name : str
    level : {"network", "region", "window"}
    regions : tuple of int
        Columns that were permuted, together.
    steps : tuple of int
        First time step, and the one after the last.
    importance : float
        Rise of the mean cross-entropy, in nats, mean over permutations.
    accuracy_drop : float
        Fall of the share of right answers.
    p, p_adjusted : float
        Alone, and adjusted for its siblings (Benjamini-Hochberg).
    rejected : bool
        Whether the node matters: `p_adjusted` is at most the level.
    """

    name: str
    level: str
    regions: tuple[int, ...]
    steps: tuple[int, int]
    importance: float
    accuracy_drop: float
    p: float
    p_adjusted: float
    rejected: bool


@dataclass(frozen=True)
class TimeSpan:
    """When a region that matters does, and whether the order of its moments matters.

    Attributes
    ----------
    name : str
        The region's.
    region : int
    steps : tuple of int
        First time step of the span, and the one after the last.
    share : float
        Of the region's importance that the span alone has.
    order_importance : float
        Rise of the mean cross-entropy, in nats, when each sample's steps within the span change places.
    p, p_adjusted : float
        Of the order; adjusted for all spans.
    ordered : bool
        Whether `p_adjusted` is at most the level.
    """

    name: str
    region: int
    steps: tuple[int, int]
    share: float
    order_importance: float
    p: float
    p_adjusted: float
    ordered: bool


@dataclass(frozen=True)
class PermutationImportance:
    """What a decoder needs, by a tree of tests.

    Attributes
    ----------
    tests : tuple of PermutationTest
        Those that were made, parents before children.
    spans : tuple of TimeSpan
        One for each region that matters.
    values : ndarray, shape (n_times, n_regions)
        Importance, in nats, of the windows that matter, in all their steps; 0 elsewhere.
    span_values : ndarray, shape (n_times, n_regions)
        Importance, in nats, of the regions that matter, shared evenly among the steps of their spans: where windows
        are too small to be found one by one; the edges of a span are no test.
    loss, accuracy : float
        Without permutation.
    fdr : float
        Approximate false discovery rate over the whole tree.
    passes : int
        Samples that the decoder answered.
    """

    tests: tuple[PermutationTest, ...]
    spans: tuple[TimeSpan, ...]
    values: np.ndarray
    span_values: np.ndarray
    loss: float
    accuracy: float
    fdr: float
    passes: int


class _Decoder:
    """Answers how much worse a decoder gets when a part of its input is changed, and counts what it was asked."""

    def __init__(self, predict: Predict, X: np.ndarray, y: np.ndarray, answers: str, progress: bool) -> None:
        self.predict, self.X, self.y, self.answers = predict, X, y, answers
        self.work, self.passes = X.copy(), 0
        self.bar = tqdm(desc="Permuting", unit="permutation", disable=not progress, leave=False)
        self.loss, self.accuracy = self.judge()

    def judge(self) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy of the array in work."""
        found = np.asarray(self.predict(self.work), dtype=float)
        self.passes += len(self.X)
        self.bar.update()
        if found.ndim != 2 or len(found) != len(self.y) or found.shape[1] <= self.y.max():
            raise InputError("The decoder must answer (n_samples, n_classes), with a column for every label; "
                             f"{found.shape} came for {len(self.y)} samples with labels up to {self.y.max()}.")
        if self.answers == "logits":
            logs = log_softmax(found, axis=1)
        elif np.allclose(found.sum(axis=1), 1, atol=1e-3) and found.min() >= 0:
            logs = np.log(found.clip(np.finfo(float).tiny))
        else:
            raise InputError("The decoder's probabilities must be at least 0 and sum to 1 for every sample; for others "
                             "say answers='logits'.")
        own = np.arange(len(self.y)), self.y
        return float(-logs[own].mean()), float((logs.argmax(axis=1) == self.y).mean())

    def change(self, regions: tuple[int, ...], steps: tuple[int, int], parts: Iterable[np.ndarray]) -> np.ndarray:
        """Return the rise of the loss and the fall of the accuracy for each changed part, shape (n_parts, 2)."""
        place = (slice(None), slice(*steps), list(regions))
        found = []
        for part in parts:
            self.work[place] = part
            found.append(self.judge())
        self.work[place] = self.X[place]
        return (np.array(found) - (self.loss, self.accuracy)) * (1, -1)

    def across(self, regions: tuple[int, ...], steps: tuple[int, int], orders: np.ndarray) -> np.ndarray:
        """Return the same when a part goes to other samples, for each order of the samples."""
        part = self.X[:, slice(*steps), list(regions)]
        return self.change(regions, steps, (part[order] for order in orders))


def _p_value(rises: np.ndarray) -> float:
    """Return how often permuted samples are decoded at least as well but for rounding, counting those as they are."""
    return float((1 + (rises <= ROUNDING).sum()) / (1 + len(rises)))


def _orders(rng: np.random.Generator, groups: np.ndarray, n: int) -> np.ndarray:
    """Draw `n` orders of the samples that leave everyone in their group."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    orders = np.empty((n, len(groups)), dtype=int)
    for order in orders:
        for own in members:
            order[own] = rng.permutation(own)
    return orders


def _last_true(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest number for which `holds`, by bisection, if it holds up to there; it does at `low`."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


class _Tree:
    """The tests as they go on, each with permutations of its own."""

    def __init__(self, decoder: _Decoder, groups: np.ndarray, names: Sequence[str], s: PermutationSettings) -> None:
        self.decoder, self.groups, self.names, self.s = decoder, groups, names, s
        self.rng = np.random.default_rng(s.seed)
        self.tests: list[PermutationTest] = []
        self.n_families = 0

    def family(self, level: str, nodes: list[tuple[str, tuple[int, ...], tuple[int, int]]]) -> list[PermutationTest]:
        """Test siblings; return those that matter."""
        figures = []
        for _, regions, steps in nodes:
            orders = _orders(self.rng, self.groups, self.s.n_permutations)
            rises = self.decoder.across(regions, steps, orders)
            figures.append((*rises.mean(axis=0).tolist(), _p_value(rises[:, 0])))
        adjusted = false_discovery_control([figure[2] for figure in figures]).tolist()
        made = [
            PermutationTest(name, level, regions, steps, *figure, q, q <= self.s.level)
            for (name, regions, steps), figure, q in zip(nodes, figures, adjusted, strict=True)
        ]
        self.tests += made
        self.n_families += 1
        return [test for test in made if test.rejected]

    def windows(self, region: int) -> None:
        """Test the windows of a region."""
        n_times, window = self.decoder.X.shape[1], self.s.window
        edges = [(begin, min(begin + window, n_times)) for begin in range(0, n_times, window)]
        self.family("window", [(f"{self.names[region]}, steps {a} to {b - 1}", (region,), (a, b)) for a, b in edges])

    def span(self, region: int) -> tuple[tuple[int, int], float, float, float]:
        """Return the smallest span that keeps the importance, its share, and importance and p-value of its order."""
        n_times = self.decoder.X.shape[1]
        orders = _orders(self.rng, self.groups, self.s.n_permutations)

        def importance(begin: int, end: int) -> float:
            return float(self.decoder.across((region,), (begin, end), orders)[:, 0].mean())

        whole = importance(0, n_times)
        enough = (1 - self.s.gamma) * whole - ROUNDING
        begin = _last_true(lambda k: importance(k, n_times) >= enough, 0, n_times - 1)
        end = n_times - _last_true(lambda k: importance(begin, n_times - k) >= enough, 0, n_times - begin - 1)
        part = self.decoder.X[:, begin:end, [region]]
        rises = self.decoder.change(
            (region,), (begin, end), (self.rng.permuted(part, axis=1) for _ in range(self.s.n_permutations))
        )[:, 0]
        return (begin, end), importance(begin, end) / whole, float(rises.mean()), _p_value(rises)


def _check(X: np.ndarray, y: np.ndarray, lengths: dict[str, tuple[int, int]], answers: str) -> None:
    one_of(answers, ANSWERS, "What the decoder answers")
    if X.ndim != 3 or not X.size or y.shape != (len(X),) or y.dtype.kind not in "iu" or y.min() < 0:
        raise InputError("permutation_importance expects X (n_samples, n_times, n_regions) and one label per sample, "
                         f"the number of its column in the answer; X {X.shape} and y {y.shape} of {y.dtype} came.")
    for what, (came, wanted) in lengths.items():
        if came != wanted:
            raise InputError(f"{what} must have {wanted} entries; {came} came.")


def permutation_importance(
    predict: Predict,
    X: np.ndarray,
    y: Sequence[int],
    networks: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    settings: PermutationSettings | None = None,
    answers: str = "probabilities",
    progress: bool = False,
) -> PermutationImportance:
    r"""Test which networks, regions and windows of time a decoder needs, from the top down.

    A node's series are given to other samples, all regions and steps of a node together; its importance is how
    much the cross-entropy rises, and its p-value :math:`(1 + \#\{L_\pi \le L + 10^{-6}\}) / (1 + P)` over :math:`P`
    permutations. The networks are tested first; the regions of a network only if it matters, and
    the windows of a region only if that does, each family of siblings by Benjamini and Hochberg's procedure. For every
    region that matters, two bisections find the smallest span of time that keeps all but `gamma` of
    its importance (it is smallest if importance grows with the span), and the order of its steps is permuted within
    each sample.

    Parameters
    ----------
    predict : callable
        Maps (n_samples, n_times, n_regions) to probabilities or logits (n_samples, n_classes): a
        ``predict_proba``, :meth:`TaskDecoder.logits`, a linear model of flattened samples.
    X : array, shape (n_samples, n_times, n_regions)
        Samples that the decoder was not trained on.
    y : sequence of int, length n_samples
        The column of each sample's class in the answer.
    networks : sequence of str, length n_regions, optional
        Which network each region belongs to; without, the regions are the top of the tree.
    names : sequence of str, length n_regions, optional
    groups : sequence, length n_samples, optional
        Samples are exchanged within a group (a subject) only.
    settings : PermutationSettings, optional
    answers : {"probabilities", "logits"}
        Of `predict`.
    progress : bool
        Show how many permutations have been answered.

    Raises
    ------
    InputError
        If shapes do not fit, or the answers are not what `answers` says.

    Notes
    -----
    Every permutation costs one pass of all samples; a test :math:`P` of them, a region that matters
    :math:`\lceil T / \text{window} \rceil P` for its windows and at most :math:`(3 + 2 \lceil \log_2 T \rceil) P`
    for its span.

    The false discovery rate over the tree is about :math:`q (F + D) / (D + 1)` for :math:`F` families and :math:`D`
    discoveries at level :math:`q`, never above :math:`2.88 q`, for independent p-values (Yekutieli 2008); those of
    one data set are not. A decoder that has a copy of a region does not need it: collinear regions can all
    come out as not needed, while their network does. A suppressor is needed, and is found.

    References
    ----------
    Sood, Craven (2022), Feature importance explanations for temporal black-box models, AAAI, arXiv:2102.11934;
    Yekutieli (2008), doi:10.1198/016214507000001373.
    """
    X, y, s = np.asarray(X), np.asarray(y), settings or PermutationSettings()
    n_times, n_regions = X.shape[1:] if X.ndim == 3 else (0, 0)
    names = [f"region {k}" for k in range(n_regions)] if names is None else list(names)
    groups = np.zeros(len(X), dtype=int) if groups is None else np.asarray(groups)
    given = names if networks is None else networks
    _check(X, y, {"names": (len(names), n_regions), "networks": (len(given), n_regions),
                  "groups": (len(groups), len(X))}, answers)  # fmt: skip
    decoder = _Decoder(predict, X, y, answers, progress)
    tree, whole = _Tree(decoder, groups, names, s), (0, n_times)
    if networks is None:
        families = [list(range(n_regions))]
    else:
        members = {name: tuple(k for k in range(n_regions) if networks[k] == name) for name in dict.fromkeys(networks)}
        found = tree.family("network", [(name, own, whole) for name, own in members.items()])
        families = [list(test.regions) for test in found]
    spans = []
    for own in families:
        for test in tree.family("region", [(names[k], (k,), whole) for k in own]):
            tree.windows(test.regions[0])
            spans.append((test.regions[0], *tree.span(test.regions[0])))
    decoder.bar.close()
    return _summarise(tree, spans)


def _summarise(tree: _Tree, spans: list[tuple[int, tuple[int, int], float, float, float]]) -> PermutationImportance:
    decoder, level = tree.decoder, tree.s.level
    adjusted = false_discovery_control([span[4] for span in spans]).tolist() if spans else []
    values, span_values = np.zeros((2, *decoder.X.shape[1:]))
    of_region = {test.regions[0]: test.importance for test in tree.tests if test.level == "region"}
    for test in tree.tests:
        if test.level == "window" and test.rejected:
            values[slice(*test.steps), test.regions[0]] = test.importance
    for region, (begin, end), *_ in spans:
        span_values[begin:end, region] = of_region[region] / (end - begin)
    n_found = sum(test.rejected for test in tree.tests)
    return PermutationImportance(
        tests=tuple(tree.tests),
        spans=tuple(
            TimeSpan(tree.names[region], region, steps, share, rise, p, q, q <= level)
            for (region, steps, share, rise, p), q in zip(spans, adjusted, strict=True)
        ),
        values=values,
        span_values=span_values,
        loss=decoder.loss,
        accuracy=decoder.accuracy,
        fdr=min(1.0, level * (tree.n_families + n_found) / (n_found + 1)),
        passes=decoder.passes,
    )
