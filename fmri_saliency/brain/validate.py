"""What must hold of an atlas before it is used: one message for each thing that does not."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from fmri_saliency.brain.tables import LARGEST_LABEL, name_side
from fmri_saliency.errors import AtlasError, CoverageWarning

__all__ = [
    "check_indices",
    "check_regions",
    "check_sides",
    "check_storage",
    "check_whole",
    "find_centres",
    "list_names",
    "number_regions",
    "positions_of",
]

LONGEST_TABLE = 2**22
"""Labels up to which a table from labels to rows is made: 32 MB."""
MIDLINE_MM = 4.0
"""Regions whose centre lies this near to the midline are not asked which side they are on."""


def list_names(names: Sequence[object], at_most: int = 8) -> str:
    """Return names in one line, the first few and how many more there are."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(map(str, names[:at_most])) + more


def check_whole(values: np.ndarray, path: Path) -> None:
    """Raise AtlasError unless all voxels are whole numbers of at least 0 that 32 bits hold."""
    whole = values.dtype.kind in "iu" or (np.isfinite(values).all() and (values == np.round(values)).all())
    if not whole or values.min() < 0:
        raise AtlasError(f"Labels must be whole numbers of at least 0; {path} holds others "
                         f"({values.min()} to {values.max()}). Is it a statistical map?")
    if values.max() > LARGEST_LABEL:
        raise AtlasError(f"Labels must be at most {LARGEST_LABEL} (32 bits); {path} holds {values.max()}. Number the "
                         "regions anew, in image and table alike.")


def check_storage(kind: np.dtype, regions: pd.DataFrame, path: Path, table: Path) -> None:
    """Raise AtlasError if the image's type of number cannot hold the labels of its table.

    Labels above 255 written as 8 bits come back as others (300 as 44, 256 as background).
    """
    if kind.kind in "iu" and regions["index"].max() > np.iinfo(kind).max:
        raise AtlasError(f"{table} names labels up to {regions['index'].max()}, but {path} is stored as {kind}, which "
                         f"ends at {np.iinfo(kind).max}: larger labels became others when it was written. Save the "
                         "image again as int16 from its source.")


def check_regions(regions: pd.DataFrame, path: Path) -> None:
    """Raise AtlasError unless there are regions, each with an index and a name of its own."""
    if regions.empty:
        raise AtlasError(f"The region table {path} names no region.")
    largest = regions["index"].max()
    if largest > LARGEST_LABEL:
        raise AtlasError(f"The column index of {path} must hold numbers up to {LARGEST_LABEL} (32 bits); {largest} "
                         "came.")
    if "color" in regions:
        from matplotlib.colors import is_color_like  # heavy: most tables have none

        wrong = [own for own in regions["color"] if isinstance(own, str) and not is_color_like(own)]
        if wrong:
            raise AtlasError(f"The column color of {path} must hold colours such as #1f77b4, or n/a; '{wrong[0]}' "
                             "came.")
    for column in ("index", "name"):
        twice = regions.loc[regions[column].duplicated(), column]
        if len(twice):
            raise AtlasError(f"Every {column} must be unique; '{twice.iloc[0]}' occurs twice in {path}.")


def check_indices(present: Sequence[int], regions: pd.DataFrame, labels: str, table: str) -> None:
    """Compare the labels of an image with its table.

    Raises
    ------
    AtlasError
        If the image holds a label that the table does not name.

    Warns
    -----
    CoverageWarning
        If the table names labels that the image does not hold; they keep their columns, as absent.
    """
    unnamed = sorted(set(present) - set(regions["index"]))
    if unnamed:
        raise AtlasError(f"The label image {labels} holds label {unnamed[0]}, which {table} does not name "
                         f"({len(unnamed)} such labels). Add the rows or choose the matching table.")
    absent = regions[~regions["index"].isin(present)]
    if len(absent) == len(regions):
        raise AtlasError(f"The label image {labels} holds none of the {len(regions)} labels that {table} names. "
                         "Choose the matching table.")
    if len(absent):
        warnings.warn(f"{len(absent)} of {len(regions)} regions that {table} names are not in {labels}: "
                      f"{list_names(absent['name'].tolist())}. They count as absent.", CoverageWarning, stacklevel=3)


