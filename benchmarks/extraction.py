"""How fast region series are read, and in how much memory, beside nilearn's masker and the floor of decompressing.

Call it as ``python benchmarks/extraction.py [--quick]``. A scan of 91 x 109 x 91 voxels and 405 frames (with --quick:
fewer) and 400 parcels are made on the spot. Every measurement is a process of its own; times are without imports,
ratios are of medians of interleaved repetitions (``_time`` by the clock, ``_cpu`` of the processor's time, which other
work on the machine does not lengthen), memory is the whole process's peak. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.maskers import NiftiLabelsMasker
from nilearn.regions import img_to_signals_labels
from nilearn.signal import clean
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from tqdm.auto import tqdm

from fmri_saliency.disk.images import gzip_ng
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import Cleaning, extract_run

T_R = 0.72
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
FULL, QUICK = (91, 109, 91, 405), (91, 109, 91, 40)
KINDS = ("streaming", "masker", "floor", "floor_zlib")
CLEANING = {"detrend": True, "standardize": "zscore_sample", "high_pass": 0.008, "t_r": T_R}
CHUNK = 1 << 22


def make_brain(shape: tuple[int, int, int]) -> np.ndarray:
    """Return an ellipsoid of about 230,000 voxels of 2 mm, as a brain has."""
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    return sum((axis / radius) ** 2 for axis, radius in zip(axes, (0.78, 0.8, 0.78), strict=True)) < 1


def make_labels(brain: np.ndarray, n_regions: int, rng: np.random.Generator) -> np.ndarray:
    """Return parcels of about the voxels of a cortex: of every voxel in some folds, the nearest of random centres."""
    folds = brain & (gaussian_filter(rng.standard_normal(brain.shape), 3) > 0)
    voxels = np.argwhere(folds)
    centres = voxels[rng.choice(len(voxels), n_regions, replace=False)]
    labels = np.zeros(brain.shape, dtype=np.int32)
    labels[folds] = cKDTree(centres).query(voxels)[1] + 1
    return labels


def write_scan(path: Path, shape: tuple[int, int, int, int], brain: np.ndarray, kind: type) -> None:
    """Write smooth fluctuations of 1.5 % and white noise of 2 % around 10000, exactly 0 outside the brain."""
    rng = np.random.default_rng(0)
    modes = np.array([gaussian_filter(rng.standard_normal(brain.shape), 4)[brain] for _ in range(16)])
    modes *= 150 / np.linalg.norm(modes.std(axis=1))
    courses = rng.standard_normal((shape[3], len(modes)))
    image = nib.Nifti1Image(np.zeros((1, 1, 1), kind), AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_data_shape(shape)
    image.header.set_zooms((2, 2, 2, T_R))
    image.header["magic"], image.header["vox_offset"] = b"n+1", 352
    frame = np.zeros(brain.shape, kind)
    with gzip_ng.open(path, "wb", compresslevel=6) as stream:
        stream.write(image.header.binaryblock + bytes(4))
        for course in tqdm(courses, desc=f"Making {path.name}", unit="frame"):
            frame[brain] = 10_000 + course @ modes + 200 * rng.standard_normal(modes.shape[1], dtype=np.float32)
            stream.write(frame.tobytes(order="F"))


def make_atlas(folder: Path) -> Atlas:
    labels = np.asarray(nib.load(folder / "labels.nii.gz").dataobj)
    index = range(1, labels.max() + 1)
    return Atlas("Made", labels, AFFINE, pd.DataFrame({"index": index, "name": [f"r{i}" for i in index]}))


def read_exactly(path: Path, labels: nib.Nifti1Image) -> np.ndarray:
    """Average with nilearn in float64, a few frames at a time, and clean in float64."""
    image, parts = nib.load(path), []
    for first in range(0, image.shape[3], 27):
        few = nib.Nifti1Image(image.slicer[..., first : first + 27].get_fdata(), image.affine)
        parts.append(img_to_signals_labels(few, labels)[0])
    return clean(np.concatenate(parts), filter="cosine", **CLEANING)


def peak_mb() -> float:
    """Return the largest resident memory of this process so far.

    Where the system tells it, of this program alone: what getrusage says begins with the memory of the parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(row.split()[1]) / 1024 for row in status.read_text().splitlines() if row.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(kind: str, path: Path) -> None:
    """Do one thing, and print its seconds and the process's peak memory; series are left beside the scan."""
    labels = nib.load(path.parent / "labels.nii.gz")
    run = Run("01", "x", path, T_R, nib.load(path).shape[3])
    atlas, found = make_atlas(path.parent), None
    start, began = time.perf_counter(), time.process_time()
    if kind == "streaming":
        found = extract_run(run, atlas, Cleaning()).values
    elif kind == "masker":
        masker = NiftiLabelsMasker(labels, resampling_target=None, reports=False, clean_args={"filter": "cosine"},
                                   **CLEANING)  # fmt: skip
        found = masker.fit().transform(str(path))
    elif kind == "exact":
        found = read_exactly(path, labels)
    else:
        with (gzip_ng if kind == "floor" else gzip).open(path, "rb") as stream:
            while stream.read(CHUNK):
                pass
    seconds, cpu = time.perf_counter() - start, time.process_time() - began
    if found is not None:
        np.save(path.with_name(f"{kind}.npy"), found)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb()}))


