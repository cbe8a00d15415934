"""Permutation by a tree: on decoders whose needs are known, by hand, and beside scikit-learn."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.inspection import permutation_importance as permute_columns
from sklearn.linear_model import LogisticRegression

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import PermutationImportance, PermutationSettings, permutation_importance

NETWORKS = ["seeing", "moving", "seeing", "moving"]


def samples(n: int = 40, n_times: int = 16, n_regions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return noise in which region 2 says the class, +1 or -1, at step 6, and a balanced class."""
    X = np.random.default_rng(0).standard_normal((n, n_times, n_regions))
    y = np.arange(n) % 2
    X[:, 6, 2] = 2 * y - 1
    return X, y


def one_cell(X: np.ndarray) -> np.ndarray:
    """Answer with the one cell that says the class."""
    return np.stack([np.zeros(len(X)), 4 * X[:, 6, 2]], axis=1)


def test_a_decoder_of_one_cell_by_hand() -> None:
    X, y = samples()
    found = permutation_importance(one_cell, X, y, NETWORKS, list("abcd"), answers="logits")
    seeing, moving, a, c, *windows = found.tests
    assert [(test.name, test.level, test.regions) for test in found.tests[:4]] == [
        ("seeing", "network", (0, 2)), ("moving", "network", (1, 3)), ("a", "region", (0,)), ("c", "region", (2,)),
    ]  # the regions of the other network are not looked at  # fmt: skip
    assert [(test.name, test.steps) for test in windows] == [
        ("c, steps 0 to 4", (0, 5)), ("c, steps 5 to 9", (5, 10)), ("c, steps 10 to 14", (10, 15)),
        ("c, steps 15 to 15", (15, 16)),
    ]  # fmt: skip
    # no order of 40 samples leaves every class where it is: 1 / 100, and with n siblings that do not matter n / 100
    for test, n in ((seeing, 2), (c, 2), (windows[1], 4)):
        assert (test.p, test.p_adjusted, test.rejected) == (0.01, pytest.approx(n / 100), True)
        # a sample that gets a value of the other class loses log(1 + e^4) - log(1 + e^-4) = 4; half of them do
        assert test.importance == pytest.approx(4 * test.accuracy_drop)
        assert test.accuracy_drop == pytest.approx(0.5, abs=0.03)
    for test in (moving, a, windows[0], windows[2], windows[3]):
        assert (test.importance, test.accuracy_drop, test.p, test.rejected) == (0, 0, 1, False)
    (span,) = found.spans
    assert (span.name, span.region, span.steps, span.share) == ("c", 2, (6, 7), 1.0)
    assert (span.order_importance, span.p, span.ordered) == (0, 1, False)  # one step has one order
    assert found.values[5:10, 2].tolist() == [windows[1].importance] * 5
    assert np.count_nonzero(found.values) == 5
    assert found.span_values[6, 2] == c.importance
    assert np.count_nonzero(found.span_values) == 1
    assert (found.loss, found.accuracy) == (pytest.approx(np.log1p(np.exp(-4))), 1.0)
    assert found.fdr == pytest.approx(0.05 * (3 + 3) / (3 + 1))  # three families, three discoveries
    # as it is; 8 tests; the region's whole, its part, its order, and 4 times to halve 16 and then 10 places
    assert found.passes == 40 * (1 + 99 * (8 + 3 + 4 + 4))


