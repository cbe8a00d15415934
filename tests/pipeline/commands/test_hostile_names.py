"""Names that a shell, a page, a spreadsheet or a path would act on, through everything that writes."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import tomli_w

from fmri_saliency.cli import main
from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.pipeline.progress.provenance import trace
from fmri_saliency.pipeline.study.config import load_config
from fmri_saliency.series import read_series

TASKS = ("$(touch PWNED)`touch PWNED`", "'; touch PWNED #\"")
PEOPLE = ("<img src=x onerror=window.PWNED=1>", "=1+cmd|'C'!A0", "-2+3")
REGIONS = ("=HYPERLINK(\"http://x.example\",\"a\")", "@SUM(1)", "-2+3+cmd|'C'!A0", "+1;touch PWNED",
           "</script><script>window.PWNED=1</script>", "a & b <b>bold</b> '{{ 7 * 7 }}'")  # fmt: skip
TITLE = "</title><script>window.PWNED=1</script>"
ATLAS = "Mine\"; touch PWNED; $(touch PWNED) #"
SPACE = "My$(touch PWNED)`touch PWNED` space"
FORMULA = re.compile("[=+@-]")
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")


@dataclass(frozen=True)
class Study:
    """A finished job: the folder that everything lies in, that of the results, and what the job said."""

    box: Path
    out: Path
    config: Path


def write_study(interruptions: ModuleType, box: Path) -> Path:
    """Write a tiny study of hostile names below a folder with such a name; return its configuration."""
    config = interruptions.make_study(box / "my study' $(touch PWNED)")
    scans = config.parent
    table = pd.read_csv(scans / "runs.tsv", sep="\t", dtype=str)
    table["subject"] = table["subject"].map(dict(zip(("01", "02", "03"), PEOPLE, strict=True)))
    table["task"] = table["task"].map(dict(zip(("one", "two"), TASKS, strict=True)))
    lines = ["\t".join(row) for row in (table.columns, *table.itertuples(index=False))]
    (scans / "runs.tsv").write_text("\n".join(lines) + "\n")
    regions = "".join(f"{number}\t{name}\n" for number, name in enumerate(REGIONS, 1))
    (scans / "labels.tsv").write_text("index\tname\n" + regions)
    values = tomllib.loads(config.read_text())
    values["scans"]["space"] = values["atlas"]["space"] = SPACE
    values["atlas"]["name"] = ATLAS
    values["decoder"]["compare"] = []
    values["output"] |= {"title": TITLE, "per_run": True}
    config.write_text(tomli_w.dumps(values))
    return config


@pytest.fixture(scope="module")
def study(interruptions: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Study:
    box = tmp_path_factory.mktemp("box")
    config = write_study(interruptions, box)
    here = Path.cwd()
    os.chdir(box)
    try:
        assert main(["run", str(config)]) == 0
    finally:
        os.chdir(here)
    return Study(box, config.parents[1] / "results", config)


def shared(out: Path) -> Iterator[Path]:
    """Yield the files of an output folder that may be given away."""
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.relative_to(out).parts[0] != ".workflow":
            yield path


def test_names_are_of_letters_and_digits_and_nothing_is_elsewhere(study: Study) -> None:
    assert sorted(path.name for path in study.box.iterdir()) == [study.config.parents[1].name]
    assert sorted(path.name for path in study.config.parents[1].iterdir()) == ["results", "scans"]
    odd = [path for path in study.out.rglob("*") if not re.fullmatch(r"[A-Za-z0-9._-]+", path.name)]
    assert odd == []
    assert sorted(path.name for path in study.out.glob("sub-*")) == [
        "sub-1cmdCA0", "sub-23", "sub-imgsrcxonerrorwindowPWNED1"]  # fmt: skip
    assert (study.out / "tpl-MytouchPWNEDtouchPWNEDspace" / "anat").is_dir()
    maps = [path.name for path in (study.out / "group").glob("task-*_stat-saliency_*_boldmap.nii.gz")]
    assert {name.split("_")[0] for name in maps} == {"task-touchPWNEDtouchPWNED", "task-touchPWNED"}


def test_no_cell_is_a_formula_and_all_are_read_back_as_they_were(study: Study) -> None:
    tables = [path for path in shared(study.out) if path.suffix == ".tsv"]
    cells = [(path.name, cell) for path in tables for line in path.read_text().splitlines()
             for cell in line.split("\t") if FORMULA.match(cell) and not NUMBER.fullmatch(cell)]  # fmt: skip
    assert cells == []
    marked = [path for path in tables if "'=HYPERLINK" in path.read_text()]
    assert len(marked) > 5  # series, coverage, regions of runs, people and the group
    stem = next(study.out.rglob("*_stat-mean_timeseries.tsv"))
    assert read_series(stem.with_suffix("")).names == REGIONS
    (regions,) = study.out.glob("group/desc-*_regions.tsv")
    assert set(read_own_tsv(regions, "regions")["region"]) == set(REGIONS)
    assert set(read_own_tsv(study.out / "samples" / "samples.tsv", "samples")["subject"]) == set(PEOPLE)


def test_nothing_that_is_shared_tells_where_it_was_made(study: Study) -> None:
    told = {}
    for path in shared(study.out):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        names = () if path.suffix in (".png", ".gif", ".npy") else (f"-{socket.gethostname()}-", f"{Path.home()}/")
        for word in (str(study.box), *names):
            if word.encode() in content:
                told[path.relative_to(study.out).as_posix()] = word
    assert told == {}
    card = read_json(study.out / "dataset_description.json")
    assert card["SourceDatasets"] == [{"URL": "bids:scans:"}]
    assert card["DatasetLinks"] == {"scans": "../scans"}
    plain = tomllib.loads((study.out / "config.toml").read_text())
    assert plain["scans"]["path"] == "../scans/runs.tsv"
    assert (plain["atlas"]["labels"], plain["output"]["path"]) == ("../scans/labels.nii.gz", ".")


def test_what_is_shared_is_still_of_its_configuration_and_of_its_scans(study: Study, cli: Callable) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.out.rglob("*_boldmap.nii.gz")}
    for config in (study.config, study.out / "config.toml"):
        told = cli("explain", config)
        assert (told.code, "has changed" in told.err) == (0, False), told.err
    assert load_config(study.out / "config.toml") == load_config(study.config)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (series,) = study.out.glob("sub-23/func/*task-touchPWNED_*_stat-mean_timeseries.tsv")
    assert trace(series, reading=True)["state"] == "same"


@pytest.mark.parametrize("words", [(), ("--atlas",), *((task,) for task in TASKS), ("--help",), ("$(touch PWNED)",)])
def test_the_script_runs_nothing_but_the_viewer(study: Study, tmp_path: Path, words: tuple[str, ...]) -> None:
    viewer = tmp_path / "bin" / "fsleyes"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/words"\n')
    viewer.chmod(0o755)
    path = f"{viewer.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([study.out / "view.sh", *words], env={"PATH": path, "LC_ALL": "C.UTF-8"}, cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    there = [path for folder in (tmp_path, study.box) for path in folder.rglob("PWNED*")]
    assert there == []
    if words == ("--help",):
        assert f"Classes: {', '.join(sorted(TASKS))}" in done.stdout
        assert SPACE in done.stdout
        return
    if words == ("$(touch PWNED)",):
        assert (done.returncode, "there is no class or map '$(touch PWNED)'" in done.stderr) == (2, True)
        return
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "words").read_text().splitlines()
    images = [word for word in told if word.endswith(".nii.gz")]
    assert images
    assert all((study.out / word).is_file() for word in images)
    if words in [(task,) for task in TASKS]:
        assert f"{words[0]}, saliency" in told


def test_every_line_of_the_script_that_holds_a_users_words_quotes_them(study: Study) -> None:
    lines = (study.out / "view.sh").read_text().splitlines()
    assert [line for line in lines if line.startswith("#") and "PWNED" in line] == []
    bare = [re.sub(r"'[^']*'|\"'\"", "", line) for line in lines]  # without what stands in quotes
    left = [line for line in bare if "touch" in re.sub(r"[a-z]+-[A-Za-z0-9]+", "", line)]
    assert left == []


class _Tags(HTMLParser):
    """Collects the tags of a page and the words between them, outside of documents within it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on")}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("page", ["report.html", "quality.html"])
