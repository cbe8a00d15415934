"""Which runs are wanted."""

from pathlib import Path

import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.scans import Selection, check_pattern, read_subjects

RUNS = [{"sub": s, "task": t, "dir": d, "run": "1"} for s in ("1", "2") for t in ("wm", "motor") for d in ("LR", "RL")]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), {0, 1, 2, 3, 4, 5, 6, 7}),
        (Selection(tasks=("WM",)), {0, 1, 4, 5}),
        (Selection(tasks=("task-wm",), subjects=("sub-2",)), {4, 5}),
        (Selection(directions=("rl",)), {1, 3, 5, 7}),
        (Selection(exclude=("sub-1",)), {4, 5, 6, 7}),
        (Selection(exclude=("task-WM_dir-RL",)), {0, 2, 3, 4, 6, 7}),
        (Selection(exclude=("sub-1_task-wm_dir-LR", "sub-2_task-motor")), {1, 2, 3, 4, 5}),
        (Selection(subjects=("1",), exclude=("dir-LR",)), {1, 3}),
    ],
)
def test_what_is_taken(selection: Selection, wanted: set[int]) -> None:
    assert {number for number, run in enumerate(RUNS) if selection.takes(run)} == wanted


def test_a_run_without_the_entity_is_not_taken_when_it_is_asked_for() -> None:
    assert not Selection(directions=("LR",)).takes({"sub": "1", "task": "wm"})
    assert Selection(exclude=("dir-LR",)).takes({"sub": "1", "task": "wm"})


def test_patterns_that_fit_nothing_are_told() -> None:
    acquired = [{"sub": "1", "acq": kind} for kind in ("x", "y")]
    assert [Selection(exclude=("acq-x",)).takes(run) for run in acquired] == [False, True]
    assert Selection(exclude=("sub-1", "sub-3", "task-wm_dir-AP")).idle(RUNS) == ["sub-3", "task-wm_dir-AP"]


@pytest.mark.parametrize("pattern", ["100307", "WM", "sub-", "sub-1_", "subject-1", "sub-1_sub-2", ""])
def test_one_message_for_each_wrong_pattern(pattern: str) -> None:
    with pytest.raises(InputError, match=f"'{pattern}' came"):
        check_pattern(pattern)


def test_a_list_of_subjects(tmp_path: Path) -> None:
    path = tmp_path / "subjects.txt"
    path.write_text("\ufeff100307\n\n# the pilot\nsub-100408  # twin\n100307\r\n192237,\n")
    assert read_subjects(path) == ("100307", "100408", "192237")


@pytest.mark.parametrize(
    ("text", "words"),
    [("# nobody\n", "names nobody"), ("1\n2 3\n", "one subject in line 2"), ("1,2\n", "one subject in line 1")],
)
def test_one_message_for_each_wrong_list(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "subjects.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_subjects(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_subjects(tmp_path / "none.txt")
