"""The work in pieces: chunks of runs and single folds give what one call gives."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri_saliency.disk.texts import hide_places
from fmri_saliency.errors import ConfigError, StepError, UnreachableError
from fmri_saliency.pipeline import deal_runs, extract_chunk, gather, load_config
from fmri_saliency.series import work


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of the results but what workflows know about the work."""
    files = [path for path in root.rglob("*") if path.is_file() and ".workflow" not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def numbers(folder: Path, ending: str) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"chunks/*.{ending}"))


@pytest.fixture
def copied_config(small_config: Path, small_scans: Path, tmp_path: Path) -> Path:
    """Return a configuration for a table of copied scans, which a test may damage: four runs of two people each."""
    rows = ["subject\ttask\tdirection\tbold\tconfounds"]
    for subject in ("100101", "100201", "100301"):
        for task in ("EMOTION", "MOTOR"):
            name = f"tfMRI_{task}_LR"
            source = small_scans / "scans" / subject / "MNINonLinear" / "Results" / name
            (tmp_path / f"{subject}{task}.nii.gz").write_bytes((source / f"{name}.nii.gz").read_bytes())
            rows.append(f"{subject}\t{task}\tLR\t{subject}{task}.nii.gz\t{source / 'Movement_Regressors.txt'}")
    (tmp_path / "runs.tsv").write_text("\n".join(rows) + "\n")
    scans = '[scans]\nlayout = "table"\npath = "runs.tsv"\nspace = "MNI152NLin2009aSym"\n[decoder]'
    small_config.write_text(scans + small_config.read_text().split("[decoder]", 1)[1])
    return small_config


def test_pieces_give_the_files_of_one_call(cli: Callable, small_config: Path) -> None:
    out = small_config.parent / "results"
    assert cli("index", small_config, "--chunk-size", 5).out.strip() == str(out / ".workflow")
    assert numbers(out / ".workflow", "json") == ["0001", "0002", "0003"]
    assert (out / ".workflow" / "folds.tsv").read_text() == "".join(f"input-cell-lstm\t{k}\n" for k in (1, 2, 3))
    size = json.loads((out / ".workflow" / "size.json").read_text())
    for chunk in (3, 1):
        assert cli("extract", small_config, "--chunk", chunk).code == 0
    assert len(list(out.rglob("*_stat-mean_timeseries.json"))) == 7  # 2 of the last chunk, 5 of the first
    early = cli("gather", small_config)
    assert (early.code, "1 of 3 chunks are not done (first: 2)" in early.err) == (1, True)
    assert not (out / "runs.tsv").exists()
    assert cli("extract", small_config, "--chunk", 2).code == 0
    assert cli("gather", small_config).code == 0
    for fold in (2, 3, 1):
        early = cli("explain", small_config, "--fold", fold)
        assert (early.code, "run `fmri-saliency train CONFIG.toml` first" in early.err) == (1, True)
        assert cli("train", small_config, "--fold", fold, "--network", "input-cell-lstm").code == 0
        assert cli("explain", small_config, "--fold", fold).code == 0
    assert not (out / "decoder" / "input-cell-lstm" / "scores.json").exists()
    again = cli("train", small_config, "--fold", 2)
    assert "0 trained, 1 up to date" in again.err
    for step in ("train", "explain", "report"):
        assert cli(step, small_config).code == 0
    X = np.load(out / "samples" / "X.npy", mmap_mode="r")
    assert (size["samples"], size["frames"], size["regions"]) == X.shape
    assert size["array_mb"] == int(np.ceil(X.nbytes / 2**20))
    made = contents(out)
    out.rename(out.with_name("in-pieces"))
    assert cli("run", small_config).code == 0
    wanted = contents(out)
    assert sorted(made) == sorted(wanted)
    assert [name for name in wanted if wanted[name] != made[name]] == []


