"""Texts that are shared: on one line, without places of this machine, and no formulas."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["hide_places", "mark_cells", "one_line", "unmark_cells"]

PLACE = re.compile(r"(?<![^\s\"'(\[,;=])(?:file://)?(/[^/\s\"'<>]+)/[^\s\"'<>]*")
"""A path from the root of this machine in a text: at its beginning, or after a space, a quote, a bracket."""


SPACED = re.compile(r"[\s\"'<>]")


def hide_places(text: str, folder: Path) -> str:
    """Return a text in which paths of this machine are relative to a folder, the one that is shared.

    >>> hide_places("Expected a mask at /tmp/study/masks/m.nii; there is none.", Path("/tmp/study/results"))
    'Expected a mask at ../masks/m.nii; there is none.'

    Parameters
    ----------
    text : str
    folder : Path
        Absolute. What begins with a slash and is no folder of this machine is left as it is.
    """

    def change(found: re.Match[str]) -> str:
        if not os.path.isdir(found[1]):
            return found[0]
        place = found[0].removeprefix("file://")
        bare = place.rstrip(".,;:)]")
        return os.path.relpath(bare, folder) + "/" * bare.endswith("/") + place[len(bare):]

    if "/" not in text:
        return text
    text = text.replace(f"{folder}/", "")
    for steps, above in enumerate(folder.parents, start=1):
        if SPACED.search(str(above)):  # a person's name, say, of which a path in a text seems to end at the space
            text = text.replace(f"file://{above}/", "../" * steps).replace(f"{above}/", "../" * steps)
    return PLACE.sub(change, text)


FORMULA = re.compile("'*[=+@\\-\uff0b\uff0d\uff1d\uff20]")
"""How texts begin that a spreadsheet would run, in half or full width; and those that would be taken for one of these
with a mark before it."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def one_line(text: str) -> str:
    r"""Return a text without line breaks, tabs, and signs that steer a terminal: a space stands for them.

    >>> one_line("two\nlines\x1b[2J")
    'two lines [2J'
    """
    plain = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") else sign for sign in text)
    return re.sub(" +", " ", plain).strip() if plain != text else text


def _write_cell(cell: Any, folder: Path | None = None) -> Any:
    """Return a cell as it is written: text on one line, and a mark (') before what a spreadsheet would run."""
    if not isinstance(cell, str):
        return cell
    text = one_line(cell if folder is None else hide_places(cell, folder))
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def _read_cell(cell: Any) -> Any:
    """Return a cell as it was before :func:`_write_cell` put a mark before it."""
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and FORMULA.match(cell) else cell


def _each_text(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """Return a table with each cell of text, and each name of a column, changed; columns of numbers are kept."""
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    texts = [not pd.api.types.is_numeric_dtype(column) for column in columns]
    if not any(texts):
        return table.set_axis([change(name) for name in table.columns], axis=1)
    changed = [column.map(change, na_action="ignore") if text else column
               for column, text in zip(columns, texts, strict=True)]
    return pd.concat(changed, axis=1).set_axis([change(name) for name in table.columns], axis=1)


def mark_cells(table: pd.DataFrame, folder: Path | None = None) -> pd.DataFrame:
    """Return a table whose texts are on one line, begin with a mark where they look like a formula, and name no place.

    Parameters
    ----------
    table : DataFrame
    folder : Path, optional
        Paths become relative to it; without it they stay.
    """
    return _each_text(table, partial(_write_cell, folder=folder))


def unmark_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that :func:`write_tsv` wrote without the marks before what looks like a formula."""
    return _each_text(table, _read_cell)
