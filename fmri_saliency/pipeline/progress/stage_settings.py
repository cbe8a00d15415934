"""What the stages of a workflow depend on beside the scans: a file for each, new when it must be done again.

``.workflow/stages/explain.json`` and the others hold the settings of a stage, and when they were written. Rules of the
Snakefile have them as inputs, so that a change of [saliency] leaves decoders alone. The moment makes the content differ
from that of any earlier file: Snakemake takes a newer input for the old one where its content is what it was.
"""

from __future__ import annotations

import time
from typing import Any

from fmri_saliency import __version__
from fmri_saliency.disk.files import fingerprint, read_json, write_json
from fmri_saliency.errors import ConfigError, InputError
from fmri_saliency.pipeline.steps.sampling import TRAINED_BY
from fmri_saliency.pipeline.study.config import Config, load_config, to_plain
from fmri_saliency.pipeline.study.folder import Workspace, differences
from fmri_saliency.pipeline.study.opening import config_changes, result_settings

__all__ = ["STAGES", "renew_stages"]

STAGES = ("extract", "gather", "train", "explain", "report")
"""In their order: what comes after a stage depends on it, too."""


def _stage_settings(config: Config) -> dict[str, dict[str, Any]]:
    """Return what each stage depends on, in the order of `STAGES`."""
    plain = to_plain(config)
    own = {
        "extract": {key: result_settings(plain[key], f"{key}.") for key in ("scans", "atlas", "cleaning")},
        "gather": {"samples": plain["samples"]},
        "train": {"decoder": {key: plain["decoder"][key] for key in TRAINED_BY}},
        "explain": {"saliency": plain["saliency"]},
        "report": {**result_settings(plain), "output": {key: plain["output"][key] for key in
                                                        ("title", "per_run", "blocks")},
                   "surfaces": {side: path.name for side, path in config.output.surfaces.items()},
                   "truth": _truth(config)},
    }  # fmt: skip
    return {stage: {"version": __version__, **settings} for stage, settings in own.items()}


def _truth(config: Config) -> Any:
    try:
        return None if config.scans.truth is None else fingerprint(config.scans.truth / "truth.json")
    except OSError:
        return None


def _worked_with(config: Config) -> dict[str, dict[str, Any]]:
    """Return what each stage depended on when the folder was last worked on, if that was with other settings."""
    space = Workspace(config.output.path)
    if not config_changes(config):
        return {}
    try:
        return _stage_settings(load_config(space.root / "config.toml"))
    except ConfigError:
        return {}


def _read(space: Workspace, stage: str) -> dict[str, Any]:
    try:
        return dict(read_json(space.desk / "stages" / f"{stage}.json")["settings"])
    except (InputError, LookupError, TypeError, ValueError):
        return {}


def renew_stages(config: Config) -> tuple[list[str], list[str]]:
    """Write the file of each stage whose settings are not those that it, or the folder, was last worked on with.

    Returns
    -------
    changes : list of str
        The settings that differ, ``saliency.method: ablation -> occlusion``.
    stages : list of str
        What is to be done again for them: the first stage that is concerned, and all after it.
    """
    space, before = Workspace(config.output.path), _worked_with(config)
    changes: dict[str, None] = {}
    first = len(STAGES)
    for number, (stage, settings) in enumerate(_stage_settings(config).items()):
        known = _read(space, stage)
        found = [line for old in (known, before.get(stage, {})) if old for line in differences(old, settings)]
        if found or not known:
            write_json(space.desk / "stages" / f"{stage}.json", {"settings": settings, "written": time.time_ns()})
        if found:
            changes |= dict.fromkeys(found)
            first = min(first, number)
    return list(changes), list(STAGES[first:])
