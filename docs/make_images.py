"""Draw the README's figures from the demo's results: ``make figures``.

By hand: ``.venv/bin/python docs/make_images.py demo-output/results``. The demo's scans and training have fixed
seeds, so that the figures come out the same wherever the same versions are installed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from tqdm import tqdm

from fmri_saliency.brain import load_chosen_atlas
from fmri_saliency.files import atomic_path
from fmri_saliency.pipeline.animations import save_animation
from fmri_saliency.pipeline.config import load_config
from fmri_saliency.pipeline.extract import find
from fmri_saliency.pipeline.workspace import Workspace
from fmri_saliency.plotting import (
    animate_glass,
    plot_glass_strip,
    plot_region_time,
    plot_surface,
    plot_time_shares,
)
from fmri_saliency.saliency import read_saliency

IMAGES = Path(__file__).parent / "images"
TASK = "motor"
LIMIT = 150_000  # bytes of a picture
CLOCK = "Time from the run's first frame (s)"


def figures(results: Path) -> dict[str, Callable[[], Figure]]:
    """Return how to draw each figure, by the name of its file."""
    config, space = load_config(results / "config.toml"), Workspace(results)
    network = config.decoder.network
    classes = read_saliency(space.saliency(network, "classes"))
    place = classes.labels.index(TASK)
    motor, moments = classes.values[place], classes.moments()[place]
    atlas = load_chosen_atlas(config.atlas)
    events = next(run.events for run in find(config).runs if run.task == TASK)
    samples = {name: read_saliency(space.saliency(name, "samples")) for name in config.decoder.networks}
    times = [classes.start + frame * classes.t_r for frame in moments]
    within = [event for event in events if event.onset < classes.start + len(motor) * classes.t_r]
    return {
        "demo_strip": lambda: plot_glass_strip(motor, atlas, classes.t_r, times, TASK, classes.start, classes.unit),
        "demo_surface": lambda: plot_surface(motor.mean(axis=0), atlas, f"{TASK}: mean over time", classes.unit),
        "demo_heatmap": lambda: plot_region_time(motor, classes.names, classes.t_r, within, TASK, classes.unit,
                                                 classes.start, CLOCK),
        "demo_time_share": lambda: plot_time_shares(samples, "Where the saliency lies in time", CLOCK),
    }  # fmt: skip


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG of few colours."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, metadata={"Software": None})
    picture = Image.open(stream).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def save_motion(results: Path, path: Path) -> None:
    """Write the map of the task through time, every eighth frame, without values below a tenth of the largest."""
    config = load_config(results / "config.toml")
    classes = read_saliency(Workspace(results).saliency(config.decoder.network, "classes"))
    values = classes.values[classes.labels.index(TASK)]
    pictures = animate_glass(values, load_chosen_atlas(config.atlas), classes.t_r, TASK, classes.unit, classes.start,
                             every=8, threshold=0.1 * float(np.abs(values).max()), dpi=60)  # fmt: skip
    save_animation(pictures, path, 0.3)


def main(results: Path) -> None:
    """Draw all of them, and say how large they are."""
    IMAGES.mkdir(exist_ok=True)
    for name, draw in tqdm(figures(results).items(), desc="Drawing", unit="figure"):
        save_picture(draw(), IMAGES / f"{name}.png")
    save_motion(results, IMAGES / "demo_motion.gif")
    for path in sorted(IMAGES.glob("demo_*")):
        print(path, path.stat().st_size)
        if path.stat().st_size > LIMIT:
            sys.exit(f"{path} is larger than {LIMIT} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
