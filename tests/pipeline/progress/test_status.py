"""Where the work stands, what came from what, and folders that several configurations or processes share."""

import gzip
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

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from fmri_saliency import __version__
from fmri_saliency.disk.bids_names import bids_uri
from fmri_saliency.disk.files import write_json
from fmri_saliency.disk.locks import STALE, hold, read_holders
from fmri_saliency.disk.sources import find_source, hash_file
from fmri_saliency.disk.texts import hide_places
from fmri_saliency.errors import SpaceMismatchWarning
from fmri_saliency.pipeline.progress.completeness import describe_files
from fmri_saliency.pipeline.progress.provenance import NO_SCAN, trace, trace_in_words
from fmri_saliency.pipeline.steps.explanation import class_atlas
from fmri_saliency.pipeline.study.config import load_config
from fmri_saliency.pipeline.study.folder import differences

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "interruptions.py"


def results(config: Path) -> Path:
    return config.parent.parent / "results"


def times(root: Path, *kinds: str) -> dict[str, int]:
    found = [path for kind in kinds for path in root.glob(kind) if path.is_file()]
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in found}


def states(cli: Callable, config: Path) -> dict:
    return json.loads(cli("status", config, "--json").out)


def counts(status: dict) -> dict[str, tuple[int, int, int, int]]:
    states = ("done", "running", "failed", "waiting")
    assert not any(one["interrupted"] for one in status["steps"])
    return {one["step"]: tuple(one[key] for key in states) for one in status["steps"]}


def edit(config: Path, old: str, new: str) -> None:
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


MADE = ("sub-*/**/*", "samples/*", "decoder/*/*", "decoder/*/*/*", "saliency/**/*", "group/*", "evidence/*",
        "figures/*", "report.*", "quality.html")  # fmt: skip


def test_status_follows_the_steps(cli: Callable, study: Path) -> None:
    out = results(study)
    early = cli("status", study)
    assert (early.code, "not begun" in early.out, out.exists()) == (0, True, False)
    assert states(cli, study)["begun"] is False
    assert cli("extract", study).code == 0
    seen = states(cli, study)
    network = "input-cell-lstm"
    assert seen["runs"] == {"done": 6}
    assert counts(seen) == {"extract": (6, 0, 0, 0), "samples": (0, 0, 0, 1), f"train {network}": (0, 0, 0, 3),
                            "scores": (0, 0, 0, 1), f"explain {network}": (0, 0, 0, 3), "maps": (0, 0, 0, 1),
                            "judge": (0, 0, 0, 1), "report": (0, 0, 0, 1)}  # fmt: skip
    assert [one["seconds_left"] for one in seen["steps"]] == [0.0] + [None] * 7
    assert "unknown" in cli("status", study).out
    assert cli("train", study).code == 0
    (out / "decoder" / network / "fold-2" / "model.json").unlink()
    before = times(out, "**/*")
    seen = states(cli, study)
    assert times(out, "**/*") == before  # it reads only
    assert counts(seen)[f"train {network}"] == (2, 0, 0, 1)
    train = seen["steps"][2]
    assert train["units"] == {"fold-1": "done", "fold-2": "waiting", "fold-3": "done"}
    took = sorted(float(line.split("\t")[1]) for path in (out / ".workflow" / "times").iterdir()
                  for line in path.read_text().splitlines() if "/fold-" in line)
    assert train["seconds_left"] == took[1]  # one fold is left, and takes the median of three
    with hold(out / ".workflow", f"train/{network}/fold-2"):
        seen = states(cli, study)
    assert counts(seen)[f"train {network}"] == (2, 1, 0, 0)
    assert seen["working"][0]["pid"] == os.getpid()
    edit(study, "max_epochs = 5", "max_epochs = 4")
    seen = states(cli, study)
    assert counts(seen)[f"train {network}"] == (0, 0, 0, 3)
    assert seen["changes"] == ["decoder.training.max_epochs: 5 -> 4"]


