"""The page and the table of an evaluation, from what its rows hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.attribution import METHODS
from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.disk.files import write_text
from fmri_saliency.evidence import NAIVE, Judgement, Spread, over_seeds, say_verdict
from fmri_saliency.pipeline.evaluation.protocol import SUPPRESSORS, Evaluation
from fmri_saliency.pipeline.pages.file_list import without_places
from fmri_saliency.pipeline.pages.html import make_page
from fmri_saliency.pipeline.pages.pictures import draw_picture
from fmri_saliency.pipeline.pages.report_page import versions_in_words
from fmri_saliency.plotting import plot_faithfulness, plot_null, plot_recovery

__all__ = ["column_name", "summary_table", "suppressors_of", "write_page"]

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
IN_SHORT = ["Accuracy", "AUROC", "AUPRC", "AUPRC by chance", "Best naive AUROC", "First tenth, excess",
            "Last tenth, excess", "Suppressor/signal", "Like new weights", "Time, p", "Removal gain", "Insertion gain"]
HEAD = ["set", "pair", "map", "network", "explainer", "seeds", "judged", "verdict"]  # of a table without lines
CHECK_TABLES = (
    ("suppress", "Suppress: do regions that only cancel noise look important?", {
        "ratio": "Suppressor/signal", "auroc": "AUROC of signal", "auprc": "AUPRC of signal",
        "density": "AUPRC by chance", "pattern_ratio": "Pattern: suppressor/signal", "pattern_auprc": "Pattern: AUPRC",
    }),
    ("null", "Null: is the map what training made it?", {
        "renewed_absolute": "New weights, absolute", "renewed_absolute_q97": "Its 97.5 % quantile",
        "renewed_signed": "New weights, signed",
        "renewed_given_input": "New weights, given the input", "renewed_profile": "New weights, time profile",
        "renewed_profile_share": "New weights, share of the profile",
        "profile_outside": "Steps outside the band", "profile_p": "Time, p",
        "profile_learnt": "Seeds with p at most 0.05",
        "shuffled_labels_absolute": "Labels shuffled, absolute", "shuffled_labels_signed": "Labels shuffled, signed",
        "shuffled_labels_profile": "Labels shuffled, time profile",
        "shuffled_labels_profile_share": "Labels shuffled, share of the profile",
        "shuffled_times_absolute": "Steps shuffled, absolute", "shuffled_times_signed": "Steps shuffled, signed",
        "shuffled_times_profile": "Steps shuffled, time profile",
    }),
    ("faithful", "Faithful: does the answer hang on what the map calls important?", {
        "removal_gain_absolute": "Removal gain", "removal_gain_signed": "Removal gain, signed",
        "removal_spread": "Random removal, spread", "insertion_gain_absolute": "Insertion gain",
        "insertion_gain_signed": "Insertion gain, signed", "insertion_spread": "Random insertion, spread",
        "cpd": "CPD", "cpp": "CPP", "cpd_random": "CPD, random", "infidelity": "Infidelity",
        "infidelity_shuffled": "Infidelity, cells shuffled",
    }),
)  # fmt: skip
PICTURES = (
    ("recovery", "recover", plot_recovery, "AUROC and AUPRC of the cells, mean over seeds with 95 % intervals. Blue: "
     "the pairs; grey: maps that know nothing of the network, and the truth itself. Dotted: chance."),
    ("null", "null", plot_null, "left, share of the map at each time step (blue) beside the band of networks with new "
     "weights (grey, 95 %) and the truth (dotted); right, rank correlation of the maps with those of the network "
     "renewed layer by layer from the output, wholly, and trained on shuffled labels or steps."),
    ("faithfulness", "faithful", plot_faithfulness, "probability of the network's answer while blocks of cells are "
     "replaced by other samples' (left: lower is better) or put into other samples (right: higher is better), the most "
     "important first, and in random order (grey)."),
)  # fmt: skip
GLOSSARY = {
    "Accuracy": "Share of held-out samples that are recognised, all seeds. A seed below the gate is not judged.",
    "AUROC, AUPRC": "How well the map of a single sample ranks the cells (region x time step) in which something was "
    "planted above the others; mean over samples. By chance 0.5, and the share of planted cells.",
    "Time, region": "The same for the map summed over regions, or over time: does it know when, does it know where?",
    "Class": "The same for the average map of each class; none where the truth moves about.",
    "Excess": "Share of the map's mass in the first, or last, tenth of the steps, less the truth's: 0 is right. "
    "Saliency that vanishes piles up at the end.",
    "Best naive AUROC": "Of the maps that know nothing of the trained network, the oracle aside.",
    **{name[0].upper() + name[1:]: f"{words}." for name, words in NAIVE.items()},
    "Untrained network": "the same network with new weights, explained alike.",
    "Suppressor/signal": "Mean absolute value of the map in regions that only help to cancel noise, over that in "
    "regions that carry the class, on the set of suppressors. 0 is right; 1 means they cannot be told apart. The "
    "pattern (Haufe et al. 2014) is that of the same network.",
    "New weights, labels shuffled": "Spearman's rank correlation of the maps with those of networks that cannot know "
    "the answer, of absolute and of signed values, and with the input's absolute value held constant; Pearson's of the "
    "time profiles. Share of the profile: how much of the map's departure from an even spread over time the other "
    "shows. Close to 0 is right.",
    "Steps shuffled": "The same with a network that was trained on samples whose time steps were shuffled: it can know "
    "which regions matter, not when. Where its maps are alike, the moments come from the sample, not from learning.",
    "Time, p": "Probability that the time profile is one of the same network with new weights (permutation test over "
    "the draws). Only up to 0.05 may anything be said about when; at least 19 draws are needed.",
    "Gain": "How much lower the probability of the answer is on average while the most important blocks are replaced "
    "by other samples' than with random ones (removal), or how much higher while they are put in (insertion). Blocks "
    "are ranked by absolute value; in short and in words, those of contributions by their signed value. Spread: the "
    "largest distance of a random ranking from their mean.",
    "CPD, CPP": "Summed change of the probabilities while blocks are replaced, most important first (higher is "
    "better) and least important first (lower is better); Jang et al. (2025).",
    "Infidelity": "Share of what becomes of the explained logit, when random patches (regions x window) are replaced "
    "by another sample's, that the map at its best scale does not foretell: 1 is nothing, and less than with its cells "
    "shuffled is right; 0 is out of reach, as no map knows what the other sample brings. After Yeh et al. (2019). "
    "Slopes are multiplied by the change of the signal; contributions are summed with their sign, other maps without.",
    "Retrained": "Accuracy after training again: with all cells; lost beyond random when the most important are "
    "removed (gain); kept beyond random when only they are kept (gain).",
    "Weighted Jaccard, Euclidean distance": "The scores of Ismail et al. (2019). They do not measure localisation: "
    "compare the random map's.",
    "AUP, AUR": "As Ismail et al. (2020) define them, by shares of the map's mass; at most 0.8. Those of "
    "time_interpret, after Crabbe and van der Schaar (2021), have the same names and other values. They depend on a "
    "map's values, not only on their order.",
    "Intervals": "95 %, Student's t over seeds; each seed draws new samples and new weights. One seed has none.",
}


def column_name(check: str, figure: str) -> str:
    """Return the column of a figure in the tables; those of recovery have no check before them."""
    return figure if check == "recover" else f"{check}_{figure}"


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
        for check, figures in one.figures.items():
            line |= _spread_columns({column_name(check, key): spread for key, spread in figures.items()})
        lines.append({**line, "verdict": say_verdict(one, suppressors_of(one, judgements))})
        lines += [{**head, "map": name, **_spread_columns(scores)} for name, scores in one.beside.items()]
    table = pd.DataFrame(lines, columns=None if lines else HEAD).astype({"seeds": "Int64", "judged": "Int64"})
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


def suppressors_of(one: Judgement, judgements: Sequence[Judgement]) -> Judgement | None:
    """Return what was found about the same pair on suppressors, if they were judged, or its network fails there."""
    others = (other for other in judgements if (other.data, other.pair) == (SUPPRESSORS, one.pair))
    return next((other for other in others if "suppress" in other.figures or not other.n_judged), None)


def _in_short(one: Judgement, suppressors: Judgement | None) -> dict[str, Any]:
    """Return the row of a pair: every check in a figure or two."""
    rivals = {name: scores["auroc"] for name, scores in one.beside.items() if name != "oracle"}
    ratio = suppressors.figure("suppress", "ratio") if suppressors is not None else over_seeds([])
    cells = [one.accuracy, *(one.figure("recover", key) for key in ("auroc", "auprc", "density"))]
    cells += [max(rivals.values(), key=lambda spread: spread.mean) if rivals else over_seeds([])]
    cells += [one.figure("recover", "first_excess"), one.figure("recover", "last_excess"), ratio]
    cells += [one.figure("null", "renewed_absolute"), one.figure("null", "profile_p")]
    cells += [one.gain("removal"), one.gain("insertion")]
    return {"name": one.pair, "cells": cells}


def _check_tables(shown: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Return a table for each check that was made."""
    tables = []
    for check, title, columns in CHECK_TABLES:
        made = [one for one in shown if check in one.figures]
        used = {key: words for key, words in columns.items() if any(one.figure(check, key).n for one in made)}
        retrained = dict.fromkeys(key for one in made for key in one.figures[check] if key.startswith("retrain_"))
        used |= {key: key.replace("retrain_", "Retrained ").replace("_", " ") for key in retrained}
        rows = [{"name": one.pair, "cells": [one.figure(check, key) for key in used]} for one in made]
        if made:
            tables.append({"name": title, "columns": list(used.values()), "rows": rows})
    return tables


