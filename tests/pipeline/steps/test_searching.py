"""Settings are chosen by some people and scored on others."""

import importlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from fmri_saliency.disk.files import write_json
from fmri_saliency.errors import StepError
from fmri_saliency.pipeline.progress.provenance import trace
from fmri_saliency.pipeline.progress.state import STATES

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "interruptions.py"
SEARCH = """
[search]
seeds = [0, 7]
inner_folds = 2
[search.decoder]
network = ["lstm", "input-cell-lstm"]
training.max_epochs = [1, 4]
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return the configuration of a tiny study with a search over four settings, extracted."""
    spec = importlib.util.spec_from_file_location("interruptions", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.make_study(tmp_path, 6)
    config.write_text(config.read_text() + SEARCH)
    return config


def jobs(out: Path) -> pd.DataFrame:
    return pd.DataFrame([json.loads(path.read_text()) for path in sorted((out / "search" / "jobs").glob("*.json"))])


def name(decoder: dict) -> tuple[str, int]:
    return decoder["network"], decoder["training"]["max_epochs"]


def test_the_choice_never_saw_who_it_is_scored_on(cli: Callable, study: Path) -> None:
    out = study.parent.parent / "results"
    assert cli("search", study).code == 1  # nothing is extracted yet
    assert cli("extract", study).code == 0
    first = cli("search", study, "--job", "1/2")
    assert (first.code, first.out, "still to be done" in first.err) == (0, "", True)
    n_inner = 3 * 2 * 4 * 2  # outer folds, inner folds, settings, seeds
    assert len(jobs(out)) == n_inner / 2
    assert cli("search", study, "--job", "3/2").code == 2
    written = {path: path.stat().st_mtime_ns for path in (out / "search" / "jobs").iterdir()}
    done = cli("search", study)
    assert (done.code, done.out.strip()) == (0, str(out / "search" / "search.md"))
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())  # kept, not done again
    rows = jobs(out)
    assert len(rows) == n_inner + 3 * 2
    group = pd.read_csv(out / "samples" / "samples.tsv", sep="\t", dtype=str)["group"].to_numpy()
    outer, chosen = rows[rows["inner"] == 0], {}
    for number, mine in rows[rows["inner"] > 0].groupby("outer"):
        tested = set(outer.loc[outer["outer"] == number, "samples"].iloc[0])
        used = {sample for one in mine["samples"] for sample in one}
        assert not set(group[list(tested)]) & set(group[list(used)])
        assert tested | used == set(range(12))
        score: dict[tuple, list[float]] = {}
        for (setting, _), part in mine.assign(setting=mine["decoder"].map(name)).groupby(["setting", "seed"]):
            pooled = balanced_accuracy_score(np.concatenate(part["label"].tolist()),
                                             np.concatenate(part["predicted"].tolist()))  # fmt: skip
            score.setdefault(setting, []).append(float(pooled))
        best = max(np.mean(one) for one in score.values())
        chosen[number] = {setting for setting, one in score.items() if np.isclose(np.mean(one), best)}
    assert all(name(row["decoder"]) in chosen[row["outer"]] for _, row in outer.iterrows())
    table = pd.read_csv(out / "search" / "scores.tsv", sep="\t")
    assert table["seed"].tolist() == [0, 7]
    for seed, mine in outer.groupby("seed"):
        wanted = accuracy_score(np.concatenate(mine["label"].tolist()), np.concatenate(mine["predicted"].tolist()))
        assert table.set_index("seed").at[seed, "accuracy"] == pytest.approx(wanted, abs=1e-6)
    assert (table["chance"] == 0.5).all()
    settings = pd.read_csv(out / "search" / "settings.tsv", sep="\t")
    assert settings["network"].tolist() == ["lstm", "lstm", "input-cell-lstm", "input-cell-lstm"]
    assert settings["training.max_epochs"].tolist() == [1, 4, 1, 4]
    assert settings["chosen_in_folds"].sum() == 3
    page = (out / "search" / "search.md").read_text()
    assert f"took no part in the choice: {table['accuracy'].mean():.3f}**" in page
    assert "held-out subjects" in page
    before = page
    assert cli("search", study).code == 0
    assert (out / "search" / "search.md").read_text() == before


