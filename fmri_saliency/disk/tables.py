"""Tables of text: every TSV and CSV is read here, and a line that does not fit the header is never read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from fmri_saliency.disk.contents import explain_content, explain_link
from fmri_saliency.disk.texts import unmark_cells
from fmri_saliency.errors import InputError

__all__ = ["line_of", "read_csv", "read_lines", "read_own_tsv", "read_spaced", "read_tsv", "to_numbers"]

MISSING = ("n/a", "#n/a", "na", "<na>", "nan", "-nan", "null", "none", "")
"""How programs write a number that is missing, in small letters; ``n/a`` is that of BIDS."""

MARKS = {b"\xff\xfe": "text in UTF-16", b"\xfe\xff": "text in UTF-16", b"\x1f\x8b": "compressed by gzip",
         b"PK\x03\x04": "a workbook of a spreadsheet, or another zip archive"}
"""First bytes of files that are no plain text."""


POINTERS = (b"/annex/objects/", b"\\annex\\objects\\", b"version https://git-lfs")
"""How files begin that stand for a content that was not fetched."""


def read_lines(path: Path, what: str) -> list[str]:
    """Read the lines of a text file: UTF-8, with or without a byte order mark, with any of the three ends of lines.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be, for the message: "a table of events".

    Raises
    ------
    InputError
        If there is no such file, or it is no text in UTF-8: UTF-16, compressed, or with NUL bytes.
    OSError
        If it is there and the system does not let us read it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Expected {what} at {path}; {explain_link(path) or 'there is no such file'}.")
    raw = path.read_bytes()
    if raw.startswith(POINTERS):
        raise InputError(f"Expected {what} at {path}. {explain_content(path)}")
    kind = next((kind for mark, kind in MARKS.items() if raw.startswith(mark)), "")
    if kind:
        raise _unfit(path, what, f"it is {kind}. Save it as plain text in UTF-8")
    at = raw.find(b"\0")
    if at >= 0:
        raise _unfit(path, what, f"line {_line_at(raw, at)} holds a NUL byte: it is UTF-16, damaged, or no text. "
                     "Save it as plain text in UTF-8")  # fmt: skip
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        raise _unfit(path, what, f"line {_line_at(raw, start)} holds the byte 0x{raw[start]:02x}, which is not UTF-8. "
                     "Save it as text in UTF-8") from None  # fmt: skip
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _line_at(raw: bytes, position: int) -> int:
    before = raw[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1


def _unfit(path: Path, what: str, why: str) -> InputError:
    return InputError(f"Expected {what} at {path}; it cannot be read: {why}.")


def _name_columns(table: pd.DataFrame, names: list[str], path: Path, what: str) -> pd.DataFrame:
    """Name the columns of a table; those at the end without name and value are none, and no other may lack a name."""
    width = len(names)
    while width > 1 and not names[width - 1] and _is_blank(table[width - 1]):
        width -= 1
    names = names[:width]
    if "" in names:
        raise _unfit(path, what, f"column {names.index('') + 1} has values and no name in the header. Name it, or "
                     "remove it (tables that were written with row numbers have such a column)")  # fmt: skip
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        first = seen.setdefault(name, place)
        if first != place:
            raise _unfit(path, what, f"its columns {first} and {place} have one name, '{name}'. Rename or remove one")
    return table.iloc[:, :width].set_axis(names, axis=1)


def _misfit(fields: int, names: Sequence[str], line: int, header: int, more: str) -> str:
    """Say that a line has more or fewer fields than the header has names."""
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    plural = "field" if fields == 1 else "fields"
    return f"line {line} has {fields} {plural}; the header (line {header}) has {len(names)}: {shown}.{more}"


def _number_lines(table: pd.DataFrame, lines: Sequence[int]) -> pd.DataFrame:
    if list(lines) != list(range(2, len(lines) + 2)):
        table.attrs["lines"] = tuple(lines)
    return table


def line_of(table: pd.DataFrame, row: int) -> int:
    """Return the line of the file that a row of a table, as it was read, came from; both header and file begin at 1."""
    lines = table.attrs.get("lines")
    return lines[row] if lines else int(row) + 2


def read_tsv(
    path: Path, what: str, dtype: type | Mapping[str, type] | None = None, *, empty: bool = False, frames: bool = False
) -> pd.DataFrame:
    """Read a table as BIDS has it: fields parted by one tab, names in the first line, ``n/a`` for what is missing.

    Quotation marks are text, no column is taken for the names of rows, and every line must have as many fields as the
    header. Lines without any value are left out. A tab at the end of the header and of every line is not a column.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be, for the message.
    dtype : type or dict of str to type, optional
        Of all columns, or of some by name; the others are what their values look like.
    empty : bool
        Whether a header alone will do.
    frames : bool
        Whether each line is a frame of a scan, so that a line without values is kept.

    Returns
    -------
    DataFrame
        Rows are numbered from 0; :func:`line_of` says where they stand in the file.

    Raises
    ------
    InputError
        With the number of the line where it is one line that does not fit.
    """
    lines = read_lines(path, what)
    kept = [number for number, line in enumerate(lines, start=1) if line.strip()]
    if not kept:
        raise _unfit(path, what, "it is empty")
    header, last = kept[0], kept[-1]
    numbers = list(range(header + 1, last + 1)) if frames else kept[1:]
    names = [name.strip() for name in lines[header - 1].split("\t")]
    for number in numbers:
        fields = lines[number - 1].count("\t") + 1
        if fields != len(names):
            more = _why_misfit(lines, numbers, names)
            raise InputError(f"Expected {what} (tab-separated text) at {path}; it cannot be read: "
                             f"{_misfit(fields, names, number, header, more)}")
    table = _name_columns(_parse([lines[number - 1] for number in numbers], names, dtype), names, path, what)
    if not (numbers or empty):
        raise _unfit(path, what, f"it has a header ({', '.join(table.columns[:8])}) and no line below it")
    return _number_lines(table, numbers)


def read_own_tsv(path: Path, what: str, dtype: type | Mapping[str, type] | None = None) -> pd.DataFrame:
    """Read a table that this package wrote (:func:`fmri_saliency.disk.files.write_tsv`); see :func:`read_tsv`."""
    return unmark_cells(read_tsv(path, what, dtype))


def _parse(rows: Sequence[str], names: Sequence[str], dtype: type | Mapping[str, type] | None) -> pd.DataFrame:
    """Return rows, which all have one field per name, as a table whose columns are numbered from 0."""
    places = range(len(names))
    if not rows:
        return pd.DataFrame({place: pd.Series(dtype=object) for place in places})
    if isinstance(dtype, Mapping):
        dtype = {place: dtype[name] for place, name in enumerate(names) if name in dtype}
    return pd.read_csv(StringIO("\n".join(rows) + "\n"), sep="\t", header=None, names=list(places), dtype=dtype,
                       index_col=False, quoting=csv.QUOTE_NONE, na_values=["n/a"], keep_default_na=False,
                       skip_blank_lines=False, low_memory=False)  # fmt: skip


def _is_blank(column: pd.Series) -> bool:
    """Return whether a column, as it was read, has no character in any row."""
    return not len(column) or (column.dtype.kind not in "fiub" and bool((column.astype(str).str.strip() == "").all()))


def _why_misfit(lines: Sequence[str], numbers: Sequence[int], names: Sequence[str]) -> str:
    """Guess why lines do not fit the header."""
    more = {lines[number - 1].count("\t") + 1 - len(names) for number in numbers}
    if more == {1}:
        return (" Every line has one field more: name the first column, if it holds row numbers, or remove the tab at "
                "the end of the lines.")
    if len(names) == 1 and any(mark in names[0] for mark in ",; "):
        return " Columns are separated by tabs, not by commas, semicolons or blanks."
    return " Each line needs one field per column, with one tab between them; quotation marks do not protect a tab."


def read_csv(path: Path, what: str) -> pd.DataFrame:
    """Read a table as spreadsheets export it: commas, semicolons or tabs, and quotation marks around fields.

    Between commas and semicolons a field in quotation marks may hold the separator, line breaks, and quotation marks
    written twice (RFC 4180). Between tabs quotation marks are text, as in :func:`read_tsv`. Blanks after a separator,
    lines without any value, columns without name and value at the end, and a first line ``sep=;`` are left out.

    Returns
    -------
    DataFrame of str
        Empty fields, ``n/a``, and what else programs write for it (``NA``, ``NaN``, ``None``) are missing.

    Raises
    ------
    InputError
        With the number of the line where it is one line that does not fit.
    """
    lines = read_lines(path, what)
    first = next((place for place, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].lower().startswith("sep=") and len(lines[first].strip()) <= 5:
        first = next((place for place in range(first + 1, len(lines)) if lines[place].strip()), None)
    if first is None:
        raise _unfit(path, what, "it is empty")
    separator = max(",;\t", key=lambda mark: _count_first(lines[first:], mark))
    names: list[str] = []
    rows, numbers = [], []
    try:
        for number, fields in _records(lines, first, separator):
            if not any(map(str.strip, fields)):
                continue
            if not names:
                names, header = [name.strip() for name in fields], number
                continue
            if len(fields) != len(names):
                raise _unfit(path, what, _misfit(len(fields), names, number, header, " Each line needs one per column"))
            rows.append(fields)
            numbers.append(number)
    except csv.Error as error:
        raise _unfit(path, what, str(error)) from None
    table = _name_columns(pd.DataFrame(rows, columns=range(len(names)), dtype=str), names, path, what)
    missing = table.apply(lambda column: column.str.strip().str.lower()).isin(MISSING)
    return _number_lines(table.mask(missing), numbers)


def _reader(lines: Iterable[str], separator: str) -> Iterable[list[str]]:
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    return csv.reader((line + "\n" for line in lines), delimiter=separator, quoting=quoting, strict=True,
                      skipinitialspace=True)


def _count_first(lines: Sequence[str], separator: str) -> int:
    try:
        return len(next(iter(_reader(lines, separator)), []))
    except csv.Error:
        return 0


def _records(lines: Sequence[str], first: int, separator: str) -> Iterable[tuple[int, list[str]]]:
    """Yield every record with the number of its first line.

    Raises
    ------
    csv.Error
        If quotation marks do not close, or swallow whole lines: a field that begins with one by chance.
    """
    reader = _reader(lines[first:], separator)
    end, width = first, 0
    while True:
        start = end + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise csv.Error(f"from line {start} on its quotation marks do not close as they should ({error})") from None
        if fields is None:
            return
        end = first + reader.line_num
        width = width or len(fields)
        if end > start and width > 1 and all(line.count(separator) >= width - 1 for line in lines[start - 1 : end]):
            raise csv.Error(f"a quotation mark that opens in line {start} closes in line {end}, which would make these "
                            "lines one. Write a mark within a field twice, and put the field between two more")
        yield start, fields


def read_spaced(path: Path, what: str, names: Sequence[str]) -> pd.DataFrame:
    """Read numbers that blanks or tabs part, without a header, as FSL and the HCP write them.

    Parameters
    ----------
    path : Path
    what : str
        Which columns they are, for the message: "movement".
    names : sequence of str

    Returns
    -------
    DataFrame of float, shape (n_lines, n_names)
        NaN where a program wrote that a number is missing.

    Raises
    ------
    InputError
        If a line has another count of fields, or a field is no number; with the number of the line.
    """
    rows, numbers = [], []
    for number, line in enumerate(read_lines(path, what), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != len(names):
            raise InputError(f"Expected {len(names)} {what} columns in {path}, parted by blanks and without a header; "
                             f"{len(fields)} came in line {number}.")
        rows.append(fields)
        numbers.append(number)
    table = pd.DataFrame(rows, columns=list(names), dtype=str)
    values = to_numbers(_number_lines(table, numbers), names, path, f"the {what} columns of")
    return _number_lines(pd.DataFrame(values, columns=list(names)), numbers)


def to_numbers(table: pd.DataFrame, columns: Sequence[str], path: Path, what: str) -> np.ndarray:
    """Return columns of a table as numbers, shape (n_rows, n_columns) of float; NaN where a value is missing.

    Parameters
    ----------
    table : DataFrame
        As it was read, of texts or of numbers.
    columns : sequence of str
    path, what : Path and str
        For the message.

    Raises
    ------
    InputError
        If a value is no number; with its column and line.
    """
    values = np.empty((len(table), len(columns)))
    for place, name in enumerate(columns):
        column = table[name]
        if column.dtype.kind in "fiu":
            values[:, place] = column
            continue
        texts = column.astype(object).where(column.notna(), "n/a").astype(str).str.strip()
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        wrong = np.flatnonzero(np.isnan(numbers) & ~texts.str.lower().isin(MISSING).to_numpy())
        if len(wrong):
            row = int(wrong[0])
            raise InputError(f"The column {name} of {what} {path} must be numbers with decimal points, or n/a; "
                             f"'{texts.iloc[row]}' came in line {line_of(table, row)}.")
        values[:, place] = numbers
    return values
