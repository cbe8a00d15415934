"""How training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import CATEGORIES

__all__ = ["plot_learning"]

LOSSES = {"train_loss": ("training", CATEGORIES[0], "-"), "valid_loss": ("held out from training", CATEGORIES[4], "--")}


def plot_learning(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], title: str = "", *, axes: Axes | None = None
) -> Figure:
    """Draw the loss of every epoch, a line per fold, one panel per network; a dot where the weights were kept.

    Parameters
    ----------
    histories : mapping of network to a sequence of histories, one per fold
        Each as ``TaskDecoder.history_``: rows with `epoch`, `train_loss` and, if there was anyone to stop on,
        `valid_loss` (cross-entropy in nats). A history without rows (a linear decoder's) is left out.
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    place = open_place(axes, (1.0 + 3.8 * max(1, len(histories)), 3.2))
    panels = place.subplots(1, max(1, len(histories)), sharey=True, squeeze=False)[0]
    for panel, (name, folds) in zip(panels, histories.items(), strict=False):
        for rows in folds:
            for key, (_, colour, style) in LOSSES.items():
                known = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
                if not known:
                    continue
                epochs, losses = np.array(known, dtype=float).T
                panel.plot(epochs, losses, style, color=colour, linewidth=0.9, alpha=0.8)
                if key == "valid_loss":
                    best = losses.argmin()
                    panel.plot(epochs[best], losses[best], "o", color=colour, markersize=4)
        panel.set_title(f"{name}, {len(folds)} fold{'s' if len(folds) != 1 else ''}", fontsize=9)
        panel.set_xlabel("Epoch")
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("Cross-entropy (nats)")
    handles = [panels[0].plot([], [], style, color=colour, label=words)[0] for words, colour, style in LOSSES.values()]
    panels[0].legend(handles=handles, frameon=False, fontsize=8)
    place.suptitle(title, fontsize=11)
    return place.figure
