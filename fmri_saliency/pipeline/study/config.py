"""The configuration: one TOML file, every key known, every value checked."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import tomllib
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from fmri_saliency.brain import AtlasChoice
from fmri_saliency.decoding import SPLITS, Architecture, Training, check_device
from fmri_saliency.disk.files import write_text
from fmri_saliency.errors import ConfigError, nearest
from fmri_saliency.models import network_names
from fmri_saliency.pipeline.study.recipes import follow_recipe
from fmri_saliency.saliency import SaliencySettings
from fmri_saliency.scans import Scans
from fmri_saliency.series import Cleaning, Windows
from fmri_saliency.settings import LARGEST_SEED, Settings, bounds, check_path, shown

__all__ = [
    "AtlasChoice",
    "Config",
    "Decoder",
    "Output",
    "Scans",
    "Search",
    "build_section",
    "list_values",
    "load_config",
    "read_plain",
    "read_settings",
    "to_plain",
    "try_values",
    "write_config",
]

MOST_SETTINGS = 10_000  # of a search
PROCESSES = bounds(low=-1024, high=1024, but=0, words="a number of processes up to 1024, or -1 for all cores")


@dataclass(frozen=True)
class Decoder(Settings, where="in [decoder]"):
    """Which networks are trained, and on whom they are tested.

    Attributes
    ----------
    network : str
        The one whose maps are made.
    compare : tuple of str
        Others trained and explained on the same folds, for the report.
    split : {"group", "leave-one-run-out", "contiguous", "blocks"}
    folds, seed : int
    device : str
    threads : int
        Threads that PyTorch may use; 0 leaves its own setting.
    architecture : Architecture
    training : Training
    """

    network: str = field(default="input-cell-lstm", metadata=bounds(choices=network_names, called="A network"))
    compare: tuple[str, ...] = field(default=("lstm",), metadata=bounds(choices=network_names, called="A network"))
    split: str = field(default="group", metadata=bounds(choices=SPLITS))
    folds: int = field(default=5, metadata=bounds(low=2, high=10_000))
    seed: int = field(default=0, metadata=bounds(low=0, high=LARGEST_SEED))
    device: str = field(default="cpu", metadata=bounds(check=check_device))
    threads: int = field(default=1, metadata=bounds(low=0, high=1024))
    architecture: Architecture = field(default_factory=Architecture)
    training: Training = field(default_factory=Training)

    @property
    def networks(self) -> tuple[str, ...]:
        """The main network and those beside it, each once."""
        return tuple(dict.fromkeys((self.network, *self.compare)))


@dataclass(frozen=True)
class Output(Settings, where="in [output]"):
    """Where results go, and how many processes work on the scans.

    Attributes
    ----------
    path : Path
    n_jobs : int
        Processes; -1 for all cores.
    title : str
        Of the report.
    per_run : bool
        Write a map over time for every run, too.
    blocks : tuple of str
        Trial types whose onsets block averages are locked to, where a sample is a run; when empty, of all events but
        those that lie in a longer one.
    left_surface, right_surface : Path or None
        Surfaces (``.surf.gii``) that the page draws maps of grayordinates on.
    """

    path: Path
    n_jobs: int = field(default=1, metadata=PROCESSES)
    title: str = ""
    per_run: bool = False
    blocks: tuple[str, ...] = ()
    left_surface: Path | None = None
    right_surface: Path | None = None

    def _check_together(self) -> None:
        if (self.left_surface is None) != (self.right_surface is None):
            raise ConfigError("[output] names the surface of one side; give both left_surface and right_surface.")

    @property
    def surfaces(self) -> dict[str, Path]:
        """The surfaces by side, ``left`` and ``right``; none where there are none."""
        both = {"left": self.left_surface, "right": self.right_surface}
        return {side: path for side, path in both.items() if path is not None}


@dataclass(frozen=True)
class Search(Settings, where="in [search]"):
    """Settings of decoders to compare by nested cross-validation.

    Attributes
    ----------
    decoder : dict
        Keys of [decoder], each with the list of values to try; every combination is a setting.
    seeds : tuple of int
        Every setting is trained with each; that of [decoder] when empty.
    inner_folds : int
        Of the samples that an outer fold does not test; settings are chosen by them.
    """

    decoder: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = field(default=(), metadata=bounds(low=0, high=LARGEST_SEED))
    inner_folds: int = field(default=3, metadata=bounds(low=2, high=10_000))

    def _check_together(self) -> None:
        fixed = [key for key in ("split", "folds", "seed", "compare", "device", "threads") if key in self.decoder]
        if fixed:
            hint = "give seeds in [search]" if fixed[0] == "seed" else "it is the same for all settings, in [decoder]"
            raise ConfigError(f"{fixed[0]} in [search.decoder] cannot be searched over: {hint}.")
        if not self.decoder:
            raise ConfigError("[search] needs [search.decoder] with the values to try, for example "
                              "architecture.hidden_size = [16, 32].")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds in [search] must differ; {shown(list(self.seeds))} came.")


@dataclass(frozen=True)
class Config:
    """The whole configuration, one record per section of the TOML file, and the recipe that filled in the rest."""

    scans: Scans
    output: Output
    atlas: AtlasChoice = field(default_factory=AtlasChoice)
    cleaning: Cleaning = field(default_factory=Cleaning)
    samples: Windows = field(default_factory=Windows)
    decoder: Decoder = field(default_factory=Decoder)
    saliency: SaliencySettings = field(default_factory=SaliencySettings)
    recipe: str = "standard"
    search: Search | None = None


def _wrong(section: str, key: str, expected: str, value: Any) -> ConfigError:
    return ConfigError(f"{key} in [{section}] must be {expected}; {shown(value)} came.")


def _convert_plain(hint: Any, value: Any, section: str, key: str, folder: Path) -> Any:
    if hint is Path:
        what = f"{key} in [{section}]"
        try:
            return (folder / check_path(value, what).expanduser()).resolve()
        except (RuntimeError, OSError) as error:  # nobody of that name; links in a circle
            raise ConfigError(f"{what} must be a path; {shown(value)} came: {error}") from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1000:
        return float(value)  # TOML writes 3 and 3.0
    return value  # checked by the record that holds it


def _convert(hint: Any, value: Any, section: str, key: str, folder: Path) -> Any:
    """Turn a TOML value into what the dataclass field is declared to hold."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(kind for kind in inner if kind is not type(None)), value, section, key, folder)
    if dataclasses.is_dataclass(hint) or origin is dict:
        below = f"{section}.{key}" if section else key
        if not isinstance(value, dict):
            raise _wrong(section or "the configuration", key, f"a section [{below}]", value)
        if origin is dict:
            return {name: _convert(inner[1], item, below, name, folder) for name, item in value.items()}
        return build_section(hint, value, below, folder)
    if origin is tuple and inner[0] in (int, float):
        if not isinstance(value, list):
            raise _wrong(section, key, "a list of numbers, such as [1, 2]", value)
        return tuple(_convert_plain(inner[0], item, section, f"Each of {key}", folder) for item in value)
    if origin is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(section, key, 'a list of texts, such as ["a", "b"]', value)
        return tuple(value)
    return _convert_plain(hint, value, section, key, folder)


