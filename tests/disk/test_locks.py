"""Who holds a piece of work, and whether that process is alive: here, elsewhere, and where little is known."""

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fmri_saliency.disk import files, locks
from fmri_saliency.disk.files import read_json, write_json
from fmri_saliency.disk.locks import STALE, clear_stale, hold, owner_lives, read_gone, read_holders

CARD = {"work": "a", "host": "elsewhere", "pid": 4, "began": 0.0, "birth": "1", "token": "t", "numbers": "pid:[1]"}


def place(desk: Path, **about: object) -> Path:
    path = desk / "working" / "a.json"
    write_json(path, {**CARD, **about})
    return path


def still(path: Path) -> None:
    """Let a file look as if nobody had touched it for longer than a holder may."""
    os.utime(path, (time.time() - STALE - 5,) * 2)


@pytest.fixture
def other() -> Iterator[int]:
    """Return the number of a process that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_clocks_of_machines_may_differ(ahead: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = place(tmp_path), time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    assert [one.host for one in read_holders(tmp_path)] == ["elsewhere"]
    os.utime(path, (real() - STALE - 5,) * 2)
    assert read_holders(tmp_path) == []
    assert [one.pid for one in read_gone(tmp_path)] == [4]


def test_where_nothing_can_be_written_the_clock_of_the_machine_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> object:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path = place(tmp_path)
    monkeypatch.setattr(locks.tempfile, "TemporaryFile", refuse)
    assert len(read_holders(tmp_path)) == 1
    still(path)
    assert read_holders(tmp_path) == []


def test_processes_that_are_hidden_are_told_by_their_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    path = place(tmp_path, host=socket.gethostname(), pid=other, birth="1", numbers="")
    assert read_holders(tmp_path) == []  # a later process of the same number
    monkeypatch.setattr(locks, "_birth", lambda pid: None)  # as under /proc with hidepid=2
    assert [one.pid for one in read_holders(tmp_path)] == [other]
    still(path)
    assert read_holders(tmp_path) == []


def test_a_process_of_another_container_is_told_by_its_touch(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    about = {"host": socket.gethostname(), "pid": int(ended.stdout)}
    place(tmp_path, **about, numbers=locks._numbers())
    assert read_holders(tmp_path) == []  # there is none of this number
    path = place(tmp_path, **about)  # numbers are of another kind
    assert len(read_holders(tmp_path)) == 1
    still(path)
    assert read_holders(tmp_path) == []
    clear_stale(tmp_path)
    assert not path.exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_hold_that_was_taken_meanwhile_is_given_back(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = place(tmp_path)
    still(path)

    def late(n_bytes: int) -> str:  # just before the file of the dead holder is taken away, another takes the work
        place(tmp_path, token="new", pid=5)
        return "00" * n_bytes

    with monkeypatch.context() as patched:
        patched.setattr(locks.secrets, "token_hex", late)
        assert locks._is_free(path)
    assert read_json(path)["token"] == "new"
    assert os.listdir(path.parent) == [path.name]
    with hold(tmp_path, "a", wait=False) as held:
        assert not held


def test_who_is_waited_for_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "QUIET", 0.1)
    path = place(tmp_path, work="train/lstm/fold-1")
    threading.Timer(0.8, path.unlink).start()
    with hold(tmp_path, "a") as held:
        assert held
    said = capsys.readouterr().err
    assert said.count("Waiting for a: process 4 on elsewhere has held it since 19") == 1
    assert f"remove {path}." in said
    with hold(tmp_path, "b"):
        pass
    assert capsys.readouterr().err == ""


def test_leftovers_of_other_machines_go_when_their_owner_has_gone(tmp_path: Path) -> None:
    desk = tmp_path / ".workflow"
    names = [".unfinished-elsewhere-4-x.tsv", ".unfinished-elsewhere-5-x.tsv", ".unfinished-far-9-x.tsv"]
    for name in names:
        (tmp_path / name).write_text("half")
    folder = tmp_path / ".unfinished-far-8-y"
    folder.mkdir()
    (folder / "maps.npy").write_text("half")

    def left(lives: Callable | None) -> list[str]:
        files.clear_unfinished(tmp_path, lives)
        return sorted(path.name for path in tmp_path.glob(".unfinished-*"))

    assert left(owner_lives(desk)) == sorted([*names, folder.name])  # all were just written to
    for path in (*map(tmp_path.joinpath, names), folder):
        still(path)
    assert left(None) == sorted([*names, folder.name])  # nobody says who lives
    place(desk)  # the process 4 holds something, and touches that
    assert left(owner_lives(desk)) == sorted([names[0], folder.name])  # what lies in the folder was just written
    still(folder / "maps.npy")
    still(desk / "working" / "a.json")
    assert left(owner_lives(desk)) == []
