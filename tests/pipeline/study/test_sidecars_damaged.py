"""Files of the output folder that hold other JSON than was written: damaged, named, and made again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from fmri_saliency.cli import main
from fmri_saliency.disk.files import misfit, read_record
from fmri_saliency.errors import DamagedError, InputError

NETWORK = "input-cell-lstm"


@pytest.fixture(scope="module")
def finished(interruptions: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study, ``scans/study.toml``, whose maps are judged; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    config = interruptions.make_study(folder)
    config.write_text(config.read_text().replace('compare = ["lstm"]', "compare = []"))
    for step in ("extract", "train", "explain", "judge", "report"):
        assert main([step, str(config)]) == 0
    return folder


@pytest.fixture
def box(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished folder; scans keep their times of change."""
    shutil.copytree(finished, tmp_path / "box")
    return tmp_path / "box"


@pytest.mark.parametrize(
    ("content", "fields", "why"),
    [
        ({"a": 1, "b": "x"}, {"a": int, "b": str}, ""),
        ({"a": 1}, {"a": float | int}, ""),
        ({"a": True}, {"a": int}, "a is true or false"),
        ({"a": None}, {"a": str}, "a is null"),
        ({"a": None}, {"a": str | None}, ""),
        ({}, {"a": int}, "a is missing"),
        ([], {}, "a list where an object with named fields was expected"),
        (None, {}, "null where an object with named fields was expected"),
        (3, {"a": int}, "a number where an object with named fields was expected"),
    ],
)
def test_a_misfit_is_said_in_words(content: object, fields: dict, why: str) -> None:
    assert misfit(content, fields) == why


@pytest.mark.parametrize("text", ["{", "null", "[" * 100_000, '{"b": 1}', "\ufeff", '{"a": "x"}'])
def test_a_damaged_record_names_its_file_and_the_step(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(DamagedError, match=r"card\.json.*`fmri-saliency train` makes it again") as caught:
        read_record(path, {"a": int}, "train")
    assert caught.value.path == path


def test_a_record_that_is_not_there_is_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected a JSON file") as caught:
        read_record(tmp_path / "card.json", {}, "train")
    assert not isinstance(caught.value, DamagedError)


def without(*names: str) -> Callable[[str], str]:
    return lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key not in names})


def having(**values: object) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | values)


CASES = [
    ("dataset_description.json", having(GeneratedBy=[3]), "extract"),
    ("dataset_description.json", lambda text: "[]", "train"),
    (".workflow/runs.json", having(runs=[{"subject": 3}]), "train"),
    (".workflow/runs.json", lambda text: text.replace('"t_r":2.0', '"t_r":"x"'), "train"),
    (".workflow/atlas.json", without("fingerprint"), "extract"),
    ("sub-01/func/*_stat-mean_timeseries.json", without("Cleaning", "inputs"), "extract"),
    ("sub-01/func/*_stat-mean_timeseries.json", having(SourceFiles=[3]), "extract"),
    ("sub-01/func/*_stat-mean_timeseries.json", having(Quality={}), "extract"),
    ("samples/samples.json", without("Regions"), "train"),
    (f"decoder/{NETWORK}/fold-1/model.json", having(architecture={"sizes": 3}), "train"),
    (f"decoder/{NETWORK}/fold-1/model.json", without("n_times"), "train"),
    (f"decoder/{NETWORK}/scores.json", having(confusion=None), "train"),
    (f"saliency/{NETWORK}/fold-1.json", without("n_averaged"), "explain"),
    (f"saliency/{NETWORK}/fold-1.json", having(samples=None), "explain"),
    (f"saliency/{NETWORK}/people.json", without("subjects"), "explain"),
    (f"saliency/{NETWORK}/classes.json", without("labels"), "explain"),
    ("evidence/evidence.json", having(evidence=[{"check": 3}]), "judge"),
]


@pytest.mark.parametrize(("name", "change", "step"), CASES)
def test_the_step_that_makes_a_file_makes_it_again(
    box: Path, cli: Callable, name: str, change: Callable, step: str
) -> None:
    (path,) = list((box / "results").glob(name))[:1]
    whole = path.read_text()
    path.write_text(change(whole))
    damaged = path.read_text()
    assert damaged != whole
    outcome = cli(step, box / "scans" / "study.toml")
    assert "unexpected" not in outcome.err
    assert outcome.code == 0, outcome.err
    assert path.read_text() != damaged


@pytest.mark.parametrize(
    ("name", "change", "steps", "maker"),
    [
        ("sub-01/func/*_stat-mean_timeseries.json", without("AbsentRegions"), ("train", "report"), "extract"),
        ("sub-01/func/*_desc-raw_timeseries.tsv", lambda text: text.replace("\t", "\v"), ("train",), "extract"),
        ("sub-01/func/*_desc-raw_timeseries.tsv", lambda text: text.replace("1", "x"), ("train",), "extract"),
        (f"decoder/{NETWORK}/fold-1/model.json", having(training=[]), ("explain", "report"), "train"),
        ("samples/samples.json", having(Regions=["only"]), ("report",), "train"),
        ("evidence/evidence.json", having(evidence=[{"check": 3}]), ("report",), "judge"),
    ],
)
def test_a_later_step_names_the_file_and_the_step_that_makes_it(
    box: Path, cli: Callable, name: str, change: Callable, steps: tuple[str, ...], maker: str
) -> None:
    (path,) = list((box / "results").glob(name))[:1]
    path.write_text(change(path.read_text()))
    if path.suffix == ".tsv":
        (box / "results" / "samples" / "samples.json").unlink()  # they are cut again
    outcome = cli(steps[0], box / "scans" / "study.toml")
    assert "unexpected" not in outcome.err
    if outcome.code:
        assert path.name in outcome.err
        assert f"fmri-saliency {maker}" in outcome.err
    for step in (maker, *steps):
        again = cli(step, box / "scans" / "study.toml")
        assert "unexpected" not in again.err
    assert cli(maker, box / "scans" / "study.toml").code == 0


def test_provenance_names_a_damaged_sidecar(box: Path, cli: Callable) -> None:
    card = next((box / "results").glob("sub-01/func/*_stat-mean_timeseries.json"))
    card.write_text(having(SourceFiles=[{"uri": 3}])(card.read_text()))
    outcome = cli("provenance", card.with_suffix(".tsv"))
    assert outcome.code == 2
    assert "unexpected" not in outcome.err
    assert card.name in outcome.err


@pytest.mark.parametrize(
    ("name", "steps", "maker"),
    [
        (f"saliency/{NETWORK}/samples.npy", ("judge",), "explain"),
        (f"decoder/{NETWORK}/fold-1/weights.safetensors", ("judge",), "train"),
        ("samples/X.npy", ("train",), "train"),
    ],
)
def test_a_flipped_bit_is_named_and_the_file_is_made_again(
    box: Path, cli: Callable, name: str, steps: tuple[str, ...], maker: str
) -> None:
    path = box / "results" / name
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 0x40
    path.write_bytes(bytes(flipped))
    outcome = cli(steps[0], box / "scans" / "study.toml")
    assert outcome.code == 2
    assert path.name in outcome.err
    assert "SHA-256" in outcome.err
    assert not path.exists()
    assert cli(maker, box / "scans" / "study.toml").code == 0
    assert path.read_bytes() == whole
