"""Tables of regions in the forms that users have, and what their names say: hemisphere and network."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from fmri_saliency.errors import AtlasError
from fmri_saliency.files import one_line
from fmri_saliency.tables import line_of, read_lines, read_tsv

__all__ = ["complete_regions", "name_side", "read_region_table"]

SAME_COLUMN = {"hemi": "hemisphere", "network_label": "network", "networks": "network"}
"""Names of columns that mean the same, as other tools write them."""

SIDES = {"l": "L", "lh": "L", "left": "L", "r": "R", "rh": "R", "right": "R"}


def read_region_table(path: Path) -> tuple[pd.DataFrame, bool]:
    """Read the regions of an atlas.

    Parameters
    ----------
    path : Path
        By its end: ``.xml``, an FSL atlas (or SPM's label list); ``.lut``, ``.txt`` or ``.ctab``, an FSLeyes look-up
        table (``index R G B name``, colours 0 to 1) or a FreeSurfer one (``index name R G B A``,
        colours 0 to 255); else tab-separated with at least the columns index and name.

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
    table = read_tsv(path, "the region table of the atlas", dtype={"index": str, "name": str})
    missing = [column for column in ("index", "name") if column not in table]
    if missing:
        raise AtlasError(f"The region table {path} needs the columns index and name; '{missing[0]}' is missing. "
                         f"It has: {', '.join(map(str, table.columns))}. Columns are separated by tabs.")
    return _whole_index(table, path), False


def _whole_index(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    numbers = pd.to_numeric(table["index"], errors="coerce").astype(float)
    wrong = np.flatnonzero(~((numbers == numbers.round()) & numbers.between(0, np.iinfo(np.int32).max)))
    if len(wrong):
        where = "" if path.suffix.lower() == ".xml" else f" in line {line_of(table, wrong[0])}"
        raise AtlasError(f"The column index of {path} must hold whole numbers of at least 0 (and at most "
                         f"{np.iinfo(np.int32).max}); '{table['index'].fillna('n/a').iloc[wrong[0]]}' came{where}.")
    table["index"] = numbers.astype(int)
    table["name"] = table["name"].str.split().str.join(" ")  # "V1 " and "V1" would be two regions of one name
    nameless = table.loc[table["name"].fillna("") == "", "index"]
    if len(nameless):
        raise AtlasError(f"Every region needs a name; {path} has none for index {nameless.iloc[0]}.")
    return table


def _read_xml(path: Path) -> pd.DataFrame:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
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


def _read_look_up(path: Path) -> tuple[pd.DataFrame, bool]:
    """Read an FSLeyes or FreeSurfer look-up table; which one is seen from the second field."""
    rows, fsleyes = [], False
    for number, line in enumerate(read_lines(path, "a look-up table of regions"), start=1):
        if not line.strip() or line.lstrip().startswith(("#", "%")):
            continue
        words = line.split()
        try:
            index = int(words[0])
            fsleyes = _is_number(words[1]) if not rows else fsleyes
            if fsleyes:
                colour, name = [round(255 * float(word)) for word in words[1:4]], " ".join(words[4:])
            else:
                colour, name = [int(word) for word in words[2:5]], words[1]
            if len(colour) != 3 or not name or min(colour) < 0 or max(colour) > 255:
                raise ValueError
        except (ValueError, IndexError):
            raise AtlasError(
                f"Line {number} of {path} is neither of an FSLeyes look-up table (index R G B name, colours 0 to 1) "
                f"nor of a FreeSurfer one (index name R G B A, colours 0 to 255): '{line.strip()}'."
            ) from None
        rows.append({"index": index, "name": name, "color": "#" + "".join(f"{c:02x}" for c in colour)})
    if not rows:
        raise AtlasError(f"The look-up table {path} names no region (tables of colours alone, such as VEST, will not "
                         "do).")
    return pd.DataFrame(rows), not fsleyes


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
