"""The nouns that travel between the rooms: small, frozen, and checked when made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.disk.files import digest
from fmri_saliency.disk.rows import Rows, pieces, sum_rows
from fmri_saliency.errors import AtlasError, InputError

__all__ = ["Atlas", "Event", "Evidence", "RawSeries", "RegionSeries", "Run", "Saliency", "Samples"]


def _check_shape(what: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"{what} must have shape ({wanted}); {array.shape} came.")


@dataclass(frozen=True)
class Event:
    """Something that happened in the scanner: onset and duration in seconds from what the first frame stands for."""

    onset: float
    duration: float
    trial_type: str


@dataclass(frozen=True)
class Run:
    """One BOLD file with what belongs to it.

    Attributes
    ----------
    subject, task : str
        Labels without ``sub-`` and ``task-``.
    bold : Path
        A 4D image.
    t_r : float
        Seconds per frame, as used (an override beats the header).
    n_times : int
        Frames.
    header_t_r : float
        Seconds per frame according to the image's header; 0 where unknown.
    mask, confounds : Path or None
    events : tuple of Event
    busy : tuple of (float, float)
        Onset and end, in seconds as those of events, of whatever happened, be it an event of `events` or not (cues,
        responses, rows without a name); the same for what lasted no time, or nobody knows how long. Rest keeps clear
        of it.
    sources : tuple of Path
        What else was read to know the run: events, sidecars; a folder stands for all files in it.
    start_time : float
        Seconds from the beginning of the scan to what the first frame stands for (BIDS: StartTime); above 0 after a
        correction of slice timing. Events are counted from there.
    session, direction, run, family, space, acquisition : str
        Empty where unknown. `space` is a BIDS template name.
    """

    subject: str
    task: str
    bold: Path
    t_r: float
    n_times: int
    mask: Path | None = None
    confounds: Path | None = None
    events: tuple[Event, ...] = ()
    session: str = ""
    direction: str = ""
    run: str = ""
    family: str = ""
    space: str = ""
    header_t_r: float = 0.0
    acquisition: str = ""
    busy: tuple[tuple[float, float], ...] = ()
    start_time: float = 0.0
    sources: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name in ("subject", "session", "task", "acquisition", "direction", "run"):
            if getattr(self, name):
                clean_label(getattr(self, name), f"The {name}")

    @property
    def entities(self) -> dict[str, str]:
        """BIDS entities of the run, in BIDS order, without the empty ones."""
        pairs = {"sub": self.subject, "ses": self.session, "task": self.task, "acq": self.acquisition,
                 "dir": self.direction, "run": self.run}  # fmt: skip
        return {key: value for key, value in pairs.items() if value}

    @property
    def key(self) -> str:
        """Name of the run as its labels are written, ``sub-01_task-motor_dir-LR``; no part of a path."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())

    @property
    def group(self) -> str:
        """The family where it is known, else the subject: never split between training and test."""
        return f"family-{self.family}" if self.family else f"sub-{self.subject}"


