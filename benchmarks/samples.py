"""How much memory samples take: cutting them, training on them for an epoch, and explaining them.

Call it as ``python benchmarks/samples.py [--quick] [--samples N ...]``. Made series of 284 frames and 100 regions, one
per run, are cut to samples of 176 frames on disk. Every part is a process of its own; its peak is of the memory that
belongs to it alone, above what it has after its imports (on Linux: `RssAnon`, without the pages of the mapped file,
which the system takes back when it needs them; elsewhere all resident memory). ``train-in-memory`` is what training
takes when the array is read and its folds are copied. Times are in seconds of this machine, for their growth with the
number of samples only. ``explain`` is of the fifth that is held out in a fold, ``explain-all`` of all samples, whose
maps are then averaged by person. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from fmri_saliency.decoding import TaskDecoder, Training
from fmri_saliency.disk.files import write_rows
from fmri_saliency.disk.rows import Rows
from fmri_saliency.records import RegionSeries, Run, Samples
from fmri_saliency.saliency import SaliencySettings, average_covered, explain_samples, rows_of_people
from fmri_saliency.series import Windows, cut_to_disk, read_samples

T_R, FRAMES, LENGTH, REGIONS = 0.72, 284, 176, 100
PARTS = ("cut", "train", "train-in-memory", "linear", "explain", "explain-all")
QUICK, FULL = (500, 2000), (1000, 4000, 15000)
STATUS = Path("/proc/self/status")


def memory() -> float:
    """Return the MB of this process."""
    if STATUS.is_file():
        lines = (line.split() for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
        return int(next(lines)[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


class Peak:
    """Watches the memory of this process from a thread, every few milliseconds."""

    def __enter__(self) -> Peak:
        self.start = self.most = memory()
        self.began = time.perf_counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.most = max(self.most, memory())

    def __exit__(self, *failure: object) -> None:
        self.most = max(self.most, memory())
        self._done.set()
        self._thread.join()
        self.seconds = time.perf_counter() - self.began


def make_runs(n: int) -> list[Run]:
    """Return `n` runs of two tasks, two per person."""
    return [Run(f"{k // 2:05d}", ("go", "stop")[k % 2], Path(f"{k}.nii.gz"), T_R, FRAMES) for k in range(n)]


def make_series(n: int) -> Iterator[RegionSeries]:
    """Yield `n` series, of which every second has a raised region."""
    names, rng = tuple(f"r{i}" for i in range(REGIONS)), np.random.default_rng(0)
    for k in range(n):
        values = rng.standard_normal((FRAMES, REGIONS), dtype=np.float32)
        values[20:60, 3] += k % 2
        yield RegionSeries(values, T_R, names, np.ones(REGIONS))


def run_part(part: str, n: int, folder: Path) -> dict[str, float]:
    """Do one part, and return its peak and its time."""
    if part == "cut":
        runs = make_runs(n)
        with Peak() as peak:
            cut_to_disk(make_series(n), runs, Windows(length=LENGTH * T_R), folder, {})
        return {"peak_mb": peak.most - peak.start, "seconds": peak.seconds, "before_mb": peak.start}
    training = Training(max_epochs=1)
    TaskDecoder("lstm", training=training).fit(np.random.default_rng(0).standard_normal((8, 5, 3)), list("abababab"))
    with Peak() as peak:
        samples = read_samples(folder)
        seen, held_out = np.arange(n) < 0.8 * n, np.arange(n) < 0.2 * n
        X, Xtest = Rows(samples.X, seen), Rows(samples.X, ~seen)
        if part == "train-in-memory":
            whole = np.array(samples.X)
            X, Xtest = whole[seen], whole[~seen]
        network = "logistic-regression" if part == "linear" else "input-cell-lstm"
        decoder = TaskDecoder(network, training=training)
        if part.startswith("explain"):
            asked = np.ones(n, bool) if part == "explain-all" else ~seen
            decoder.fit(Rows(samples.X, np.arange(64)), samples.y[:64])
            settings = SaliencySettings("input-x-gradient")
            found = explain_samples(decoder, Rows(samples.X, asked), samples.y[asked], T_R, samples.names, settings, X,
                                    to=folder / "maps.npy")  # fmt: skip
            if part == "explain-all":
                average(found.values, samples, folder / "people.npy")
        else:
            decoder.fit(X, samples.y[seen], validation=held_out[seen])
            decoder.predict(Xtest)
    return {"peak_mb": peak.most - peak.start, "seconds": peak.seconds, "before_mb": peak.start}


def average(maps: np.ndarray, samples: Samples, to: Path) -> None:
    """Average the maps of each person and class, one after the other, onto the disk."""
    people = rows_of_people(samples.table)
    covered = np.ones((len(maps), REGIONS), bool)
    parts = (average_covered(Rows(maps, rows), covered[rows])[None] for _, _, rows in people)
    write_rows(to, (len(people), *maps.shape[1:]), parts)


def measure(part: str, n: int, folder: Path) -> dict[str, float]:
    """Do one part in a process of its own, which has the imports of this one."""
    kind = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with multiprocessing.get_context(kind).Pool(1) as pool:
        return pool.apply(run_part, (part, n, folder))


def main() -> None:
    """Measure all parts for all numbers of samples, and print a table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples, under a minute")
    parser.add_argument("--samples", type=int, nargs="+", help="numbers of samples")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    sizes = options.samples or (QUICK if options.quick else FULL)
    parts = [part for part in PARTS if part in options.parts or part == "cut"]
    found: dict[str, dict[str, dict[str, float]]] = {part: {} for part in parts}
    bar = tqdm(total=len(sizes) * len(parts), desc="Measuring", unit="part")
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for part in parts:
                found[part][str(n)] = {k: round(v, 1) for k, v in measure(part, n, Path(folder)).items()}
                bar.update()
    bar.close()
    array = {str(n): round(4 * n * LENGTH * REGIONS / 2**20, 1) for n in sizes}
    print(f"{'samples':>8} {'array MB':>9} " + " ".join(f"{part:>22}" for part in parts) + "   (peak MB, seconds)")
    for n in map(str, sizes):
        row = " ".join(f"{found[part][n]['peak_mb']:>12.1f} {found[part][n]['seconds']:>7.1f} s" for part in parts)
        print(f"{n:>8} {array[n]:>9} {row}")
    print(json.dumps({"array_mb": array, **found}))


if __name__ == "__main__":
    main()