def test_a_failed_run_is_a_row_until_it_is_mended(cli: Callable, study: Path) -> None:
    bold = study.parent / "sub-02_two.nii.gz"
    good = bold.read_bytes()
    bold.write_bytes(good[:2000])
    failed = cli("extract", study)
    assert (failed.code, "1 of 6 runs could not be used" in failed.err) == (1, True)
    key = "sub-02_task-two"
    (row,) = states(cli, study)["failures"]
    assert (row["step"], row["unit"], row["status"], row["file"]) == ("extract", key, "failed", bold.as_posix())
    assert "damaged" in row["message"]
    assert f"failed: {key}: " in cli("status", study).out
    assert counts(states(cli, study))["extract"] == (5, 0, 1, 0)
    assert cli("extract", study, "--run", "sub-01_task-one").code == 0  # another call does not forget it
    log = pd.read_csv(results(study) / "runs.tsv", sep="\t").set_index("run")
    assert (log.at[key, "status"], log.at[key, "message"]) == ("failed", hide_places(row["message"], results(study)))
    before = times(results(study), "sub-*/**/*")
    bold.write_bytes(good)
    mended = cli("extract", study)
    assert (mended.code, "1 extracted, 5 up to date" in mended.err) == (0, True)
    after = times(results(study), "sub-*/**/*")
    assert all(after[name] == before[name] for name in before)
    assert len(after) == len(before) + 6
    assert states(cli, study)["failures"] == []


def test_what_changed_is_said_and_other_results_are_set_aside(
    cli: Callable, interruptions: ModuleType, tmp_path: Path
) -> None:
    study = interruptions.make_study(tmp_path, 4)
    edit(study, "folds = 3", "folds = 4")
    out = results(study)
    assert [cli(step, study).code for step in ("extract", "train", "explain")] == [0, 0, 0]
    (out / "report.html").write_text("of this configuration")
    maps = sorted(path.name for path in (out / "group").iterdir())
    edit(study, "max_epochs = 5", "max_epochs = 4")
    edit(study, "folds = 4", "folds = 3")
    edit(study, '["lstm"]', "[]")
    done = cli("train", study)
    assert done.code == 0
    assert "decoder.training.max_epochs: 5 -> 4" in done.err
    assert "decoder.compare: ['lstm'] -> []" in done.err
    assert not (out / "report.html").exists()  # it was of the other configuration
    assert not (out / "group").exists()
    assert sorted(path.name for path in (out / ".earlier" / "group").iterdir()) == maps
    assert [path.name for path in sorted((out / "decoder").iterdir())] == ["input-cell-lstm", "logistic-regression"]
    assert not list(out.glob("*/*/fold-4*"))
    assert len(list(out.glob("decoder/*/fold-*"))) == 3
    edit(study, "high_pass = 0.0", "high_pass = 0.0\ndetrend = false")
    refused = cli("train", study)
    assert (refused.code, "(cleaning.detrend: True -> False)" in refused.err) == (1, True)
    again = cli("extract", study)
    assert "Made again: 8 series (cleaning.detrend: True -> False)." in again.err
    assert "8 extracted, 0 up to date" in again.err
    assert "Made again: 1 set of samples (series: " in cli("train", study).err


