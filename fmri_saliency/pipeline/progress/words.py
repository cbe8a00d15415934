"""Where the work stands, in words: for people who ask, for other programs, and for the page."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fmri_saliency.pipeline.progress.state import STATES, Standing, StepStanding

__all__ = ["Stage", "stages", "status_as_dict", "status_in_words"]

TOLD = ("output", "begun", "runs", "changes", "failures", "working")


@dataclass(frozen=True)
class Stage:
    """A step of the command line, and how far it is.

    Attributes
    ----------
    step : {"extract", "train", "explain", "judge"}
    state : {"done", "not complete", "not done"}
    words : str
        What there is, and what is missing.
    """

    step: str
    state: str
    words: str


def _folds(standing: Standing, step: str, verb: str, beside: str) -> str:
    """Say how many folds of each network a step has done; `beside` is what is made of all folds at the end."""
    rows = [one for one in standing.rows(step) if one.unit == "fold"]
    words = "; ".join(f"{one.step.split()[1]}: {one.done} of {len(one.units)} folds {verb}" for one in rows)
    whole = all(not one.left and not one.failed for one in rows) and not standing.done(step)
    return words + (f"; {beside} are missing or out of date" if whole else "") + "."


def _extracted(standing: Standing) -> str:
    counts, total = standing.runs, sum(standing.runs.values())
    done, waiting = counts.get("done", 0), counts.get("found", 0)
    others = total - done - waiting
    words = f"{done} of {total} runs have region time series"
    words += f", {others} cannot be used" if others else ""
    return words + (f", {waiting} wait for their turn" if waiting else "") + "."


def _words(standing: Standing, step: str) -> str:
    if step == "extract":
        return _extracted(standing)
    if standing.obstacle:
        return standing.obstacle if step == "train" else "Waits for the steps before it."
    if step == "train":
        return _folds(standing, step, "trained", "the scores")
    if step == "explain":
        return _folds(standing, step, "explained", "the averages and maps of classes")
    if standing.done("judge"):
        return "The maps have been checked."
    return "The maps have not been checked." if standing.done("explain") else \
        "The maps are not there, or what is there was made with other settings or samples."


def _stage(standing: Standing, step: str) -> Stage:
    rows, names = standing.rows(step), {one.step for one in standing.rows(step)}
    state = "done" if standing.done(step) else "not complete" if any(one.done for one in rows) else "not done"
    said = [one["message"] for one in standing.failures if one["step"] in names and not one["file"] and
            one["status"] == "failed" and step != "extract"]  # fmt: skip
    return Stage(step, state, " ".join([_words(standing, step), *(f"Failed: {one}" for one in said)]))


def stages(standing: Standing) -> tuple[Stage, ...]:
    """Return how far each step before the page is, in their order."""
    return tuple(_stage(standing, step) for step in ("extract", "train", "explain", "judge"))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _line(one: StepStanding, width: int) -> str:
    counts = "".join(f"  {getattr(one, state):>{max(6, len(state))}}" for state in STATES)
    return f"{one.step:<{width}}{counts}  {_duration(one.seconds_left) if one.left else '-'}"


def status_in_words(standing: Standing, config: Path) -> str:
    """Return where the work stands as lines of text; `config` is named in what to do next."""
    if not standing.begun:
        name = shlex.quote(str(config))
        return (f"{standing.output}: not begun. `fmri-saliency runs {name}` lists the runs that will be found, "
                f"`fmri-saliency run {name}` does the whole job.")
    counts = ", ".join(f"{count} {name}" for name, count in standing.runs.items()) or "not listed yet"
    lines = [standing.output, f"Runs: {counts}."]
    if standing.changes:
        lines.append(f"The configuration has changed since: {'; '.join(standing.changes)}. The next call makes again "
                     "what depends on it.")
    width = max(len(one.step) for one in standing.steps)
    lines.append(f"{'step':<{width}}" + "".join(f"  {state:>6}" for state in STATES) + "  time left")
    lines += [_line(one, width) for one in standing.steps]
    for one in standing.failures:
        what = one["unit"] if one["step"] == "extract" and one["unit"] else f"{one['step']} {one['unit']}".rstrip()
        lines.append(f"{one['status']}: {what}: {one['message']}")
    places = sorted({f"{one['host']} (process {one['pid']})" for one in standing.working})
    lines.append(f"Working now: {', '.join(places)}." if places else "No process is working here.")
    return "\n".join(lines)


def status_as_dict(standing: Standing) -> dict[str, Any]:
    """Return where the work stands ready for JSON."""
    plain = {one.name: getattr(standing, one.name) for one in fields(standing) if one.name in TOLD}
    return {**plain, "steps": [asdict(one) for one in standing.steps]}
