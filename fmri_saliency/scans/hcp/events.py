"""What the event (EV) files of the HCP's seven tasks are called, and which of them are one's classes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fmri_saliency.errors import InputError
from fmri_saliency.records import Event
from fmri_saliency.scans.events import read_fsl_events

__all__ = ["EVENT_LABELS", "HCP_TASKS", "TaskEvents", "labels_of", "read_hcp_events", "read_hcp_timing"]


@dataclass(frozen=True)
class TaskEvents:
    """The EV files of one task (names without ``.txt``) and the task's length.

    Attributes
    ----------
    n_times : int
        Frames of a whole run, 0.72 s each.
    conditions : tuple of str
        In the HCP's own first-level model.
    states : tuple of str
        Classes of the decoders that tell 21 states apart.
    more_states : dict
        For each larger set, by its number of states, what this task adds to the 21.
    others : tuple of str
        Written beside them: responses, single trials, errors. They may be empty, or absent.
    """

    n_times: int
    conditions: tuple[str, ...]
    states: tuple[str, ...]
    others: tuple[str, ...] = ()
    more_states: tuple[tuple[int, tuple[str, ...]], ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All EV files that the HCP writes for the task."""
        return self.conditions + self.others


_MOVES = ("lf", "lh", "rf", "rh", "t")
_BACK = tuple(f"{n}bk_{kind}" for n in (0, 2) for kind in ("body", "faces", "places", "tools"))
_TRIALS = ("loss_event", "win_event", "neut_event")
HCP_TASKS: dict[str, TaskEvents] = {
    "EMOTION": TaskEvents(176, ("fear", "neut"), ("fear", "neut")),
    "GAMBLING": TaskEvents(253, ("loss", "win"), (), _TRIALS, ((23, ("loss", "win")), (24, _TRIALS))),
    "LANGUAGE": TaskEvents(
        316, ("math", "story"), ("math", "story"),
        ("cue", *(f"{part}_{kind}" for part in ("present", "question", "response") for kind in ("math", "story"))),
    ),
    "MOTOR": TaskEvents(284, ("cue", *_MOVES), _MOVES),
    "RELATIONAL": TaskEvents(232, ("match", "relation"), ("match", "relation"), ("error",)),
    "SOCIAL": TaskEvents(274, ("mental", "rnd"), ("mental", "rnd"), ("mental_resp", "other_resp")),
    "WM": TaskEvents(
        405, _BACK, _BACK,
        (*(f"{n}bk_{kind}" for n in (0, 2) for kind in ("cor", "err", "nlr")), "all_bk_cor", "all_bk_err"),
    ),
}  # fmt: skip
"""Frames, EV files and classes of every task.

Frames and conditions are those of the FEAT designs that the HCP distributes
(HCPpipelines, ``Examples/fsf_templates/tfMRI_<TASK>_<LR|RL>_hp200_s4_level1.fsf``; 24 conditions in
all, the cue of MOTOR among them). Sets of states in the literature:

- 21: the conditions of six tasks, without GAMBLING and without the cue of MOTOR: the classes of the
  state benchmark of Lane et al. (arXiv:2510.13768), and the "21 different experimental conditions
  spanning six different cognitive domains" of Zhang et al. (NeuroImage 231:117847, 2021,
  doi:10.1016/j.neuroimage.2021.117847), whose code lists them with GAMBLING's.
- 24: the 21 and GAMBLING's single trials ``loss_event``, ``win_event`` and ``neut_event``: all that the
  code of Zhang and Bellec (2019) lists, for seven tasks.
- 23: the 21 and GAMBLING's blocks ``loss`` and ``win``, so that every class is a block.
"""

EVENT_LABELS = ("ev", "conditions", "states", "states-23", "states-24")


def labels_of(task: str, events: str) -> tuple[str, ...] | None:
    """Return which EV files of a task are events; None for all that are there.

    Parameters
    ----------
    task : str
        As in folder names, ``EMOTION``; one that the HCP does not have takes every file.
    events : {"ev", "conditions", "states", "states-23", "states-24"}
        Every EV file; the conditions of the HCP's own model; the 21 states, or a larger set.
    """
    known = HCP_TASKS.get(task.upper())
    if events == "ev" or known is None:
        return None
    if events == "conditions":
        return known.conditions
    count = int(events.partition("-")[2] or 21)
    return known.states + dict(known.more_states).get(count, ())


def read_hcp_events(folder: Path, files: Sequence[str], task: str, events: str) -> tuple[Event, ...]:
    """Read the events of one run: the first part of :func:`read_hcp_timing`."""
    return read_hcp_timing(folder, files, task, events)[0]


def read_hcp_timing(
    folder: Path, files: Sequence[str], task: str, events: str
) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
    """Read the events of one run; the trial type is the EV file's name without ``.txt``.

    Parameters
    ----------
    folder : Path
        The folder ``EVs``.
    files : sequence of str
        What lies in it.
    task, events : str
        See :func:`labels_of`.

    Returns
    -------
    chosen, every : tuple of Event
        Those that are asked for, and those of all files: cues and responses are no rest.

    Raises
    ------
    InputError
        If the folder has EV files but lacks one of the conditions asked for, or a line is not
        numbers (of a file of the HCP's, or of any where all are asked for). An empty file is a condition that did
        not occur.
    """
    there = {name.removesuffix(".txt") for name in files if name.endswith(".txt") and not name.startswith(".")}
    there.discard("Sync")  # the time of the first trigger, already subtracted
    wanted = labels_of(task, events)
    for name in wanted or ():
        if there and name not in there:
            raise InputError(f"Expected the event file {folder / name}.txt; it is missing. Download EVs/ again, or "
                             'take whatever event files there are with events = "ev" in [scans].')
    every = _read_files(folder, sorted(there), task, wanted)
    return tuple(event for event in every if wanted is None or event.trial_type in wanted), every


def _read_files(folder: Path, names: Sequence[str], task: str, wanted: tuple[str, ...] | None) -> tuple[Event, ...]:
    """Read event files; somebody's notes among those that the HCP writes are no events where its own are asked for."""
    try:
        return read_fsl_events([f"{folder}/{name}.txt" for name in names])
    except InputError:
        own = [name for name in names if wanted is None or name in HCP_TASKS[task.upper()].files]
        if len(own) == len(names):
            raise
    events = list(read_fsl_events([f"{folder}/{name}.txt" for name in own]))
    for name in set(names).difference(own):
        with suppress(InputError):
            events += read_fsl_events([f"{folder}/{name}.txt"])
    return tuple(sorted(events, key=lambda e: (e.onset, e.trial_type)))
