"""What the checks of a run's maps found, beside what maps that say nothing would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_axes
from fmri_saliency.plotting.colours import CATEGORIES
from fmri_saliency.records import Evidence

__all__ = ["plot_evidence"]


def plot_evidence(evidence: Sequence[Evidence], title: str = "", *, axes: Axes | None = None) -> Figure:
    """Draw each check's figure as a dot, with its interval where there is one, beside its null as a hollow diamond.

    Parameters
    ----------
    evidence : sequence of Evidence
        Shares, correlations, or areas under a curve: all without a unit. Those whose figure is not known are left out.
    title : str
    axes : Axes, optional
        To draw in; those of a new figure when omitted.

    Returns
    -------
    Figure
    """
    shown = [one for one in evidence if np.isfinite(one.value)]
    checks = list(dict.fromkeys(one.check for one in shown))
    rows = sorted(shown, key=lambda one: checks.index(one.check))
    axes = open_axes(axes, (8.6, 1.2 + 0.26 * max(1, len(rows))))
    for row, one in enumerate(rows):
        if one.interval is not None:
            axes.plot(one.interval, (row, row), color=CATEGORIES[0], linewidth=1.5, label="95 % interval")
        if np.isfinite(one.null):
            axes.plot((one.null, one.value), (row, row), color="0.8", linewidth=1, zorder=0)
            axes.plot(one.null, row, "D", markerfacecolor="none", color="0.25", label="a map that says nothing")
        axes.plot(one.value, row, "o", color=CATEGORIES[0], label="this map")
    for row in range(1, len(rows)):
        if rows[row].check != rows[row - 1].check:
            axes.axhline(row - 0.5, color="0.85", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [f"{one.check}: {one.subject}" for one in rows], fontsize=7)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xlabel("Figure of the check (share, correlation, or area under the curve)")
    axes.set_title(title, fontsize=10)
    known = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    if known:
        axes.legend(known.values(), known, frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return axes.figure.figure
