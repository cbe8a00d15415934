"""Files are whole or absent, names are BIDS names, package data are found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri_saliency.disk import files, places, texts
from fmri_saliency.disk.bids_names import build_name, clean_label
from fmri_saliency.disk.sources import hash_file
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.errors import FmriSaliencyError, InputError, OutsideError, nearest, one_of


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.txt"
    files.write_text(path, "old")

    def fail() -> None:
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["x.txt"]


def test_temporary_images_keep_both_suffixes(tmp_path: Path) -> None:
    with files.atomic_path(tmp_path / "a_b.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"x")
    assert (tmp_path / "a_b.nii.gz").stat().st_mode & 0o044


def test_only_the_leftovers_of_dead_processes_are_cleared(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from fmri_saliency.disk.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as t: os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "sub" / "y.tsv")], check=False)
    assert len(list((tmp_path / "sub").iterdir())) == 1
    with files.atomic_path(tmp_path / "mine.txt") as mine:
        assert files.clear_unfinished(tmp_path) == 1
        assert mine.exists()
    assert not list((tmp_path / "sub").iterdir())


def test_json_comes_back(tmp_path: Path) -> None:
    content = {"a": np.float32(1.5), "b": np.arange(2), "p": Path("x/y"), "t": ("u",)}
    files.write_json(tmp_path / "a.json", content)
    assert files.read_json(tmp_path / "a.json") == {"a": 1.5, "b": [0, 1], "p": "x/y", "t": ["u"]}
    with pytest.raises(TypeError, match="Cannot write set"):
        files.write_json(tmp_path / "b.json", {"a": {1}})
    assert not (tmp_path / "b.json").exists()


def test_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"RepetitionTime": 2.5}')
    assert files.read_json(tmp_path / "a.json") == {"RepetitionTime": 2.5}


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"bad\.json is not readable JSON"):
        files.read_json(tmp_path / "bad.json")
    with pytest.raises(InputError, match="there is none"):
        files.read_json(tmp_path / "none.json")


def test_hashes_follow_content_only(tmp_path: Path) -> None:
    a = np.arange(6.0)
    assert files.digest(a, {"x": 1, "y": 2}) == files.digest(a.copy(), {"y": 2, "x": 1})
    assert files.digest(a) != files.digest(a.reshape(2, 3)) != files.digest(a.astype(np.float32))
    path = tmp_path / "f"
    path.write_text("1")
    before = files.fingerprint(path)
    path.write_text("12")
    assert files.fingerprint(path) != before
    assert files.fingerprint(None) is None


def test_names_are_in_bids_order_with_desc_last() -> None:
    entities = {"desc": "ig", "atlas": "A-1", "sub": "01", "space": "MNI", "scale": 100, "stat": "mean", "task": "w m"}
    name = build_name(entities, "timeseries", ".tsv")
    assert name == "sub-01_task-wm_space-MNI_atlas-A1_scale-100_stat-mean_desc-ig_timeseries.tsv"
    with pytest.raises(InputError, match="No BIDS entity 'subject'"):
        build_name({"subject": "01"})
    with pytest.raises(InputError, match="holds no letter or digit"):
        clean_label("--")
    assert clean_label("Müller, Øé") == "Mullere"  # accents go, and letters that have no plain form


def test_suggestions() -> None:
    assert nearest("tasc", ["task", "space"]) == " Did you mean 'task'?"
    assert nearest("zzz", ["task"]) == ""
    with pytest.raises(InputError, match=r"Colour must be one of red, blue; 'bleu' came. Did you mean 'blue'\?"):
        one_of("bleu", ["red", "blue"], "Colour")


def test_package_data_are_found() -> None:
    card = places.data_folder("atlases") / "atlas-Compact_description.json"
    assert {"Name", "License"} <= set(json.loads(card.read_text()))
    with pytest.raises(FmriSaliencyError, match="'nothing' is missing"):
        places.data_folder("nothing")


def test_a_scratch_folder_goes_with_its_block_or_when_its_process_died(tmp_path: Path) -> None:
    with files.scratch_folder(tmp_path) as folder:
        files.write_text(folder / "a.txt", "a")
        assert files.clear_unfinished(tmp_path) == 0
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())
    code = (
        "import os, sys, pathlib; from fmri_saliency.disk import files\n"
        "with files.scratch_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    files.write_text(folder / 'a.txt', 'a')\n"
        "    os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    assert files.clear_unfinished(tmp_path) == 1
    assert not list(tmp_path.iterdir())


def test_rows_written_part_by_part_are_the_array(tmp_path: Path) -> None:
    array = np.arange(42, dtype=np.float32).reshape(7, 3, 2)
    files.write_array(tmp_path / "whole.npy", array)
    files.write_rows(tmp_path / "parts.npy", array.shape, (array[k : k + 3].astype(float) for k in (0, 3, 6)))
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    for shape, words in (((8, 3, 2), "8 rows were announced; 7 came"), ((7, 2, 3), r"\(2, 3\) were announced")):
        with pytest.raises(ValueError, match=words):
            files.write_rows(tmp_path / "other.npy", shape, [array])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.npy", "whole.npy"]


TEXTS = ["=1+1", "+1;x", "-2+3", "@SUM(1)", "\uff1d1", "'=1", "''=1", "'", "-", "-5", "+1e3", "plain", "it's", "=",
         ""]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_is_a_formula_and_every_text_is_read_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.tsv"
    files.write_tsv(path, pd.DataFrame({text or "name": [text, "x"], "number": [-1.5, 2.0]}))
    header, first, _ = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    for cell in (header[0], first[0]):
        assert cell[:1] not in tuple("=+-@\uff1d") or cell in ("-5", "+1e3")
    assert first[1] == "-1.5"
    read = read_own_tsv(path, "a table", dtype={text or "name": str})
    assert read.columns.tolist() == [text or "name", "number"]
    assert read.iloc[:, 0].tolist() == [text, "x"]
    assert read["number"].tolist() == [-1.5, 2.0]


def test_a_cell_is_one_cell(tmp_path: Path) -> None:
    table = pd.DataFrame({"a\tb": ["two\nlines\r\n", 'a "quoted" \x1b[2Jword'], "n": [1, 2]})
    files.write_tsv(tmp_path / "x.tsv", table)
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert lines == ["a b\tn", "two lines\t1", 'a "quoted" [2Jword\t2']


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return an output folder, with a folder beside it."""
    for name in ("results/.workflow", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "results"


def test_nothing_is_written_or_removed_through_a_way_out_of_the_output_folder(results: Path) -> None:
    elsewhere = results.parent / "elsewhere"
    (elsewhere / "there.json").write_text("{}")
    (results / "sub-01").symlink_to(elsewhere)
    (results / "page.html").symlink_to(elsewhere / "there.json")
    (results / ".workflow" / "failed").symlink_to(elsewhere)
    table, array = pd.DataFrame({"a": [1]}), np.zeros((1, 1), np.float32)
    for place in ("sub-01/x", "sub-01/func/x", "page.html", ".workflow/failed/x", "sub-02/../../elsewhere/x", "../x"):
        path = results / place
        for write in (
            lambda path: files.write_text(path, ""), lambda path: files.write_json(path, {}),
            lambda path: files.write_tsv(path, table), lambda path: files.write_array(path, array),
            lambda path: files.write_rows(path, (1, 1), [array]),
        ):  # fmt: skip
            with pytest.raises(OutsideError, match="is not in the output folder"):
                write(path)
    for place in ("sub-01/there.json", "../elsewhere/there.json"):
        with pytest.raises(OutsideError):
            files.remove(results / place)
    assert [path.name for path in elsewhere.iterdir()] == ["there.json"]
    assert sorted(path.name for path in results.parent.iterdir()) == ["elsewhere", "results"]
    with pytest.raises(OutsideError), files.scratch_folder(results / "sub-01"):
        pass


def test_links_that_stay_inside_and_folders_that_are_links_themselves_are_followed(results: Path) -> None:
    (results / "kept").mkdir()
    (results / "kept" / "a.txt").write_text("old")
    (results / "a.txt").symlink_to("kept/a.txt")
    (results.parent / "by another name").symlink_to(results)
    files.write_text(results / "a.txt", "new")
    files.write_text(results.parent / "by another name" / "b.txt", "new")
    assert sorted(path.name for path in results.iterdir()) == [".workflow", "a.txt", "b.txt", "kept"]
    assert (results / "kept" / "a.txt").read_text() == "old"  # a link is replaced, and what it led to is not written to
    files.remove(results / "a.txt")
    files.remove(results / "a.txt")
    assert not (results / "a.txt").exists()


@pytest.mark.parametrize("name", ["Jane Doe", "O'Neill", "a <b>"])
def test_no_part_of_a_home_folder_with_a_space_is_shared(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    (home / "study").mkdir(parents=True)
    text = f"Expected a mask at {home}/m 1.nii; file://{home}/study/b.nii and {home}/study/out/c.nii are there."
    assert texts.hide_places(text, home / "study" / "out") == (
        "Expected a mask at ../../m 1.nii; ../b.nii and c.nii are there.")
    assert texts.hide_places(f'no {tmp_path}/"b.nii', tmp_path / "out") == 'no ../"b.nii'


def test_paths_in_what_is_shared_are_relative_to_it(results: Path) -> None:
    scan, root = results.parent / "my scans" / "x.nii.gz", results.parent
    words = f"Expected '{scan}' (see {results}/runs.tsv), or file://{root}/a/b. 1/2 of and/or /no/such; https://a/b/c"
    told = ("Expected '../my scans/x.nii.gz' (see runs.tsv), or ../a/b. 1/2 of and/or /no/such; https://a/b/c")
    assert texts.hide_places(words, results) == told
    files.write_json(results / "sub" / "x.json", {"Notes": [words], "n": 1})
    assert files.read_json(results / "sub" / "x.json") == {"Notes": [told], "n": 1}
    files.write_tsv(results / "x.tsv", pd.DataFrame({"message": [words]}))
    assert (results / "x.tsv").read_text() == f"message\n{told}\n"
    for path in (results / ".workflow" / "x.json", root / "x.json"):
        files.write_json(path, words)
        assert files.read_json(path) == words


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(InputError, match=r"Expected a JSON file at .*x\.json; it is no regular file"):
        files.read_json(tmp_path / "x.json")
    with pytest.raises(OSError, match="it is no regular file"):
        hash_file(tmp_path / "x.json")
    with pytest.raises(FileNotFoundError):
        hash_file(tmp_path / "y.json")
