"""``fmri-saliency evaluate`` as a user runs it, interrupted and changed."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmri_saliency.errors import StepError
from fmri_saliency.evidence import NAIVE, summarise
from fmri_saliency.pipeline import Evaluation, evaluate, load_evaluation
from fmri_saliency.pipeline.evaluation import trials as trial
from fmri_saliency.pipeline.evaluation.evaluation_page import (
    _in_short,
    _methods,
    _summary,
    summary_table,
    suppressors_of,
)
from fmri_saliency.pipeline.evaluation.protocol import Results
from fmri_saliency.pipeline.evaluation.trials import trial_inputs
from fmri_saliency.saliency import PAIRS

MODULE = sys.modules[evaluate.__module__]  # the package shows the function of that name
TINY = """
[data]
sets = ["suppressors"]
seeds = [1, 2]
train = 80
stop = 20
test = 30
explained = 6
[data.settings.suppressors]
n_times = 12
n_regions = 10
effect = 2.0
[[pairs]]
name = "good"
network = "lstm"
explainer = "gradient-shap"
smoothing = 1.0
[pairs.architecture]
hidden_size = 8
readout = "mean"
dropout = 0.0
[pairs.training]
max_epochs = 12
[pairs.settings]
n_samples = 8
[[pairs]]
name = "ignorant"
network = "lstm"
explainer = "gradient"
[pairs.architecture]
hidden_size = 2
[pairs.training]
max_epochs = 1
learning_rate = 0.0001
[checks.null]
draws = 3
samples = 3
[checks.faithful]
shares = [0.1, 0.3]
window = 3
draws = 2
random = 2
retrain_shares = [0.1]
retrain_random = 1
[output]
path = "out"
"""


class Page(HTMLParser):
    """What a page shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluation") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def done(config: Path) -> Path:
    """Run it once; return the output folder."""
    assert evaluate(load_evaluation(config)) == config.parent / "out" / "evaluation.html"
    return config.parent / "out"


