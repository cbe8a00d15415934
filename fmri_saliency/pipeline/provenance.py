"""What a result was made from: the chain from a file of an output folder back to the scans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmri_saliency.errors import InputError
from fmri_saliency.files import read_json
from fmri_saliency.sources import find_source, hash_file

__all__ = ["trace", "trace_in_words"]

COMMANDS = {
    "samples": "train", "decoder": "train", "saliency": "explain", "group": "explain", "evidence": "judge",
    "figures": "report", "report.html": "report", "report.json": "report", "quality.html": "report",
}  # fmt: skip
OF_SERIES = ("_stat-mean_timeseries", "_stat-coverage_", "_desc-quality_")  # in names of what is made of one scan
SHOWN = 8  # sources of one step that are listed in words; the others are counted


def _root(path: Path) -> Path:
    """Return the output folder that a file lies in."""
    for folder in path.parents:
        card = folder / "dataset_description.json"
        if card.is_file():
            makers = read_json(card).get("GeneratedBy") or [{}]
            if isinstance(makers, list) and makers[0].get("Name") == "fmri_saliency":
                return folder
    raise InputError(f"{path} lies in no output folder of fmri_saliency (its dataset_description.json names the "
                     "package).")


def _links(root: Path, given: Mapping[str, str]) -> dict[str, Path]:
    """Return where the data sets that URIs name are: as given, else as the output folder says."""
    said = read_json(root / "dataset_description.json").get("DatasetLinks", {})
    places = {name: find_source(uri, {}) or (root / uri).resolve() for name, uri in said.items()}
    return {**places, **{name: Path(folder).expanduser().resolve() for name, folder in given.items()}, "": root}


def _is_of_series(place: Path) -> bool:
    return place.parts[0].startswith("sub-") and any(part in place.name for part in OF_SERIES)


def card_of(path: Path, root: Path) -> Path | None:
    """Return the JSON that says what a file was made from; None where there is none."""
    place = path.relative_to(root)
    kind = place.parts[0]
    if kind == "samples":
        found = root / "samples" / "samples.json"
    elif kind == "decoder" and len(place.parts) == 4:  # a fold
        found = path.parent / "model.json"
    elif kind in ("figures", "report.html", "quality.html"):
        found = root / "report.json"
    elif _is_of_series(place):
        stem = path.name.split("_stat-coverage_")[0].split("_desc-quality_")[0].split("_stat-mean_")[0]
        found = path.with_name(f"{stem}_stat-mean_timeseries.json")
    else:
        name = path.name
        for ending in (".nii.gz", ".ptseries.nii", ".dtseries.nii", ".pscalar.nii", ".dscalar.nii"):
            name = name.removesuffix(ending)
        found = path.with_name(name).with_suffix(".json") if name == path.name else path.with_name(name + ".json")
    return found if found.is_file() else None


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


def _inputs(path: Path | None) -> str | None:
    return None if path is None else read_json(path).get("inputs")


def _state(made_from: Mapping[str, Any], sources: list[tuple[str, Path | None]], walk: _Walk) -> str:
    """Say whether what a step was made from is what lies there now, by what identifies each."""
    gone = [uri for uri, path in sources if path is None or not path.is_file()]
    if gone:
        return f"absent: {', '.join(gone[:3])}"
    now = {_inputs(card_of(path, walk.root)) for _, path in sources if path is not None}
    recorded = [made_from[key] for key in ("samples", "decoder") if isinstance(made_from.get(key), str)]
    return "changed since" if [one for one in recorded if one not in now] else "same"


def _step(path: Path, walk: _Walk) -> tuple[dict[str, Any], list[Path]]:
    """Return a step of the chain, and the files of the folder that it was made from."""
    place, card_path = path.relative_to(walk.root), card_of(path, walk.root)
    of_person = "extract" if _is_of_series(place) else "explain"
    step = of_person if place.parts[0].startswith("sub-") else COMMANDS.get(place.parts[0], "")
    about: dict[str, Any] = {"file": place.as_posix(), "command": f"fmri-saliency {step} config.toml" if step else None}
    if card_path is None:
        return {**about, "sources": [], "state": "no JSON beside it says what it was made from"}, []
    card = read_json(card_path)
    made_from = card.get("MadeFrom", {})
    version = made_from.get("version") or card.get("GeneratedBy", {}).get("Version")
    about |= {"card": card_path.relative_to(walk.root).as_posix(), "version": version, "inputs": card.get("inputs"),
              "seed": card.get("seed", card.get("Seed")), "made_from": made_from}  # fmt: skip
    if "SourceFiles" in card:
        scans = [_scan(entry, walk) for entry in card["SourceFiles"]]
        return {**about, "sources": scans, "state": "same" if all("same" in one["state"] for one in scans) else
                "changed or absent"}, []  # fmt: skip
    found = [(str(uri), find_source(str(uri), walk.links)) for uri in card.get("Sources", [])]
    sources = [{"source": uri, "inputs": None if source is None or not source.is_file() else
                _inputs(card_of(source, walk.root))} for uri, source in found]  # fmt: skip
    return {**about, "sources": sources, "state": _state(made_from, found, walk)}, [one for _, one in found if one]


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
        settings and seed, from which sources, and whether those are still the same.

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
    return {"file": path.as_posix(), "config": (root / "config.toml").as_posix(), "steps": steps}


def trace_in_words(found: Mapping[str, Any]) -> str:
    """Return a trace as lines of text."""
    lines = [found["file"], f"configuration: {found['config']}"]
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
