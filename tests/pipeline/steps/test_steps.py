"""The steps: each skips what is done, redoes what changed, and survives being killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch

from fmri_saliency.brain import load_atlas
from fmri_saliency.decoding import load_decoder
from fmri_saliency.models import vanishing_profile
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.commands.demo import coarse_atlas
from fmri_saliency.pipeline.steps.explanation import network_table, region_table
from fmri_saliency.pipeline.steps.sampling import load_samples
from fmri_saliency.records import Saliency
from fmri_saliency.saliency import read_saliency


def times(root: Path) -> dict[str, int]:
    return {str(p.relative_to(root)): p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def contents(root: Path) -> dict[str, bytes]:
    """Return the results; what is known about the work itself (who, how long) is none."""
    files = [p for p in root.rglob("*") if p.is_file() and ".workflow" not in p.parts]
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def test_the_steps_one_by_one(cli: Callable, small_config: Path) -> None:
    out = small_config.parent / "results"
    early = cli("train", small_config)
    assert (early.code, "run `fmri-saliency extract CONFIG.toml` first" in early.err) == (1, True)
    assert not out.exists()
    assert cli("extract", small_config).code == 0
    early = cli("explain", small_config)
    assert (early.code, "run `fmri-saliency train CONFIG.toml` first" in early.err) == (1, True)
    assert cli("train", small_config).code == 0
    assert "run `fmri-saliency explain CONFIG.toml` first" in cli("judge", small_config).err
    explained = cli("explain", small_config)
    assert (explained.code, explained.err.splitlines()[-1]) == (0, f"To see them in FSLeyes: {out / 'view.sh'}")
    done = cli("report", small_config)
    assert done.code == 0
    assert done.out.strip() == str(out / "report.html")
    log = pd.read_csv(out / "runs.tsv", sep="\t")
    assert (log["status"] == "done").all()
    assert len(log) == 12


def test_results_name_the_versions_that_dealt_the_folds(cli: Callable, small_config: Path) -> None:
    for step in ("extract", "train"):
        assert cli(step, small_config).code == 0
    folder = small_config.parent / "results" / "decoder" / "input-cell-lstm"
    wanted = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    for name in ("fold-1/model.json", "fold-3/model.json", "scores.json"):
        assert json.loads((folder / name).read_text())["DealtBy"] == wanted


def test_what_is_done_is_skipped_and_what_changed_is_redone(cli: Callable, small_config: Path) -> None:
    out = small_config.parent / "results"
    assert cli("run", small_config).code == 0
    before = times(out)
    again = cli("run", small_config)
    assert "0 extracted, 12 up to date" in again.err
    after = times(out)
    network = "input-cell-lstm/fold-"
    kept = [n for n in before if n.startswith(("sub-", "samples/", f"decoder/{network}", "saliency/"))]
    maps = 3 * 2 * (5 * 2 + 2)  # of people and classes: five with their sidecars, and a table with its own
    assert len(kept) == 12 * 6 + maps + 3 + 3 * 3 + 3 * 2 + 4 * 2
    assert all(before[n] == after[n] for n in kept)

    text = small_config.read_text()
    small_config.write_text(text.replace('method = "input-x-gradient"', 'method = "gradient"'))
    stale = cli("report", small_config)  # maps of another method must not be shown under the new name
    assert (stale.code, "classes.json was made with other settings" in stale.err) == (1, True)
    assert cli("run", small_config).code == 0
    model = "decoder/input-cell-lstm/fold-1/model.json"
    assert times(out)[model] == before[model]
    assert not list((out / "group").glob("*inputxgradient*"))
    assert len(list((out / "group").glob("*desc-gradient_boldmap.nii.gz"))) == 2 * 10
    assert len(list(out.glob("sub-*/func/*desc-gradient_boldmap.nii.gz"))) == 3 * 2 * 5
    assert not list(out.glob("sub-*/func/*inputxgradient*"))

    small_config.write_text(text.replace("max_epochs = 3", "max_epochs = 2"))
    assert "was trained with other settings" in cli("explain", small_config).err
    small_config.write_text(text + "[cleaning]\ndetrend = false\n")
    stale = cli("train", small_config)
    assert (stale.code, "was made from another scan, atlas or [cleaning]" in stale.err) == (1, True)
    assert "12 extracted, 0 up to date" in cli("extract", small_config).err


def test_a_lost_or_half_written_file_is_made_again(cli: Callable, small_config: Path) -> None:
    out = small_config.parent / "results"
    assert cli("extract", small_config).code == 0
    (coverage,) = (out / "sub-100101").rglob("*task-motor_dir-LR*_stat-coverage_bold.tsv")
    coverage.unlink()
    assert "1 extracted, 11 up to date" in cli("extract", small_config).err
    assert coverage.is_file()


def test_a_run_that_fails_now_is_not_decoded_from_its_old_series(cli: Callable, tmp_path: Path, small_config: Path,
                                                                 small_scans: Path) -> None:  # fmt: skip
    shutil.copytree(small_scans / "scans", tmp_path / "scans")
    small_config.write_text(small_config.read_text().replace(small_scans.as_posix(), tmp_path.as_posix()))
    assert cli("extract", small_config).code == 0
    bold = next((tmp_path / "scans" / "100101").rglob("tfMRI_MOTOR_LR.nii.gz"))
    bold.write_bytes(bold.read_bytes()[:100_000])
    failed = cli("extract", small_config)
    assert (failed.code, "1 of 12 runs could not be used" in failed.err) == (1, True)
    assert cli("train", small_config).code == 0
    assert len(pd.read_csv(tmp_path / "results" / "samples" / "samples.tsv", sep="\t")) == 11


def test_it_does_not_write_among_the_users_files(cli: Callable, small_config: Path) -> None:
    text = small_config.read_text().replace('path = "results"', 'path = "."')
    small_config.write_text(text)
    before = sorted(small_config.parent.iterdir())
    refused = cli("run", small_config)
    assert (refused.code, "holds files that fmri_saliency did not write" in refused.err) == (1, True)
    assert sorted(small_config.parent.iterdir()) == before


def test_scores_of_other_decoders_are_not_reported(cli: Callable, small_config: Path) -> None:
    assert cli("run", small_config).code == 0
    path = small_config.parent / "results" / "decoder" / "input-cell-lstm" / "scores.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "inputs": "of an earlier run", "accuracy": 0.999}))
    stale = cli("report", small_config)
    assert (stale.code, "scores.json is out of date" in stale.err) == (1, True)


def test_what_cannot_be_decoded_is_said_before_anything_is_extracted(cli: Callable, small_config: Path) -> None:
    text = small_config.read_text()
    seen = cli("runs", small_config)
    assert (seen.code, seen.err.strip()) == (
        0, "12 samples of 176 frames (0.72 s each) in 2 classes (emotion 6, motor 6), 3 folds: held-out subjects "
           "(whole families where known)."
    )  # fmt: skip
    small_config.write_text(text.replace("[decoder]", 'subjects = ["100101"]\n[decoder]'))
    for command in ("run", "runs"):
        refused = cli(command, small_config)
        assert (refused.code, 'set split = "leave-one-run-out" in [decoder]' in refused.err) == (2, True)
    small_config.write_text(text.replace("[decoder]", '[samples]\nunit = "event"\nlength = 9.0\n'
                                                      '[samples.classes]\na = ["lhh"]\nb = ["rf"]\n[decoder]'))
    refused = cli("run", small_config)
    assert (refused.code, "trial type 'lhh', which no run has" in refused.err) == (2, True)
    assert not (small_config.parent / "results").exists()


def test_events_are_shown_on_their_own_clock(cli: Callable, small_config: Path) -> None:
    text = small_config.read_text()
    windows = '[samples]\nunit = "event"\nlength = 9.0\noffset = 4.0\n'
    small_config.write_text(text.replace("[decoder]", windows + "[decoder]"))
    assert cli("run", small_config).code == 0
    out = small_config.parent / "results"
    table = pd.read_csv(out / "samples" / "samples.tsv", sep="\t")
    wanted = float((table["start"] - table["onset"]).mean())
    assert abs(wanted - 4.0) < 0.36
    (path,) = (out / "group").glob("*contrast-lh_*stat-saliency_*.nii.gz")
    assert nib.load(path).header["toffset"] == pytest.approx(wanted, abs=1e-5)
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert (sidecar["StartTime"], sidecar["TimeZero"]) == (pytest.approx(wanted, abs=1e-5), "event's onset")
    peaks = pd.read_csv(next((out / "group").glob("desc-*_regions.tsv")), sep="\t")["peak_s"]
    assert peaks.min() >= wanted - 1e-5
    page = (out / "report.html").read_text()
    assert "Time from the event&#39;s onset (s)" in page
    assert "bars on top mark the events" in page  # blocks of 12 s reach into the window


def test_one_run_at_a_time(cli: Callable, small_config: Path) -> None:
    keys = [line.split("\t")[0] for line in cli("runs", small_config, "--keys").out.splitlines()]
    assert len(keys) == 12
    assert cli("extract", small_config, "--run", keys[3]).code == 0
    log = pd.read_csv(small_config.parent / "results" / "runs.tsv", sep="\t").set_index("run")
    assert log.at[keys[3], "status"] == "done"
    assert (log["status"] == "found").sum() == 11
    assert cli("runs", small_config).out.startswith("run\tstatus\tmessage")
    wrong = cli("extract", small_config, "--run", keys[3] + "x")
    assert (wrong.code, f"Did you mean '{keys[3]}'" in wrong.err) == (2, True)


def test_a_bad_run_is_left_out_and_said_at_the_end(cli: Callable, small_config: Path, small_scans: Path) -> None:
    rows = ["subject\ttask\tbold"]
    for subject in ("100101", "100201", "100301"):
        for task in ("EMOTION", "MOTOR"):
            for direction in ("LR", "RL"):
                folder = small_scans / "scans" / subject / "MNINonLinear" / "Results" / f"tfMRI_{task}_{direction}"
                rows.append(f"{subject}\t{task}\t{folder / (folder.name + '.nii.gz')}")
    (small_config.parent / "broken.nii.gz").write_bytes(Path(rows[1].split("\t")[2]).read_bytes()[:100_000])
    rows += ["100401\tMOTOR\tbroken.nii.gz", "100401\tEMOTION\tgone.nii.gz", f"100401\tOTHER\t{small_config.name}"]
    (small_config.parent / "runs.tsv").write_text("\n".join(rows) + "\n")
    text = small_config.read_text().split("[decoder]", 1)[1]
    scans = '[scans]\nlayout = "table"\npath = "runs.tsv"\nspace = "MNI152NLin2009aSym"\n'
    small_config.write_text(scans + "[decoder]" + text)
    done = cli("run", small_config)
    assert done.code == 1
    assert "2 of 15 runs could not be used" in done.err
    assert "broken.nii.gz breaks off or is damaged" in done.err
    log = pd.read_csv(small_config.parent / "results" / "runs.tsv", sep="\t").set_index("run")["status"]
    assert log["sub-100401_task-MOTOR"] == "failed"
    assert log["sub-100401_task-EMOTION"] == "missing"
    assert log["sub-100401_task-OTHER"] == "unusable"
    page = (small_config.parent / "results" / "report.html").read_text()
    assert "sub-100401_task-EMOTION" in page


MOMENTS = (
    "sub-*/func/*_timeseries.json", "decoder/*/fold-2/unfinished.safetensors", "decoder/*/fold-2/model.json",
    "saliency/*/fold-2.json", "group/*.nii.gz",
)  # fmt: skip


def kill_at(config: Path, pattern: str, *, alone: bool) -> bool:
    """Start the whole job, kill it when a file appears, and say whether it was still running.

    With `alone` only the main process is killed, and those that work for it are orphaned.
    """
    call = [sys.executable, "-m", "fmri_saliency.cli", "run", str(config)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(call, start_new_session=True, **quiet) as process:
        before = set((config.parent / "results").glob(pattern))
        while process.poll() is None and set((config.parent / "results").glob(pattern)) == before:
            time.sleep(0.001)
        running = process.poll() is None
        if running:
            (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
    return running


@pytest.mark.parametrize(("n_jobs", "moments"), [(1, MOMENTS), (2, MOMENTS[:2])])
def test_killed_and_run_again_it_ends_with_the_same_files(
    cli: Callable, small_config: Path, n_jobs: int, moments: tuple[str, ...]
) -> None:
    out = small_config.parent / "results"
    small_config.write_text(small_config.read_text() + f"n_jobs = {n_jobs}\n")
    assert cli("run", small_config).code == 0
    wanted = contents(out)
    out.rename(out.with_name("first"))
    for pattern in moments:
        assert kill_at(small_config, pattern, alone=n_jobs > 1), f"the job ended before {pattern} appeared"
    assert cli("run", small_config).code == 0
    found = contents(out)
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if wanted[name] != found[name]] == []


def test_a_state_of_training_left_behind_is_cleared(cli: Callable, small_config: Path) -> None:
    """A kill just after a fold's card is written leaves it, and the fold is not trained again."""
    assert cli("run", small_config).code == 0
    left = small_config.parent / "results" / "decoder" / "input-cell-lstm" / "fold-2" / "unfinished.safetensors"
    assert not left.exists()
    left.write_bytes(b"state")
    assert cli("train", small_config).code == 0
    assert not left.exists()


