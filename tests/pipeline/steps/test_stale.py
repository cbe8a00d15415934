"""What is made again after an edit of the configuration, the atlas's table or the scans, and what stays."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd


def standing(cli: Callable, config: Path) -> dict[str, tuple[int, int]]:
    """Return how many units of each step are done and wait."""
    steps = json.loads(cli("status", config, "--json").out)["steps"]
    return {one["step"]: (one["done"], one["waiting"]) for one in steps}


def times(root: Path, pattern: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.glob(pattern)}


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_new_maps_stay_when_the_report_is_written(cli: Callable, study: Path) -> None:
    out = study.parent.parent / "results"
    for step in ("extract", "train", "explain", "judge", "report"):
        assert cli(step, study).code == 0
    edit(study, 'method = "input-x-gradient"', 'method = "gradient"')
    assert cli("explain", study).code == 0
    maps = times(out, "group/*")
    assert maps
    assert all("desc-gradient_" in path.name for path in maps)
    assert any("desc-inputxgradient_" in path.name for path in (out / ".earlier" / "group").iterdir())
    assert not (out / "report.html").exists()
    for step in ("judge", "report"):
        assert cli(step, study).code == 0
    assert times(out, "group/*") == maps
    assert standing(cli, study)["report"] == (1, 0)


def test_judging_opens_the_folder(cli: Callable, study: Path) -> None:
    out = study.parent.parent / "results"
    for step in ("extract", "train", "explain", "judge", "report"):
        assert cli(step, study).code == 0
    edit(study, "[output]\n", '[output]\ntitle = "Another"\n')
    assert cli("judge", study).code == 0
    assert 'title = "Another"' in (out / "config.toml").read_text()
    assert standing(cli, study)["judge"] == (1, 0)


def test_judging_makes_no_folder(cli: Callable, study: Path) -> None:
    outcome = cli("judge", study)
    assert outcome.code != 0
    assert "fmri-saliency extract" in outcome.err
    assert not (study.parent.parent / "results").exists()


def test_maps_depend_on_the_whole_table_of_the_atlas_and_series_on_its_names(cli: Callable, study: Path) -> None:
    out, table = study.parent.parent / "results", study.parent / "labels.tsv"
    names = table.read_text().splitlines()
    table.write_text("\n".join([f"{names[0]}\tnetwork\tcolor", *(f"{row}\told\t#ff0000" for row in names[1:])]) + "\n")
    for step in ("extract", "train", "explain", "judge", "report"):
        assert cli(step, study).code == 0
    made = times(out, "sub-*/func/*_timeseries.*") | times(out, "decoder/**/*.safetensors") | times(out, "saliency/*/*")
    edit(table, "old", "new")
    assert standing(cli, study)["maps"] == (0, 1)
    assert standing(cli, study)["report"] == (0, 1)
    for step in ("extract", "train", "explain", "judge", "report"):
        assert cli(step, study).code == 0
    tables = [pd.read_csv(path, sep="\t") for path in out.glob("**/*_regions.tsv") if ".earlier" not in path.parts]
    assert {network for one in tables if "network" in one for network in one["network"]} == {"new"}
    assert {path: path.stat().st_mtime_ns for path in made} == made
    edit(table, "#ff0000", "#00ff00")
    assert standing(cli, study)["maps"] == (0, 1)


def test_a_removed_person_is_nowhere_but_aside(cli: Callable, study: Path) -> None:
    out, runs = study.parent.parent / "results", study.parent / "runs.tsv"
    edit(study, "folds = 3", 'split = "leave-one-run-out"')
    for step in ("extract", "train", "explain"):
        assert cli(step, study).code == 0
    runs.write_text("".join(row for row in runs.read_text().splitlines(keepends=True) if not row.startswith("03")))
    for step in ("train", "explain"):
        assert cli(step, study).code == 0
    assert [path for path in out.rglob("sub-03*") if ".earlier" not in path.parts] == []
    assert len(list((out / ".earlier").rglob("sub-03*_stat-mean_timeseries.tsv"))) == 2
    assert sorted(path.name for path in out.glob("decoder/*/fold-*")) == [f"fold-{number}" for number in (1, 2, 3, 4)]
    assert len(list(out.glob("saliency/*/fold-*.json"))) == 4
