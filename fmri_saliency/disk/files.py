"""Files that are whole or absent, and inside their output folder: atomic writing and fingerprints."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.disk.contents import explain_content, explain_link
from fmri_saliency.disk.rows import Rows, pieces
from fmri_saliency.disk.texts import hide_places, mark_cells
from fmri_saliency.errors import DamagedError, InputError, OutsideError

__all__ = [
    "MARKER",
    "atomic_path",
    "check_inside",
    "clear_unfinished",
    "digest",
    "fingerprint",
    "misfit",
    "read_json",
    "read_record",
    "remove",
    "scratch_folder",
    "write_array",
    "write_json",
    "write_rows",
    "write_text",
    "write_tsv",
]


MARKER = ".workflow"
"""The folder by which an output folder is known: nothing below it is written or removed through a way out of it."""


def check_inside(path: Path) -> None:
    """Refuse a path that does not lie where it is written to be: below an output folder, and in it.

    Every folder on the way that holds :data:`MARKER` is an output folder. What a process knows of is not asked, so
    that each of several finds the same.

    Raises
    ------
    OutsideError
        If a link, or ``..``, leads out of one of them.
    """
    path = Path(path).absolute()
    target = Path(os.path.realpath(path))
    for folder in path.parents:
        if (folder / MARKER).is_dir() and not target.is_relative_to(os.path.realpath(folder)):
            raise OutsideError(f"{path} is not in the output folder {folder} but at {target}, where a link or '..' "
                               "leads. Remove the link, or choose an [output] path on the disk that it leads to.")


def remove(path: Path) -> None:
    """Remove a file, if it is there, of the output folder that its path names (:func:`check_inside`)."""
    check_inside(Path(path).parent)
    Path(path).unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A reader sees the old file or the new one, never half of one.

    Raises
    ------
    OutsideError
        If it would lie outside the output folder that its path names.
    """
    path = Path(path)
    check_inside(path)
    try:
        with _temporary(path) as temporary:
            yield temporary
    except Exception as error:
        _name_file(error, path)
        raise


def _name_file(error: Exception, path: Path) -> None:
    """Raise an error of the system with the file that could not be written: most say a number only, or a copy's name.

    Raises
    ------
    OSError
    """
    told = re.search(r"\(os error (\d+)\)", str(error))  # what is written in Rust says it so
    number = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS):
        raise OSError(number, os.strerror(number), str(path)) from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
    handle, name = tempfile.mkstemp(prefix=_prefix(), suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder below `parent` for what is needed for a while; it is removed when the block ends."""
    check_inside(Path(parent) / "scratch")
    with tempfile.TemporaryDirectory(prefix=_prefix(), dir=parent) as name:
        yield Path(name)


def _prefix() -> str:
    """Return how the names of this process's temporary files begin."""
    return f".unfinished-{_host()}-{os.getpid()}-"


def _host() -> str:
    return socket.gethostname().replace("-", "_")


def clear_unfinished(folder: Path, lives: Callable[[str, int, Path], bool] | None = None) -> int:
    """Remove the temporary files and folders of processes that died; return how many.

    Parameters
    ----------
    folder : Path
    lives : callable, optional
        Says of a machine, the number of a process there and what it made whether it is alive, for processes of other
        machines (:func:`fmri_saliency.disk.locks.owner_lives`). Without it what they made is left alone.
    """
    removed = 0
    for path in sorted(Path(folder).rglob(".unfinished-*")):
        host, process = [*path.name.split("-", 3), "", ""][1:3]
        if not process.isdigit() or not path.exists():
            continue
        elsewhere = lives or (lambda *_: True)
        if not (_is_alive(int(process)) if host == _host() else elsewhere(host, int(process), path)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            removed += 1
    return removed


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"Cannot write {type(value).__name__} as JSON.")


def _shared_folder(path: Path) -> Path | None:
    """Return the output folder that a file is shared with; none for what stays in :data:`MARKER`, or lies elsewhere."""
    folders = Path(path).absolute().parents
    if any(folder.name == MARKER for folder in folders):
        return None
    return next((folder for folder in folders if (folder / MARKER).is_dir()), None)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with stable order of keys as given, atomically; paths in it are relative to its output folder."""
    text, folder = json.dumps(content, indent=2, default=_plain, ensure_ascii=False), _shared_folder(path)
    write_text(path, (text if folder is None else hide_places(text, folder)) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON, with or without a byte order mark; the message names the file when it is not JSON."""
    if Path(path).exists() and not Path(path).is_file():  # a named pipe would be waited for
        raise InputError(f"Expected a JSON file at {path}; it is no regular file. Put the file itself in its place.")
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"Expected a JSON file at {path}; {explain_link(Path(path)) or 'there is none'}.") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a number of 4,300 digits; thousands of brackets
        remedy = explain_content(Path(path)) or "Correct or remove it."
        raise InputError(f"{path} is not readable JSON ({error}). {remedy}") from None


