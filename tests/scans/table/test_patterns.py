"""Tables of runs whose cells stand for many files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.records import Event
from fmri_saliency.scans import Scans, find_fmriprep, find_runs, find_table
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids

EVENTS = "onset\tduration\ttrial_type\n2\t1\tgo\n20\t4\tstop\n"


@pytest.fixture
def scans(tmp_path: Path, write_bold: Callable[..., Path]) -> Callable[..., None]:
    """Put the same small scan, with events, under many names."""
    source = write_bold(np.zeros((2, 2, 2, 40), dtype=np.int16), np.eye(4), "source.nii.gz")

    def write(*names: str) -> None:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".tsv"):
                path.write_text(EVENTS)
            else:
                shutil.copy(source, path)

    return write


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple]:
    """Write a table of one line per dict, and read it."""

    def call(*rows: dict[str, str]) -> tuple:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = ["\t".join(columns), *("\t".join(row.get(c, "") for c in columns) for row in rows)]
        (tmp_path / "runs.tsv").write_text("\n".join(lines) + "\n")
        return find_table(tmp_path / "runs.tsv")

    return call


def test_entities_come_from_the_names(scans: Callable, read: Callable) -> None:
    stem = "sub-{0}/ses-1/func/sub-{0}_ses-1_task-go_acq-x_dir-{1}_run-2"
    names = [stem.format(subject, direction) for subject in ("01", "02") for direction in ("LR", "RL")]
    scans(*(f"{name}_bold.nii.gz" for name in names), *(f"{name}_events.tsv" for name in names))
    runs, log = read({"bold": "sub-*/**/*_bold.nii.gz", "events": "{folder}/{stem}_events.tsv"})
    assert [run.key for run in runs] == [name.split("/")[-1] for name in names]
    assert all(run.events == (Event(2.0, 1.0, "go"), Event(20.0, 4.0, "stop")) for run in runs)
    assert [(row["run"], row["status"]) for row in log] == [(run.key, "found") for run in runs]


def test_names_in_braces_are_read_from_any_name(scans: Callable, read: Callable) -> None:
    for subject in ("anna", "J\u00fcrgen"):
        for task in ("go", "stop_signal"):
            scans(f"scans/{subject}/{task}.3.nii.gz", f"timing/{subject}-{task}.tsv")
    runs, _ = read({"bold": "scans/{subject}/{task}.{run}.nii.gz", "events": "timing/{subject}-{task}.tsv"})
    assert [(run.subject, run.task, run.run) for run in runs] == [
        (subject, task, "3") for subject in ("J\u00fcrgen", "anna") for task in ("go", "stop_signal")
    ]
    assert all(run.events for run in runs)


def test_a_cell_that_is_filled_holds_for_all_files(scans: Callable, read: Callable) -> None:
    scans("a/sub-01_bold.nii.gz", "a/sub-02_bold.nii.gz", "b/sub-01_bold.nii.gz")
    runs, _ = read({"subject": "", "task": "first", "bold": "a/*.nii.gz", "session": "s"},
                   {"subject": "sub-01", "task": "second", "bold": "b/sub-{subject}_bold.nii.gz", "session": ""})
    assert [run.key for run in runs] == ["sub-01_ses-s_task-first", "sub-02_ses-s_task-first", "sub-01_task-second"]


def test_a_name_used_twice_must_be_the_same(scans: Callable, read: Callable) -> None:
    scans("01/01_go.nii.gz", "01/02_go.nii.gz")
    runs, _ = read({"bold": "{subject}/{subject}_{task}.nii.gz"})
    assert [(run.subject, run.task) for run in runs] == [("01", "go")]


def test_brackets_and_question_marks(scans: Callable, read: Callable) -> None:
    scans(*(f"sub-0{k}_task-x_bold.nii.gz" for k in range(1, 6)))
    assert [r.subject for r in read({"bold": "sub-0[!12]_task-?_bold.nii.gz"})[0]] == ["03", "04", "05"]


@pytest.mark.parametrize("wrong", ["sub-[2-1]_*", "sub-[!]_x].nii.gz", "[a--b]*"])
def test_a_set_that_cannot_be_is_a_row(scans: Callable, read: Callable, wrong: str) -> None:
    scans("sub-01_task-x_bold.nii.gz", "sub-^_task-x_bold.nii.gz", "sub-&_task-x_bold.nii.gz")
    runs, log = read({"bold": wrong}, {"bold": "sub-01_*"}, {"bold": "sub-[^&&b]_*", "subject": "2", "task": "{task}"})
    assert [row["status"] for row in log][:2] == ["missing", "found"]
    assert wrong in log[0]["message"]
    assert {run.bold.name for run in runs} == {"sub-01_task-x_bold.nii.gz"}  # two of the third claim one run
    assert "claim one run" in log[2]["message"]


def test_a_file_whose_name_looks_like_a_pattern(scans: Callable, read: Callable) -> None:
    scans("what [1].nii.gz", "sub-7_{x}_*.tsv")
    (run,), _ = read({"subject": "7", "task": "x", "bold": "what [1].nii.gz", "events": "sub-7_{x}_*.tsv"})
    assert len(run.events) == 2


def test_a_pattern_that_matches_nothing_says_how_far_it_gets(scans: Callable, read: Callable, tmp_path: Path) -> None:
    scans("sub-01/func/sub-01_task-x_bold.nii.gz")
    runs, log = read({"bold": "sub-*/fun/*_bold.nii.gz"}, {"bold": "s-*.nii"}, {"bold": "sub-*/*/*task-x*"})
    assert [run.key for run in runs] == ["sub-01_task-x"]
    assert [row["status"] for row in log] == ["missing", "missing", "found"]
    assert log[0]["message"] == (f"line 2 of runs.tsv: The pattern sub-*/fun/*_bold.nii.gz matches no file below "
                                 f"{tmp_path}. sub-* matches 1, such as sub-01.")
    assert log[1]["message"].endswith(f"matches no file below {tmp_path}.")


def test_two_files_that_claim_one_run(scans: Callable, read: Callable) -> None:
    scans("sub-01_task-x_res-1_bold.nii.gz", "sub-01_task-x_res-2_bold.nii.gz", "sub-02_task-x_res-1_bold.nii.gz")
    runs, log = read({"bold": "*_bold.nii.gz"})
    assert [run.subject for run in runs] == ["02"]
    assert [row["status"] for row in log] == ["unusable", "unusable", "found"]
    for row in log[:2]:
        assert "sub-01_task-x_res-1_bold.nii.gz" in row["message"]
        assert "sub-01_task-x_res-2_bold.nii.gz" in row["message"]
        assert "claim one run, sub-01_task-x. Make the pattern more precise" in row["message"]
    runs, log = read({"subject": "01", "task": "x", "bold": "sub-01_task-x_res-1_bold.nii.gz"},
                     {"subject": "", "task": "", "bold": "*_res-2_*"})  # fmt: skip
    assert runs == []
    runs, log = read({"bold": "*_res-1_*"}, {"bold": "sub-01*_res-1_*"})  # one file, by two patterns
    assert [row["status"] for row in log] == ["found", "found", "unusable"]
    assert "already listed in line 2" in log[2]["message"]


def test_what_names_and_patterns_do_not_tell(scans: Callable, read: Callable) -> None:
    scans("scan1.nii.gz", "sub-01_task-x_bold.nii.gz")
    message = read({"bold": "scan*"})[1][0]["message"]
    assert "The column subject is empty and cannot be read from scan1.nii.gz." in message
    message = read({"bold": "{subjct}_*.nii.gz"})[1][0]["message"]
    assert "'{subjct}' in {subjct}_*.nii.gz is not known; known are {subject}, {session}" in message
    assert "Did you mean 'subject'" in message
    with pytest.raises(InputError, match="'task' is missing"):  # a line without a pattern needs it
        read({"bold": "sub-*", "subject": "1"}, {"bold": "scan1.nii.gz", "subject": "2"})


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("{stem}_*.tsv", "asks for sub-01_task-x_*.tsv; 2 files fit: sub-01_task-x_a.tsv, sub-01_task-x_b.tsv"),
        ("{stem}_c*.tsv", "asks for sub-01_task-x_c*.tsv; no file in"),
        ("{ses}.tsv", "'{ses}' in {ses}.tsv is not known"),
        ("none.tsv", "there is no such file"),
    ],
)
def test_cells_beside_a_pattern_name_one_file(scans: Callable, read: Callable, cell: str, words: str) -> None:
    scans("sub-01_task-x_bold.nii.gz", "sub-01_task-x_a.tsv", "sub-01_task-x_b.tsv")
    runs, log = read({"bold": "*_bold.nii.gz", "events": cell})
    assert (runs, log[0]["status"]) == ([], "unusable")
    assert words in log[0]["message"]


def test_a_pattern_finds_what_the_layout_finds(tmp_path: Path, read: Callable) -> None:
    settings = BidsSimulation(subjects=("01", "02"), shape=(2, 2, 2), n_times=20, directions=("AP", "PA"))
    out = simulate_bids(tmp_path / "raw", None, settings)
    folder = "raw/derivatives/fmriprep"
    runs, _ = read({"bold": f"{folder}/sub-*/func/*_desc-preproc_bold.nii.gz",
                    "mask": "{folder}/sub-{sub}_task-{task}_dir-{dir}_space-{space}_res-{res}_desc-brain_mask.nii.gz",
                    "confounds": "{folder}/sub-{subject}_task-{task}_dir-{direction}_desc-confounds_*.tsv",
                    "events": "raw/sub-{sub}/func/sub-{sub}_task-{task}_dir-{direction}_events.tsv"})  # fmt: skip
    wanted, _ = find_fmriprep(out)
    found = [(run.key, run.bold, run.mask, run.confounds, run.events) for run in runs]
    assert found == [(run.key, run.bold, run.mask, run.confounds, run.events) for run in wanted]


def test_a_pattern_without_a_file_is_told_whoever_is_chosen(scans: Callable, read: Callable, tmp_path: Path) -> None:
    scans("sub-01_task-go_bold.nii.gz", "sub-02_task-go_bold.nii.gz")
    read({"bold": "sub-*_task-go_bold.nii.gz"}, {"bold": "sub-*_task-stop_bold.nii.gz"})
    found = find_runs(Scans("table", tmp_path / "runs.tsv", subjects=("01",)))
    assert [run.key for run in found.runs] == ["sub-01_task-go"]
    assert found.log["status"].tolist() == ["found", "missing"]
    assert "sub-*_task-stop_bold.nii.gz matches no file" in found.log["message"][1]
