"""Files that are whole or absent: atomic writing and fingerprints."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.errors import InputError
from fmri_saliency.rows import Rows, pieces

__all__ = [
    "atomic_path",
    "clear_unfinished",
    "digest",
    "fingerprint",
    "read_json",
    "read_tsv",
    "scratch_folder",
    "write_array",
    "write_json",
    "write_rows",
    "write_text",
    "write_tsv",
]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A reader sees the old file or the new one, never half of one.
    """
    path = Path(path)
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
        machines (:func:`fmri_saliency.locks.owner_lives`). Without it what they made is left alone.
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


def write_json(path: Path, content: Any) -> None:
    """Write JSON with stable order of keys as given, atomically."""
    write_text(path, json.dumps(content, indent=2, default=_plain, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; the message names the file when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"Expected a JSON file at {path}; there is none.") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a number of 4,300 digits; thousands of brackets
        raise InputError(f"{path} is not readable JSON ({error}). Correct or remove it.") from None


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """Write a table the BIDS way: tabs, ``n/a`` for what is missing; atomically."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a")


def read_tsv(path: Path, what: str, **options: Any) -> pd.DataFrame:
    """Read a BIDS table; `what` says in the message what the file should have been."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Expected {what} at {path}; there is no such file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows with more fields than the header
            return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, index_col=False, **options)
    except (pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"Expected {what} (tab-separated text) at {path}; it cannot be read: {error}") from None


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
