"""The linear decoder that any network must be read against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmri_saliency.decoding.decoder import TaskDecoder
from fmri_saliency.decoding.splits import Fold
from fmri_saliency.disk.rows import Rows
from fmri_saliency.records import Samples

__all__ = ["predict_linear"]


def predict_linear(samples: Samples, folds: Sequence[Fold]) -> np.ndarray:
    """Predict every sample by logistic regression on all its time steps and regions.

    The scaler and the model see the fold's training and validation samples only.

    Returns
    -------
    ndarray of str, shape (n_samples,)
    """
    predicted = np.empty(len(samples.y), dtype=samples.y.dtype)
    for fold in folds:
        seen = np.concatenate([fold.train, fold.valid])
        model = TaskDecoder("logistic-regression").fit(Rows(samples.X, seen), samples.y[seen])
        predicted[fold.test] = model.predict(Rows(samples.X, fold.test))
    return predicted
