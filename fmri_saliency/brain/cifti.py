"""Parcels of grayordinates: read from a CIFTI label file, and maps written as CIFTI that Workbench opens."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ParcelsAxis, ScalarAxis, SeriesAxis

from fmri_saliency.brain.tables import colour_code, name_side
from fmri_saliency.brain.validate import list_names, number_regions
from fmri_saliency.disk.files import atomic_path, digest
from fmri_saliency.disk.grayordinates import describe_models, grayordinates_of
from fmri_saliency.disk.images import check_header, open_image, read_voxels
from fmri_saliency.errors import AtlasError, CoverageWarning, InputError, UnreachableError
from fmri_saliency.records import Atlas

__all__ = ["identify_models", "load_grayordinate_atlas", "match_grayordinates", "parcels_of", "save_grayordinates"]

EXACT = 2**24  # float32 holds every whole number up to it
LEFT, RIGHT = "_LEFT", "_RIGHT"
INTENTS = {
    ".ptseries.nii": (3004, "ConnParcelSries"), ".dtseries.nii": (3002, "ConnDenseSeries"),
    ".pscalar.nii": (3008, "ConnParcelScalr"), ".dscalar.nii": (3006, "ConnDenseScalar"),
}  # fmt: skip
"""What the header says of each kind of file: CIFTI-2, appendix B (https://www.nitrc.org/projects/cifti)."""


def load_grayordinate_atlas(path: Path, name: str = "Custom", space: str = "") -> Atlas:
    """Read an atlas of grayordinates from a ``.dlabel.nii`` file; its first map is taken.

    Parameters
    ----------
    path : Path
    name : str
        BIDS atlas label for file names.
    space : str
        BIDS name of the space, ``fsLR`` for the HCP's; empty if unknown.

    Returns
    -------
    Atlas
        With `grayordinates`, and labels of shape (n_grayordinates, 1, 1). Regions have the names and colours of the
        file, and the hemisphere where all their grayordinates lie in structures of one. Key 0 is the background.

    Raises
    ------
    AtlasError
        If it is not a dense label file, labels are not whole numbers or have no entry in the file's table, two regions
        share a name, or one lies in the other hemisphere than its name says.
    """
    image = open_image(path, "a CIFTI label file (.dlabel.nii)")
    try:
        check_header(image, path)
    except UnreachableError:
        raise
    except InputError as error:
        raise AtlasError(f"{error} Correct [atlas] labels.") from None
    models, rows = grayordinates_of(image), image.extra.get("rows")
    if models is None or not hasattr(rows, "label"):
        raise AtlasError(f"Expected CIFTI labels (.dlabel.nii) at {path}; it holds "
                         f"{'voxels' if models is None else type(rows).__name__}.")
    values = read_voxels(image, path)[..., 0]
    if not np.isfinite(values).all() or (values != np.round(values)).any() or (values < 0).any():
        raise AtlasError(f"Labels must be whole numbers of at least 0; {path} holds others. Is it a map "
                         "(.dscalar.nii)?")
    if values.max(initial=0) >= EXACT:
        raise AtlasError(f"Labels in CIFTI are read as float32, which tells whole numbers apart below {EXACT}; {path} "
                         f"holds {values.max():.0f}. Number the regions anew.")
    labels = values.astype(np.int32)
    table = {int(key): entry for key, entry in rows.label[0].items()}
    present = [int(key) for key in np.unique(labels) if key != 0]
    unnamed = [key for key in present if key not in table]
    if unnamed:
        raise AtlasError(f"{path} holds label {unnamed[0]}, which its own table does not name ({len(unnamed)} such "
                         "labels). Write it again with wb_command -cifti-label-import.")
    regions = pd.DataFrame(
        {
            "index": present,
            "name": [table[key][0] for key in present],
            "hemisphere": [_hemisphere(models, labels[:, 0, 0] == key) for key in present],
            "color": [_colour(table[key], key, path) for key in present],
        }
    )
    sides = [(name, name_side(name), side) for name, side in zip(regions["name"], regions["hemisphere"], strict=True)]
    wrong = [(name, side) for name, said, side in sides if said and side and said != side]
    if wrong:
        raise AtlasError(f"Left and right do not agree in {path}: {len(wrong)} regions lie in the other hemisphere "
                         f"than their names say ('{wrong[0][0]}' in {wrong[0][1]}).")
    twice = regions.loc[regions["name"].duplicated(), "name"]
    if len(twice):
        raise AtlasError(f"Every region must have a name of its own; '{twice.iloc[0]}' occurs twice in {path}.")
    if regions.empty:
        raise AtlasError(f"{path} holds no label but the background.")
    return Atlas(name, labels, np.eye(4), regions, space, "", "the user's own", Path(path).as_posix(),
                 grayordinates=models)  # fmt: skip


def _colour(entry: tuple[str, tuple[float, ...]], key: int, path: Path) -> str:
    """Return the colour of an entry of a table of labels as ``#rrggbb``."""
    try:
        return colour_code(entry[1][:3])
    except ValueError:
        raise AtlasError(f"The colour of label {key} ('{entry[0]}') in {path} must be three numbers from 0 to 1; "
                         f"{', '.join(f'{part:g}' for part in entry[1][:3])} came.") from None


def _hemisphere(models: BrainModelAxis, inside: np.ndarray) -> str:
    names = set(models.name[inside].tolist())
    for ending, letter in ((LEFT, "L"), (RIGHT, "R")):
        if all(name.endswith(ending) for name in names):
            return letter
    return ""


def identify_models(models: BrainModelAxis) -> str:
    """Return a word that is the same for the same grayordinates in the same order."""
    places = [(name, part.start, part.stop) for name, part, _ in models.iter_structures()]
    return digest(places, models.vertex, models.voxel)


def _labels_of_structure(
    name: str, wanted: BrainModelAxis, known: BrainModelAxis, labels: np.ndarray, what: str
) -> np.ndarray:
    """Return the labels of the grayordinates `wanted` of one structure, 0 where `known` has none of them."""
    if name in known.nvertices or name in wanted.nvertices:
        theirs, ours = wanted.nvertices.get(name, 0), known.nvertices.get(name, 0)
        if theirs != ours:
            raise AtlasError(f"{what} do not fit: {name} has {theirs} vertices in the series, {ours} in the atlas. "
                             "Resample the labels to the mesh of the series: wb_command -label-resample.")
        lookup = np.zeros(ours, labels.dtype)
        lookup[known.vertex] = labels
        return lookup[wanted.vertex]
    if wanted.volume_shape != known.volume_shape or not np.allclose(wanted.affine, known.affine, atol=1e-3):
        raise AtlasError(f"{what} do not fit: {name} lies on a grid of {wanted.volume_shape} voxels in the series, of "
                         f"{known.volume_shape} in the atlas, or elsewhere. Resample the labels: wb_command "
                         "-cifti-create-dense-from-template.")
    lookup = np.zeros(known.volume_shape, labels.dtype)
    lookup[tuple(known.voxel.T)] = labels
    return lookup[tuple(wanted.voxel.T)]


def match_grayordinates(atlas: Atlas, models: BrainModelAxis, where: str) -> Atlas:
    """Put an atlas of grayordinates on those of a series, by structure and vertex (or voxel).

    So labels of the cortex alone (59,412 vertices, or 64,984 with the medial wall) fit a series of 91,282
    grayordinates: those that the labels do not have belong to no region.

    Parameters
    ----------
    atlas : Atlas
        Of grayordinates.
    models : BrainModelAxis
        Of the series.
    where : str
        Names the series in messages.

    Raises
    ------
    AtlasError
        If a structure has another mesh or grid of voxels in the series than in the atlas, or no region is left.

    Warns
    -----
    CoverageWarning
        If regions have no grayordinate in the series; they count as absent.
    """
    if models == atlas.grayordinates:
        return atlas
    what = f"The labels of '{atlas.name}' and {where}"
    flat = atlas.labels[:, 0, 0]
    known = {name: (part, one) for name, part, one in atlas.grayordinates.iter_structures()}
    labels = np.zeros(len(models), flat.dtype)
    for name, part, wanted in models.iter_structures():
        if name in known:
            there, own = known[name]
            labels[part] = _labels_of_structure(name, wanted, own, flat[there], what)
    kept = np.isin(atlas.regions["index"], labels)
    if not kept.any():
        raise AtlasError(f"{what} have no region in common: the series holds {describe_models(models)}, the atlas "
                         f"{describe_models(atlas.grayordinates)}.")
    lost = [name for name, keeps in zip(atlas.names, kept, strict=True) if not keeps]
    if lost:
        warnings.warn(f"{len(lost)} of {atlas.n_regions} regions of the atlas {atlas.name} have no grayordinate in the "
                      f"series: {list_names(lost)}. They count as absent.", CoverageWarning, stacklevel=2)
    return replace(atlas, labels=labels[:, None, None], grayordinates=models)


def parcels_of(atlas: Atlas) -> ParcelsAxis:
    """Return the regions of an atlas of grayordinates as a CIFTI axis of parcels, in the order of its table."""
    flat = atlas.labels[:, 0, 0]
    regions = zip(atlas.names, atlas.regions["index"], strict=True)
    return ParcelsAxis.from_brain_models([(name, atlas.grayordinates[flat == index]) for name, index in regions])


def save_grayordinates(
    values: np.ndarray, atlas: Atlas, path: Path, t_r: float | None = None, start: float = 0.0, title: str = "saliency"
) -> None:
    """Write a value per region as CIFTI; the ending of the name says how.

    Parameters
    ----------
    values : ndarray, shape (n_regions,) or (n_times, n_regions)
        In the order of ``atlas.regions``.
    atlas : Atlas
        Of grayordinates.
    path : Path
        ``.pscalar.nii`` and ``.ptseries.nii`` hold a value per parcel; ``.dscalar.nii`` and ``.dtseries.nii``
        give every grayordinate that of its region, and 0 outside. Series are for values over time.
    t_r : float, optional
        Seconds per frame, for series.
    start : float
        Seconds of the first frame.
    title : str
        Name of the map, for scalars.

    Raises
    ------
    InputError
        If the width of `values` is not the atlas's number of regions, values over time are to become a scalar or the
        reverse, a series has no `t_r`, or the ending is another.
    """
    values = np.asarray(values, dtype=np.float32)
    kind = "".join(Path(path).suffixes[-2:])
    over_time = values.ndim == 2
    if values.ndim not in (1, 2) or values.shape[-1] != atlas.n_regions:
        raise InputError(f"A CIFTI map needs (n_regions,) or (n_times, n_regions) with {atlas.n_regions} regions of "
                         f"atlas '{atlas.name}'; {values.shape} came.")
    endings = (".ptseries.nii", ".dtseries.nii") if over_time else (".pscalar.nii", ".dscalar.nii")
    if kind not in endings:
        what = "Values over time" if over_time else "A value per region"
        raise InputError(f"{what} cannot be written as {path}: the name must end in {' or '.join(endings)}.")
    if over_time and not t_r:
        raise InputError("A map over time needs t_r, the seconds per frame.")
    rows = SeriesAxis(start, t_r, len(values), "SECOND") if over_time else ScalarAxis([title])
    columns = parcels_of(atlas) if kind.startswith(".p") else atlas.grayordinates
    data = np.atleast_2d(values)
    if kind.startswith(".d"):
        labels, place = number_regions(atlas.labels[:, 0, 0], atlas.regions["index"].to_numpy())
        data = np.pad(data, ((0, 0), (1, 0)))[:, place[labels]]
    image = Cifti2Image(data, header=(rows, columns))
    image.update_headers()
    code, name = INTENTS[kind]
    image.nifti_header.set_intent(code, name=name)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
