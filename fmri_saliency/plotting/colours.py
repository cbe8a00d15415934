"""The colours of all figures: told apart by colour-blind readers and in grey print."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize

__all__ = ["CATEGORIES", "LINES", "colour_of", "line_of", "scale_of"]

SIGNED = "RdBu_r"
UNSIGNED = "YlOrRd"

CATEGORIES = ("#0072b2", "#e69f00", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#000000", "#cc79a7")
"""Okabe and Ito's colours (2008, https://jfly.uni-koeln.de/color/), ordered so that neighbours differ in grey."""

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)), (0, (3, 3, 1, 3)))


def colour_of(number: int) -> str:
    """Return the colour of the `number`-th of several things; begins anew after eight."""
    return CATEGORIES[number % len(CATEGORIES)]


def line_of(number: int) -> dict[str, object]:
    """Return colour and dashes of the `number`-th line: two lines differ in their dashes, too."""
    return {"color": colour_of(number), "linestyle": LINES[number % len(LINES)]}


def scale_of(values: np.ndarray, signed: bool = True, limit: float | None = None) -> ScalarMappable:
    """Return how numbers become colours: from -limit to limit where they have a sign, else from 0 to limit.

    `limit` is the largest absolute value where it is not given; 1 where all are 0 or NaN.
    """
    if limit is None:
        known = np.abs(values[np.isfinite(values)])
        limit = (float(known.max()) if known.size else 0.0) or 1.0
    return ScalarMappable(Normalize(-limit if signed else 0.0, limit), colormap(signed))


def colormap(signed: bool) -> Colormap:
    return colormaps[SIGNED if signed else UNSIGNED]
