"""Draw the figures of README and documents from the demo's results: ``make figures``.

By hand: ``.venv/bin/python docs/make_images.py demo-output/results``. The demo's scans and training have fixed
seeds, so that the figures come out the same wherever the same versions are installed. Two figures need more: that of
FSLeyes the program (on the path, or named by FSLEYES), that of real scans the folder ``localizer`` below
FMRI_SALIENCY_TEST_DATA, where the tests look for it, too. Without them those figures are left as they are, and it is
said so.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from tqdm import tqdm

from fmri_saliency.brain import load_chosen_atlas
from fmri_saliency.disk.files import atomic_path, read_json, scratch_folder
from fmri_saliency.pipeline.commands.whole_job import run_all
from fmri_saliency.pipeline.pages.animations import save_animation
from fmri_saliency.pipeline.steps.explanation import class_atlas
from fmri_saliency.pipeline.steps.extraction import find
from fmri_saliency.pipeline.study.config import load_config
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.plotting import (
    animate_glass,
    plot_glass,
    plot_glass_strip,
    plot_region_time,
    plot_surface,
    plot_time_shares,
)
from fmri_saliency.saliency import read_saliency

IMAGES = Path(__file__).resolve().parent / "images"
DATA = Path(os.environ.get("FMRI_SALIENCY_TEST_DATA", IMAGES.parents[2] / "shared" / "data")) / "localizer"
TASK = "motor"
LIMIT = 150_000  # bytes of a picture
CLOCK = "Time from the run's first frame (s)"
LOCALIZER = """
[scans]
layout = "table"
path = "runs.tsv"
t_r = 2.4  # the header says 1
space = "MNI152NLin6Asym"
[atlas]
name = "Localizer"
labels = "{data}/regions.nii.gz"
table = "{data}/regions.tsv"
[samples]
unit = "event"
length = 7.2
offset = 4.8
[samples.classes]
"left click" = ["left_click_auditory", "left_click_visual"]
"heard" = ["calculation_auditory", "sentence_auditory"]
"seen" = ["calculation_visual", "sentence_visual"]
[decoder]
split = "contiguous"
compare = []
[decoder.architecture]
hidden_size = 16
dropout = 0.1
[saliency]
method = "integrated-gradients"
[output]
path = "results"
"""
SHOWN = {"left click": "Left clicks, seen or heard: the right motor hand area leads",
         "heard": "Sentences and sums that are heard: auditory cortex leads"}  # fmt: skip


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
    save_small(Image.open(stream), path)


def save_small(image: Image.Image, path: Path) -> None:
    """Write a picture as a PNG of few colours."""
    picture = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def draw_fsleyes(results: Path, path: Path) -> None:
    """Draw the map of the task in FSLeyes, as its document says; say so where there is no FSLeyes."""
    if shutil.which(os.environ.get("FSLEYES", "fsleyes")) is None:
        print(f"There is no FSLeyes, on the path or named by FSLEYES: {path.name} is left as it is.")
        return
    with scratch_folder(results) as folder:
        drawn = folder / path.name
        subprocess.run([results / "view.sh", "--render", drawn, TASK], check=True)
        save_small(Image.open(drawn), path)


def draw_localizer(data: Path, path: Path) -> None:
    """Run the job on real scans of a functional localizer, and draw what two of its classes rest on."""
    if not data.is_dir():
        print(f"There are no scans in {data}: {path.name} is left as it is.")
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "localizer.toml"
        config.write_text(LOCALIZER.format(data=data.as_posix()))
        row = f"01\tlocalizer\t{data}/bold.nii.gz\t{data}/events.tsv\n"
        config.with_name("runs.tsv").write_text(f"subject\ttask\tbold\tevents\n{row}")
        settings = load_config(config)
        run_all(settings)
        classes = read_saliency(Workspace(settings.output.path).saliency(settings.decoder.network, "classes"))
        score = read_json(Workspace(settings.output.path).scores(settings.decoder.network))
        print("Localizer: accuracy {accuracy:.2f}, {interval[0]:.2f} to {interval[1]:.2f}; chance {chance:.2f}, "
              "most frequent class {majority:.2f}, {n_samples} samples".format(**score))
        means = dict(zip(classes.labels, classes.over_time(), strict=True))
        atlas, *_ = class_atlas(settings)
    figure = Figure(figsize=(8.6, 5.2), layout="constrained")
    for axes, (label, title) in zip(figure.subplots(len(SHOWN), 1), SHOWN.items(), strict=True):
        plot_glass(means[label], atlas, title, classes.unit, axes=axes)
    save_picture(figure, path)


def save_motion(results: Path, path: Path) -> None:
    """Write the map of the task through time, every eighth frame, without values below a fifth of the largest."""
    config = load_config(results / "config.toml")
    classes = read_saliency(Workspace(results).saliency(config.decoder.network, "classes"))
    values = classes.values[classes.labels.index(TASK)]
    pictures = animate_glass(values, load_chosen_atlas(config.atlas), classes.t_r, TASK, classes.unit, classes.start,
                             every=8, threshold=0.2 * float(np.abs(values).max()), dpi=60)  # fmt: skip
    save_animation(pictures, path, 0.3)


def main(results: Path) -> None:
    """Draw all of them, and say how large they are."""
    IMAGES.mkdir(exist_ok=True)
    for name, draw in tqdm(figures(results).items(), desc="Drawing", unit="figure"):
        save_picture(draw(), IMAGES / f"{name}.png")
    save_motion(results, IMAGES / "demo_motion.gif")
    draw_fsleyes(results, IMAGES / "fsleyes.png")
    draw_localizer(DATA, IMAGES / "localizer.png")
    for path in sorted(IMAGES.iterdir()):
        print(path, path.stat().st_size)
        if path.stat().st_size > LIMIT:
            sys.exit(f"{path} is larger than {LIMIT} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
