"""Find, read, check and resample atlases."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.image import resample_img

from fmri_saliency.brain.cards import AtlasChoice, find_card, settle
from fmri_saliency.brain.cifti import load_grayordinate_atlas
from fmri_saliency.brain.fetch import fetch, find_files
from fmri_saliency.brain.maps import load_maps_atlas, make_maps_atlas, resample_maps, strongest
from fmri_saliency.brain.tables import complete_regions, read_region_table
from fmri_saliency.brain.validate import (
    check_indices,
    check_regions,
    check_sides,
    check_storage,
    check_whole,
    find_centres,
    list_names,
)
from fmri_saliency.disk.images import DAMAGE, check_header, open_image, read_voxels
from fmri_saliency.errors import AtlasError, CoverageWarning, InputError, SpaceMismatchWarning
from fmri_saliency.records import Atlas

__all__ = ["check_space", "extend_grid", "is_adult_template", "load_atlas", "load_chosen_atlas", "load_label_atlas",
           "resample_atlas"]  # fmt: skip


def _read_labels(path: Path) -> tuple[np.ndarray, np.ndarray, np.dtype]:
    """Return voxels, affine and the type of number that the file stores."""
    try:
        image = open_image(path, "a label image")
        check_header(image, path)
        kind = image.get_data_dtype()
        # as float32 labels above 2**24 would become their neighbours
        values = np.asarray(image.dataobj) if kind.kind in "iu" or kind.itemsize > 4 else read_voxels(image, path)
    except InputError as error:
        raise AtlasError(f"{error} Correct [atlas] labels.") from None
    except DAMAGE as error:
        raise AtlasError(f"{path} breaks off or is damaged: {error}. Copy it again.") from None
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise AtlasError(f"Expected a 3D label image; {path} has shape {values.shape}. A probabilistic (4D) atlas "
                         "belongs in [atlas] maps.")
    return values, image.affine, kind


def load_label_atlas(labels: Path, table: Path, name: str = "Custom", space: str = "") -> Atlas:
    """Read one's own atlas: a label image and a table of its regions.

    Parameters
    ----------
    labels : Path
        3D image of whole numbers, 0 = background.
    table : Path
        Tab-separated, with at least `index` and `name` (more columns are kept); or FSL XML, an FSLeyes ``.lut``,
        or a FreeSurfer look-up table, of which only the rows that the image holds are taken.
    name : str
        BIDS atlas label for file names.
    space : str
        BIDS name of the template space, empty if unknown.

    Raises
    ------
    AtlasError
        If the image is not a label image, or image and table disagree.

    Warns
    -----
    CoverageWarning
        If the table names regions that the image does not hold; they keep their columns, as absent.
    """
    values, affine, kind = _read_labels(labels)
    regions, general = read_region_table(table)
    regions = regions[regions["index"] != 0].reset_index(drop=True)
    if general:
        regions = regions[regions["index"].isin(np.unique(values))].reset_index(drop=True)
    check_regions(regions, table)
    check_storage(kind, regions, labels, table)
    check_whole(values, labels)
    return _make_label_atlas(values, affine, regions, name, space, (Path(labels).as_posix(), str(table)))


def _make_label_atlas(
    values: np.ndarray, affine: np.ndarray, regions: pd.DataFrame, name: str, space: str, where: tuple[str, str],
    tolerated: float = 0.0,
) -> Atlas:
    """Compare labels with their table and complete what is known of the regions; `where` names image and table."""
    values = values.astype(np.int32)
    present = np.unique(values)
    check_indices(present[present > 0].tolist(), regions, *where)
    regions = complete_regions(regions)
    centres = find_centres(values, affine, regions["index"].to_numpy())
    check_sides(regions, centres, space, where[0], tolerated)
    if not {"x", "y", "z"} <= set(regions.columns):
        regions = regions.assign(**{axis: centres[:, i].round(1) for i, axis in enumerate("xyz")})
    return Atlas(name, values, affine, regions, space, "", "the user's own", where[0])


def load_atlas(name: str = "Compact", labels: Path | None = None, table: Path | None = None, space: str = "") -> Atlas:
    """Read one's own atlas when `labels` is given, else the one called `name` with its default options."""
    return load_chosen_atlas(AtlasChoice(name, labels=labels, table=table, space=space))


