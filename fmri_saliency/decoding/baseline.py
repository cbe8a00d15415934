"""The linear decoder that any network must be read against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmri_saliency.decoding.splits import Fold
from fmri_saliency.records import Samples

__all__ = ["predict_linear"]


def predict_linear(samples: Samples, folds: Sequence[Fold]) -> np.ndarray:
    """Predict every sample by logistic regression on all its time steps and regions.

    The scaler and the model see the fold's training and validation samples only.

    Returns
    -------
    ndarray of str, shape (n_samples,)
    """
    flat = samples.X.reshape(len(samples.X), -1)
    predicted = np.empty(len(flat), dtype=samples.y.dtype)
    for fold in folds:
        seen = np.concatenate([fold.train, fold.valid])
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        predicted[fold.test] = model.fit(flat[seen], samples.y[seen]).predict(flat[fold.test])
    return predicted
