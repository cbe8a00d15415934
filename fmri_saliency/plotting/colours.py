"""The colours of all figures: told apart by colour-blind readers and in grey print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.contour import ContourSet

from fmri_saliency.plotting.canvas import Place

__all__ = [
    "CATEGORIES",
    "LINES",
    "SIGNED",
    "UNSIGNED",
    "colour_of",
    "draw_scale",
    "line_of",
    "mark_negative",
    "scale_of",
]

SIGNED = LinearSegmentedColormap.from_list("signed", (
    "#053061", "#134c87", "#2267ac", "#337eb8", "#4c99c6", "#75b2d4", "#a0cce2", "#cfe4ef", "#f7f6f6",
    "#fbe3d4", "#fbccb4", "#f6b394", "#ef9979", "#e17860", "#d25849", "#bf3338", "#a21328",
))  # fmt: skip
"""ColorBrewer's blue to red with equal steps in CIELAB; it ends before the darkest reds, so that in grey the strongest
negative values are darker than the strongest positive ones, and both halves are equally long."""

UNSIGNED = LinearSegmentedColormap.from_list("unsigned", (
    "#ffffcc", "#ffe895", "#fec965", "#fea446", "#fd7e38", "#fc512b", "#d51020", "#ac0026", "#800026",
))  # fmt: skip
"""ColorBrewer's yellow to red with equal steps in CIELAB."""

CATEGORIES = ("#0072b2", "#e69f00", "#d55e00", "#56b4e9", "#f0e442", "#009e73", "#000000", "#cc79a7")
"""Okabe and Ito's colours (2008, https://jfly.uni-koeln.de/color/), ordered so that neighbours differ in grey."""

FINE = 200
"""Parts along each side of a picture that outlines of its pixels are drawn to."""

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
    return ScalarMappable(Normalize(-limit if signed else 0.0, limit), SIGNED if signed else UNSIGNED)


def draw_scale(place: Place, scale: ScalarMappable, beside: Axes | Sequence[Axes], label: str) -> Colorbar:
    """Draw a scale of colours beside axes; numbers far from 1 are written with a power of ten."""
    bar = place.colorbar(scale, ax=beside, label=label, shrink=0.8, aspect=15, pad=0.01)
    bar.formatter.set_powerlimits((-2, 4))
    return bar


def mark_negative(
    axes: Axes, pixels: np.ndarray, extent: tuple[float, float, float, float], limit: float
) -> ContourSet | None:
    """Put a dashed line around what is below -limit / 3, so that its sign is seen without colours, too.

    Parameters
    ----------
    axes : Axes
    pixels : ndarray, shape (rows, columns)
        From the bottom.
    extent : tuple of float
        Left, right, bottom and top of the pixels.
    limit : float
        Where the colours end.

    Returns
    -------
    ContourSet or None
        Nothing where nothing is below.
    """
    below = np.ma.filled(pixels, 0.0) < -limit / 3
    if not below.any():
        return None
    often = [-(-FINE // size) for size in below.shape]  # each pixel so many times, so that lines have its corners
    inside = np.pad(below.repeat(often[0], axis=0).repeat(often[1], axis=1).astype(float), 1)  # closed at the edge
    left, right, bottom, top = extent
    width, height = (right - left) / (inside.shape[1] - 2), (top - bottom) / (inside.shape[0] - 2)
    x = left + width * (np.arange(inside.shape[1]) - 0.5)
    y = bottom + height * (np.arange(inside.shape[0]) - 0.5)
    limits = axes.get_xlim(), axes.get_ylim()
    lines = axes.contour(x, y, inside, levels=[0.5], colors="0.1", linestyles="dashed", linewidths=0.7)
    axes.set(xlim=limits[0], ylim=limits[1])  # which contour widens
    return lines