def test_the_json_holds_every_check(done: Path) -> None:
    content = json.loads((done / "evaluation.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [(row["pair"], row["seed"]) for row in content["rows"]] == [
        ("good", 1), ("ignorant", 1), ("good", 2), ("ignorant", 2)
    ]  # fmt: skip
    good, ignorant = content["rows"][:2]
    assert good["gate"]["value"] >= 0.9 > ignorant["gate"]["value"]
    assert set(good["checks"]) == {"recover", "suppress", "null", "faithful"}
    assert (ignorant["judged"], ignorant["checks"]) == (False, {})
    assert set(good["checks"]["recover"]["beside"]) == {*NAIVE, "untrained network"}
    oracle = good["checks"]["recover"]["beside"]["oracle"]
    assert [oracle[key] for key in ("auroc", "auprc", "paper_weighted_jaccard", "paper_euclidean")] == [1, 1, 1, 0]
    assert good["checks"]["recover"]["figures"]["auroc"] > 0.6
    suppress = good["checks"]["suppress"]["figures"]
    assert suppress["pattern_ratio"] < 0.3 * suppress["ratio"]  # the pattern finds suppressors out
    null = good["checks"]["null"]
    assert null["names"]["cascade"] == ["linear", "encoder.layer"]
    assert len(null["curves"]["profile"]) == 12
    assert sum(null["curves"]["profile"]) == pytest.approx(1)
    assert len(null["draws"]) == 3
    faithful = good["checks"]["faithful"]
    assert faithful["figures"]["removal_gain_absolute"] > 0
    assert faithful["curves"]["removal_absolute"][0] == faithful["curves"]["removal_random"][0]
    assert content["configuration"]["data"]["seeds"] == [1, 2]
    assert content["verdicts"][1]["verdict"].startswith("Not judged")


def test_the_table_has_means_and_intervals_of_the_rows(done: Path) -> None:
    table = pd.read_csv(done / "evaluation.tsv", sep="\t", na_values="n/a", keep_default_na=False)
    rows = pd.read_csv(done / "rows.tsv", sep="\t", na_values="n/a", keep_default_na=False)
    good = table[(table["pair"] == "good") & (table["map"] == "pair")].iloc[0]
    values = rows.loc[rows["pair"] == "good", "auroc"]
    assert good["auroc"] == pytest.approx(values.mean())
    half = 12.706204736432095 * values.std() / np.sqrt(2)  # Student's t of one degree of freedom
    assert good["auroc_high"] - good["auroc"] == pytest.approx(half)
    assert {"suppress_ratio", "suppress_auroc", "null_profile_p", "faithful_cpd_high"} <= set(table.columns)
    ignorant = table[table["pair"] == "ignorant"]
    assert ignorant["judged"].tolist() == [0]
    assert ignorant["auroc"].isna().all()
    assert set(table.loc[table["pair"] == "good", "map"]) == {"pair", "untrained network", *NAIVE}
    assert table["verdict"].str.contains("Not judged").sum() == 1
    verdicts = json.loads((done / "evaluation.json").read_text())["verdicts"]
    assert [one["verdict"] for one in verdicts] == table["verdict"].dropna().tolist()
    assert len(pd.read_csv(done / "failures.tsv", sep="\t")) == 0


def test_the_page_stands_alone(done: Path) -> None:
    text = (done / "evaluation.html").read_text()
    page = Page(text)
    assert len(page.images) == 3
    for image in page.images:
        assert image["src"].startswith("data:image/webp;base64,")
        assert len(image["alt"]) > 40
    assert not page.tags & {"script", "link"}
    assert "http" not in text.replace("<meta http-equiv=", "")
    for words in ("untrained network (good)", "oracle", "Not judged", "Suppressor/signal", "Weighted Jaccard (2019)",
                  "Removal gain", "New weights, absolute"):  # fmt: skip
        assert words in text


def test_what_is_there_is_not_made_again_and_what_changed_is(
    done: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str, int]] = []

    def count(evaluation: Evaluation, name: str, pair: Any, seed: int) -> dict[str, Any]:
        made.append((name, pair.name, seed))
        return {**stored[pair.name], "seed": seed, "inputs": trial_inputs(evaluation, name, pair, seed)}

    stored = {row["pair"]: row for row in json.loads((done / "evaluation.json").read_text())["rows"]}
    monkeypatch.setattr(MODULE, "run_trial", count)
    before = (done / "evaluation.tsv").read_text()
    evaluation = load_evaluation(config)
    evaluate(evaluation)
    assert made == []
    assert (done / "evaluation.tsv").read_text() == before
    more = replace(evaluation, data=replace(evaluation.data, seeds=(1, 2, 3)))
    evaluate(more)
    assert made == [("suppressors", "good", 3), ("suppressors", "ignorant", 3)]
    made.clear()
    (done / "rows" / "suppressors" / "good" / "seed-1.json").write_text("{ half a row")
    evaluate(evaluation)
    assert made == [("suppressors", "good", 1)]
    made.clear()
    other = replace(evaluation.pairs[1], smoothing=2.0)
    evaluate(replace(evaluation, pairs=(evaluation.pairs[0], other)))
    assert made == [("suppressors", "ignorant", 1), ("suppressors", "ignorant", 2)]


def test_only_what_a_set_is_asked_for_counts_for_its_rows(config: Path) -> None:
    base = load_evaluation(config)
    base = replace(base, data=replace(base.data, sets=("state",)))
    null = replace(base, checks=replace(base.checks, null=replace(base.checks.null, draws=7)))
    pair = base.pairs[0]
    assert trial_inputs(base, "state", pair, 1) != trial_inputs(null, "state", pair, 1)
    assert trial_inputs(base, "suppressors", pair, 1) == trial_inputs(null, "suppressors", pair, 1)
    longer = replace(base, data=replace(base.data, settings={"state": {"n_times": 20}}))
    assert trial_inputs(base, "state", pair, 1) != trial_inputs(longer, "state", pair, 1)
    assert trial_inputs(base, "state", pair, 1) != trial_inputs(base, "state", pair, 2)
    assert trial_inputs(base, "state", pair, 1) != trial_inputs(base, "state", PAIRS["paper"], 1)