def positions_of(labels: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return where each label stands in `index`, in the shape of `labels`; -1 where it does not.

    No table as long as the largest label is needed: labels of the Allen Institute's atlases reach 614,454,277.
    """
    order = np.argsort(index)
    place = order[np.minimum(np.searchsorted(index, labels, sorter=order), len(index) - 1)]
    return np.where(index[place] == labels, place, -1)


def number_regions(labels: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and a table that gives for each of them its region's row, counted from 1; 0 outside.

    The labels come back as they are, or renumbered where the table would be longer than memory should hold.

    Parameters
    ----------
    labels : ndarray of int
    index : ndarray of int, shape (n_regions,)
        The label of each region.

    Returns
    -------
    labels : ndarray of int
    place : ndarray of int, shape (largest label + 1,)
        So that ``place[labels]`` are rows.
    """
    largest = max(int(index.max()), int(labels.max()))
    if largest > LONGEST_TABLE:
        return positions_of(labels, index) + 1, np.arange(len(index) + 1)
    place = np.zeros(largest + 1, dtype=np.intp)
    place[index] = np.arange(1, len(index) + 1)
    return labels, place


def find_centres(labels: np.ndarray, affine: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the mean position of each label's voxels in mm, shape (n_regions, 3); NaN where there are none."""
    places = np.nonzero(labels)
    place = positions_of(labels[places], index)
    places, place = [axis[place >= 0] for axis in places], place[place >= 0]
    count = np.bincount(place, minlength=len(index))
    sums = np.stack([np.bincount(place, weights=axis, minlength=len(index)) for axis in places], axis=1)
    mean = np.divide(sums, count[:, None], out=np.full(sums.shape, np.nan), where=count[:, None] > 0)
    return nib.affines.apply_affine(affine, mean)


def check_sides(regions: pd.DataFrame, centres: np.ndarray, space: str, what: str, tolerated: float = 0.0) -> None:
    """Raise AtlasError if regions lie on the other side than their names, or the column hemisphere, say.

    Parameters
    ----------
    regions : DataFrame
    centres : ndarray, shape (n_regions, 3)
        In mm; x grows to the right.
    space : str
        In a template space the midline is at x = 0; elsewhere only the order of the two sides is compared.
    what : str
        The image, for the message.
    tolerated : float
        The share of regions that may lie on the other side, for maps, whose centres are vague.
    """
    column = regions["hemisphere"] if "hemisphere" in regions else [""] * len(regions)
    named = [name_side(name) or str(side) for name, side in zip(regions["name"].astype(str), column, strict=True)]
    sign = np.array([{"L": -1, "R": 1}.get(side, 0) for side in named])
    x = np.where(np.isfinite(centres[:, 0]), centres[:, 0], 0.0)
    if space.startswith("MNI") or space in ("Talairach", "fsaverage"):
        wrong = np.flatnonzero(sign * x < -MIDLINE_MM)
    elif (sign < 0).any() and (sign > 0).any():
        wrong = np.flatnonzero(sign) if x[sign < 0].mean() - x[sign > 0].mean() > MIDLINE_MM else []
    else:
        return
    if len(wrong) > tolerated * np.count_nonzero(sign):
        first = wrong[0]
        raise AtlasError(
            f"Left and right do not agree: {len(wrong)} of {np.count_nonzero(sign)} regions of {what} lie on the other "
            f"side than their names say ('{regions['name'].iloc[first]}' has its centre at x = {x[first]:+.0f} mm; "
            "left is below 0). Is the table in another order than the image, or the image's orientation lost?"
        )
