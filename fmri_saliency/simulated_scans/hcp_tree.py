"""Write a tree like the HCP's S1200 release, for trying what reads one: real names, lengths and event timings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from tqdm.auto import tqdm

from fmri_saliency.disk.files import atomic_path, write_text
from fmri_saliency.errors import InputError
from fmri_saliency.scans.hcp.events import HCP_TASKS
from fmri_saliency.scans.hcp.runs import DIRECTIONS, RESULTS, VARIANTS
from fmri_saliency.settings import LARGEST_SEED, Settings, bounds
from fmri_saliency.simulated_scans.hcp_protocol import protocol_events

__all__ = ["MadeTree", "make_hcp_tree"]

T_R = 0.72
FIELD = np.array([182.0, 218.0, 182.0])  # mm: 91 x 109 x 91 voxels of 2 mm
ORIGIN = np.array([90.0, -126.0, -72.0])  # mm, the centre of the HCP's first voxel; x runs from right to left
TEMPLATES = ".templates"


@dataclass(frozen=True)
class MadeTree(Settings, where="of made scans", error=InputError):
    """What is written.

    Attributes
    ----------
    subjects : tuple of str
        Names of folders; six digits in the release.
    tasks, directions : tuple of str
    shape : tuple of int
        Voxels of a volume, over the HCP's field of view; (91, 109, 91) is the HCP's own grid.
    variants : tuple of str
        Which scans each run has, see :data:`~fmri_saliency.scans.hcp.runs.VARIANTS`.
    mask : str
        Name of the brain mask.
    missing : tuple of str
        Runs that are left out: ``192237_MOTOR_RL``.
    share : bool
        Let runs of one task and direction be hard links to one set of files: a tree of 15,000 runs takes
        a minute and almost no space. Otherwise every scan has its own noise.
    seed : int
    """

    subjects: tuple[str, ...]
    tasks: tuple[str, ...] = field(default=tuple(HCP_TASKS), metadata=bounds(choices=HCP_TASKS, called="An HCP task"))
    directions: tuple[str, ...] = field(default=DIRECTIONS, metadata=bounds(choices=DIRECTIONS, called="A direction"))
    shape: tuple[int, int, int] = field(default=(6, 7, 6), metadata=bounds(low=2, high=1000, unit="voxels"))
    variants: tuple[str, ...] = field(default=("minimal",), metadata=bounds(choices=VARIANTS, called="A variant"))
    mask: str = "brainmask_fs.2.nii.gz"
    missing: tuple[str, ...] = ()
    share: bool = True
    seed: int = field(default=0, metadata=bounds(low=0, high=LARGEST_SEED))

    def _check_together(self) -> None:
        if any(VARIANTS[name].endswith(".dtseries.nii") for name in self.variants):
            raise InputError(f"Made scans are images of voxels; the variants {', '.join(self.variants)} came.")

    @property
    def runs(self) -> list[tuple[str, str, str]]:
        """Subject, task and direction of every run that is written."""
        every = [(s, task, d) for s in self.subjects for task in self.tasks for d in self.directions]
        return [run for run in every if "_".join(run) not in self.missing]

    @property
    def affine(self) -> np.ndarray:
        """Voxel to mm, shape (4, 4)."""
        size = FIELD / self.shape * (-1, 1, 1)
        corner = ORIGIN - np.array([-1.0, 1.0, 1.0])  # of the first voxel, whose centre is half of 2 mm inside
        return np.vstack([np.column_stack([np.diag(size), corner + size / 2]), [0, 0, 0, 1]])


def _brain(shape: tuple[int, int, int]) -> np.ndarray:
    """Return an ellipsoid, true inside."""
    axes = np.meshgrid(*((2 * np.arange(size) + 1) / size - 1 for size in shape), indexing="ij")
    return sum(axis**2 for axis in axes) <= 1


def _save(values: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    if values.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], T_R))
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _write_scan(path: Path, tree: MadeTree, n_times: int, seed: Sequence[int]) -> None:
    """Write noise around 10000 inside the brain and exactly 0 outside, as the HCP's scans have it."""
    rng = np.random.default_rng([tree.seed, *seed])
    values = rng.normal(10000, 100, (*tree.shape, n_times)).astype(np.float32)
    values[~_brain(tree.shape)] = 0
    _save(values, tree.affine, path)


def _write_events(folder: Path, task: str, direction: str) -> None:
    """Write the EV files; a condition that did not occur is an empty file, and Sync.txt is none."""
    for name, events in protocol_events(task, direction).items():
        lines = [f"{onset:.3f}\t{duration:.3f}\t1" for onset, duration in events]
        (folder / f"{name}.txt").write_text("\n".join(lines) + ("\n" if lines else ""), encoding="utf-8")
    (folder / "Sync.txt").write_text("12.345\n", encoding="utf-8")


