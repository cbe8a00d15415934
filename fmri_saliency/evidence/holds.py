"""Whether the maps of a run hold, in plain words, from what was found about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fmri_saliency.records import Evidence

__all__ = ["Verdict", "say_whether_it_holds"]

ALIKE = 0.5  # a correlation above which a time profile is largely an untrained network's
PILED = 1.5  # times an even share, from which on saliency is piled up at an end
FOUND = 0.9  # an AUROC from which on what was planted is found


@dataclass(frozen=True)
class Verdict:
    """What the checks of a map come to.

    Attributes
    ----------
    answer : {"yes", "nothing speaks against it", "with reservations", "no", "not judged"}
    words : str
        Why, in a few sentences.
    """

    answer: str
    words: str


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _in_time(found: Sequence[Evidence], network: str) -> tuple[list[str], list[str]]:
    """Return what speaks for the network's maps in time, and what against."""
    fine, doubts = [], []
    for one in found:
        if one.subject != network or not np.isfinite(one.value):
            continue
        if "untrained" in one.check:
            if one.value > ALIKE:
                doubts.append("where in time it lies is largely what the network shows before any training "
                              f"(correlation {one.value:.2f}), so it says little about when")  # fmt: skip
            else:
                fine.append("where in time it lies is not what the network shows before training "
                            f"(correlation {one.value:.2f})")  # fmt: skip
        elif "share of saliency" in one.check and one.value > PILED * one.null:
            end = "first" if "first" in one.check else "last"
            doubts.append(f"{_percent(one.value)} of the saliency is piled up in the {end} steps (an even map has "
                          f"{_percent(one.null)})")  # fmt: skip
    return fine, doubts


def _hangs(found: Sequence[Evidence], network: str) -> tuple[list[str], list[str]]:
    """Return what speaks for and against the network's answer hanging on what the map calls important."""
    fine, doubts = [], []
    for one in found:
        if one.subject == network and one.check.startswith("loss of the answer") and np.isfinite(one.value):
            if one.verdict.startswith("the answer hangs"):
                fine.append("the answer hangs on what it calls important: replacing that first costs "
                            f"{one.value:.2f} more of the answer's probability than a random order")  # fmt: skip
            else:
                doubts.append("replacing what it calls important harms the answer no more than replacing anything else")
    return fine, doubts


def _recovered(found: Sequence[Evidence]) -> tuple[list[str], list[str], bool]:
    """Return what speaks for and against the maps where the truth was planted, and whether they miss it altogether."""
    cells = [one for one in found if one.check == "recovery of regions and times"]
    if not cells:
        return [], [], False
    mean = float(np.mean([one.value for one in cells]))
    lowest = min(cells, key=lambda one: one.value)
    figures = f"AUROC of regions and times {mean:.2f} on average, lowest {lowest.value:.2f} for {lowest.subject}; " \
              f"a random map has {np.mean([one.null for one in cells]):.2f}"
    missed = [one.subject for one in cells if "no better" in one.verdict]
    if len(missed) == len(cells):
        return [], [f"it finds nothing of what was planted ({figures})"], True
    if missed:
        return [], [f"what was planted is not found for {', '.join(missed)} ({figures})"], False
    if mean < FOUND:
        return [], [f"what was planted is found in part ({figures})"], False
    return [f"it finds what was planted ({figures})"], [], False


def say_whether_it_holds(found: Sequence[Evidence], network: str, score: dict[str, Any]) -> Verdict:
    """Say in plain words whether the maps of a network hold.

    Parameters
    ----------
    found : sequence of Evidence
        Of all networks and classes.
    network : str
        The one whose maps are shown.
    score : dict
        Its `accuracy`, `interval`, `chance` and `majority`.

    Returns
    -------
    Verdict

    Notes
    -----
    A map is judged only where the lower end of the accuracy's interval lies above chance and above the share of the
    most frequent class: the map of a network that does not know the answer means nothing. What was planted is found
    where the mean AUROC of regions and times is at least 0.9, and each class's is better than a random map's. The time
    profile is the untrained network's where their correlation is above 0.5. Saliency is piled up where a tenth of the
    steps has more than 1.5 times an even share. The answer hangs on the map where replacing its most important blocks
    first costs more than the most harmful of some random orders. One doubt of these, and the map holds with
    reservations. Where nothing was planted, that maps are right cannot be shown: then there is no "yes".
    """
    low = score["interval"][0]
    if low <= max(score["chance"], score["majority"]):
        return Verdict("not judged", "The decoder cannot be told from guessing, and the map of a decoder that does not "
                                     "know the answer means nothing.")  # fmt: skip
    fine, doubts = _in_time(found, network)
    right, wrong, nothing = _recovered(found)
    hangs, idle = _hangs(found, network)
    fine, doubts = [*right, *hangs, *fine], [*wrong, *idle, *doubts]
    words = ". ".join(f"{one[0].upper()}{one[1:]}" for one in fine)
    against = f"But {'; and '.join(doubts)}" if words and doubts else "; and ".join(doubts)
    against = f"{against[:1].upper()}{against[1:]}"
    text = "".join(f"{part}. " for part in (words, against) if part)
    if not (fine or doubts):
        return Verdict("not judged", "No check of the map came to a number.")
    known = bool(right or wrong)
    if not known:
        text += "Whether the regions are the right ones cannot be checked on scans whose truth is unknown. "
    answer = "no" if nothing else "with reservations" if doubts else "yes" if known else "nothing speaks against it"
    return Verdict(answer, text.strip())
