"""Memory and room that do not suffice are said as such, with the file, wherever it happens."""

import errno
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fmri_saliency.disk.files import atomic_path, write_json
from fmri_saliency.errors import ConfigError, in_words, lacks_memory, lacks_room, printable, unusable


def allocate() -> RuntimeError:
    """Return what PyTorch raises where memory does not suffice."""
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**46, dtype=torch.float64)
    return error.value


@pytest.mark.parametrize("error", [
    MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"), TerminatedWorkerError("a worker was killed"),
    RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), allocate(),
])  # fmt: skip
def test_a_failed_allocation_says_memory(error: Exception) -> None:
    assert lacks_memory(error)
    assert in_words(error).startswith("The memory did not suffice")
    assert "n_jobs in [output]" in in_words(error)


def test_other_errors_are_none_of_memory() -> None:
    assert not any(map(lacks_memory, (RuntimeError("shape"), ValueError("memory"), OSError(errno.ENOSPC, "full"))))
    assert in_words(ConfigError("folds is 1")) == "folds is 1"
    assert in_words(ZeroDivisionError("far below")) == "Unexpected ZeroDivisionError: far below."
    assert unusable(KeyError(3), "a.nii") == "a.nii cannot be used: KeyError: 3. Check the file, or leave the run out."


class RustError(Exception):
    """An error of a library that is written in Rust, such as safetensors."""


@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.ENOSPC, "No space left on device", "/tmp/.unfinished-1"),
    RustError("Error while serializing: I/O error: No space left on device (os error 28)"),
])  # fmt: skip
def test_a_full_disk_is_said_with_the_file(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"device|quota") as caught, atomic_path(tmp_path / "weights.safetensors"):
        raise error
    assert lacks_room(caught.value)
    words = in_words(caught.value)
    assert words.startswith(f"The disk is full: {tmp_path / 'weights.safetensors'} cannot be written")
    assert "What is done is kept" in words
    assert "run the same command again" in words
    assert not list(tmp_path.iterdir())


def test_errors_of_others_pass_through_a_file_that_is_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_path(tmp_path / "x"):
        raise KeyError(1)
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(tmp_path / "x"):
        (tmp_path / "elsewhere").read_text()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what a full disk does, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("step", "size", "file"), [
    ("train", 6_000, "/samples/X.npy"), ("explain", 4_000, "/fold-1.npy"),
])  # fmt: skip
def test_the_step_that_meets_a_full_disk_says_which_file(step: str, size: int, file: str, small_config: Path,
                                                         cli: Callable) -> None:  # fmt: skip
    for before in {"train": ("extract",), "explain": ("extract", "train")}[step]:
        assert cli(before, small_config).code == 0
    with files_up_to(size):
        done = cli(step, small_config)
    assert done.code == 1
    assert "Error: the disk is full: " in done.err
    assert file in done.err.partition("cannot be written")[0]
    assert "unexpected" not in done.err.lower()
    assert cli(step, small_config).code == 0  # and goes on from there


def test_control_characters_of_a_message_reach_no_terminal() -> None:
    assert printable("a\x1b[31mb\x00\nc\x9b") == "a\\x1b[31mb\\x00\nc\\x9b"
    assert printable("sub-\u202egpj.exe \u2028 é 脳") == "sub-\\u202egpj.exe \\u2028 é 脳"


def test_json_beside_a_result_is_whole_or_absent_on_a_full_disk(tmp_path: Path) -> None:
    with files_up_to(100), pytest.raises(OSError, match="too large") as caught:
        write_json(tmp_path / "card.json", {"text": "x" * 1000})
    assert caught.value.filename == str(tmp_path / "card.json")
    assert not list(tmp_path.iterdir())