def _set_part(name: str, judgements: Sequence[Judgement], folder: Path) -> dict[str, Any]:
    shown = [one for one in judgements if one.data == name]
    recovered = [one for one in shown if "recover" in one.figures]
    rows = [_in_short(one, suppressors_of(one, judgements)) for one in shown]
    tables = [{"name": "In short", "columns": IN_SHORT, "rows": rows}]
    if recovered:
        tables.append({"name": "Recover: is what was planted found?", "columns": list(RECOVERED.values()),
                       "rows": _rows(recovered, RECOVERED)})  # fmt: skip
    tables += _check_tables(shown)
    if recovered:
        tables.append({"name": "Scores that papers reported, for comparison only", "columns": list(PUBLISHED.values()),
                       "rows": _rows(recovered, PUBLISHED)})  # fmt: skip
    pictures = [
        draw_picture(draw(shown, name), folder / f"{clean_label(name)}_{kind}.png", f"{name}: {words}")
        for kind, check, draw, words in PICTURES if any(check in one.figures for one in shown)
    ]  # fmt: skip
    verdicts = [
        {"name": one.pair, "what": f"{one.network}, explained by {one.explainer}",
         "verdict": say_verdict(one, suppressors_of(one, judgements))}
        for one in shown
    ]  # fmt: skip
    return {"name": name, "tables": tables, "pictures": pictures, "verdicts": verdicts}


