"""What a result was made from: the chain from a file of an output folder back to the scans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fmri_saliency.disk.bids_names import bids_uri
from fmri_saliency.disk.files import digest, misfit, read_json, read_record
from fmri_saliency.disk.sources import find_source, hash_file
from fmri_saliency.errors import DamagedError, InputError
from fmri_saliency.pipeline.study.folder import made_by_us
from fmri_saliency.pipeline.study.sidecars import card_of, identity_of, is_of_series

__all__ = ["trace", "trace_in_words"]

COMMANDS = {
    "samples": "train", "decoder": "train", "saliency": "explain", "group": "explain", "evidence": "judge",
    "figures": "report", "report.html": "report", "report.json": "report", "quality.html": "report",
    "runs.tsv": "extract", "quality.tsv": "extract", "search": "search", "fsleyes": "explain", "view.sh": "explain",
}  # fmt: skip
"""What makes a file, by how its path below the output folder begins."""
BEGUN = ("config.toml", "README.md", ".bidsignore", "dataset_description.json")
"""What every step writes when it begins."""
OF_ALL_SERIES = ("runs.tsv", "quality.tsv")
NO_SCAN = "made from no scan: from the package, the configuration or the atlas"
SHOWN = 8  # sources of one step that are listed in words; the others are counted


def _root(path: Path) -> Path:
    """Return the output folder that a file lies in."""
    for folder in path.parents:
        card = folder / "dataset_description.json"
        if card.is_file() and made_by_us(card):
            return folder
    raise InputError(f"{path} lies in no output folder of fmri_saliency (its dataset_description.json names the "
                     "package).")


def _links(root: Path, given: Mapping[str, str]) -> dict[str, Path]:
    """Return where the data sets that URIs name are: as given, else as the output folder says."""
    said = read_json(root / "dataset_description.json").get("DatasetLinks", {})
    if misfit(said, dict.fromkeys(said, str) if isinstance(said, dict) else {}):
        path = root / "dataset_description.json"
        raise DamagedError(f"{path} is damaged: DatasetLinks must name folders. Every step makes it again.", path)
    places = {name: find_source(uri, {}) or (root / unquote(uri)).resolve() for name, uri in said.items()}
    return {**places, **{name: Path(folder).expanduser().resolve() for name, folder in given.items()}, "": root}


@dataclass(frozen=True)
class _Walk:
    """What holds for one chain: the folder, where data sets are, and whether scans are read."""

    root: Path
    links: Mapping[str, Path]
    reading: bool


def _scan(entry: Mapping[str, Any], walk: _Walk) -> dict[str, Any]:
    """Say whether a file that was described is still the same."""
    path = find_source(str(entry["uri"]), walk.links)
    about = {"source": entry["uri"], "sha256": entry["sha256"], "path": None if path is None else path.as_posix()}
    if path is None or not path.is_file():
        return {**about, "state": "absent"}
    state = path.stat()
    if state.st_size != entry["size"]:
        return {**about, "state": "changed"}
    if walk.reading or state.st_mtime_ns != entry["mtime_ns"]:
        return {**about, "state": "same (read)" if hash_file(path) == entry["sha256"] else "changed"}
    return {**about, "state": "same (size and time)"}


def _state(made_from: Mapping[str, Any], uris: Sequence[str], now: Sequence[str | None]) -> str:
    """Say whether what a step was made from is what lies there now, by what identifies each source.

    Parameters
    ----------
    made_from : mapping
        What the JSON of the result recorded: the identity of each source, or of all series together.
    uris, now : sequence
        The sources, and what identifies each now.
    """
    if "sources" in made_from:
        recorded = made_from["sources"]
        if len(recorded) != len(uris):
            return "changed since"
        others = [uri for uri, was, one in zip(uris, recorded, now, strict=True) if was != one]
        return f"changed since: {', '.join(others[:3])}" if others else "same"
    if "series" in made_from:
        return "same" if made_from["series"] == digest(list(now)) else "changed since"
    known = [made_from[key] for key in ("samples", "decoder") if isinstance(made_from.get(key), str)]
    if known:
        return "changed since" if [one for one in known if one not in now] else "same"
    return "not recorded" if uris else NO_SCAN


def _check_origin(card: Mapping[str, Any], path: Path, step: str) -> None:
    """Refuse a JSON whose fields about its origin are not what this package writes.

    Raises
    ------
    DamagedError
    """
    kinds = {"MadeFrom": dict, "Sources": list, "SourceFiles": list}
    why = misfit(card, {name: kind for name, kind in kinds.items() if name in card})
    file = {"uri": str, "size": int, "mtime_ns": int, "sha256": str}
    why = why or next(filter(None, (misfit(one, file) for one in card.get("SourceFiles", ()))), "")
    if why:
        raise DamagedError(f"{path} is damaged: {why}. `fmri-saliency {step} CONFIG.toml` makes it again.", path)


def _step_of(place: Path) -> str:
    """Return the command that makes a file, named from the output folder; empty where none is known."""
    first = place.parts[0]
    step = "extract" if is_of_series(place) else COMMANDS.get(first, "")
    if not step and first.startswith(("sub-", "tpl-", "atlas-")):
        step = "explain"
    return step


def _command(place: Path) -> str | None:
    if place.parts[0] in BEGUN:
        return "fmri-saliency: every step, when it begins"
    step = _step_of(place)
    return f"fmri-saliency {step} config.toml" if step else None


def _version(card: Mapping[str, Any]) -> str | None:
    """Return the version that a JSON names; in those of a whole data set there is a list of makers."""
    version = (card.get("MadeFrom") or {}).get("version")
    makers = card.get("GeneratedBy") or {}
    maker = makers[0] if isinstance(makers, list) else makers
    return version or (maker.get("Version") if isinstance(maker, Mapping) else None)


def _without_card(path: Path, about: dict[str, Any], walk: _Walk) -> tuple[dict[str, Any], list[Path]]:
    """Return the step of a file that no JSON describes: one of the folder as a whole."""
    place = path.relative_to(walk.root)
    about |= {"version": _version(read_json(walk.root / "dataset_description.json")), "sources": [], "made_from": {}}
    if place.name in OF_ALL_SERIES:
        series = sorted(walk.root.glob("sub-*/**/*_stat-mean_timeseries.tsv"))
        sources = [{"source": bids_uri(one, {"": walk.root}), "inputs": identity_of(one, walk.root)} for one in series]
        return {**about, "sources": sources, "state": "not recorded: a row for each series of then"}, series
    if place.parts[0] in BEGUN or place.parts[0] == "fsleyes":
        return {**about, "state": NO_SCAN}, []
    return {**about, "state": "no JSON beside it says what it was made from"}, []


def _step(path: Path, walk: _Walk) -> tuple[dict[str, Any], list[Path]]:
    """Return a step of the chain, and the files of the folder that it was made from."""
    place = path.relative_to(walk.root)
    card_path = None if place.parts[0] in BEGUN else card_of(path, walk.root)
    about: dict[str, Any] = {"file": place.as_posix(), "command": _command(place)}
    if card_path is None:
        return _without_card(path, about, walk)
    card = read_record(card_path, {}, _step_of(place) or "run")
    _check_origin(card, card_path, _step_of(place) or "run")
    made_from = card.get("MadeFrom", {})
    about |= {"card": card_path.relative_to(walk.root).as_posix(), "version": _version(card),
              "inputs": card.get("inputs"), "seed": card.get("seed", card.get("Seed")),
              "made_from": made_from}  # fmt: skip
    if "SourceFiles" in card:
        scans = [_scan(entry, walk) for entry in card["SourceFiles"]]
        return {**about, "sources": scans, "state": "same" if all("same" in one["state"] for one in scans) else
                "changed or absent"}, []  # fmt: skip
    found = [(str(uri), find_source(str(uri), walk.links)) for uri in card.get("Sources", [])]
    gone = [uri for uri, source in found if source is None or not source.exists()]
    now = [None if uri in gone else identity_of(source, walk.root) for uri, source in found]
    sources = [{"source": uri, "inputs": one} for (uri, _), one in zip(found, now, strict=True)]
    state = f"absent: {', '.join(gone[:3])}" if gone else _state(made_from, [uri for uri, _ in found], now)
    return {**about, "sources": sources, "state": state}, [one for _, one in found if one]


def _walk(path: Path, walk: _Walk) -> Iterator[dict[str, Any]]:
    """Yield the steps from a file backwards, each card once, nearest first."""
    waiting, seen = [path], set()
    while waiting:
        one = waiting.pop(0)
        key = card_of(one, walk.root) if one.is_file() and one.is_relative_to(walk.root) else None
        if (key is not None and key in seen) or (key is None and one != path):
            continue
        seen.add(key)
        step, before = _step(one, walk)
        yield step
        waiting += before


def _whole_state(steps: Sequence[Mapping[str, Any]]) -> str:
    stale = [step["file"] for step in steps if step["state"].startswith(("changed", "absent"))]
    return f"out of date: {', '.join(stale[:3])}{' ...' if len(stale) > 3 else ''}" if stale else "same"


def trace(file: Path, reading: bool = False, places: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Follow a result back to the scans.

    Parameters
    ----------
    file : Path
        Any file of an output folder.
    reading : bool
        Whether scans are read and their SHA-256 compared. Otherwise they are read only where their time of change
        differs from what was recorded.
    places : mapping, optional
        Where data sets lie now, by the names in BIDS URIs, if not where the output folder says.

    Returns
    -------
    dict
        `file`, `config` (the configuration beside it), and `steps`: what each step made, with which command, version,
        settings and seed, from which sources, and whether those are still the same; and `state`, which says this of
        all of them together: ``same``, or which files are not up to date.

    Raises
    ------
    InputError
        If there is no such file, or it lies in no output folder of this package.
    """
    path = Path(file).resolve()
    if not path.is_file():
        raise InputError(f"Expected a file of an output folder at {file}; there is none.")
    root = _root(path)
    steps = list(_walk(path, _Walk(root, _links(root, places or {}), reading)))
    return {"file": path.as_posix(), "config": (root / "config.toml").as_posix(), "state": _whole_state(steps),
            "steps": steps}  # fmt: skip


def trace_in_words(found: Mapping[str, Any]) -> str:
    """Return a trace as lines of text."""
    lines = [found["file"], f"configuration: {found['config']}", f"all that it was made from: {found['state']}"]
    for step in found["steps"]:
        lines.append(f"- {step['file']}")
        about = {"made by": step["command"], "version": step.get("version"), "seed": step.get("seed"),
                 "identity": step.get("inputs"), "its sources are": step["state"]}  # fmt: skip
        lines.append("    " + "; ".join(f"{key} {value}" for key, value in about.items() if value is not None))
        for one in step["sources"][:SHOWN]:
            more = f"  sha256 {one['sha256']}  {one['state']}" if "sha256" in one else ""
            lines.append(f"    from {one['source']}{more}")
        if len(step["sources"]) > SHOWN:
            lines.append(f"    ... and {len(step['sources']) - SHOWN} more (all with --json)")
    return "\n".join(lines)
