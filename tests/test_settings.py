"""Every setting says what it may hold, and whatever else is written ends as one message about it."""

import dataclasses
import importlib
import pkgutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import tomli_w

import fmri_saliency
from fmri_saliency.cli import main
from fmri_saliency.errors import ConfigError, InputError
from fmri_saliency.pipeline import Config, load_config
from fmri_saliency.pipeline.study.config import to_plain
from fmri_saliency.settings import Settings, bounds, check_path, shown

HOSTILE = {
    "nan": float("nan"), "inf": float("inf"), "largest": 1e308, "minus": -1e12, "trillion": 10**12, "long": 10**400,
    "true": True, "NUL": "a\0b", "line break": "a\nb", "text": "x" * 5000, "list": ["a"], "lists": [[1], [2]],
    "numbers": [1.5, 2.5], "empty": [], "table": {"a": {"b": 1}},
}  # fmt: skip
MINIMAL = {"scans": {"layout": "table", "path": "runs.tsv"}, "output": {"path": "out"}}


def every_settings() -> list[type]:
    """Return all records of settings in the package."""
    for module in pkgutil.walk_packages(fmri_saliency.__path__, "fmri_saliency."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, todo = [], [Settings]
    while todo:
        todo += (below := todo.pop().__subclasses__())
        found += [one for one in below if one.__module__.startswith("fmri_saliency.")]
    return found


def test_every_number_has_limits_on_both_sides() -> None:
    kinds = every_settings()
    assert len(kinds) > 15
    for kind in kinds:
        hints = get_type_hints(kind)
        for item in dataclasses.fields(kind):
            hint = hints[item.name]
            plain = {hint, *get_args(hint)}
            if plain & {int, float} and not any("Tensor" in str(one) for one in plain) and get_origin(hint) is not dict:
                limits = item.metadata["bounds"]
                assert limits.low is not None or limits.above is not None, (kind, item.name)
                assert limits.high is not None or limits.below is not None, (kind, item.name)


def test_what_a_record_refuses_is_checked_in_one_place() -> None:
    assert [kind for kind in every_settings() if "__post_init__" in vars(kind)] == []


def keys(kind: type, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the keys of a configuration, from the outermost section on; sections are among them."""
    hints, found = get_type_hints(kind), []
    for item in dataclasses.fields(kind):
        inner = next((one for one in (hints[item.name], *get_args(hints[item.name])) if dataclasses.is_dataclass(one)),
                     None)  # fmt: skip
        found.append((*above, item.name))
        found += keys(inner, (*above, item.name)) if inner else []
    return found


def load(tmp_path: Path, key: tuple[str, ...], value: Any) -> Config:
    """Load the smallest configuration with one more value."""
    values = {name: dict(section) for name, section in MINIMAL.items()}
    here: dict[str, Any] = values
    for part in key[:-1]:
        here = here.setdefault(part, {})
    here[key[-1]] = value
    (tmp_path / "c.toml").write_text(tomli_w.dumps(values))
    return load_config(tmp_path / "c.toml")


def refusal(tmp_path: Path, key: tuple[str, ...], value: object) -> str:
    """Return why a value is refused; nothing where it is taken, and can be written down to be run again."""
    try:
        config = load(tmp_path, key, value)
    except ConfigError as error:
        return str(error)
    return "" if tomllib.loads(tomli_w.dumps(to_plain(config))) else "nothing was written"


@pytest.mark.parametrize("value", list(HOSTILE.values()), ids=list(HOSTILE))
def test_whatever_stands_in_a_key_is_taken_or_refused_with_its_name(tmp_path: Path, value: object) -> None:
    said = {key: refusal(tmp_path, key, value) for key in keys(Config)}
    for key, words in said.items():
        named = key[-1] in words or (key == ("decoder", "compare") and "A network" in words)
        assert not words or named or key[0] == "search" or isinstance(value, dict), (key, words)
        assert not words or words.startswith(f"{tmp_path / 'c.toml'}: "), words
        assert len(words) < 2000, key
    taken = {".".join(key) for key, words in said.items() if not words}
    booleans = {"cleaning.detrend", "samples.rest", "decoder.architecture.current_input",
                "decoder.training.deterministic", "output.per_run"}  # fmt: skip
    of_texts = {"scans.tasks", "scans.subjects", "scans.directions", "cleaning.confounds", "output.blocks"}
    of_any = {"scans.exclude", "decoder.compare", "cleaning.denoise.strategy", "search.seeds"}
    allowed = {
        True: booleans, "['a']": of_texts, "[]": of_texts | of_any, "-1000000000000.0": set(),
    }  # fmt: skip
    expected = allowed.get(value if isinstance(value, bool) else str(value), set())
    assert taken <= expected, taken - expected


@pytest.mark.parametrize(("key", "value", "words"), [
    (("scans", "path"), "~nobody-of-that-name/x", "path in [scans] must be a path; '~nobody-of-that-name/x' came"),
    (("scans", "path"), "d/" + "x" * 256, "whose parts have at most 255 bytes each and 4096 together"),
    (("samples", "t_r"), 1e-308, "t_r in [samples] must be 0 or at least 0.05 seconds; 1e-308 came"),
    (("decoder", "seed"), 2**63 - 1, "seed in [decoder] must be at most 2147483647; 9223372036854775807 came"),
    (("decoder", "architecture", "hidden_size"), 2**62, "hidden_size in [decoder.architecture] must be at most 4096"),
    (("decoder", "training", "max_epochs"), 10**9, "max_epochs in [decoder.training] must be at most 1000000"),
    (("decoder", "training", "learning_rate"), True, "learning_rate in [decoder.training] must be a finite number; T"),
    (("saliency", "smoothing"), 1e308, "smoothing in [saliency] must be at most 10000 seconds; 1e+308 came"),
    (("output", "n_jobs"), 10**12, "n_jobs in [output] must be a number of processes up to 1024, or -1 for all"),
    (("decoder", "device"), "meta", "device in [decoder] must be one that PyTorch can use here"),
    (("output", "title"), "a\x1b[31mb", "title in [output] must be one line of text without control characters"),
    (("search", "decoder"), {"architecture": {"hops": [2, 10**12]}}, "hops in [decoder.architecture] must be at most"),
    (("search", "decoder"), {"architecture": "x"}, "architecture in [search.decoder] must be a list of the values"),
    (("search", "decoder"), {"training": {"patience": list(range(1, 201)), "block": list(range(1, 201))}},
     "makes 40000 settings, and at most 10000"),
])  # fmt: skip
def test_values_that_no_machine_can_use(tmp_path: Path, key: tuple[str, ...], value: object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, key, value)
    assert words in str(error.value)


@pytest.mark.parametrize(("text", "words"), [
    ("x = " + "[" * 5000, "is not valid TOML"),
    ("x = " + "9" * 5000, "is not valid TOML"),
    ("[decoder]\nseed = 0x" + "f" * 5000, "a number that is too long to show came"),
    ("[scans]\nlayout = 2020-01-01\npath = 'x'", "layout in [scans] must be a text in quotes; datetime.date(2020"),
    ("[search.decoder]\nnetwork = [2020-01-01]", "must be a text, a number, true or false, or a list of these"),
])  # fmt: skip
def test_toml_that_python_itself_stumbles_over(tmp_path: Path, text: str, words: str,
                                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    path = tmp_path / "c.toml"
    scans = "" if "[scans]" in text else '\n[scans]\nlayout = "table"\npath = "x"'
    path.write_text(f"{text}{scans}\n[output]\npath = 'out'\n")
    assert main(["runs", str(path)]) == 2
    assert words in (said := capsys.readouterr().err)
    assert said.count("\n") == 1


def test_a_byte_order_mark_is_no_part_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(tomli_w.dumps(MINIMAL), encoding="utf-8-sig")
    assert load_config(path).scans.layout == "table"


@dataclass(frozen=True)
class Kettle(Settings, where="of the kettle '{0.name}'", error=InputError):
    """A record of the tests."""

    name: str = "k"
    heat: float = field(default=1.0, metadata=bounds(above=0, below=100, unit="degrees"))
    cups: int = field(default=1, metadata=bounds(low=1, high=4, but=3, words="a number of cups that is not odd"))
    sizes: tuple[float, ...] = field(default=(), metadata=bounds(low=0.5, high=2, zero=True, most=2))
    lid: Path | None = None
    tea: str = field(default="", metadata=bounds(choices=lambda: ["", "green", "black"]))

    def _check_together(self) -> None:
        if self.heat > 50 and self.cups == 1:
            raise InputError("too hot for one cup")


@pytest.mark.parametrize(("given", "words"), [
    ({"heat": 0}, "heat of the kettle 'k' must be above 0 degrees; 0 came."),
    ({"heat": 100.0}, "must be below 100 degrees; 100.0 came."),
    ({"heat": "1"}, "must be a finite number; '1' came."),
    ({"heat": float("-inf"), "name": "blue"}, "heat of the kettle 'blue' must be a finite number; -inf came."),
    ({"cups": 3}, "must not be 3: a number of cups that is not odd; 3 came."),
    ({"cups": 2.0}, "must be a whole number; 2.0 came."),
    ({"sizes": (1.0, 0.25)}, "Each of sizes of the kettle 'k' must be 0 or at least 0.5; 0.25 came."),
    ({"sizes": (1, 1, 1)}, "sizes of the kettle 'k' must have at most 2 entries; 3 came."),
    ({"sizes": 1.0}, "must be a list; 1.0 came."),
    ({"lid": Path("x" * 256)}, "parts have at most 255 bytes"),
    ({"tea": "gren"}, "tea of the kettle 'k' must be one of , green, black; 'gren' came. Did you mean 'green'?"),
    ({"heat": 60}, "too hot for one cup"),
])  # fmt: skip
def test_a_record_checks_itself(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        Kettle(**given)
    assert words in str(error.value)


def test_what_is_within_the_bounds_is_kept_as_it_came() -> None:
    kettle = Kettle("k", 99.9, 4, (0, 2.0), None, "green")
    assert (kettle.heat, kettle.cups, kettle.sizes, kettle.lid) == (99.9, 4, (0, 2.0), None)
    assert check_path("a/b", "x") == Path("a/b")
    assert shown("y" * 200).endswith("(202 characters)")
