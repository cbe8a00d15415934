"""Find, read, check and resample atlases."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.image import resample_img

from fmri_saliency.errors import AtlasError, InputError, SpaceMismatchWarning, one_of
from fmri_saliency.files import read_json, read_tsv
from fmri_saliency.images import DAMAGE, open_image, read_voxels
from fmri_saliency.places import data_folder
from fmri_saliency.records import Atlas

__all__ = ["atlas_cards", "check_space", "load_atlas", "load_label_atlas", "load_named_atlas", "resample_atlas"]


def atlas_cards() -> pd.DataFrame:
    """Return what can be chosen by name: one row per embedded atlas.

    Returns
    -------
    DataFrame
        Columns `name`, `space`, `regions`, `resolution`, `licence`, `source`, `image`, `table`.
    """
    root = data_folder("atlases")
    rows = []
    for card_path in sorted(root.glob("atlas-*_description.json")):
        card = read_json(card_path)
        for image in sorted(root.glob(f"tpl-*/anat/*_atlas-{card['Name']}_*dseg.nii.gz")):
            entities = dict(part.split("-", 1) for part in image.name.split("_") if "-" in part)
            table = image.parent / (image.name.split("_res-")[0] + "_dseg.tsv")
            rows.append(
                {
                    "name": card["Name"],
                    "space": entities["tpl"],
                    "regions": int(entities["scale"]),
                    "resolution": read_json(Path(str(image).removesuffix(".nii.gz") + ".json"))["Resolution"],
                    "licence": card["License"],
                    "source": card["Source"],
                    "image": image,
                    "table": table,
                }
            )
    return pd.DataFrame(rows)


def _read_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        image = open_image(path, "a label image")
        values = np.asarray(image.dataobj) if image.get_data_dtype().kind in "iu" else read_voxels(image, path)
    except InputError as error:
        raise AtlasError(f"{error} Correct [atlas] labels.") from None
    except DAMAGE as error:
        raise AtlasError(f"{path} breaks off or is damaged: {error}. Copy it again.") from None
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise AtlasError(f"Expected a 3D label image; {path} has shape {values.shape}. A probabilistic (4D) atlas "
                         "must be turned into labels first.")
    if not np.all(np.isfinite(values)) or np.any(values != np.round(values)) or values.min() < 0:
        raise AtlasError(f"Labels must be whole numbers of at least 0; {path} holds others "
                         f"({values.min()} to {values.max()}). Is it a statistical map?")
    return values.astype(np.int32), image.affine


def _read_regions(path: Path, labels_path: Path) -> pd.DataFrame:
    table = read_tsv(path, "the region table of the atlas", dtype={"name": str})
    missing = [column for column in ("index", "name") if column not in table]
    if missing:
        raise AtlasError(f"The region table {path} needs the columns index and name; '{missing[0]}' is missing. "
                         f"It has: {', '.join(map(str, table.columns))}.")
    try:
        table["index"] = table["index"].astype(int)
    except (ValueError, TypeError):
        raise AtlasError(f"The column index of {path} must hold whole numbers.") from None
    table = table[table["index"] != 0].reset_index(drop=True)
    for column in ("index", "name"):
        twice = table.loc[table[column].duplicated(), column]
        if len(twice):
            raise AtlasError(f"Every {column} must be unique; '{twice.iloc[0]}' occurs twice in {path}.")
    if table.empty:
        raise AtlasError(f"The region table {path} names no region for {labels_path}.")
    return table


def _add_centres(regions: pd.DataFrame, labels: np.ndarray, affine: np.ndarray) -> pd.DataFrame:
    if {"x", "y", "z"} <= set(regions.columns):
        return regions
    centres = np.full((len(regions), 3), np.nan)
    for row, index in enumerate(regions["index"]):
        voxels = np.argwhere(labels == index)
        if len(voxels):
            centres[row] = nib.affines.apply_affine(affine, voxels).mean(axis=0)
    return regions.assign(**{axis: centres[:, i].round(1) for i, axis in enumerate("xyz")})


def load_label_atlas(labels: Path, table: Path, name: str = "Custom", space: str = "") -> Atlas:
    """Read one's own atlas: a label image and a table with the columns index and name.

    Parameters
    ----------
    labels : Path
        3D image of whole numbers, 0 = background.
    table : Path
        Tab-separated, with at least `index` and `name`; more columns are kept.
    name : str
        BIDS atlas label for file names.
    space : str
        BIDS name of the template space, empty if unknown.

    Raises
    ------
    AtlasError
        If the image is not a label image, or image and table disagree.
    """
    values, affine = _read_labels(labels)
    regions = _read_regions(table, labels)
    present = set(np.unique(values).tolist()) - {0}
    unnamed = sorted(present - set(regions["index"]))
    if unnamed:
        raise AtlasError(f"The label image {labels} holds label {unnamed[0]}, which {table} does not name "
                         f"({len(unnamed)} such labels). Add the rows or choose the matching table.")
    absent = sorted(set(regions["index"]) - present)
    if absent:
        raise AtlasError(f"The table {table} names label {absent[0]}, which {labels} does not hold "
                         f"({len(absent)} such rows). Remove the rows or choose the matching image.")
    regions = _add_centres(regions, values, affine)
    return Atlas(name, values, affine, regions, space, "", "the user's own", Path(labels).as_posix())


def load_named_atlas(name: str) -> Atlas:
    """Read an embedded atlas by its name (any case).

    Raises
    ------
    AtlasError
        If there is no such atlas.
    """
    cards = atlas_cards()
    names = {str(n).lower(): str(n) for n in cards["name"]}
    one_of(name.lower(), names, "The atlas name", AtlasError)
    card = cards[cards["name"] == names[name.lower()]].iloc[0]
    atlas = load_label_atlas(card["image"], card["table"], card["name"], card["space"])
    return replace(atlas, scale=str(card["regions"]), licence=card["licence"], source=card["source"])


def load_atlas(name: str = "Compact", labels: Path | None = None, table: Path | None = None, space: str = "") -> Atlas:
    """Read one's own atlas when `labels` is given, else the embedded one called `name`."""
    if labels is None:
        return load_named_atlas(name)
    if table is None:
        raise AtlasError(f"The label image {labels} needs a table of its regions: set [atlas] table to a TSV with "
                         "the columns index and name.")
    return load_label_atlas(labels, table, "Custom" if name.lower() == "compact" else name, space)


