"""The JSON beside a result: which one it is, and what it says the result was made from."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fmri_saliency import __version__
from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.sources import find_source
from fmri_saliency.errors import InputError

__all__ = ["card_of", "identity_of", "is_of_series", "origin"]

OF_SERIES = (
    "_stat-mean_timeseries", "_stat-mean_desc-raw_", "_stat-coverage_", "_desc-quality_", "_desc-confounds_",
)  # fmt: skip
"""Parts of the names of what is made of one scan."""
ENDINGS = (".nii.gz", ".ptseries.nii", ".dtseries.nii", ".pscalar.nii", ".dscalar.nii")


def is_of_series(place: Path) -> bool:
    """Return whether a file, named from the output folder, is of the series of one run."""
    return place.parts[0].startswith("sub-") and any(part in place.name for part in OF_SERIES)


def _network(root: Path) -> str:
    """Return the network whose maps are made."""
    try:
        return tomllib.loads((root / "config.toml").read_text(encoding="utf-8"))["decoder"]["network"]
    except (OSError, ValueError, LookupError):
        return ""


def _atlas_card(root: Path) -> Path:
    """Return the JSON of the atlas on the grid of the maps."""
    found = [*root.glob("tpl-*/anat/*_dseg.json"), *root.glob("fsleyes/*_dseg.json")]
    return found[0] if found else root / "fsleyes" / "none.json"


def card_of(path: Path, root: Path) -> Path | None:
    """Return the JSON that says what a file was made from; None where there is none."""
    place = path.relative_to(root)
    kind, name = place.parts[0], path.name
    if kind == "samples":
        found = root / "samples" / "samples.json"
    elif kind == "decoder" and len(place.parts) == 4:  # a fold
        found = path.parent / "model.json"
    elif kind in ("figures", "report.html", "quality.html"):
        found = root / "report.json"
    elif kind == "view.sh":
        found = root / "saliency" / _network(root) / "classes.json"
    elif (kind == "fsleyes" and path.suffix != ".cmap") or kind.startswith("atlas-"):
        found = _atlas_card(root)
    elif kind == "search" and len(place.parts) == 2:
        found = path.with_name("settings.json")
    elif is_of_series(place):
        stem = name
        for part in ("_stat-mean_", *OF_SERIES):
            stem = stem.split(part)[0]
        found = path.with_name(f"{stem}_stat-mean_timeseries.json")
    else:
        stem = next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), path.stem)
        found = path.with_name(stem + ".json")
    return found if found.is_file() else None


@lru_cache(maxsize=64)
def _identity(card: str, mtime_ns: int, size: int) -> str | None:
    try:
        content = read_json(Path(card))
    except (InputError, OSError):
        return None
    return content.get("inputs") if isinstance(content, dict) else None


def identity_of(path: Path, root: Path) -> str | None:
    """Return what identifies a file of an output folder, by its JSON; None where that does not say."""
    card = card_of(path, root) if path.is_file() else None
    if card is None:
        return None
    state = card.stat()
    return _identity(card.as_posix(), state.st_mtime_ns, state.st_size)


def origin(root: Path, sources: Sequence[str], **settings: Any) -> dict[str, Any]:
    """Return what a JSON says of where a result comes from.

    Parameters
    ----------
    root : Path
        The output folder.
    sources : sequence of str
        BIDS URIs of files in it (``bids::samples/X.npy``).
    **settings
        What it depends on besides.

    Returns
    -------
    dict
        `Sources`, and `MadeFrom` with the version, the settings, and what identifies each source now.
    """
    found = [find_source(uri, {"": root}) for uri in sources]
    made_from = {"version": __version__, **settings, "sources": [identity_of(path, root) for path in found]}
    return {"Sources": list(sources), "MadeFrom": made_from}
