"""What was taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_axes

__all__ = ["plot_confusion"]


def plot_confusion(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str = "", *, axes: Axes | None = None
) -> Figure:
    """Draw a confusion matrix: rows are true classes, numbers are samples, shades are row shares.

    Parameters
    ----------
    confusion : (n_classes, n_classes) counts
    classes : sequence of str
    title : str
    axes : Axes, optional
        To draw in; those of a new figure when omitted.

    Returns
    -------
    Figure
    """
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.55 * len(classes)
    axes = open_axes(axes, (side + 1.2, side))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(classes)):
        for column in range(len(classes)):
            shade = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, int(counts[row, column]), ha="center", va="center", color=shade, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right", fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    axes.get_figure().colorbar(image, ax=axes, label="Share of the true class", shrink=0.8)
    axes.set_title(title, fontsize=10)
    return axes.figure.figure
