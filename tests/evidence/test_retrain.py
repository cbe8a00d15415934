"""Training again without some cells: what the classifier is shown, and what comes of it."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import retrain


def score(train: tuple[np.ndarray, Any], test: tuple[np.ndarray, Any]) -> float:
    model = LogisticRegression().fit(train[0].reshape(len(train[0]), -1), train[1])
    return model.score(test[0].reshape(len(test[0]), -1), test[1])


def test_what_is_removed_and_kept() -> None:
    rng = np.random.default_rng(0)
    train, test = (rng.standard_normal((8, 2, 2)), "yes"), (rng.standard_normal((3, 2, 2)), "no")
    seen = []

    def look(one: tuple[np.ndarray, Any], other: tuple[np.ndarray, Any]) -> float:
        gone = (one[0] == train[0].mean(axis=0)).all(axis=0)
        np.testing.assert_array_equal(gone, (other[0] == train[0].mean(axis=0)).all(axis=0))
        np.testing.assert_array_equal(other[0][:, ~gone], test[0][:, ~gone])
        assert (one[1], other[1]) == ("yes", "no")
        seen.append(gone)
        return gone.mean()

    found = retrain(look, train, test, np.array([[3.0, 1.0], [2.0, 0.0]]), (0.25, 0.5), n_random=2)
    np.testing.assert_array_equal(seen[0], [[True, False], [False, False]])
    np.testing.assert_array_equal(seen[1], [[True, False], [True, False]])
    np.testing.assert_array_equal(found.removed, [0.25, 0.5])
    np.testing.assert_array_equal(found.kept, [0.75, 0.5])
    np.testing.assert_array_equal(found.removed_random, [0.25, 0.5])
    assert (found.whole, found.removed_gain, found.kept_gain) == (0, 0, 0)
    assert len(seen) == 1 + 2 * 2 * 3


def test_the_right_cells_matter() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(300) % 2
    X = rng.standard_normal((300, 5, 6))
    X[:, 2, :3] += 2.0 * y[:, None] - 1
    truth = np.zeros((5, 6))
    truth[2, :3] = 1.0
    parts = (X[:200], y[:200]), (X[200:], y[200:])
    right = retrain(score, *parts, truth, (0.1,), seed=0)
    assert right.removed[0] < 0.65 < 0.9 < right.kept[0]
    assert right.removed_gain > 0.2 < right.kept_gain
    wrong = retrain(score, *parts, 1 - truth, (0.1,), seed=0)
    assert wrong.removed[0] > 0.9
    assert wrong.kept_gain < 0.1


def test_one_message_for_another_shape() -> None:
    with pytest.raises(InputError, match=r"each cell \(2, 2\); an array of shape \(2, 3\) came"):
        retrain(score, (np.zeros((2, 2, 2)), [0, 1]), (np.zeros((2, 2, 2)), [0, 1]), np.zeros((2, 3)), (0.5,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shares": ()}, "Shares must be above 0 and below 1"),
        ({"shares": (0.5, 0.2)}, "each larger than the one before"),
        ({"shares": (1.0,)}, "Shares must be above 0 and below 1"),
        ({"n_random": 0}, "n_random must be at least 1; 0 came"),
        ({"train": (np.zeros((0, 2, 2)), [])}, r"\(0, 2, 2\) and \(2, 2, 2\) came"),
        ({"test": (np.zeros((0, 2, 2)), [])}, r"\(2, 2, 2\) and \(0, 2, 2\) came"),
        ({"test": (np.zeros((2, 2, 3)), [0, 1])}, r"of one shape; \(2, 2, 2\) and \(2, 2, 3\) came"),
        ({"importance": np.full((2, 2), np.nan)}, "One finite importance is needed"),
    ],
)
def test_one_message_for_each_mistake(change: dict[str, Any], words: str) -> None:
    good = {"fit_score": lambda *_: 1.0, "train": (np.zeros((2, 2, 2)), [0, 1]), "test": (np.zeros((2, 2, 2)), [0, 1]),
            "importance": np.ones((2, 2)), "shares": (0.5,)}  # fmt: skip
    retrain(**good)
    with pytest.raises(InputError, match=words):
        retrain(**{**good, **change})
