"""One trial of an evaluation: a pair trained on a set from a seed, and put to the checks."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from fmri_saliency import __version__
from fmri_saliency.decoding import TaskDecoder
from fmri_saliency.disk.files import fingerprint
from fmri_saliency.evidence import (
    gate,
    passes,
)
from fmri_saliency.pipeline.evaluation.protocol import Data, Evaluation
from fmri_saliency.pipeline.steps.map_checks import (
    Drawn,
    Trial,
    check_faithfulness,
    check_null,
    check_recovery,
    check_suppression,
    explain_drawn,
)
from fmri_saliency.pipeline.study.config import to_plain
from fmri_saliency.pipeline.study.folder import stamp
from fmri_saliency.saliency import Pair
from fmri_saliency.simulation import make, samples_per_subject

__all__ = ["run_trial", "trial_inputs"]

PROTOCOL = 3  # raise it where a check's figures come to mean something else: rows are then made again


def draw(data: Data, name: str, seed: int) -> Drawn:
    """Draw the samples of a set."""
    settings = data.settings.get(name, {})
    X, y, truth = make(name, data.train + data.stop + data.test, seed, **settings)
    first = data.train + data.stop
    return Drawn(
        X, y, truth, np.arange(len(X)) // samples_per_subject(name, **settings), slice(data.train), slice(first),
        slice(first, None), slice(first, first + data.explained),
    )  # fmt: skip


def train(pair: Pair, drawn: Drawn, seed: int, device: str) -> TaskDecoder:
    """Train the network of a pair as the pair has it, stopping on samples that are not trained on."""
    decoder = TaskDecoder(pair.network, pair.architecture, pair.training, seed=seed, device=device)
    X, y = drawn.X[drawn.fit], drawn.y[drawn.fit]
    return decoder.fit(X, y, validation=np.arange(len(X)) >= drawn.train.stop)


def trial_inputs(evaluation: Evaluation, name: str, pair: Pair, seed: int) -> str:
    """Return what identifies a trial: a hash of everything that goes into it."""
    data, checks = evaluation.data, evaluation.checks
    sizes = [data.train, data.stop, data.test, data.explained]
    settings = data.settings.get(name, {})
    file = fingerprint(settings.get("path"))  # what is read can change under the same name
    wanted = {check: to_plain(getattr(checks, check, None)) for check in evaluation.checks_of(name)}
    return stamp(PROTOCOL, name, settings, file, sizes, seed, to_plain(pair), checks.gate, wanted,
                 evaluation.output.device)  # fmt: skip


def _check(trial: Trial, check: str, evaluation: Evaluation) -> dict[str, Any]:
    if check == "null":
        return check_null(trial, evaluation.checks.null)
    if check == "faithful":
        return check_faithfulness(trial, evaluation.checks.faithful)
    return {"recover": check_recovery, "suppress": check_suppression}[check](trial)


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
        "contributes": pair.contributes, "epochs": len(decoder.history_), "gate": asdict(found),
        "judged": passes(found, evaluation.checks.gate),
        "checks": {},
    }  # fmt: skip
    if row["judged"]:
        trial = Trial(pair, seed, drawn, decoder, explain_drawn(pair, decoder, drawn, seed))
        row["checks"] = {check: _check(trial, check, evaluation) for check in evaluation.checks_of(name)}
    seconds = round(time.perf_counter() - begin, 1)
    return row | {"seconds": seconds, "version": __version__, "inputs": trial_inputs(evaluation, name, pair, seed)}
