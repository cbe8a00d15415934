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
