"""The pictures of README and documents are those that ``make figures`` draws."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def make_images(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_images", repository / "docs" / "make_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_drawn_by_the_command_and_shown(make_images: ModuleType, repository: Path) -> None:
    code = (repository / "docs" / "make_images.py").read_text()
    files = {path.name for path in make_images.IMAGES.iterdir()}
    named = set(re.findall(r'"(demo_\w+)":', code))
    assert files == {f"{name}.png" for name in named} | {"demo_motion.gif", "fsleyes.png", "localizer.png"}
    texts = [path.read_text() for path in (repository / "README.md", *(repository / "docs").glob("*.md"))]
    links = [Path(link) for text in texts for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)]
    shown = {link.name for link in links if link.parent.name == "images"}  # others are drawn by benchmarks
    assert shown == files  # each with words that stand for it
    assert all(path.stat().st_size < make_images.LIMIT for path in make_images.IMAGES.iterdir())


def test_without_program_or_scans_pictures_are_left(
    make_images: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kept.png"
    path.write_bytes(b"before")
    monkeypatch.setenv("FSLEYES", "no-such-program")
    make_images.draw_fsleyes(tmp_path, path)
    make_images.draw_localizer(tmp_path / "nowhere", path)
    said = capsys.readouterr().out
    assert "There is no FSLeyes" in said
    assert f"There are no scans in {tmp_path / 'nowhere'}" in said
    assert path.read_bytes() == b"before"


def test_the_picture_of_fsleyes_is_that_of_the_script(
    make_images: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script in the place of ``view.sh`` notes how it is called, and leaves a picture."""
    results, drawn = tmp_path / "results", tmp_path / "fsleyes.png"
    results.mkdir()
    Image.new("RGB", (3, 2), (200, 30, 10)).save(tmp_path / "red.png")
    script = results / "view.sh"
    script.write_text(f'#!/bin/sh\necho "$1 $3" > {tmp_path}/said\ncp {tmp_path}/red.png "$2"\n')
    script.chmod(0o755)
    monkeypatch.setenv("FSLEYES", "sh")  # a program that is there
    make_images.draw_fsleyes(results, drawn)
    assert (tmp_path / "said").read_text() == "--render motor\n"
    with Image.open(drawn) as picture:
        assert picture.size == (3, 2)
        assert picture.convert("RGB").getpixel((1, 1)) == (200, 30, 10)
    assert [path.name for path in results.iterdir()] == ["view.sh"]
