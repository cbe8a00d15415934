"""Events above a class's figures: whose they are, and what is said where they are not everybody's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fmri_saliency.pipeline.pages.class_events import class_events, say_events
from fmri_saliency.pipeline.study.config import Config, build_section
from fmri_saliency.records import Event, Run
from fmri_saliency.series import Windows

EVENTS = (Event(10.0, 12.0, "lh"), Event(40.0, 12.0, "rf"))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return build_section(Config, {"scans": {"layout": "hcp", "path": "x"}, "output": {"path": "y"}}, "", tmp_path)


def run(direction: str, events: tuple[Event, ...] = EVENTS, task: str = "motor") -> Run:
    return Run("01", task, Path("x.nii.gz"), 0.72, 100, events=events, direction=direction)


def test_an_event_before_the_window_is_marked_as_long_as_its_response_lasts(config: Config) -> None:
    given = replace(config, samples=Windows(unit="event", length=7.2, offset=4.8))
    (event,) = class_events(given, [run("LR")], "lh", 4.95, 12.15)
    assert event == Event(0.0, 12.0, "lh")
    short = [run("LR", (Event(3.0, 0.5, "tone"), Event(30.0, 0.5, "tone")))]
    (event,) = class_events(given, short, "tone", 4.95, 12.15)  # over when the window begins; its response peaks there
    assert event == Event(0.0, 0.5, "tone")
    assert "which ends before the window begins" in say_events(given, short, "tone", [event], 4.95)
    assert class_events(given, short, "tone", 17.0, 24.0) == []
    assert say_events(given, short, "tone", [], 17.0) == ""


def test_events_that_are_not_those_of_all_runs_are_said_to_be_of_one(config: Config) -> None:
    later = tuple(replace(event, onset=event.onset + 5) for event in EVENTS)
    other = tuple(replace(event, trial_type=kind) for event, kind in zip(EVENTS, ("rf", "lh"), strict=True))
    nearly = tuple(replace(event, onset=event.onset + 0.5) for event in EVENTS)  # less than a frame of 0.72 s
    alike = [run("LR"), run("RL", nearly), run("LR", later, task="emotion")]
    events = class_events(config, alike, "motor", 0.0, 72.0)
    assert events == list(EVENTS)
    assert say_events(config, alike, "motor", events, 0.0).endswith("that they would evoke")
    for unlike in (later, other, EVENTS[:1]):
        words = say_events(config, [*alike, run("RL", unlike)], "motor", events, 0.0)
        assert words.endswith("those of sub-01_task-motor_dir-LR; 1 of 2 other runs have theirs at other times")
