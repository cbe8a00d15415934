"""How the time and memory of finding runs grow with their number.

``python benchmarks/indexing.py`` makes trees of 500, 2,000 and 15,000 runs, with tiny volumes that are hard links to
one another, and finds the runs of each in a process of its own, several times in turn; ``--quick`` takes smaller trees.
The files are in the operating system's memory, as they are after a first look: a network disk adds what its latency
costs, which the number of files that are opened for a run tells. The last line is one JSON object.

Another layout is another entry of ``LAYOUTS``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

SIZES, QUICK = (500, 2000, 15000), (140, 560, 1400)
CHILD = """
import json, resource, sys, time
from pathlib import Path
from fmri_saliency.scans import Scans, find_runs
ask = json.loads(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, begin = peak(), time.perf_counter()
finding = find_runs(Scans(ask["layout"], Path(ask["path"]), **ask["options"]))
print(json.dumps([time.perf_counter() - begin, peak() - before, len(finding.runs)]))
"""


@dataclass(frozen=True)
class Layout:
    """How to make a tree of about `n` runs in a folder, and with which options its runs are found."""

    make: Callable[[Path, int], Path]
    options: dict[str, dict[str, Any]]


def make_hcp(folder: Path, n_runs: int) -> Path:
    """Make an S1200 tree: 14 runs a subject, rounded to whole subjects."""
    from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree

    subjects = tuple(str(100001 + number) for number in range(max(1, round(n_runs / 14))))
    return make_hcp_tree(folder, MadeTree(subjects))


LAYOUTS = {
    "hcp": Layout(make_hcp, {"every event file": {}, "21 states": {"events": "states"}}),
}


def find_once(layout: str, path: Path, options: dict[str, Any]) -> tuple[float, float, int]:
    """Find the runs of a tree in a fresh process; return seconds, MB added to the peak, and how many there are."""
    ask = json.dumps({"layout": layout, "path": str(path), "options": options})
    call = [sys.executable, "-W", "ignore", "-c", CHILD, ask]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
    return tuple(json.loads(done.stdout))


def measure(name: str, sizes: tuple[int, ...], repeats: int, folder: Path) -> dict[str, list[dict[str, float]]]:
    """Return, for each way of finding, a row per size; all are measured in turn, and medians are taken."""
    layout = LAYOUTS[name]
    trees = {}
    for size in sizes:
        begin = time.perf_counter()
        trees[size] = layout.make(folder / f"{name}-{size}", size)
        print(f"{name}: made a tree of about {size} runs in {time.perf_counter() - begin:.1f} s", flush=True)
    found = {(way, size): [] for way in layout.options for size in sizes}
    for _ in range(repeats):
        for (way, size), rows in found.items():
            rows.append(find_once(name, trees[size], layout.options[way]))
    table = {way: [] for way in layout.options}
    for (way, _), rows in found.items():
        seconds, megabytes, runs = (median(column) for column in zip(*rows, strict=True))
        table[way].append({"runs": int(runs), "seconds": round(seconds, 3), "peak_mb": round(megabytes, 1),
                           "ms_per_run": round(1000 * seconds / runs, 3)})
    return table


def header_ratio(folder: Path, repeats: int = 400) -> float:
    """Return how many times faster a scan's header is read than its image is opened; medians, in turn."""
    import nibabel as nib

    from fmri_saliency.scans.images import read_bold_header

    path = next(folder.rglob("tfMRI_WM_LR.nii.gz"))
    times: dict[Callable[[Path], Any], list[float]] = {nib.load: [], read_bold_header: []}
    for _ in range(repeats):
        for read, spent in times.items():
            begin = time.perf_counter()
            read(path)
            spent.append(time.perf_counter() - begin)
    return median(times[nib.load]) / median(times[read_bold_header])


def show(name: str, table: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Print a layout's rows; return them with how much slower a run becomes from the smallest tree to the largest."""
    summary: dict[str, Any] = {}
    for way, rows in table.items():
        for row in rows:
            print(f"{name:>6}, {way}: {row['runs']:>6} runs in {row['seconds']:.2f} s ({row['ms_per_run']:.2f} ms a "
                  f"run), {row['peak_mb']:.0f} MB beyond what importing takes")
        growth = rows[-1]["ms_per_run"] / rows[0]["ms_per_run"]
        print(f"{name:>6}, {way}: from {rows[0]['runs']} to {rows[-1]['runs']} runs, the time per run grows "
              f"{growth:.2f}-fold (1: linear)")
        summary[way] = {"sizes": rows, "growth_of_time_per_run": round(growth, 2)}
    return summary


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", choices=LAYOUTS, action="append", help="only this one (repeatable)")
    parser.add_argument("--quick", action="store_true", help="small trees, under a minute")
    parser.add_argument("--repeats", type=int, help="default 3, or 2 with --quick")
    options = parser.parse_args()
    repeats = options.repeats or (2 if options.quick else 3)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="indexing-") as name:
        folder = Path(name)
        for layout in options.layout or LAYOUTS:
            table = measure(layout, QUICK if options.quick else SIZES, repeats, folder)
            result[layout] = show(layout, table)
        if "hcp" in result:
            result["header_speed_ratio"] = round(header_ratio(folder), 2)
            print(f"header: read {result['header_speed_ratio']:.1f} times faster than by opening the image")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
