"""Scores of several networks, one dot per seed, beside what was published and what knows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import CATEGORIES, LINES, colour_of

__all__ = ["plot_beside"]

Scores = Mapping[str, Sequence[float]]


def plot_beside(
    panels: Mapping[str, Scores],
    published: Mapping[str, Mapping[str, float]] | None = None,
    baselines: Mapping[str, Mapping[str, float]] | None = None,
    others: Mapping[str, Scores] | None = None,
    label: str = "",
    title: str = "",
    *,
    axes: Axes | None = None,
) -> Figure:
    """Draw a score of every network as dots, one per seed, in one panel per data set.

    Parameters
    ----------
    panels : mapping of panel name to mapping of network to scores
        Networks appear in the order of the first panel, from the top.
    published : mapping of panel name to mapping of network to score, optional
        Drawn as hollow diamonds.
    baselines : mapping of panel name to mapping of name to score, optional
        Drawn as vertical lines.
    others : as `panels`, optional
        A second score per network and seed (untrained networks), drawn as crosses.
    label, title : str
        Of the score's axis and of the figure.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    names = list(next(iter(panels.values())))
    row = {name: place for place, name in enumerate(names)}
    place = open_place(axes, (2.6 + 1.9 * len(panels), 2.8 + 0.26 * len(names)))
    grid = np.atleast_1d(place.subplots(1, len(panels), sharex=True, sharey=True))
    for axis, (panel, scores) in zip(grid, panels.items(), strict=True):
        for number, (name, value) in enumerate((baselines or {}).get(panel, {}).items()):
            axis.axvline(value, color=colour_of(number + 1), linestyle=LINES[number % len(LINES)], linewidth=1.5,
                         label=name, zorder=1)  # fmt: skip
        _dots(axis, (others or {}).get(panel, {}), row, "x", "0.55", "untrained network")
        _dots(axis, scores, row, "o", CATEGORIES[0], "trained network, one dot per seed")
        known = {name: [value] for name, value in (published or {}).get(panel, {}).items() if name in row}
        _dots(axis, known, row, "D", CATEGORIES[4], "published")
        axis.set_title(panel, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(axis="y", color="0.93")
    grid[0].set_yticks(range(len(names)), names, fontsize=8)
    grid[0].set_ylim(len(names) - 0.5, -0.5)
    grid[len(grid) // 2].set_xlabel(label, fontsize=9)
    place.suptitle(title, fontsize=11)
    handles, words = grid[0].get_legend_handles_labels()
    place.legend(handles, words, loc="outside lower center", ncols=min(len(grid), 4), fontsize=7, frameon=False)
    return place.figure


def _dots(axes: Axes, scores: Scores, row: Mapping[str, int], marker: str, colour: str, label: str) -> None:
    points = [(value, row[name]) for name, values in scores.items() for value in values if np.isfinite(value)]
    if points:
        look = {"color": colour} if marker == "x" else {"edgecolors": colour}
        if marker != "x":
            look["facecolors"] = "none" if marker == "D" else colour
        axes.scatter(*zip(*points, strict=True), marker=marker, s=18, linewidths=1, label=label, zorder=3, **look)