def load_chosen_atlas(choice: AtlasChoice) -> Atlas:
    """Read the atlas that was chosen: one's own, the embedded one, or one that nilearn fetches.

    Raises
    ------
    AtlasError
        If there is no such atlas or option, it is not on this machine and cannot be downloaded (with what to do), or
        it does not pass the checks.

    Warns
    -----
    CoverageWarning
        If regions of its table are not in its image.
    """
    if choice.image is not None:
        return _load_own(choice)
    card, options = settle(find_card(choice.name), choice)
    if card.obtained == "brought":
        raise AtlasError(f"{card.name} cannot be fetched ({card.license}): set labels in [atlas] to its label image, "
                         "table to the names of its regions, and space to the template the image is in.")
    if card.obtained == "embedded":
        image, table = find_files(card)
        atlas = load_label_atlas(image, table, card.name, card.space)
    else:
        found = fetch(card, options, choice.data_dir)
        check_regions(found.regions, Path(card.name))
        if found.is_maps:
            atlas = make_maps_atlas(found.values, found.affine, found.regions, card.name, card.space, card.name)
        else:
            check_whole(found.values, Path(card.name))
            where = (f"of {card.name}", f"the table of {card.name}")
            atlas = _make_label_atlas(found.values, found.affine, found.regions, card.name, card.space, where, 0.5)
    return replace(atlas, scale=card.scale, seg=card.seg, licence=card.license, source=card.source)


def _load_own(choice: AtlasChoice) -> Atlas:
    if choice.labels is not None and choice.labels.name.endswith(".dlabel.nii"):
        name = "Custom" if choice.name.lower() == "compact" else choice.name
        return load_grayordinate_atlas(choice.labels, name, choice.space)
    if choice.table is None:
        raise AtlasError(f"The image {choice.image} needs a table of its regions: set [atlas] table to a TSV with "
                         "the columns index and name, an FSL XML, or a look-up table.")
    name = "Custom" if choice.name.lower() == "compact" else choice.name
    load = load_label_atlas if choice.maps is None else load_maps_atlas
    return load(choice.image, choice.table, name, choice.space)


ADULT = ("MNI152", "MNI305", "MNIColin27")


def is_adult_template(space: str) -> bool:
    """Return whether a space is one of the templates of adults, which differ by a few millimetres."""
    return space.startswith(ADULT)


