"""Who works on what: a file per piece of work, held by one process at a time and touched while it lives."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HEARTBEAT", "STALE", "Holder", "clear_stale", "hold", "note_time", "read_holders", "read_times"]

HEARTBEAT = 10.0
"""Seconds between two touches of the file of a piece of work."""
STALE = 120.0
"""Seconds without a touch after which a holder on another machine counts as gone."""
POLL = 0.05


@dataclass(frozen=True)
class Holder:
    """A process that works on something.

    Attributes
    ----------
    path : Path
        Of its file.
    work : str
        What it works on: ``extract/sub-01_task-motor``, ``train/lstm/fold-1``.
    host : str
    pid : int
    began : float
        When, in seconds since 1970.
    birth : str
        When the process began, as the system counts; empty where that is unknown. It tells a process from a later one
        of the same number.
    token : str
        Of this piece of work alone.
    """

    path: Path
    work: str
    host: str
    pid: int
    began: float
    birth: str
    token: str

    def is_alive(self) -> bool:
        """Return whether the holder still works.

        On this machine: whether its process exists. On another: whether its file was touched within `STALE` seconds.
        """
        if self.host != socket.gethostname():
            return _age(self.path) < STALE
        return _birth(self.pid) == self.birth if self.birth else _exists(self.pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _birth(pid: int) -> str:
    """Return when a process began, in ticks since this machine did; nothing where it is gone, or not to be known."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if words[0] == "Z" else words[19]
    except (OSError, IndexError):
        return ""


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _read(path: Path) -> Holder | None:
    try:
        return Holder(path, **json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _place(desk: Path, work: str) -> Path:
    return Path(desk) / "working" / (work.replace("/", "__") + ".json")


_held: dict[Path, int] = {}  # and the threads that hold it
_beating: list[threading.Thread] = []


def _forget() -> None:
    """In a fork: what the other process holds is not held here, and its thread is not here either."""
    _held.clear()
    _beating.clear()


os.register_at_fork(after_in_child=_forget)


def _beat() -> None:
    while True:
        time.sleep(HEARTBEAT)
        for path in tuple(_held):
            with suppress(OSError):
                os.utime(path)


def _take(path: Path, doing: str) -> Holder | None:
    """Make the file of a piece of work; return its holder, None if there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    card = {"work": doing, "host": socket.gethostname(), "pid": pid, "began": round(time.time(), 3),
            "birth": _birth(pid), "token": secrets.token_hex(8)}  # fmt: skip
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(card))
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return Holder(path, **card)


def _is_free(path: Path) -> bool:
    """Return whether nobody holds a piece of work, after removing the file of a holder that is gone."""
    holder = _read(path)
    if holder is None:  # gone, or just being written; never filled if its writer died at once
        return not path.exists() or (_age(path) >= STALE and not path.unlink(missing_ok=True))
    if holder.is_alive():
        return False
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with suppress(OSError):
        path.rename(aside)
        taken = _read(aside)
        if taken is not None and taken.token != holder.token:  # another was faster, and holds it now: give it back
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)
    return True


@contextmanager
def hold(desk: Path, work: str, wait: bool = True, doing: str = "") -> Iterator[bool]:
    """Hold a piece of work alone while the block runs.

    Results do not depend on it: files are renamed into place, and the same inputs give the same bytes. It keeps two
    processes from doing one thing twice, and from taking a result that is just being replaced for a missing one.

    Parameters
    ----------
    desk : Path
        Folder of what is known about the work, ``.workflow`` of an output folder.
    work : str
        Such as ``train/lstm/fold-1``.
    wait : bool
        Until another living process has let go; else the block is told that it does not hold the work.
    doing : str
        What :func:`read_holders` says instead of `work`.

    Yields
    ------
    bool
        Whether the work is held.
    """
    path = _place(desk, work)
    if _held.get(path) == threading.get_ident():  # it would wait for itself
        raise RuntimeError(f"{work} is held already, by this very thread")
    holder = _take(path, doing or work)
    while holder is None:
        if _is_free(path):
            holder = _take(path, doing or work)
        elif not wait:
            yield False
            return
        else:
            time.sleep(POLL)
    if not _beating:
        _beating.append(threading.Thread(target=_beat, daemon=True))
        _beating[0].start()
    _held[path] = threading.get_ident()
    try:
        yield True
    finally:
        _held.pop(path, None)
        now = _read(path)
        if now is not None and now.token == holder.token:
            path.unlink(missing_ok=True)


def read_holders(desk: Path) -> list[Holder]:
    """Return the living holders of pieces of work."""
    found = (_read(path) for path in sorted((Path(desk) / "working").glob("*.json")))
    return [holder for holder in found if holder is not None and holder.is_alive()]


def clear_stale(desk: Path) -> None:
    """Remove the files of holders that are gone."""
    for path in sorted((Path(desk) / "working").glob("*")):
        if path.suffix != ".json":
            path.unlink(missing_ok=True)
        else:
            _is_free(path)


def note_time(desk: Path, work: str, seconds: float) -> None:
    """Keep how long a piece of work took; each process has a file of its own to write to."""
    folder = Path(desk) / "times"
    with suppress(OSError):  # a full disk must not stop what was done
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{socket.gethostname()}-{os.getpid()}.tsv").open("a", encoding="utf-8") as stream:
            stream.write(f"{work}\t{seconds:.3f}\n")


def read_times(desk: Path) -> dict[str, float]:
    """Return how many seconds each piece of work took, the last time that it was done."""
    times: dict[str, float] = {}
    paths = sorted((Path(desk) / "times").glob("*.tsv"), key=lambda path: -_age(path))
    for path in paths:
        with suppress(OSError):
            for line in path.read_text(encoding="utf-8").splitlines():
                work, _, seconds = line.partition("\t")
                with suppress(ValueError):  # a line that a killed process left half written
                    times[work] = float(seconds)
    return times
