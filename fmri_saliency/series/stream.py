"""One pass through a scan: weighted sums of its voxels, and which voxels hold data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from fmri_saliency.series.weights import RegionWeights

__all__ = ["Pass", "stream_regions"]


@dataclass(frozen=True)
class Pass:
    """What a pass through the frames of a scan found.

    Attributes
    ----------
    products : ndarray of float64, shape (n_times, n_regions)
        Sums of the covered voxels, each by its weight.
    covered : ndarray of bool, shape (n_voxels,)
        Voxels that hold data: inside the mask, finite in every frame, and not constant.
    gaps : ndarray of bool, shape (n_voxels,)
        Voxels inside the mask that are NaN or infinite in some frame.
    constant : ndarray of bool, shape (n_voxels,)
        Voxels inside the mask with one and the same finite value in every frame.
    """

    products: np.ndarray
    covered: np.ndarray
    gaps: np.ndarray
    constant: np.ndarray


def _add_up(
    frames: Iterable[np.ndarray], weights: RegionWeights, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sum the changes since the first frame over the `used` voxels.

    Returns
    -------
    products : ndarray, shape (n_times, n_regions)
        Wrong where a voxel ceases to be finite.
    read, finite, moving : ndarray of bool, shape (n_voxels,)
        Voxels that are finite in the first frame; those that are in every frame; and those
        of them that change.
    """
    rows: list[np.ndarray] = []
    for frame in frames:
        if not rows:
            read = used & np.isfinite(frame[weights.voxels])
            places, matrix = weights.voxels[read], weights.matrix[:, read]
            least = frame[places]
            most, first = least.copy(), least.astype(float)
        values = frame[places]
        np.minimum(least, values, out=least)  # NaN once, NaN for good
        np.maximum(most, values, out=most)
        rows.append(matrix @ (values.astype(float) - first))
    finite, moving = read.copy(), read.copy()
    finite[read] = np.isfinite(least) & np.isfinite(most)
    moving[read] = finite[read] & (most > least)
    mean = weights.matrix[:, moving] @ first[moving[read]]
    return np.array(rows) + mean, read, finite, moving


def stream_regions(
    read_frames: Callable[[], Iterable[np.ndarray]], weights: RegionWeights, inside: np.ndarray
) -> Pass:
    """Sum the voxels of every region in every frame, and find the voxels that hold data, in one pass.

    Sums are of the changes since the first frame, so that a constant voxel adds nothing,
    whatever its value, and its share of the first frame can be left out at the end. Voxels that
    are not finite in the first frame are left out from the start; only a scan with voxels that
    cease to be finite later is read a second time, without them.

    Parameters
    ----------
    read_frames : callable
        Returns the frames from the first on, each of shape (all voxels,) in Fortran order.
    weights : RegionWeights
    inside : ndarray of bool, shape (n_voxels,)
        Which voxels of `weights` are in the run's mask.
    """
    products, read, finite, moving = _add_up(read_frames(), weights, inside)
    if (read & ~finite).any():
        products, _, finite, moving = _add_up(read_frames(), weights, finite)
    return Pass(products, moving, inside & ~finite, finite & ~moving)
