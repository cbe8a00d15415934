"""How well class maps recover what was planted, beside maps that know nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.metrics import roc_auc_score

from fmri_saliency.attribution.ties import rank_with_ties
from fmri_saliency.errors import InputError
from fmri_saliency.records import Evidence, Saliency

__all__ = ["recover"]

N_RANDOM = 200


def _random_auroc(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.array([roc_auc_score(truth, rng.standard_normal(truth.size)) for _ in range(N_RANDOM)])


def _judge(check: str, label: str, truth: np.ndarray, values: np.ndarray, saliency: Saliency, seed: int) -> Evidence:
    value = float(roc_auc_score(truth, rank_with_ties(values)))
    draws = _random_auroc(truth, np.random.default_rng([seed, truth.size]))
    low, high = (float(q) for q in np.quantile(draws, (0.025, 0.975)))
    beyond = "better than" if value > high else "no better than"
    return Evidence(
        check=check,
        subject=label,
        value=value,
        null=float(draws.mean()),
        on=f"average of {saliency.n_averaged[saliency.labels.index(label)]} held-out samples, decoder seed "
           f"{saliency.seed}; null: {N_RANDOM} random maps, 95 % of them between {low:.2f} and {high:.2f}",
        verdict=f"{beyond} a random map",
        interval=None,
    )


def recover(saliency: Saliency, truth: Mapping[str, np.ndarray], seed: int = 0) -> list[Evidence]:
    """Compare class maps with planted truth by the area under the ROC curve.

    Contributions (methods that multiply by the input) are ranked by their signed value,
    sensitivities by their absolute value: a gradient has no sign that speaks for a class.

    Parameters
    ----------
    saliency : Saliency
        Averaged: one map per class.
    truth : mapping of label to ndarray of bool, shape (n_times or more, n_regions)
        Where each class's signal was planted; later time steps than the map's are ignored.
    seed : int
        For the random maps.

    Returns
    -------
    list of Evidence
        For each class ``recovery of regions`` (mean over time against regions that were
        planted at any time) and ``recovery of regions and times`` (every cell).

    Raises
    ------
    InputError
        If a class has no truth, or truth and map have other shapes.
    """
    found = []
    for label, values in zip(saliency.labels, saliency.values, strict=True):
        if label not in truth:
            raise InputError(f"The truth names no class '{label}'; it has {', '.join(truth) or 'none'}.")
        planted = np.asarray(truth[label], dtype=bool)[: values.shape[0]]
        if planted.shape != values.shape:
            raise InputError(f"The truth of class '{label}' has shape {planted.shape}, its map {values.shape}; both "
                             "are (n_times, n_regions).")
        ranked = values if saliency.unit == "logit" else np.abs(values)
        found.append(
            _judge("recovery of regions", label, planted.any(axis=0), ranked.mean(axis=0, dtype=float), saliency, seed)
        )
        found.append(
            _judge("recovery of regions and times", label, planted.ravel(), ranked.ravel(), saliency, seed)
        )
    return found
