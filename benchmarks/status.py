"""How long it takes to say where the work stands, with many runs.

    python benchmarks/status.py [--runs 15000] [--quick]

A tiny study is extracted; the card of one run is then copied for as many runs as asked for, in folders as the HCP's are
(14 runs a person). Timed is `survey` (processor time), and, with a hundredth of the runs, how it grows: 1 is in
proportion.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from interruptions import make_study

PER_PERSON = 14


def multiply(out: Path, n_runs: int) -> None:
    """Replace the series of a study by cards of `n_runs` runs, and list them in the index."""
    path = next(out.rglob("*_stat-mean_timeseries.json"))
    card = json.loads(path.read_text())
    for person in out.glob("sub-*"):
        shutil.rmtree(person)
    index = json.loads((out / ".workflow" / "runs.json").read_text())
    rows, runs = [], []
    for number in range(n_runs):
        key = f"sub-{100000 + number // PER_PERSON}_task-{number % PER_PERSON:02d}"
        place = out / key.split("_")[0] / "func" / f"{key}_atlas-Custom_stat-mean_timeseries.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        if number % 10:  # every tenth is still to be done
            place.write_text(json.dumps({**card, "Run": key, "AbsentRegions": [f"region-{k}" for k in range(20)]}))
        rows.append({"run": key, "status": "found", "message": ""})
        subject, task = key.removeprefix("sub-").split("_task-")
        runs.append({**index["runs"][0], "subject": subject, "task": task})
    (out / ".workflow" / "runs.json").write_text(json.dumps({**index, "log": rows, "runs": runs}))


def measure(config: Path, n_runs: int, repeats: int) -> float:
    """Return the median seconds of processor time of a survey of so many runs."""
    from fmri_saliency.pipeline import load_config
    from fmri_saliency.pipeline.progress.state import survey

    settings = load_config(config)
    multiply(settings.output.path, n_runs)
    spent = []
    for _ in range(repeats):
        begin = time.process_time()
        found = survey(settings)
        spent.append(time.process_time() - begin)
    step = found.steps[0]
    if (step.done, step.waiting) != (n_runs - -(-n_runs // 10), -(-n_runs // 10)):
        raise SystemExit(f"Counted wrongly: {step}")
    return median(spent)


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, help="default 15000, or 1500 with --quick")
    parser.add_argument("--quick", action="store_true", help="few runs")
    options = parser.parse_args()
    n_runs = options.runs or (1500 if options.quick else 15000)
    from fmri_saliency.cli import main as call

    with tempfile.TemporaryDirectory(prefix="status-") as name:
        config = make_study(Path(name))
        if call(["extract", str(config)]):
            raise SystemExit("The study cannot be extracted.")
        few = measure(config, max(10, n_runs // 100), 5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        many = measure(config, n_runs, 3)
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    growth = many / n_runs / (few / max(10, n_runs // 100))
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(f"{n_runs} runs: {many:.2f} s ({1000 * many / n_runs:.3f} ms a run), {more / unit:.0f} MB more; the time per "
          f"run grows {growth:.2f}-fold from a hundredth of the runs")
    print(json.dumps({"runs": n_runs, "seconds": round(many, 3), "growth_of_time_per_run": round(growth, 3),
                      "more_mb": round(more / unit, 1)}))  # fmt: skip


if __name__ == "__main__":
    main()