def test_without_an_output_folder_nothing_is_lost(cli: Callable, small_config: Path) -> None:
    (small_config.parent / "results").write_text("a file where the folder should be")
    stopped = cli("run", small_config)
    assert stopped.code == 1
    assert "cannot be written to: " in stopped.err
    assert "See to its rights, make room there" in stopped.err


def test_the_coarse_atlas_keeps_every_region() -> None:
    atlas = coarse_atlas()
    assert set(np.unique(atlas.labels)) == {0, *range(1, 101)}


def test_the_region_table_ranks_by_what_speaks_for_the_class(saliency: Saliency) -> None:
    atlas = load_atlas()
    few = replace(atlas, regions=atlas.regions.iloc[:3].assign(name=["r1", "r2", "r3"]))
    table = region_table(saliency.average(), few, absent=["r2"])
    assert table["region"].tolist() == ["r1", "r2", "r3", "r1", "r2", "r3"]
    assert table["mean"].tolist() == [0.6, 0, 0, 0, 0, -0.4]
    assert table["peak_s"].tolist()[5] == 8.0
    assert table["absent"].tolist() == [False, True, False] * 2
    gradient = region_table(replace(saliency, unit="logit per unit of signal").average(), few)
    assert gradient[gradient["class"] == "b"]["region"].iloc[0] == "r3"  # the sign of a slope is no vote


