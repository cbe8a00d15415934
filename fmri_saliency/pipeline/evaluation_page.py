"""The page and the table of an evaluation, from what its rows hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.attribution import METHODS
from fmri_saliency.bids import clean_label
from fmri_saliency.evidence import NAIVE, Judgement, Spread, over_seeds, say_verdict
from fmri_saliency.files import write_text
from fmri_saliency.pipeline.protocol import Evaluation
from fmri_saliency.pipeline.report import draw_picture, versions_in_words
from fmri_saliency.plotting import plot_recovery
from fmri_saliency.report import make_page

__all__ = ["summary_table", "write_page"]

RECOVERED = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "density": "AUPRC by chance",
    "time_auroc": "Time AUROC",
    "region_auroc": "Region AUROC",
    "class_auroc": "Class AUROC",
    "class_auprc": "Class AUPRC",
    "first_excess": "First tenth, excess",
    "last_excess": "Last tenth, excess",
}
PUBLISHED = {
    "paper_weighted_jaccard": "Weighted Jaccard (2019)",
    "paper_euclidean": "Euclidean distance (2019)",
    "aup_2020": "AUP (2020)",
    "aur_2020": "AUR (2020)",
}
GLOSSARY = {
    "Accuracy": "Share of held-out samples that are recognised, all seeds. A seed below the gate is not judged.",
    "AUROC, AUPRC": "How well the map of a single sample ranks the cells (region x time step) in which something was "
    "planted above the others; mean over samples. By chance 0.5, and the share of planted cells.",
    "Time, region": "The same for the map summed over regions, or over time: does it know when, does it know where?",
    "Class": "The same for the average map of each class; none where the truth moves about.",
    "Excess": "Share of the map's mass in the first, or last, tenth of the steps, less the truth's: 0 is right. "
    "Saliency that vanishes piles up at the end.",
    "Weighted Jaccard, Euclidean distance": "The scores of Ismail et al. (2019). They do not measure localisation: "
    "compare the random map's.",
    "AUP, AUR": "As Ismail et al. (2020) define them, by shares of the map's mass; at most 0.8. Others define them "
    "otherwise. They depend on a map's values, not only on their order.",
    "Intervals": "95 %, Student's t over seeds; each seed draws new samples and new weights.",
}


def _spread_columns(spreads: dict[str, Spread]) -> dict[str, float]:
    line = {}
    for name, spread in spreads.items():
        line |= {name: spread.mean, f"{name}_low": spread.low, f"{name}_high": spread.high}
    return line


def summary_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return one line for each set and pair, with means and intervals, and one for each map that knows nothing."""
    lines = []
    for one in judgements:
        head = {"set": one.data, "pair": one.pair, "map": "pair"}
        line = {**head, "network": one.network, "explainer": one.explainer, "seeds": one.n_seeds,
                "judged": one.n_judged, **_spread_columns({"accuracy": one.accuracy})}  # fmt: skip
        for figures in one.figures.values():
            line |= _spread_columns(figures)
        lines.append({**line, "verdict": say_verdict(one)})
        lines += [{**head, "map": name, **_spread_columns(scores)} for name, scores in one.beside.items()]
    table = pd.DataFrame(lines).astype({"seeds": "Int64", "judged": "Int64"})
    return table[[*table.columns.drop("verdict"), "verdict"]]


def _rows(shown: Sequence[Judgement], columns: dict[str, str]) -> list[dict[str, Any]]:
    """Return the pairs' rows of a table of recovery, each with its untrained network, then the naive maps'."""
    rows: list[dict[str, Any]] = []
    for one in shown:
        scores = one.figures.get("recover", {})
        rows.append({"name": one.pair, "cells": [scores.get(key, over_seeds([])) for key in columns]})
        rows += [{"name": f"{name} ({one.pair})", "cells": [found[key] for key in columns]}
                 for name, found in one.beside.items() if name not in NAIVE]  # fmt: skip
    known = next((one.beside for one in shown if one.beside), {})
    rows += [{"name": name, "cells": [known[name][key] for key in columns]} for name in NAIVE if name in known]
    return rows


def _set_part(name: str, judgements: Sequence[Judgement], folder: Path) -> dict[str, Any]:
    shown = [one for one in judgements if one.data == name]
    recovered = [one for one in shown if "recover" in one.figures]
    tables, pictures = [], []
    accuracy = [{"name": one.pair, "cells": [one.accuracy]} for one in shown]
    tables.append({"name": "Gate", "columns": ["Accuracy"], "rows": accuracy})
    if recovered:
        tables.append({"name": "Recover", "columns": list(RECOVERED.values()), "rows": _rows(recovered, RECOVERED)})
        tables.append({"name": "Scores that papers reported, for comparison only", "columns": list(PUBLISHED.values()),
                       "rows": _rows(recovered, PUBLISHED)})  # fmt: skip
        caption = (f"{name}: AUROC and AUPRC of the cells, mean over seeds with 95 % intervals. Blue: the pairs; grey: "
                   "maps that know nothing of the network, and the truth itself. Dotted: chance.")
        pictures.append(draw_picture(plot_recovery(recovered, name), folder / f"{clean_label(name)}_recovery.png",
                                     caption))  # fmt: skip
    verdicts = [
        {"name": one.pair, "what": f"{one.network}, explained by {one.explainer}", "verdict": say_verdict(one)}
        for one in shown
    ]
    return {"name": name, "tables": tables, "pictures": pictures, "verdicts": verdicts}


def _methods(evaluation: Evaluation) -> str:
    data = evaluation.data
    explainers = {pair.explainer: METHODS[pair.explainer].reference for pair in evaluation.pairs}
    named = "; ".join(f"{name}: {reference}" for name, reference in explainers.items())
    return (f"For each of {len(data.seeds)} seeds, every pair was trained on {data.train} samples of a set, stopped on "
            f"{data.stop} others, and tested on {data.test} more; the first {data.explained} of these were explained, "
            f"and their maps compared with what had been planted. Explainers: {named}.")


def _summary(judgements: Sequence[Judgement]) -> str:
    judged = [one for one in judgements if one.n_judged and "recover" in one.figures]
    if not judged:
        return "No pair passed the gate, so that no map was judged."
    best: dict[str, Judgement] = {}
    for one in judged:
        rival = best.get(one.data)
        if rival is None or one.figure("recover", "auroc").mean > rival.figure("recover", "auroc").mean:
            best[one.data] = one
    named = "; ".join(f"{name}: {one.pair} ({one.figure('recover', 'auroc').mean:.2f})" for name, one in best.items())
    return f"Best AUROC of single samples' cells on each set: {named}."


def write_page(evaluation: Evaluation, judgements: Sequence[Judgement], failures: Sequence[dict[str, Any]]) -> Path:
    """Draw the figures and write ``evaluation.html``.

    Returns
    -------
    Path
        The page.
    """
    root = evaluation.output.path
    notes = [f"{one['set']}, {one['pair']}, seed {one['seed']} failed: {one['error']}" for one in failures]
    names = dict.fromkeys(one.data for one in judgements)
    content = {
        "title": evaluation.output.title or "Can the maps be trusted?",
        "summary": _summary(judgements),
        "notes": notes,
        "methods": _methods(evaluation),
        "sets": [_set_part(name, judgements, root / "figures") for name in names],
        "glossary": [{"name": name, "words": words} for name, words in GLOSSARY.items()],
        "configuration": (root / "evaluation.toml").read_text(encoding="utf-8"),
        "versions": versions_in_words(),
    }
    page = root / "evaluation.html"
    write_text(page, make_page(content, "evaluation.html.j2"))
    return page
