"""Kill a whole job at random moments, run it again, and compare every file with an uninterrupted job's.

    python benchmarks/interruptions.py [--times 50] [--seed 0] [--by run|snakemake] [--quick]

A tiny study (six scans of 16 x 14 x 12 voxels, three folds, two networks) goes through all steps. Each time it is
killed (SIGKILL to its process group) at a random moment of its duration, up to three times in a row, and then run to
its end in the same folder. What must be equal, byte for byte, is every file but those in `.workflow`, which say who
worked when. The job is a fork of this process, in which the libraries are loaded: the moments fall on the work. By
Snakemake (on the PATH), the job is the workflow, in chunks of two scans, and every job of it starts a process.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import nibabel as nib
import numpy as np

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
DECLARED = (".workflow",)
"""Below the output folder, what may differ: it says who worked when, and how long it took."""
CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
[atlas]
labels = "labels.nii.gz"
table = "labels.tsv"
[cleaning]
high_pass = 0.0
[decoder]
network = "input-cell-lstm"
compare = ["lstm"]
folds = 3
[decoder.architecture]
hidden_size = 4
hops = 2
attention_size = 4
[decoder.training]
max_epochs = 5
[saliency]
method = "input-x-gradient"
[output]
path = "../results"
"""
SHAPE, N_TIMES, N_REGIONS = (16, 14, 12), 20, 6


def make_study(folder: Path, n_subjects: int = 3, seed: int = 0) -> Path:
    """Write tiny scans of two tasks each, an atlas and a configuration into ``folder/scans``; return the latter."""
    rng = np.random.default_rng(seed)
    affine = np.array([[9.0, 0, 0, -70], [0, 10, 0, -90], [0, 0, 10, -50], [0, 0, 0, 1]])
    scans = folder / "scans"
    scans.mkdir(parents=True)
    labels = np.zeros(SHAPE, dtype=np.int16)
    for number in range(N_REGIONS):
        labels[2 + 2 * number : 4 + 2 * number, 3:11, 3:9] = number + 1
    nib.save(nib.Nifti1Image(labels, affine), scans / "labels.nii.gz")
    names = "".join(f"{number}\tr{number}\n" for number in range(1, N_REGIONS + 1))
    (scans / "labels.tsv").write_text("index\tname\n" + names)
    rows = ["subject\ttask\tbold"]
    for subject in range(1, n_subjects + 1):
        for place, task in enumerate(("one", "two")):
            values = 100 + rng.standard_normal((*SHAPE, N_TIMES))
            values[2 + 2 * place : 4 + 2 * place, ..., 5:12] += 5
            image = nib.Nifti1Image(values.astype(np.float32), affine)
            image.header.set_xyzt_units("mm", "sec")
            image.header.set_zooms((*image.header.get_zooms()[:3], 2.0))
            nib.save(image, scans / f"sub-{subject:02d}_{task}.nii.gz")
            rows.append(f"{subject:02d}\t{task}\tsub-{subject:02d}_{task}.nii.gz")
    (scans / "runs.tsv").write_text("\n".join(rows) + "\n")
    (scans / "study.toml").write_text(CONFIG)
    return scans / "study.toml"


def contents(out: Path) -> dict[str, bytes]:
    """Return every file that must be equal, by its path below the output folder."""
    found = {}
    for path in out.rglob("*"):
        place = path.relative_to(out)
        if path.is_file() and place.parts[0] not in DECLARED:
            found[place.as_posix()] = path.read_bytes()
    return found


def become_snakemake(config: Path) -> None:
    """Turn this process into the workflow of a configuration."""
    words = os.open(config.parent / f"said-{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(words, 1)
    os.dup2(words, 2)
    os.chdir(config.parent)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where fmri-saliency is
    os.execvp("snakemake", ["snakemake", "--snakefile", str(WORKFLOWS / "Snakefile"), "--profile",
                            str(WORKFLOWS / "profiles" / "local"), "--config", f"configuration={config}",
                            "chunk_size=2"])  # fmt: skip


def start(config: Path, by: str = "run") -> int:
    """Start a job in a process group of its own; return its number."""
    from fmri_saliency.cli import main

    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    os.setsid()
    code = 1
    try:
        if by == "snakemake":
            become_snakemake(config)
        words = io.StringIO()
        with redirect_stdout(words), redirect_stderr(words):
            code = main([by, str(config)])
        (config.parent / f"said-{os.getpid()}.txt").write_text(words.getvalue())
    finally:
        os._exit(code)


def finish(child: int) -> int:
    """Wait for a job; return its exit code, below 0 where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def newest(out: Path) -> str:
    """Say what a killed job wrote last."""
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else []
    if not files:
        return "nothing yet"
    place = max(files, key=lambda path: path.stat().st_mtime_ns).relative_to(out)
    return "work" if place.parts[0] in DECLARED else place.parts[0].split("-")[0]


def kill_and_compare(folder: Path, times: int, seed: int, by: str = "run") -> dict[str, object]:
    """Kill and repeat; return how often every file was equal, and what differed where not."""
    chance = random.Random(seed)
    config = make_study(folder)
    out, begin = folder / "results", time.perf_counter()
    if finish(start(config, by)):
        raise SystemExit("The uninterrupted job failed.")
    wanted, whole = contents(out), time.perf_counter() - begin
    equal, moments, differing = 0, Counter(), []
    for number in range(1, times + 1):
        shutil.rmtree(out)
        shutil.rmtree(config.parent / ".snakemake", ignore_errors=True)
        for _ in range(chance.choice((1, 1, 2, 3))):
            child = start(config, by)
            time.sleep(chance.uniform(0, whole))
            os.killpg(child, signal.SIGKILL) if os.getpgid(child) == child else os.kill(child, signal.SIGKILL)
            moments["after the end" if finish(child) == 0 else newest(out)] += 1
        code, found = finish(start(config, by)), contents(out)
        bad = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        equal += code == 0 and not bad
        if code or bad:
            differing.append({"time": number, "exit": code, "files": bad[:10]})
        print(f"{number} of {times}: {'equal' if not (code or bad) else f'exit {code}, {bad[:5]}'}", flush=True)
    return {"by": by, "times": times, "equal": equal, "files": len(wanted), "seconds_uninterrupted": round(whole, 2),
            "killed_after_writing": dict(moments), "differing": differing}  # fmt: skip


def main() -> None:
    """Interrupt as often as asked for, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, help="default 50, or 5 with --quick")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--by", choices=("run", "snakemake"), default="run", help="what does the job")
    parser.add_argument("--quick", action="store_true", help="few times")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    import fmri_saliency.pipeline  # noqa: F401

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="interruptions-") as name:
        result = kill_and_compare(Path(name), options.times or (5 if options.quick else 50), options.seed,
                                  options.by)
    print(f"{result['equal']} of {result['times']} times every one of {result['files']} files was equal.")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
