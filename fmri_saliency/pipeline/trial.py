"""One trial of an evaluation: a pair trained on a set from a seed, and put to the checks."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fmri_saliency import __version__
from fmri_saliency.decoding import TaskDecoder
from fmri_saliency.evidence import gate, localise, localise_classes, mass_areas, naive_maps, paper_scores, passes
from fmri_saliency.pipeline.config import to_plain
from fmri_saliency.pipeline.protocol import Data, Evaluation
from fmri_saliency.pipeline.workspace import stamp
from fmri_saliency.saliency import Pair, explain_pair
from fmri_saliency.simulation import make, samples_per_subject

__all__ = ["Trial", "run_trial", "trial_inputs"]

UNTRAINED = "untrained network"
FAR = 100_000  # untrained networks draw their weights from seeds that no trial trains from


@dataclass(frozen=True)
class Drawn:
    """The samples of a set, in the order: trained on, stopped on, tested on."""

    X: np.ndarray
    y: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    train: slice
    fit: slice
    test: slice
    explained: slice


def draw(data: Data, name: str, seed: int) -> Drawn:
    """Draw the samples of a set."""
    settings = data.settings.get(name, {})
    X, y, truth = make(name, data.train + data.stop + data.test, seed, **settings)
    first = data.train + data.stop
    return Drawn(
        X, y, truth, np.arange(len(X)) // samples_per_subject(name, **settings), slice(data.train), slice(first),
        slice(first, None), slice(first, first + data.explained),
    )  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What the checks of one trial work on.

    Attributes
    ----------
    pair : Pair
    seed : int
    drawn : Drawn
    decoder : TaskDecoder
        Trained.
    maps : ndarray, shape (n_explained, n_times, n_regions)
    """

    pair: Pair
    seed: int
    drawn: Drawn
    decoder: TaskDecoder
    maps: np.ndarray

    def explain(self, decoder: TaskDecoder, n_samples: int | None = None) -> np.ndarray:
        """Explain the first of the explained samples by another decoder; all when `n_samples` is omitted."""
        return explain(self.pair, decoder, self.drawn, self.seed, n_samples)


def explain(pair: Pair, decoder: TaskDecoder, drawn: Drawn, seed: int, n_samples: int | None = None) -> np.ndarray:
    """Explain the samples that are to be explained."""
    X, y = drawn.X[drawn.explained][:n_samples], drawn.y[drawn.explained][:n_samples]
    return explain_pair(decoder, pair, X, y, drawn.X[drawn.train], seed)


def train(pair: Pair, drawn: Drawn, seed: int, device: str) -> TaskDecoder:
    """Train the network of a pair as the pair has it, stopping on samples that are not trained on."""
    decoder = TaskDecoder(pair.network, pair.architecture, pair.training, seed=seed, device=device)
    X, y = drawn.X[drawn.fit], drawn.y[drawn.fit]
    return decoder.fit(X, y, validation=np.arange(len(X)) >= drawn.train.stop)


def trial_inputs(evaluation: Evaluation, name: str, pair: Pair, seed: int) -> str:
    """Return what identifies a trial: a hash of everything that goes into it."""
    data, checks = evaluation.data, evaluation.checks
    sizes = [data.train, data.stop, data.test, data.explained]
    wanted = {check: to_plain(getattr(checks, check, None)) for check in evaluation.checks_of(name)}
    return stamp(name, data.settings.get(name, {}), sizes, seed, to_plain(pair), checks.gate, wanted,
                 evaluation.output.device)  # fmt: skip


def _scores(maps: np.ndarray, labels: np.ndarray, truth: np.ndarray, signed: bool) -> dict[str, float]:
    """Return every score of recovery by its name."""
    found, classes = localise(maps, truth, signed), localise_classes(maps, labels, truth, signed)
    scores = {key: value for key, value in asdict(found).items() if key != "n_samples"}
    for key in ("auroc", "auprc", "time_auroc", "region_auroc", "density"):
        scores[f"class_{key}"] = float("nan") if classes is None else getattr(classes, key)
    jaccard, distance = paper_scores(maps, truth)
    aup, aur = mass_areas(maps, truth)
    return scores | {"paper_weighted_jaccard": jaccard, "paper_euclidean": distance, "aup_2020": aup, "aur_2020": aur}


def check_recovery(trial: Trial) -> dict[str, Any]:
    """Compare maps with the truth, beside those of networks and rules that know nothing of it."""
    drawn, signed = trial.drawn, trial.pair.contributes
    truth, labels = drawn.truth[drawn.explained], drawn.y[drawn.explained]
    naive = naive_maps(drawn.X[drawn.explained], truth, (drawn.X[drawn.train], drawn.y[drawn.train]), trial.seed)
    beside = {name: _scores(maps, labels, truth, False) for name, maps in naive.items()}
    untrained = trial.explain(trial.decoder.untrained(FAR + trial.seed))
    beside[UNTRAINED] = _scores(untrained, labels, truth, signed)
    return {"figures": _scores(trial.maps, labels, truth, signed), "beside": beside}


def run_trial(evaluation: Evaluation, name: str, pair: Pair, seed: int) -> dict[str, Any]:
    """Train, pass the gate, explain, and make the checks.

    Returns
    -------
    dict
        What the row's file holds, ready for JSON; ``checks`` has an entry for each check that was made.
    """
    begin = time.perf_counter()
    drawn, device = draw(evaluation.data, name, seed), evaluation.output.device
    decoder = train(pair, drawn, seed, device)
    correct = decoder.predict(drawn.X[drawn.test]) == drawn.y[drawn.test]
    subject, chance = f"{pair.name} on {name}, seed {seed}", 1 / len(decoder.classes_)
    found = gate(correct, subject, chance, drawn.groups[drawn.test], evaluation.checks.gate)
    row: dict[str, Any] = {
        "set": name, "pair": pair.name, "seed": seed, "network": pair.network, "explainer": pair.explainer,
        "epochs": len(decoder.history_), "gate": asdict(found), "judged": passes(found, evaluation.checks.gate),
        "checks": {},
    }  # fmt: skip
    if row["judged"]:
        trial = Trial(pair, seed, drawn, decoder, explain(pair, decoder, drawn, seed))
        row["checks"] = {check: _CHECKS[check](trial) for check in evaluation.checks_of(name)}
    seconds = round(time.perf_counter() - begin, 1)
    return row | {"seconds": seconds, "version": __version__, "inputs": trial_inputs(evaluation, name, pair, seed)}


_CHECKS = {"recover": check_recovery}