def build_section(kind: type, values: dict[str, Any], section: str, folder: Path) -> Any:
    """Build a settings record from a section of the file.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value cannot be used.
    """
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    where = f"[{section}]" if section else "the configuration"
    for key in values:
        if key not in fields:
            raise ConfigError(f"Unknown key '{key}' in {where}; known are {', '.join(fields)}.{nearest(key, fields)}")
    for name, item in fields.items():
        needed = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if needed and name not in values:
            what = f"a section [{name}]" if dataclasses.is_dataclass(hints[name]) else f"the key '{name}'"
            raise ConfigError(f"{where} needs {what}.")
    return kind(**{key: _convert(hints[key], value, section, key, folder) for key, value in values.items()})


def list_values(values: dict[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Return the lists of [search.decoder] by dotted key.

    Raises
    ------
    ConfigError
        If something else than a list stands there.
    """
    found: dict[str, list[Any]] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= list_values(value, f"{name}.")
        elif isinstance(value, list | tuple) and len(value):
            found[name] = list(value)
        else:
            raise ConfigError(f"{name} in [search.decoder] must be a list of the values to try; {shown(value)} came.")
    return found


def _with(plain: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    below = plain.get(first, {})
    return {**plain, first: _with(below if isinstance(below, dict) else {}, rest, value) if rest else value}


def try_values(decoder: Decoder, setting: dict[str, Any]) -> Decoder:
    """Return the decoder section with other values, by dotted key.

    Raises
    ------
    ConfigError
        If a key or a value is none of [decoder].
    """
    plain = {**to_plain(decoder), "compare": []}
    for key, value in setting.items():
        plain = _with(plain, key, value)
    return build_section(Decoder, plain, "search.decoder", Path())


def _check_search(config: Config) -> Config:
    """Refuse a search with values that are none of [decoder], or with more settings than can be tried."""
    lists = {} if config.search is None else list_values(config.search.decoder)
    for key, values in lists.items():
        for value in values:
            try_values(config.decoder, {key: value})
    number = math.prod(map(len, lists.values()))
    if number > MOST_SETTINGS:
        raise ConfigError(f"[search.decoder] makes {number} settings, and at most {MOST_SETTINGS} can be compared. "
                          "Give fewer values.")
    return config


def load_config(path: Path) -> Config:
    """Read and check a configuration file; see :func:`read_settings`."""
    return read_settings(path, _build)


def _build(values: dict[str, Any], folder: Path) -> Config:
    return _check_search(build_section(Config, follow_recipe(values), "", folder))


def read_settings(path: Path, build: Callable[[dict[str, Any], Path], Any]) -> Any:
    """Read a TOML file and build settings from it.

    Parameters
    ----------
    path : Path
    build : callable
        From the file's values, and the folder that paths in it are relative to (its own), to the settings.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, has an unknown or missing key, or a value that
        cannot be used. The message begins with the file's path.
    """
    path = Path(path)
    values = _parse(path)
    try:
        return build(values, path.resolve().parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _parse(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file; a byte-order mark at its beginning is skipped."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"Expected a configuration file at {path}; there is none. Annotated examples: "
                          "`fmri-saliency --help` tells where they are.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration {path} cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:  # besides: numbers of 4,300 digits; thousands of brackets
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None


def to_plain(value: Any, folder: Path | None = None) -> Any:
    """Return settings as plain dicts, lists and texts, ready for TOML and JSON (None left out).

    Paths are absolute, or relative to `folder`, from which a configuration that lies there is read.
    """
    if dataclasses.is_dataclass(value):
        pairs = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: to_plain(item, folder) for name, item in pairs.items() if item is not None}
    if isinstance(value, dict):
        return {name: to_plain(item, folder) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item, folder) for item in value]
    if not isinstance(value, Path):
        return value
    return value.as_posix() if folder is None else Path(os.path.relpath(value, folder)).as_posix()


def write_config(config: Config, path: Path) -> None:
    """Write the resolved configuration: every key, paths relative to where it lies; it can be run again from there."""
    write_text(path, tomli_w.dumps(to_plain(config, path.resolve().parent)))


def _path_keys(kind: type = Config, prefix: str = "") -> Iterator[str]:
    """Return the keys that hold paths, such as ``scans.path``."""
    for name, hint in typing.get_type_hints(kind).items():
        kinds = {hint, *typing.get_args(hint)}
        if Path in kinds:
            yield f"{prefix}{name}"
        for below in filter(dataclasses.is_dataclass, kinds):
            yield from _path_keys(below, f"{prefix}{name}.")


def read_plain(path: Path) -> dict[str, Any]:
    """Read what :func:`write_config` wrote as plain settings, with absolute paths; keys of another version are kept.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it is not TOML.
    """
    plain = tomllib.loads(path.read_text(encoding="utf-8"))
    for key in _path_keys():
        *sections, last = key.split(".")
        place = functools.reduce(lambda values, name: values.get(name, {}), sections, plain)
        if last in place:
            place[last] = (path.resolve().parent / place[last]).resolve().as_posix()
    return plain
