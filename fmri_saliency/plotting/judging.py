"""Figures of an evaluation: what a pair's maps find, what is the architecture's, and what the answer hangs on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.evidence import NAIVE, Judgement, Spread
from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import CATEGORIES

__all__ = ["plot_faithfulness", "plot_null", "plot_recovery"]

PAIR, BESIDE, OTHER = CATEGORIES[0], "#b9b9b9", CATEGORIES[1]


def _bar(axes: Axes, place: float, spread: Spread, colour: str) -> None:
    error = None if np.isnan(spread.low) else [[spread.mean - spread.low], [spread.high - spread.mean]]
    axes.barh(place, spread.mean, color=colour, xerr=error, error_kw={"elinewidth": 1, "capsize": 2})


def plot_recovery(judgements: Sequence[Judgement], title: str = "", *, axes: Axes | None = None) -> Figure:
    """Draw AUROC and AUPRC of the pairs on one set, and of maps that know nothing, with intervals over seeds.

    Parameters
    ----------
    judgements : sequence of Judgement
        Of one set; those without figures of recovery are left out.
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
        Two panels of bars; dotted lines are chance.
    """
    shown = [one for one in judgements if "recover" in one.figures]
    rows: list[tuple[str, dict[str, Spread], str]] = []
    for one in shown:
        rows.append((one.pair, one.figures["recover"], PAIR))
        rows += [(f"{name} ({one.pair})", scores, BESIDE) for name, scores in one.beside.items() if name not in NAIVE]
    known = shown[0].beside if shown else {}
    rows += [(name, known[name], BESIDE) for name in NAIVE if name in known]
    chance = shown[0].figure("recover", "density").mean if shown else float("nan")
    place = open_place(axes, (8.6, 1.3 + 0.28 * len(rows)))
    left, right = place.subplots(1, 2, sharey=True)
    for panel, score, line in ((left, "auroc", 0.5), (right, "auprc", chance)):
        for row, (_, scores, colour) in enumerate(rows):
            _bar(panel, row, scores[score], colour)
        panel.axvline(line, color="0.3", linewidth=1, linestyle=":")
        panel.set_xlim(0, 1.02)
        panel.set_xlabel(f"{score.upper()} of cells")
    left.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=8)
    left.invert_yaxis()
    place.suptitle(title, fontsize=10)
    return place.figure


def _draw_profile(axes: Axes, found: Judgement, t_r: float, start: float) -> None:
    names = ("profile", "band_mean", "band_low", "band_high", "truth_profile")
    curves = {name: 100 * found.curves[name] for name in names if name in found.curves}
    steps = start + np.arange(len(curves["profile"])) * t_r
    axes.fill_between(steps, curves["band_low"], curves["band_high"], color=BESIDE, alpha=0.6, linewidth=0,
                      label="new weights")
    axes.plot(steps, curves["band_mean"], color="0.5", linewidth=1)
    if "truth_profile" in curves:
        axes.plot(steps, curves["truth_profile"], color="0.2", linewidth=1, linestyle=":", label="truth")
    axes.plot(steps, curves["profile"], color=PAIR, label="trained")
    known = np.concatenate([curve[np.isfinite(curve)] for curve in curves.values()])
    axes.set_ylim(0, 1.25 * known.max() if known.any() else 1)  # maps that are zero everywhere have no profile
    axes.set_ylabel("Share of the map (%)", fontsize=8)
    axes.set_title(found.pair, fontsize=9)


def _draw_likeness(axes: Axes, found: Judgement) -> None:
    layers = [".".join(name.split(".")[-2:]) for name in found.names["cascade"]]
    layers = [f"new to {name}" for name in layers]
    names = [*layers, "all new (mean)"]
    values = [*found.curves["cascade_absolute"], found.figure("null", "renewed_absolute").mean]
    signed = [*found.curves["cascade_signed"], found.figure("null", "renewed_signed").mean]
    for what, words in (("labels", "labels shuffled"), ("times", "steps shuffled")):
        if found.figure("null", f"shuffled_{what}_absolute").n:
            names.append(words)
            values.append(found.figure("null", f"shuffled_{what}_absolute").mean)
            signed.append(found.figure("null", f"shuffled_{what}_signed").mean)
    places = np.arange(len(names))
    axes.barh(places - 0.2, values, 0.4, color=PAIR, label="absolute")
    axes.barh(places + 0.2, signed, 0.4, color=OTHER, label="signed")
    low, high = (found.figure("null", f"renewed_absolute_{name}").mean for name in ("q02", "q97"))
    axes.plot([low, high], [len(layers) - 0.2] * 2, color="0.2", linewidth=1)  # where 95 % of the draws lie
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_xlim(-1, 1)
    axes.set_yticks(places, names, fontsize=7)
    axes.invert_yaxis()


def plot_null(
    judgements: Sequence[Judgement],
    title: str = "",
    t_r: float = 1.0,
    start: float = 0.0,
    clock: str = "Time step",
    *,
    axes: Axes | None = None,
) -> Figure:
    """Draw where in time maps lie beside the band of new weights, and how like the maps of ignorant networks they are.

    Parameters
    ----------
    judgements : sequence of Judgement
        Of one set; those without figures of the null check are left out. Where nothing was planted, there is no
        curve ``truth_profile``.
    title : str
    t_r, start : float
        Seconds per frame and of the first one; steps are counted when omitted, as sets of data may have no seconds.
    clock : str
        Label of the time axis.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
        A row for each pair: time profiles on the left, rank correlations on the right.
    """
    shown = [one for one in judgements if "null" in one.figures]
    place = open_place(axes, (8.6, 0.6 + 2.4 * max(1, len(shown))))
    grid = place.subplots(max(1, len(shown)), 2, squeeze=False, sharex="col")
    for (left, right), one in zip(grid, shown, strict=False):
        _draw_profile(left, one, t_r, start)
        _draw_likeness(right, one)
    if shown:
        grid[0, 0].legend(frameon=False, fontsize=8)
        grid[0, 1].legend(frameon=False, fontsize=8)
    grid[-1, 0].set_xlabel(clock)
    grid[-1, 1].set_xlabel("Rank correlation with the trained map", fontsize=8)
    place.suptitle(title, fontsize=10)
    return place.figure


def plot_faithfulness(judgements: Sequence[Judgement], title: str = "", *, axes: Axes | None = None) -> Figure:
    """Draw the probability of the answer while blocks are removed or inserted, in the maps' order and at random.

    Parameters
    ----------
    judgements : sequence of Judgement
        Of one set; those without figures of the check are left out.
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
        A row for each pair: removal on the left, insertion on the right.
    """
    shown = [one for one in judgements if "faithful" in one.figures]
    place = open_place(axes, (8.6, 0.6 + 2.1 * max(1, len(shown))))
    grid = place.subplots(max(1, len(shown)), 2, squeeze=False, sharex=True, sharey=True)
    styles = {"absolute": (PAIR, "-"), "signed": (OTHER, "--"), "random": ("0.5", ":")}
    for row, one in zip(grid, shown, strict=False):
        for panel, kind in zip(row, ("removal", "insertion"), strict=True):
            for name, (colour, style) in styles.items():
                if f"{kind}_{name}" in one.curves:
                    panel.plot(100 * one.curves["shares"], one.curves[f"{kind}_{name}"], style, color=colour,
                               label=f"{name} order" if name == "random" else f"by {name} value")
            panel.set_ylim(0, 1.02)
            panel.set_title(f"{one.pair}: {kind}", fontsize=9)
        row[0].set_ylabel("Probability of the answer", fontsize=8)
    lines = {line.get_label(): line for panel in grid.flat for line in panel.get_lines()}
    if lines:
        grid[0, 0].legend(handles=list(lines.values()), frameon=False, fontsize=8)
    for panel in grid[-1]:
        panel.set_xlabel("Blocks replaced, or put in (%)")
    place.suptitle(title, fontsize=10)
    return place.figure
