"""Write simulated scans in the HCP layout, with their truth beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation

from fmri_saliency.disk.files import atomic_path, read_json, write_json, write_text, write_tsv
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas
from fmri_saliency.scans.hcp.runs import DIRECTIONS
from fmri_saliency.settings import LARGEST_SEED, Settings, bounds
from fmri_saliency.simulation import TaskPlan, autocorrelated_noise, plan_tasks, subject_gains

__all__ = ["DEMO_TASKS", "SimulationSettings", "simulate_hcp", "subject_names"]

DEMO_TASKS = ("EMOTION", "GAMBLING", "MOTOR", "RELATIONAL")
BASELINE = 10000.0


@dataclass(frozen=True)
class SimulationSettings(Settings, where="of a simulation", error=InputError):
    """What is simulated. Amplitudes are in per cent of the voxel's mean.

    Attributes
    ----------
    subjects : int
    tasks : tuple of str
        Names of HCP tasks.
    seed : int
    effect : float
        Peak of the task response; 0 gives pure noise.
    noise : float
        Standard deviation of a voxel's noise, smooth in space and autocorrelated in time.
    drift, shared_noise : float
        Standard deviation of slow drift per region and of a signal common to the brain.
    gain_spread : float
        Spread (log) of how strongly the regions of different subjects respond.
    t_r : float
        Seconds per frame.
    """

    subjects: int = field(default=16, metadata=bounds(low=1, high=100_000))
    tasks: tuple[str, ...] = DEMO_TASKS
    seed: int = field(default=0, metadata=bounds(low=0, high=LARGEST_SEED))
    effect: float = field(default=1.0, metadata=bounds(low=-1000, high=1000, unit="per cent"))
    noise: float = field(default=1.0, metadata=bounds(low=0, high=1000, unit="per cent"))
    drift: float = field(default=0.5, metadata=bounds(low=0, high=1000, unit="per cent"))
    shared_noise: float = field(default=0.2, metadata=bounds(low=0, high=1000, unit="per cent"))
    gain_spread: float = field(default=0.3, metadata=bounds(low=0, high=10))
    t_r: float = field(default=0.72, metadata=bounds(low=0.05, high=100, unit="seconds"))

    def _check_together(self) -> None:
        if len(set(self.tasks)) != len(self.tasks) or not self.tasks:
            raise InputError(f"Tasks must be given once each; {', '.join(self.tasks) or 'none'} came.")


def subject_names(n_subjects: int) -> list[str]:
    """Return six-digit names, as the HCP gives them."""
    return [str(100101 + 100 * i) for i in range(n_subjects)]


def _noise(shape: tuple[int, int, int], n_times: int, settings: SimulationSettings, rng: Any) -> np.ndarray:
    noise = settings.noise * autocorrelated_noise((n_times, *shape), rng, correlation=0.4, smoothness=0.7)
    common = settings.shared_noise * autocorrelated_noise((n_times, 1, 1, 1), rng, correlation=0.8)
    return np.moveaxis(noise + common, 0, -1)


def _signal(plan: TaskPlan, gains: np.ndarray, settings: SimulationSettings, rng: Any) -> np.ndarray:
    """Return what every region does, per cent, shape (n_regions, n_times)."""
    n_times, n_regions = plan.expected.shape
    response = settings.effect * gains * (plan.expected + plan.shared)
    phase = np.linspace(0, np.pi, n_times)
    waves = np.stack([np.cos(k * phase) for k in (1, 2)])
    drift = settings.drift * rng.standard_normal((n_regions, 2)) @ waves
    return response.T + drift


def _write_events(plan: TaskPlan, folder: Path) -> None:
    for condition in plan.regions:
        lines = [f"{b.onset:.3f}\t{b.duration:.3f}\t1" for b in plan.blocks if b.condition == condition]
        write_text(folder / f"{condition}.txt", "\n".join(lines) + "\n")
    write_text(folder / "Sync.txt", "0.000\n")


def _save_image(values: np.ndarray, atlas: Atlas, path: Path, t_r: float | None) -> None:
    image = nib.Nifti1Image(values, atlas.affine)
    image.header.set_xyzt_units("mm", "sec")
    if t_r:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    image.set_sform(atlas.affine, 4)
    image.set_qform(atlas.affine, 4)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _write_run(folder: Path, plan: TaskPlan, atlas: Atlas, gains: np.ndarray, settings: Any, rng: Any) -> None:
    """Write one run folder; the BOLD image last, so that its presence means the run is whole."""
    brain = binary_dilation(atlas.labels > 0)
    n_times = plan.expected.shape[0]
    percent = _noise(atlas.labels.shape, n_times, settings, rng)
    regional = np.concatenate([np.zeros((1, n_times)), _signal(plan, gains, settings, rng)]).astype(np.float32)
    place = np.zeros(int(atlas.labels.max()) + 1, dtype=np.intp)
    place[atlas.regions["index"]] = np.arange(1, atlas.n_regions + 1)
    percent += regional[place[atlas.labels]]
    bold = np.where(brain[..., None], BASELINE * (1 + percent / 100), 0).astype(np.int16)
    movement = 0.02 * rng.standard_normal((n_times, 6)).cumsum(axis=0)
    steps = np.diff(movement, axis=0, prepend=movement[:1])
    rows = ["  ".join(f"{value:.6f}" for value in row) for row in np.hstack([movement, steps])]
    write_text(folder / "Movement_Regressors.txt", "\n".join(rows) + "\n")
    _write_events(plan, folder / "EVs")
    _save_image(brain.astype(np.uint8), atlas, folder / "brainmask_fs.2.nii.gz", None)
    _save_image(bold, atlas, folder / f"{folder.name}.nii.gz", settings.t_r)


def _simulate_run(out: Path, plan: TaskPlan, atlas: Atlas, settings: Any, place: tuple[int, int, int]) -> None:
    """Write the run of subject, task and direction number `place`, unless it is there."""
    subject, task, direction = place
    name = f"tfMRI_{settings.tasks[task]}_{DIRECTIONS[direction]}"
    folder = out / subject_names(settings.subjects)[subject] / "MNINonLinear" / "Results" / name
    if (folder / f"{name}.nii.gz").is_file():
        return
    gains = subject_gains(atlas.n_regions, np.random.default_rng([settings.seed, 2, subject]), settings.gain_spread)
    _write_run(folder, plan, atlas, gains, settings, np.random.default_rng([settings.seed, 3, *place]))


def _write_truth(folder: Path, plans: dict[str, TaskPlan], names: Sequence[str], settings: Any) -> None:
    for task, plan in plans.items():
        for kind, values in (("response", plan.expected), ("shared", plan.shared)):
            write_tsv(folder / f"task-{task.lower()}_{kind}.tsv", pd.DataFrame(values.round(4), columns=list(names)))
    regions = {
        task.lower(): {condition: [names[i] for i in members] for condition, members in plan.regions.items()}
        for task, plan in plans.items()
    }
    write_json(folder / "truth.json", {"threshold": 0.5, "regions": regions, "settings": asdict(settings)})


def simulate_hcp(
    out: Path, atlas: Atlas, settings: SimulationSettings, progress: bool = False, n_jobs: int = 1
) -> Path:
    """Write task runs of several subjects in the HCP S1200 layout, and their truth.

    Every task drives its own regions; half of them in the blocks of one condition, half
    in those of the other, after convolution with the haemodynamic response. Six more
    regions respond strongly and alike in all tasks, and so tell nothing about the task.
    Subjects differ in how strongly each region responds. Noise is smooth in space,
    autocorrelated in time, and has drift and a component common to the whole brain.

    Parameters
    ----------
    out : Path
        Becomes the folder that holds the subjects, and ``truth/``.
    atlas : Atlas
        On the coarse grid that the scans shall have.
    settings : SimulationSettings
    progress : bool
        Show a progress bar.
    n_jobs : int
        Processes; the files do not depend on it.

    Returns
    -------
    Path
        `out`. Runs that exist are left as they are, so an interrupted call can be repeated.

    Raises
    ------
    InputError
        If `out` holds a simulation with other settings.
    """
    out = Path(out)
    plans = plan_tasks(settings.tasks, atlas.n_regions, settings.seed, t_r=settings.t_r)
    card = out / "truth" / "truth.json"
    wanted = {**asdict(settings), "tasks": list(settings.tasks)}
    if card.is_file():
        if read_json(card)["settings"] != wanted:
            raise InputError(f"{out} holds a simulation with other settings (see {card}). Choose another folder or "
                             "remove this one.")
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no simulation. Choose another folder.")
    else:
        _write_truth(card.parent, plans, atlas.names, settings)
    jobs = [
        (out, plans[task], atlas, settings, (s, t, d))
        for s in range(settings.subjects)
        for t, task in enumerate(settings.tasks)
        for d in range(len(DIRECTIONS))
    ]
    run_jobs(_simulate_run, jobs, n_jobs, "Simulating", "run", progress)
    return out
