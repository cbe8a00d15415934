"""How fast values of regions become maps, and in how much memory a map over time is written, beside nilearn.

Call it as ``python benchmarks/projection.py [--quick]``. Parcels and values are made on the spot, on the grid of 2 mm.
First, 400 labels are projected to some frames by ``project_labels`` and by ``NiftiLabelsMasker.inverse_transform``, and
32 overlapping maps of weights by ``project_maps`` and ``NiftiMapsMasker.inverse_transform``: ratios are of medians of
interleaved repetitions (``_time`` by the clock, ``_cpu`` of the processor's time), and images must be equal. Then
``stream_map`` writes 91 x 109 x 91 voxels and 405 frames in a process of its own, beside nibabel writing the same (not
with --quick), and the peak memory of each is that of the whole process, libraries included. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from extraction import AFFINE, T_R, make_brain, make_labels, peak_mb
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from tqdm.auto import tqdm

from fmri_saliency.brain import project_labels, project_maps, stream_map
from fmri_saliency.records import Atlas

SHAPE, FRAMES, QUICK = (91, 109, 91), 176, 20
LONG, REGIONS, MAPS, MAP_FRAMES = 405, 400, 32, 8


def make_atlas(labels: np.ndarray, maps: np.ndarray | None = None) -> Atlas:
    index = range(1, int(labels.max() if maps is None else maps.shape[3]) + 1)
    return Atlas("Made", labels, AFFINE, pd.DataFrame({"index": index, "name": [f"r{k}" for k in index]}), maps=maps)


def make_maps(brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return smooth blobs that overlap, and are 0 far from their middles."""
    centres = np.argwhere(brain)[rng.choice(brain.sum(), MAPS, replace=False)]
    maps = np.zeros((*brain.shape, MAPS), dtype=np.float32)
    for number, centre in enumerate(centres):
        point = np.zeros(brain.shape, dtype=np.float32)
        point[tuple(centre)] = 1
        blob = gaussian_filter(point, 6)
        maps[..., number] = np.where(blob > 0.01 * blob.max(), blob / blob.max(), 0)
    return maps


def smooth_values(n_times: int, n_regions: int) -> np.ndarray:
    """Return values that move as saliency does: smooth over 8 s, otherwise at random."""
    noise = np.random.default_rng(1).standard_normal((n_times, n_regions))
    return gaussian_filter1d(noise, 8 / T_R / 2.355, axis=0).astype(np.float32)


@dataclass(frozen=True)
class Comparison:
    """Ratios of times by the clock and of the processor, nilearn's seconds, and the largest difference of images."""

    time: float
    cpu: float
    seconds: float
    largest: float


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int, what: str) -> Comparison:
    """Let both make an image, in turns; the first turn, in which memory is touched for the first time, is left out."""
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    largest = 0.0
    for _ in tqdm(range(repeats + 1), desc=what, unit="turn"):
        images = {}
        for name, work in (("ours", ours), ("theirs", theirs)):
            start, began = time.perf_counter(), time.process_time()
            images[name] = work()
            taken[name].append((time.perf_counter() - start, time.process_time() - began))
        for k in range(images["ours"].shape[3]):
            one, other = (np.asarray(image.dataobj)[..., k] for image in images.values())
            largest = max(largest, float(np.abs(one - other).max()))
    middle = {name: [statistics.median(one) for one in zip(*turns[1:], strict=True)] for name, turns in taken.items()}
    clock, cpu = (one / other for one, other in zip(middle["ours"], middle["theirs"], strict=True))
    return Comparison(clock, cpu, middle["theirs"][0], largest)


def write(kind: str, folder: Path, n_times: int) -> None:
    """Write a long map, and print seconds and the peak memory of this process."""
    atlas, values = make_atlas(np.load(folder / "labels.npy")), smooth_values(n_times, REGIONS)
    start = time.perf_counter()
    path = folder / f"{kind}.nii.gz"
    if kind == "stream":
        stream_map(values, atlas, path, T_R)
    else:
        nib.save(project_labels(values, atlas, T_R), path)
    seconds = time.perf_counter() - start
    share = path.stat().st_size / (4 * n_times * atlas.labels.size)
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "share_of_raw_size": share}))


def call(kind: str, folder: Path, n_times: int) -> dict[str, float]:
    words = [sys.executable, __file__, "--write", kind, "--folder", str(folder), "--frames", str(n_times)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(n_times: int, repeats: int, kinds: tuple[str, ...], long: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    brain = make_brain(SHAPE)
    labels, maps = make_labels(brain, REGIONS, rng), make_maps(brain, rng)
    parcels, blobs = make_atlas(labels), make_atlas(maps.argmax(axis=3).astype(np.int32) + 1, maps)
    values, weights = smooth_values(n_times, REGIONS), smooth_values(MAP_FRAMES, MAPS)
    masker = NiftiLabelsMasker(nib.Nifti1Image(labels, AFFINE), standardize=None, reports=False).fit()
    parcels_found = compare(lambda: project_labels(values, parcels, T_R),
                            lambda: masker.inverse_transform(values), repeats, "Labels")  # fmt: skip
    by_maps = NiftiMapsMasker(nib.Nifti1Image(maps, AFFINE), standardize=None, reports=False).fit()
    maps_found = compare(lambda: project_maps(weights, blobs, T_R), lambda: by_maps.inverse_transform(weights), repeats,
                         "Maps")  # fmt: skip
    for what, one in ((f"{REGIONS} labels, {n_times} frames", parcels_found),
                      (f"{MAPS} maps, {MAP_FRAMES} frames", maps_found)):  # fmt: skip
        print(f"{what}: {one.time:.4f} of nilearn's {one.seconds:.2f} s (cpu {one.cpu:.4f}), difference "
              f"{one.largest:g}")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "labels.npy", labels)
        written = {kind: call(kind, Path(folder), long) for kind in tqdm(kinds, desc="Writing", unit="process")}
    for kind, one in written.items():
        print(f"{kind}: {long} frames in {one['seconds']:.1f} s, peak {one['peak_mb']:.0f} MB, "
              f"{one['share_of_raw_size']:.2%} of the raw size")  # fmt: skip
    found = written["stream"]
    return {
        "projection_vs_nilearn_time": round(parcels_found.time, 4),
        "peak_mb": round(found["peak_mb"]),
        "largest_difference": parcels_found.largest,
        "projection_vs_nilearn_cpu": round(parcels_found.cpu, 4),
        "maps_vs_nilearn_time": round(maps_found.time, 4),
        "maps_vs_nilearn_cpu": round(maps_found.cpu, 4),
        "maps_largest_difference": maps_found.largest,
        "frames_written": long,
        "share_of_raw_size": round(found["share_of_raw_size"], 4),
        **({"nibabel_peak_mb": round(written["nibabel"]["peak_mb"])} if "nibabel" in written else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 frames for the ratio, and no writing by nibabel")
    parser.add_argument("--write", choices=("stream", "nibabel"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, default=LONG, help="of the map that is written")
    options = parser.parse_args()
    if options.write:
        write(options.write, options.folder, options.frames)
    elif options.quick:
        print(json.dumps(measure(QUICK, 3, ("stream",), options.frames)))
    else:
        print(json.dumps(measure(FRAMES, 3, ("stream", "nibabel"), options.frames)))


if __name__ == "__main__":
    main()
