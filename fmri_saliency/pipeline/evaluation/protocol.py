"""The configuration of ``fmri-saliency evaluate``: which pairs are judged, on which data, by which checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from fmri_saliency.decoding import check_device
from fmri_saliency.disk.files import write_text
from fmri_saliency.disk.texts import hide_places
from fmri_saliency.errors import ConfigError, InputError, one_of
from fmri_saliency.pipeline.steps.map_checks import MOST_SAMPLES, Faithful, Null
from fmri_saliency.pipeline.study.config import PROCESSES, build_section, read_settings, to_plain
from fmri_saliency.saliency import PAIRS, Pair
from fmri_saliency.settings import LARGEST_SEED, Settings, bounds
from fmri_saliency.simulation import dataset_names, make, samples_per_subject, setting_names

__all__ = [
    "CHECKS",
    "SUPPRESSORS",
    "Checks",
    "Data",
    "Evaluation",
    "Results",
    "load_evaluation",
    "write_evaluation",
]

CHECKS = ("recover", "suppress", "null", "faithful")
SUPPRESSORS = "suppressors"


@dataclass(frozen=True)
class Data(Settings, where="in [data]"):
    """Which data with known truth, how many samples, and which seeds.

    Attributes
    ----------
    sets : tuple of str
        Names of :func:`fmri_saliency.simulation.dataset_names`.
    seeds : tuple of int
        Each draws samples, initial weights and the explainer's randomness; intervals are over them. From 0 to
        2147483647.
    train, stop, test : int
        Samples to train on, to stop training on, and to measure the accuracy on.
    explained : int
        The first test samples, whose maps are judged.
    settings : dict of str to dict
        Settings of a set, by its name. A `path` in the TOML file is relative to the file's own folder.
    """

    sets: tuple[str, ...] = field(metadata=bounds(choices=dataset_names, called="A set"))
    seeds: tuple[int, ...] = field(metadata=bounds(low=0, high=LARGEST_SEED))
    train: int = field(default=1000, metadata=bounds(low=2, high=MOST_SAMPLES))
    stop: int = field(default=200, metadata=bounds(low=2, high=MOST_SAMPLES))
    test: int = field(default=300, metadata=bounds(low=2, high=MOST_SAMPLES))
    explained: int = field(default=24, metadata=bounds(low=2, high=MOST_SAMPLES))
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _check_together(self) -> None:
        if not self.sets or not self.seeds:
            raise ConfigError("[data] needs at least one set and one seed.")
        for name in ("sets", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} in [data] must name each once; {list(values)} came.")
        if self.explained > self.test:
            raise ConfigError(f"explained in [data] must be at most test, {self.test}; {self.explained} came.")
        for name, values in self.settings.items():
            one_of(name, dataset_names(), "A set in [data.settings]", ConfigError)
            for key in values:
                one_of(key, setting_names(name), f"A key in [data.settings.{name}]", ConfigError)
        for name in dict.fromkeys((*self.sets, *self.settings)):
            self._check_subjects(name)
            try:
                make(name, 2, 0, **self.settings.get(name, {}))
            except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
                raise ConfigError(f"The set '{name}' cannot be drawn as [data.settings.{name}] has it: "
                                  f"{error}") from None

    def _check_subjects(self, name: str) -> None:
        settings = self.settings.get(name, {})
        given = settings.get("per_subject", 1)
        if not isinstance(given, int) or isinstance(given, bool) or given < 1:
            raise ConfigError(f"per_subject in [data.settings.{name}] must be a whole number of at least 1; {given!r} "
                              "came.")
        size = samples_per_subject(name, **settings)
        if self.train % size or self.stop % size:
            raise ConfigError(f"train and stop in [data] must be multiples of {size} for the set '{name}', whose "
                              f"subjects have {size} samples each: a subject that is trained on must not be tested on; "
                              f"{self.train} and {self.stop} came.")


@dataclass(frozen=True)
class Checks(Settings, where="in [checks]"):
    """Which checks are made of the pairs that pass the gate.

    Attributes
    ----------
    which : tuple of str
        Of ``recover``, ``suppress``, ``null``, ``faithful``; the gate is always there.
    gate : float
        Held-out accuracy below which a pair is named and not judged.
    null : Null
    faithful : Faithful
    """

    which: tuple[str, ...] = field(default=CHECKS, metadata=bounds(choices=CHECKS, called="A check of which"))
    gate: float = field(default=0.9, metadata=bounds(low=0, high=1, words="an accuracy from 0 to 1"))
    null: Null = field(default_factory=Null)
    faithful: Faithful = field(default_factory=Faithful)


@dataclass(frozen=True)
class Results(Settings, where="in [output]"):
    """Where results go, and how many processes work on them.

    Attributes
    ----------
    path : Path
    n_jobs : int
        Rows that are made at the same time; -1 for all cores.
    device : str
        As PyTorch names it.
    title : str
    """

    path: Path
    n_jobs: int = field(default=1, metadata=PROCESSES)
    device: str = field(default="cpu", metadata=bounds(check=check_device))
    title: str = ""


@dataclass(frozen=True)
class Evaluation(Settings, where="in the configuration"):
    """The whole configuration, one record per section of the TOML file, and one per pair."""

    data: Data
    pairs: tuple[Pair, ...]
    output: Results
    checks: Checks = field(default_factory=Checks)

    def _check_together(self) -> None:
        if "null" in self.checks.which and self.checks.null.samples > self.data.explained:
            raise ConfigError(f"samples in [checks.null] must be at most explained in [data], {self.data.explained}; "
                              f"{self.checks.null.samples} came.")

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets of the data, and the suppressors where they are asked for."""
        return tuple(dict.fromkeys((*self.data.sets, *([SUPPRESSORS] if "suppress" in self.checks.which else []))))

    def checks_of(self, name: str) -> tuple[str, ...]:
        """Return the checks that are made on a set: suppressing where there are suppressors, the others as chosen."""
        chosen = [check for check in self.checks.which if check != "suppress"] if name in self.data.sets else []
        return (*chosen, *(["suppress"] if name == SUPPRESSORS and "suppress" in self.checks.which else []))


