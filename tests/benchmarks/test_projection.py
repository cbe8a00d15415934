"""The projection benchmark runs, compares equal images, and ends with one JSON object."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "projection.py"


@pytest.fixture
def projection(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("projection_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_last_line_is_one_object(
    projection: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SHAPE": (31, 37, 31), "QUICK": 4, "REGIONS": 20, "MAPS": 3, "MAP_FRAMES": 2}.items():
        monkeypatch.setattr(projection, name, value)
    monkeypatch.setattr(sys, "argv", ["projection.py", "--quick", "--frames", "5"])
    monkeypatch.setattr(projection, "call", lambda kind, folder, n_times: written(projection, capsys, kind, folder))
    projection.main()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["largest_difference"] == 0
    assert result["maps_largest_difference"] < 1e-5
    assert 0 < result["projection_vs_nilearn_time"] < 10
    assert result["peak_mb"] > 50
    assert 0 < result["share_of_raw_size"] < 0.5


def written(projection: ModuleType, capsys: pytest.CaptureFixture[str], kind: str, folder: Path) -> dict[str, float]:
    """Do in this process, where the sizes are small, what the benchmark does in another."""
    projection.write(kind, folder, 5)
    return json.loads(capsys.readouterr().out.splitlines()[-1])