def test_every_sample_is_explained_by_the_fold_that_did_not_see_it(cli: Callable, small_config: Path) -> None:
    assert cli("run", small_config).code == 0
    out = small_config.parent / "results"
    table = pd.read_csv(out / "samples" / "samples.tsv", sep="\t")
    seen = []
    for number in (1, 2, 3):
        card = json.loads((out / "saliency" / "input-cell-lstm" / f"fold-{number}.json").read_text())
        tested = pd.read_csv(out / "decoder" / "input-cell-lstm" / f"fold-{number}" / "predictions.tsv", sep="\t")
        assert card["samples"] == tested["sample"].tolist()
        assert table.loc[card["samples"], "group"].nunique() == 1
        seen += card["samples"]
    assert sorted(seen) == list(range(12))
    whole = read_saliency(out / "saliency" / "input-cell-lstm" / "samples")
    part = read_saliency(out / "saliency" / "input-cell-lstm" / "fold-2")
    numbers = json.loads((out / "saliency" / "input-cell-lstm" / "fold-2.json").read_text())["samples"]
    np.testing.assert_array_equal(whole.values[numbers], part.values)
    assert whole.labels == tuple(table["label"])


def test_maps_hold_the_class_averages(cli: Callable, small_config: Path) -> None:
    assert cli("run", small_config).code == 0
    out = small_config.parent / "results"
    classes = read_saliency(out / "saliency" / "input-cell-lstm" / "classes")
    (path,) = (out / "group").glob("task-motor_*stat-saliency_*.nii.gz")
    image = nib.load(path)
    atlas = coarse_atlas()
    assert image.shape == (*atlas.labels.shape, classes.values.shape[1])
    voxel = tuple(np.argwhere(atlas.labels == 42)[0])
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32)[voxel], classes.values[1, :, 41])
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert (sidecar["Class"], sidecar["Units"], sidecar["RepetitionTime"]) == ("motor", "logit", 0.72)
    assert load_config(out / "config.toml").output.path == out


