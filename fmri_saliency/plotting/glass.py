"""Glass brains of one number per region."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from nilearn.plotting import plot_glass_brain

from fmri_saliency.brain import project_labels, project_regions
from fmri_saliency.records import Atlas

__all__ = ["plot_glass", "plot_glass_share", "plot_glass_strip"]

SIGNED = "RdBu_r"
SHARES = "YlOrRd"
LEADING = 15  # regions shown where there is no brain to show them on


def _project(values: np.ndarray, atlas: Atlas) -> nib.Nifti1Image:
    return project_regions(np.nan_to_num(values), atlas)


def _limit(*images: nib.Nifti1Image) -> float:
    """Return the largest absolute value of the images: with overlapping maps not that of a region."""
    return max(float(image.header["cal_max"]) for image in images) or 1.0


def _draw(image: nib.Nifti1Image, figure: Figure, axes: object, limit: float, mode: str) -> None:
    plot_glass_brain(
        image, display_mode=mode, figure=figure, axes=axes, plot_abs=False, cmap=SIGNED, vmin=-limit, vmax=limit,
        symmetric_cbar=True, colorbar=False, threshold=None,
    )  # fmt: skip


def _draw_leading(values: np.ndarray, atlas: Atlas, columns: Sequence[str], title: str) -> Figure:
    """Draw the regions with the largest values, (n_moments, n_regions), as bars: grayordinates have no glass brain."""
    size = np.abs(np.nan_to_num(values)).max(axis=0)
    leading = np.argsort(-size, kind="stable")[:LEADING][::-1]
    limit = float(size.max()) or 1.0
    figure = Figure(figsize=(max(6.0, 1.6 * len(columns) + 2.4), 4.2), layout="constrained")
    for number, (axes, column) in enumerate(zip(np.ravel(figure.subplots(1, len(columns), sharey=True)), columns,
                                                strict=True)):  # fmt: skip
        shown = np.nan_to_num(values[number, leading])
        axes.barh(range(len(leading)), shown, color=colormaps[SIGNED](Normalize(-limit, limit)(shown)), edgecolor="0.4")
        axes.axvline(0, color="0.4", linewidth=0.8)
        axes.set(xlim=(-1.05 * limit, 1.05 * limit), yticks=range(len(leading)), title=column)
        axes.set_yticklabels([atlas.names[region] for region in leading], fontsize=8)
    figure.suptitle(f"{title}; the {len(leading)} regions with the largest values", fontsize=10)
    return figure


def plot_glass(values: np.ndarray, atlas: Atlas, title: str = "", unit: str = "") -> Figure:
    """Draw one signed value per region on a glass brain (regions of grayordinates: the leading ones as bars).

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
        NaN is drawn as 0.
    atlas : Atlas
    title, unit : str

    Returns
    -------
    Figure
    """
    if atlas.grayordinates is not None:
        return _draw_leading(values[None], atlas, [""], f"{title}{f' ({unit})' if unit else ''}")
    figure = Figure(figsize=(8.6, 3.0))
    axes = figure.add_axes((0.0, 0.0, 0.89, 0.88))
    image = _project(values, atlas)
    limit = _limit(image)
    _draw(image, figure, axes, limit, "lyrz")
    scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
    figure.colorbar(scale, cax=figure.add_axes((0.905, 0.1, 0.015, 0.72))).ax.tick_params(labelsize=8)
    figure.suptitle(f"{title}{f' ({unit})' if unit else ''}", fontsize=11)
    return figure


def plot_glass_strip(
    values: np.ndarray, atlas: Atlas, t_r: float, times: Sequence[float], title: str = "", start: float = 0.0
) -> Figure:
    """Draw glass brains at several moments, side by side with one range of colours.

    Parameters
    ----------
    values : ndarray, shape (n_times, n_regions)
    atlas : Atlas
    t_r : float
        Seconds per frame.
    times : sequence of float
        Seconds, on the clock that `start` belongs to; the nearest frames are drawn.
    title : str
    start : float
        Seconds of the first frame.

    Returns
    -------
    Figure
    """
    frames = [min(len(values) - 1, max(0, round((time - start) / t_r))) for time in times]
    if atlas.grayordinates is not None:
        return _draw_leading(values[frames], atlas, [f"{start + frame * t_r:.1f} s" for frame in frames], title)
    images = [_project(values[frame], atlas) for frame in frames]
    limit = _limit(*images)
    figure = Figure(figsize=(2.1 * len(frames), 2.5))
    for position, frame in enumerate(frames):
        axes = figure.add_axes((position / len(frames), 0.0, 1 / len(frames), 0.78))
        _draw(images[position], figure, axes, limit, "z")
        figure.text((position + 0.5) / len(frames), 0.8, f"{start + frame * t_r:.1f} s", ha="center", fontsize=9)
    figure.suptitle(f"{title}, from -{limit:.2g} (blue) to {limit:.2g} (red)", fontsize=10)
    return figure


def plot_glass_share(values: np.ndarray, atlas: Atlas, title: str = "", label: str = "") -> Figure:
    """Draw a share of 0 to 1 per region; along a line of sight the largest is seen.

    Regions of share 0 are pale, so that they differ from where there is no region. Of an
    atlas of maps, a voxel shows the region that weighs most in it.

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
    atlas : Atlas
    title, label : str
        `label` is that of the scale.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.6, 2.6))
    # the background is 0 and hidden by the threshold, so that shares are drawn from 1 to 2
    image = project_labels(1 + values, atlas)
    plot_glass_brain(
        image, display_mode="lyrz", figure=figure, axes=figure.add_axes((0.0, 0.0, 0.87, 0.86)), plot_abs=True,
        cmap=SHARES, vmin=1, vmax=2, colorbar=False, threshold=0.5,
    )  # fmt: skip
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), SHARES), cax=figure.add_axes((0.885, 0.1, 0.015, 0.68)))
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
