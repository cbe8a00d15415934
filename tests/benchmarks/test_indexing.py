"""The indexing benchmark runs, finds every run it made, and ends with one JSON object."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "indexing.py"


@pytest.fixture
def indexing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("indexing_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_last_line_is_one_object(
    indexing: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(indexing, "QUICK", (14, 28))
    monkeypatch.setattr(indexing, "LAYOUTS", {"hcp": indexing.Layout(indexing.make_hcp, {"all": {}})})
    monkeypatch.setattr(sys, "argv", ["indexing.py", "--quick", "--repeats", "1"])
    indexing.main()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = result["hcp"]["all"]["sizes"]
    assert [row["runs"] for row in rows] == [14, 28]  # found by a process of its own
    assert all(row["seconds"] > 0 for row in rows)
    assert result["hcp"]["all"]["growth_of_time_per_run"] > 0
    assert result["header_speed_ratio"] > 0