def misfit(content: Any, fields: Mapping[str, type | UnionType]) -> str:
    """Say why some JSON is not an object with these fields; empty where it is one.

    >>> misfit({"seed": "one"}, {"seed": int})
    'seed is a text'
    """
    if not isinstance(content, dict):
        return f"{_kind(content)} where an object with named fields was expected"
    for name, kind in fields.items():
        if name not in content:
            return f"{name} is missing"
        value = content[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            return f"{name} is {_kind(value)}"
    return ""


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def read_record(path: Path, fields: Mapping[str, type | UnionType], step: str) -> dict[str, Any]:
    """Read JSON that this package wrote, and check that it has the fields that the reader needs.

    Parameters
    ----------
    path : Path
    fields : mapping
        Name to the type of its value.
    step : str
        The command that makes the file, for the message.

    Raises
    ------
    InputError
        If there is no file; :class:`~fmri_saliency.errors.DamagedError` if it is no JSON, or holds something else.
    """
    path = Path(path)
    try:
        content = read_json(path)
    except InputError as error:
        if not path.is_file():
            raise
        why = str(error)
    else:
        why = misfit(content, fields)
        if not why:
            return content
        why = f"{path} is damaged: {why}."
    raise DamagedError(f"{why} `fmri-saliency {step}` makes it again.", path) from None


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """Write a table the BIDS way: tabs, no quotes, ``n/a`` for what is missing; atomically.

    A text that a spreadsheet would run as a formula (``=``, ``+``, ``-`` or ``@`` first) begins with a mark, ``'``,
    which :func:`~fmri_saliency.disk.texts.unmark_cells` takes away. Numbers are as they are. Paths in texts are
    relative to the output folder.
    """
    told = mark_cells(table, _shared_folder(path))
    with atomic_path(path) as temporary:
        told.to_csv(temporary, sep="\t", index=False, na_rep="n/a", quoting=csv.QUOTE_NONE)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy array (no pickles), atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def write_rows(path: Path, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> None:
    """Write a float32 NumPy array part by part, atomically: no more than a part is in memory.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Of the whole array.
    parts : iterable of ndarray, each of shape (n, *shape[1:])
        Its rows, in order; the file is what :func:`write_array` would write of all together.

    Raises
    ------
    ValueError
        If the parts do not add up to `shape`.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        written = 0
        for part in parts:
            if part.shape[1:] != shape[1:]:
                raise ValueError(f"Rows of shape {shape[1:]} were announced; {part.shape[1:]} came.")
            stream.write(np.ascontiguousarray(part, dtype="<f4").data)
            written += len(part)
        if written != shape[0]:
            raise ValueError(f"{shape[0]} rows were announced; {written} came.")


def digest(*parts: Any) -> str:
    """Return a short hash of arrays and JSON-able values."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray | Rows):
            total.update(f"{part.dtype}{part.shape}".encode())
            for piece in pieces(part) if part.ndim else [...]:
                total.update(np.ascontiguousarray(part[piece]).reshape(-1).view(np.uint8))
        else:
            total.update(json.dumps(part, sort_keys=True, default=_plain).encode())
    return total.hexdigest()[:16]


def fingerprint(path: Path | None) -> dict[str, Any] | None:
    """Return size and time of change of a file: enough to see that it is another one."""
    if path is None:
        return None
    state = Path(path).stat()
    return {"path": Path(path).as_posix(), "size": state.st_size, "mtime_ns": state.st_mtime_ns}
