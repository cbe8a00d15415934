"""Files that results are made from: named from a data set's root, and known again by what is in them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fmri_saliency.errors import DamagedError

__all__ = ["Source", "check_content", "describe_source", "find_source", "hash_file", "known_hash"]

Source = tuple[str, Path]
"""A name that holds on every machine, and where the file is on this one."""


def find_source(uri: str, roots: Mapping[str, Path]) -> Path | None:
    """Return where the file of a URI is; None where its data set is not among the roots."""
    if uri.startswith("bids:"):
        _, name, place = uri.split(":", 2)
        return roots[name] / place if name in roots else None
    return Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else None


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, as ``sha256sum`` prints it.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file: a named pipe would be waited for.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=4096)
def _hash_of(path: Path, mtime_ns: int, size: int) -> str:
    return hash_file(path)


def check_content(path: Path, recorded: object, step: str) -> None:
    """Refuse a file whose SHA-256 is not the one that was recorded when it was written.

    A process reads a file once, and again only after it was touched. What records none is not checked.

    Raises
    ------
    DamagedError
    """
    state = Path(path).stat()
    if recorded is not None and _hash_of(Path(path), state.st_mtime_ns, state.st_size) != recorded:
        raise DamagedError(f"{path} is damaged: its content is not what was written (SHA-256). `fmri-saliency {step}` "
                           "makes it again.", path)


def known_hash(source: Source, known: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a file's hash without reading it, where it was described before and has not been touched since.

    A file of the same name, size and time of change (in nanoseconds) counts as the same.
    """
    uri, path = source
    state = path.stat()
    now = (uri, state.st_size, state.st_mtime_ns)
    for one in known:
        if (one.get("uri"), one.get("size"), one.get("mtime_ns")) == now:
            return one.get("sha256")
    return None


def describe_source(source: Source, known: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return name, size, time of change and hash of a file; the hash of `known` where that is of the same file."""
    uri, path = source
    state = path.stat()  # before it is read: a change meanwhile is seen the next time
    content = known_hash(source, known) or hash_file(path)
    return {"uri": uri, "size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": content}
