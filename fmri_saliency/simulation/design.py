"""What simulated people do in the scanner, and which regions answer when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmri_saliency.errors import InputError, nearest
from fmri_saliency.simulation.hrf import expected_response

__all__ = ["TASKS", "Block", "TaskPlan", "TaskTiming", "plan_tasks"]


@dataclass(frozen=True)
class Block:
    """One block of a condition; onset and duration in seconds from the first frame."""

    condition: str
    onset: float
    duration: float


@dataclass(frozen=True)
class TaskTiming:
    """Length of a run in frames and the rhythm of its blocks in seconds.

    The run lengths and condition names are those of the Human Connectome Project's
    S1200 tasks; the rhythms are this project's own, of the same order.
    """

    n_times: int
    conditions: tuple[str, str]
    first: float
    duration: float
    gap: float


TASKS: dict[str, TaskTiming] = {
    "EMOTION": TaskTiming(176, ("neut", "fear"), 11.0, 18.0, 3.0),
    "GAMBLING": TaskTiming(253, ("win", "loss"), 8.0, 28.0, 15.0),
    "LANGUAGE": TaskTiming(316, ("story", "math"), 6.0, 26.0, 2.0),
    "MOTOR": TaskTiming(284, ("lh", "rf"), 11.0, 12.0, 15.0),
    "RELATIONAL": TaskTiming(232, ("relation", "match"), 9.0, 16.0, 12.0),
    "SOCIAL": TaskTiming(274, ("mental", "rnd"), 8.0, 23.0, 15.0),
    "WM": TaskTiming(405, ("0bk_faces", "2bk_faces"), 10.0, 27.5, 10.0),
}
SHARED_ONSETS = tuple(np.arange(4.0, 300.0, 36.0))
SHARED_DURATION = 6.0


@dataclass(frozen=True)
class TaskPlan:
    """What one task does to the regions.

    Attributes
    ----------
    task : str
    t_r : float
        Seconds per frame.
    blocks : tuple of Block
    regions : dict
        For each condition, the positions of the regions that answer to it.
    expected : ndarray, shape (n_times, n_regions)
        Task response without noise, peak 1.
    shared : ndarray, shape (n_times, n_regions)
        Response of regions that answer at the same moments in every task: strong, and
        of no use for telling tasks apart.
    """

    task: str
    t_r: float
    blocks: tuple[Block, ...]
    regions: dict[str, tuple[int, ...]]
    expected: np.ndarray
    shared: np.ndarray

    def truth(self, threshold: float = 0.5) -> np.ndarray:
        """Return where the task's response exceeds `threshold` of its peak, (n_times, n_regions)."""
        return self.expected > threshold


def _blocks(timing: TaskTiming, t_r: float) -> tuple[Block, ...]:
    blocks, onset, turn = [], timing.first, 0
    while onset + timing.duration <= timing.n_times * t_r:
        blocks.append(Block(timing.conditions[turn % 2], onset, timing.duration))
        onset += timing.duration + timing.gap
        turn += 1
    return tuple(blocks)


def plan_tasks(
    tasks: Sequence[str], n_regions: int, seed: int, *, regions_per_task: int = 8, n_shared: int = 6, t_r: float = 0.72
) -> dict[str, TaskPlan]:
    """Choose which regions answer to which task; no region answers to two tasks.

    Parameters
    ----------
    tasks : sequence of str
        Names in :data:`TASKS`.
    n_regions : int
        Regions to choose from.
    seed : int
    regions_per_task : int
        Half of them answer to the first condition, half to the second.
    n_shared : int
        Regions that answer alike in all tasks.
    t_r : float
        Seconds per frame.

    Raises
    ------
    InputError
        If a task is unknown or the regions do not suffice.
    """
    for task in tasks:
        if task not in TASKS:
            raise InputError(f"No task '{task}'; known are {', '.join(TASKS)}.{nearest(task, TASKS)}")
    needed = regions_per_task * len(tasks) + n_shared
    if needed > n_regions:
        raise InputError(f"{len(tasks)} tasks need {needed} regions ({regions_per_task} each, {n_shared} shared); "
                         f"{n_regions} came. Ask for fewer tasks or a finer atlas.")
    order = np.random.default_rng([seed, 1]).permutation(n_regions)
    common, order = order[:n_shared], order[n_shared:]
    plans = {}
    for position, task in enumerate(tasks):
        timing = TASKS[task]
        chosen = order[position * regions_per_task : (position + 1) * regions_per_task]
        halves = np.array_split(np.sort(chosen), 2)
        regions = {name: tuple(int(i) for i in half) for name, half in zip(timing.conditions, halves, strict=True)}
        blocks = _blocks(timing, t_r)
        expected = np.zeros((timing.n_times, n_regions))
        for condition, members in regions.items():
            spans = [(b.onset, b.duration) for b in blocks if b.condition == condition]
            expected[:, list(members)] = expected_response(spans, timing.n_times, t_r)[:, None]
        shared = np.zeros((timing.n_times, n_regions))
        spans = [(float(onset), SHARED_DURATION) for onset in SHARED_ONSETS]
        shared[:, common] = expected_response(spans, timing.n_times, t_r)[:, None]
        plans[task] = TaskPlan(task, t_r, blocks, regions, expected, shared)
    return plans