def test_the_order_of_moments_is_told_from_their_sum() -> None:
    X, y = samples()
    X[:, 3, 1], X[:, 6, 1] = 2 * y - 1, 1 - 2 * y

    def rising(X: np.ndarray) -> np.ndarray:
        return np.stack([np.zeros(len(X)), 3 * (X[:, 3, 1] - X[:, 6, 1])], axis=1)

    def at_any_time(X: np.ndarray) -> np.ndarray:
        score = 3 * (X[:, 2:8, 1].max(axis=1) > 5).astype(float)
        return np.stack([np.zeros(len(X)), score - 1.5], axis=1)

    (ordered,) = permutation_importance(rising, X, y, answers="logits").spans
    # 0.1 of the importance may be lost, which neither of the two steps is alone
    assert (ordered.region, ordered.steps, ordered.ordered) == (1, (3, 7), True)
    assert (ordered.p, ordered.share) == (0.01, 1.0)
    assert ordered.order_importance > 1
    X[:, 2:8, 1] = 0
    X[np.arange(len(X)), 2 + np.arange(len(X)) % 6, 1] = 6 * y  # somewhere in six steps
    (span,) = permutation_importance(at_any_time, X, y, settings=PermutationSettings(gamma=0.0), answers="logits").spans
    assert (span.region, span.p, span.order_importance, span.ordered) == (1, 1.0, 0.0, False)


def test_a_span_loses_no_more_than_it_may() -> None:
    """Region 2 is worth 1, 14 and 1 sixteenths at steps 2, 6 and 9: one of the small ones may go, not both."""
    X, y = samples()
    X[:, :, 0] = X[:, :, 2] = (2 * y - 1)[:, None]
    worth = np.zeros(16)
    worth[[2, 6, 9]] = 1 / 16, 14 / 16, 1 / 16

    def decode(X: np.ndarray) -> np.ndarray:
        own = np.exp(-((X[:, :, 2] != X[:, :, 0]) @ worth))  # what is lost is added up in the logarithm
        return np.where(X[:, :1, 0] > 0, np.stack([1 - own, own], axis=1), np.stack([own, 1 - own], axis=1))

    found = permutation_importance(decode, X, y)
    spans = {span.region: span for span in found.spans}
    assert (spans[2].steps, spans[2].share) == ((6, 10), pytest.approx(15 / 16))
    assert found.span_values[:, 2].nonzero()[0].tolist() == [6, 7, 8, 9]
    assert found.span_values[:, 2].sum() == pytest.approx(found.tests[2].importance)
    assert permutation_importance(decode, X, y, settings=PermutationSettings(gamma=0.0)).spans[-1].steps == (2, 10)
    assert permutation_importance(decode, X, y, settings=PermutationSettings(gamma=0.13)).spans[-1].steps == (6, 7)