def test_any_network_can_be_decoded_with_and_compared(cli: Callable, small_config: Path) -> None:
    text = small_config.read_text().replace("compare = []", 'network = "tcn"\ncompare = ["logistic-regression"]')
    small_config.write_text(text)
    done = cli("run", small_config)
    assert done.code == 0, done.err
    out = small_config.parent / "results"
    card = json.loads((out / "decoder" / "logistic-regression" / "fold-1" / "model.json").read_text())
    assert (card["network"], card["stopped_by"]) == ("logistic-regression", "solver")
    assert (out / "saliency" / "logistic-regression" / "classes.npy").is_file()
    page = (out / "report.html").read_text()
    assert page.count("<td>logistic-regression</td><td class") >= 2
    evidence = json.loads((out / "evidence" / "evidence.json").read_text())["evidence"]
    assert {"tcn", "logistic-regression"} <= {item["subject"] for item in evidence if "untrained" in item["check"]}


def test_the_page_shows_what_vanishes(cli: Callable, small_config: Path) -> None:
    small_config.write_text(small_config.read_text().replace("compare = []", 'compare = ["lstm", "tcn"]'))
    done = cli("run", small_config)
    assert done.code == 0, done.err
    out = small_config.parent / "results"
    card = json.loads((out / "evidence" / "evidence.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    cells, lstm, tcn = card["vanishing"]
    assert [one["name"] for one in (cells, lstm, tcn)] == ["input-cell-lstm", "lstm", "tcn"]
    classes = read_saliency(out / "saliency" / "lstm" / "classes")
    for one in (cells, lstm):
        assert len(one["jacobian"]) == classes.values.shape[1]
        assert (one["jacobian"][-1], one["forget"][-1]) == pytest.approx((1, 1))  # the last state keeps itself
        assert sum(one["untrained_shares"]) == pytest.approx(1, abs=1e-5)
        assert (one["n_samples"], one["n_draws"]) == (4, 3)
    assert set(tcn["jacobian"]) == {None}
    # the same numbers by hand, of the fold's decoder on the samples that it held out
    held = json.loads((out / "saliency" / "lstm" / "fold-1.json").read_text())["samples"]
    decoder, samples = load_decoder(out / "decoder" / "lstm" / "fold-1"), load_samples(load_config(small_config))[0]
    few = np.array(held)[np.unique(np.linspace(0, len(held) - 1, 4).round().astype(int))]
    x, y = torch.from_numpy(samples.X[few]), np.searchsorted(decoder.classes_, samples.y[few])
    wanted = vanishing_profile("lstm", decoder.module_, x, torch.from_numpy(y))
    np.testing.assert_allclose(lstm["shares"], wanted.shares, rtol=1e-4)
    np.testing.assert_allclose(lstm["jacobian"], wanted.jacobian, rtol=1e-3)
    assert (out / "figures" / "vanishing.png").is_file()
    assert "Does saliency vanish?" in (out / "report.html").read_text()


def test_a_network_table_adds_up_the_regions() -> None:
    regions = pd.DataFrame({
        "class": ["a"] * 4, "region": list("wxyz"), "hemisphere": ["L", "R", "L", "L"],
        "network": ["Vis", "Vis", "Mot", "Vis"], "mean": [1.0, -1.0, 4.0, 9.0], "mean_abs": [1.0, 3.0, 4.0, 9.0],
        "absent": [False, False, False, True],
    })  # fmt: skip
    table = network_table(regions)
    assert list(table) == ["class", "network", "hemisphere", "n_regions", "mean", "mean_abs", "share"]
    assert table[["network", "hemisphere", "n_regions", "share"]].to_numpy().tolist() == [
        ["Mot", "L", 1, 0.5], ["Vis", "R", 1, 0.375], ["Vis", "L", 1, 0.125]
    ]  # fmt: skip
    both = network_table(regions.drop(columns="hemisphere").assign(network=["Vis", "Vis", np.nan, "Vis"]))
    assert both.to_dict("records") == [
        {"class": "a", "network": "Vis", "n_regions": 2, "mean": 0.0, "mean_abs": 2.0, "share": 0.5}
    ]
