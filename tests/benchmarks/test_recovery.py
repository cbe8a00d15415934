"""The kept rows are of pairs that can be made again, and the default is what the package recommends."""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fmri_saliency.saliency import PAIRS

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "recovery.py"
FIELDS = {"set", "network", "training", "explainer", "seed", "accuracy", "auroc", "auprc", "first_tenth_excess",
          "last_tenth_excess", "samples", "command", "version"}  # fmt: skip


@pytest.fixture(scope="module")
def recovery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recovery_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_default_is_what_the_package_recommends(recovery: ModuleType) -> None:
    ours, own = asdict(recovery.PAIRS[recovery.DEFAULT]), asdict(PAIRS["recommended"])
    assert {**ours, "name": ""} == {**own, "name": ""}
    ours, own = asdict(recovery.PAIRS["paper"]), asdict(PAIRS["paper"])
    assert ours == own


def test_every_kept_row_is_of_a_pair_as_it_is_today(recovery: ModuleType) -> None:
    rows = recovery.kept_rows()
    assert len({(row["set"], row["pair"], row["seed"]) for row in rows}) == len(rows)
    for row in rows:
        assert set(row) >= FIELDS
        assert recovery.is_of(row, row["set"], recovery.PAIRS[row["pair"]], row["seed"]), row["command"]
        assert 0 <= row["auprc"] <= 1


def test_rows_are_made_kept_and_not_made_twice(
    recovery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RESULTS", tmp_path / "recovery.json")
    for name, value in {"N_TRAIN": 40, "N_VALID": 10, "N_TEST": 20, "N_EXPLAINED": 4}.items():
        monkeypatch.setattr(recovery, name, value)
    asked = []
    whole = recovery.measure
    monkeypatch.setattr(recovery, "measure", lambda *key: asked.append(key) or whole(*key))
    for _ in range(2):
        rows = recovery.run_all(("suppressors",), ("lstm-gradient",), (201, 202))
    assert len(asked) == 2
    assert [row["seed"] for row in rows] == [201, 202]
    found = json.loads((tmp_path / "recovery.json").read_text())
    found[0]["training"]["share"] = 0.3  # a pair that is no longer the same
    (tmp_path / "recovery.json").write_text(json.dumps(found))
    recovery.run_all(("suppressors",), ("lstm-gradient",), (201, 202))
    assert len(asked) == 3
    table = (tmp_path / "recovery.md").read_text()
    mean = np.mean([row["auroc"] for row in rows])
    assert "| suppressors | lstm-gradient | 2 | " in table
    assert f"{mean:.3f} ({min(row['auroc'] for row in rows):.3f})" in table


def test_the_seventy_sets_are_averaged_over_what_all_pairs_were_run_on(recovery: ModuleType) -> None:
    """By hand: three sets, one that only one pair was run on, one that one of the pairs does not know."""
    figures = {
        ("a", "middle-narma"): (1.0, 0.8), ("b", "middle-narma"): (0.95, 0.4), ("a", "rare_time-narma"): (0.92, 0.6),
        ("b", "rare_time-narma"): (0.7, 0.1), ("a", "middle-gaussian"): (1.0, 0.0),
    }  # fmt: skip
    rows = [{"set": name, "pair": pair, "seed": 201, "accuracy": accuracy, "auprc": auprc, "auroc": auprc}
            for (pair, name), (accuracy, auprc) in figures.items()]  # fmt: skip
    head, _, first, second = recovery._by_kind(rows)
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    for line, wanted in ((first, ["a", "2", "2", "0.700", "0.700", "0.800", "0.800"]),
                         (second, ["b", "2", "1", "0.250", "0.250", "0.400", "0.400"])):  # fmt: skip
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[:7] == wanted
        assert len(cells) == len(columns)
    assert columns[5] == "AUROC, all pairs know (1)"
    named = dict(zip(columns, (cell.strip() for cell in first.strip("|").split("|")), strict=True))
    assert (named["middle"], named["rare_time"], named["narma"], named["gaussian"]) == ("0.800", "0.600", "0.700", "-")
