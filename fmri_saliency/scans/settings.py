"""Where scans are and which of them are wanted: settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.errors import ConfigError
from fmri_saliency.scans.fmriprep.runs import BidsChoice
from fmri_saliency.scans.hcp.events import EVENT_LABELS
from fmri_saliency.scans.hcp.runs import VARIANTS
from fmri_saliency.scans.selection import check_pattern
from fmri_saliency.settings import Settings, bounds

__all__ = ["LAYOUTS", "T_R_CONFLICTS", "Scans"]

LAYOUTS = ("hcp", "table", "fmriprep")
T_R_CONFLICTS = ("warn", "error")


@dataclass(frozen=True)
class Scans(Settings, where="in [scans]"):
    """Where the scans are.

    Attributes
    ----------
    layout : {"hcp", "table", "fmriprep"}
    path : Path
        The HCP folder, the table of runs, or the derivatives of fMRIPrep.
    t_r : float, optional
        Seconds per frame; beats header and table.
    space : str
        BIDS name of the scans' template space.
    tasks, subjects, directions : tuple of str
        Which to take; all when empty.
    subject_list : Path, optional
        Instead of `subjects`: a text file, one subject a line.
    exclude : tuple of str
        Runs to leave out, by entities: ``sub-100307``, ``task-wm_dir-RL``.
    variant : {"minimal", "hp0_clean_rclean_tclean", "Atlas_MSMAll", "Atlas_MSMAll_hp0_clean_rclean_tclean"}
        For HCP: which scans of a run's folder.
    events : {"ev", "conditions", "states", "states-23", "states-24"}
        For HCP: which event files.
    families : Path, optional
        For HCP and fMRIPrep: a table with Subject and Family_ID, such as the HCP's restricted one.
    truth : Path, optional
        For simulated scans: the folder that holds ``truth.json``.
    bids : BidsChoice
        For fMRIPrep: the raw data set, and which files of a run are taken.
    t_r_conflict : {"warn", "error"}
        What becomes of a run whose sidecar (JSON) has another repetition time.
    """

    layout: str = field(metadata=bounds(choices=LAYOUTS))
    path: Path
    t_r: float | None = field(default=None, metadata=bounds(above=0, low=0.05, high=100, unit="seconds"))
    space: str = ""
    tasks: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    subject_list: Path | None = None
    directions: tuple[str, ...] = ()
    exclude: tuple[str, ...] = field(default=(), metadata=bounds(check=partial(check_pattern, error=ConfigError)))
    variant: str = field(default="minimal", metadata=bounds(choices=VARIANTS))
    events: str = field(default="ev", metadata=bounds(choices=EVENT_LABELS))
    families: Path | None = None
    truth: Path | None = None
    bids: BidsChoice = field(default_factory=BidsChoice)
    t_r_conflict: str = field(default="warn", metadata=bounds(choices=T_R_CONFLICTS))

    def _check_together(self) -> None:
        if self.space:
            clean_label(self.space, "space in [scans]:", ConfigError)
        if self.families is not None and self.layout == "table":
            raise ConfigError("families in [scans] is for the layouts hcp and fmriprep; a table of runs has the column "
                              "family.")
        for name, standard in (("variant", "minimal"), ("events", "ev")):
            if getattr(self, name) != standard and self.layout != "hcp":
                raise ConfigError(f"{name} in [scans] is for the hcp layout; this one is {self.layout}.")
        if self.subjects and self.subject_list:
            raise ConfigError("[scans] has both subjects and subject_list; give one of them.")
        if self.bids != BidsChoice() and self.layout != "fmriprep":
            raise ConfigError(f"[scans.bids] is for the fmriprep layout; this is {self.layout}.")
