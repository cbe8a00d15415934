"""A part of the campaign of changed studies: nothing unforeseen, nothing outside, nothing wrong in silence."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = before
        for name in ("fuzz", "fuzz_inputs", "fuzz_mutations"):
            sys.modules.pop(name, None)


def test_no_changed_study_is_a_fault(fuzz: ModuleType) -> None:
    command = [sys.executable, SCRIPT, "--quick", "--seed", "14"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert {name: counts[name] for name in fuzz.FAULTS} == dict.fromkeys(fuzz.FAULTS, 0), done.stdout
    assert counts["cases"] == counts["clear"] + counts["equal"] + counts["different"] == 60
    assert counts["clear"] > 10
    assert counts["equal"] > 10


@pytest.fixture(scope="module")
def valid(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("valid") / "table"
    fuzz.make_study("table", folder)
    return folder.parent


def outcome(fuzz: ModuleType, valid: Path, folder: Path, work: str, expected: str) -> str:
    """Return what becomes of a study on which this code stands for the product; the changed file is a scan's."""
    shutil.copytree(valid / "table", folder / "study")
    mutation = fuzz.Mutation("x", "*", expected, None)
    changed = folder / "study" / "sub-01_task-one_bold.nii"
    before = fuzz.listing(folder)
    process = os.fork()
    if process == 0:
        fuzz.work = lambda folder, samples: exec_work(work, folder)
        fuzz.child(folder, samples=False)
    _, status = os.waitpid(process, 0)
    reference = {f"sub-{who}_task-one_stat-mean_timeseries.tsv": np.ones((2, 2)) for who in ("01", "02")}
    job = fuzz.Job(fuzz.Case(0, "table", mutation), folder, changed, "", before, process, time.monotonic())
    return fuzz.judge(job, status, reference)[0]


def exec_work(work: str, folder: Path) -> int:
    """Run code that stands for the product."""
    space: dict[str, object] = {"folder": folder, "series": lambda **values: write_series(folder, values)}
    exec(work, space)
    return int(space.get("code", 0))


def write_series(folder: Path, values: dict[str, float]) -> None:
    """Write series of people, all of one value."""
    for who, value in values.items():
        path = folder / "study" / "out" / f"sub-{who[1:]}" / "func" / f"sub-{who[1:]}_task-one_stat-mean_timeseries.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(f"a\tb\n{value}\t{value}\n{value}\t{value}\n")


SAY = "import sys; sys.stderr.write('Error: {}\\n'); "


@pytest.mark.parametrize(("work", "expected", "wanted"), [
    ("series(s01=1, s02=1)", "same", "equal"),
    ("series(s01=2, s02=1)", "any", "different"),
    ("series(s01=2, s02=1)", "same", "wrong"),
    ("series(s01=1, s02=1)", "refused", "wrong"),
    ("series(s01=1, s02=3)", "any", "wrong"),  # the change does not belong to the other run
    ("series(s01=1)", "any", "stopped"),
    (SAY.format("1 run is bad") + "series(s02=1); code = 1", "refused", "clear"),
    (SAY.format("bad") + "code = 2", "any", "stopped"),
    ("series(s02=1); code = 1", "any", "unexpected"),  # without a message
    (SAY.format("unexpected KeyError: 3") + "series(s02=1); code = 1", "any", "unexpected"),
    ("1 / 0", "any", "unexpected"),
    ("import os; os.kill(os.getpid(), 9)", "any", "unexpected"),
    ("import numpy; numpy.ones(2**40)", "any", "memory"),
    ("series(s01=1, s02=1); (folder / 'escaped.txt').write_text('x')", "any", "outside"),
    ("series(s01=1, s02=1); (folder / 'study' / 'runs.tsv').write_text('x')", "any", "outside"),
])  # fmt: skip
def test_faults_are_told_from_what_is_right(fuzz: ModuleType, valid: Path, tmp_path: Path, work: str, expected: str,
                                            wanted: str) -> None:  # fmt: skip
    assert outcome(fuzz, valid, tmp_path, work, expected) == wanted


def test_a_case_is_the_same_each_time_and_changes_one_file(fuzz: ModuleType, valid: Path, tmp_path: Path) -> None:
    for number, mutation in enumerate(fuzz.MUTATIONS[:200:7]):
        contents = []
        for turn in (0, 1):
            folder = tmp_path / f"{number}-{turn}"
            shutil.copytree(valid / "table", folder)
            try:
                changed, words = fuzz.change(mutation, random.Random(number), folder)
            except fuzz.Skip:
                continue
            others = [path for path in folder.iterdir() if path.name != changed.name]
            assert all(path.read_bytes() == (valid / "table" / path.name).read_bytes() for path in others)
            contents.append((changed.name, words))
        assert len(set(contents)) < 2


def test_scans_that_must_be_equal_hold_the_same_voxels(fuzz: ModuleType, valid: Path, tmp_path: Path) -> None:
    for mutation in fuzz.MUTATIONS:
        if mutation.expected == "same" and mutation.name in ("slope", "endian", "gzip"):
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            shutil.copytree(valid / "table", folder)
            try:
                changed, _ = fuzz.change(mutation, random.Random(1), folder)
            except fuzz.Skip:
                continue
            one, other = (nib.load(root / changed.name).get_fdata() for root in (folder, valid / "table"))
            np.testing.assert_array_equal(one, other)
