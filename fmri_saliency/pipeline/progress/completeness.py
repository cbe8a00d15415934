"""Whether what stands for the whole (maps, checks, figures, page) is up to date and complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fmri_saliency import __version__
from fmri_saliency.disk.files import digest, read_json
from fmri_saliency.disk.sources import hash_file
from fmri_saliency.errors import InputError, StepError
from fmri_saliency.pipeline.steps.explanation import check_explained
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.opening import atlas_stamp, result_settings

__all__ = ["describe_files", "describe_whole", "is_whole"]

PLACES = ("group/*", "figures/*", "evidence/*", "saliency/*/samples.*", "saliency/*/people.*", "saliency/*/classes.*",
          "decoder/*/scores.json", "report.html", "quality.html", "view.sh", "fsleyes/*",
          "sub-*/**/*_boldmap.*")  # fmt: skip


def _inputs(config: Config, explained: str) -> str:
    """Return what identifies the whole: maps (`explained`), settings, the log of runs, and the planted truth."""
    root = config.output.path
    truth = [config.scans.truth / "truth.json"] if config.scans.truth is not None else []
    drawn_on = config.output.surfaces.values()
    files = [path for path in (root / "runs.tsv", root / "quality.tsv", *truth, *drawn_on) if path.is_file()]
    return digest(__version__, explained, atlas_stamp(config), result_settings(to_plain(config)), config.output.title,
                  [hash_file(path) for path in files])  # fmt: skip


def _size(path: Path) -> int | bool:
    """Return the size of a file; of the page, which names its folder and so has no size of its own, if it is whole."""
    return path.read_bytes().rstrip().endswith(b"</html>") if path.name == "report.html" else path.stat().st_size


def describe_files(root: Path) -> dict[str, int | bool]:
    """Return the files of the whole, with their sizes."""
    paths = (path for pattern in PLACES for path in root.glob(pattern))
    return {path.relative_to(root).as_posix(): _size(path) for path in sorted(paths) if path.is_file()}


def describe_whole(config: Config) -> dict[str, Any]:
    """Return what ``report.json`` says about the whole: what it was made from, and which files it is."""
    return {"inputs": _inputs(config, check_explained(config)), "Files": describe_files(config.output.path)}


def is_whole(config: Config, explained: str) -> bool:
    """Return whether all files of the whole are there, of this configuration and of what lies in the folder now.

    Parameters
    ----------
    config : Config
    explained : str
        What identifies the maps of all networks now (:func:`~fmri_saliency.pipeline.steps.explanation.whole_stamp`).
    """
    root = Workspace(config.output.path).root
    try:
        card = read_json(root / "report.json")["Whole"]
        return card["Files"] == describe_files(root) and card["inputs"] == _inputs(config, explained)
    except (InputError, StepError, LookupError, TypeError, OSError):
        return False
