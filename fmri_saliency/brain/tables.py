"""Tables of regions in the forms that users have, and what their names say: hemisphere and network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from fmri_saliency.disk.tables import line_of, read_lines, read_tsv, to_numbers
from fmri_saliency.disk.texts import one_line
from fmri_saliency.errors import AtlasError

__all__ = ["LARGEST_LABEL", "colour_code", "complete_regions", "name_side", "read_region_table"]

LARGEST_LABEL = int(np.iinfo(np.int32).max)
SAME_COLUMN = {"hemi": "hemisphere", "network_label": "network", "networks": "network"}
"""Names of columns that mean the same, as other tools write them."""
TEXTS = ("index", "name", "hemisphere", "network", "color", "abbreviation", *SAME_COLUMN)
"""Columns of which a cell that looks like a number is text: network 02 is not network 2, nor 1 network 1.0."""

SIDES = {"l": "L", "lh": "L", "left": "L", "r": "R", "rh": "R", "right": "R"}


def read_region_table(path: Path) -> tuple[pd.DataFrame, bool]:
    """Read the regions of an atlas.

    Parameters
    ----------
    path : Path
        By its end: ``.xml``, an FSL atlas (or SPM's label list); ``.lut``, ``.txt`` or ``.ctab``, an FSLeyes look-up
        table (``index R G B name``, colours 0 to 1), a FreeSurfer one (``index name R G B A``,
        colours 0 to 255) or ITK-SNAP's descriptions of labels (``index R G B A visible mesh "name"``, colours 0 to
        255); else tab-separated with at least the columns index and name.

    Returns
    -------
    regions : DataFrame
        `index`, `name`, and what else there is; `color` as ``#rrggbb``. Background rows are kept. The
        regions of an FSL atlas of probabilities, which counts maps from 0, are numbered from 1,
        as its summary image does.
    general : bool
        Whether the table may name regions of other images, too, as FreeSurfer's do.

    Raises
    ------
    AtlasError
        If the file cannot be read in its form, or lacks a column.
    """
    path = Path(path)
    if not path.is_file():
        raise AtlasError(f"Expected the region table of the atlas at {path}; there is no such file.")
    if path.suffix.lower() == ".xml":
        return _read_xml(path), False
    if path.suffix.lower() in (".lut", ".txt", ".ctab"):
        return _read_look_up(path)
    table = read_tsv(path, "the region table of the atlas", dtype=dict.fromkeys(TEXTS, str))
    missing = [column for column in ("index", "name") if column not in table]
    if missing:
        raise AtlasError(f"The region table {path} needs the columns index and name; '{missing[0]}' is missing. "
                         f"It has: {', '.join(map(str, table.columns))}. Columns are separated by tabs.")
    places = [axis for axis in "xyz" if axis in table]
    table[places] = to_numbers(table, places, path, "the region table")
    return _whole_index(table, path), False


def _whole_index(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    numbers = pd.to_numeric(table["index"], errors="coerce").astype(float)
    wrong = np.flatnonzero(~((numbers == numbers.round()) & numbers.between(0, LARGEST_LABEL)))
    if len(wrong):
        where = "" if path.suffix.lower() == ".xml" else f" in line {line_of(table, wrong[0])}"
        raise AtlasError(f"The column index of {path} must hold whole numbers of at least 0 and at most "
                         f"{LARGEST_LABEL} (32 bits); '{table['index'].fillna('n/a').iloc[wrong[0]]}' came{where}.")
    table["index"] = numbers.astype(int)
    table["name"] = table["name"].str.split().str.join(" ")  # "V1 " and "V1" would be two regions of one name
    nameless = table.loc[table["name"].fillna("") == "", "index"]
    if len(nameless):
        raise AtlasError(f"Every region needs a name; {path} has none for index {nameless.iloc[0]}.")
    return table


def _read_xml(path: Path) -> pd.DataFrame:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter two: encodings that are none
        raise AtlasError(f"{path} is not readable XML: {error}.") from None
    counts_maps = (root.findtext("header/type") or "").strip().lower().startswith("prob")
    rows = []
    for label in root.iter("label"):
        index = label.get("index") or label.findtext("index")
        name = label.findtext("name") or label.text or ""
        if index is not None and name.strip():
            rows.append({"index": index.strip(), "name": name})
    if not rows:
        raise AtlasError(f'Expected an FSL atlas (<label index="1">name</label>) in {path}; no label was found.')
    table = _whole_index(pd.DataFrame(rows), path)
    return table.assign(index=table["index"] + int(counts_maps))


def colour_code(parts: Sequence[float]) -> str:
    """Return red, green and blue, from 0 to 1, as ``#rrggbb``; raise ValueError if they are no such three."""
    shades = [round(255 * part) if -1 < part < 2 else -1 for part in parts]
    if len(shades) != 3 or min(shades) < 0 or max(shades) > 255:
        raise ValueError("three numbers from 0 to 1 are expected")
    return "#" + "".join(f"{shade:02x}" for shade in shades)