def call(kind: str, path: Path) -> dict[str, float]:
    words = [sys.executable, __file__, "--measure", kind, "--scan", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(path: Path, repeats: int) -> dict[str, float]:
    """Measure every kind, interleaved, and compare the series."""
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for kind in tqdm([kind for _ in range(repeats) for kind in KINDS], desc=f"Measuring {path.name}", unit="process"):
        taken[kind].append(call(kind, path))
    call("exact", path)
    seconds, cpu = ({kind: statistics.median(one[what] for one in taken[kind]) for kind in KINDS}
                    for what in ("seconds", "cpu"))  # fmt: skip
    peak = {kind: max(one["peak_mb"] for one in taken[kind]) for kind in KINDS}
    series = {kind: np.load(path.with_name(f"{kind}.npy")) for kind in ("streaming", "masker", "exact")}
    for kind in KINDS:
        print(f"  {kind:12s} {seconds[kind]:8.2f} s   cpu {cpu[kind]:7.2f} s   peak {peak[kind]:6.0f} MB")
    return {
        "streaming_vs_masker_time": round(seconds["streaming"] / seconds["masker"], 4),
        "streaming_vs_masker_cpu": round(cpu["streaming"] / cpu["masker"], 4),
        "streaming_peak_mb": round(peak["streaming"]),
        "masker_peak_mb": round(peak["masker"]),
        "streaming_vs_floor_time": round(seconds["streaming"] / seconds["floor"], 3),
        "streaming_vs_floor_cpu": round(cpu["streaming"] / cpu["floor"], 3),
        "streaming_vs_zlib_floor_time": round(seconds["streaming"] / seconds["floor_zlib"], 3),
        "largest_difference": float(np.abs(series["streaming"] - series["masker"]).max()),
        "largest_difference_from_float64": float(np.abs(series["streaming"] - series["exact"]).max()),
        "masker_difference_from_float64": float(np.abs(series["masker"] - series["exact"]).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 frames, under a minute")
    parser.add_argument("--measure", choices=(*KINDS, "exact"), help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.scan)
        return
    shape, found = QUICK if options.quick else FULL, {}
    with tempfile.TemporaryDirectory() as folder:
        brain = make_brain(shape[:3])
        labels = make_labels(brain, 400, np.random.default_rng(0))
        nib.save(nib.Nifti1Image(labels, AFFINE), Path(folder) / "labels.nii.gz")
        for kind in (np.float32,) if options.quick else (np.float32, np.int16):
            path = Path(folder) / f"{np.dtype(kind).name}.nii.gz"
            write_scan(path, shape, brain, kind)
            print(f"{path.name}: {shape}, {path.stat().st_size / 1e6:.0f} MB, {brain.sum()} voxels of a brain, "
                  f"{(labels > 0).sum()} in parcels")
            found[np.dtype(kind).name] = compare(path, 2 if options.quick else 3)
            path.unlink()
    print(json.dumps({"shape": shape, **found["float32"], **{k: v for k, v in found.items() if k != "float32"}}))


if __name__ == "__main__":
    main()
