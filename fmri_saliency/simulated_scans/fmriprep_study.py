"""Write simulated scans as fMRIPrep leaves them: a raw BIDS data set, and derivatives of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from fmri_saliency.disk.files import atomic_path, write_json, write_text, write_tsv
from fmri_saliency.errors import InputError
from fmri_saliency.settings import LARGEST_SEED, Settings, bounds
from fmri_saliency.simulation import autocorrelated_noise, expected_response

__all__ = ["BidsSimulation", "simulate_bids"]

BASELINE = 10000.0
BLOCK = 8.0
CONDITIONS = ("left", "right")
MOVED = 12
"""The frame before which every simulated person moves their head by 1 mm."""
RAW_SHAPE = (2, 2, 2)
BIDS_VERSION = "1.10.0"
MAKER = {"Name": "fmri_saliency", "Description": "simulated, in the layout of fMRIPrep"}
# what fMRIPrep itself puts there, and the sidecars of what it leaves out
IGNORED = ("*.html", "logs/", "figures/", "*_xfm.*", "*_boldref.nii.gz", "*_boldref.json", "*_mixing.tsv",
           "*_timeseries.tsv", "*_timeseries.json")  # fmt: skip
README = "A made data set: noise with a planted response. It has the layout of real ones, to try software on.\n"


@dataclass(frozen=True)
class BidsSimulation(Settings, where="of a simulation", error=InputError):
    """What is simulated.

    Attributes
    ----------
    subjects, tasks : tuple of str
        Labels.
    sessions, directions, runs : tuple of str
        Labels; the name has no such entity where the label is empty.
    spaces : tuple of (space, resolution)
        In which spaces the BOLD is written; no ``res`` entity where `resolution` is empty, the
        run's own space where both are.
    shape : tuple of int
        Voxels of the derivatives' grid, 8 mm each, around the origin of the MNI templates.
    n_times : int
        Frames.
    t_r : float
        Seconds per frame.
    seed : int
    """

    subjects: tuple[str, ...] = ("01", "02", "03")
    tasks: tuple[str, ...] = ("look", "move")
    sessions: tuple[str, ...] = ("",)
    directions: tuple[str, ...] = ("",)
    runs: tuple[str, ...] = ("",)
    spaces: tuple[tuple[str, str], ...] = (("MNI152NLin2009cAsym", "2"),)
    shape: tuple[int, int, int] = field(default=(3, 4, 3), metadata=bounds(low=1, high=1000))
    n_times: int = field(default=40, metadata=bounds(low=MOVED + 2, high=100_000, unit="frames"))
    t_r: float = field(default=2.0, metadata=bounds(low=0.05, high=100, unit="seconds"))
    seed: int = field(default=0, metadata=bounds(low=0, high=LARGEST_SEED))


def _name(parts: Sequence[tuple[str, str]], suffix: str) -> str:
    return "_".join([*(f"{key}-{value}" for key, value in parts if value), suffix])


def _affine(shape: tuple[int, int, int]) -> np.ndarray:
    """Return 8 mm voxels on the grid that the demo's scans have, or its middle where `shape` is smaller."""
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    whole, first = np.array([21, 25, 23]), np.array([-80.0, -112.0, -72.0])
    affine[:3, 3] = first + 8.0 * ((whole - shape) // 2)
    return affine


def _save(values: np.ndarray, affine: np.ndarray, path: Path, t_r: float | None, code: int) -> None:
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    if t_r:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _events(settings: BidsSimulation, order: int) -> pd.DataFrame:
    """Return blocks of two conditions in turn, 8 s each with 4 s between them, that end before the scan does."""
    onsets = np.arange(4.0, settings.n_times * settings.t_r - BLOCK, BLOCK + 4.0)
    kinds = [CONDITIONS[(k + order) % 2] for k in range(len(onsets))]
    return pd.DataFrame({"onset": onsets, "duration": BLOCK, "trial_type": kinds})


def _bold(settings: BidsSimulation, events: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return int16 voxels: the left half of the grid answers to `left`, the right half to `right`, by 2 per cent."""
    percent = autocorrelated_noise((settings.n_times, *settings.shape), rng, correlation=0.4)
    half = settings.shape[0] // 2
    for kind, part in zip(CONDITIONS, (slice(None, half), slice(half, None)), strict=True):
        blocks = [(row.onset, row.duration) for row in events.itertuples() if row.trial_type == kind]
        response = 2.0 * expected_response(blocks, settings.n_times, settings.t_r)
        percent[:, part] += response[:, None, None, None]
    return np.moveaxis(BASELINE * (1 + percent / 100), 0, -1).astype(np.int16)


def _with_forms(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return a column with its backward difference and the squares of both, as fMRIPrep has them."""
    steps = np.diff(values, prepend=np.nan)
    return {name: values, f"{name}_derivative1": steps, f"{name}_power2": values**2,
            f"{name}_derivative1_power2": steps**2}  # fmt: skip


def _confounds(n_times: int, t_r: float, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the confounds of one run and what describes them.

    A head movement of 1 mm before frame `MOVED`, one non-steady-state frame at the beginning,
    cosines up to 1/128 Hz, and three components of each kind of CompCor.
    """
    columns: dict[str, np.ndarray] = {}
    for name in ("global_signal", "csf", "white_matter"):
        columns |= _with_forms(name, 1000 + rng.standard_normal(n_times))
    motion = {f"trans_{axis}": 0.01 * rng.standard_normal(n_times).cumsum() for axis in "xyz"}
    motion |= {f"rot_{axis}": 1e-4 * rng.standard_normal(n_times).cumsum() for axis in "xyz"}
    motion["trans_y"][MOVED:] += 1.0
    steps = {name: np.abs(np.diff(values, prepend=np.nan)) for name, values in motion.items()}
    # Power et al. 2012 (doi:10.1016/j.neuroimage.2011.10.018): rotations as arcs on a sphere of 50 mm
    columns["framewise_displacement"] = sum(s * (50.0 if name[0] == "r" else 1.0) for name, s in steps.items())
    columns["std_dvars"] = np.r_[np.nan, np.ones(n_times - 1)]
    columns["dvars"] = 20.0 * columns["std_dvars"]
    about: dict[str, Any] = {}
    masks = (("a", "combined"), ("c", "CSF"), ("w", "WM"))
    for letter, mask in (*masks, ("t", None)):
        method = {"Method": f"{letter}CompCor" if mask is None else "aCompCor", "Retained": True}
        for number in range(3):
            columns[f"{letter}_comp_cor_{number:02d}"] = rng.standard_normal(n_times)
            about[f"{letter}_comp_cor_{number:02d}"] = method | ({"Mask": mask} if mask else {})
    phase = np.pi * (np.arange(n_times) + 0.5) / n_times
    for number in range(int(2 * n_times * t_r / 128.0)):
        columns[f"cosine{number:02d}"] = np.cos((number + 1) * phase)
    columns["non_steady_state_outlier00"] = (np.arange(n_times) == 0).astype(float)
    columns["motion_outlier00"] = (np.arange(n_times) == MOVED).astype(float)
    for name, values in motion.items():
        columns |= _with_forms(name, values)
    return pd.DataFrame(columns), about


def _write_run(
    raw: Path, out: Path, parts: Sequence[tuple[str, str]], settings: BidsSimulation, place: tuple[int, ...]
) -> None:
    """Write one run of the raw data set and its derivatives; `place` seeds it."""
    rng = np.random.default_rng([settings.seed, *place])
    label = dict(parts)
    folder = Path(f"sub-{label['sub']}") / (f"ses-{label['ses']}" if label["ses"] else "") / "func"
    events = _events(settings, place[1])
    write_tsv(raw / folder / (_name(parts, "events") + ".tsv"), events)
    small = rng.integers(0, 100, (*RAW_SHAPE, settings.n_times)).astype(np.int16)
    _save(small, np.diag([3.0, 3.0, 3.0, 1.0]), raw / folder / (_name(parts, "bold") + ".nii.gz"), settings.t_r, 1)
    bold, affine = _bold(settings, events, rng), _affine(settings.shape)
    table, about = _confounds(settings.n_times, settings.t_r, rng)
    stem = out / folder / _name(parts, "desc-confounds_timeseries")
    write_tsv(stem.with_name(stem.name + ".tsv"), table)
    write_json(stem.with_name(stem.name + ".json"), about)
    for space, resolution in settings.spaces:
        here = [*parts, ("space", space), ("res", resolution)]
        card = {"RepetitionTime": settings.t_r, "SkullStripped": False, "TaskName": label["task"]}
        about_grid = {"Resolution": f"{resolution} (made up: 8 mm voxels)"} if resolution else {}
        if not space.startswith("MNI"):
            about_grid["SpatialReference"] = "made up: there is no reference image"
        code = 4 if space.startswith("MNI") else 1
        for name, values in (("desc-preproc_bold", bold), ("desc-brain_mask", np.ones(settings.shape, np.uint8)),
                             ("boldref", bold[..., 0])):  # fmt: skip
            stem = out / folder / _name(here, name)
            own = about_grid | {"desc-preproc_bold": card, "desc-brain_mask": {"Type": "Brain"}}.get(name, {})
            write_json(stem.with_name(stem.name + ".json"), own)
            _save(values, affine, stem.with_name(stem.name + ".nii.gz"), settings.t_r if values.ndim == 4 else None,
                  code)


def _describe(raw: Path, out: Path, settings: BidsSimulation) -> None:
    """Write the files at the top of both data sets."""
    common = {"Name": "Simulated tasks", "BIDSVersion": BIDS_VERSION, "License": "CC0"}
    write_json(raw / "dataset_description.json", common | {"DatasetType": "raw", "Authors": ["fmri_saliency"]})
    more = {"DatasetType": "derivative", "GeneratedBy": [MAKER], "SourceDatasets": [{"URL": raw.as_posix()}]}
    write_json(out / "dataset_description.json", common | more)
    write_text(raw / "README.md", README)
    write_text(out / "README.md", README)
    write_text(out / ".bidsignore", "\n".join(IGNORED) + "\n")
    write_tsv(raw / "participants.tsv", pd.DataFrame({"participant_id": [f"sub-{s}" for s in settings.subjects]}))
    for task in settings.tasks:  # by BIDS's inheritance, for all runs of the task
        write_json(raw / f"task-{task}_bold.json", {"TaskName": task, "RepetitionTime": settings.t_r})


def simulate_bids(raw: Path, out: Path | None = None, settings: BidsSimulation | None = None) -> Path:
    """Write a small raw BIDS data set, and derivatives of it in the layout of fMRIPrep.

    Voxels in the left half of the grid answer to the events called ``left``, those in the right
    half to ``right``; the rest is noise. The raw images are tiny and hold noise only.

    Parameters
    ----------
    raw : Path
        Becomes the raw data set: events, images, and the repetition time once per task.
    out : Path, optional
        Becomes the derivatives; ``raw/derivatives/fmriprep`` when omitted.
    settings : BidsSimulation, optional
        The defaults when omitted.

    Returns
    -------
    Path
        The derivatives.

    Raises
    ------
    InputError
        If `raw` or `out` holds files.
    """
    settings = settings or BidsSimulation()
    raw = Path(raw)
    out = raw / "derivatives" / "fmriprep" if out is None else Path(out)
    for folder in (raw, out):
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty. Choose another folder.")
    _describe(raw, out, settings)
    kinds = (settings.subjects, settings.tasks, settings.sessions, settings.directions, settings.runs)
    for place in itertools.product(*(range(len(labels)) for labels in kinds)):
        subject, task, session, direction, run = (labels[k] for labels, k in zip(kinds, place, strict=True))
        parts = (("sub", subject), ("ses", session), ("task", task), ("dir", direction), ("run", run))
        _write_run(raw, out, parts, settings, place)
    return out
