"""The linear models that any reviewer asks for, found by scikit-learn, as networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from fmri_saliency.rows import Rows

__all__ = ["fit_linear"]


def fit_linear(
    name: str, module: nn.Module, X: np.ndarray | Rows, target: np.ndarray, balanced: bool, seed: int
) -> None:
    """Fit scikit-learn's model to standardised samples, and put its weights into `module` (in place).

    Parameters
    ----------
    name : {"logistic-regression", "linear-svm"}
        With scikit-learn's settings: L2 penalty, ``C = 1``.
    module : FlatNetwork
        Without hidden layers.
    X : array, shape (n_samples, n_times, n_regions)
    target : array of int, shape (n_samples,)
        Numbers of the classes, all of them occurring.
    balanced : bool
        Weigh classes by the inverse of their frequency.
    seed : int

    Notes
    -----
    Standardisation is folded into the weights, so that the network reads samples as they are. Of two
    classes with decision value `d` the logits are :math:`-d/2` and :math:`d/2`, whose softmax is the
    logistic function of `d`. The softmax of a support vector machine's values is no probability.
    """
    weight_of = "balanced" if balanced else None
    if name == "logistic-regression":
        model: Any = LogisticRegression(max_iter=2000, class_weight=weight_of)
    else:
        model = LinearSVC(class_weight=weight_of, random_state=seed, dual=True, max_iter=20000)
    flat = np.asarray(X).reshape(len(X), -1).astype(np.float64)
    fitted = make_pipeline(StandardScaler(), model).fit(flat, target)
    scaler, found = fitted[0], fitted[1]
    weight, bias = found.coef_ / scaler.scale_, found.intercept_
    bias = bias - weight @ scaler.mean_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        module.linear.weight.copy_(torch.from_numpy(weight))
        module.linear.bias.copy_(torch.from_numpy(bias))
