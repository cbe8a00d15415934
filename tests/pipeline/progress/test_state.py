"""Where the work stands: what status, the page and `run` go by."""

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from fmri_saliency.disk.files import write_json
from fmri_saliency.disk.locks import STALE
from fmri_saliency.errors import StepError
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.progress.state import STATES, survey

NETWORK = "input-cell-lstm"


def look(cli: Callable, config: Path) -> tuple[dict[str, dict[str, int]], list[dict[str, str]]]:
    """Return of every row what is not 0, and the failures."""
    said = json.loads(cli("status", config, "--json").out)
    rows = {one["step"]: {state: one[state] for state in STATES if one[state]} for one in said["steps"]}
    return rows, said["failures"]


def desk(config: Path) -> Path:
    return config.parent.parent / "results" / ".workflow"


def hold_and_die(config: Path, work: str, name: str = "") -> Path:
    """Leave what a process leaves that is killed while it works on something."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    path = desk(config) / "working" / ((name or work).replace("/", "__") + ".json")
    write_json(path, {"work": work, "host": socket.gethostname(), "pid": int(ended.stdout), "began": time.time(),
                      "birth": "1", "token": "t"})  # fmt: skip
    return path


def test_chunks_are_counted_as_they_come(cli: Callable, interruptions: ModuleType, tmp_path: Path) -> None:
    study = interruptions.make_study(tmp_path, 4)
    (study.parent / "sub-04_two.nii.gz").unlink()
    assert cli("index", study, "--chunk-size", 3).code == 0
    rows, failures = look(cli, study)
    assert (rows["extract"], rows["samples"], failures) == ({"waiting": 7}, {"waiting": 1}, [])
    assert json.loads(cli("status", study, "--json").out)["runs"] == {"found": 7, "missing": 1}
    assert cli("extract", study, "--chunk", 2).code == 0
    assert look(cli, study)[0]["extract"] == {"done": 3, "waiting": 4}
    hold_and_die(study, "extract/sub-01_task-one")
    bold = study.parent / "sub-04_one.nii.gz"
    bold.write_bytes(bold.read_bytes()[:2000])
    assert cli("extract", study, "--chunk", 3).code == 1
    rows, failures = look(cli, study)
    assert rows["extract"] == {"done": 3, "failed": 1, "interrupted": 1, "waiting": 2}
    assert {one["unit"]: one["status"] for one in failures} == {"sub-04_task-one": "failed",
                                                                "sub-01_task-one": "interrupted"}  # fmt: skip
    assert cli("extract", study, "--chunk", 1).code == 0
    assert look(cli, study)[0]["extract"] == {"done": 6, "failed": 1}
    assert cli("gather", study).code == 0
    assert look(cli, study)[0]["samples"] == {"done": 1}
    text = study.read_text()
    study.write_text(text.replace("[cleaning]", 'name = "Other"\n[cleaning]'))
    assert look(cli, study)[0]["extract"] == {"failed": 1, "waiting": 6}  # of another atlas nothing is there


def test_a_chunk_that_cannot_be_worked_on_says_why(cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    assert cli("index", study, "--chunk-size", 6).code == 0
    step = importlib.import_module("fmri_saliency.pipeline.commands.cluster")
    with monkeypatch.context() as patched:
        patched.setattr(step, "load_chosen_atlas", fail)
        assert cli("extract", study, "--chunk", 1).code == 1
    assert cli("gather", study).code == 1
    failures = {one["step"]: one for one in look(cli, study)[1]}
    assert failures["extract"]["unit"] == "chunk-0001"
    assert "memory did not suffice" in failures["extract"]["message"]
    assert "1 of 1 chunks are not done" in failures["samples"]["message"]
    assert look(cli, study)[0]["samples"] == {"failed": 1}
    assert [cli("extract", study, "--chunk", 1).code, cli("gather", study).code] == [0, 0]
    assert look(cli, study)[1] == []


@pytest.mark.parametrize("bad", [False, True])
def test_a_call_that_stopped_is_forgotten_when_the_chunks_are_done(
    cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch, bad: bool
) -> None:
    def fail(*_: object) -> None:
        raise StepError("The moon is full.")

    study.write_text(study.read_text().replace("folds = 3", 'folds = 2\nsplit = "contiguous"'))
    assert cli("index", study).code == 0
    with monkeypatch.context() as patched:
        patched.setattr(importlib.import_module("fmri_saliency.pipeline.steps.extraction"), "extract_chosen", fail)
        assert cli("extract", study).code == 1
    assert [one["message"] for one in look(cli, study)[1]] == ["The moon is full."]
    if bad:
        (study.parent / "sub-03_two.nii.gz").write_bytes((study.parent / "sub-03_two.nii.gz").read_bytes()[:2000])
    assert cli("extract", study, "--chunk", 1).code == int(bad)
    cli("gather", study)
    assert [one["unit"] for one in look(cli, study)[1] if one["step"] == "extract"] == ["sub-03_task-two"] * bad


STEPS = {
    "train": ("fmri_saliency.pipeline.steps.training", "_write_scores", "scores"),
    "explain": ("fmri_saliency.pipeline.steps.explanation", "write_maps", "maps"),
    "judge": ("fmri_saliency.pipeline.steps.judging", "edge_shares", "judge"),
    "report": ("fmri_saliency.pipeline.pages.report_page", "make_page", "report"),
}


def test_what_fails_says_why_until_it_succeeds(cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StepError("The moon is full.")

    assert cli("extract", study).code == 0
    for step, (module, name, row) in STEPS.items():
        with monkeypatch.context() as patched:
            patched.setattr(importlib.import_module(module), name, fail)
            assert cli(step, study).code == 1
        rows, failures = look(cli, study)
        assert rows[row] == {"failed": 1}
        said = [(one["step"], one["status"], one["message"]) for one in failures]
        assert said == [(row, "failed", "The moon is full.")]
        assert f"failed: {row}: The moon is full." in cli("status", study).out
        assert cli(step, study).code == 0
        rows, failures = look(cli, study)
        assert (rows[row], failures) == ({"done": 1}, [])
    text = study.read_text()
    with monkeypatch.context() as patched:
        patched.setattr(importlib.import_module("fmri_saliency.pipeline.steps.explanation"), "explain_samples", fail)
        study.write_text(text.replace('"input-x-gradient"', '"gradient"'))
        assert cli("explain", study, "--fold", 2).code == 1
    rows, failures = look(cli, study)
    assert rows[f"explain {NETWORK}"] == {"failed": 1, "waiting": 2}
    assert [(one["step"], one["unit"]) for one in failures] == [(f"explain {NETWORK}", "fold-2")]
    study.write_text(text)  # what failed with other settings does not count
    assert look(cli, study)[0][f"explain {NETWORK}"] == {"done": 2, "waiting": 1}


def test_what_was_killed_is_neither_running_nor_done(cli: Callable, study: Path) -> None:
    assert [cli(step, study).code for step in ("extract", "train")] == [0, 0]
    card = desk(study).parent / "decoder" / NETWORK / "fold-2" / "model.json"
    card.unlink()
    killed = [hold_and_die(study, f"train/{NETWORK}/fold-2"), hold_and_die(study, "explain/maps", "group")]
    rows, failures = look(cli, study)
    assert rows[f"train {NETWORK}"] == {"done": 2, "interrupted": 1}
    assert rows["maps"] == {"interrupted": 1}
    assert {(one["step"], one["unit"]) for one in failures} == {(f"train {NETWORK}", "fold-2"), ("maps", "")}
    assert all("it was killed" in one["message"] for one in failures)
    for path in killed:  # the same on another machine: alive until its touch is old
        path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere"}))
    assert look(cli, study)[0]["maps"] == {"running": 1}
    for path in killed:
        os.utime(path, (time.time() - STALE - 5,) * 2)
    assert look(cli, study)[0][f"train {NETWORK}"] == {"done": 2, "interrupted": 1}
    assert cli("train", study).code == 0
    assert look(cli, study)[0][f"train {NETWORK}"] == {"done": 3}


def test_status_page_and_run_agree(cli: Callable, study: Path) -> None:
    out = desk(study).parent
    assert cli("run", study).code == 0
    config, page = load_config(study), out / "report.html"
    whole = survey(config)
    assert all(one.left == one.failed == 0 for one in whole.steps)
    assert survey(config, looking=True).steps == whole.steps
    assert "Up to date: maps, checks" in cli("run", study).err
    lost = {
        "samples": out / "samples" / "X.npy",
        "maps": out / "saliency" / NETWORK / "people.npy",
        "judge": out / "evidence" / "evidence.json",
        "scores": out / "decoder" / NETWORK / "scores.json",
    }
    for step, path in lost.items():
        path.rename(path.with_suffix(".gone"))
        rows, _ = look(cli, study)
        assert (rows[step], rows["report"]) == ({"waiting": 1}, {"waiting": 1})
        assert not survey(config).done("report")
        if step != "scores":
            path.with_suffix(".gone").rename(path)
            assert survey(config).done("report")
    assert cli("report", study).code == 1
    assert "3 of 3 folds trained; the scores are missing or out of date" in page.read_text()
    path.with_suffix(".gone").unlink()
    assert "Up to date: maps" not in cli("run", study).err
    assert survey(config).steps == whole.steps
    bold = study.parent / "sub-01_one.nii.gz"
    shutil.copyfile(study.parent / "sub-01_two.nii.gz", bold)  # what only those see that look at the scans
    assert survey(config).done("report")
    seen = survey(config, looking=True)
    assert (seen.done("report"), seen.stamps) == (False, None)
    assert "run `fmri-saliency extract CONFIG.toml` again" in seen.obstacle
