"""Whether a map holds, in words, from findings made by hand."""

from __future__ import annotations

import pytest

from fmri_saliency.evidence import say_whether_it_holds
from fmri_saliency.records import Evidence

SURE = {"interval": (0.8, 1.0), "chance": 0.25, "majority": 0.3}


def untrained(value: float, network: str = "net") -> Evidence:
    return Evidence("correlation of the time profile with the untrained network's", network, value, 0.0, "", "")


def share(end: str, value: float, network: str = "net") -> Evidence:
    return Evidence(f"share of saliency in the {end} tenth of the time steps", network, value, 0.1, "", "")


def recovered(label: str, value: float, verdict: str = "better than a random map") -> Evidence:
    return Evidence("recovery of regions and times", label, value, 0.5, "", verdict)


def hangs(value: float, verdict: str, network: str = "net") -> Evidence:
    return Evidence("loss of the answer's probability beyond that of random order", network, value, 0.0, "", verdict)


YES, NO = "the answer hangs on what the map calls important", "replacing what the map calls important harms no more"


@pytest.mark.parametrize(
    ("found", "answer", "words"),
    [
        ([recovered("a", 0.95), untrained(0.1), share("last", 0.12)], "yes", "AUROC of regions and times 0.95"),
        ([recovered("a", 0.99), recovered("b", 0.79)], "with reservations", "found in part (AUROC of regions and times "
         "0.89 on average, lowest 0.79 for b"),
        ([recovered("a", 0.95), recovered("b", 0.55, "no better than a random map")], "with reservations",
         "is not found for b"),
        ([recovered("a", 0.5, "no better than a random map")], "no", "finds nothing of what was planted"),
        ([untrained(0.2), share("first", 0.1)], "nothing speaks against it", "truth is unknown"),
        ([recovered("a", 0.95), untrained(0.51)], "with reservations", "before any training (correlation 0.51)"),
        ([recovered("a", 0.95), share("last", 0.88)], "with reservations", "88 % of the saliency is piled up in the "
         "last steps (an even map has 10 %)"),
        ([untrained(0.1), hangs(0.42, YES)], "nothing speaks against it", "The answer hangs on what it calls "
         "important: replacing that first costs 0.42 more"),
        ([recovered("a", 0.95), hangs(0.01, NO)], "with reservations", "But replacing what it calls important harms "
         "the answer no more"),
        ([recovered("a", 0.95), hangs(0.01, NO, "other")], "yes", "It finds"),
        ([untrained(float("nan"))], "not judged", "No check"),
        ([recovered("a", 0.95), untrained(0.99, "other"), share("last", 0.9, "other")], "yes", "It finds"),
    ],
)  # fmt: skip
def test_the_words_follow_from_the_findings(found: list[Evidence], answer: str, words: str) -> None:
    verdict = say_whether_it_holds(found, "net", SURE)
    assert verdict.answer == answer
    assert words in verdict.words
    assert verdict.words[0].isupper()
    assert verdict.words.endswith(".")


def test_a_decoder_at_chance_has_no_map() -> None:
    for score in ({**SURE, "interval": (0.2, 0.6)}, {**SURE, "interval": (0.3, 0.6)}):  # at chance; the frequent class
        verdict = say_whether_it_holds([recovered("a", 0.95)], "net", score)
        assert verdict.answer == "not judged"
        assert "means nothing" in verdict.words


def test_praise_comes_before_doubt() -> None:
    verdict = say_whether_it_holds([recovered("a", 0.95), untrained(0.9), share("last", 0.5)], "net", SURE)
    assert verdict.words.index("finds what was planted") < verdict.words.index("But where in time")
    assert "; and 50 %" in verdict.words
