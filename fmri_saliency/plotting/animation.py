"""A glass brain that moves: one picture per time step, as numbers."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fmri_saliency.brain import project_regions
from fmri_saliency.errors import AtlasError
from fmri_saliency.plotting.colours import draw_scale, scale_of
from fmri_saliency.plotting.sight import BRAIN, draw_brain, look_through
from fmri_saliency.records import Atlas

__all__ = ["animate_glass"]


def animate_glass(
    values: np.ndarray,
    atlas: Atlas,
    t_r: float,
    title: str = "",
    unit: str = "",
    start: float = 0.0,
    *,
    every: int = 1,
    signed: bool = True,
    limit: float | None = None,
    threshold: float = 0.0,
    dpi: int = 80,
) -> np.ndarray:
    """Draw glass brains of all time steps with one range of colours, as the pictures of an animation.

    They are numbers rather than a file, or matplotlib's animation: whoever calls writes them as a GIF or a film, or
    shows them one by one. A picture is 8.6 x 2.9 inches.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_regions)
        NaN is drawn as 0.
    atlas : Atlas
        Of voxels.
    t_r : float
        Seconds per frame.
    title, unit : str
        `unit` is the label of the scale; the time stands below the title.
    start : float
        Seconds of the first frame.
    every : int
        Draw every so many-th time step only.
    signed, limit, threshold
        As for :func:`~fmri_saliency.plotting.plot_glass`; the range is that of all pictures when `limit` is omitted.
    dpi : int
        Pixels per inch.

    Returns
    -------
    ndarray of uint8, shape (n_pictures, height, width, 3)
        Red, green and blue.

    Raises
    ------
    AtlasError
        If the atlas has no voxels.
    """
    if atlas.grayordinates is not None:
        raise AtlasError(f"Atlas '{atlas.name}' has labels of grayordinates, which have no glass brain to animate.")
    frames = range(0, len(values), every)
    seen = [look_through(project_regions(np.nan_to_num(values[k]), atlas), BRAIN, atlas.maps is None) for k in frames]
    scale = scale_of(np.array([np.abs(one.pixels).max() for views in seen for one in views.values()]), signed, limit)
    figure = Figure(figsize=(8.6, 2.9), layout="constrained", dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(BRAIN), width_ratios=list(BRAIN.values()))
    images = {d: draw_brain(panel, d, seen[0][d], scale, threshold) for panel, d in zip(panels, BRAIN, strict=True)}
    draw_scale(figure, scale, panels, unit)
    words = figure.suptitle("\n".join([title, " "]).strip("\n"), fontsize=11)
    pictures = []
    for frame, views in zip(frames, seen, strict=True):
        for direction, one in views.items():
            images[direction].set_data(np.ma.masked_where(np.abs(one.pixels) <= threshold, one.pixels))
        words.set_text(f"{title}\n{start + frame * t_r:.1f} s".strip())
        canvas.draw()
        figure.set_layout_engine("none")  # nothing moves any more
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return np.stack(pictures)
