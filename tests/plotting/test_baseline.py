"""Pictures of the main figures, without their words, are what they were.

After a change that is meant: ``python tests/plotting/test_baseline.py`` (with ``tests`` on the path) draws them anew.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from drawing import make_examples
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

BASELINE = Path(__file__).parent / "baseline"
EXAMPLES = make_examples()
MAIN = ("plot_attention", "plot_confusion", "plot_evidence", "plot_faithfulness", "plot_glass", "plot_glass unsigned",
        "plot_glass_strip", "plot_learning", "plot_null", "plot_recovery", "plot_region_time", "plot_surface",
        "plot_time_courses", "plot_time_shares")  # fmt: skip
DIFFERENCE = 2.0
"""Root of the mean squared difference, of 255, that edges may make."""


def save_without_words(figure: Figure, path: Path) -> None:
    """Write a figure as a small picture in which no font has a say: neither in what is drawn nor in where."""
    figure.draw_without_rendering()  # tick labels are made then
    for text in figure.findobj(Text):
        text.set_visible(False)
    with mpl.rc_context({"xtick.labelbottom": False, "ytick.labelleft": False}):
        figure.savefig(path, dpi=40, metadata={"Software": None})


def _draw(name: str, path: Path) -> None:
    with mpl.rc_context(mpl.rcParamsDefault):
        save_without_words(EXAMPLES[name].draw(), path)


@pytest.mark.parametrize("name", MAIN)
def test_pictures_are_what_they_were(name: str, tmp_path: Path) -> None:
    file = f"{name.replace(' ', '_')}.png"
    _draw(name, tmp_path / file)
    found = compare_images(str(BASELINE / file), str(tmp_path / file), DIFFERENCE)
    assert found is None, found


def test_all_of_them_are_small() -> None:
    files = list(BASELINE.glob("*.png"))
    assert {file.stem.replace("_unsigned", " unsigned") for file in files} == set(MAIN)
    assert sum(file.stat().st_size for file in files) < 300_000


if __name__ == "__main__":
    for name in MAIN:
        _draw(name, BASELINE / f"{name.replace(' ', '_')}.png")
