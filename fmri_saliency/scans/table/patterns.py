"""Cells of a table of runs that stand for many files: wildcards, and names in braces."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from pathlib import Path

from fmri_saliency.disk.bids_names import parse_name
from fmri_saliency.errors import InputError, nearest

__all__ = ["DESCRIBING", "fill_cell", "is_pattern", "match_cell"]

DESCRIBING = {"subject": "sub", "session": "ses", "task": "task", "direction": "dir", "run": "run", "family": "",
              "acquisition": "acq"}  # fmt: skip
"""What describes a run, and the BIDS entity that it is read from where a cell and a pattern say nothing."""
_TOKEN = re.compile(r"(\*\*/|\*|\?|\[[^\]]*\]|\{[^{}]*\})")
_WILD = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}


def is_pattern(cell: str) -> bool:
    """Return whether a cell has a wildcard (``*``, ``?``, ``[...]``) or a name in braces."""
    return _TOKEN.search(cell) is not None


def _name_in(token: str, known: Mapping[str, object], cell: str) -> str:
    name = token[1:-1]
    if name not in known:
        raise InputError(f"'{token}' in {cell} is not known; known are {', '.join('{' + k + '}' for k in known)}."
                         f"{nearest(name, known)}")
    return name


def _translate(cell: str, given: Mapping[str, str]) -> tuple[str, re.Pattern[str]]:
    """Return a pattern as a glob, and as a regular expression with a group for each name that has no value yet."""
    wild, expression, seen = "", "", set()
    for token in _TOKEN.split(cell):
        if token.startswith("{"):
            name = _name_in(token, DESCRIBING, cell)
            if given.get(name):
                wild, expression = wild + glob.escape(given[name]), expression + re.escape(given[name])
                continue
            wild += "*"
            expression += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
            seen.add(name)
        elif token.startswith("[") and len(token) > 1:
            wild, expression = wild + token, expression + _signs(token)
        else:
            wild, expression = wild + token, expression + _WILD.get(token, re.escape(token))
    try:
        return wild, re.compile(expression)
    except re.error:  # of all that comes in, only a set can be wrong
        raise InputError(f"A set of signs in {cell} cannot be: a range such as [a-z] must rise, and a set in brackets "
                         "names at least one sign.") from None


def _signs(token: str) -> str:
    """Return a set of signs of a shell's pattern, such as ``[!0-9]``, as that of a regular expression."""
    inside, no = token[1:-1].removeprefix("!"), "^" if token.startswith("[!") else ""
    return f"[{no}" + re.sub(r"[^0-9A-Za-z-]|-(?=-)|(?<=-)-", r"\\\g<0>", inside) + "]"


def _reach(wild: str, folder: Path) -> str:
    """Say how far a pattern that matches nothing gets."""
    parts = wild.split("/")
    for end in range(len(parts) - 1, 0, -1):
        found = glob.glob("/".join(parts[:end]), root_dir=folder, recursive=True)
        if found and any(found):
            return f" {'/'.join(parts[:end])} matches {len(found)}, such as {sorted(found)[0]}."
    return ""


def match_cell(cell: str, folder: Path, given: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what a pattern of scans stands for.

    Parameters
    ----------
    cell : str
        ``*``, ``?``, ``[...]`` and ``**`` as in a shell; ``{subject}``, ``{session}``, ``{task}``,
        ``{direction}``, ``{run}``, ``{family}`` stand for the value that `given` has, or else for
        whatever is there, which then is the value.
    folder : Path
        What the pattern is relative to.
    given : mapping
        Values that hold for every file.

    Returns
    -------
    list of dict
        For every file, sorted: `bold`, relative to `folder`, and what describes the run, empty where
        it is not known. What is neither given nor in braces is read from the name's BIDS entities.

    Raises
    ------
    InputError
        If no file matches, or a name in braces is unknown.
    """
    wild, expression = _translate(cell, given)
    rows = []
    for name in sorted(glob.glob(wild, root_dir=folder, recursive=True)):
        matched = expression.fullmatch(name)
        if matched is None or not Path(folder, name).is_file():
            continue
        entities, found = parse_name(Path(name).name).entities, matched.groupdict()
        rows.append({"bold": name} | {
            key: given.get(key) or found.get(key) or entities.get(entity, "") for key, entity in DESCRIBING.items()
        })
    if not rows:
        raise InputError(f"The pattern {cell} matches no file below {folder}.{_reach(wild, folder)}")
    return rows


def fill_cell(cell: str, column: str, folder: Path, row: Mapping[str, str]) -> Path:
    """Return the one file that a cell names for a run.

    Parameters
    ----------
    cell : str
        A path; or one with names in braces, which may also be those of the scan's BIDS entities
        (``{sub}``, ``{space}``), ``{folder}``, in which the scan lies, and ``{stem}``, its name without
        ``_bold`` and extension; or a pattern that fits a single file.
    column, folder, row
        Of the table: the column's name, what paths are relative to, and the other cells.

    Raises
    ------
    InputError
        If there is no such file, or several fit.
    """
    literal = folder / cell
    if literal.is_file() or not is_pattern(cell):
        if not literal.is_file():
            raise InputError(f"The column {column} names {literal}; there is no such file.")
        return literal
    scan = Path(row["bold"])
    parsed = parse_name(scan.name)
    values = {key: row.get(key, "") for key in DESCRIBING} | parsed.entities
    values |= {"folder": scan.parent.as_posix(), "stem": scan.name.removesuffix(parsed.extension).removesuffix("_bold")}
    parts = [
        glob.escape(values[_name_in(token, values, cell)]) if token.startswith("{") else token
        for token in _TOKEN.split(cell)
    ]
    wild = "".join(parts)
    found = sorted(name for name in glob.glob(wild, root_dir=folder, recursive=True) if Path(folder, name).is_file())
    if not found:
        raise InputError(f"The column {column} asks for {wild}; no file in {folder} fits.")
    if len(found) > 1:
        raise InputError(f"The column {column} asks for {wild}; {len(found)} files fit: {', '.join(found[:3])}. Make "
                         "it more precise.")
    return folder / found[0]
