"""What happened when in the HCP's seven tasks, as their protocol describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from fmri_saliency.errors import one_of
from fmri_saliency.scans.hcp.events import HCP_TASKS

__all__ = ["protocol_events"]

Spans = list[tuple[float, float]]
COUNTDOWN = 8.0
ORDER = {
    "LR": {
        "EMOTION": "neut fear neut fear neut fear",
        "GAMBLING": "win - loss - win - loss -",
        "MOTOR": "rh lf t rf lh - t lf rh - lh rf -",
        "RELATIONAL": "relation match - relation match - match relation -",
        "SOCIAL": "mental - rnd - mental - rnd - mental -",
        "WM": "2bk_tools 0bk_body - 2bk_faces 0bk_tools - 2bk_body 2bk_places - 0bk_faces 0bk_places -",
    },
    "RL": {
        "EMOTION": "fear neut fear neut fear neut",
        "GAMBLING": "loss - win - loss - win -",
        "MOTOR": "lh rf - rh t lf - rf lh t - rh lf",
        "RELATIONAL": "match relation - match relation - relation match -",
        "SOCIAL": "rnd - mental - rnd - mental - rnd -",
        "WM": "2bk_body 0bk_faces - 2bk_tools 0bk_body - 0bk_places 2bk_faces - 0bk_tools 2bk_places -",
    },
}
"""Order of blocks; "-" is a block of fixation."""
# per task: seconds of the cue before a block, of the block, of fixation, and of what the event lasts
RHYTHM = {
    "EMOTION": (3.0, 18.0, 0.0, 18.0),
    "GAMBLING": (0.0, 28.0, 15.0, 28.0),
    "MOTOR": (3.0, 12.0, 15.0, 12.0),
    "RELATIONAL": (2.0, 16.0, 16.0, 16.0),
    "SOCIAL": (0.0, 23.0, 15.0, 23.0),
    "WM": (0.0, 27.5, 15.0, 27.5),
}
EMOTION_STEP = 21.08  # seconds from one block of EMOTION to the next: 21 by design, and a little that the program took


def _blocks(task: str, direction: str) -> Iterator[tuple[str, float, float]]:
    """Yield condition, onset and duration of every block, fixation left out."""
    cue, length, fixation, lasts = RHYTHM[task]
    onset = COUNTDOWN
    for condition in ORDER[direction][task].split():
        if condition == "-":
            onset += fixation
            continue
        yield condition, onset + cue, lasts
        onset += EMOTION_STEP if task == "EMOTION" else cue + length


def _gambling(spans: dict[str, Spans]) -> None:
    """Add the trials of mostly-win and mostly-loss blocks: eight of 3.5 s, six of them of the block's kind."""
    for kind, other in (("win", "loss"), ("loss", "win")):
        for onset, _ in spans[kind]:
            order = (kind, kind, other, kind, kind, "neut", kind, kind)
            for number, trial in enumerate(order):
                spans[f"{trial}_event"].append((onset + 3.5 * number, 3.5))


def _motor(spans: dict[str, Spans]) -> None:
    """Add the cue of 3 s before every movement."""
    spans["cue"] = [(onset - 3, 3.0) for kind in ("lf", "lh", "rf", "rh", "t") for onset, _ in spans[kind]]


def _social(spans: dict[str, Spans]) -> None:
    """Add the 3 s in which people answer after a film of 20 s: mostly that they saw a social interaction, or not."""
    films = sorted(spans["mental"] + spans["rnd"])
    for onset, _ in films:
        spans["mental_resp" if (onset, 23.0) in spans["mental"] else "other_resp"].append((onset + 20, 3.0))


def _wm(spans: dict[str, Spans]) -> None:
    """Add the ten trials of 2.5 s of every block: the fourth is wrong in 2-back blocks, all others are right."""
    for name in [name for name in spans if name[4:] in ("body", "faces", "places", "tools")]:
        back = name[:3]
        for onset, _ in spans[name]:
            for number in range(10):
                kind = "err" if back == "2bk" and number == 3 else "cor"
                trial = (onset + 2.5 * (number + 1), 2.5)
                spans[f"{back}_{kind}"].append(trial)
                spans[f"all_bk_{kind}"].append(trial)


def _language(spans: dict[str, Spans], direction: str) -> None:
    """Add four stories and four blocks of sums in turn, and more sums until the run of 227 s ends.

    A story lasts 30 s (20 heard, 5 asked, 3 answered); a block of sums has two of 12 s.
    """
    onset = 0.5 if direction == "LR" else 0.8
    ends = 316 * 0.72
    for turn in count():
        kind = "math" if turn % 2 else "story"
        lengths = (12.0, 12.0) if kind == "math" else (30.0,)
        for length in lengths:
            if onset + length > ends:
                return
            heard, asked = 0.6 * length, 0.25 * length
            spans[kind].append((onset, length))
            spans[f"present_{kind}"].append((onset, heard))
            spans[f"question_{kind}"].append((onset + heard, asked))
            spans[f"response_{kind}"].append((onset + heard + asked, 0.1 * length))
            onset += length
        spans["cue"].append((onset, 1.0))
        onset += 1.0


MORE: dict[str, Callable[[dict[str, Spans]], None]] = {
    "GAMBLING": _gambling, "MOTOR": _motor, "SOCIAL": _social, "WM": _wm,
}  # fmt: skip


def _rounded(spans: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple(sorted((round(onset, 3), round(duration, 3)) for onset, duration in spans))


def protocol_events(task: str, direction: str) -> dict[str, tuple[tuple[float, float], ...]]:
    """Return onset and duration (s) of every event of a run, for each EV file of the task.

    Numbers and lengths of blocks and trials are those of the published protocol (Barch et al.,
    NeuroImage 80:169-189, 2013, doi:10.1016/j.neuroimage.2013.05.033, and
    https://www.humanconnectome.org/hcp-protocols-ya-task-fmri), after a countdown of 8 s. Blocks of
    EMOTION come every 21.08 s, so that the last one begins at 116.4 s and ends after the scan, as in
    the released files. The order of blocks, what people answered, and the lengths of single stories
    and sums, which differ from person to person in LANGUAGE, are this package's own.

    Parameters
    ----------
    task : str
        ``EMOTION`` ... ``WM``.
    direction : {"LR", "RL"}

    Returns
    -------
    dict
        EV file (without ``.txt``) to its events, in order of onset; none where nothing happened.
    """
    one_of(task, HCP_TASKS, "An HCP task")
    one_of(direction, ORDER, "A direction")
    spans: dict[str, Spans] = {name: [] for name in HCP_TASKS[task].files}
    if task == "LANGUAGE":
        _language(spans, direction)
    else:
        for condition, onset, duration in _blocks(task, direction):
            spans[condition].append((onset, duration))
        MORE.get(task, lambda _: None)(spans)
    return {name: _rounded(events) for name, events in spans.items()}
