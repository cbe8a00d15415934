"""The checks of ``fmri-saliency evaluate`` on a run's own held-out samples: what stands behind the page's panels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fmri_saliency.attribution.ties import ROUNDING
from fmri_saliency.decoding import TaskDecoder
from fmri_saliency.pipeline.steps.map_checks import (
    Drawn,
    Faithful,
    Null,
    Trial,
    check_faithfulness,
    check_null,
    check_recovery,
)
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.records import Evidence, Saliency, Samples
from fmri_saliency.saliency import Pair, SaliencySettings, explain_samples

__all__ = ["HELD_OUT", "check_held_out", "hangs_on_the_map"]

HELD_OUT = "held-out samples"
"""The name of the set, where an evaluation names one of its own."""
EXPLAINED = 16  # samples whose maps are looked at; every one is explained again by each network that knows nothing
OTHERS = 200  # samples that parts are replaced by
NULL = Null(draws=4, samples=EXPLAINED, retrain=False)
FAITHFUL = Faithful(shares=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5), draws=1, random=3, retrain=())


@dataclass(frozen=True)
class _HeldOut(Trial):
    """A trial on a run's samples, explained as the run explains them."""

    settings: SaliencySettings
    samples: Samples

    def explain(self, decoder: TaskDecoder, n_samples: int | None = None) -> np.ndarray:
        """Explain the first of the explained samples by another decoder; all when `n_samples` is omitted."""
        drawn = self.drawn
        X, y = drawn.X[drawn.explained][:n_samples], drawn.y[drawn.explained][:n_samples]
        return explain_samples(decoder, X, y, self.samples.t_r, self.samples.names, self.settings,
                               drawn.X[drawn.train]).values  # fmt: skip


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the rows, evenly from the first to the last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))] if len(rows) > most else rows


def _draw(samples: Samples, held: np.ndarray, labels: np.ndarray, truth: Mapping[str, np.ndarray] | None) -> Drawn:
    """Put samples of other folds first, and after them those whose maps are looked at."""
    others = _spread(np.setdiff1d(np.arange(len(samples.y)), held[0]), OTHERS)
    rows = np.concatenate([others, held[1]])
    first, end = len(others), len(rows)
    planted = np.zeros((end, *samples.X.shape[1:]), dtype=bool)
    for place, label in enumerate(labels if truth is not None else ()):
        cells = truth[label][: planted.shape[1]]
        planted[first + place, : len(cells)] = cells
    y = np.concatenate([samples.y[others], labels])
    before, after = slice(0, first), slice(first, end)
    return Drawn(np.asarray(samples.X[rows], dtype=np.float32), y, planted, samples.groups[rows], before, before, after,
                 after)  # fmt: skip


def check_held_out(
    config: Config,
    samples: Samples,
    decoder: TaskDecoder,
    maps: Saliency,
    held: np.ndarray,
    truth: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Check maps of held-out samples as an evaluation does, with fewer samples and draws.

    Parameters
    ----------
    config : Config
    samples : Samples
    decoder : TaskDecoder
        Of a fold.
    maps : Saliency
        Of the samples that it held out.
    held : ndarray of int, shape (n_maps,)
        Their positions among all samples.
    truth : mapping of label to ndarray of bool, shape (n_times or more, n_regions), optional
        Where something was planted.

    Returns
    -------
    dict
        As a row of an evaluation (:func:`fmri_saliency.evidence.summarise`), ready for JSON: ``checks`` has ``null``
        and ``faithful``, and ``recover`` where there is truth.
    """
    chosen = _spread(np.arange(len(held)), EXPLAINED)
    labels = np.array(maps.labels)[chosen]
    drawn = _draw(samples, (held, held[chosen]), labels, truth)
    network = config.decoder.network
    pair = Pair(network, network, config.saliency.method)
    settings = replace(config.saliency, target="true")  # the labels are those whose answer was explained
    trial = _HeldOut(pair, config.decoder.seed, drawn, decoder, np.asarray(maps.values[chosen]), settings, samples)
    checks = {"null": check_null(trial, NULL), "faithful": check_faithfulness(trial, FAITHFUL)}
    planted = drawn.truth[drawn.explained].mean(axis=(1, 2))
    if truth is not None and ((planted > 0) & (planted < 1)).all():
        checks = {"recover": check_recovery(trial), **checks}
    if truth is None:
        checks["null"]["curves"].pop("truth_profile")
    correct = decoder.predict(drawn.X[drawn.test]) == samples.y[held[chosen]]
    row = {"set": HELD_OUT, "pair": network, "seed": config.decoder.seed, "network": network,
           "explainer": config.saliency.method, "contributes": pair.contributes, "judged": True,
           "gate": {"value": float(np.mean(correct)), "verdict": ""}, "n_samples": len(chosen),
           "checks": checks}  # fmt: skip
    return _plain(row)


def _plain(value: Any) -> Any:
    """Return lists for arrays, and None for what is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def hangs_on_the_map(row: Mapping[str, Any]) -> Evidence:
    """Say whether the answer hangs on what the maps call important, from a row of :func:`check_held_out`."""
    figures = row["checks"]["faithful"]["figures"]
    kind = "signed" if row["contributes"] and "removal_gain_signed" in figures else "absolute"
    gain, spread = figures[f"removal_gain_{kind}"], figures["removal_spread"]
    hangs = "the answer hangs on what the map calls important" if gain > spread + ROUNDING else \
        "replacing what the map calls important harms the answer no more than replacing anything else"  # fmt: skip
    return Evidence(
        check="loss of the answer's probability beyond that of random order",
        subject=row["pair"],
        value=gain,
        null=0.0,
        on=f"{row['n_samples']} held-out samples, up to half of their blocks replaced by other samples'; random orders "
           f"differ by up to {spread:.3f} from their mean",
        verdict=hangs,
    )
