"""How long it takes to index the derivatives of fMRIPrep, by our own reader and by others.

Call it as ``python benchmarks/indexing_bids.py``; it makes a tree of 15,008 runs (1,072 people, seven tasks, two
directions, eight files a run, and the raw data set beside it; hard links) in a temporary folder.
nilearn's reader is measured beside ours; bids2table, ancpbids and pybids where they can be imported, or by
``--python PATH``, an interpreter that has them. Every reader answers the same question, which files of the runs there
are and what their names say, in a process of its own, after its imports; readers take turns, and medians are compared.
``--quick`` takes 560 runs. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm.auto import tqdm

from fmri_saliency.scans import find_fmriprep
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids

TASKS = ("emotion", "gambling", "language", "motor", "relational", "social", "wm")
DIRECTIONS = ("LR", "RL")
RUNS_EACH = len(TASKS) * len(DIRECTIONS)
HEAD = "import json, sys, time\nroot = sys.argv[1]\n"
# the peak of this program alone: that of `resource` begins with the memory of the process that started it
TAIL = ("\nseconds = time.perf_counter() - begin\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(json.dumps([runs, seconds, int(peak.split()[1]) / 1024]))\n")  # fmt: skip
BEGIN = "begin = time.perf_counter()\n"
READERS = {
    "own": "from fmri_saliency.scans.fmriprep.tree import list_functional\n" + BEGIN
    + "found = list_functional(root)\n"
    "runs = sum(f.suffix == 'bold' and f.extension == '.nii.gz' for f in found)",
    "nilearn": "from nilearn.interfaces.bids import get_bids_files, parse_bids_filename\n" + BEGIN
    + "found = [parse_bids_filename(f) for f in get_bids_files(root, modality_folder='func')]\n"
    "runs = sum(f['suffix'] == 'bold' and f['extension'] == 'nii.gz' for f in found)",
    "bids2table": "import bids2table, pyarrow.compute as pc\n" + BEGIN
    + "chosen = (pc.field('suffix') == 'bold') & (pc.field('ext') == '.nii.gz')\n"
    "runs = bids2table.index_dataset(root).filter(chosen).num_rows",
    "ancpbids": "import ancpbids\n" + BEGIN
    + "runs = len(ancpbids.load_dataset(root).query(suffix='bold', extension='.nii.gz'))",
    "pybids": "from bids import BIDSLayout, BIDSLayoutIndexer\n" + BEGIN
    + "layout = BIDSLayout(root, validate=False, config=['bids', 'derivatives'],\n"
    "                    indexer=BIDSLayoutIndexer(validate=False, index_metadata=False))\n"
    "runs = len(layout.get(suffix='bold', extension='.nii.gz'))",
}  # fmt: skip
OTHERS = ("bids2table", "ancpbids", "pybids")


def make_tree(root: Path, n_subjects: int) -> Path:
    """Write one person, and link their files under the names of all others; return the derivatives."""
    out = simulate_bids(root, None, BidsSimulation(("0001",), TASKS, directions=DIRECTIONS, runs=("1",)))
    for base in (root, out):
        names = os.listdir(base / "sub-0001" / "func")
        for number in tqdm(range(2, n_subjects + 1), desc=f"Making {base.name}", unit="person", leave=False):
            label = f"sub-{number:04d}"
            folder = base / label / "func"
            folder.mkdir(parents=True)
            for name in names:
                os.link(base / "sub-0001" / "func" / name, folder / name.replace("sub-0001", label))
    return out


def index_once(reader: str, root: Path, python: str, limit: float) -> tuple[int, float, float] | str:
    """Index the tree in a process of its own; return runs, seconds and MB, or why it did not work."""
    path = {"PYTHONPATH": str(Path(__file__).parents[1])} if reader not in OTHERS else {}
    call = [python, "-W", "ignore", "-c", HEAD + READERS[reader] + TAIL, str(root)]
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=False, env=os.environ | path, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"not done in {limit:.0f} s"
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return tuple(json.loads(done.stdout.strip().splitlines()[-1]))


def compare(root: Path, n_runs: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Index by every reader in turn, several times; return the medians of those that found all runs."""
    rows: dict[str, list[tuple[int, float, float]]] = {}
    refused: set[str] = set(options.leave_out)
    for _ in range(options.repeats):
        for reader in READERS:
            if reader in refused:
                continue
            found = index_once(reader, root, options.python if reader in OTHERS else sys.executable, options.limit)
            if isinstance(found, str) or found[0] != n_runs:
                refused.add(reader)
                tqdm.write(f"{reader:>11}: left out, {found if isinstance(found, str) else f'{found[0]} runs found'}")
            else:
                rows.setdefault(reader, []).append(found)
    return {
        reader: {"seconds": round(statistics.median(r[1] for r in own), 3), "mb": round(own[0][2])}
        for reader, own in rows.items() if reader not in refused
    }  # fmt: skip


def time_finding(out: Path, n_subjects: int) -> float:
    """Return the seconds per run of finding them whole: names, headers, sidecars and events."""
    people = [f"{number:04d}" for number in range(1, n_subjects + 1)]
    begin = time.perf_counter()
    runs, _ = find_fmriprep(out, subjects=people)
    seconds = time.perf_counter() - begin
    if len(runs) != n_subjects * RUNS_EACH or not all(run.events and run.mask and run.confounds for run in runs):
        raise SystemExit(f"Expected {n_subjects * RUNS_EACH} whole runs; {len(runs)} came.")
    return seconds / len(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="560 runs, under a minute")
    parser.add_argument("--subjects", type=int, default=1072, help="14 runs each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the other readers")
    parser.add_argument("--leave-out", nargs="*", default=[], choices=OTHERS, help="readers not to measure")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that a reader may take")
    options = parser.parse_args()
    n_subjects = 40 if options.quick else options.subjects
    with tempfile.TemporaryDirectory() as folder:
        out = make_tree(Path(folder) / "raw", n_subjects)
        n_runs = n_subjects * RUNS_EACH
        found = compare(out, n_runs, options)
        few = max(1, n_subjects // 8)
        per_run = {few * RUNS_EACH: time_finding(out, few), n_runs: time_finding(out, n_subjects)}
    for reader, figures in sorted(found.items(), key=lambda pair: pair[1]["seconds"]):
        ratio = figures["seconds"] / found["own"]["seconds"]
        print(f"{reader:>11}: {figures['seconds']:.2f} s, {ratio:.1f} times ours, peak {figures['mb']:.0f} MB")
    for count, seconds in per_run.items():
        print(f"finding {count} runs with headers, sidecars and events: {1000 * seconds:.2f} ms a run")
    few_ms, all_ms = (1000 * seconds for seconds in per_run.values())
    result = {
        "runs": n_runs, "readers": found, "find_ms_per_run": round(all_ms, 3),
        "find_ms_per_run_of_an_eighth": round(few_ms, 3),
        "times_own": {r: round(f["seconds"] / found["own"]["seconds"], 2) for r, f in found.items()},
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
