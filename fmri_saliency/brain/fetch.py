"""Atlases that nilearn fetches: whether they are here, how to get them, and what becomes of them."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from nilearn import datasets
from nilearn.image import load_img

from fmri_saliency.brain.cards import OPTIONS, AtlasChoice, Card, settle
from fmri_saliency.disk.images import DAMAGE
from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import AtlasError

__all__ = ["Fetched", "count_present", "fetch", "find_files"]


@dataclass(frozen=True)
class Fetched:
    """The image of a fetched atlas and what it says of its regions, not yet checked.

    Attributes
    ----------
    values : ndarray, shape (x, y, z) or (x, y, z, n_maps)
    affine : ndarray, shape (4, 4)
    regions : DataFrame
        `index` and `name`, and where known `network` and `color`; for maps `index` counts them from 1.
    is_maps : bool
        Weights rather than labels.
    """

    values: np.ndarray
    affine: np.ndarray
    regions: pd.DataFrame
    is_maps: bool


def _folder(card: Card, data_dir: Path | None) -> Path | None:
    """Return the folder that nilearn would read this atlas from: the first of its data folders that has one."""
    roots = [Path(root) for root in datasets.get_data_dirs(data_dir)]
    return next((root / card.folder for root in roots if (root / card.folder).is_dir()), None)


def find_files(card: Card, data_dir: Path | None = None) -> tuple[Path, ...]:
    """Return the files of a settled card that are here; nothing unless all of them are."""
    folder = data_folder("atlases") if card.obtained == "embedded" else _folder(card, data_dir)
    if folder is None or not card.files:
        return ()
    found = [sorted(folder.glob(name)) for name in card.files]
    return tuple(path for paths in found for path in paths) if all(found) else ()


def count_present(card: Card, data_dir: Path | None = None) -> tuple[int, int]:
    """Return how many realisations of an atlas can be used without a network, and how many there are.

    An option that takes any number counts once.
    """
    values = [card.options[key].get("Values", [0]) for key in OPTIONS if key in card.options]
    keys = [key for key in OPTIONS if key in card.options]
    every = [AtlasChoice(**dict(zip(keys, one, strict=True))) for one in product(*values)]
    return sum(bool(find_files(settle(card, one)[0], data_dir)) for one in every), len(every)


def _how_to_get(card: Card, options: dict[str, Any], data_dir: Path | None, problem: str) -> str:
    """Say everything a user without a network needs, in one message."""
    words = ", ".join(f"{key} = {value!r}" for key, value in options.items())
    arguments = ", ".join(f"{key}={value!r}" for key, value in card.arguments.items())
    place = Path(datasets.get_data_dirs(data_dir)[0]) / card.folder
    return (
        f"The atlas {card.name}{f' ({words})' if words else ''} is not on this machine, and could not be downloaded: "
        f"{problem}. On a machine with a network run  python -c \"from nilearn.datasets import {card.fetcher} as f; "
        f"f({arguments})\"  and copy its folder ~/nilearn_data/{card.folder} to {place} (or set [atlas] data_dir to "
        'the folder that holds it). The embedded atlas, name = "Compact", needs nothing.'
    )


def fetch(card: Card, options: dict[str, Any], data_dir: Path | None = None) -> Fetched:
    """Read an atlas through its fetcher in nilearn: from nilearn's data folder, or the network.

    Parameters
    ----------
    card : Card
        Settled.
    options : dict
        Its options with their values, for messages.
    data_dir : Path, optional
        See :class:`AtlasChoice`.

    Raises
    ------
    AtlasError
        If it is not here and cannot be downloaded, with what to do; or if its files are damaged.
    """
    here = bool(find_files(card, data_dir))
    call = getattr(datasets, card.fetcher)
    try:
        # what nilearn tells of a download goes where the progress bars are; its warnings about tables of regions that
        # do not fit their image are repeated, by name, by the checks
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            bunch = call(**card.arguments, data_dir=data_dir, verbose=0 if here else 1)
    except Exception as error:  # whatever downloading, unpacking or reading can raise
        if not here:
            raise AtlasError(_how_to_get(card, options, data_dir, _problem(error))) from None
        raise AtlasError(_damaged(card, data_dir, _problem(error))) from None
    try:
        return _unpack(card, options, bunch)
    except DAMAGE as error:
        raise AtlasError(_damaged(card, data_dir, str(error))) from None


def _problem(error: Exception) -> str:
    request = getattr(error, "request", None)
    if request is not None and getattr(error, "response", None) is None:
        return f"no answer from {urlsplit(request.url).hostname}"
    return (str(error).strip() or type(error).__name__).rstrip(".")


def _damaged(card: Card, data_dir: Path | None, words: str) -> str:
    return (f"The files of the atlas {card.name} in {_folder(card, data_dir)} are damaged: {words}. Remove them; they "
            "are downloaded again.")


def _unpack(card: Card, options: dict[str, Any], bunch: Any) -> Fetched:
    image = load_img(bunch[card.image])
    values = np.asarray(image.dataobj)
    if card.kind == "levels":
        values = _nearest_level(values, options["n_regions"])
    elif bunch.atlas_type == "probabilistic":
        return Fetched(values, image.affine, _name_maps(bunch, values.shape[3], options), True)
    values = values[..., 0] if values.ndim == 4 else values
    table = bunch.get("lut")
    if table is None:
        index = [int(label) for label in np.unique(values) if label]
        table = pd.DataFrame({"index": index, "name": [f"parcel {label}" for label in index]})
    table = table.assign(index=table["index"].astype(float).astype(int), name=table["name"].map(_text))
    if card.name == "Yeo2011":
        table["network"] = table["name"]
    return Fetched(values, image.affine, table[table["index"] != 0].reset_index(drop=True), False)


def _nearest_level(values: np.ndarray, n_regions: int) -> np.ndarray:
    """Return the label image, among several along the last axis, whose number of regions is nearest."""
    counts = [len(np.unique(values[..., level])) - 1 for level in range(values.shape[3])]
    return values[..., int(np.argmin(np.abs(np.array(counts) - n_regions)))]


def _text(name: object) -> str:
    return (name.decode() if isinstance(name, bytes) else str(name)).strip()


def _name_maps(bunch: Any, n_maps: int, options: dict[str, Any]) -> pd.DataFrame:
    """Return names, and networks where they are known, of maps counted from 1.

    The forms differ: a table with ``difumo_names`` and ``yeo_networks7``, a list of names with or without a
    background, networks beside it, or pairs of a network and its components.
    """
    labels, networks = bunch.get("labels"), bunch.get("networks")
    if isinstance(labels, pd.DataFrame):
        names, networks = labels["difumo_names"].map(_text), labels["yeo_networks7"].map(_text)
    elif labels is not None:
        names = [_text(name) for name in labels]
        names = names[1:] if len(names) == n_maps + 1 and names[0] == "Background" else names
    elif "rsn_indices" in bunch and n_maps == sum(len(members) for _, members in bunch.rsn_indices):
        names = [f"{network} {member}" for network, members in bunch.rsn_indices for member in members]
        networks = [network for network, members in bunch.rsn_indices for _ in members]
    else:
        names, networks = [f"component {number}" for number in range(1, n_maps + 1)], None
    if len(names) != n_maps:
        raise ValueError(f"{n_maps} maps, but {len(names)} names")
    table = pd.DataFrame({"index": range(1, n_maps + 1), "name": _unique(list(names))})
    if networks is not None and len(networks) == n_maps:
        table["network"] = list(networks)
    return table


def _unique(names: Sequence[str]) -> list[str]:
    """Tell regions of one name apart by their number."""
    return [f"{name} ({k})" if names.count(name) > 1 else name for k, name in enumerate(names, start=1)]
