"""A glass brain that moves: one picture per time step, as numbers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from fmri_saliency.errors import AtlasError
from fmri_saliency.plotting.colours import draw_scale, mark_negative, scale_of
from fmri_saliency.plotting.sight import BRAIN, Seen, draw_brain, hide_small, look_through
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
    views = look_through(np.asarray(values)[frames], atlas, BRAIN)
    scale = scale_of(np.array([np.abs(one.pixels).max() for seen in views.values() for one in seen]), signed, limit)
    figure = Figure(figsize=(8.6, 2.9), layout="constrained", dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(BRAIN), width_ratios=list(BRAIN.values()))
    images = {d: draw_brain(panel, d, views[d][0], scale, threshold) for panel, d in zip(panels, BRAIN, strict=True)}
    draw_scale(figure, scale, panels, unit)
    words = figure.suptitle(f"{title}\n ".lstrip("\n"), fontsize=11)
    moving = [words, *images.values(), *(line for panel in panels for line in panel.patches)]
    for artist in moving:
        artist.set_animated(True)  # left out of what is drawn once
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    pictures = []
    for number, frame in enumerate(frames):
        canvas.restore_region(still)
        words.set_text(f"{title}\n{start + frame * t_r:.1f} s".lstrip("\n"))
        figure.draw_artist(words)
        for panel, (direction, seen) in zip(panels, views.items(), strict=True):
            _draw_view(panel, images[direction], seen[number], threshold)
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return np.stack(pictures)


def _draw_view(panel: Axes, image: AxesImage, seen: Seen, threshold: float) -> None:
    """Draw pixels, a dashed line around negative ones, and the outlines over both, on what is there already."""
    shown = hide_small(seen.pixels, threshold)
    image.set_data(shown)
    panel.draw_artist(image)
    negative = mark_negative(panel, shown, seen.extent, image.norm.vmax)
    if negative is not None:
        panel.draw_artist(negative)
        negative.remove()
    for line in panel.patches:
        panel.draw_artist(line)
