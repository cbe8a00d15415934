"""From maps of samples to those of people, so that everybody can weigh the same in a group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmri_saliency.disk.rows import Rows, pieces
from fmri_saliency.records import Event
from fmri_saliency.series import nearest_frame

__all__ = ["Blocks", "average_blocks", "average_covered", "outermost", "plan_blocks", "rows_of_people"]

TAIL = 6.0  # seconds that a block is followed after its end: the response to what happens last peaks about then


def rows_of_people(table: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """Return each person's samples of each class.

    Parameters
    ----------
    table : DataFrame
        With `subject` and `label`, a row per sample.

    Returns
    -------
    list of (subject, label, positions of samples)
        Sorted by subject, then label.
    """
    groups = table.reset_index(drop=True).groupby(["subject", "label"], sort=True)
    return [(str(subject), str(label), positions) for (subject, label), positions in groups.indices.items()]


def average_covered(values: np.ndarray | Rows, covered: np.ndarray) -> np.ndarray:
    """Average maps, each region over those that cover it.

    Parameters
    ----------
    values : array, shape (n_samples, n_times, n_regions)
        Read piece by piece.
    covered : ndarray of bool, shape (n_samples, n_regions)

    Returns
    -------
    ndarray of float32, shape (n_times, n_regions)
        NaN where no sample covers the region.
    """
    total = np.zeros(values.shape[1:])
    for piece in pieces(values):
        total += np.where(covered[piece][:, None], values[piece], 0).sum(axis=0, dtype=float)
    with np.errstate(invalid="ignore"):
        return (total / covered.sum(axis=0)).astype(np.float32)


@dataclass(frozen=True)
class Blocks:
    """Where in each sample of a class the blocks lie that are averaged.

    Attributes
    ----------
    n_times : int
        Time steps of a block and what follows it; 0 where no block fits into a sample.
    first : tuple of tuple of int
        For each sample, the time steps that blocks begin at.
    kinds : tuple of str
        Trial types of the blocks.
    """

    n_times: int
    first: tuple[tuple[int, ...], ...]
    kinds: tuple[str, ...]


def outermost(events: Sequence[Event], kinds: Sequence[str] = ()) -> list[Event]:
    """Return the events of given trial types; by default of all, without those that lie in a longer one."""
    if kinds:
        return [event for event in events if event.trial_type in kinds]
    found, end = [], -math.inf
    for event in sorted(events, key=lambda one: (one.onset, -one.duration)):
        if event.onset + event.duration > end:
            found.append(event)
        end = max(end, event.onset + event.duration)
    return found


def plan_blocks(
    events: Sequence[Sequence[Event]], starts: Sequence[float], t_r: float, n_times: int, kinds: Sequence[str] = ()
) -> Blocks:
    """Say where the blocks of a class lie in the windows of its samples.

    Parameters
    ----------
    events : sequence, one per sample
        The events of its run, in seconds from the run's first frame.
    starts : sequence of float, one per sample
        Seconds from the run's first frame to that of the window.
    t_r : float
        Seconds per time step.
    n_times : int
        Time steps of a window.
    kinds : sequence of str
        Trial types that onsets are taken of; see :func:`outermost` for none.

    Returns
    -------
    Blocks
        As long as the trial type that usually (median) lasts longest, and 6 s more. Each begins at the time step next
        to its onset, and lies in the window as a whole.
    """
    chosen = [outermost(one, kinds) for one in events]
    lasting: dict[str, list[float]] = {}
    for event in (event for one in chosen for event in one):
        lasting.setdefault(event.trial_type, []).append(event.duration)
    longest = max((float(np.median(one)) for one in lasting.values()), default=0.0)
    length = math.ceil(round((longest + TAIL) / t_r, 6))
    nearest = [[nearest_frame(event.onset - start, t_r) for event in one]
               for one, start in zip(chosen, starts, strict=True)]  # fmt: skip
    first = tuple(tuple(k for k in one if 0 <= k <= n_times - length) for one in nearest)
    fits = bool(lasting) and any(first)
    return Blocks(length if fits else 0, first, tuple(sorted(lasting)) if fits else ())


def average_blocks(
    values: np.ndarray | Rows, covered: np.ndarray, first: Sequence[Sequence[int]], n_times: int
) -> np.ndarray:
    """Average maps over blocks, every block alike, from its onset on.

    Parameters
    ----------
    values : array, shape (n_samples, n_window, n_regions)
    covered : ndarray of bool, shape (n_samples, n_regions)
    first : sequence, one per sample
        Time steps that blocks begin at.
    n_times : int
        Time steps of a block.

    Returns
    -------
    ndarray of float32, shape (n_times, n_regions)
        NaN where no block covers the region.
    """
    total, count = np.zeros((n_times, values.shape[2])), np.zeros(values.shape[2])
    for position, begins in enumerate(first):
        if begins:
            one = np.where(covered[position], values[position], 0)
            total += np.sum([one[k : k + n_times] for k in begins], axis=0, dtype=float)
            count += len(begins) * covered[position]
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32)
