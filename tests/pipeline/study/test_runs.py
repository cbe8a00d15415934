"""The index of runs: what it holds is what is found, and what makes it invalid."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fmri_saliency.pipeline import load_config, run_all
from fmri_saliency.pipeline.steps.explanation import class_atlas
from fmri_saliency.pipeline.steps.sampling import load_samples
from fmri_saliency.pipeline.study import runs as index
from fmri_saliency.pipeline.study.config import Config, Output, Scans
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.runs import choice_stamp, find, known_runs, read_index, write_index
from fmri_saliency.scans import BidsChoice
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids
from fmri_saliency.simulated_scans.hcp_tree import MadeTree, make_hcp_tree


def indexed(scans: Scans, out: Path) -> Config:
    config = Config(scans, Output(out))
    Workspace(out).begin()
    write_index(config, find(config))
    return config


@pytest.fixture
def hcp(tmp_path: Path) -> Config:
    made = MadeTree(("100307", "100408"), ("MOTOR", "WM"), shape=(3, 3, 3), missing=("100408_MOTOR_RL",), share=False)
    tree = make_hcp_tree(tmp_path / "HCP", made)
    (tmp_path / "kin.csv").write_text("Subject,Family_ID\n100307,F1\n100408,F2\n")
    (tmp_path / "who.txt").write_text("100307\n100408\n")
    scans = Scans("hcp", tree, tasks=("MOTOR", "WM"), events="states", families=tmp_path / "kin.csv",
                  subject_list=tmp_path / "who.txt")  # fmt: skip
    return indexed(scans, tmp_path / "out")


def later(path: Path) -> None:
    """Give a file another time of change, and nothing else."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000))


def test_the_index_holds_what_is_found(hcp: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find(hcp)
    assert len(found.runs) == 7
    monkeypatch.setattr(index, "find_runs", None)  # it is not asked
    known = known_runs(hcp)
    assert known.runs == found.runs
    assert known.notes == found.notes
    assert known.log.equals(found.log)
    assert known.runs[0].busy
    assert known.runs[0].sources == (found.runs[0].bold.parent / "EVs",)


def test_the_index_of_derivatives(tmp_path: Path) -> None:
    made = simulate_bids(tmp_path / "raw", None, BidsSimulation(subjects=("01", "02"), tasks=("look",)))
    config = indexed(Scans("fmriprep", made), tmp_path / "out")
    runs = read_index(config).runs
    assert runs == find(config).runs
    names = [path.name.split("_", 1)[1] for path in runs[0].sources]
    assert names == ["task-look_events.tsv", "task-look_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.json",
                     "bold.json"]  # fmt: skip
    for path in (runs[1].bold, runs[1].confounds, runs[1].mask, *runs[1].sources):
        later(path)
        assert read_index(config) is None
        write_index(config, find(config))
        assert read_index(config).runs == runs
    assert runs[0].sources[0].is_relative_to(tmp_path / "raw" / "sub-01")
    (runs[0].sources[0].parent / "more.tsv").touch()
    assert read_index(config) is None
    write_index(config, find(config))
    assert read_index(config) is not None
    assert read_index(replace(config, scans=replace(config.scans, bids=BidsChoice(slice_timing="ignore")))) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda root, run: later(run.bold),
        lambda root, run: later(run.mask),
        lambda root, run: later(run.confounds),
        lambda root, run: later(run.bold.parent / "EVs" / "cue.txt"),
        lambda root, run: (run.bold.parent / "EVs" / "more.txt").write_text("1 1 1\n"),
        lambda root, run: (run.bold.parent / "EVs" / "cue.txt").unlink(),
        lambda root, run: run.bold.unlink(),
        lambda root, run: shutil.rmtree(run.bold.parent),
        lambda root, run: (run.bold.parent.parent / "tfMRI_MOTOR_XX").mkdir(),
        lambda root, run: (root / "HCP" / "100999").mkdir(),
        lambda root, run: later(root / "kin.csv"),
        lambda root, run: (root / "who.txt").write_text("100307\n"),
        lambda root, run: (root / "out" / ".workflow" / "runs.json").write_text("{"),
        lambda root, run: (root / "out" / ".workflow" / "runs.json").unlink(),
    ],
)
def test_what_makes_it_invalid(hcp: Config, tmp_path: Path, change: Callable) -> None:
    assert read_index(hcp) is not None
    change(tmp_path, find(hcp).runs[0])
    assert read_index(hcp) is None
    assert known_runs(hcp).runs == find(hcp).runs
    assert read_index(hcp).runs == find(hcp).runs  # it was renewed


