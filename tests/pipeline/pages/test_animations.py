"""Animations can be read back, picture by picture."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmri_saliency.errors import InputError, StepError
from fmri_saliency.pipeline.pages import animations
from fmri_saliency.pipeline.pages.animations import save_animation


@pytest.fixture
def pictures() -> np.ndarray:
    """Return five pictures of odd size: a red bar that moves down a white page."""
    pictures = np.full((5, 21, 31, 3), 255, dtype=np.uint8)
    for number, one in enumerate(pictures):
        one[4 * number : 4 * number + 4] = (200, 20, 30)
    return pictures


def test_a_gif_holds_every_picture_for_its_time(pictures: np.ndarray, tmp_path: Path) -> None:
    path = save_animation(pictures, tmp_path / "motor.gif", 0.25)
    with Image.open(path) as read:
        assert (read.n_frames, read.size, read.info["loop"]) == (5, (31, 21), 0)
        for number, picture in enumerate(pictures):
            read.seek(number)
            assert read.info["duration"] == 250
            assert np.abs(np.asarray(read.convert("RGB")).astype(int) - picture).max() <= 8
    assert [file.name for file in tmp_path.iterdir()] == ["motor.gif"]


@pytest.mark.parametrize(("plays", "loop"), [(0, 0), (1, None), (3, 2)])
def test_a_gif_ends_when_it_is_asked_to(pictures: np.ndarray, tmp_path: Path, plays: int, loop: int | None) -> None:
    with Image.open(save_animation(pictures, tmp_path / "motor.gif", plays=plays)) as read:
        assert read.info.get("loop") == loop  # times after the first; 0 is for ever


def test_a_failed_animation_leaves_the_old_one(
    pictures: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_animation(pictures, tmp_path / "motor.gif")
    old = path.read_bytes()

    def fail(self: Image.Image, *given: object, **options: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_animation(pictures, path)
    assert path.read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 1


def test_an_mp4_needs_ffmpeg_and_says_so(
    pictures: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animations.shutil, "which", lambda name: None)
    with pytest.raises(StepError, match=r"needs the program ffmpeg.*ask for a \.gif"):
        save_animation(pictures, tmp_path / "motor.mp4")
    assert not list(tmp_path.iterdir())


def test_ffmpegs_own_words_are_passed_on(
    pictures: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\ncat >/dev/null; echo 'Unknown encoder' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(StepError, match=r"Unknown encoder\. Ask for a \.gif"):
        save_animation(pictures, tmp_path / "motor.mp4")
    assert not (tmp_path / "motor.mp4").exists()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here: MP4 is not tried")
def test_an_mp4_holds_every_picture(pictures: np.ndarray, tmp_path: Path) -> None:
    path = save_animation(pictures, tmp_path / "motor.mp4", 0.25)
    command = ["ffmpeg", "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, dtype=np.uint8)
    shown = read.reshape(-1, 22, 32, 3)  # even sizes
    assert len(shown) == 5
    assert np.abs(shown[:, :21, :31].astype(int) - pictures).mean() < 8


def test_other_endings_and_shapes_are_refused(pictures: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.gif or \.mp4; 'motor\.avi' came"):
        save_animation(pictures, tmp_path / "motor.avi")
    for wrong in (pictures[0], pictures[..., :2], pictures.astype(float), pictures[:0]):
        with pytest.raises(InputError, match="shape"):
            save_animation(wrong, tmp_path / "motor.gif")