def _split_cohort(space: str) -> tuple[str, str]:
    """Return template and cohort of a space: of ``MNIInfant:cohort-1`` and ``MNIInfant+1`` alike."""
    template, _, cohort = space.replace("+", ":cohort-").partition(":cohort-")
    return template, cohort


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
        If both are known and are neither one space nor both templates of adults. Cohorts of a template are different
        spaces.

    Warns
    -----
    SpaceMismatchWarning
        If both are MNI spaces but different ones, or if one, or the cohort of one, is unknown.
    """
    (template, cohort), (other, of_scans) = _split_cohort(atlas.space), _split_cohort(space)
    if not atlas.space or not space:
        which = "the atlas" if not atlas.space else "the scans"
        note = (f"The template space of {which} is not stated, so it could not be checked that atlas and scans agree "
                "(set space in [atlas] and [scans]).")
        if same_grid:
            return note + " They share one grid of voxels."
    elif (template, cohort) == (other, of_scans):
        return f"Atlas and scans are both in {space}."
    elif template == other and not (cohort and of_scans):
        which = "the atlas" if not cohort else "the scans"
        note = (f"The atlas is in {atlas.space}, the scans are in {space}: the cohort of {which} is not stated, and "
                f"cohorts of {template} are brains of different ages and sizes. Set space in [atlas] and [scans] to "
                f'"{template}:cohort-{cohort or of_scans}" if they are of one cohort.')
    elif is_adult_template(atlas.space) and is_adult_template(space):
        which = " (which version is not stated)" if atlas.space == "MNI152" else ""
        note = (f"The atlas is in {atlas.space}{which}, the scans are in {space}: versions of the MNI template that "
                "differ by a few millimetres. Parcels may be shifted by about a voxel.")
    else:
        raise AtlasError(f"The atlas '{atlas.name}' is in {atlas.space}, the scans are in {space}: a parcel would "
                         "read the wrong place. Choose an atlas in the scans' space, or normalise the scans.")
    warnings.warn(note, SpaceMismatchWarning, stacklevel=2)
    return note


LARGEST_UNION = 8
"""How many times the voxels of a grid, and of the box around the regions, the grid may have that holds both."""


def extend_grid(
    atlas: Atlas, names: Sequence[str], affine: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Extend a grid by whole voxels until it holds regions of an atlas, wherever it has no room for them.

    A grid that lies nowhere near the regions is moved to them instead: it would span all that lies between.

    Parameters
    ----------
    atlas : Atlas
    names : sequence of str
        Regions that the grid must hold.
    affine : ndarray, shape (4, 4)
        Voxel to mm.
    shape : tuple of int
        Voxels along each axis.

    Returns
    -------
    affine : ndarray, shape (4, 4)
    shape : tuple of int
        Of the same voxels, with others around them; those given where they hold all.
    """
    indices = atlas.regions["index"].to_numpy()[np.isin(atlas.names, list(names))]
    voxels = np.argwhere(np.isin(atlas.labels, indices))
    if atlas.grayordinates is not None or not len(voxels):
        return affine, tuple(shape)
    place = nib.affines.apply_affine(np.linalg.inv(affine) @ atlas.affine, voxels)
    low = np.floor(place.min(axis=0) + 0.5 + 1e-3).astype(int)
    high = np.ceil(place.max(axis=0) + 0.5 - 1e-3).astype(int)
    both = np.minimum(low, 0), np.maximum(high, shape)
    if np.prod(both[1] - both[0]) <= LARGEST_UNION * (np.prod(shape) + np.prod(high - low)):
        low, high = both
    moved = np.array(affine, dtype=float)
    moved[:3, 3] = nib.affines.apply_affine(affine, low)
    return moved, tuple(int(size) for size in high - low)


def resample_atlas(atlas: Atlas, affine: np.ndarray, shape: tuple[int, int, int]) -> Atlas:
    """Put an atlas on another grid: labels by nearest neighbour, maps linearly; the table stays as it is.

    A region too small for the new grid, or outside it, keeps its row and has no voxel.

    Warns
    -----
    CoverageWarning
        If regions are lost, with their names.
    """
    same = atlas.labels.shape == tuple(shape) and np.allclose(atlas.affine, affine, atol=1e-4)
    if same or atlas.grayordinates is not None:  # see match_grayordinates
        return atlas
    affine = np.asarray(affine, dtype=float)
    if atlas.maps is not None:
        maps = resample_maps(atlas, affine, shape)
        labels, top = strongest(maps)
        moved = replace(atlas, labels=labels, affine=affine, maps=maps)
        kept = top > 0
    else:
        image = nib.Nifti1Image(atlas.labels, atlas.affine)
        moved = resample_img(image, affine, shape, interpolation="nearest", copy_header=True, force_resample=True)
        moved = replace(atlas, labels=np.asarray(moved.dataobj).astype(np.int32), affine=affine)
        kept = np.isin(atlas.regions["index"], moved.labels) | ~np.isin(atlas.regions["index"], atlas.labels)
    lost = [name for name, keeps in zip(atlas.names, kept, strict=True) if not keeps]
    if lost:
        zooms = " x ".join(f"{size:g}" for size in nib.affines.voxel_sizes(affine).round(2))
        warnings.warn(f"{len(lost)} of {atlas.n_regions} regions of the atlas {atlas.name} have no voxel on the scans' "
                      f"grid of {zooms} mm: {list_names(lost)}. They are too small for it, or outside the field of "
                      "view; they count as absent.", CoverageWarning, stacklevel=2)
    return moved
