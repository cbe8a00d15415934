"""Where in time the saliency lies, network beside network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.plotting.canvas import open_axes
from fmri_saliency.plotting.colours import line_of
from fmri_saliency.records import Saliency

__all__ = ["plot_time_shares"]

FEW = 12


def plot_time_shares(
    saliencies: Mapping[str, Saliency], title: str = "", clock: str = "Time (s)", *, axes: Axes | None = None
) -> Figure:
    """Draw each network's share of saliency per time step (mean over samples) and the even share.

    Parameters
    ----------
    saliencies : mapping of network name to Saliency
        Per sample; all of one length.
    title, clock : str
        Of the figure and of its time axis.
    axes : Axes, optional
        To draw in; those of a new figure when omitted.

    Returns
    -------
    Figure
    """
    axes = open_axes(axes, (8.6, 3.2))
    for number, (name, saliency) in enumerate(saliencies.items()):
        shares = saliency.time_share()
        shares = shares[np.isfinite(shares).all(axis=1)]
        time = saliency.start + np.arange(shares.shape[1]) * saliency.t_r
        marker = "o" if len(time) <= FEW else None
        axes.plot(time, 100 * shares.mean(axis=0), label=name, marker=marker, **line_of(number))
    n_times = next(iter(saliencies.values())).values.shape[1]
    axes.axhline(100 / n_times, color="0.5", linewidth=1, linestyle=(0, (1, 2)), label="even over time")
    axes.set_xlabel(clock)
    axes.set_ylabel("Share of saliency (%)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.set_title(title, fontsize=11)
    return axes.figure.figure
