"""What FSLeyes needs beside the maps, and ``view.sh``, which opens them."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import nibabel as nib
import numpy as np

from fmri_saliency import __version__
from fmri_saliency.brain import is_adult_template
from fmri_saliency.brain.fsleyes import (
    COLOUR_MAPS,
    TEMPLATE_SPACE,
    region_colours,
    region_voxels,
    save_atlas,
    save_template,
    write_colour_map,
    write_fsl_atlas,
    write_look_up,
)
from fmri_saliency.disk.bids_names import build_name, clean_label, parse_name
from fmri_saliency.disk.files import atomic_path, read_record, remove, write_json, write_tsv
from fmri_saliency.disk.texts import one_line
from fmri_saliency.pipeline.study.folder import is_done, say, stamp
from fmri_saliency.records import Atlas, Saliency

__all__ = ["say_view", "write_view"]

FOLDER = "fsleyes"
UNSIGNED = ("_stat-saliencyabs_*", "stderr_*", "_stat-subjects_*")  # in names of maps that are never below 0
TEMPLATE = f"tpl-{TEMPLATE_SPACE}_res-1_desc-brain_T1w.nii.gz"
SHARE = 0.99
"""Share of a map's values that the colours tell apart; larger ones have the last colour."""
LEAST = 0.1
"""Values below this share of the range are not drawn, so that the brain beneath can be seen."""

SCRIPT = Path(__file__).with_name("view_template.sh")


class _Script(Template):
    """A script with ``@@name`` for what differs: the shell has other uses for a dollar."""

    delimiter = "@@"


def _word(text: object) -> str:
    """Return a text as one word of the shell, on one line, whatever it holds."""
    return shlex.quote(one_line(str(text)))


@dataclass(frozen=True)
class _Map:
    """A map of a class as it lies in the folder: what it shows, its axes, and the range in its header."""

    path: Path
    label: str
    stat: str
    unit: str
    n_axes: int
    low: float
    high: float


def say_view(root: Path) -> None:
    """Tell the user the command that opens the maps below `root`, where FSLeyes can."""
    script = root / "view.sh"
    if script.is_file():
        say(f"To see them in FSLeyes: {shlex.quote(str(script))}")


def write_view(root: Path, classes: Saliency, atlas: Atlas) -> None:
    """Write the atlas, its look-up table and XML, colour maps, the template, and ``view.sh``; remove former ones.

    Nothing is left for an atlas of grayordinates, which FSLeyes does not show (Connectome Workbench does).

    Parameters
    ----------
    root : Path
        The output folder; the maps of the classes are in its ``group``.
    classes : Saliency
        One map per class.
    atlas : Atlas
        On the grid of the maps.
    """
    written: list[Path] = []
    if atlas.grayordinates is None:
        maps = _find_maps(root)
        images, written = _write_atlas(root, atlas)
        folder = root / FOLDER
        name = build_name({key: label for key, label in atlas.entities.items() if key != "space"})
        look_up, listing = folder / f"{name}_dseg.lut", folder / f"{name}.xml"
        write_look_up(atlas, look_up)
        beside = [f"../{path.relative_to(root).as_posix()}" for path in images]
        write_fsl_atlas(atlas, listing, beside[-1], beside[0])
        for kind in COLOUR_MAPS:
            write_colour_map(kind, folder / f"{kind}.cmap")
            written.append(folder / f"{kind}.cmap")
        written += [look_up, listing, root / "view.sh", *_write_template(root, atlas)]
        _write_script(root, _script(root, classes, atlas, maps, images[0], look_up))
    _remove_former(root, written)


def _find_maps(root: Path) -> list[_Map]:
    maps = []
    for path in sorted((root / "group").glob("*_boldmap.nii.gz")):
        card = read_record(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), {}, "explain CONFIG.toml")
        if "Class" in card:
            header = nib.load(path).header
            maps.append(_Map(path, card["Class"], parse_name(path.name).entities.get("stat", ""),
                             card.get("Units", ""), len(header.get_data_shape()), float(header["cal_min"]),
                             float(header["cal_max"])))  # fmt: skip
    return maps


