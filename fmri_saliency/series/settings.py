"""How series are cleaned: settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from fmri_saliency.errors import ConfigError
from fmri_saliency.settings import Settings, bounds

__all__ = ["READERS", "STRATEGIES", "Cleaning", "Denoise"]

READERS = ("streaming", "nilearn")
STRATEGIES = ("motion", "wm_csf", "global_signal", "high_pass", "compcor", "ica_aroma", "scrub")
FORMS = ("basic", "power2", "derivatives", "full")
COMPCOR = ("anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated")


@dataclass(frozen=True)
class Denoise(Settings, where="in [cleaning.denoise]"):
    """Which confounds that fMRIPrep estimated are regressed out; names and defaults are those of nilearn.

    Attributes
    ----------
    strategy : tuple of str
        Groups of confounds: ``motion``, ``wm_csf``, ``global_signal``, ``high_pass``, ``compcor``,
        ``ica_aroma``, and ``scrub``, which finds frames with much movement. None when empty.
    motion, wm_csf, global_signal : {"basic", "power2", "derivatives", "full"}
        The columns alone, with their squares, with their derivatives, or with all of these.
    compcor : {"anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated"}
    n_compcor : int
        Components of each mask; 0 takes all that fMRIPrep retained.
    ica_aroma : {"full", "basic"}
        ``full`` expects scans that fMRIPrep has denoised, ``basic`` regresses the noise components out.
    scrub : int
        Stretches of fewer frames than this between marked ones are marked, too.
    fd_threshold : float
        Framewise displacement in mm above which a frame is marked.
    std_dvars_threshold : float
        Standardised DVARS above which a frame is marked.
    outliers : {"refuse", "mark"}
        What ``scrub`` may do. Frames are never dropped: a network that reads time would see gaps, and
        runs whose length tells how much a person moved. ``mark`` keeps and records them.
    """

    strategy: tuple[str, ...] = field(default=(), metadata=bounds(choices=STRATEGIES, called="Each strategy"))
    motion: str = field(default="full", metadata=bounds(choices=FORMS))
    wm_csf: str = field(default="basic", metadata=bounds(choices=FORMS))
    global_signal: str = field(default="basic", metadata=bounds(choices=FORMS))
    compcor: str = field(default="anat_combined", metadata=bounds(choices=COMPCOR))
    n_compcor: int = field(default=0, metadata=bounds(low=0, high=100_000))
    ica_aroma: str = field(default="full", metadata=bounds(choices=("full", "basic")))
    scrub: int = field(default=5, metadata=bounds(low=0, high=100_000, unit="frames"))
    fd_threshold: float = field(default=0.5, metadata=bounds(low=0, high=1_000_000, unit="mm"))
    std_dvars_threshold: float = field(default=1.5, metadata=bounds(low=0, high=1_000_000))
    outliers: str = field(default="refuse", metadata=bounds(choices=("refuse", "mark")))

    def _check_together(self) -> None:
        where = self.where
        if "compcor" in self.strategy and "high_pass" not in self.strategy:
            raise ConfigError(f'The strategy "compcor" {where} needs "high_pass" beside it: fMRIPrep computes the '
                              "components after removing its cosines.")
        if "scrub" in self.strategy and self.outliers == "refuse":
            raise ConfigError(f'The strategy "scrub" {where} would drop frames: the network would read across gaps, '
                              "and a run's length would tell how much the person moved. Set outliers = \"mark\" to "
                              'keep all frames and record which are outliers, or leave "scrub" out.')

    @property
    def words(self) -> tuple[str, ...]:
        """The strategies, each with its form, for the report."""
        forms = asdict(self)
        return tuple(f"{name} ({forms[name]})" if name in forms else name for name in self.strategy)

    def options(self) -> dict[str, Any]:
        """Return the arguments of nilearn's ``load_confounds``."""
        given = asdict(self)
        given.pop("outliers")
        return {**given, "n_compcor": self.n_compcor or "all"}


@dataclass(frozen=True)
class Cleaning(Settings, where="in [cleaning]"):
    """How the signal is cleaned; the names are those of nilearn's masker.

    Attributes
    ----------
    detrend : bool
        Remove a linear trend.
    high_pass, low_pass : float
        Cut-off frequencies in Hz; 0 means no filter.
    filter : {"cosine", "butterworth"}
        How slow drift is removed: by regressing out cosines, as SPM and fMRIPrep do, or by
        a Butterworth filter, which `low_pass` needs and which leaves trends in short runs.
    standardize : {"zscore_sample", "psc", "none"}
        Each region of each run: z-score, per cent signal change, or neither.
    smoothing_fwhm : float
        Of the image before averaging, in mm; 0 means none.
    confounds : tuple of str
        Columns of the run's confound file to regress out; ``("all",)`` takes every column.
    min_coverage : float
        A region whose voxels are covered by less than this share is NaN.
    denoise : Denoise
        Confounds by nilearn's strategies, for the tables that fMRIPrep writes.
    reader : {"streaming", "nilearn"}
        How regions are averaged: frame by frame in little memory, or by nilearn's masker with
        the whole scan in memory. The numbers are the same; smoothing always takes nilearn's.
    fd_threshold : float
        Framewise displacement in mm above which a frame is marked as bad; 0 marks none. Marked frames stay
        in the series (`max_marked` leaves out windows with many). For any scans whose confounds tell the movement:
        the HCP's, tables of runs, fMRIPrep's (beside what ``scrub`` marks).
    """

    detrend: bool = True
    high_pass: float = field(default=0.008, metadata=bounds(low=0, high=100, unit="Hz"))
    low_pass: float = field(default=0.0, metadata=bounds(low=0, high=100, unit="Hz"))
    filter: str = field(default="cosine", metadata=bounds(choices=("cosine", "butterworth")))
    standardize: str = field(default="zscore_sample", metadata=bounds(choices=("zscore_sample", "psc", "none")))
    smoothing_fwhm: float = field(default=0.0, metadata=bounds(low=0, high=200, unit="mm"))
    confounds: tuple[str, ...] = ()
    min_coverage: float = field(default=0.5, metadata=bounds(low=0, high=1, words="between 0 and 1"))
    denoise: Denoise = field(default_factory=Denoise)
    reader: str = field(default="streaming", metadata=bounds(choices=READERS))
    fd_threshold: float = field(default=0.0, metadata=bounds(low=0, high=1_000_000, unit="mm"))

    def _check_together(self) -> None:
        if self.low_pass and self.filter == "cosine":
            raise ConfigError('low_pass in [cleaning] needs filter = "butterworth": cosines remove slow drift only.')
        if self.low_pass and self.high_pass >= self.low_pass:
            raise ConfigError(f"high_pass ({self.high_pass} Hz) in [cleaning] must be below low_pass "
                              f"({self.low_pass} Hz).")
        if self.confounds and self.denoise.strategy:
            raise ConfigError("confounds in [cleaning] names columns, strategy in [cleaning.denoise] names groups of "
                              "columns: give one of them.")
        if self.high_pass and "high_pass" in self.denoise.strategy:
            raise ConfigError('The strategy "high_pass" in [cleaning.denoise] regresses out fMRIPrep\'s own cosines: '
                              "set high_pass = 0.0 in [cleaning], or drift is removed twice.")
