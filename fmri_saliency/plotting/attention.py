"""Which moments an attention reads."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.errors import InputError, one_of
from fmri_saliency.plotting.canvas import open_axes
from fmri_saliency.plotting.colours import draw_scale, scale_of

__all__ = ["plot_attention"]


def plot_attention(
    weights: np.ndarray,
    t_r: float,
    title: str = "",
    start: float = 0.0,
    clock: str = "Time (s)",
    *,
    reader: str = "time",
    axes: Axes | None = None,
) -> Figure:
    """Draw how much each reader takes of every moment, beside an even share of what it can see.

    Parameters
    ----------
    weights : ndarray, shape (n_readers, n_times)
        Softmax weights, each row with a sum of 1: of every time step that reads (see
        :func:`fmri_saliency.models.attention_over_time`), or of every hop (see
        :meth:`fmri_saliency.models.InputCellAttention.weights`). Moments that a reader cannot see have weight 0 and
        are left white.
    t_r : float
        Seconds per frame.
    title : str
    start : float
        Seconds of the first frame.
    clock : str
        Label of the axis of the moments that are read.
    reader : {"time", "hop"}
        What the rows are.
    axes : Axes, optional
        To draw in; those of a new figure when omitted.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the weights are not two-dimensional, or their readers not known.
    """
    one_of(reader, ("time", "hop"), "What reads (reader)")
    weights = np.asarray(weights, dtype=float)
    if weights.ndim != 2:
        raise InputError(f"Attention weights must have shape (n_readers, n_times); {weights.shape} came. Average over "
                         "samples, and over hops or time steps.")
    n_readers, n_times = weights.shape
    beside_even = weights * np.maximum((weights > 0).sum(axis=1, keepdims=True), 1)
    scale = scale_of(beside_even, signed=False)
    stop = start + n_times * t_r
    square = reader == "time"
    axes = open_axes(axes, (5.8, 4.8) if square else (8.6, 1.2 + 0.22 * n_readers))
    axes.imshow(np.ma.masked_equal(beside_even, 0), aspect="auto", cmap=scale.cmap, norm=scale.norm,
                interpolation="nearest",
                extent=(start, stop, start + n_readers * t_r, start) if square else (start, stop, n_readers + 0.5, 0.5),
                )  # fmt: skip
    axes.set(xlabel=clock, ylabel="Time step that reads (s)" if square else "Hop", title=title)
    if not square:
        axes.set_yticks(range(1, n_readers + 1, -(-n_readers // 10)))
    draw_scale(axes.get_figure(), scale, axes, "Weight (times an even share)")
    return axes.figure.figure
