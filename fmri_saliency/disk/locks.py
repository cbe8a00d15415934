"""Who works on what: a file per piece of work, held by one process at a time and touched while it lives.

What is relied on, and what is not:

- A file is made by one process only where several try at once (``O_EXCL``; on NFS from version 3 on).
- Clocks of machines need not agree. Times of change are those that the disk gives (a touch sets the time of an NFS
  server, not of the machine that asks), and they are compared with the time that the same disk gives a file now.
  Only in a folder that cannot be written to is this machine's clock asked.
- A machine may see changes late: NFS keeps what it knows of a file for up to a minute by default (``acregmax``), and
  that minute and `HEARTBEAT` together stay below `STALE`.
- A holder on this machine is alive while a process of its number and moment of birth exists (``/proc``). Where the
  birth cannot be known (another system, a ``/proc`` that hides other people's processes, a container with numbers of
  its own), and on other machines, it is alive while its file is touched.
- Hard links are used where the disk has them, and are not needed.
- Nothing that is written depends on a hold: should two processes hold one piece of work after all (a process that stood
  still for longer than `STALE`), it is done twice, and the files are the same.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "HEARTBEAT",
    "STALE",
    "Holder",
    "clear_stale",
    "hold",
    "note_time",
    "owner_lives",
    "read_gone",
    "read_holders",
    "read_times",
]

HEARTBEAT = 10.0
"""Seconds between two touches of the file of a piece of work."""
STALE = 120.0
"""Seconds without a touch after which a holder that cannot be looked for counts as gone."""
POLL, MOST = 0.05, 2.0
"""Seconds between two looks at whether a piece of work is free: the first ones, and at most."""
QUIET = 5.0
"""Seconds of waiting before it is said who is waited for."""


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
    numbers : str
        Which processes have numbers of one kind: containers have numbers of their own. Empty where unknown.
    """

    path: Path
    work: str
    host: str
    pid: int
    began: float
    birth: str
    token: str
    numbers: str = ""

    def is_alive(self) -> bool:
        """Return whether the holder still works.

        On this machine: whether its process exists. Where that cannot be known, and on another machine: whether its
        file was touched within `STALE` seconds.
        """
        here = self.host == socket.gethostname() and self.numbers in ("", _numbers())
        if here:
            birth = _birth(self.pid)
            if self.birth and birth is not None:
                return birth == self.birth
            if not _exists(self.pid):
                return False
        return _age(self.path) < STALE


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _birth(pid: int) -> str | None:
    """Return when a process began, in ticks since this machine did; empty where it has ended, None where not known."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if words[0] == "Z" else words[19]
    except (OSError, IndexError):
        return None


def _numbers() -> str:
    """Return which processes have numbers of the same kind as this one; empty where that is not to be known."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


_clocks: dict[Path, tuple[float, float]] = {}  # of disks: what they said, and when (a clock that is never set)


def _now(folder: Path) -> float:
    """Return the time that the disk of a folder gives to files now; it is asked once in `HEARTBEAT` seconds."""
    said, when = _clocks.get(folder, (0.0, float("-inf")))
    if time.monotonic() - when > HEARTBEAT:
        try:
            with tempfile.TemporaryFile(dir=folder, prefix=".clock-") as probe:
                said, when = os.fstat(probe.fileno()).st_mtime, time.monotonic()
        except OSError:  # it may be read only: this machine's clock must do
            return time.time()
        _clocks[folder] = said, when
    return said + time.monotonic() - when


def _touched(path: Path) -> float:
    """Return when a file was touched last, by the clock of its disk; before all time where it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("-inf")


def _age(path: Path) -> float:
    """Return how many seconds ago a file was touched, by the clock of its disk."""
    return _now(path.parent) - _touched(path)


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
            "birth": _birth(pid) or "", "token": secrets.token_hex(8), "numbers": _numbers()}  # fmt: skip
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
            _give_back(aside, path)
        aside.unlink(missing_ok=True)
    return True


def _give_back(aside: Path, path: Path) -> None:
    """Put the file of a holder back where it was, unless somebody holds the work meanwhile."""
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # a disk without hard links
        with suppress(FileExistsError), path.open("x", encoding="utf-8") as stream:
            stream.write(aside.read_text(encoding="utf-8"))


def _say_waiting(path: Path, work: str) -> None:
    """Say who is waited for, since when, and what to do if that never ends."""
    holder = _read(path)
    if holder is None:
        return
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.began))
    print(f"Waiting for {work}: process {holder.pid} on {holder.host} has held it since {began}. This goes on when it "
          f"has finished, or {STALE:.0f} s after its machine has gone. If the process hangs, end it there; if there is "
          f"none any more, remove {path}.", file=sys.stderr, flush=True)  # fmt: skip


def _wait(path: Path, work: str, doing: str, wait: bool) -> Holder | None:
    """Take a piece of work when it is free; return None where another holds it and is not waited for."""
    begin, said, pause = time.monotonic(), False, POLL
    while True:
        if _is_free(path):
            holder = _take(path, doing)
            if holder is not None:
                return holder
        elif not wait:
            return None
        if not said and time.monotonic() - begin >= QUIET:
            _say_waiting(path, work)
            said = True
        time.sleep(pause)
        pause = min(MOST, 1.1 * pause)


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
        Until another living process has let go (after `QUIET` seconds it is said, once, who that is); else the block is
        told that it does not hold the work.
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
    if holder is None:
        holder = _wait(path, work, doing or work, wait)
    if holder is None:
        yield False
        return
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
    return [holder for holder in _all(desk) if holder.is_alive()]


def read_gone(desk: Path) -> list[Holder]:
    """Return holders that ended without letting go: they were killed, or their machine went down."""
    return [holder for holder in _all(desk) if not holder.is_alive()]


def _all(desk: Path) -> list[Holder]:
    found = (_read(path) for path in sorted((Path(desk) / "working").glob("*.json")))
    return [holder for holder in found if holder is not None]


def owner_lives(desk: Path) -> Callable[[str, int, Path], bool]:
    """Return what says whether the process of another machine that made a file is alive.

    It is while it holds a piece of work, and while the file, or anything in it if it is a folder, was changed within
    `STALE` seconds (by the disk's clock).
    """
    alive = {(holder.host, holder.pid) for holder in read_holders(desk)}

    def lives(host: str, pid: int, path: Path) -> bool:
        if any((name.replace("-", "_"), number) == (host, pid) for name, number in alive):
            return True
        inside = path.rglob("*") if path.is_dir() else ()
        return min(map(_age, (path, *inside))) < STALE

    return lives


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
    for path in sorted((Path(desk) / "times").glob("*.tsv"), key=_touched):
        with suppress(OSError):
            for line in path.read_text(encoding="utf-8").splitlines():
                work, _, seconds = line.partition("\t")
                with suppress(ValueError):  # a line that a killed process left half written
                    times[work] = float(seconds)
    return times
