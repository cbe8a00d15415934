"""Curves of several networks with their spread over seeds, and the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import colour_of

__all__ = ["plot_curves"]


def plot_curves(
    x: Sequence[float],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    published: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    label: str = "",
    title: str = "",
    *,
    axes: Axes | None = None,
) -> Figure:
    """Draw one panel per score: the mean over seeds of every curve, a band from the lowest to the highest seed.

    Parameters
    ----------
    x : sequence of float, length n
    panels : mapping of axis label to mapping of curve name to ndarray, shape (n_seeds, n)
    published : mapping of axis label to mapping of curve name to values, length n, optional
        Drawn dashed, in the colour of the curve of that name where there is one.
    label, title : str
        Of the horizontal axis and of the figure.
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    place = open_place(axes, (1.0 + 4.2 * len(panels), 4.6))
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    names += [name for curves in (published or {}).values() for name in curves if name not in names]
    colours = {name: colour_of(number) for number, name in enumerate(names)}
    drawn = {}
    for axis, (score, curves) in zip(np.atleast_1d(place.subplots(1, len(panels))), panels.items(), strict=True):
        for name, values in curves.items():
            values = np.atleast_2d(values)
            (drawn[name],) = axis.plot(x, values.mean(axis=0), marker="o", markersize=3, color=colours[name])
            axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=colours[name], alpha=0.15, linewidth=0)
        for name, values in (published or {}).get(score, {}).items():
            (drawn[f"{name} (published)"],) = axis.plot(x, values, "--D", markersize=3, color=colours[name])
        axis.set_xticks(list(x)[:: -(-len(x) // 12)])  # at most a dozen
        axis.set_xlabel(label, fontsize=9)
        axis.set_ylabel(score, fontsize=9)
        axis.tick_params(labelsize=8)
    place.suptitle(title, fontsize=11)
    place.legend(drawn.values(), drawn, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    return place.figure
