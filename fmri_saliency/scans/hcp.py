"""Runs in the layout of the Human Connectome Project's S1200 release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fmri_saliency.errors import InputError
from fmri_saliency.records import Run
from fmri_saliency.scans.events import check_timing, read_fsl_events
from fmri_saliency.scans.images import read_bold_header

__all__ = ["DIRECTIONS", "HCP_SPACE", "HCP_TASKS", "find_hcp"]

HCP_TASKS = ("EMOTION", "GAMBLING", "LANGUAGE", "MOTOR", "RELATIONAL", "SOCIAL", "WM")
DIRECTIONS = ("LR", "RL")
HCP_SPACE = "MNI152NLin6Asym"
MASKS = ("brainmask_fs.2.nii.gz", "brainmask_fs.2.0.nii.gz")


def _read_families(path: Path) -> dict[str, str]:
    """Read the columns Subject and Family_ID of the HCP's restricted table."""
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"The families {path} cannot be read as a table (CSV): {error}") from None
    for column in ("Subject", "Family_ID"):
        if column not in table:
            raise InputError(f"The families {path} need the columns Subject and Family_ID; '{column}' is missing.")
    table = table.dropna(subset=["Subject", "Family_ID"])
    return dict(zip(table["Subject"], table["Family_ID"], strict=True))


def _read_run(folder: Path, subject: str, task: str, direction: str, t_r: float | None, space: str) -> Run:
    bold = folder / f"{folder.name}.nii.gz"
    n_times, used, header_t_r = read_bold_header(bold, t_r)
    files = sorted(path for path in (folder / "EVs").glob("*.txt") if path.name != "Sync.txt")
    events = read_fsl_events(files)
    masks = [folder / name for name in MASKS if (folder / name).is_file()]
    movement = folder / "Movement_Regressors.txt"
    return Run(
        subject=subject,
        task=task.lower(),
        run="1",
        bold=bold,
        t_r=used,
        n_times=n_times,
        mask=masks[0] if masks else None,
        confounds=movement if movement.is_file() else None,
        events=check_timing(events, n_times, used, header_t_r, str(bold)),
        direction=direction,
        space=space,
        header_t_r=header_t_r,
    )


def find_hcp(
    path: Path,
    t_r: float | None = None,
    space: str = "",
    tasks: Sequence[str] = (),
    subjects: Sequence[str] = (),
    families: Path | None = None,
) -> tuple[list[Run], list[dict[str, Any]]]:
    """Find the task runs below an HCP S1200 folder.

    ``<subject>/MNINonLinear/Results/tfMRI_<TASK>_<LR|RL>/tfMRI_<TASK>_<LR|RL>.nii.gz``
    with ``EVs/``, the brain mask and ``Movement_Regressors.txt`` beside it. Task labels come out
    in lower case, as in BIDS names.

    Parameters
    ----------
    path : Path
        The folder that holds the subjects.
    t_r : float, optional
        Seconds per frame; beats the headers.
    space : str
        BIDS name of the template space; the HCP's own when empty.
    tasks, subjects : sequence of str
        Which to take; all that occur when empty.
    families : Path, optional
        The HCP's restricted table (CSV with Subject and Family_ID): people of one family
        are never split between training and test.

    Returns
    -------
    runs : list of Run
    log : list of dict
        One row per expected run: every task that is asked for or occurs anywhere, in both
        directions, for every subject.

    Raises
    ------
    InputError
        If the folder holds no subject in this layout.
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"Expected the folder of an HCP download at {path}; there is no such folder.")
    found = sorted(p.name for p in path.iterdir() if (p / "MNINonLinear" / "Results").is_dir())
    if not found:
        raise InputError(f"No <subject>/MNINonLinear/Results below {path}. Set [scans] path to the folder that holds "
                         "the subjects' folders.")
    chosen = [str(subject) for subject in subjects] or found
    occurring = {
        folder.name.split("_")[1]
        for subject in found
        for folder in (path / subject / "MNINonLinear" / "Results").glob("tfMRI_*_*")
        if folder.name.count("_") == 2
    }
    wanted = [task.upper() for task in tasks] or sorted(occurring)
    family = _read_families(families) if families else {}
    runs, log = [], []
    for subject in chosen:
        for task in wanted:
            for direction in DIRECTIONS:
                folder = path / subject / "MNINonLinear" / "Results" / f"tfMRI_{task}_{direction}"
                key = f"sub-{subject}_task-{task.lower()}_dir-{direction}_run-1"
                row = {"run": key, "status": "found", "message": ""}
                try:
                    run = _read_run(folder, subject, task, direction, t_r, space or HCP_SPACE)
                    runs.append(replace(run, family=family.get(subject, "")))
                except InputError as error:
                    missing = not (folder / f"{folder.name}.nii.gz").exists()
                    row.update(status="missing" if missing else "unusable", message=str(error))
                log.append(row)
    return runs, log
