"""Where each file lies, for the page: what there is, from the page's own folder; nothing says where that lies."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fmri_saliency.disk.texts import hide_places
from fmri_saliency.pipeline.pages.html import Picture, Volume
from fmri_saliency.pipeline.progress.state import Standing

__all__ = ["list_files", "without_places"]

N_LINKS = 12
"""Links of one kind of file; a study has thousands."""

KINDS = (
    ("view.sh", "opens the maps in FSLeyes", "explain"),
    ("group/*_stat-saliency_*_boldmap.nii*", "the map of each class over time (4D)", "explain"),
    ("group/*_stat-saliencymean_*_boldmap.nii*", "its mean over time", "explain"),
    ("group/*_boldmap.nii*", "all maps per class, for FSLeyes or Workbench: over time (4D), mean, time of the "
                             "peak, each with a JSON beside it", "explain"),
    ("group/*_regions.tsv", "all regions per class, ranked", "explain"),
    ("group/*_networks.tsv", "the same by network and hemisphere", "explain"),
    ("sub-*/**/*_boldmap.nii*", "maps of each person", "explain"),
    ("figures/*.png", "the figures of this page", "extract"),
    ("figures/*.gif", "each class through time, as an animation", "explain"),
    ("sub-*/**/*_timeseries.tsv", "region time series, with coverage and quality beside them", "extract"),
    ("samples/*.tsv", "where each sample came from; what the decoders read is beside it", "extract"),
    ("decoder/*/scores.json", "scores per network; weights and predictions of each fold are below", "train"),
    ("saliency/*/classes.json", "saliency per class; per sample beside it (.npy)", "explain"),
    ("evidence/evidence.json", "the checks as numbers", "judge"),
    ("runs.tsv", "every expected run and what became of it", "extract"),
    ("quality.*", "movement, coverage and gaps of every run, as a page and as numbers", "extract"),
    ("config.toml", "the resolved configuration; it can be run again", "extract"),
)  # fmt: skip
"""Pattern, what it holds, and the step that must be done for it to be up to date."""


def list_files(root: Path, standing: Standing) -> list[dict[str, Any]]:
    """List the kinds of files that are there and belong to these results.

    Returns
    -------
    list of dict
        `path` (the pattern), `what`, `links` (relative, percent-encoded), `more` (how many are not linked).
    """
    rows = []
    for pattern, what, step in KINDS:
        found = sorted(path for path in root.glob(pattern) if not path.name.startswith(".")) if standing.done(step) \
            else []  # fmt: skip
        if found:
            links = [quote(path.relative_to(root).as_posix()) for path in found[:N_LINKS]]
            rows.append({"path": pattern, "what": what, "links": links, "more": len(found) - len(links)})
    return rows


def without_places(content: Any, root: Path) -> Any:
    """Return the content of a page with all paths in its texts relative to a folder (:func:`~.texts.hide_places`)."""
    if type(content) is str:  # not what a template has made
        return hide_places(content, root)
    if isinstance(content, dict):
        return {key: without_places(value, root) for key, value in content.items()}
    if type(content) in (list, tuple):
        return type(content)(without_places(value, root) for value in content)
    if is_dataclass(content) and not isinstance(content, Picture | Volume):
        return replace(content, **{one.name: without_places(getattr(content, one.name), root)
                                   for one in fields(content) if one.init})  # fmt: skip
    return content