def check_space(atlas: Atlas, space: str, same_grid: bool = False) -> str:
    """Compare the atlas's template space with the scans'.

    Parameters
    ----------
    atlas : Atlas
    space : str
        The scans' template space; empty where unknown.
    same_grid : bool
        Whether atlas and scans already share one grid of voxels, in which case a space
        that is not stated is noted but not warned about.

    Returns
    -------
    str
        A sentence about how the two fit, for sidecars and the report.

    Raises
    ------
    AtlasError
        If both are known and only one of them is an MNI space.

    Warns
    -----
    SpaceMismatchWarning
        If both are MNI spaces but different ones, or if one is unknown.
    """
    if not atlas.space or not space:
        which = "the atlas" if not atlas.space else "the scans"
        note = (f"The template space of {which} is not stated, so it could not be checked that atlas and scans agree "
                "(set space in [atlas] and [scans]).")
        if same_grid:
            return note + " They share one grid of voxels."
    elif atlas.space == space:
        return f"Atlas and scans are both in {space}."
    elif atlas.space.startswith("MNI") and space.startswith("MNI"):
        note = (f"The atlas is in {atlas.space}, the scans are in {space}: versions of the MNI template that differ "
                "by a few millimetres. Parcels may be shifted by about a voxel.")
    else:
        raise AtlasError(f"The atlas '{atlas.name}' is in {atlas.space}, the scans are in {space}: a parcel would "
                         "read the wrong place. Choose an atlas in the scans' space, or normalise the scans.")
    warnings.warn(note, SpaceMismatchWarning, stacklevel=2)
    return note


def resample_atlas(atlas: Atlas, affine: np.ndarray, shape: tuple[int, int, int]) -> Atlas:
    """Put the label image on another grid with nearest neighbour; the table stays as it is.

    A region too small for the new grid keeps its row and has no voxel.
    """
    if atlas.labels.shape == tuple(shape) and np.allclose(atlas.affine, affine, atol=1e-4):
        return atlas
    image = nib.Nifti1Image(atlas.labels, atlas.affine)
    moved = resample_img(image, affine, shape, interpolation="nearest", copy_header=True, force_resample=True)
    return replace(atlas, labels=np.asarray(moved.dataobj).astype(np.int32), affine=np.asarray(affine, dtype=float))
