"""How long each figure takes, from numbers to a PNG, on data of a real size.

``python benchmarks/figures.py [--quick]`` draws every figure of `fmri_saliency.plotting` several times and prints the
median seconds of each, by the clock and of the processor alone (on a busy machine the clock says more), and of the
first one in the process (which reads outlines, fonts and meshes). The limit for a static figure is one second. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from tqdm.auto import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drawing import EVENTS, Example, make_examples

from fmri_saliency import plotting
from fmri_saliency.brain import load_atlas
from fmri_saliency.records import Atlas

T_R = 0.72
N_TIMES = 176
N_REGIONS = 400


def make_parcels(n_regions: int = N_REGIONS) -> Atlas:
    """Return the embedded atlas with its voxels parted anew, at random centres, into so many regions."""
    compact, rng = load_atlas("Compact"), np.random.default_rng(0)
    voxels = np.argwhere(compact.labels > 0)
    centres = voxels[rng.choice(len(voxels), n_regions, replace=False)]
    nearest = np.concatenate([((part[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
                              for part in np.array_split(voxels, 100)])  # fmt: skip
    labels = np.zeros_like(compact.labels)
    labels[tuple(voxels.T)] = 1 + nearest
    regions = compact.regions.iloc[:0].copy()
    regions["index"] = np.arange(1, n_regions + 1)
    regions["name"] = [f"Region_{i}" for i in regions["index"]]
    regions[list("xyz")] = nib.affines.apply_affine(compact.affine, centres)
    return Atlas("Parcels", labels, compact.affine, regions, compact.space)


def large_examples() -> dict[str, Example]:
    """Return the figures whose time depends on the size of the data, on that of a real run."""
    rng, atlas = np.random.default_rng(0), make_parcels()
    values = rng.standard_normal((N_TIMES, N_REGIONS))
    values = np.apply_along_axis(lambda one: np.convolve(one, np.hanning(9), "same"), 0, values)
    networks = [f"Network {1 + 7 * i // N_REGIONS}" for i in range(N_REGIONS)]
    weights = np.tril(rng.random((N_TIMES, N_TIMES)))
    strip = (values, atlas, T_R, (10, 30, 50, 70, 90), "motor")
    return {
        "plot_glass": Example(plotting.plot_glass, (values.mean(axis=0), atlas, "motor", "logit")),
        "plot_glass unsigned": Example(plotting.plot_glass, (np.abs(values).mean(axis=0), atlas, "motor", "logit"),
                                       {"signed": False}),
        "plot_glass_strip": Example(plotting.plot_glass_strip, strip),
        "plot_surface": Example(plotting.plot_surface, (values.mean(axis=0), atlas, "motor", "logit")),
        "plot_region_time": Example(plotting.plot_region_time, (values, atlas.names, T_R, EVENTS, "motor", "logit", 0.0,
                                                                "Time (s)", networks)),
        "plot_time_courses": Example(plotting.plot_time_courses, (rng.standard_normal((30, N_TIMES, 4)), list("abcd"),
                                                                  T_R, EVENTS, "motor", "logit")),
        "plot_attention": Example(plotting.plot_attention, (weights / weights.sum(axis=1, keepdims=True), T_R)),
    }  # fmt: skip


def seconds(example: Example) -> tuple[float, float]:
    """Return the seconds of one figure: by the clock, and of the processor."""
    began, cpu = time.perf_counter(), time.process_time()
    example.draw().savefig(io.BytesIO(), format="png", dpi=110)
    return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each figure three times, 5 frames of the animation")
    options = parser.parse_args()
    examples = {**make_examples(), **large_examples()}
    repeats, n_frames = (3, 5) if options.quick else (9, N_TIMES)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in examples}
    for name in tqdm([name for _ in range(repeats + 1) for name in examples], desc="Drawing", unit="figure"):
        taken[name].append(seconds(examples[name]))
    found = {}
    for name, ((first, _), *rest) in sorted(taken.items()):
        wall, cpu = (statistics.median(one) for one in zip(*rest, strict=True))
        found[name] = {"median_s": round(wall, 3), "cpu_s": round(cpu, 3), "first_s": round(first, 3)}
        print(f"{name:28s} {wall:6.2f} s   cpu {cpu:6.2f} s   first {first:6.2f} s")
    values = np.random.default_rng(0).standard_normal((n_frames, N_REGIONS))
    parcels, began, cpu = make_parcels(), time.perf_counter(), time.process_time()
    plotting.animate_glass(values, parcels, T_R, "motor", "logit")
    per_picture, of_cpu = (time.perf_counter() - began) / n_frames, (time.process_time() - cpu) / n_frames
    print(f"{'animate_glass':28s} {per_picture:6.3f} s   cpu {of_cpu:6.3f} s per picture, of {n_frames}")
    slowest = max(found, key=lambda name: found[name]["median_s"])
    print(json.dumps({
        "median_s": {name: one["median_s"] for name, one in found.items()},
        "cpu_s": {name: one["cpu_s"] for name, one in found.items()}, "slowest": slowest,
        "slowest_median_s": found[slowest]["median_s"], "slowest_cpu_s": found[slowest]["cpu_s"],
        "animation_s_per_picture": round(per_picture, 4), "animation_cpu_s_per_picture": round(of_cpu, 4),
        "n_regions": N_REGIONS, "n_times": N_TIMES,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