def _write_movement(folder: Path, n_times: int, rng: np.random.Generator) -> None:
    """Write three translations (mm), three rotations (degrees) and their backward differences; and their RMS."""
    moved = 0.01 * rng.standard_normal((n_times, 6)).cumsum(axis=0)
    steps = np.diff(moved, axis=0, prepend=moved[:1])
    np.savetxt(folder / "Movement_Regressors.txt", np.hstack([moved, steps]), fmt="%.6f", delimiter="  ")
    arcs = np.hstack([steps[:, :3], 50 * np.deg2rad(steps[:, 3:])])  # rotations on a sphere of 50 mm
    np.savetxt(folder / "Movement_RelativeRMS.txt", np.sqrt((arcs**2).mean(axis=1)), fmt="%.6f")


def _write_run(folder: Path, name: str, tree: MadeTree, task: str, direction: str) -> None:
    """Write all files of a run of that name but its scans."""
    (folder / "EVs").mkdir(parents=True, exist_ok=True)
    _write_events(folder / "EVs", task, direction)
    n_times = HCP_TASKS[task].n_times
    place = [list(HCP_TASKS).index(task), DIRECTIONS.index(direction)]
    _write_movement(folder, n_times, np.random.default_rng([tree.seed, 1, *place]))
    brain = _brain(tree.shape)
    _save(brain.astype(np.uint8), tree.affine, folder / tree.mask)
    _save((10000 * brain).astype(np.float32), tree.affine, folder / f"{name}_SBRef.nii.gz")
    for number, variant in enumerate(tree.variants):
        _write_scan(folder / f"{name}{VARIANTS[variant]}", tree, n_times, [2, number, *place])


def _link(source: Path, target: Path) -> None:
    """Link every file of a folder into another one; copy where the file system has no links or no more."""
    (target / "EVs").mkdir(parents=True, exist_ok=True)
    for path in (*source.iterdir(), *(source / "EVs").iterdir()):
        if path.name != "EVs":
            there = target / path.relative_to(source)
            there.unlink(missing_ok=True)
            try:
                os.link(path, there)
            except OSError:
                shutil.copyfile(path, there)


def _write_families(out: Path, subjects: Sequence[str]) -> None:
    """Write a table like the HCP's restricted one: families of up to three, every tenth with a half-sibling."""
    lines = ["Subject,Age_in_Yrs,ZygosityGT,Family_ID,Mother_ID,Father_ID"]
    for number, subject in enumerate(subjects):
        mother = 50000 + number // 3
        father = 80000 + number // 3 + (10000 if number % 30 == 2 else 0)
        lines.append(f"{subject},{22 + number % 15},,{mother}_{father},{mother},{father}")
    write_text(out / "restricted.csv", "\n".join(lines) + "\n")


def make_hcp_tree(out: Path, tree: MadeTree, progress: bool = False) -> Path:
    """Write a tree of runs in the S1200 layout.

    Each run has its scans, mask, reference volume, ``EVs/`` with every file that the HCP writes for the
    task (:func:`~fmri_saliency.simulated_scans.hcp_protocol.protocol_events`) and movement regressors, with the
    HCP's numbers of frames. The scans are noise: there is no response in them. A table of
    families lies in ``restricted.csv``.

    Parameters
    ----------
    out : Path
        Becomes the folder that holds the subjects.
    tree : MadeTree
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        If `out` holds something already.
    """
    out = Path(out)
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty. Choose another folder.")
    kinds: Mapping[tuple[str, str], Path] = {
        (task, direction): out / TEMPLATES / f"tfMRI_{task}_{direction}"
        for task in tree.tasks
        for direction in tree.directions
    }
    for (task, direction), folder in kinds.items():
        _write_run(folder, folder.name, tree, task, direction)
    for number, (subject, task, direction) in enumerate(tqdm(tree.runs, desc="Making", unit="run",
                                                             disable=not progress)):
        source = kinds[task, direction]
        target = out / subject / RESULTS / source.name
        _link(source, target)
        if not tree.share:
            for variant in tree.variants:
                path = target / f"{source.name}{VARIANTS[variant]}"
                _write_scan(path, tree, HCP_TASKS[task].n_times, [3, number, list(VARIANTS).index(variant)])
    for subject in tree.subjects:
        (out / subject / RESULTS).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / TEMPLATES)
    _write_families(out, tree.subjects)
    return out