def test_only_chunks_of_what_changed_are_dealt_out_again(copied_config: Path) -> None:
    config = load_config(copied_config)
    desk = deal_runs(config, 2)
    for number in (1, 2, 3):
        extract_chunk(config, number)
    before = {path.name: path.stat().st_mtime_ns for path in desk.glob("chunks/*")}
    deal_runs(config, 2)
    assert {path.name: path.stat().st_mtime_ns for path in desk.glob("chunks/*")} == before
    state = (copied_config.parent / "100201MOTOR.nii.gz").stat()
    os.utime(copied_config.parent / "100201MOTOR.nii.gz", ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    deal_runs(config, 2)
    after = {path.name: path.stat().st_mtime_ns for path in desk.glob("chunks/*")}
    assert {name for name in after if after[name] != before[name]} == {"0002.json"}
    assert numbers(desk, "done") == ["0001", "0003"]
    copied_config.write_text(copied_config.read_text() + "[cleaning]\ndetrend = false\n")
    deal_runs(load_config(copied_config), 2)
    assert numbers(desk, "done") == []
    deal_runs(config, 4)
    assert numbers(desk, "json") == ["0001", "0002"]


def test_a_bad_scan_is_a_row_and_stops_no_other(cli: Callable, copied_config: Path) -> None:
    bad = copied_config.parent / "100101MOTOR.nii.gz"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:100_000])
    out = copied_config.parent / "results"
    assert cli("index", copied_config, "--chunk-size", 4).code == 0
    failed = cli("extract", copied_config, "--chunk", 1)
    assert failed.code == 1
    assert "1 of 4 runs could not be used:\n  sub-100101_task-MOTOR_dir-LR: " in failed.err
    assert numbers(out / ".workflow", "done") == ["0001"]
    note = json.loads((out / ".workflow" / "failed" / "sub-100101_task-MOTOR_dir-LR.json").read_text())
    assert (note["file"], "breaks off or is damaged" in note["message"]) == (str(bad), True)
    assert cli("extract", copied_config, "--chunk", 2).code == 0
    gathered = cli("gather", copied_config)
    assert (gathered.code, "1 of 6 runs could not be used" in gathered.err) == (0, True)
    log = pd.read_csv(out / "runs.tsv", sep="\t").set_index("run")
    assert log["status"].value_counts().to_dict() == {"done": 5, "failed": 1}
    assert log.at["sub-100101_task-MOTOR_dir-LR", "message"] == hide_places(note["message"], out)
    assert len(pd.read_csv(out / "samples" / "samples.tsv", sep="\t")) == 5
    bad.write_bytes(whole)  # mended: only its chunk is done again, and only the run in it
    assert "of which 1 are to be extracted" in cli("index", copied_config, "--chunk-size", 4).err
    assert "1 extracted, 3 up to date" in cli("extract", copied_config, "--chunk", 1).err
    assert cli("gather", copied_config).code == 0
    assert len(pd.read_csv(out / "samples" / "samples.tsv", sep="\t")) == 6
    assert not list((out / ".workflow" / "failed").iterdir())


TRANSIENT = {
    "memory": MemoryError(),
    "room on the disk": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "the right to read": UnreachableError("the scan cannot be read: Permission denied."),
}


