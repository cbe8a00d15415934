"""How good a run is: coverage, gaps, movement, and the frames before the signal is steady."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.series.stream import Pass
from fmri_saliency.series.weights import RegionWeights

__all__ = [
    "HIGH_MOTION",
    "Motion",
    "Quality",
    "count_non_steady",
    "framewise_displacement",
    "mark_moved",
    "measure_motion",
    "measure_quality",
]

HIGH_MOTION = 0.5
"""Framewise displacement in mm above which a frame counts as moved (Power et al. 2012)."""
HEAD_RADIUS = 50.0
MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
STEADY_RULE = (
    "frames at the start, of the first 50, whose mean over the regions has a modified z-score above 3.5 "
    "(Iglewicz & Hoaglin 1993, as in fMRIPrep)"
)
COLUMNS_RULE = "fMRIPrep's columns non_steady_state_outlier"


def framewise_displacement(motion: np.ndarray, radius: float = HEAD_RADIUS) -> np.ndarray:
    """Return how far the head moved from each frame to the next.

    FD_i = |dx_i| + |dy_i| + |dz_i| + r (|da_i| + |db_i| + |dc_i|), differences to the frame
    before, rotations as arcs on a sphere of r = 50 mm (Power et al. 2012, NeuroImage 59,
    doi:10.1016/j.neuroimage.2011.10.018).

    Parameters
    ----------
    motion : ndarray, shape (n_times, 6)
        Three translations in mm, three rotations in radians.
    radius : float
        In mm.

    Returns
    -------
    ndarray, shape (n_times,)
        In mm; NaN for the first frame.
    """
    change = np.abs(np.diff(motion, axis=0))
    moved = change[:, :3].sum(axis=1) + radius * change[:, 3:].sum(axis=1)
    return np.concatenate([[np.nan], moved])


@dataclass(frozen=True)
class Motion:
    """How the head moved in a run.

    Attributes
    ----------
    displacement : ndarray, shape (n_times,)
        Framewise displacement in mm; NaN for the first frame, and throughout where it is unknown.
    source : str
        What it was computed from, or why it is unknown.
    """

    displacement: np.ndarray
    source: str

    def summary(self) -> dict[str, float | None]:
        """Return mean and largest displacement (mm) and the share of frames above 0.5 mm; None where unknown."""
        known = self.displacement[np.isfinite(self.displacement)]
        if not len(known):
            return {"fd_mean": None, "fd_max": None, "fd_share_high": None}
        share = float((known > HIGH_MOTION).mean())
        return {"fd_mean": float(known.mean()), "fd_max": float(known.max()), "fd_share_high": share}


def measure_motion(table: pd.DataFrame | None, n_times: int, degrees: bool = False, why: str = "") -> Motion:
    """Measure movement from the columns of a run's confounds.

    Parameters
    ----------
    table : DataFrame or None
        With ``trans_x`` to ``rot_z``, or else ``framewise_displacement``.
    n_times : int
    degrees : bool
        Whether rotations are in degrees, as in the HCP's files, and not in radians, as in fMRIPrep's.
    why : str
        What to say where there is no table.
    """
    unknown = np.full(n_times, np.nan)
    if table is None or len(table) != n_times:
        return Motion(unknown, why or "unknown: no confounds of this run's length")
    if set(MOTION) <= set(table.columns):
        motion = table[list(MOTION)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
        if degrees:
            motion = np.column_stack([motion[:, :3], np.deg2rad(motion[:, 3:])])
        unit = "degrees" if degrees else "radians"
        return Motion(framewise_displacement(motion), f"{', '.join(MOTION)} (mm, {unit})")
    if "framewise_displacement" in table:
        column = pd.to_numeric(table["framewise_displacement"], errors="coerce").to_numpy(dtype=float)
        return Motion(column, "the column framewise_displacement")
    return Motion(unknown, "unknown: the confounds have neither trans_x to rot_z nor framewise_displacement")


def mark_moved(motion: Motion, threshold: float) -> tuple[int, ...]:
    """Return the frames, counted from 0, with a displacement above `threshold` mm; an unknown one is not above it."""
    with np.errstate(invalid="ignore"):
        return tuple(int(frame) for frame in np.flatnonzero(motion.displacement > threshold))


def count_non_steady(signal: np.ndarray, longest: int = 50, threshold: float = 3.5) -> int:
    """Count the frames at the start of a run before the magnetisation is steady.

    The modified z-score of a value is 0.6745 |x - median| / median |x - median| (Iglewicz &
    Hoaglin 1993, How to detect and handle outliers, ASQC vol. 16); frames count from the first
    on while it is above the threshold. This is the rule of fMRIPrep's detector, which takes the
    mean of the whole image.

    Parameters
    ----------
    signal : ndarray, shape (n_times,)
        Mean signal before cleaning.
    longest : int
        How many frames are looked at.
    threshold : float
    """
    part = signal[:longest]
    away = np.abs(part - np.median(part))
    scale = np.median(away)
    if not scale > 0:
        return 0
    high = 0.6745 * away / scale > threshold
    return int(len(high) if high.all() else high.argmin())


@dataclass(frozen=True)
class Quality:
    """What is known about a run's data before anything was cleaned.

    Attributes
    ----------
    regions : DataFrame
        One row per region: `name`, `voxels` (of the region), `coverage` (share that holds data),
        `outside_mask`, `nan_voxels` (not finite in some frame), `constant_voxels`, `zero_variance`
        (whether the region has voxels with a value and none, or their mean, changes).
    global_signal : ndarray, shape (n_times,)
        Mean over the covered voxels of all regions, in the scan's unit.
    non_steady : int
        Frames at the start before the signal is steady; they are counted, not removed.
    steady_rule : str
        How they were found.
    motion : Motion
    freedom : int
        Degrees of freedom that cleaning leaves (:func:`~fmri_saliency.series.freedom.count_freedom`); -1 where it
        was not counted.
    marked : tuple of int
        Frames, counted from 0, that are marked as bad; they are kept.
    """

    regions: pd.DataFrame
    global_signal: np.ndarray
    non_steady: int
    steady_rule: str
    motion: Motion
    freedom: int = -1
    marked: tuple[int, ...] = ()

    def frames(self) -> pd.DataFrame:
        """Return one row per frame: `framewise_displacement` (mm), `global_signal`, `non_steady_state` (0 or 1)."""
        early = (np.arange(len(self.global_signal)) < self.non_steady).astype(int)
        return pd.DataFrame(
            {
                "framewise_displacement": self.motion.displacement,
                "global_signal": self.global_signal,
                "non_steady_state": early,
            }
        )

    def summary(self) -> dict[str, Any]:
        """Return the figures of the whole run, ready for JSON."""
        table = self.regions
        return {
            **self.motion.summary(),
            "fd_source": self.motion.source,
            "marked_frames": len(self.marked),
            "degrees_of_freedom": self.freedom if self.freedom >= 0 else None,
            "non_steady_frames": self.non_steady,
            "non_steady_rule": self.steady_rule,
            "mean_coverage": float(table["coverage"].mean()),
            "partly_covered_regions": int(((table["coverage"] > 0) & (table["coverage"] < 1)).sum()),
            "nan_voxels": int(table["nan_voxels"].sum()),
            "constant_voxels": int(table["constant_voxels"].sum()),
            "zero_variance_regions": table.loc[table["zero_variance"], "name"].astype(str).tolist(),
        }


def measure_quality(
    scan: Pass, weights: RegionWeights, inside: np.ndarray, names: tuple[str, ...], motion: Motion,
    confounds: pd.DataFrame | None = None,
) -> Quality:  # fmt: skip
    """Measure a run from the pass through its scan, and its confounds where there are any.

    Parameters
    ----------
    scan : Pass
    weights : RegionWeights
        What the pass was made with.
    inside : ndarray of bool, shape (n_voxels,)
        Voxels inside the run's mask.
    names : tuple of str
        Of the regions.
    motion : Motion
    confounds : DataFrame, optional
        fMRIPrep's columns ``non_steady_state_outlier##``, where there are any, beat this package's count.
    """
    moving, still = weights.count(scan.covered), weights.count(scan.constant)
    changes = np.ptp(scan.products, axis=0) > 0
    table = pd.DataFrame(
        {
            "name": names,
            "voxels": weights.count(np.ones_like(inside)).astype(int),
            "coverage": weights.share(scan.covered),
            "outside_mask": weights.count(~inside).astype(int),
            "nan_voxels": weights.count(scan.gaps).astype(int),
            "constant_voxels": still.astype(int),
            "zero_variance": (moving + still > 0) & ~((moving > 0) & changes),
        }
    )
    weight = (weights.matrix @ scan.covered.astype(float)).sum()
    signal = scan.products.sum(axis=1) / weight if weight else np.full(len(scan.products), np.nan)
    columns = [c for c in ([] if confounds is None else confounds) if str(c).startswith("non_steady_state_outlier")]
    steady, rule = (len(columns), COLUMNS_RULE) if columns else (count_non_steady(signal), STEADY_RULE)
    return Quality(table, signal, steady, rule, motion)
