"""What happened when, to be marked above the figures of a class, and how a caption says it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.records import Event, Run
from fmri_saliency.series import REST

__all__ = ["class_events", "say_events"]

LASTING = 16.0
"""Seconds for which the BOLD response to an event is well above zero after its end."""


def class_events(config: Config, runs: Sequence[Run], label: str, start: float, stop: float) -> list[Event]:
    """Return the events to mark above a class's map, in seconds from the run's first frame or the event's onset.

    Of several runs those of the first; also events before the window whose response reaches into it.
    """
    if config.samples.unit == "run":
        events = list(next(run for run in runs if run.task == label).events)
    elif config.samples.rest and label == REST:
        events = []
    elif config.samples.unit == "block":  # a piece of a block is as long as its window
        events = [Event(0.0, stop - start, label)]
    else:
        kinds = config.samples.classes.get(label, (label,))
        lasting = [e.duration for run in runs for e in run.events if e.trial_type in kinds]
        events = [Event(0.0, float(np.median(lasting)), label)]
    return [e for e in events if e.onset < stop and start < e.onset + e.duration + LASTING]


def _have_other_times(first: Run, run: Run) -> bool:
    """Return whether a run has other events than the first, or some of them a frame or more away."""
    mine, theirs = (sorted((e.onset, e.duration, e.trial_type) for e in one.events) for one in (first, run))
    return len(mine) != len(theirs) or any(
        kind != other or abs(onset - at) >= first.t_r or abs(lasts - long) >= first.t_r
        for (onset, lasts, kind), (at, long, other) in zip(mine, theirs, strict=True)
    )


def say_events(config: Config, runs: Sequence[Run], label: str, events: Sequence[Event], start: float) -> str:
    """Say what the events on top of a figure are; nothing where there are none."""
    if not events:
        return ""
    words = "; bars on top mark the events, with the BOLD response that they would evoke"
    if all(e.onset + e.duration <= start for e in events):
        words = "; on top, the BOLD response to be expected of the event, which ends before the window begins"
    if config.samples.unit != "run":
        return words
    first, *others = (run for run in runs if run.task == label)
    apart = sum(_have_other_times(first, run) for run in others)
    return f"{words}: those of {first.key}; {apart} of {len(others)} other runs have theirs at other times" if apart \
        else words  # fmt: skip