def test_names_are_words_of_a_page_and_no_part_of_it(study: Study, page: str) -> None:
    text = (study.out / page).read_text(encoding="utf-8")
    parsed = _Tags(text)
    assert parsed.handlers == set()
    assert "b" not in parsed.tags
    assert "window.PWNED=1</script>" not in text
    assert any(TASKS[0] in words for words in parsed.words)
    assert any(TITLE in words for words in parsed.words)
    assert any(REGIONS[5] in words for words in parsed.words) or page == "quality.html"


@pytest.mark.parametrize("name", ["report.html", "quality.html"])
def test_a_page_runs_nothing_of_theirs_in_a_browser(browser: Any, study: Study, name: str) -> None:
    said, asked = [], []
    page = browser.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((study.out / name).as_uri())
    for summary in page.locator("details > summary").all():
        summary.click()
    assert page.evaluate("window.PWNED") is None
    assert page.locator("h1").first.inner_text().endswith(TITLE)
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "about:"))] == [(study.out / name).as_uri()]
    page.close()


HOSTILE = ("../x", "a/b", "a\\b", "..", "x\ty", "x\ny", "x\x1b[2J", "x\u2028y", "\u202eabc", "---", "\u05d0")


@pytest.mark.parametrize("label", [one for one in HOSTILE if "\t" not in one and "\n" not in one])
@pytest.mark.parametrize("column", ["subject", "task"])
def test_a_label_that_can_be_no_name_is_a_row_with_its_line_and_column(
    interruptions: ModuleType, tmp_path: Path, cli: Callable, label: str, column: str
) -> None:
    config = interruptions.make_study(tmp_path)
    table = config.parent / "runs.tsv"
    lines = table.read_text(encoding="utf-8").splitlines()
    cells = lines[2].split("\t")
    cells[("subject", "task").index(column)] = label
    lines[2] = "\t".join(cells)
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = cli("runs", config)
    (row,) = [line for line in told.out.splitlines() if "unusable" in line]
    assert f"line 3 of runs.tsv: The column {column}: {label!r} cannot be part of a BIDS name" in row
    assert sum("\tfound\t" in line for line in told.out.splitlines()) == 5
    assert "\x1b" not in told.out
    assert [line.count("\t") for line in told.out.splitlines()] == [2] * 7  # one line of three cells for each run