def test_an_interruption_keeps_what_is_done(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def stop(evaluation: Evaluation, name: str, pair: Any, seed: int) -> dict[str, Any]:
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(pair.name)
        return row(evaluation, name, pair, seed)

    evaluation = load_evaluation(config)
    evaluation = replace(evaluation, output=replace(evaluation.output, path=tmp_path / "stopped"))
    monkeypatch.setattr(MODULE, "run_trial", stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate(evaluation)
    assert len(list((tmp_path / "stopped" / "rows").rglob("seed-*.json"))) == 1
    assert not (tmp_path / "stopped" / "evaluation.json").exists()
    made.clear()
    monkeypatch.setattr(MODULE, "run_trial", lambda *job: made.append(job[1]) or row(*job))
    evaluate(evaluation)
    assert len(made) == 3


def row(evaluation: Evaluation, name: str, pair: Any, seed: int) -> dict[str, Any]:
    """Return a row that did not pass the gate."""
    found = {"check": "c", "subject": "s", "value": 0.5, "null": 0.5, "interval": [0.4, 0.6], "on": "o", "verdict": "v"}
    return {"set": name, "pair": pair.name, "seed": seed, "network": pair.network, "explainer": pair.explainer,
            "epochs": 1, "gate": found, "judged": False, "checks": {}, "seconds": 0.1,
            "inputs": trial_inputs(evaluation, name, pair, seed)}  # fmt: skip


def test_a_failing_row_is_named_and_the_others_go_on(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable
) -> None:
    def fail(evaluation: Evaluation, name: str, pair: Any, seed: int) -> dict[str, Any]:
        if (pair.name, seed) == ("good", 2):
            raise ZeroDivisionError("of all things")
        return row(evaluation, name, pair, seed)

    monkeypatch.setattr(MODULE, "run_trial", fail)
    mine = tmp_path / "mine.toml"
    mine.write_text(TINY)
    done = cli("evaluate", mine)
    assert done.code == 1
    assert "1 of 4 rows failed" in done.err
    assert "suppressors, good, seed 2: ZeroDivisionError: of all things" in done.err
    table = pd.read_csv(tmp_path / "out" / "failures.tsv", sep="\t")
    assert table[["set", "pair", "seed"]].to_numpy().tolist() == [["suppressors", "good", 2]]
    assert "of all things" in table["error"][0]
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "suppressors, good, seed 2 failed: ZeroDivisionError: of all things" in page
    assert "No pair passed the gate" in page
    assert len(json.loads((tmp_path / "out" / "evaluation.json").read_text())["rows"]) == 3
    monkeypatch.setattr(MODULE, "run_trial", row)
    done = cli("evaluate", mine)
    assert (done.code, done.out.strip()) == (0, str(tmp_path / "out" / "evaluation.html"))


def test_all_rows_failing_are_named_and_everything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable
) -> None:
    def fail(*_: Any) -> dict[str, Any]:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(MODULE, "run_trial", fail)
    mine = tmp_path / "mine.toml"
    mine.write_text(TINY)
    done = cli("evaluate", mine)
    assert done.code == 1
    assert "4 of 4 rows failed" in done.err
    assert "suppressors, ignorant, seed 2: ZeroDivisionError: of all things" in done.err
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (content["rows"], content["verdicts"], len(content["failures"])) == ([], [], 4)
    assert "Every row failed" in (tmp_path / "out" / "evaluation.html").read_text()
    for name, n_rows in (("rows", 0), ("evaluation", 0), ("failures", 4)):
        assert len(pd.read_csv(tmp_path / "out" / f"{name}.tsv", sep="\t")) == n_rows


def test_what_was_not_asked_is_not_said_to_have_failed(config: Path) -> None:
    evaluation = load_evaluation(config)
    judged = {**row(evaluation, "suppressors", evaluation.pairs[0], 1), "judged": True}
    other = replace(evaluation, checks=replace(evaluation.checks, which=("null",)))
    assert "was not asked" in _summary(other, summarise([judged], 0.9))
    assert "No pair passed the gate, so" in _summary(other, summarise([{**judged, "judged": False}], 0.9))
    # the pair passes on suppressors, where recovery is no check, and not on the set where it is one
    rows = [judged, row(evaluation, "state", evaluation.pairs[0], 1)]
    assert "No pair passed the gate on a set" in _summary(evaluation, summarise(rows, 0.9))


def test_one_seed_is_not_told_as_many(config: Path) -> None:
    evaluation = load_evaluation(config)
    one = replace(evaluation, data=replace(evaluation.data, seeds=(1,)))
    assert _methods(evaluation).startswith("For each of 2 seeds, every pair")
    assert _methods(one).startswith("For one seed, every pair")


def test_the_table_in_short_has_the_signed_gains_of_contributions(config: Path) -> None:
    evaluation = load_evaluation(config)
    figures = {f"{kind}_gain_{name}": value for kind in ("removal", "insertion")
               for name, value in (("absolute", 0.1), ("signed", 0.4))}  # fmt: skip
    one = {**row(evaluation, "suppressors", evaluation.pairs[0], 1), "judged": True,
           "checks": {"faithful": {"figures": figures}}}  # fmt: skip
    for contributes, gain in ((True, 0.4), (False, 0.1)):
        (found,) = summarise([{**one, "contributes": contributes}], 0.9)
        assert [cell.mean for cell in _in_short(found, None)["cells"][-2:]] == [gain, gain]


def test_a_map_that_is_not_finite_is_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable
) -> None:
    monkeypatch.setattr(trial, "explain_drawn", lambda *_: np.full((6, 12, 10), np.nan))
    mine = tmp_path / "mine.toml"
    mine.write_text(TINY.replace("[1, 2]", "[1]"))
    done = cli("evaluate", mine)
    assert done.code == 1
    assert "suppressors, good, seed 1: InputError: Maps must be finite" in done.err