@dataclass(frozen=True)
class Atlas:
    """Parcels, or overlapping maps of weights, in a template space.

    Attributes
    ----------
    name : str
        BIDS atlas label.
    labels : ndarray of int, shape (x, y, z)
        Region index per voxel; 0 is background. Where there are `maps`, the region whose
        weight is largest in absolute value.
    affine : ndarray, shape (4, 4)
        Voxel to mm.
    regions : DataFrame
        One row per region, in the order of every column axis in this package:
        `index`, `name`, and where known `hemisphere` (L, R), `network`, `x`, `y`, `z` (mm), `color`.
    space : str
        BIDS template name; empty where unknown.
    scale : str
        Number of regions as part of the atlas's name; empty where it has none.
    licence, source : str
    seg : str
        Which realisation of the atlas, where there are several (``7n``: seven networks).
    grayordinates : nibabel.cifti2.BrainModelAxis or None
        For regions of a CIFTI file: what `labels`, of shape (n_grayordinates, 1, 1), are labels of. The
        affine has no meaning then.
    maps : ndarray of float32, shape (x, y, z, n_regions), or None
        Weight of every voxel in every region of a probabilistic atlas, in the order of `regions`.
    """

    name: str
    labels: np.ndarray
    affine: np.ndarray
    regions: pd.DataFrame
    space: str = ""
    scale: str = ""
    licence: str = ""
    source: str = ""
    seg: str = ""
    maps: np.ndarray | None = None
    grayordinates: Any = None

    def __post_init__(self) -> None:
        for key, label in self.entities.items():
            clean_label(label, f"The {'name' if key == 'atlas' else key} of an atlas", AtlasError)
        _check_shape("The label image of an atlas", self.labels, (None, None, None))
        _check_shape("The affine of an atlas", self.affine, (4, 4))
        if self.maps is not None:
            _check_shape("The maps of an atlas", self.maps, (*self.labels.shape, self.n_regions))

    @property
    def names(self) -> tuple[str, ...]:
        """Region names, in order."""
        return tuple(self.regions["name"].astype(str))

    @property
    def n_regions(self) -> int:
        """Number of regions in the table (some may have no voxel)."""
        return len(self.regions)

    @property
    def is_mni(self) -> bool:
        """Whether the space is one of the MNI templates."""
        return self.space.startswith("MNI")

    @property
    def entities(self) -> dict[str, str]:
        """BIDS entities that say which atlas a derivative was made with."""
        pairs = {"space": self.space, "atlas": self.name, "seg": self.seg, "scale": self.scale}
        return {key: value for key, value in pairs.items() if value}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of voxels, grid and region names: the same for atlases that give the same series."""
        maps = () if self.maps is None else (self.maps,)
        dense = self.grayordinates
        models = () if dense is None else (dense.vertex, dense.voxel, dense.name.tolist())
        return digest(self.labels, self.affine, list(self.names), *maps, *models)

    @cached_property
    def table_fingerprint(self) -> str:
        """A hash of the whole table of regions, with networks, hemispheres, colours and coordinates.

        Series do not depend on it; maps, tables and pages do.
        """
        return digest(list(map(str, self.regions.columns)), self.regions.astype(str).to_numpy().tolist())


@dataclass(frozen=True)
class RawSeries:
    """Mean signal of every region of one run before it is cleaned, with what will be regressed out of it.

    Samples are cut from these and cleaned afterwards: what is cleaned as a whole run tells how long the run was.

    Attributes
    ----------
    values : ndarray of float64, shape (n_times, n_regions)
        In the unit of the scan. NaN where the scan does not cover the region.
    t_r : float
        Seconds per frame.
    names : tuple of str
        Region names, one per column.
    coverage : ndarray, shape (n_regions,)
        Share of the region's voxels that hold data, 0 to 1.
    cleaning : dict
        How the signal is to be cleaned, ready for JSON: the fields of :class:`~fmri_saliency.series.Cleaning`.
    confounds : DataFrame, shape (n_times, n_columns), or None
        What is to be regressed out.
    """

    values: np.ndarray
    t_r: float
    names: tuple[str, ...]
    coverage: np.ndarray
    cleaning: dict[str, Any] = field(default_factory=dict)
    confounds: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        _check_shape("Raw series", self.values, (None, len(self.names)))
        _check_shape("Coverage", self.coverage, (len(self.names),))
        if self.confounds is not None and len(self.confounds) != len(self.values):
            raise InputError(f"{len(self.confounds)} rows of confounds came for {len(self.values)} frames of series.")


@dataclass(frozen=True)
class RegionSeries:
    """Mean signal of every region of one run, cleaned over the whole run.

    Attributes
    ----------
    values : ndarray of float32, shape (n_times, n_regions)
        NaN where the scan does not cover the region.
    t_r : float
        Seconds per frame.
    names : tuple of str
        Region names, one per column.
    coverage : ndarray, shape (n_regions,)
        Share of the region's voxels that hold data, 0 to 1.
    history : dict
        What was done to the signal, ready for JSON.
    raw : RawSeries or None
        The signal before cleaning, which samples are cut from.
    """

    values: np.ndarray
    t_r: float
    names: tuple[str, ...]
    coverage: np.ndarray
    history: dict[str, Any] = field(default_factory=dict)
    raw: RawSeries | None = None

    def __post_init__(self) -> None:
        _check_shape("Region series", self.values, (None, len(self.names)))
        _check_shape("Coverage", self.coverage, (len(self.names),))


@dataclass(frozen=True)
class Samples:
    """What the decoder reads: windows of region series, with where they came from.

    Attributes
    ----------
    X : ndarray of float32, shape (n_samples, n_times, n_regions)
        Memory-mapped when read from disk: take :class:`~fmri_saliency.disk.rows.Rows` of it rather than copies.
    table : DataFrame
        One row per sample: `run`, `subject`, `session`, `task`, `direction`, `group`,
        `label`, and `onset`, `start`, `stop` in seconds from the run's first frame. `marked` counts the
        window's frames that are marked as bad, `filled` its regions that the run does not cover.
    t_r : float
        Seconds per frame.
    names : tuple of str
        Region names.
    absent : tuple of str
        Regions that no run covers; their columns are zero.
    """

    X: np.ndarray
    table: pd.DataFrame
    t_r: float
    names: tuple[str, ...]
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_shape("Samples", self.X, (len(self.table), None, len(self.names)))

    @property
    def y(self) -> np.ndarray:
        """Label of every sample, shape (n_samples,)."""
        return self.table["label"].to_numpy(dtype=str)

    @property
    def groups(self) -> np.ndarray:
        """Family or subject of every sample, shape (n_samples,)."""
        return self.table["group"].to_numpy(dtype=str)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted(set(self.y)))

    @property
    def start(self) -> float:
        """Seconds from the onset (of the event, or of the run) to a window's first frame, mean over samples."""
        return round(float((self.table["start"] - self.table["onset"]).mean()), 6)