def _can_name_a_file(name: str) -> bool:
    """Return whether a name can be that of a folder everywhere, and stand in one line of a table."""
    return bool(name) and name == name.strip() and name.isprintable() and not set(name) & set('/\\:"') \
        and not name.startswith(".")


def _with_absolute_paths(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the configuration with the files that settings of sets name; these settings have no type of their own."""
    data = values.get("data")
    settings = data.get("settings") if isinstance(data, dict) else None
    if not isinstance(settings, dict):
        return values
    found = {
        name: {**one, "path": str((folder / Path(one["path"]).expanduser()).resolve())}
        if isinstance(one, dict) and isinstance(one.get("path"), str) else one
        for name, one in settings.items()
    }  # fmt: skip
    return {**values, "data": {**data, "settings": found}}


def _build_pair(values: Any, number: int, folder: Path) -> Pair:
    """Build a pair from its table; a name of the package's own stands for the whole."""
    if not isinstance(values, dict):
        raise ConfigError(f"pairs must be tables [[pairs]]; {values!r} came.")
    name = values.get("name")
    if not isinstance(name, str) or not _can_name_a_file(name):
        raise ConfigError(f"The pair number {number} needs a name in quotes that can name a file; {name!r} came.")
    if set(values) == {"name"}:
        if name not in PAIRS:
            one_of(name, PAIRS, "A pair that has only a name (others need network and explainer)", ConfigError)
        return PAIRS[name]
    try:
        pair = build_section(Pair, values, f"pairs.{name}", folder)
    except ConfigError as error:  # settings of the decoder say where they are in the other configuration
        raise ConfigError(str(error).replace("[decoder.", f"[pairs.{name}.")) from None
    if name in PAIRS and pair != PAIRS[name]:
        raise ConfigError(f"The name '{name}' stands for a pair of the package; give yours another name, or the name "
                          "alone.")
    return pair


def _build_evaluation(values: dict[str, Any], folder: Path) -> Evaluation:
    values = _with_absolute_paths(values, folder)
    listed = values.get("pairs")
    if not isinstance(listed, list) or not listed:
        raise ConfigError("the configuration needs at least one table [[pairs]].")
    pairs = tuple(_build_pair(item, number, folder) for number, item in enumerate(listed, start=1))
    names = [pair.name for pair in pairs]
    if len({name.casefold() for name in names}) < len(names):  # some file systems know no case
        raise ConfigError(f"Each pair needs a name of its own; {', '.join(names)} came (capitals do not tell them "
                          "apart).")
    parts = build_section(_Sections, {key: value for key, value in values.items() if key != "pairs"}, "", folder)
    return Evaluation(parts.data, pairs, parts.output, parts.checks)


@dataclass(frozen=True)
class _Sections:
    """The sections beside the pairs."""

    data: Data
    output: Results
    checks: Checks = field(default_factory=Checks)


def load_evaluation(path: Path) -> Evaluation:
    """Read and check the configuration of an evaluation.

    Paths in it are relative to its own folder.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, has an unknown or missing key, or a value that
        cannot be used. The message begins with the file's path.
    """
    try:
        return read_settings(path, _build_evaluation)
    except ConfigError:
        raise
    except InputError as error:
        raise ConfigError(f"{path}: {error}") from None


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write the resolved configuration: every key, paths relative to where it lies; it can be run again from there."""
    folder = path.resolve().parent
    write_text(path, hide_places(tomli_w.dumps(to_plain(evaluation, folder)), folder))