def test_a_link_out_of_the_output_folder_is_refused(interruptions: ModuleType, tmp_path: Path, cli: Callable) -> None:
    config, out, elsewhere = interruptions.make_study(tmp_path), tmp_path / "results", tmp_path / "elsewhere"
    assert cli("extract", config).code == 0
    (elsewhere / "func").mkdir(parents=True)
    theirs = elsewhere / "func" / next((out / "sub-01" / "func").glob("*_timeseries.tsv")).name
    theirs.write_text("theirs")
    shutil.rmtree(out / "sub-01")
    (out / "sub-01").symlink_to(elsewhere)
    told = cli("extract", config)
    assert (told.code, told.err.count("where a link or '..' leads. Remove the link")) == (1, 2)
    log = pd.read_csv(out / "runs.tsv", sep="\t")
    assert log["status"].tolist() == ["again", "again", "done", "done", "done", "done"]
    (out / "sub-01").unlink()
    shutil.move(out / ".workflow", elsewhere / "work")
    (out / ".workflow").symlink_to(elsewhere / "work")
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    told = cli("extract", config)
    assert (told.code, f"{out}/.workflow is not in the output folder" in told.err) == (1, True)
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == before
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize("name", ["Mine\ntouch PWNED\n#", "x/../../../ESCAPED", "\x1b[2J", "$()"])
@pytest.mark.parametrize("key", ["atlas.name", "atlas.space", "scans.space"])
def test_a_name_in_the_configuration_is_refused_with_its_key(
    interruptions: ModuleType, tmp_path: Path, cli: Callable, key: str, name: str
) -> None:
    config = interruptions.make_study(tmp_path)
    values, (section, last) = tomllib.loads(config.read_text()), key.split(".")
    values[section][last] = name
    config.write_text(tomli_w.dumps(values))
    told = cli("extract", config)
    assert (told.code, told.err.count("\n")) == (2, 1)
    words = "must be one line of text without control characters; {!r} came" if min(name) < " " else \
        ": {!r} cannot be part of a BIDS name"  # fmt: skip
    assert f"study.toml: {last} in [{section}]{' ' * (min(name) < ' ')}{words.format(name)}" in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans"]


def test_a_path_in_the_configuration_is_on_one_line(interruptions: ModuleType, tmp_path: Path, cli: Callable) -> None:
    config = interruptions.make_study(tmp_path)
    config.write_text(config.read_text().replace('"../results"', '"../results\\ntouch PWNED"'))
    told = cli("extract", config)
    assert (told.code, "path in [output] must be one line of text without control characters" in told.err) == (2, True)