def _write_atlas(root: Path, atlas: Atlas) -> tuple[list[Path], list[Path]]:
    """Write the atlas as BIDS has it, or beside its colours where the space is unknown.

    Returns
    -------
    images : list of Path
        Labels, and maps where it has them.
    written : list of Path
        All files.
    """
    entities = {**({"tpl": atlas.space} if atlas.space else {}),
                **{key: label for key, label in atlas.entities.items() if key != "space"}}  # fmt: skip
    stem = (root / f"tpl-{clean_label(atlas.space)}" / "anat" if atlas.space else root / FOLDER) / build_name(entities)
    labels, maps = (stem.with_name(f"{stem.name}_{suffix}.nii.gz") for suffix in ("dseg", "probseg"))
    images = [labels] if atlas.maps is None else [labels, maps]
    table, card = (stem.with_name(f"{stem.name}_dseg{ending}") for ending in (".tsv", ".json"))
    inputs = stamp(atlas.fingerprint, atlas.regions.astype(str).to_dict("list"))
    written = [*images, table, card]
    if not is_done(card, inputs, images):
        save_atlas(atlas, labels, maps)
        write_tsv(table, atlas.regions.assign(color=region_colours(atlas)))
        made_from = {"version": __version__, "atlas": {"name": atlas.name, "regions": atlas.n_regions,
                     "fingerprint": atlas.fingerprint, "source": atlas.source}}  # fmt: skip
        about = {"Description": f"Regions of the atlas {atlas.name} on the grid of the scans", "Manual": False,
                 "MadeFrom": made_from, "inputs": inputs,
                 **({"SpatialReference": atlas.space} if atlas.space else {})}  # fmt: skip
        if atlas.maps is not None:
            words = f"Weights of the regions of the atlas {atlas.name} on the grid of the scans"
            write_json(stem.with_name(f"{stem.name}_probseg.json"), about | {"Description": words})
            about["Description"] += "; of overlapping ones, that with the largest weight"
        write_json(card, about | _columns(atlas))
    if atlas.maps is not None:
        written.append(stem.with_name(f"{stem.name}_probseg.json"))
    if atlas.space:
        described = root / f"atlas-{parse_name(labels.name).entities['atlas']}_description.json"
        write_json(described, {"Name": atlas.name, "License": atlas.licence or "unknown", "Source": atlas.source})
        written.append(described)
    return images, written


def _columns(atlas: Atlas) -> dict[str, Any]:
    """Describe the columns of the region table that BIDS does not."""
    known = {"hemisphere": {"Description": "Side of the brain", "Levels": {"L": "left", "R": "right"}},
             "network": {"Description": "Network that the atlas assigns the region to"},
             **{axis: {"Description": f"Centre of the region, {axis}", "Units": "mm"} for axis in "xyz"}}  # fmt: skip
    others = [column for column in atlas.regions if column not in ("index", "name", "color", "abbreviation", "mapping")]
    return {column: known.get(column, {"Description": "As in the atlas's own table"}) for column in others}


def _write_template(root: Path, atlas: Atlas) -> list[Path]:
    """Write the brain to lie beneath the maps, unless it is there or does not fit; return the files."""
    if not is_adult_template(atlas.space):
        return []
    path = root / f"tpl-{TEMPLATE_SPACE}" / "anat" / TEMPLATE
    card = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    if not (path.is_file() and card.is_file()):
        save_template(path)
        words = "The ICBM 2009a nonlinear symmetric template (doi:10.1016/j.neuroimage.2010.07.033), brain only"
        write_json(card, {"Description": words, "SkullStripped": True, "Resolution": "1 mm isotropic",
                          "MadeFrom": {"version": __version__, "template": "nilearn.datasets.load_mni152_template"}})
    return [path, card]


def _range(values: np.ndarray, maps: Sequence[_Map]) -> tuple[str, str]:
    """Return the sizes from which a map is drawn and at which its last colour is reached, one range for all classes.

    The share of values is that of the regions; the largest size is that of the voxels, which overlapping maps weight.
    """
    sizes = np.abs(values[np.isfinite(values)])
    largest = max((item.high for item in maps), default=0.0)
    high = largest * float(np.quantile(sizes, SHARE) / sizes.max()) if sizes.any() else 0.0
    high = high or largest or 1.0
    return f"{LEAST * high:.3g}", f"{high:.3g}"


def _overlay(root: Path, item: _Map, limits: Sequence[str], *more: str) -> str:
    """Return the words for FSLeyes to show a map."""
    colours = "$time" if item.unit == "s" else "$signed" if item.low < 0 else "$positive"
    shown = ["--displayRange", *limits] if limits else []
    name = _word(f"{item.label}, {item.stat}")
    return " ".join([_word(item.path.relative_to(root).as_posix()), "--name", name, colours, *shown, *more])