def test_series_that_lack_a_file_are_made_again(
    cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version wrote no raw series; whoever runs another step says so, and which step makes them."""
    assert cli("extract", study).code == 0
    raw = sorted(results(study).glob("sub-*/func/*_desc-raw_timeseries.tsv"))
    raw[0].unlink()
    assert states(cli, study)["runs"] == {"done": 5, "found": 1}
    refused = cli("train", study)
    assert (refused.code, f"{raw[0]}, from which samples are cut, is not there" in refused.err) == (1, True)
    assert "1 extracted, 5 up to date" in cli("extract", study).err
    assert states(cli, study)["runs"] == {"done": 6}
    assert cli("train", study).code == 0
    assert counts(states(cli, study))["samples"] == (1, 0, 0, 0)
    monkeypatch.setattr("fmri_saliency.pipeline.steps.fingerprints.CLEANED", "as whole runs")
    assert counts(states(cli, study))["samples"] == (0, 0, 0, 1)


def test_another_atlas_leaves_no_series_of_the_first(cli: Callable, study: Path) -> None:
    assert cli("extract", study).code == 0
    edit(study, "[cleaning]", 'name = "Other"\n[cleaning]')
    again = cli("extract", study)
    assert " -> Other" in again.err
    assert "6 extracted, 0 up to date" in again.err
    left = [path.name for path in results(study).glob("sub-*/func/*")]
    assert len(left) == 6 * 6
    assert all("_atlas-Other_" in name for name in left)
    assert len(list((results(study) / ".earlier").glob("sub-*/func/*"))) == 6 * 6


def test_a_bad_scan_is_named_where_a_later_step_stops(cli: Callable, study: Path) -> None:
    bold = study.parent / "sub-02_two.nii.gz"
    bold.write_bytes(bold.read_bytes()[:2000])
    done = cli("run", study)
    assert "3 folds by subject or family need at least 3 samples of every class" in done.err
    assert "1 of 6 runs could not be used" in done.err
    assert f"sub-02_task-two: {bold} breaks off or is damaged" in done.err


def test_maps_lie_where_scans_do_that_can_be_used(cli: Callable, study: Path) -> None:
    bold = sorted(study.parent.glob("sub-01_*.nii.gz"))[0]
    image = nib.load(bold)
    far = np.eye(4)
    far[:3, 3] = 300  # mm: a grid from there to the atlas would be as large
    nib.save(nib.Nifti1Image(image.get_fdata(), far @ image.affine, image.header), bold)
    assert "lies where the atlas has nothing" in cli("extract", study).err
    with pytest.warns(SpaceMismatchWarning, match="not stated"):
        atlas, _, runs = class_atlas(load_config(study))
    assert (atlas.labels.shape, len(runs)) == (image.shape[:3], 6)
    assert runs[0].bold != bold


def test_an_edited_atlas_is_another(cli: Callable, study: Path) -> None:
    assert cli("extract", study).code == 0
    assert counts(states(cli, study))["extract"] == (6, 0, 0, 0)
    edit(study.parent / "labels.tsv", "r1", "first")
    assert counts(states(cli, study))["extract"] == (0, 0, 0, 6)
    assert "6 extracted, 0 up to date" in cli("extract", study).err
    assert counts(states(cli, study))["extract"] == (6, 0, 0, 0)


def move(study: Path, folder: Path, copy: Callable) -> Path:
    """Move scans and results, and edit the one path of the configuration that is another now."""
    shutil.copytree(study.parent, folder / "data", copy_function=copy)
    shutil.copytree(results(study), folder / "out")
    shutil.rmtree(study.parent)
    edit(folder / "data" / "study.toml", 'path = "../results"', 'path = "../out"')
    return folder / "data" / "study.toml"


def test_a_moved_data_set_is_the_same(cli: Callable, study: Path, tmp_path: Path) -> None:
    assert cli("run", study).code == 0
    moved = move(study, tmp_path / "another" / "machine", shutil.copy2)
    out = moved.parents[1] / "out"
    before = times(out, *MADE)
    assert all(done and not any(others) for done, *others in counts(states(cli, moved)).values())
    done = cli("run", moved)
    assert (done.code, "0 extracted, 6 up to date" in done.err) == (0, True)
    assert "has changed" not in done.err
    assert "Made again" not in done.err
    assert times(out, *MADE) == before
    of_no_scan = ("config.toml", "dataset_description.json", ".bidsignore", "README.md", "fsleyes", "tpl-", "atlas-")
    for path in out.rglob("*"):  # every file says where it comes from
        place = path.relative_to(out)
        if not path.is_file() or {".workflow", "sub-02", "sub-03"} & set(place.parts):
            continue
        answer = trace(path)
        assert answer["state"] == "same", path
        for step in answer["steps"]:
            assert step["command"].startswith("fmri-saliency"), path
            assert step["version"] == __version__, path
            assert not step["state"].startswith("no JSON"), path
        assert "all that it was made from: same" in trace_in_words(answer)
        if place.parts[0].startswith(of_no_scan):
            assert [step["state"] for step in answer["steps"]] == [NO_SCAN]
            continue
        if place.parts[0] not in ("runs.tsv", "quality.tsv"):
            assert {step["state"] for step in answer["steps"]} == {"same"}, path
        scans = {one["source"]: one for step in answer["steps"] for one in step["sources"] if "path" in one}
        is_map = "_stat-saliency" in place.name or "_stat-peaktime" in place.name  # of networks that saw the others
        people = (1,) if "sub-01" in place.parts and not is_map else (1, 2, 3)
        wanted = {f"bids:scans:sub-0{n}_{task}.nii.gz" for n in people for task in ("one", "two")}
        assert scans.keys() <= wanted if people == (1,) else scans.keys() == wanted, path
        for one in scans.values():
            assert one["path"].startswith(moved.parent.as_posix())
            assert one["sha256"] == hash_file(Path(one["path"]))
            assert one["state"].startswith("same")


def test_files_that_were_only_touched_are_the_same(cli: Callable, study: Path, tmp_path: Path) -> None:
    assert [cli(step, study).code for step in ("extract", "train")] == [0, 0]
    moved = move(study, tmp_path / "far", shutil.copyfile)  # with other times of change
    out = moved.parents[1] / "out"
    kinds = ("sub-*/**/*.tsv", "samples/*", "decoder/**/*")
    before = times(out, *kinds)
    assert cli("train", moved).code == 0  # series are known again by what is in the scans
    done = cli("extract", moved)
    assert (done.code, "0 extracted, 6 up to date" in done.err) == (0, True)
    assert "Made again" not in done.err
    assert times(out, *kinds) == before
    cards = times(out, "sub-*/**/*.json")  # these now have the new times, and are left alone from here on
    assert cli("extract", moved).code == 0
    assert times(out, "sub-*/**/*.json") == cards


def test_a_scan_of_other_content_with_the_same_name_and_size_is_another(cli: Callable, study: Path) -> None:
    assert cli("extract", study).code == 0
    bold = study.parent / "sub-01_one.nii"
    values = nib.load(bold.with_name("sub-01_one.nii.gz"))
    nib.save(nib.Nifti1Image(values.get_fdata(dtype=np.float32), values.affine, values.header), bold)
    edit(study.parent / "runs.tsv", "sub-01_one.nii.gz", "sub-01_one.nii")
    assert "1 extracted, 5 up to date" in cli("extract", study).err
    content = bytearray(bold.read_bytes())
    content[5000:5004] = b"\0\0\0\0"
    bold.write_bytes(content)
    again = cli("extract", study)
    assert "1 extracted, 5 up to date" in again.err


def test_provenance_says_what_no_longer_matches(cli: Callable, study: Path, tmp_path: Path) -> None:
    assert [cli(step, study).code for step in ("extract", "train", "explain")] == [0, 0, 0]
    (path,) = results(study).glob("group/task-one_*_stat-saliency_*.nii.gz")
    steps = json.loads(cli("provenance", path, "--json").out)["steps"]
    assert [one["command"].split()[1] for one in steps] == ["explain"] * 5 + ["train"] * 4 + ["extract"] * 6
    assert {one["state"] for one in steps} == {"same"}
    assert all(one["version"] for one in steps if one.get("made_from"))
    said = cli("provenance", path).out
    assert "bids:scans:sub-03_two.nii.gz  sha256 " + hash_file(study.parent / "sub-03_two.nii.gz") in said
    bold = study.parent / "sub-01_one.nii.gz"
    bold.write_bytes(gzip.compress(gzip.decompress(bold.read_bytes()), 1))
    (study.parent / "sub-01_two.nii.gz").unlink()
    found = json.loads(cli("provenance", path, "--json").out)["steps"]
    scans = {one["source"]: one["state"] for step in found for one in step["sources"] if "path" in one}
    assert scans["bids:scans:sub-01_one.nii.gz"] == "changed"
    assert scans["bids:scans:sub-01_two.nii.gz"] == "absent"
    assert sum(state.startswith("same") for state in scans.values()) == 4
    card = results(study) / "samples" / "samples.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "inputs": "other"}))
    found = json.loads(cli("provenance", path, "--json").out)["steps"]
    assert {one["state"] for one in found if "weights" in one["file"]} == {"changed since"}
    stray = tmp_path / "stray.txt"
    stray.write_text("x")
    assert cli("provenance", stray).code == 2


def test_provenance_names_what_is_stale(cli: Callable, study: Path) -> None:
    assert cli("run", study).code == 0
    out, network = results(study), "input-cell-lstm"
    kinds = {
        "series": (next(out.glob("sub-01/func/*task-one_*_timeseries.json")), out / "samples" / "X.npy"),
        "fold": (out / "decoder" / network / "fold-2" / "model.json", out / "decoder" / network / "scores.json"),
        "saliency": (out / "saliency" / network / "fold-1.json", out / "saliency" / network / "people.npy"),
        "people": (out / "saliency" / network / "people.json", next(out.glob("group/*_stat-saliency_*.nii.gz"))),
        "whole": (out / "saliency" / network / "samples.json", out / "evidence" / "evidence.json"),
        "evidence": (out / "evidence" / "evidence.json", out / "report.html"),
    }
    for name, (card, path) in kinds.items():
        assert trace(path)["state"] == "same", name
        before = card.read_text()
        write_json(card, {**json.loads(before), "inputs": "of something else"})
        found = trace(path)
        assert found["steps"][0]["state"].startswith("changed since"), name
        assert found["state"].startswith(f"out of date: {path.relative_to(out)}")
        card.write_text(before)
        os.utime(card, ns=(0, time.time_ns()))


def call(config: Path, command: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "fmri_saliency.cli", command, str(config)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once_give_what_one_gives(
    cli: Callable, study: Path, interruptions: ModuleType
) -> None:
    out = results(study)
    assert cli("extract", study).code == 0
    assert cli("train", study).code == 0
    wanted = interruptions.contents(out)
    shutil.rmtree(out)
    for command in ("extract", "train"):
        both = [call(study, command) for _ in range(2)]
        said = [one.communicate()[1] for one in both]
        assert [one.returncode for one in both] == [0, 0], said
    found = interruptions.contents(out)
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if wanted[name] != found[name]] == []
    lines = [line.split("\t")[0] for path in (out / ".workflow" / "times").iterdir()
             for line in path.read_text().splitlines()]  # fmt: skip
    worked = [line for line in lines if line.startswith("extract/") or "/fold-" in line]
    assert sorted(worked) == sorted(set(worked))  # nothing was done twice
    assert len(worked) == 6 + 3


def test_killed_at_random_moments_it_ends_with_the_same_files() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--times", "2", "--seed", "4"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["times"], found["equal"], found["differing"]) == (2, 2, [])
    killed = found["killed_after_writing"]
    assert sum(killed.values()) - killed.get("after the end", 0) >= 3
    assert found["files"] > 80


def test_a_full_disk_stops_training_and_leaves_what_was_done(
    cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("extract", study).code == 0
    step = sys.modules["fmri_saliency.pipeline.steps.training"]
    real, saved = step.save_decoder, []

    def full(*given: object) -> None:
        if saved:
            raise OSError(28, "No space left on device", "fold-2")
        saved.append(real(*given))

    monkeypatch.setattr(step, "save_decoder", full)
    stopped = cli("train", study)
    assert stopped.code == 1
    assert stopped.err.count("No space left on device") == 1
    assert counts(states(cli, study))["train input-cell-lstm"] == (1, 0, 1, 1)
    (row,) = states(cli, study)["failures"]
    assert (row["step"], row["unit"], row["status"]) == ("train input-cell-lstm", "fold-2", "failed")
    assert "No space left on device" in row["message"]
    monkeypatch.setattr(step, "save_decoder", real)
    before = times(results(study), "decoder/*/fold-1/*")
    assert cli("train", study).code == 0
    assert times(results(study), "decoder/*/fold-1/*") == before
    assert states(cli, study)["failures"] == []


def test_a_holder_that_is_gone_does_not_count(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    pid = int(ended.stdout)
    card = {"work": "a", "host": socket.gethostname(), "pid": pid, "began": 0.0, "birth": "", "token": "t"}
    path = tmp_path / "working" / "a.json"
    write_json(path, card)
    assert read_holders(tmp_path) == []
    write_json(path, {**card, "pid": os.getpid(), "birth": "1"})  # the number of a process that began at another time
    assert read_holders(tmp_path) == []
    write_json(path, {**card, "host": "elsewhere"})
    assert [one.host for one in read_holders(tmp_path)] == ["elsewhere"]
    with hold(tmp_path, "a", wait=False) as held:
        assert not held
    os.utime(path, (time.time() - STALE - 1,) * 2)  # no heartbeat from the other machine
    assert read_holders(tmp_path) == []
    with hold(tmp_path, "a", wait=False) as held:
        assert held
        assert [one.pid for one in read_holders(tmp_path)] == [os.getpid()]
    assert not path.exists()


def test_differences_name_the_key_and_both_values() -> None:
    old = {"a": {"b": 1, "c": (1, 2)}, "d": "x"}
    assert differences(old, {"a": {"b": 2, "c": [1, 2]}, "e": True}) == ["a.b: 1 -> 2", "d: x -> nothing",
                                                                        "e: nothing -> True"]  # fmt: skip


def test_names_of_sources() -> None:
    roots = {"raw": Path("/d"), "scans": Path("/d/derivatives/fmriprep")}
    inside = Path("/d/derivatives/fmriprep/sub-01/func/a b.nii.gz")
    assert bids_uri(inside, roots) == "bids:scans:sub-01/func/a b.nii.gz"
    assert find_source(bids_uri(inside, roots), {"scans": Path("/e")}) == Path("/e/sub-01/func/a b.nii.gz")
    assert bids_uri(Path("/d/sub-01/x.tsv"), roots) == "bids:raw:sub-01/x.tsv"
    outside = Path("/f/ä b.nii")
    found = find_source(bids_uri(outside, roots), roots)  # named from a data set: no place of this machine is told
    assert os.path.normpath(found) == str(outside)
    assert find_source(bids_uri(outside, {}), {}) == outside
    assert find_source("bids:other:x", roots) is None


def test_what_a_thread_holds_it_cannot_wait_for(tmp_path: Path) -> None:
    with hold(tmp_path, "group"):
        with pytest.raises(RuntimeError, match="group is held already, by this very thread"), hold(tmp_path, "group"):
            pass
        assert [holder.work for holder in read_holders(tmp_path)] == ["group"]
    with hold(tmp_path, "group") as held:
        assert held


def test_a_page_that_breaks_off_is_not_whole(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    found = []
    for text in ("<html>\n<p>An answer.</p>\n</html>\n", "<html>\n<p>An ans"):
        page.write_text(text)
        found.append(describe_files(tmp_path))
    assert found == [{"report.html": True}, {"report.html": False}]
