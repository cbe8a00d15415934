"""What one sample is: settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from fmri_saliency.errors import ConfigError
from fmri_saliency.settings import Settings, bounds

__all__ = ["REST", "UNITS", "Windows"]

UNITS = ("run", "event", "block")
REST = "rest"
LONGEST = 1_000_000  # seconds, of any time that is configured: eleven days
"""Name of the class of the time between events."""


@dataclass(frozen=True)
class Windows(Settings, where="in [samples]"):
    """What one sample is.

    Attributes
    ----------
    unit : {"run", "event", "block"}
        ``run``: each run is one sample, labelled by its task. ``event``: a window after each event, labelled by
        its trial type. ``block``: as many windows as fit into each event, one after the other and without
        overlap, each labelled by its trial type.
    length : float
        Seconds. For ``run`` 0 means the length of the shortest run.
    offset : float
        Seconds from the run's first frame, or from the event's (delayed) onset, to the (first) window.
    delay : float
        Seconds by which the BOLD response is taken to follow what happens: events begin, end, and are separated by
        rest, this much later. 0 for ``run``.
    rest : bool
        Make windows of the time between events a class, called ``rest``: time in which nothing happened, delayed:
        no event of any trial type, be it a class or not, read as an event or not (:attr:`Run.busy
        <fmri_saliency.records.Run>`), nor any event's window. A run of which no event at all is known has none, unless
        its task is called rest.
    guard : float
        Seconds that an event is taken to last, when rest keeps clear of it, whose duration is 0 or not known (the
        press of a button).
    event_column : str
        The column of tables of events that holds the trial types. A run whose table lacks it, or has nothing in it,
        has events of no trial type: time that is not rest, and no sample where a sample is an event or a block.
    t_r : float
        Repetition time, in seconds, that all series are resampled to; 0 keeps that of the scans, which must then be
        one. See :func:`~fmri_saliency.series.resample.resample_values`.
    max_marked : float
        Largest share, 0 to 1, of a window's frames that may be marked as bad (moved); windows with more are left
        out. 1 keeps all.
    classes : dict
        For ``event`` and ``block``: class name to the trial types that belong to it. Empty: every
        trial type is a class of its own.

    Notes
    -----
    The benchmark of the literature is 21 states of six tasks of the Human Connectome Project, in windows of 10 s
    (accuracy 90 %, chance 4.8 %) and of 6 s (82 %): Zhang, Tetrel, Thirion & Bellec 2021, NeuroImage 231,
    doi:10.1016/j.neuroimage.2021.117847. They are the conditions of all tasks but GAMBLING, whose events are short
    and mixed: fear, neut; math, story; lf, lh, rf, rh, t; match, relation; mental, rnd; and body, faces, places,
    tools at 0bk and 2bk. The authors' code cuts each block into consecutive windows and drops what is left over,
    which is ``block`` (it also repeats the last frame of blocks that are too short, which are left out here), and can
    shift labels by a delay of whole frames. The same 21 states in windows of 16 frames from each onset, series
    resampled to 1 s, are used in arXiv:2510.13768; that is ``event`` with ``length = 16`` and ``t_r = 1``.
    """

    unit: str = field(default="run", metadata=bounds(choices=UNITS))
    length: float = field(default=0.0, metadata=bounds(low=0, high=LONGEST, unit="seconds"))
    offset: float = field(default=0.0, metadata=bounds(low=-LONGEST, high=LONGEST, unit="seconds"))
    delay: float = field(default=0.0, metadata=bounds(low=0, high=LONGEST, unit="seconds"))
    rest: bool = False
    guard: float = field(default=2.0, metadata=bounds(low=0, high=LONGEST, unit="seconds"))
    event_column: str = "trial_type"
    t_r: float = field(default=0.0, metadata=bounds(low=0.05, high=100, zero=True, unit="seconds"))
    max_marked: float = field(default=1.0, metadata=bounds(low=0, high=1, words="a share between 0 and 1"))
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def _check_together(self) -> None:
        if not self.event_column or self.event_column in ("onset", "duration"):
            raise ConfigError("event_column in [samples] must name the column of the events that says what happened; "
                              f"'{self.event_column}' came.")
        self._check_unit()
        self._check_classes()

    def _check_unit(self) -> None:
        whole = self.unit == "run"
        if self.length == 0 and not whole:
            raise ConfigError(f"length in [samples] must be above 0 seconds when a sample is a {self.unit}; "
                              f"{self.length} came.")
        if self.offset < 0 and self.unit != "event":
            raise ConfigError(f"offset in [samples] must be at least 0 when a sample is a {self.unit}; {self.offset} "
                              "came.")
        for name in ("delay", "rest"):
            if whole and getattr(self, name):
                raise ConfigError(f'{name} in [samples] is for unit = "event" or "block"; with "run" a sample is '
                                  "labelled by its task.")

    def _check_classes(self) -> None:
        owner: dict[str, str] = {}
        for name, members in self.classes.items():
            if not members:
                raise ConfigError(f"The class '{name}' in [samples.classes] has no trial type.")
            for member in members:
                if member in owner:
                    raise ConfigError(f"In [samples.classes], '{member}' belongs to both '{owner[member]}' and "
                                      f"'{name}'.")
                owner[member] = name
        if self.rest and REST in self.classes:
            raise ConfigError(f"With rest = true in [samples], '{REST}' is the time between events; call the class in "
                              "[samples.classes] otherwise.")

    @property
    def zero(self) -> str:
        """What a window's times are counted from, in words."""
        words = {"run": "run's first frame", "event": "event's onset", "block": "onset of the piece of the block"}
        return words[self.unit]
