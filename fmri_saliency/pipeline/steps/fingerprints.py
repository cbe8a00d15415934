"""What samples depend on, and which files they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmri_saliency import __version__
from fmri_saliency.disk.files import digest
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.folder import is_done
from fmri_saliency.records import Run
from fmri_saliency.series.samples import SAMPLES_FIELDS

__all__ = ["are_cut", "samples_made_from", "series_brief"]

CLEANED = "in stretches of one length, with the cosines of each"
"""How: samples of an earlier way, which were cut from series that had been cleaned as whole runs, are cut again."""


def series_brief(card: dict[str, Any]) -> dict[str, Any]:
    """Return of the JSON beside series what samples depend on."""
    return {"inputs": card["inputs"], "Cleaning": {"marked_frames": card["Cleaning"].get("marked_frames")}}


def samples_made_from(
    config: Config, runs: Sequence[Run], names: Sequence[str], cards: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return what the samples depend on: the runs, the names of their series, and :func:`series_brief` of each."""
    events = [[(e.onset, e.duration, e.trial_type) for e in run.events] for run in runs]
    people = [(name, run.group) for name, run in zip(names, runs, strict=True)]
    busy = [run.busy for run in runs] if config.samples.rest else []
    return {"version": __version__, "runs": len(runs), "series": digest([card["inputs"] for card in cards]),
            "marked frames": digest([card["Cleaning"] for card in cards]), "events": digest(events, busy),
            "people": digest(people), "cleaned": CLEANED, "samples": to_plain(config.samples)}  # fmt: skip


def are_cut(folder: Path, inputs: str) -> bool:
    """Return whether samples are there, and of these inputs."""
    return is_done(folder / "samples.json", inputs, [folder / "X.npy", folder / "samples.tsv"], SAMPLES_FIELDS)
