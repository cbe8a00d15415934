"""Tables of runs: what is read, and one message for each thing that can be wrong."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.errors import InputError, TimingWarning
from fmri_saliency.records import Event
from fmri_saliency.scans import Scans, find_runs, find_table

Row = dict[str, str]
EVENTS = "onset\tduration\ttrial_type\n2\t1\tgo\n20\t4\tstop\n"


@pytest.fixture
def table(tmp_path: Path, write_bold: Callable[..., Path]) -> Callable[..., Path]:
    """Write a table of runs; ``bold.nii.gz`` (40 frames of 0.72 s) and ``events.tsv`` are there."""
    write_bold(np.zeros((2, 2, 2, 40), dtype=np.int16), np.eye(4))
    (tmp_path / "events.tsv").write_text(EVENTS)

    def write(*rows: Row) -> Path:
        rows = rows or ({},)
        full = [{"subject": "01", "task": "go", "bold": "bold.nii.gz", **row} for row in rows]
        columns = list(dict.fromkeys(key for row in full for key in row))
        lines = ["\t".join(columns), *("\t".join(row.get(c, "") for c in columns) for row in full)]
        path = tmp_path / "runs.tsv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def reason(path: Path, **options: object) -> str:
    """Return the message of the only row of the log."""
    runs, log = find_table(path, **options)
    assert not runs
    return log[0]["message"]


def test_everything_in_the_table_arrives(table: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("mask.nii.gz", "confounds.tsv"):
        (tmp_path / name).write_text("x")
    row = {"events": "events.tsv", "mask": "mask.nii.gz", "confounds": "confounds.tsv", "direction": "LR",
           "session": "ses-2", "family": "F1", "run": "run-3", "subject": "sub-09"}  # fmt: skip
    (run,), log = find_table(table(row), space="MNI152NLin6Asym")
    assert (run.subject, run.session, run.direction, run.run, run.family) == ("09", "2", "LR", "3", "F1")
    assert (run.t_r, run.n_times, run.space) == (0.72, 40, "MNI152NLin6Asym")
    assert run.events == (Event(2.0, 1.0, "go"), Event(20.0, 4.0, "stop"))
    assert (run.mask, run.confounds) == (tmp_path / "mask.nii.gz", tmp_path / "confounds.tsv")
    assert log == [{"run": "sub-09_ses-2_task-go_dir-LR_run-3", "status": "found", "message": ""}]


def test_the_repetition_time_of_the_call_beats_the_table_beats_the_header(table: Callable[..., Path]) -> None:
    assert find_table(table())[0][0].t_r == 0.72
    assert find_table(table({"t_r": "2"}))[0][0].t_r == 2.0
    assert find_table(table({"t_r": "2"}), t_r=2.4)[0][0].t_r == 2.4


def test_milliseconds_in_the_header_are_seconds(table: Callable[..., Path], tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 40), dtype=np.int16), np.eye(4))
    image.header.set_xyzt_units("mm", "msec")
    image.header.set_zooms((1, 1, 1, 2000.0))
    nib.save(image, tmp_path / "bold.nii.gz")
    assert find_table(table())[0][0].t_r == 2.0


def test_repeated_runs_are_numbered(table: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("b", "c"):
        shutil.copy(tmp_path / "bold.nii.gz", tmp_path / f"{name}.nii.gz")
    runs, _ = find_table(table({}, {"bold": "b.nii.gz"}, {"task": "other", "bold": "c.nii.gz"}))
    assert [(run.task, run.run) for run in runs] == [("go", "1"), ("go", "2"), ("other", "")]


def test_one_scan_in_two_lines_is_refused(table: Callable[..., Path]) -> None:
    runs, log = find_table(table({}, {"subject": "02"}))
    assert len(runs) == 1
    assert "already listed in line 2: it would be both trained and tested on" in log[1]["message"]


def test_a_tilde_is_the_home_folder(
    table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "scans").mkdir(parents=True)
    shutil.move(tmp_path / "bold.nii.gz", tmp_path / "home" / "scans" / "sub-7_bold.nii.gz")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for cell in ("~/scans/sub-7_bold.nii.gz", "~/scans/sub-*_bold.nii.gz"):
        runs, log = find_table(table({"bold": cell}))
        assert log[0]["status"] == "found", log
        assert runs[0].bold == tmp_path / "home" / "scans" / "sub-7_bold.nii.gz"


def test_blanks_around_a_cell_make_no_other_person(table: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "bold.nii.gz", tmp_path / "b.nii.gz")
    runs, _ = find_table(table({"subject": "01"}, {"subject": "01 ", "task": " stop", "bold": "b.nii.gz "}))
    assert [run.key for run in runs] == ["sub-01_task-go", "sub-01_task-stop"]
    assert {run.group for run in runs} == {"sub-01"}


def test_rows_that_would_be_one_run_or_one_person_are_refused(table: Callable[..., Path], tmp_path: Path) -> None:
    for name in "bcd":
        shutil.copy(tmp_path / "bold.nii.gz", tmp_path / f"{name}.nii.gz")
    rows = {"run": "1"}, {"run": "1", "bold": "b.nii.gz"}, {"run": "2", "bold": "c.nii.gz"}
    runs, log = find_table(table(*rows))
    assert [run.key for run in runs] == ["sub-01_task-go_run-2"]
    assert [row["status"] for row in log] == ["unusable", "unusable", "found"]
    assert log[0]["message"] == ("line 2 of runs.tsv: bold.nii.gz and b.nii.gz claim one run, sub-01_task-go_run-1. "
                                 "Tell them apart by the columns session, direction or run.")  # fmt: skip
    runs, log = find_table(table({"subject": "A_1"}, {"subject": "A1", "task": "stop", "bold": "b.nii.gz"}))
    assert [run.subject for run in runs] == ["A_1"]
    assert "The subjects 'A_1' and 'A1' would have the same file names" in log[1]["message"]


@pytest.mark.parametrize("column", ["task", "session", "direction", "run"])
def test_labels_that_would_be_one_in_names_of_files_are_told_with_both(
    table: Callable[..., Path], tmp_path: Path, column: str
) -> None:
    for name in "bc":
        shutil.copy(tmp_path / "bold.nii.gz", tmp_path / f"{name}.nii.gz")
    rows = {column: "a b"}, {column: "a-b", "subject": "02", "bold": "b.nii.gz"}, {column: "a", "bold": "c.nii.gz"}
    runs, log = find_table(table(*rows))
    assert [run.bold.name for run in runs] == ["bold.nii.gz", "c.nii.gz"]
    assert [row["status"] for row in log] == ["found", "unusable", "found"]
    assert log[1]["message"] == (f"line 3 of runs.tsv: The {column}s 'a b' and 'a-b' would have the same file names "
                                 "(letters and digits only: 'ab'). Rename one of them.")  # fmt: skip


@pytest.mark.parametrize("column", ["subject", "task", "session", "direction", "run"])
def test_a_label_that_can_be_no_name_is_told_with_row_and_column(table: Callable[..., Path], column: str) -> None:
    for label in ("../x", "x/y", "a\x1b[2J", "?"):
        assert reason(table({column: label})).startswith(
            f"line 2 of runs.tsv: The column {column}: {label!r} cannot be part of a BIDS name: it holds ")


def test_a_label_that_reads_as_another_entity_makes_no_two_runs_one(table: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "bold.nii.gz", tmp_path / "b.nii.gz")
    runs, log = find_table(table({"task": "go_run-1"}, {"task": "go", "run": "1", "bold": "b.nii.gz"}))
    assert runs == []
    assert all("claim one run, sub-01_task-go_run-1" in row["message"] for row in log)


def test_a_missing_run_is_a_row_not_a_crash(table: Callable[..., Path]) -> None:
    runs, log = find_table(table({}, {"subject": "02", "bold": "nowhere.nii.gz"}))
    assert len(runs) == 1
    assert [row["status"] for row in log] == ["found", "missing"]
    assert "line 3 of runs.tsv: Expected a BOLD image at" in log[1]["message"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"bold": "events.tsv"}, "it is not an image"),
        ({"bold": "flat.nii.gz"}, r"it is 3D, shape (2, 2, 2). Is it a mean image or a map?"),
        ({"bold": "short.nii.gz"}, "at least 2 frames"),
        ({"bold": "still.nii.gz"}, "The repetition time of"),
        ({"bold": "still.nii.gz"}, "is 0 s; a positive number is needed. Set t_r in [scans]"),
        ({"bold": "slow.nii.gz"}, "slow.nii.gz is 720 s; no scan is so slow: are these milliseconds? Set t_r in"),
        ({"t_r": "2400"}, "is 2400 s; no scan is so slow"),
        ({"t_r": "nan"}, "is nan s; a positive"),
        ({"t_r": "0"}, "is 0 s; a positive number is needed"),
        ({"t_r": "two"}, "The column t_r must hold seconds; 'two' came"),
        ({"t_r": "0_8"}, "The column t_r must hold seconds; '0_8' came"),
        ({"events": "none.tsv"}, "The column events names"),
        ({"mask": "none.nii"}, "The column mask names"),
        ({"events": "late.tsv"}, "No event begins within the scan of 40 frames x 0.72 s = 28.8 s"),
        ({"events": "untimed.tsv"}, "'duration' is missing. They have: onset, trial_type"),
        ({"events": "words.tsv"}, "onset of the events (in seconds)"),
        ({"events": "words.tsv"}, "words.tsv must be numbers with decimal points, or n/a; 'soon' came in line 2"),
        ({"events": "gap.tsv"}, "The onset in line 2 of"),
        ({"task": ""}, "The column task is empty"),
    ],
)
def test_one_message_for_each_wrong_row(
    table: Callable[..., Path], tmp_path: Path, write_bold: Callable[..., Path], row: Row, words: str
) -> None:
    write_bold(np.zeros((2, 2, 2), dtype=np.int16), np.eye(4), "flat.nii.gz")
    write_bold(np.zeros((2, 2, 2, 1), dtype=np.int16), np.eye(4), "short.nii.gz")
    write_bold(np.zeros((2, 2, 2, 9), dtype=np.int16), np.eye(4), "still.nii.gz", t_r=0.0)
    write_bold(np.zeros((2, 2, 2, 9), dtype=np.int16), np.eye(4), "slow.nii.gz", t_r=720.0)
    header = "onset\tduration\ttrial_type\n"
    (tmp_path / "late.tsv").write_text(header + "29\t1\tgo\n")
    (tmp_path / "untimed.tsv").write_text("onset\ttrial_type\n1\tgo\n")
    (tmp_path / "words.tsv").write_text(header + "soon\t1\tgo\n")
    (tmp_path / "gap.tsv").write_text(header + "n/a\t1\tgo\n")
    message = reason(table(row))
    assert words in message
    assert "line 2 of runs.tsv" in message


def test_a_damaged_gzip_is_not_an_image(table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "bold.nii.gz").write_bytes((tmp_path / "bold.nii.gz").read_bytes()[:20])
    assert "it is not an image" in reason(table())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject\ttask\n01\tgo\n", "'bold' is missing. It has: subject, task"),
        ("subject\ttask\tbold\tevent\n1\tg\tb\te\n", "unknown column 'event'.* Did you mean 'events'"),
        ("subject\ttask\tbold\n", "lists no run"),
        ("", "it cannot be read"),
        ("subject\ttask\tbold\n01\tgo\tb\tx\n", r"line 2 has 4 fields; the header \(line 1\) has 3"),
        ("subject\ttask\tbold\tbold\n01\tgo\tb\tx\n", "its columns 3 and 4 have one name, 'bold'"),
    ],
)
def test_one_message_for_each_wrong_table(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "runs.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        find_table(tmp_path / "runs.tsv")


def test_events_outside_the_scan_are_warned_about_and_left_out(table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text(EVENTS + "27\t5\tgo\n40\t1\tgo\n")
    with pytest.warns(TimingWarning, match=r"1 of 4 events lie outside .* the last ends at 41.0 s, long after"):
        finding = find_runs(Scans("table", table({"events": "events.tsv"})))
    assert finding.runs[0].events[-1] == Event(27.0, pytest.approx(1.8), "go")  # clipped at 28.8 s
    assert "the last ends at 41.0 s" in finding.notes[0]


def test_events_that_end_after_the_scan_are_clipped_and_said(table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "long.tsv").write_text("onset\tduration\ttrial_type\n2\t1\tgo\n20\t10\tstop\n")
    runs, log = find_table(table({"events": "long.tsv"}))  # 28.8 s
    assert runs[0].events[1].duration == pytest.approx(8.8)
    assert log[0] == {"run": "sub-01_task-go", "status": "found",
                      "message": "1 of 2 events end after the scan of 28.8 s and are clipped to it ('stop' at 20 s by "
                      "1.2 s)."}  # fmt: skip


def test_events_that_end_long_before_the_scan_are_warned_about(table: Callable[..., Path]) -> None:
    with pytest.warns(TimingWarning, match="long before the end .* is 2.4 s .the header says 0.72 s."):
        finding = find_runs(Scans("table", table({"events": "events.tsv"}), t_r=2.4))
    assert finding.runs[0].header_t_r == 0.72
    assert finding.notes[1].startswith("The repetition time used is 2.4 s, as configured; the headers of 1 of 1 runs")


def test_events_without_a_type_are_left_out_and_types_stay_text(table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\n2\t1\t1\n4\t1\tn/a\n20\t1\t2\n")
    (run,), _ = find_table(table({"events": "events.tsv"}))
    assert run.events == (Event(2.0, 1.0, "1"), Event(20.0, 1.0, "2"))
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\t\n2\t1\t1\t\n20\t1\t2\t\n")
    (run,), _ = find_table(table({"events": "events.tsv"}))  # a tab at the end of each line is no column
    assert run.events == (Event(2.0, 1.0, "1"), Event(20.0, 1.0, "2"))
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\n2\t1\t1\t\n20\t1\t2\t\n")
    assert "line 2 has 4 fields; the header (line 1) has 3" in reason(table({"events": "events.tsv"}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onset\tduration\n2\t1\n4\t1\n",
         "{} has no column 'trial_type' that says what its 2 events are. Its columns are onset, duration."),
        ("onset\tduration\tstim_type\n2\t1\tface\n",
         "{} has no column 'trial_type' that says what its 1 events are. Its columns are onset, duration, stim_type: "
         "name the one that says what happened by event_column in [samples]."),
        ("onset\tduration\ttrial_type\tvalue\n2\t1\tn/a\t7\n4\t1\tn/a\t8\n9\t1\t \t9\n",
         "The column 'trial_type' of {} is n/a in all 3 rows. Its columns are onset, duration, trial_type, value: name "
         "the one that says what happened by event_column in [samples]."),
        ("onset\tduration\ttrial_type\n", "{} lists no event: it has a header and no line below it."),
    ],
)
def test_a_run_whose_events_are_unnamed_is_found_and_its_row_says_so(
    table: Callable[..., Path], tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "e.tsv").write_text(text)
    (run,), log = find_table(table({"events": "e.tsv"}))
    assert run.events == ()
    assert log[0]["status"] == "found"
    assert log[0]["message"] == words.format(tmp_path / "e.tsv")
    assert len(run.busy) == len(text.splitlines()) - 1  # something happened then: it is no rest


def test_another_column_says_what_happened(table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "e.tsv").write_text("onset\tduration\tvalue\ttrial_type\n2\t1\t007\tgo\n4\t2\tn/a\tgo\n19\t1\tNA\tgo\n")
    path = table({"events": "e.tsv"})
    (run,), log = find_table(path, event_column="value")
    assert run.events == (Event(2, 1, "007"), Event(19, 1, "NA"))
    assert (run.busy, log[0]["message"]) == (((2, 3), (4, 6), (19, 20)), "")
    assert find_runs(Scans("table", path), "value").runs == (run,)
    with pytest.raises(InputError, match=r"event_column in .samples. is for the layouts table and fmriprep"):
        find_runs(Scans("hcp", tmp_path), "value")


def test_the_number_of_a_line_is_that_of_the_file(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table({}, {"subject": "02", "bold": "none.nii"})
    path.write_bytes(b"\xef\xbb\xbf\n" + path.read_bytes().replace(b"\n02", b"\n\n\t\t\n02").replace(b"\n", b"\r\n"))
    _, log = find_table(path)
    assert log[1]["message"].startswith("line 6 of runs.tsv: Expected a BOLD image at")
    (tmp_path / "events.tsv").write_text(EVENTS.replace("20\t", "\n-\t"))
    assert "'-' came in line 4" in reason(table({"events": "events.tsv"}))


def test_events_before_the_scan_are_not_called_late(table: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text(EVENTS + "-1.5\t1\tgo\n")
    with pytest.warns(TimingWarning, match="1 of 3 events begin before the first frame"):
        find_runs(Scans("table", table({"events": "events.tsv"})))


def test_a_surface_is_not_a_scan(table: Callable[..., Path], tmp_path: Path) -> None:
    nib.save(nib.gifti.GiftiImage(), tmp_path / "x.gii")
    assert "it is a GiftiImage, which has no voxels" in reason(table({"bold": "x.gii"}))


def test_a_label_with_an_underscore_can_be_chosen(table: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "bold.nii.gz", tmp_path / "b.nii.gz")
    path = table({"subject": "A_1"}, {"subject": "B_1", "bold": "b.nii.gz"})
    found = find_runs(Scans("table", path, subjects=("A_1",)))
    assert [run.key for run in found.runs] == found.log["run"].tolist() == ["sub-A_1_task-go"]


def test_subjects_and_tasks_can_be_chosen(table: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("b", "c"):
        shutil.copy(tmp_path / "bold.nii.gz", tmp_path / f"{name}.nii.gz")
    path = table({}, {"subject": "sub-02", "bold": "b.nii.gz"}, {"task": "rest", "bold": "c.nii.gz"})
    only = find_runs(Scans("table", path, subjects=("sub-02",)))
    assert len(only.runs) == len(only.log) == 1
    both = find_runs(Scans("table", path, subjects=("02", "sub-002", "02")))
    assert both.log["run"].tolist() == ["sub-02_task-go", "sub-002"]
    assert both.log.iloc[1]["message"] == "runs.tsv lists no run of this person. Did you mean '02'?"
    assert both.log["status"].tolist() == ["found", "missing"]
    assert len(find_runs(Scans("table", path, tasks=("REST",))).runs) == 1
    some = find_runs(Scans("table", path, tasks=("rest", "task-gp", "GO")))
    assert [run.task for run in some.runs] == ["go", "go", "rest"]
    assert some.log.iloc[3].tolist() == ["task-gp", "missing", "runs.tsv lists no run of this task. Did you mean 'go'?"]
    with pytest.raises(InputError, match="None fits"):
        find_runs(Scans("table", path, tasks=("sleep",)))
    without = find_runs(Scans("table", path, exclude=("sub-02", "task-REST")))
    assert len(without.runs) == len(without.log) == 1
    with pytest.raises(InputError, match=r"exclude in .scans. names 'task-sleep', which no run is"):
        find_runs(Scans("table", path, exclude=("task-sleep",)))
    with pytest.raises(InputError, match=r"layout in \[scans\] must be one of hcp, table"):
        find_runs(Scans("tabel", path))


@pytest.mark.parametrize(("card", "said"), [('{"StartTime": 0.35}', True), ('{"SliceTimingCorrected": true}', True),
                                            ('{"SliceTimingCorrected": false, "StartTime": 0}', False), ("[", False)])
def test_onsets_that_are_not_moved_are_said(
    table: Callable[..., Path], tmp_path: Path, card: str, said: bool
) -> None:
    (tmp_path / "bold.json").write_text(card)
    path = table({"events": "events.tsv"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimingWarning)  # of the sidecar that is no JSON
        found = find_runs(Scans("table", path))
    assert found.runs[0].events[0].onset == 2.0
    assert any("1 of 1 runs say that slice timing was corrected (first: bold.nii.gz)" in n for n in found.notes) is said
