"""Runs in the layout of the Human Connectome Project's S1200 release."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fmri_saliency.errors import InputError, nearest, one_of, unusable
from fmri_saliency.records import Run
from fmri_saliency.scans.events import busy_spans, check_timing, overhanging
from fmri_saliency.scans.hcp.events import EVENT_LABELS, HCP_TASKS, read_hcp_timing
from fmri_saliency.scans.hcp.families import read_families
from fmri_saliency.scans.hcp.others import OtherFolder, advise, find_other_folders, list_names, scans_in
from fmri_saliency.scans.images import read_bold_header
from fmri_saliency.scans.selection import Selection
from fmri_saliency.settings import Settings, bounds

__all__ = ["DIRECTIONS", "HCP_SPACE", "VARIANTS", "HcpOptions", "find_hcp"]

DIRECTIONS = ("LR", "RL")
HCP_SPACE = "MNI152NLin6Asym"
MASKS = ("brainmask_fs.2.nii.gz", "brainmask_fs.2.0.nii.gz")
RESULTS = Path("MNINonLinear", "Results")
SURFACE_SPACE = "fsLR"
VARIANTS = {
    "minimal": ".nii.gz",
    "hp0_clean_rclean_tclean": "_hp0_clean_rclean_tclean.nii.gz",
    "Atlas_MSMAll": "_Atlas_MSMAll.dtseries.nii",
    "Atlas_MSMAll_hp0_clean_rclean_tclean": "_Atlas_MSMAll_hp0_clean_rclean_tclean.dtseries.nii",
}
"""What follows ``tfMRI_<TASK>_<LR|RL>`` in the name of a scan: nothing after minimal preprocessing; the 2025
re-release of the young adults' data has cleaned scans (multi-run and temporal ICA) in the same folders. Those that
begin with Atlas are series of grayordinates (CIFTI)."""
_FOLDER = re.compile(r"tfMRI_([A-Z0-9]+)_(LR|RL)")


@dataclass(frozen=True)
class HcpOptions(Settings, where="in [scans]", error=InputError):
    """What is read of an HCP data set.

    Attributes
    ----------
    variant : {"minimal", "hp0_clean_rclean_tclean", "Atlas_MSMAll", "Atlas_MSMAll_hp0_clean_rclean_tclean"}
        Which of the scans in a run's folder; one for the whole data set.
    events : {"ev", "conditions", "states", "states-23", "states-24"}
        Which event files, see :data:`~fmri_saliency.scans.hcp.events.HCP_TASKS`.
    families : Path, optional
        The HCP's restricted table: people of one family are never split between training and test.
    """

    variant: str = field(default="minimal", metadata=bounds(choices=VARIANTS))
    events: str = field(default="ev", metadata=bounds(choices=EVENT_LABELS))
    families: Path | None = None


def _space_of(options: HcpOptions) -> str:
    return SURFACE_SPACE if options.variant.startswith("Atlas") else HCP_SPACE


def _find_bold(folder: Path, names: Sequence[str], variant: str) -> Path:
    """Return the scan of the chosen variant; say which one is there instead.

    Raises
    ------
    InputError
    """
    bold = folder / f"{folder.name}{VARIANTS[variant]}"
    if bold.name in names:
        return bold  # open_image says what a link to nothing is
    others = [name for name, suffix in VARIANTS.items() if f"{folder.name}{suffix}" in names]
    unknown = scans_in(folder.name, names)
    hint = ""
    if others:
        hint = (f" The folder has the variant '{others[0]}': set variant = \"{others[0]}\" in [scans] to take it for "
                "all runs; variants are never mixed.")
    elif unknown:
        hint = (f" The folder has {unknown[0]}, which is no variant that is known ({', '.join(VARIANTS)}). "
                f"{advise(folder.name, unknown[0])}")
    raise InputError(f"Expected a BOLD image at {bold}; there is no such file.{hint}")


def _read_run(
    folder: Path, entities: dict[str, str], family: str, t_r: float | None, space: str, options: HcpOptions
) -> tuple[Run, str]:
    """Return a run and what is to be said about it."""
    names = list_names(folder)
    bold = _find_bold(folder, names, options.variant)
    n_times, used, header_t_r = read_bold_header(bold, t_r)
    events_folder = folder / "EVs"
    files = list_names(events_folder) if "EVs" in names else ()
    events, every = read_hcp_timing(events_folder, files, entities["task"], options.events)
    mask = next((folder / name for name in MASKS if name in names), None)
    if bold.name.endswith(".dtseries.nii"):
        mask = None  # that of the volume
    run = Run(
        subject=entities["sub"],
        task=entities["task"],
        run=entities["run"],
        bold=bold,
        t_r=used,
        n_times=n_times,
        mask=mask,
        confounds=folder / "Movement_Regressors.txt" if "Movement_Regressors.txt" in names else None,
        events=check_timing(events, n_times, used, header_t_r, str(bold)),
        direction=entities["dir"],
        family=family,
        space=space,
        header_t_r=header_t_r,
        busy=busy_spans(every, n_times * used),
        sources=(events_folder,) if files else (),
    )
    lacking = {"event files (EVs)": not files, "brain mask": mask is None and not bold.name.endswith(".dtseries.nii"),
               "movement regressors": run.confounds is None}  # fmt: skip
    words = [f"no {name}" for name, lacks in lacking.items() if lacks]
    return run, " ".join(filter(None, (overhanging(events, n_times * used), ", ".join(words))))


@dataclass(frozen=True)
class _Subject:
    """The tasks of which a subject has a folder in the layout, and folders of scans in other layouts."""

    tasks: frozenset[str] = frozenset()
    others: tuple[OtherFolder, ...] = ()


def _occurring(path: Path) -> dict[str, _Subject]:
    """Return every subject with what there is of it."""
    found = {}
    for name in sorted(os.listdir(path)):
        try:
            folders = list_names(path / name / RESULTS)
            there = bool(folders) or (path / name / RESULTS).is_dir()
        except PermissionError:  # each of a subject's runs will say so; what else lies here is nobody
            folders, there = [], name.isdigit()
        if there:
            tasks = {match[1] for folder in folders if (match := _FOLDER.fullmatch(folder))}
            found[name] = _Subject(frozenset(tasks), find_other_folders(path / name / RESULTS, folders))
    return found


def _expected(path: Path, selection: Selection) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Return the entities of every run that should be there, and rows of scans in another layout.

    Raises
    ------
    InputError
        If there are no subjects, or a task or direction is none of the HCP's.
    """
    if not path.is_dir():
        raise InputError(f"Expected the folder of an HCP download at {path}; there is no such folder.")
    found = _occurring(path)
    if not found:
        raise InputError(f"No <subject>/MNINonLinear/Results below {path}. Set [scans] path to the folder that holds "
                         "the subjects' folders.")
    occurring = set().union(*(here.tasks for here in found.values()))
    elsewhere = {other.task for here in found.values() for other in here.others}
    tasks = [task.removeprefix("task-").upper() for task in selection.tasks] or sorted(occurring)
    for task in tasks:
        if task not in {*occurring, *elsewhere, *HCP_TASKS}:
            known = sorted(occurring | elsewhere)
            raise InputError(f"No task '{task}' below {path}; there are {', '.join(known) or 'none'}."
                             f"{nearest(task, [*known, *HCP_TASKS])}")
    tasks = [task for task in tasks if task in occurring or task not in elsewhere]
    for direction in selection.directions:
        one_of(direction.removeprefix("dir-").upper(), DIRECTIONS, "A direction in [scans]")
    subjects = [subject.removeprefix("sub-") for subject in selection.subjects] or list(found)
    every = [
        {"sub": subject, "task": task.lower(), "dir": direction, "run": "1"}
        for subject in dict.fromkeys(subjects)
        for task in dict.fromkeys(tasks)
        for direction in DIRECTIONS
    ]
    others = [(other.entities(subject), other) for subject in dict.fromkeys(subjects) if subject in found
              for other in found[subject].others]  # fmt: skip
    idle = selection.idle([*every, *(entities for entities, _ in others)])
    if idle:
        raise InputError(f"exclude in [scans] names '{idle[0]}', which no run in {path} is. Subjects, tasks and "
                         "directions that are not taken need not be excluded.")
    rows = [other.row(entities) for entities, other in others if selection.takes(entities)]
    return [entities for entities in every if selection.takes(entities)], rows


