"""Figures of an evaluation: what a pair's maps find, beside maps that know nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from fmri_saliency.evidence import Judgement, Spread

__all__ = ["plot_recovery"]

PAIR, BESIDE = "#33608c", "#b9b9b9"


def _bar(axes: object, place: float, spread: Spread, colour: str) -> None:
    error = None if np.isnan(spread.low) else [[spread.mean - spread.low], [spread.high - spread.mean]]
    axes.barh(place, spread.mean, color=colour, xerr=error, error_kw={"elinewidth": 1, "capsize": 2})


def plot_recovery(judgements: Sequence[Judgement], title: str = "") -> Figure:
    """Draw AUROC and AUPRC of the pairs on one set, and of maps that know nothing, with intervals over seeds.

    Parameters
    ----------
    judgements : sequence of Judgement
        Of one set; those without figures of recovery are left out.
    title : str

    Returns
    -------
    Figure
        Two panels of bars; dotted lines are chance.
    """
    shown = [one for one in judgements if "recover" in one.figures]
    rows: list[tuple[str, dict[str, Spread], str]] = []
    for one in shown:
        rows.append((one.pair, one.figures["recover"], PAIR))
        rows += [(f"{name} ({one.pair})", scores, BESIDE) for name, scores in one.beside.items() if "network" in name]
    if shown:
        rows += [(name, scores, BESIDE) for name, scores in shown[0].beside.items() if "network" not in name]
    figure = Figure(figsize=(8.6, 1.2 + 0.3 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, score, words, chance in (
        (left, "auroc", "AUROC of cells", 0.5),
        (right, "auprc", "AUPRC of cells", shown[0].figures["recover"]["density"].mean if shown else np.nan),
    ):
        for place, (_, scores, colour) in enumerate(rows):
            _bar(axes, place, scores[score], colour)
        axes.axvline(chance, color="0.3", linewidth=1, linestyle=":")
        axes.set_xlim(0, 1)
        axes.set_xlabel(words)
    left.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
    left.invert_yaxis()
    figure.suptitle(title, fontsize=10)
    return figure
