"""The folder atlases/ is a BIDS data set, by the validator's own judgement where it is installed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def test_the_atlases_are_a_valid_bids_data_set(
    repository: Path, tmp_path: Path, need: Callable[[str], str]
) -> None:
    data = tmp_path / "atlases"
    shutil.copytree(repository / "atlases", data, ignore=shutil.ignore_patterns("__pycache__"))
    call = [need("validator"), "--json", str(data)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    (data / "strange.tsv").write_text("index\tname\n")
    broken = json.loads(subprocess.run(call, capture_output=True, text=True, check=False).stdout)["issues"]["issues"]
    assert any(issue["code"] == "NOT_INCLUDED" for issue in broken)


def test_columns_of_the_shipped_table_are_described(repository: Path) -> None:
    (table,) = (repository / "atlases").rglob("*_scale-100_dseg.tsv")
    sidecar = json.loads(table.with_suffix(".json").read_text())
    columns = table.read_text().splitlines()[0].split("\t")
    assert set(columns) - {"index", "name", "color"} <= set(sidecar)