def _whole(word: str) -> int:
    return int(word.replace("_", "?"))  # which would take 1_0 for 10


def _fsleyes_row(line: str) -> tuple[int, str, str]:
    index, *words = line.split()
    return _whole(index), " ".join(words[3:]), colour_code([float(word) for word in words[:3]])


def _freesurfer_row(line: str) -> tuple[int, str, str]:
    words = line.split()
    return _whole(words[0]), words[1], colour_code([_whole(word) / 255 for word in words[2:5]])


def _itksnap_row(line: str) -> tuple[int, str, str]:
    *words, name = line.split(maxsplit=7)
    if len(words) != 7:
        raise ValueError("eight columns are expected")
    return _whole(words[0]), name.strip().strip('"').strip(), colour_code([_whole(word) / 255 for word in words[1:4]])


FORMS = {
    "FSLeyes": (_fsleyes_row, "index R G B name, colours 0 to 1"),
    "FreeSurfer": (_freesurfer_row, "index name R G B A, colours 0 to 255"),
    "ITK-SNAP": (_itksnap_row, "index R G B A visible mesh name, colours 0 to 255"),
}
"""The look-up tables that are read: how a row of each is, in code and in words."""


def _form_of(lines: Sequence[str]) -> str:
    """Return which look-up table it is: FreeSurfer's by a name in the second field; ITK-SNAP's by eight columns.

    Its columns 2 to 7 are numbers, 6 and 7 (visible, mesh) 0 or 1, and the last, in quotes, is the name. Where no name
    is quoted, colours above 1 tell it from FSLeyes's, whose names may begin with numbers.
    """
    rows = [line.split(maxsplit=7) for line in lines]
    if not all(len(row) > 1 and _is_number(row[1]) for row in rows[:1]):
        return "FreeSurfer"
    eight = all(len(row) == 8 and all(map(_is_number, row[1:7])) and {*row[5:7]} <= {"0", "1"} for row in rows)
    quoted = eight and all(row[7].startswith('"') for row in rows)
    bright = eight and any(float(word) > 1 for row in rows for word in row[1:4])
    return "ITK-SNAP" if quoted or bright else "FSLeyes"


def _read_look_up(path: Path) -> tuple[pd.DataFrame, bool]:
    """Read a look-up table; which one is seen from its columns."""
    lines = {number: line for number, line in enumerate(read_lines(path, "a look-up table of regions"), start=1)
             if line.strip() and not line.lstrip().startswith(("#", "%"))}  # fmt: skip
    if not lines:
        raise AtlasError(f"The look-up table {path} names no region (tables of colours alone, such as VEST, will not "
                         "do).")
    form, rows = _form_of(list(lines.values())), []
    for number, line in lines.items():
        try:
            index, name, colour = FORMS[form][0](line)
            if not name:
                raise ValueError
        except (ValueError, IndexError, OverflowError):
            known = ", nor as ".join(f"{name} writes them ({words})" for name, (_, words) in FORMS.items())
            raise AtlasError(f"Line {number} of {path} is no row of a look-up table, neither as {known}: "
                             f"'{line.strip()[:80]}'.") from None
        rows.append({"index": index, "name": name, "color": colour})
    return pd.DataFrame(rows), form == "FreeSurfer"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def name_side(name: str) -> str:
    """Return which hemisphere a name is in, ``L`` or ``R``; empty where it does not say.

    ``lh``, ``rh``, ``left`` and ``right`` are understood as words anywhere, ``l`` and ``r`` as the first or the
    last word; words are parted by anything but letters and digits, so that ``R1`` says nothing.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    found = {SIDES[word] for place, word in enumerate(words)
             if word in SIDES and (len(word) > 1 or place in (0, len(words) - 1))}
    return found.pop() if len(found) == 1 else ""


def _name_network(name: str) -> str:
    """Return the network in a name of the Schaefer atlas, such as ``7Networks_LH_Vis_1``."""
    found = re.match(r"(?:7|17)Networks_[LR]H_([A-Za-z]+)", name)
    return found[1] if found else ""


def complete_regions(regions: pd.DataFrame) -> pd.DataFrame:
    """Add the columns hemisphere (L, R) and network where the names say them, and give existing ones one form."""
    table = regions.rename(columns={old: new for old, new in SAME_COLUMN.items()
                                    if old in regions and new not in regions})
    names = table["name"].astype(str).map(one_line)  # a name is a cell, a word of XML and of a look-up table
    table = table.assign(name=names)
    for column, read in (("hemisphere", name_side), ("network", _name_network)):
        said = names.map(read)
        if column not in table and (said != "").any():
            table[column] = said.replace("", np.nan)
    if "hemisphere" in table:
        sides = table["hemisphere"].astype(object)
        table["hemisphere"] = sides.map(lambda side: SIDES.get(str(side).strip().lower(), side))
    return table