def find_hcp(
    path: Path,
    t_r: float | None = None,
    space: str = "",
    selection: Selection | None = None,
    options: HcpOptions | None = None,
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
    selection : Selection, optional
        Which tasks, subjects and directions; all that occur when left out.
    options : HcpOptions, optional
        Which variant of the scans, which events, and the table of families.

    Returns
    -------
    runs : list of Run
    log : list of dict
        One row per expected run: every task that is asked for or occurs anywhere, in both
        directions, for every subject. The message of a row that is ``found`` says which events
        were clipped to the scan, and what does not lie beside it.

    Raises
    ------
    InputError
        If the folder holds no subject in this layout, what is chosen does not exist, or the table
        of families cannot be used.
    """
    path, options = Path(path), options or HcpOptions()
    expected, others = _expected(path, selection or Selection())
    family = read_families(options.families) if options.families else {}
    if family and not any(entities["sub"] in family for entities in expected):
        raise InputError(f"The families {options.families} list none of the subjects below {path}. Is it the table of "
                         "another study?")
    runs, log = [], []
    for entities in expected:
        folder = path / entities["sub"] / RESULTS / f"tfMRI_{entities['task'].upper()}_{entities['dir']}"
        row = {"run": "_".join(f"{key}-{label}" for key, label in entities.items()), "status": "found", "message": ""}
        try:
            kin = family.get(entities["sub"], "")
            run, row["message"] = _read_run(folder, entities, kin, t_r, space or _space_of(options), options)
            runs.append(run)
        except InputError as error:
            missing = not (folder / f"{folder.name}{VARIANTS[options.variant]}").exists()
            row.update(status="missing" if missing else "unusable", message=str(error))
        except Exception as error:  # the edge: one run must not end the others
            row.update(status="unusable", message=unusable(error, folder))
        log.append(row)
    return runs, log + others
