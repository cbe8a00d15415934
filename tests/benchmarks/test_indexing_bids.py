"""The made tree is whole, and every reader that is here finds all of it."""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fmri_saliency.scans import find_fmriprep

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "indexing_bids.py"


@pytest.fixture(scope="module")
def indexing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("indexing_bids_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tree_has_every_run_of_every_person(indexing: ModuleType, tmp_path: Path) -> None:
    out = indexing.make_tree(tmp_path / "raw", 3)
    runs, log = find_fmriprep(out)
    assert len(runs) == len(log) == 3 * indexing.RUNS_EACH
    assert {run.subject for run in runs} == {"0001", "0002", "0003"}
    assert all(run.events and run.mask and run.confounds for run in runs)
    assert len(list((out / "sub-0002" / "func").iterdir())) == 8 * indexing.RUNS_EACH


def test_readers_that_do_not_find_all_are_left_out(indexing: ModuleType, tmp_path: Path) -> None:
    out = indexing.make_tree(tmp_path / "raw", 2)
    options = argparse.Namespace(repeats=1, python=sys.executable, limit=60.0, leave_out=list(indexing.OTHERS))
    found = indexing.compare(out, 2 * indexing.RUNS_EACH, options)
    assert set(found) == {"own", "nilearn"}
    assert found["own"]["mb"] > 1
    (out / "sub-0002" / "func" / "sub-0002_task-more_bold.nii.gz").write_text("x")
    assert indexing.compare(out, 2 * indexing.RUNS_EACH, options) == {}