@pytest.mark.parametrize("lacking", TRANSIENT)
def test_for_lack_of_something_a_chunk_is_not_done(
    lacking: str, cli: Callable, copied_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, key = copied_config.parent / "results", "sub-100101_task-MOTOR_dir-LR"
    assert cli("index", copied_config, "--chunk-size", 2).code == 0
    name = "write_series" if lacking == "room on the disk" else "extract_with_quality"
    real = getattr(work, name)

    def fail(one: object, *given: object) -> object:
        if getattr(one, "key", "") == key or "100101_task-MOTOR" in str(given[:1]):
            raise TRANSIENT[lacking]
        return real(one, *given)

    monkeypatch.setattr(work, name, fail)
    failed = cli("extract", copied_config, "--chunk", 1)
    assert failed.code == 1
    assert f"1 of 2 runs failed for another reason than their files; the next call tries them again:\n  {key}: " in \
        failed.err
    assert not list((out / ".workflow" / "chunks").glob("*.done"))  # so workflows try it again
    note = json.loads((out / ".workflow" / "failed" / f"{key}.json").read_text())
    assert note["again"] is True
    assert "are not done (first: 1)" in cli("gather", copied_config).err
    monkeypatch.setattr(work, name, real)
    assert "1 extracted, 1 up to date" in cli("extract", copied_config, "--chunk", 1).err
    assert numbers(out / ".workflow", "done") == ["0001"]
    assert not list((out / ".workflow" / "failed").iterdir())


def test_dealing_out_takes_nothing_away(copied_config: Path) -> None:
    config = load_config(copied_config)
    deal_runs(config, 3)
    extract_chunk(config, 1)
    page = config.output.path / "report.html"
    page.write_text("of this configuration")
    copied_config.write_text(copied_config.read_text() + "[cleaning]\ndetrend = false\n")
    changed = load_config(copied_config)
    deal_runs(changed, 3)  # as a dry run of Snakemake does
    assert page.read_text() == "of this configuration"
    extract_chunk(changed, 1)
    assert not page.exists()
    assert (config.output.path / ".earlier" / "report.html").read_text() == "of this configuration"
    page.write_text("of the next one")
    extract_chunk(config, 2)
    kept = [path.read_text() for path in sorted((config.output.path / ".earlier").rglob("report.html"))]
    assert sorted(kept) == ["of the next one", "of this configuration"]


def test_what_is_gone_is_made_again(copied_config: Path) -> None:
    config = load_config(copied_config)
    desk = deal_runs(config, 3)
    for number in (1, 2):
        extract_chunk(config, number)
    next(config.output.path.rglob("sub-100101*_stat-mean_timeseries.json")).unlink()
    with pytest.raises(StepError, match=r"1 runs have no series \(first: sub-100101"):
        gather(config)
    assert numbers(desk, "done") == []


def test_pieces_that_there_are_not(cli: Callable, copied_config: Path) -> None:
    config = load_config(copied_config)
    with pytest.raises(StepError, match=r"run `fmri-saliency index CONFIG\.toml` first"):
        extract_chunk(config, 1)
    with pytest.raises(ConfigError, match="at least 1 run; 0 came"):
        deal_runs(config, 0)
    deal_runs(config)
    assert "needs" not in cli("extract", copied_config, "--chunk", 1).err
    copied_config.write_text(copied_config.read_text().replace("[decoder]", 'tasks = ["MOTOR"]\n[decoder]', 1))
    with pytest.raises(StepError, match="lists the runs of another"):
        extract_chunk(load_config(copied_config), 1)
    copied_config.write_text(copied_config.read_text().replace('tasks = ["MOTOR"]\n', ""))
    assert cli("gather", copied_config).code == 0
    wrong = cli("train", copied_config, "--fold", 4)
    assert (wrong.code, "--fold must be from 1 to 3, the number of folds; 4 came" in wrong.err) == (2, True)
    wrong = cli("explain", copied_config, "--fold", 1, "--network", "input-cell-lst")
    assert (wrong.code, "Did you mean 'input-cell-lstm'?" in wrong.err) == (2, True)
    refused = cli("train", copied_config, "--network", "input-cell-lstm")
    assert (refused.code, "--network goes with --fold" in refused.err) == (2, True)


def test_a_bad_scan_takes_its_fold_with_it_where_runs_are_left_out(cli: Callable, copied_config: Path) -> None:
    bad = copied_config.parent / "100101MOTOR.nii.gz"
    bad.write_bytes(bad.read_bytes()[:100_000])
    text = copied_config.read_text().replace("folds = 3", 'split = "leave-one-run-out"')
    copied_config.write_text(text.replace("max_epochs = 3", "max_epochs = 1"))
    config = load_config(copied_config)
    desk = deal_runs(config)
    assert len((desk / "folds.tsv").read_text().splitlines()) == 6  # of which one will not be
    assert cli("extract", copied_config, "--chunk", 1).code == 1
    gather(config)
    for step in ("train", "explain"):
        none = cli(step, copied_config, "--fold", 6)
        assert (none.code, "There is no fold 6: 5 runs have series." in none.err) == (0, True)
        assert cli(step, copied_config, "--fold", 7).code == 2
        assert cli(step, copied_config, "--fold", 5).code == 0


def test_it_is_said_what_changed_and_what_that_concerns(cli: Callable, copied_config: Path) -> None:
    stages = copied_config.parent / "results" / ".workflow" / "stages"

    def call() -> tuple[str, set[str]]:
        before = {path.name: path.read_bytes() for path in stages.glob("*")}
        said = cli("index", copied_config, "--chunk-size", 3).err
        return said, {path.stem for path in stages.glob("*") if path.read_bytes() != before.get(path.name)}

    assert call()[1] == {"extract", "gather", "train", "explain", "report"}
    said, renewed = call()
    assert ("Changed" in said, renewed) == (False, set())
    text = copied_config.read_text()
    changed = text.replace("hidden_size = 4", "hidden_size = 5")
    copied_config.write_text(changed.replace("[output]", "[output]\nn_jobs = 2"))
    said, renewed = call()
    assert "decoder.architecture.hidden_size: 4 -> 5. To be done again as far as" in said
    assert "depends on that: train, explain, report." in said
    assert renewed == {"train", "report"}
    copied_config.write_text(text)
    assert call()[1] == {"train", "report"}
    assert cli("extract", copied_config, "--chunk", 1).code == 0
    other = copied_config.with_name("other.toml")
    other.write_text(text + "[cleaning]\ndetrend = false\n")
    assert cli("extract", other).code == 0  # by itself: the index knows nothing of it
    said, renewed = call()
    assert "cleaning.detrend: False -> True" in said
    assert renewed == {"extract", "report"}
    assert numbers(stages.parent, "done") == []
