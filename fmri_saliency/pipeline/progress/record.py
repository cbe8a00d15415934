"""What the files of an output folder say of the work, read once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from joblib import effective_n_jobs

from fmri_saliency import __version__
from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.locks import Holder, read_gone, read_holders, read_times
from fmri_saliency.errors import InputError
from fmri_saliency.pipeline.steps.fingerprints import series_brief
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import Failure, read_failures
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.opening import atlas_stamp
from fmri_saliency.pipeline.study.runs import recorded_runs
from fmri_saliency.records import Run
from fmri_saliency.series import read_series_card, series_outputs

__all__ = ["Known", "read_known"]


@dataclass(frozen=True)
class Known:
    """What the files of an output folder say.

    Attributes
    ----------
    config : Config
    space : Workspace
    runs : dict
        The runs that were found last, by key.
    log : DataFrame
        A row per expected run: `run`, `status`, `message`, `file`, `frames`, `t_r`.
    cards : dict
        Run to `name`, `notes`, `inputs` and `Cleaning` of its series, where they are of this configuration.
    failures : dict
        Work to the note of why it failed.
    holders : list of Holder
        Who works.
    gone : dict
        Work to the process that held it, and is gone.
    times : dict
        Work to the seconds that it took.
    """

    config: Config
    space: Workspace
    runs: dict[str, Run]
    log: pd.DataFrame
    cards: dict[str, dict[str, Any]]
    failures: dict[str, Failure]
    holders: list[Holder]
    gone: dict[str, Holder]
    times: dict[str, float]

    def at_once(self, running: int) -> int:
        """Return how many units are worked on at a time: as many as now, or as the configuration says."""
        return running or effective_n_jobs(self.config.output.n_jobs)

    def seconds_left(self, prefix: str, left: int, running: int) -> float | None:
        """Return how long the units that are left take, from those that were timed."""
        took = [value for name, value in self.times.items() if name.startswith(prefix)]
        if not left:
            return 0.0
        return left * median(took) / min(self.at_once(running), left) if took else None

    def state(self, work: str, done: bool, failed: Failure | None = None) -> str:
        """Return the state of a piece of work; `failed` of it where it is not noted by its own name."""
        if any(one.work == work for one in self.holders):
            return "running"
        if done:
            return "done"
        failed, gone = failed or self.failures.get(work), self.gone.get(work)
        if gone is not None and (failed is None or gone.began > failed.when):
            return "interrupted"
        return "waiting" if failed is None else "failed"


def _card(path: Path) -> dict[str, Any]:
    """Read a card; an empty one where there is none, or it is just being replaced."""
    try:
        content = read_json(path)
    except (InputError, OSError):
        return {}
    return content if isinstance(content, dict) else {}


def _series_card(stem: Path) -> dict[str, Any]:
    """Read the card of a series; an empty one where there is none, it is damaged, or is just being replaced."""
    try:
        return read_series_card(stem)
    except (InputError, OSError):
        return {}


def _series_cards(config: Config, space: Workspace) -> dict[str, dict[str, Any]]:
    """Return of the series of this configuration, by run, their name, what they hold, and :func:`series_brief`."""
    atlas = _card(space.atlas)
    if atlas.get("settings") != atlas_stamp(config):
        return {}
    wanted, found = {"version": __version__, "cleaning": to_plain(config.cleaning)}, {}
    for person in space.root.glob("sub-*"):
        for folder, _, names in os.walk(person):
            here = set(names)
            for name in names:
                if not name.endswith("_stat-mean_timeseries.json") or name.startswith("."):
                    continue
                card = _series_card(Path(folder, name.removesuffix(".json")))
                made_from = card.get("MadeFrom") or {}
                outputs = series_outputs(Path(folder, name.removesuffix(".json")), card)
                same = all(made_from.get(key) == value for key, value in wanted.items()) and \
                    here.issuperset(path.name for path in outputs)
                of_atlas = made_from.get("atlas")
                if same and isinstance(of_atlas, dict) and of_atlas.get("fingerprint") == atlas.get("fingerprint"):
                    notes = " ".join(card.get("Notes", ()))
                    found[str(card["Run"])] = {"name": name.removesuffix(".json"), "notes": notes, **series_brief(card)}
    return found


def _run_notes(space: Workspace) -> dict[str, dict[str, Any]]:
    """Return why runs failed that were tried."""
    cards = (_card(path) for path in sorted((space.desk / "failed").glob("*.json")))
    return {str(card["run"]): card for card in cards if "run" in card}


def _log(
    log: pd.DataFrame, runs: dict[str, Run], cards: dict[str, dict[str, Any]], notes: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """Return a row per expected run: what finding it said, and what became of it."""
    rows = []
    for row in log.to_dict("records"):
        key, run = str(row["run"]), runs.get(str(row["run"]))
        row |= {"run": key, "message": str(row["message"] or ""), "file": ""}
        row |= {"frames": None if run is None else run.n_times, "t_r": None if run is None else run.t_r}
        if run is not None and key in cards:
            row |= {"status": "done", "message": cards[key]["notes"]}
        elif run is not None and key in notes:
            note = notes[key]
            row |= {"status": "again" if note.get("again") else "failed", "message": str(note.get("message", "")),
                    "file": str(note.get("file", ""))}  # fmt: skip
        rows.append(row)
    columns = ["run", "status", "message", "file", "frames", "t_r"]
    return pd.DataFrame(rows, columns=columns).astype({"frames": float, "t_r": float})


def read_known(config: Config) -> Known:
    """Read what the files of the output folder say."""
    space, finding = Workspace(config.output.path), recorded_runs(config)
    runs = {} if finding is None else {run.key: run for run in finding.runs}
    listed = pd.DataFrame(columns=["run", "status", "message"]) if finding is None else finding.log
    cards = _series_cards(config, space)
    log = _log(listed, runs, cards, _run_notes(space))
    gone = {one.work: one for one in read_gone(space.desk)}
    return Known(config, space, runs, log, cards, read_failures(config), read_holders(space.desk), gone,
                  read_times(space.desk))  # fmt: skip
