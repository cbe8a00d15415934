"""The linear models that any reviewer asks for, found by scikit-learn, as networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from fmri_saliency.disk.rows import Rows, pieces

__all__ = ["fit_linear", "fit_logistic_by_pieces"]

IN_MEMORY = 2**27  # bytes of samples (128 MiB) up to which scikit-learn is given all at once


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

    More than 128 MiB of samples are not copied for the logistic regression; see :func:`fit_logistic_by_pieces`. The
    support vector machine reads them all.
    """
    if name == "logistic-regression" and X.nbytes > IN_MEMORY:
        _set_weights(module, *fit_logistic_by_pieces(X, target, balanced))
        return
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
    _set_weights(module, weight, bias)


def _set_weights(module: nn.Module, weight: np.ndarray, bias: np.ndarray) -> None:
    with torch.no_grad():
        module.linear.weight.copy_(torch.from_numpy(weight))
        module.linear.bias.copy_(torch.from_numpy(bias))


def fit_logistic_by_pieces(
    X: np.ndarray | Rows, target: np.ndarray, balanced: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    r"""Fit the logistic regression of :func:`fit_linear` with a piece of the samples in memory at a time.

    Minimises what scikit-learn does, over standardised samples :math:`z` and with class weights :math:`s`,

    .. math:: \sum_i s_i \bigl(\log \textstyle\sum_c e^{w_c z_i + b_c} - w_{y_i} z_i - b_{y_i}\bigr)
              + \tfrac{1}{2} \lVert w \rVert^2,

    divided by the sum of the weights, by the same method (L-BFGS) to the same tolerance (1e-4 of the gradient), in
    single precision. Every step reads the samples once.

    Parameters
    ----------
    X : array, shape (n_samples, n_times, n_regions)
    target : array of int, shape (n_samples,)
        Numbers of the classes, all of them occurring.
    balanced : bool
        Weigh classes by the inverse of their frequency.

    Returns
    -------
    weight : ndarray, shape (n_classes, n_times * n_regions)
    bias : ndarray, shape (n_classes,)
        For samples as they are. Of two classes the weights are each other's negative.
    """
    counts = np.bincount(target)
    share = (len(target) / (len(counts) * counts) if balanced else np.ones(len(counts)))[target]
    scaler = StandardScaler()
    for piece in pieces(X):
        scaler.partial_fit(X[piece].reshape(-1, X.shape[1] * X.shape[2]))
    mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
    shape = (len(counts), len(mean) + 1)
    # of two classes scikit-learn penalises one difference of weights: twice what its two halves have
    penalty = (2.0 if len(counts) == 2 else 1.0) / share.sum()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = flat.reshape(shape)
        weight, bias = both[:, :-1].astype(np.float32), both[:, -1]
        value, slope = 0.5 * penalty * float((both[:, :-1] ** 2).sum()), np.zeros(shape)
        slope[:, :-1] = penalty * both[:, :-1]
        for piece in pieces(X):
            z = X[piece].reshape(-1, len(mean)) - mean
            z /= scale
            logits, y, s = z @ weight.T + bias, target[piece], share[piece] / share.sum()
            total = logsumexp(logits, axis=1)
            value += float(s @ (total - logits[np.arange(len(y)), y]))
            residual = np.exp(logits - total[:, None])
            residual[np.arange(len(y)), y] -= 1
            residual *= s[:, None]
            slope[:, :-1] += residual.astype(np.float32).T @ z
            slope[:, -1] += residual.sum(axis=0)
        return value, slope.ravel()

    options = {"maxiter": 2000, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(shape)
    weight, bias = found[:, :-1] / scale, found[:, -1]
    return weight, bias - weight @ mean
