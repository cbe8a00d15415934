"""How much of each time step is left in the answers of several networks, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri_saliency.models import VanishingProfile
from fmri_saliency.plotting.canvas import open_place
from fmri_saliency.plotting.colours import colour_of

__all__ = ["plot_vanishing"]


def plot_vanishing(
    profiles: Sequence[VanishingProfile],
    t_r: float,
    title: str = "",
    start: float = 0.0,
    *,
    axes: Axes | None = None,
) -> Figure:
    """Draw input gradients, state Jacobians and forget gates over time, one panel each, one line per network.

    Panels that no network has anything for are left out.

    Parameters
    ----------
    profiles : sequence of VanishingProfile
        See :func:`fmri_saliency.models.vanishing_profile`. Dotted lines are networks with new weights.
    t_r, start : float
        Seconds per frame, and of the first one.
    title : str
    axes : Axes, optional
        Whose place the figure takes; a figure of its own when omitted.

    Returns
    -------
    Figure
    """
    states = {"jacobian": "Norm of last state's\nderivative by each state", "forget": "Product of forget gates"}
    shown = [key for key in states if any(np.isfinite(getattr(one, key)).any() for one in profiles)]
    labels = ["Share of input gradient (%)", *(states[key] for key in shown)]
    place = open_place(axes, (8.6, 0.7 + 1.9 * len(labels)))
    panels = place.subplots(len(labels), 1, sharex=True, squeeze=False)[:, 0]
    for number, profile in enumerate(profiles):
        time = start + np.arange(len(profile.shares)) * t_r
        colour = colour_of(number)
        panels[0].semilogy(time, 100 * profile.shares, color=colour, label=profile.name)
        if np.isfinite(profile.untrained_shares).any():
            panels[0].semilogy(time, 100 * profile.untrained_shares, ":", color=colour)
        for panel, key in zip(panels[1:], shown, strict=True):
            if np.isfinite(getattr(profile, key)).any():
                panel.semilogy(time, getattr(profile, key), color=colour)
    even = 100 / len(profiles[0].shares)
    panels[0].axhline(even, color="0.5", linewidth=1, linestyle=(0, (1, 2)))
    for panel, label in zip(panels, labels, strict=True):
        panel.set_ylabel(label, fontsize=8)
        low = panel.get_ylim()[0]
        panel.set_ylim(bottom=max(low, 1e-12))  # what is smaller is zero in single precision
    panels[0].legend(frameon=False, fontsize=8)
    panels[-1].set_xlabel("Time (s)")
    place.suptitle(title, fontsize=11)
    return place.figure
