"""What one run of full size costs with an atlas: processor time, memory, disk, by `fmri-saliency extract` itself.

    python benchmarks/full_size.py [--atlas labels.nii.gz --table labels.tsv] [--frames 284] [--quick]

A scan of 91 x 109 x 91 voxels (by default of 284 frames: the mean of the HCP's task runs is 277) with movement
regressors is made on the spot, and so are 400 parcels where no atlas is given. The command is called for one person,
and for several who share the scan; the difference is what a run costs, and the rest what a process costs. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from extraction import AFFINE, FULL, make_brain, make_labels, write_scan

SEVERAL = 4
CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
[atlas]
name = "Chosen"
labels = "labels.nii.gz"
table = "labels.tsv"
[cleaning]
high_pass = 0.008
confounds = ["all"]
[decoder]
split = "leave-one-run-out"
[output]
path = "results"
"""


def make_scans(folder: Path, frames: int, atlas: Path | None, table: Path | None) -> None:
    """Write a scan, its movement, and the atlas with its table."""
    brain, rng = make_brain(FULL[:3]), np.random.default_rng(0)
    write_scan(folder / "scan.nii.gz", (*FULL[:3], frames), brain, np.float32)
    np.savetxt(folder / "movement.txt", rng.standard_normal((frames, 12)).cumsum(axis=0) / 100)
    if atlas is None:
        labels = make_labels(brain, 400, rng)
        nib.save(nib.Nifti1Image(labels, AFFINE), folder / "labels.nii.gz")
        (folder / "labels.tsv").write_text("index\tname\n" + "".join(f"{k}\tr{k}\n" for k in range(1, 401)))
    else:
        shutil.copy(atlas, folder / "labels.nii.gz")
        shutil.copy(table, folder / "labels.tsv")


def extract(folder: Path, people: int) -> dict[str, float]:
    """Extract the scan for so many people in a process of its own; return seconds of the processor, and MB."""
    for k in range(1, people + 1):
        (folder / f"{k}.nii.gz").unlink(missing_ok=True)
        os.link(folder / "scan.nii.gz", folder / f"{k}.nii.gz")
    rows = [f"{k:03d}\tx\t{k}.nii.gz\tmovement.txt" for k in range(1, people + 1)]
    (folder / "runs.tsv").write_text("\n".join(["subject\ttask\tbold\tconfounds", *rows]) + "\n")
    (folder / "config.toml").write_text(CONFIG)
    shutil.rmtree(folder / "results", ignore_errors=True)
    words = [sys.executable, "-m", "fmri_saliency.cli", "extract", str(folder / "config.toml")]
    child = os.posix_spawn(sys.executable, words, os.environ)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit("The scan could not be extracted.")
    size = sum(path.stat().st_size for path in (folder / "results").rglob("sub-*/**/*") if path.is_file())
    return {"cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024, "disk_mb": size / 2**20}


def main() -> None:
    """Measure, and print a line and a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atlas", type=Path, help="an image of labels, on any grid")
    parser.add_argument("--table", type=Path, help="its regions")
    parser.add_argument("--frames", type=int, default=284)
    parser.add_argument("--quick", action="store_true", help="40 frames")
    options = parser.parse_args()
    frames = 40 if options.quick else options.frames
    with tempfile.TemporaryDirectory(prefix="full-size-") as name:
        folder = Path(name)
        make_scans(folder, frames, options.atlas, options.table)
        scan_mb = (folder / "scan.nii.gz").stat().st_size / 2**20
        extract(folder, 1)  # what is compiled once
        one, several = extract(folder, 1), extract(folder, SEVERAL)
    run = {key: (several[key] - one[key]) / (SEVERAL - 1) for key in ("cpu", "disk_mb")}
    found = {"frames": frames, "scan_mb": scan_mb, "cpu_a_run": run["cpu"], "disk_mb_a_run": run["disk_mb"],
             "cpu_of_the_process": one["cpu"] - run["cpu"], "peak_mb": several["peak_mb"]}  # fmt: skip
    found = {key: round(value, 2) for key, value in found.items()}
    print(f"{frames} frames: {found['cpu_a_run']} s a run and {found['cpu_of_the_process']} s a process, of processor "
          f"time; {found['peak_mb']} MB at the peak; {found['disk_mb_a_run']} MB of files a run")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
