"""Which event files are classes: the HCP's conditions, and the states of the literature."""

from collections import Counter
from pathlib import Path

import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.records import Event
from fmri_saliency.scans.hcp.events import HCP_TASKS, labels_of, read_hcp_events, read_hcp_timing


def all_labels(events: str) -> list[str]:
    return [label for task in HCP_TASKS for label in labels_of(task, events)]


def write(folder: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (folder / name).write_text(text)
    return list(files)


@pytest.mark.parametrize(
    ("events", "number"), [("conditions", 24), ("states", 21), ("states-23", 23), ("states-24", 24)]
)
def test_each_set_has_its_number_of_classes_and_no_name_twice(events: str, number: int) -> None:
    labels = all_labels(events)
    assert len(labels) == len(set(labels)) == number


def test_the_sets_are_what_is_published() -> None:
    # the 21 classes of arXiv:2510.13768, in the order of its code
    published = ("fear neut math story lf lh rf rh t match relation mental rnd 0bk_body 2bk_body 0bk_faces 2bk_faces "
                 "0bk_places 2bk_places 0bk_tools 2bk_tools")
    states = set(published.split())
    assert set(all_labels("states")) == states
    assert set(all_labels("conditions")) == states | {"cue", "loss", "win"}
    assert set(all_labels("states-23")) == states | {"loss", "win"}
    assert set(all_labels("states-24")) == states | {"loss_event", "win_event", "neut_event"}
    assert labels_of("MOTOR", "conditions") == ("cue", "lf", "lh", "rf", "rh", "t")
    assert labels_of("GAMBLING", "states") == ()
    assert labels_of("wm", "ev") is None  # every file there is
    assert labels_of("CARIT", "states") is None  # not a task of this project


def test_frames_and_files_of_every_task() -> None:
    assert {task: one.n_times for task, one in HCP_TASKS.items()} == {
        "EMOTION": 176, "GAMBLING": 253, "LANGUAGE": 316, "MOTOR": 284, "RELATIONAL": 232, "SOCIAL": 274, "WM": 405,
    }  # fmt: skip
    assert {task: len(one.files) for task, one in HCP_TASKS.items()} == {
        "EMOTION": 2, "GAMBLING": 5, "LANGUAGE": 9, "MOTOR": 6, "RELATIONAL": 3, "SOCIAL": 4, "WM": 16,
    }  # fmt: skip
    for task, one in HCP_TASKS.items():
        named = Counter(one.files)
        assert set(named.values()) == {1}
        for label in ("conditions", "states", "states-23", "states-24"):
            assert set(labels_of(task, label)) <= set(named)


def test_only_the_files_of_the_classes_are_read(tmp_path: Path) -> None:
    files = write(tmp_path, {"lf.txt": "5 12 1\n", "lh.txt": "", "rf.txt": "1 2 1\n", "rh.txt": "\n",
                             "t.txt": "40 12 1", "cue.txt": "2 3 1\n", "Sync.txt": "9.9\n", "MOTOR_Stats.csv": "a,b\n",
                             "._lf.txt": "\x00\x05", "more.txt": "7 1 1\n"})  # fmt: skip
    lf, t, rf, cue = Event(5, 12, "lf"), Event(40, 12, "t"), Event(1, 2, "rf"), Event(2, 3, "cue")
    assert read_hcp_events(tmp_path, files, "motor", "states") == (rf, lf, t)
    assert read_hcp_events(tmp_path, files, "motor", "conditions") == (rf, cue, lf, t)
    assert read_hcp_events(tmp_path, files, "motor", "ev") == (rf, cue, lf, Event(7, 1, "more"), t)
    assert read_hcp_events(tmp_path, [], "motor", "states") == ()
    assert read_hcp_timing(tmp_path, files, "motor", "states")[1] == (rf, cue, lf, Event(7, 1, "more"), t)


def test_a_condition_without_its_file_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, {"fear.txt": "5 12 1\n"})
    with pytest.raises(InputError, match=r"neut\.txt; it is missing\. Download EVs/ again"):
        read_hcp_events(tmp_path, files, "EMOTION", "conditions")
    assert len(read_hcp_events(tmp_path, files, "EMOTION", "ev")) == 1


@pytest.mark.parametrize("line", ["5", "5 soon 1", "x 1 1"])
def test_a_line_that_is_not_numbers_is_named(tmp_path: Path, line: str) -> None:
    files = write(tmp_path, {"fear.txt": f"1 2 1\n\n{line}\n"})
    with pytest.raises(InputError, match=rf"line 3 of .*fear\.txt; '{line}' came"):
        read_hcp_events(tmp_path, files, "EMOTION", "ev")


def test_notes_among_the_event_files_are_no_events(tmp_path: Path) -> None:
    files = write(
        tmp_path, {"fear.txt": "9 2 1\n", "neut.txt": "5 2 1\n", "notes.txt": "slept\n", "own.txt": "7 1 1\n"}
    )
    chosen, every = read_hcp_timing(tmp_path, files, "EMOTION", "states")
    assert [event.trial_type for event in chosen] == ["neut", "fear"]
    assert [event.trial_type for event in every] == ["neut", "own", "fear"]  # no rest
    with pytest.raises(InputError, match=r"notes\.txt; 'slept' came"):
        read_hcp_timing(tmp_path, files, "EMOTION", "ev")
    write(tmp_path, {"neut.txt": "soon 2 1\n"})
    with pytest.raises(InputError, match=r"neut\.txt; 'soon 2 1' came"):
        read_hcp_timing(tmp_path, files, "EMOTION", "states")
