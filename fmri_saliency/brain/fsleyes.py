"""Atlas and colours in the forms that FSLeyes reads: look-up tables, colour maps, FSL's XML."""

from __future__ import annotations

import colorsys
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from nilearn.datasets import load_mni152_template

from fmri_saliency.disk.files import atomic_path, write_text
from fmri_saliency.records import Atlas

__all__ = [
    "COLOUR_MAPS",
    "TEMPLATE_SPACE",
    "region_colours",
    "region_voxels",
    "save_atlas",
    "save_template",
    "write_colour_map",
    "write_fsl_atlas",
    "write_look_up",
]

COLOUR_MAPS = {"positive": "YlOrBr_r", "negative": "Blues_r", "time": "viridis"}
"""The map of matplotlib that each is made of: orange for, blue against, which the colour-blind tell apart."""

LIGHTNESS = (25.0, 88.0)
"""CIE lightness of the first and last colour: from 0 (black) to 100 (white)."""

TEMPLATE_SPACE = "MNI152NLin2009aSym"
"""Space of the template that nilearn ships."""

GOLDEN = (5**0.5 - 1) / 2


def region_colours(atlas: Atlas) -> tuple[str, ...]:
    """Return a colour for every region, as ``#rrggbb``.

    The region table's own where it has them; else a hue for each network, with lighter and darker regions within it;
    else, without networks, a hue for each region. Hues follow one another by the golden ratio of the circle, so that
    neighbours in the table differ whatever their number.
    """
    regions = atlas.regions
    kinds = regions["network"].fillna("none").astype(str) if "network" in regions else regions["name"].astype(str)
    number = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
    within = regions.groupby(kinds.to_numpy()).cumcount()
    made = [
        colorsys.hls_to_rgb(number[kind] * GOLDEN % 1, (0.55, 0.42, 0.68)[place % 3], 0.7)
        for kind, place in zip(kinds, within, strict=True)
    ]
    given = regions["color"] if "color" in regions else [None] * len(regions)
    return tuple(to_hex(own if isinstance(own, str) else other) for own, other in zip(given, made, strict=True))


def write_look_up(atlas: Atlas, path: Path) -> None:
    """Write a FSLeyes look-up table: one line ``index R G B name`` per region, colours from 0 to 1.

    FSLeyes passes over the first line when it guesses what a file is and cannot read a table of one row, so that a
    comment comes first and an atlas of one region gets a second row, of a label that no voxel has. Colours are
    rounded up: FSLeyes rounds down when it draws.
    """
    lines = [f"# {atlas.name}: index, red, green, blue, name"]
    rows = list(zip(atlas.regions["index"], atlas.names, region_colours(atlas), strict=True))
    if len(rows) == 1:
        rows.append((int(rows[0][0]) + 1, "no region", "#000000"))
    for index, name, colour in rows:
        shades = " ".join(f"{np.ceil(1e6 * shade) / 1e6:.6f}" for shade in to_rgb(colour))
        lines.append(f"{index} {shades} {' '.join(name.split())}")
    write_text(path, "\n".join(lines) + "\n")


