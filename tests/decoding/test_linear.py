"""The linear baseline by pieces: what scikit-learn finds, with a part of the samples in memory."""

import numpy as np
import pytest
from making import make_samples
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmri_saliency.decoding import TaskDecoder, linear
from fmri_saliency.decoding.linear import fit_logistic_by_pieces
from fmri_saliency.disk.rows import Rows, pieces


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "__defaults__", (5000,))


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("balanced", [False, True])
def test_it_is_the_minimum_that_scikit_learn_finds(n_classes: int, balanced: bool, small_pieces: None) -> None:
    samples = make_samples(20, 8, 12, 5, effect=1.0)
    X = 30 + 7 * samples.X  # not standardised
    target = np.random.default_rng(1).integers(0, n_classes, len(X))
    target[::3] = 0
    X[:, 3, 2] += 9 * target
    X[:, 4, 1] = 5.0  # a cell that never changes
    weight_of = "balanced" if balanced else None
    flat = X.reshape(len(X), -1).astype(float)
    wanted = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-9, max_iter=9999, class_weight=weight_of))
    values = wanted.fit(flat, target).decision_function(flat)
    logits = np.stack([-values / 2, values / 2], axis=1) if n_classes == 2 else values
    assert len(list(pieces(X))) > 5
    weight, bias = fit_logistic_by_pieces(X, target, balanced)
    found = flat @ weight.T + bias
    np.testing.assert_allclose(found - found.mean(axis=1, keepdims=True),
                               logits - logits.mean(axis=1, keepdims=True), atol=0.1)  # fmt: skip
    assert np.ptp(logits) > 5


def test_many_samples_are_fitted_by_pieces_and_answer_alike(
    monkeypatch: pytest.MonkeyPatch, small_pieces: None
) -> None:
    samples = make_samples(12, 8, effect=1.0)
    X, y = Rows(samples.X, np.arange(96)), samples.y
    whole = TaskDecoder("logistic-regression").fit(X, y)
    monkeypatch.setattr(linear, "IN_MEMORY", 1000)
    called = []

    def watched(*given: object) -> tuple[np.ndarray, np.ndarray]:
        called.append(given)
        return fit_logistic_by_pieces(*given)

    monkeypatch.setattr(linear, "fit_logistic_by_pieces", watched)
    by_pieces = TaskDecoder("logistic-regression").fit(X, y)
    assert len(called) == 1
    np.testing.assert_allclose(by_pieces.predict_proba(X), whole.predict_proba(X), atol=0.01)
    TaskDecoder("linear-svm").fit(X, y)
    assert len(called) == 1