def _choose_moments(mass: np.ndarray, stretches: Sequence[np.ndarray]) -> list[int]:
    """Return a frame of each stretch, see :meth:`Saliency.moments`."""
    padded = np.pad(mass, 1, constant_values=-1.0)
    is_peak = (padded[:-2] < mass) & (mass >= padded[2:])
    chosen: list[int] = []
    for part in sorted(stretches, key=lambda one: -mass[one].max()):
        peaks = [frame for frame in part[is_peak[part]] if all(2 * abs(frame - k) >= len(part) for k in chosen)]
        chosen.append(int(max(peaks, key=mass.__getitem__) if peaks else part[len(part) // 2]))
    return sorted(chosen)


@dataclass(frozen=True)
class Saliency:
    """How much every region at every moment spoke for a label.

    Attributes
    ----------
    values : ndarray of float32, shape (n_samples or n_classes, n_times, n_regions)
        Signed.
    labels : tuple of str
        The label of each map.
    t_r : float
        Seconds per frame.
    names : tuple of str
        Region names.
    method, target, baseline, unit : str
        How the numbers were made; `target` says whose logit was explained.
    seed : int
    n_averaged : tuple of int
        How many samples stand behind each map.
    start : float
        Seconds from the run's first frame, or from the event's onset, to the first time step.
    """

    values: np.ndarray
    labels: tuple[str, ...]
    t_r: float
    names: tuple[str, ...]
    method: str
    target: str
    baseline: str
    unit: str
    seed: int
    n_averaged: tuple[int, ...]
    start: float = 0.0

    def __post_init__(self) -> None:
        _check_shape("Saliency", self.values, (len(self.labels), None, len(self.names)))

    def average(self) -> Saliency:
        """Average the maps of each label, keeping their sign; labels come out sorted."""
        labels = np.array(self.labels)
        weights = np.array(self.n_averaged, dtype=float)
        kinds = sorted(set(self.labels))
        chosen = [labels == k for k in kinds]
        values = [sum_rows(Rows(self.values, one), weights[one]) / weights[one].sum() for one in chosen]
        counts = [int(weights[labels == k].sum()) for k in kinds]
        return replace(
            self, values=np.asarray(values, dtype=np.float32), labels=tuple(kinds), n_averaged=tuple(counts)
        )

    def threshold(self, share: float) -> Saliency:
        """Set all but the `share` (0 to 1) of largest absolute values of each map to zero."""
        if not 0 < share <= 1:
            raise InputError(f"The share to keep must be above 0 and at most 1; {share} came.")
        size = np.abs(self.values)
        limits = np.quantile(size, 1 - share, axis=(1, 2), keepdims=True)
        return replace(self, values=np.where(size >= limits, self.values, 0).astype(np.float32))

    def over_time(self) -> np.ndarray:
        """Return the signed mean over time, shape (n_maps, n_regions)."""
        return self.values.mean(axis=1)

    def peak_time(self) -> np.ndarray:
        """Return when each region's absolute value is largest, shape (n_maps, n_regions).

        In seconds from the run's first frame, or from the event's onset.
        """
        return self.start + np.abs(self.values).argmax(axis=1) * self.t_r

    def moments(self, n_moments: int = 5) -> list[list[int]]:
        """Return for each map frames to show, one of each of `n_moments` equally long stretches of the window.

        Of each stretch the frame with the largest sum of absolute values, of those from which the sum falls to both
        sides and which lie at least half a stretch from the others: so that no peak is shown twice where it lies on
        the border of two stretches. The middle of the stretch where there is none, as on a slope. The frame with the
        largest sum of the whole window is always among them. Fewer than `n_moments` if there are fewer frames.
        """
        mass = np.abs(self.values).sum(axis=2)
        n_times = mass.shape[1]
        stretches = np.array_split(np.arange(n_times), min(n_moments, n_times))
        return [_choose_moments(one, stretches) for one in mass]

    def time_share(self) -> np.ndarray:
        """Return each time step's share of the total absolute value, shape (n_maps, n_times)."""
        mass = np.concatenate([np.abs(self.values[piece]).sum(axis=2) for piece in pieces(self.values)])
        total = mass.sum(axis=1, keepdims=True)
        return np.divide(mass, total, out=np.full_like(mass, np.nan), where=total > 0)


@dataclass(frozen=True)
class Evidence:
    """What a check of a map found.

    Attributes
    ----------
    check : str
        Which check.
    subject : str
        What was checked (a class, a network).
    value : float
        The figure.
    null : float
        What the figure would be if the map said nothing.
    interval : tuple of float or None
        95 % interval, where one was computed.
    on : str
        Which samples and seeds.
    verdict : str
        In plain words.
    """

    check: str
    subject: str
    value: float
    null: float
    on: str
    verdict: str
    interval: tuple[float, float] | None = None