def _script(
    root: Path, classes: Saliency, atlas: Atlas, maps: Sequence[_Map], image: Path, look_up: Path
) -> str:
    """Return ``view.sh``: for every choice one line per image, the last on top."""
    centres = nib.affines.apply_affine(atlas.affine, region_voxels(atlas))
    means = [item for item in maps if item.n_axes == 3 and item.stat == "saliencymean"]
    mean_limits = _range(classes.over_time(), means)
    over_time = [item for item in maps if item.n_axes == 4 and item.stat == "saliency"]
    limits = _range(classes.values, over_time)
    labels = " ".join([_word(image.relative_to(root).as_posix()), "--name regions --overlayType label --lut",
                       _word(f"{FOLDER}/{look_up.name}")])  # fmt: skip
    faint = f"{labels} --outline --alpha 20"  # so that FSLeyes names the region at the cursor
    first = int(np.abs(classes.over_time()[0]).argmax())
    every = [_overlay(root, item, mean_limits, *([] if item.label == classes.labels[0] else ["--disabled"]))
             for item in reversed(means)]  # fmt: skip
    cases = [_case("''", centres[first], [faint, *every])]
    for position, label in enumerate(classes.labels):
        frame = classes.moments(1)[position][0]
        region = int(np.abs(classes.values[position, frame]).argmax())
        others = [_overlay(root, item, mean_limits if item in means else (), "--disabled")
                  for item in maps if item.label == label and item.n_axes == 3]  # fmt: skip
        moving = [_overlay(root, item, limits, "--volume", str(frame)) for item in over_time if item.label == label]
        cases.append(_case(_word(label), centres[region], [faint, *others, *moving]))
    cases.append(_case("--atlas", centres[first], [labels]))
    cases.append(_case("*_stat-peaktime_*.nii | *_stat-peaktime_*.nii.gz", None, [faint, '"$shown" $time']))
    unsigned = [f"*{part}*.nii{end}" for part in UNSIGNED for end in ("", ".gz")]
    cases.append(_case(" | ".join(unsigned), None, [faint, '"$shown" $positive']))
    cases.append(_case("*.nii | *.nii.gz", None, [faint, '"$shown" $signed']))
    return _Script(SCRIPT.read_text(encoding="utf-8")).substitute(
        folder=FOLDER,
        classes=_word(", ".join(classes.labels)),
        space=_word(_space_words(atlas)),
        template=_template_lines(root, atlas),
        cases="\n".join(cases),
    )


def _case(pattern: str, centre: np.ndarray | None, overlays: Sequence[str]) -> str:
    where = "" if centre is None else " --worldLoc " + " ".join(f"{axis:g}" for axis in centre)
    lines = [f'    set --{where} "$@" ${{under:+"$under" --name MNI152}}', *(f"        {line}" for line in overlays)]
    return f"{pattern})\n" + " \\\n".join(lines) + " ;;"


def _space_words(atlas: Atlas) -> str:
    if is_adult_template(atlas.space):
        return f"The maps are in {atlas.space}; beneath them lies an MNI brain."
    return f"The maps are in {atlas.space or 'a space that is not stated'}, no MNI space: they are shown alone."


def _template_lines(root: Path, atlas: Atlas) -> str:
    """Return the lines that choose what lies beneath: FSL's template for maps in its space, where FSL is installed."""
    if not is_adult_template(atlas.space):
        return "under=\nprintf 'view.sh: %s\\n' \"$space\" >&2"
    lines = [f"under=tpl-{TEMPLATE_SPACE}/anat/{TEMPLATE}"]
    if atlas.space.startswith("MNI152NLin6"):
        theirs = "${FSLDIR:-}/data/standard/MNI152_T1_1mm.nii.gz"
        lines.append(f'if [ -f "{theirs}" ]; then under={theirs}; fi')
    return "\n".join(lines)


def _write_script(root: Path, text: str) -> None:
    path = root / "view.sh"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _remove_former(root: Path, keep: Sequence[Path]) -> None:
    """Remove what an earlier configuration, with another atlas or space, has left."""
    patterns = (f"{FOLDER}/*", "tpl-*/anat/*", "atlas-*_description.json", "view.sh")
    for path in [path for pattern in patterns for path in root.glob(pattern)]:
        if path.is_file() and path not in keep:
            remove(path)