def test_somebody_elses_folder_is_left_alone(tmp_path: Path, cli: Callable) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    mine = tmp_path / "mine.toml"
    mine.write_text(TINY)
    done = cli("evaluate", mine)
    assert done.code == 1
    assert "holds files that are not of an evaluation" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    with pytest.raises(StepError, match="cannot be written to"):
        evaluate(replace(load_evaluation(mine), output=Results(Path("/proc/no/out"))))


def test_bad_configurations_are_one_message(tmp_path: Path, cli: Callable) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(TINY.replace('"lstm"', '"lstn"'))
    done = cli("evaluate", mine)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Error: {mine}: The network of the pair 'good' must be one of")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_suppressors_show_is_said_of_the_pair_on_every_set(config: Path) -> None:
    evaluation = load_evaluation(config)
    good, ignorant = evaluation.pairs
    found = {"suppress": {"figures": {"ratio": 0.9, "pattern_ratio": 0.1}}}
    rows = [{**row(evaluation, "state", pair, 1), "judged": True} for pair in (good, ignorant)]
    rows += [{**row(evaluation, "suppressors", good, 1), "judged": True, "checks": found},
             row(evaluation, "suppressors", ignorant, 1)]  # fmt: skip
    verdicts = summary_table(summarise(rows, 0.9)).set_index(["set", "pair"])["verdict"]
    assert "look as important as signal: 0.90" in verdicts["state", "good"]
    assert "is not judged: with them its network knows 50 % of the answers" in verdicts["state", "ignorant"]
    judgements = summarise(rows[:2], 0.9)
    assert [suppressors_of(one, judgements) for one in judgements] == [None, None]


def test_subjects_are_not_on_both_sides() -> None:
    data = trial.Data(("bold-earlier",), (1,), train=12, stop=4, test=8, explained=4)
    drawn = trial.draw(data, "bold-earlier", 1)
    parts = [set(drawn.groups[part].tolist()) for part in (drawn.train, slice(12, 16), drawn.test)]
    assert parts == [{0, 1, 2}, {3}, {4, 5}]
    assert (drawn.fit, drawn.explained) == (slice(16), slice(16, 20))
