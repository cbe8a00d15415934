"""What was found about maps, beside what maps that say nothing would show."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from fmri_saliency.records import Evidence

__all__ = ["plot_checks"]

FOUND, NOTHING = "#33608c", "#c4622d"


def plot_checks(found: Sequence[Evidence], title: str = "") -> Figure:
    """Draw every check in a panel of its own: a dot per class or network, and a bar where a map that says nothing is.

    Parameters
    ----------
    found : sequence of Evidence
        What has no number is left out.
    title : str

    Returns
    -------
    Figure
    """
    known = [one for one in found if np.isfinite(one.value)]
    checks = list(dict.fromkeys(one.check for one in known))
    sizes = [1 + sum(one.check == check for one in known) for check in checks]
    figure = Figure(figsize=(8.6, 0.9 + 0.3 * sum(sizes) + 0.45 * len(checks)), layout="constrained")
    panels = figure.subplots(max(1, len(checks)), 1, squeeze=False, height_ratios=sizes or None)[:, 0]
    for axes, check in zip(panels, checks, strict=False):
        shown = [one for one in known if one.check == check]
        for row, one in enumerate(shown):
            axes.plot([one.null, one.value], [row, row], color="0.75", linewidth=1.5, zorder=1)
            axes.plot(one.null, row, "|", color=NOTHING, markersize=12, markeredgewidth=2.5, label="says nothing")
            axes.plot(one.value, row, "o", color=FOUND, markersize=7, label="this map")
        axes.set_yticks(range(len(shown)), [textwrap.shorten(one.subject, 28) for one in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(-1.02 if "correlation" in check else -0.02, 1.02)
        axes.set_title(check, fontsize=9, loc="left")
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", color="0.92")
    if checks:
        words = dict(zip(*panels[0].get_legend_handles_labels()[::-1], strict=True))
        figure.legend(words.values(), words, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    return figure