def test_samples_are_exchanged_within_their_group_only() -> None:
    X, y = samples()
    alone = permutation_importance(one_cell, X, y, groups=y, answers="logits")
    assert max(test.importance for test in alone.tests) == 0  # within a class, the cell is always the same
    assert len(alone.tests) == 4
    assert alone.spans == ()
    assert not alone.values.any()
    pairs = permutation_importance(one_cell, X, y, groups=np.arange(40) // 2, answers="logits")
    assert pairs.tests[2].accuracy_drop == pytest.approx(0.5, abs=0.05)  # each pair has one of either class
    odd = permutation_importance(one_cell, X, y, groups=np.where(y == 0, "x", np.arange(40) // 20), answers="logits")
    assert max(test.importance for test in odd.tests) == 0


def fitted(effect: float, seed: int) -> tuple[LogisticRegression, np.ndarray, np.ndarray]:
    """Return a linear decoder, and samples that it has not seen: region 1 carries the class, region 0 nothing."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((400, 1, 3)), np.arange(400) % 2
    X[:, 0, 1] += effect * (2 * y - 1)
    return LogisticRegression().fit(X[:200, 0], y[:200]), X[200:], y[200:]


def test_importance_is_scikit_learns() -> None:
    model, X, y = fitted(0.7, 0)
    settings = PermutationSettings(n_permutations=100)
    found = permutation_importance(lambda X: model.predict_proba(X[:, 0]), X, y, settings=settings)
    wanted = permute_columns(model, X[:, 0], y, scoring="neg_log_loss", n_repeats=100, random_state=0)
    regions = [test for test in found.tests if test.level == "region"]
    spread = wanted.importances_std / np.sqrt(100)
    for test, mean, error in zip(regions, wanted.importances_mean, spread, strict=True):
        assert test.importance == pytest.approx(mean, abs=5 * error)
    assert regions[1].importance > 0.2


def test_a_decoder_of_noise_needs_nothing_too_often() -> None:
    """The p-value of a region that says nothing is at most 0.2 in a fifth of all sets, whatever weight it has."""
    settings = PermutationSettings(n_permutations=19)
    low = 0
    for seed in range(100):
        X, y = np.random.default_rng(seed).standard_normal((20, 2, 1)), np.arange(20) % 2
        (test, *_) = permutation_importance(
            lambda X: np.stack([X[:, 0, 0], X[:, 1, 0]], axis=1), X, y, settings=settings, answers="logits"
        ).tests
        low += test.p <= 0.2
    assert binomtest(low, 100, 0.2).pvalue > 0.02


def test_a_suppressor_is_needed() -> None:
    rng = np.random.default_rng(0)
    signal, noise = np.repeat([-1.0, 1.0], 50), 2 * rng.standard_normal(100)
    X = np.stack([signal + noise, noise, rng.standard_normal(100)], axis=1)[:, None]
    y = (signal > 0).astype(int)

    def cancel(X: np.ndarray) -> np.ndarray:
        return np.stack([np.zeros(len(X)), 2 * (X[:, 0, 0] - X[:, 0, 1])], axis=1)

    found: PermutationImportance = permutation_importance(cancel, X, y, answers="logits")
    assert [test.rejected for test in found.tests if test.level == "region"] == [True, True, False]


def test_the_same_seed_gives_the_same_answer_and_the_samples_stay_as_they_are() -> None:
    X, y = samples()
    before = X.copy()
    first = permutation_importance(one_cell, X, y, answers="logits", progress=True)
    again = permutation_importance(one_cell, X, y, answers="logits")
    assert first.tests == again.tests
    assert first.spans == again.spans
    np.testing.assert_array_equal(X, before)
    other = permutation_importance(one_cell, X, y, settings=PermutationSettings(seed=1), answers="logits")
    assert other.tests[2].importance != first.tests[2].importance


def test_one_message_for_what_cannot_be_permuted() -> None:
    X, y = samples()
    with pytest.raises(InputError, match=r"X \(40, 16\) and y \(40,\)"):
        permutation_importance(one_cell, X[:, :, 0], y)
    for wrong in (y.astype(float), y - 1, y[:-1]):
        with pytest.raises(InputError, match="one label per sample, the number of its column"):
            permutation_importance(one_cell, X, wrong)
    with pytest.raises(InputError, match="networks must have 4 entries; 1 came"):
        permutation_importance(one_cell, X, y, ["all"])
    with pytest.raises(InputError, match="names must have 4 entries; 2 came"):
        permutation_importance(one_cell, X, y, names=["a", "b"])
    with pytest.raises(InputError, match="groups must have 40 entries; 3 came"):
        permutation_importance(one_cell, X, y, groups=[1, 2, 3])
    with pytest.raises(InputError, match=r"probabilities must be at least 0 and sum to 1 .* say answers='logits'"):
        permutation_importance(one_cell, X, y)
    with pytest.raises(InputError, match=r"every label; \(40, 2\) came for 40 samples with labels up to 2"):
        permutation_importance(one_cell, X, y + 1, answers="logits")
    with pytest.raises(InputError, match="Did you mean 'logits'"):
        permutation_importance(one_cell, X, y, answers="logit")
    with pytest.raises(InputError, match="window of a permutation test must be at least 1; 0 came"):
        PermutationSettings(window=0)
    with pytest.raises(InputError, match=r"gamma of a permutation test must be below 1; 1\.0 came"):
        PermutationSettings(gamma=1.0)