def test_jobs_of_their_own_give_the_files_of_one_call(cli: Callable, study: Path) -> None:
    out = study.parent.parent / "results"
    text = study.read_text().replace("seeds = [0, 7]", "seeds = [7]")
    study.write_text(text.replace('network = ["lstm", ', "network = ["))
    assert cli("extract", study).code == 0
    unlisted = cli("search", study, "--trial", "outer-1_inner-1_0")
    assert (unlisted.code, "run `fmri-saliency index CONFIG.toml` first" in unlisted.err) == (1, True)
    assert cli("index", study).code == 0
    rows = [row.split("\t") for row in (out / ".workflow" / "trials.tsv").read_text().splitlines()]
    assert [tuple(row[1:]) for row in rows] == [(outer, inner, setting, "7") for outer in "123" for inner in "12"
                                                for setting in "12"]  # fmt: skip
    wrong = cli("search", study, "--trial", rows[0][0] + "0")
    assert (wrong.code, f"Did you mean '{rows[0][0]}'?" in wrong.err) == (2, True)
    for number, row in enumerate(reversed(rows), 1):
        assert cli("search", study, "--trial", row[0]).code == 0
        assert len(list((out / "search" / "jobs").iterdir())) == number
    lost = next((out / "search" / "jobs").glob("outer-2_inner-1_*"))
    lost.unlink()
    early = cli("search", study, "--fold", 2)
    assert (early.code, "1 of 4 trials of fold 2 are not done (first: outer-2_inner-1_" in early.err) == (1, True)
    for row in rows:
        assert cli("search", study, "--trial", row[0]).code == 0
    for fold in (3, 1, 2):
        assert cli("search", study, "--fold", fold).code == 0
    assert cli("search", study, "--fold", 4).code == 2
    assert len(jobs(out)) == 12 + 3
    assert not (out / "search" / "search.md").exists()
    assert cli("search", study).code == 0
    made = {path.name: path.read_bytes() for path in (out / "search").rglob("*.*")}
    (out / "search").rename(out / "search-in-pieces")
    assert cli("search", study).code == 0
    assert {path.name: path.read_bytes() for path in (out / "search").rglob("*.*")} == made
    assert len(made) == 12 + 3 + 4
    study.write_text(study.read_text().replace("max_epochs = [1, 4]", "max_epochs = [2]"))
    gone = cli("search", study, "--trial", rows[0][0])
    assert (gone.code, "There is no trial" in gone.err) == (2, True)
    study.write_text(study.read_text().split("[search]")[0])
    assert cli("index", study).code == 0
    assert not (out / ".workflow" / "trials.tsv").exists()


def test_status_counts_decoders_and_provenance_reaches_the_scans(
    cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> dict[str, dict[str, int]]:
        steps = json.loads(cli("status", study, "--json").out)["steps"]
        return {one["step"]: {state: one[state] for state in STATES if one[state]} for one in steps}

    def fail(*_: object, **__: object) -> None:
        raise StepError("The moon is full.")

    out = study.parent.parent / "results"
    text = study.read_text().replace("seeds = [0, 7]", "seeds = [7]")
    study.write_text(text.replace('network = ["lstm", ', "network = ["))
    assert [cli("extract", study).code, cli("index", study).code] == [0, 0]
    n_all = 3 * 2 * 2 + 3  # outer folds, inner folds, settings; and a test of each outer fold
    assert (rows()["search"], rows()["table"]) == ({"waiting": n_all}, {"waiting": 1})
    trials = [row.split("\t") for row in (out / ".workflow" / "trials.tsv").read_text().splitlines()]
    assert cli("search", study, "--trial", trials[0][0]).code == 0
    assert rows()["search"] == {"done": 1, "waiting": n_all - 1}
    with monkeypatch.context() as patched:
        patched.setattr(importlib.import_module("fmri_saliency.pipeline.steps.searching"), "TaskDecoder", fail)
        assert cli("search", study, "--trial", trials[1][0]).code == 1
    assert rows()["search"] == {"done": 1, "failed": 1, "waiting": n_all - 2}
    assert "The moon is full." in cli("status", study).out
    assert cli("search", study).code == 0
    assert (rows()["search"], rows()["table"]) == ({"done": n_all}, {"done": 1})
    assert json.loads(cli("status", study, "--json").out)["failures"] == []
    for name in ("search.md", "settings.tsv", "scores.tsv"):
        found = trace(out / "search" / name)
        scans = {one["source"] for step in found["steps"] for one in step["sources"] if "path" in one}
        assert len(scans) == 12
        assert {step["state"] for step in found["steps"]} == {"same"}
        assert sum(step["file"].startswith("search/jobs/") for step in found["steps"]) == n_all
    lost = next((out / "search" / "jobs").glob("outer-2_inner-1_*"))
    write_json(lost, {**json.loads(lost.read_text()), "inputs": "other"})
    assert trace(out / "search" / "search.md")["state"].startswith("out of date: search/search.md")
    lost.unlink()
    assert (rows()["search"], rows()["table"]) == ({"done": n_all - 2, "waiting": 2}, {"waiting": 1})


@pytest.mark.parametrize("command", ["run", "index", "runs"])
def test_what_cannot_be_searched_is_said_before_anything_is_done(cli: Callable, study: Path, command: str) -> None:
    study.write_text(study.read_text().replace("inner_folds = 2", "inner_folds = 5"))
    refused = cli(command, study)
    assert (refused.code, "inner_folds in [search]" in refused.err) == (2, True)
    assert not (study.parent.parent / "results").exists()
