"""Tiny valid studies in each layout, for benchmarks/fuzz.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids
from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree

LAYOUTS = ("table", "fmriprep", "hcp")
CONFIG = """[scans]
layout = "{layout}"
path = "{path}"
space = "MNI152NLin6Asym"

[atlas]
name = "Tiny"
labels = "atlas.nii.gz"
table = "atlas.tsv"
space = "MNI152NLin6Asym"

[cleaning]
high_pass = 0.01
confounds = [{confounds}]
min_coverage = 0.2

[samples]
unit = "{unit}"
length = {length}

[decoder]
split = "contiguous"
compare = []
folds = 2

[output]
path = "out"
n_jobs = 1
title = "A study"
"""
TABLE = {"layout": "table", "path": "runs.tsv", "confounds": '"trans_x", "rot_x"', "unit": "event", "length": 6.0}
FMRIPREP = {"layout": "fmriprep", "path": "raw/derivatives/fmriprep", "confounds": '"trans_x", "rot_x"',
            "unit": "event", "length": 6.0}  # fmt: skip
HCP = {"layout": "hcp", "path": "tree", "confounds": "", "unit": "event", "length": 10.0}


def save(values: np.ndarray, affine: np.ndarray, path: Path, t_r: float | None = None) -> None:
    """Write an image with its place and, of a series, its repetition time in seconds."""
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    if t_r is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    nib.save(image, path)


def write_atlas(folder: Path, shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Write four regions, the quarters of the grid's inside; return the labels."""
    labels = np.zeros(shape, np.int16)
    x, y = shape[0] // 2, shape[1] // 2
    for number, (i, j) in enumerate(((0, 0), (x, 0), (0, y), (x, y)), start=1):
        labels[max(i, 1) : i + x, max(j, 1) : j + y, 1:-1] = number
    save(labels, affine, folder / "atlas.nii.gz")
    sides = "LR" if affine[0, 0] > 0 else "RL"
    rows = "".join(f"{number}\tregion{number}\t{sides[1 - number % 2]}\n" for number in range(1, 5))
    (folder / "atlas.tsv").write_text("index\tname\themisphere\n" + rows)
    return labels


def make_table(folder: Path, n_times: int = 24) -> None:
    """Write two people with two runs each: scans as .nii and .nii.gz, events, confounds, masks, sidecars."""
    rng, affine = np.random.default_rng(0), np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = -20, -24, -12
    labels = write_atlas(folder, (6, 7, 5), affine)
    rows = ["subject\ttask\tbold\tevents\tconfounds\tmask\tt_r"]
    for subject in ("01", "02"):
        for place, task in enumerate(("one", "two")):
            stem = f"sub-{subject}_task-{task}"
            values = 1000 + 5 * rng.standard_normal((*labels.shape, n_times))
            values[labels == 1 + place] += np.sin(np.arange(n_times))
            bold = f"{stem}_bold.nii" + (".gz" if place else "")
            save(values.astype(np.float32), affine, folder / bold, 2.0)
            (folder / f"{stem}_bold.json").write_text(json.dumps({"RepetitionTime": 2.0, "TaskName": task}, indent=1))
            save((labels > -1).astype(np.uint8), affine, folder / f"{stem}_mask.nii.gz")
            events = [f"{4 + 10 * k}\t4\t{('left', 'right')[k % 2]}\n" for k in range(4)]
            (folder / f"{stem}_events.tsv").write_text("onset\tduration\ttrial_type\n" + "".join(events))
            noise = [f"{a:.5f}\t{b:.5f}\n" for a, b in rng.normal(0, 0.01, (n_times, 2))]
            (folder / f"{stem}_confounds.tsv").write_text("trans_x\trot_x\n" + "".join(noise))
            rows.append(f"{subject}\t{task}\t{bold}\t{stem}_events.tsv\t{stem}_confounds.tsv\t{stem}_mask.nii.gz\t2.0")
    (folder / "runs.tsv").write_text("\n".join(rows) + "\n")
    (folder / "config.toml").write_text(CONFIG.format(**TABLE))


def make_fmriprep(folder: Path) -> None:
    """Write the derivatives of two people, beside their raw data."""
    settings = BidsSimulation(subjects=("01", "02"), tasks=("look",), spaces=(("MNI152NLin6Asym", "2"),), n_times=24,
                              shape=(6, 7, 5))  # fmt: skip
    simulate_bids(folder / "raw", settings=settings)
    bold = next((folder / "raw" / "derivatives").rglob("*_bold.nii.gz"))
    write_atlas(folder, (6, 7, 5), nib.load(bold).affine)
    (folder / "config.toml").write_text(CONFIG.format(**FMRIPREP))


def make_hcp(folder: Path) -> None:
    """Write two people with one task in both directions, scans of their own."""
    tree = MadeTree(subjects=("100101", "100201"), tasks=("EMOTION",), shape=(5, 6, 5), share=False)
    make_hcp_tree(folder / "tree", tree)
    write_atlas(folder, tree.shape, tree.affine)
    (folder / "config.toml").write_text(CONFIG.format(**HCP))


def make_study(layout: str, folder: Path) -> Path:
    """Write a valid study into an empty folder; return its configuration."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    {"table": make_table, "fmriprep": make_fmriprep, "hcp": make_hcp}[layout](folder)
    return folder / "config.toml"