def _methods(evaluation: Evaluation) -> str:
    data = evaluation.data
    explainers = {pair.explainer: METHODS[pair.explainer].reference for pair in evaluation.pairs}
    named = "; ".join(f"{name}: {reference}" for name, reference in explainers.items())
    seeds = "For one seed" if len(data.seeds) == 1 else f"For each of {len(data.seeds)} seeds"
    return (f"{seeds}, every pair was trained on {data.train} samples of a set, stopped on {data.stop} "
            f"others, and tested on {data.test} more; the first {data.explained} of these were explained, and their "
            f"maps compared with what had been planted. Explainers: {named}.")


def _summary(evaluation: Evaluation, judgements: Sequence[Judgement]) -> str:
    if not judgements:
        return "Every row failed, so that no map was judged."
    if not any(one.n_judged for one in judgements):
        return "No pair passed the gate, so that no map was judged."
    judged = [one for one in judgements if "recover" in one.figures]
    if "recover" not in evaluation.checks.which:
        return "Whether what was planted is found was not asked; what was is told of each set."
    if not judged:
        return "No pair passed the gate on a set on which it was asked whether what was planted is found."
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
        "summary": _summary(evaluation, judgements),
        "notes": notes,
        "methods": _methods(evaluation),
        "sets": [_set_part(name, judgements, root / "figures") for name in names],
        "glossary": [{"name": name, "words": words} for name, words in GLOSSARY.items()],
        "configuration": (root / "evaluation.toml").read_text(encoding="utf-8"),
        "versions": versions_in_words(),
    }
    page = root / "evaluation.html"
    write_text(page, make_page(without_places(content, root), "evaluation.html.j2"))
    return page