def _lightness(colours: np.ndarray) -> np.ndarray:
    """Return the CIE 1976 lightness of sRGB colours from 0 to 1, shape (n, 3) to (n,) (ISO/CIE 11664-4:2019)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return 116 * np.where(luminance > (6 / 29) ** 3, np.cbrt(luminance), luminance * (29 / 6) ** 2 / 3 + 4 / 29) - 16


def write_colour_map(kind: str, path: Path) -> None:
    """Write one of :data:`COLOUR_MAPS` as a FSLeyes colour map: 256 lines ``R G B``, from 0 to 1.

    Dark is near zero, and lightness grows in equal steps, the same in all of them: equal sizes of either sign are
    equally light, in grey as well.
    """
    fine = colormaps[COLOUR_MAPS[kind]](np.linspace(0, 1, 256))[:, :3]
    lightness = _lightness(fine)
    steps = np.linspace(*LIGHTNESS, 256)
    colours = np.stack([np.interp(steps, lightness, shade) for shade in fine.T], axis=1)
    lines = [f"# fmri_saliency: {kind}", *(" ".join(f"{shade:.6f}" for shade in colour) for colour in colours)]
    write_text(path, "\n".join(lines) + "\n")


def region_voxels(atlas: Atlas) -> np.ndarray:
    """Return a voxel inside every region: the one nearest to its centre, or where its map is strongest.

    Returns
    -------
    ndarray of int, shape (n_regions, 3)
        -1 where a region has no voxel.
    """
    found = np.full((atlas.n_regions, 3), -1)
    if atlas.maps is not None:
        flat = atlas.maps.reshape(-1, atlas.n_regions)
        best = [np.abs(flat[:, region]).argmax() for region in range(atlas.n_regions)]
        return np.stack(np.unravel_index(best, atlas.labels.shape), axis=1)
    voxels = np.argwhere(atlas.labels)
    order = np.argsort(atlas.labels[tuple(voxels.T)], kind="stable")
    voxels = voxels[order]
    labels = atlas.labels[tuple(voxels.T)]
    for row, index in enumerate(atlas.regions["index"]):
        first, last = np.searchsorted(labels, [index, index + 1])
        if first < last:
            own = voxels[first:last]
            found[row] = own[((own - own.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return found


def write_fsl_atlas(atlas: Atlas, path: Path, image: str, summary: str) -> None:
    """Write the XML that lists an atlas in FSLeyes' atlas panel.

    Parameters
    ----------
    atlas : Atlas
        Of labels (FSL's type ``Label``), or of maps (``Statistic``: their weights need not be percentages, as
        FSL's type ``Probabilistic`` takes them to be).
    path : Path
    image, summary : str
        Image of labels or maps, and of labels, relative to the folder of `path`. For maps the labels must be
        1 to n_regions, in the order of the volumes.
    """
    root = ElementTree.Element("atlas", version="1.0")
    header = ElementTree.SubElement(root, "header")
    about = {"name": atlas.name, "shortname": atlas.name, "type": "Label"}
    if atlas.maps is not None:
        low, high = float(atlas.maps.min()), float(atlas.maps.max())
        about |= {"type": "Statistic", "statistic": "weight", "units": "", "precision": "3",
                  "lower": f"{max(low, 0.05 * high):.6g}", "upper": f"{high:.6g}"}  # fmt: skip
    for key, text in about.items():
        ElementTree.SubElement(header, key).text = text
    images = ElementTree.SubElement(header, "images")
    ElementTree.SubElement(images, "imagefile").text = f"/{image}"  # FSL joins folder and name without a slash
    ElementTree.SubElement(images, "summaryimagefile").text = f"/{summary}"
    data = ElementTree.SubElement(root, "data")
    values = atlas.regions["index"] if atlas.maps is None else range(atlas.n_regions)
    for value, name, voxel in zip(values, atlas.names, region_voxels(atlas), strict=True):
        if (voxel >= 0).all():
            place = {axis: str(coordinate) for axis, coordinate in zip("xyz", voxel, strict=True)}
            ElementTree.SubElement(data, "label", index=str(value), **place).text = name
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def save_atlas(atlas: Atlas, labels: Path, maps: Path | None = None) -> None:
    """Write the label image of an atlas, and its maps where it has them."""
    code = 4 if atlas.is_mni else 2
    kind = np.int16 if atlas.labels.max() <= np.iinfo(np.int16).max else np.int32
    for path, voxels in ((labels, atlas.labels.astype(kind)), (maps, atlas.maps)):
        if path is not None and voxels is not None:
            image = nib.Nifti1Image(voxels, atlas.affine)
            image.header.set_xyzt_units("mm", "sec")
            image.set_sform(atlas.affine, code)
            image.set_qform(atlas.affine, code)
            with atomic_path(path) as temporary:
                nib.save(image, temporary)


def save_template(path: Path) -> None:
    """Write the T1-weighted brain of :data:`TEMPLATE_SPACE`, 1 mm, from nilearn's own files."""
    image = load_mni152_template(resolution=1)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(image.affine, 4)
    image.set_qform(image.affine, 4)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