def test_another_configuration_or_version_makes_it_invalid(hcp: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_index(replace(hcp, scans=replace(hcp.scans, events="ev"))) is None
    assert read_index(replace(hcp, scans=replace(hcp.scans, exclude=("task-wm",)))) is None
    assert read_index(replace(hcp, samples=replace(hcp.samples, event_column="value"))) is None
    assert read_index(replace(hcp, samples=replace(hcp.samples, offset=1.0))) is not None
    monkeypatch.setattr("fmri_saliency.pipeline.study.folder.__version__", "another")
    assert read_index(hcp) is None


def test_nothing_is_written_where_no_step_has_begun(hcp: Config, tmp_path: Path) -> None:
    elsewhere = replace(hcp, output=Output(tmp_path / "new"))
    assert len(known_runs(elsewhere).runs) == 7
    assert not (tmp_path / "new").exists()


def test_the_column_of_events_that_is_configured_is_read(
    tmp_path: Path, write_bold: Callable[..., Path], noisy_run: object
) -> None:
    (tmp_path / "e.tsv").write_text("onset\tduration\tstim_type\n20\t4\tface\n")
    (tmp_path / "runs.tsv").write_text("subject\ttask\tbold\tevents\n1\tgo\tbold.nii.gz\te.tsv\n")
    plain = Config(Scans("table", tmp_path / "runs.tsv"), Output(tmp_path / "out"))
    assert find(plain).runs[0].events == ()
    assert any("has no column 'trial_type'" in note for note in find(plain).notes)
    config = replace(plain, samples=replace(plain.samples, event_column="stim_type"))
    assert [event.trial_type for event in find(config).runs[0].events] == ["face"]
    assert choice_stamp(config) != choice_stamp(plain)


def test_a_table_of_runs(tmp_path: Path, write_bold: Callable[..., Path], noisy_run: object) -> None:
    (tmp_path / "e.tsv").write_text("onset\tduration\ttrial_type\n20\t4\tx\n")
    (tmp_path / "runs.tsv").write_text("subject\ttask\tbold\tevents\n1\tgo\tbold.nii.gz\te.tsv\n")
    config = indexed(Scans("table", tmp_path / "runs.tsv"), tmp_path / "results" / "out")
    for name in ("runs.tsv", "e.tsv", "bold.nii.gz"):
        assert read_index(config) is not None
        later(tmp_path / name)
        assert read_index(config) is None
        write_index(config, find(config))


def test_files_that_come_beside_a_mask_or_confounds(
    tmp_path: Path, write_bold: Callable[..., Path], noisy_run: object
) -> None:
    for name in ("masks", "moves"):
        (tmp_path / name).mkdir()
    shutil.copy(tmp_path / "bold.nii.gz", tmp_path / "masks" / "a.nii.gz")
    (tmp_path / "moves" / "a.tsv").write_text("x\n1\n")
    (tmp_path / "runs.tsv").write_text(
        "subject\ttask\tbold\tmask\tconfounds\n1\tgo\tbold.nii.gz\tmasks/*.nii.gz\tmoves/*.tsv\n"
        "2\tgo\tother.nii.gz\tmasks/a.nii.gz\tmoves/a.tsv\n"
    )
    shutil.copy(tmp_path / "bold.nii.gz", tmp_path / "other.nii.gz")
    config = indexed(Scans("table", tmp_path / "runs.tsv"), tmp_path / "results" / "out")
    assert len(read_index(config).runs) == 2
    for path in (tmp_path / "masks" / "b.nii.gz", tmp_path / "moves" / "b.tsv"):
        path.write_text("x")
        assert read_index(config) is None
        assert [run.subject for run in find(config).runs] == ["2"]  # two files fit the first
        path.unlink()
        write_index(config, find(config))


def test_later_steps_take_it_and_the_first_ones_look(
    cli: Callable, small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    real = index.find_runs
    monkeypatch.setattr(index, "find_runs", lambda *args: looked.append(1) or real(*args))
    assert cli("extract", small_config).code == 0
    assert len(looked) == 1
    config = load_config(small_config)
    load_samples(config)
    class_atlas(config)
    assert len(looked) == 1
    assert cli("runs", small_config).code == 0
    assert len(looked) == 2
    for name in ("train", "explain", "judge", "report"):
        monkeypatch.setattr(f"fmri_saliency.pipeline.commands.whole_job.{name}", lambda config: known_runs(config))
    run_all(config)
    assert len(looked) == 3
    out = config.output.path
    assert len(json.loads((out / ".workflow" / "runs.json").read_text())["runs"]) == 12
