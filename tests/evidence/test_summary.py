"""Seeds put together: Student's interval against scipy's, and what is said in words."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from fmri_saliency.evidence import gate, over_seeds, say_verdict, summarise


def test_the_interval_is_students() -> None:
    values = [0.9, 0.95, 0.7, 0.85]
    found, wanted = over_seeds(values), ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high, found.n) == pytest.approx((0.85, wanted.low, wanted.high, 4))
    assert over_seeds([*values, None, float("nan")]) == found
    one, none = over_seeds([0.5]), over_seeds([None])
    assert (one.mean, one.n, np.isnan(one.low)) == (0.5, 1, True)
    assert (none.n, np.isnan(none.mean)) == (0, True)


def row(seed: int, auroc: float, right: int = 100, **checks: Any) -> dict[str, Any]:
    beside = {name: {"auroc": value} for name, value in
              (("random map", 0.5), ("class difference", 0.8), ("oracle", 1.0))}  # fmt: skip
    figures = {"auroc": auroc, "auprc": 0.7, "density": 0.2, "first_excess": 0.0, "last_excess": 0.12}
    return {
        "set": "s", "pair": "p", "seed": seed, "network": "net", "explainer": "how",
        "gate": asdict(gate(np.arange(100) < right, "p", 0.5)), "judged": right >= 90,
        "checks": {"recover": {"figures": figures, "beside": beside}, **checks} if right >= 90 else {},
    }  # fmt: skip


def test_seeds_below_the_gate_have_an_accuracy_and_nothing_else() -> None:
    (found,) = summarise([row(1, 0.9), row(2, 0.7), row(3, 0.1, right=60)], 0.9)
    assert (found.n_seeds, found.n_judged) == (3, 2)
    assert found.accuracy.mean == pytest.approx(2.6 / 3)
    assert found.figure("recover", "auroc").mean == pytest.approx(0.8)
    assert found.beside["class difference"]["auroc"].n == 2
    assert found.figure("null", "anything").n == 0
    assert "only 2 of 3 seeds pass the gate" in say_verdict(found)


def test_pairs_and_sets_are_kept_apart() -> None:
    found = summarise([row(1, 0.9), {**row(1, 0.8), "pair": "q"}, row(2, 0.7), {**row(1, 0.6), "set": "t"}], 0.9)
    assert [(one.data, one.pair, one.n_seeds) for one in found] == [("s", "p", 2), ("s", "q", 1), ("t", "p", 1)]


def test_curves_are_averaged_by_element() -> None:
    null = [{"null": {"figures": {"a": k}, "curves": {"c": [k, 2 * k]}, "names": {"cascade": ["x"]}}} for k in (1, 3)]
    (found,) = summarise([row(1, 0.9, **null[0]), row(2, 0.9, **null[1])], 0.9)
    np.testing.assert_array_equal(found.curves["c"], [2, 4])
    assert found.names == {"cascade": ("x",)}
    assert found.figure("null", "a").mean == 2


def test_verdicts_in_words() -> None:
    (bad,) = summarise([row(1, 0.9, right=55)], 0.9)
    assert say_verdict(bad) == (
        "Not judged: the network answers 55 % of held-out samples correctly, and 90 % are asked for. The map of a "
        "network that does not know the answer means nothing."
    )
    (good,) = summarise([row(seed, 0.95 + 0.001 * seed) for seed in (1, 2, 3)], 0.9)
    words = say_verdict(good)
    assert "finds the planted cells (AUROC 0.95, AUPRC 0.70 where chance has 0.20): better than" in words
    assert "(class difference, 0.80)" in words
    assert "the last tenth of the steps gets +12 % of the map too much" in words
    (poor,) = summarise([row(seed, 0.55) for seed in (1, 2)], 0.9)
    assert "does not find the planted cells" in say_verdict(poor)
    assert "worse than the best map that knows nothing of it (class difference, 0.80)" in say_verdict(poor)
    (level,) = summarise([row(seed, 0.79) for seed in (1, 2)], 0.9)
    assert "as good as the best map" in say_verdict(level)
    (wide,) = summarise([row(1, 0.75), row(2, 0.85)], 0.9)
    assert "as good as the best map" in say_verdict(wide)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"suppress": {"ratio": 0.95, "pattern_ratio": 0.1}}, "look as important as signal: 0.95"),
        ({"suppress": {"ratio": 0.5, "pattern_ratio": 0.1}}, "look important: 0.50"),
        ({"suppress": {"ratio": float("nan"), "pattern_ratio": 0.1}}, "look important cannot be said: the map is zero"),
        ({"null": {"renewed_absolute": 0.1, "profile_p": 0.2, "profile_learnt": float("nan")}},
         "was not asked with enough draws"),
        ({"null": {"renewed_absolute": 0.1, "profile_p": float("nan"), "profile_learnt": float("nan")}},
         "was learnt cannot be said, as maps are zero everywhere"),
        ({"null": {"renewed_absolute": float("nan"), "profile_learnt": 1.0}},
         "a network with new weights the map is cannot be said"),
        ({"suppress": {"ratio": 0.1, "pattern_ratio": 0.1}}, "are told apart from signal: 0.10"),
        ({"null": {"renewed_absolute": 0.7, "profile_learnt": 0.0}}, "is largely that of a network with new weights"),
        ({"null": {"renewed_absolute": 0.1, "profile_learnt": 0.0}}, "says nothing about when (0 of 1 seed differs)"),
        ({"null": {"renewed_absolute": 0.1, "profile_learnt": 1.0}}, "more than an untrained network shows (1 of"),
        ({"null": {"renewed_absolute": 0.1, "profile_learnt": 1.0, "shuffled_labels_profile_share": 0.9}},
         "learnt shuffled labels shows 90 % of the same time profile"),
        ({"faithful": {"removal_gain_absolute": 0.01, "insertion_gain_absolute": 0.01, "removal_spread": 0.0,
                       "insertion_spread": 0.0}}, "no more than on random cells"),
        ({"faithful": {"removal_gain_absolute": 0.2, "insertion_gain_absolute": 0.2, "removal_spread": 0.0,
                       "insertion_spread": 0.0, "retrain_linear-svm_kept_gain": -0.25}},
         "Trained again on the most important cells alone, linear-svm knows 25 % fewer of the answers than on random"),
        ({"faithful": {"removal_gain_absolute": 0.2, "insertion_gain_absolute": 0.2, "removal_spread": 0.1,
                       "insertion_spread": 0.1}}, "when it is removed and when it is put in"),
        ({"faithful": {"removal_gain_absolute": 0.0, "insertion_gain_absolute": 0.2, "removal_spread": 0.1,
                       "insertion_spread": 0.1}}, "only in insertion"),
        ({"faithful": {"removal_gain_absolute": 0.0, "insertion_gain_absolute": 0.0, "removal_spread": 0.1,
                       "insertion_spread": 0.1}}, "no more than on random cells"),
    ],
)  # fmt: skip
def test_each_check_has_its_words(figures: dict[str, dict[str, float]], words: str) -> None:
    (found,) = summarise([row(1, 0.9, **{check: {"figures": one} for check, one in figures.items()})], 0.9)
    assert words in say_verdict(found)


def test_suppressors_are_taken_from_their_own_set() -> None:
    (found,) = summarise([row(1, 0.9)], 0.9)
    (other,) = summarise([row(1, 0.9, suppress={"figures": {"ratio": 0.9, "pattern_ratio": 0.2}})], 0.9)
    assert "cancel noise" not in say_verdict(found)
    assert "look as important as signal: 0.90 of the signal's importance; in the network's pattern 0.20" in say_verdict(
        found, other
    )
    (ignorant,) = summarise([row(1, 0.9, right=70)], 0.9)
    assert "not judged: with them its network knows 70 % of the answers" in say_verdict(found, ignorant)


def test_what_cannot_be_said_is_not_worded_as_a_finding() -> None:
    nan = float("nan")
    checks = {"null": {"renewed_absolute": nan, "profile_p": nan, "profile_learnt": nan},
              "suppress": {"ratio": nan, "pattern_ratio": nan}}  # fmt: skip
    (found,) = summarise([row(1, 0.9, **{check: {"figures": one} for check, one in checks.items()})], 0.9)
    words = say_verdict(found)
    assert "nan" not in words
    for finding in ("is not that of", "cannot be told from", "told apart from signal"):
        assert finding not in words


def test_a_seed_at_chance_is_told_in_the_gates_own_words() -> None:
    few = {**row(1, 0.9, right=55), "gate": asdict(gate(np.arange(5) < 3, "p", 0.5, limit=0.5))}
    (found,) = summarise([few], 0.5)
    words = say_verdict(found)
    assert "60 % of held-out samples correctly, and the accuracy of 0.60 cannot be told from chance (0.50)." in words
    assert "asked for" not in words
    low = {**row(2, 0.9, right=40), "gate": asdict(gate(np.arange(100) < 40, "p", 0.5, limit=0.5))}
    (both,) = summarise([few, low], 0.5)
    assert "and 50 % are asked for; the accuracy of 0.60 cannot be told from chance" in say_verdict(both)


def test_contributions_are_judged_by_the_gains_of_their_signed_ranking() -> None:
    figures = {"removal_gain_absolute": 0.0, "insertion_gain_absolute": 0.0, "removal_gain_signed": 0.3,
               "insertion_gain_signed": 0.2, "removal_spread": 0.05, "insertion_spread": 0.05}  # fmt: skip
    one = row(1, 0.9, faithful={"figures": figures})
    (sensitivity,), (contribution,) = summarise([one], 0.9), summarise([{**one, "contributes": True}], 0.9)
    assert "no more than on random cells (beyond random: removal +0.00, insertion +0.00)" in say_verdict(sensitivity)
    assert "when it is put in (beyond random: removal +0.30, insertion +0.20)" in say_verdict(contribution)
    assert (sensitivity.gain("removal").mean, contribution.gain("removal").mean) == (0.0, 0.3)


def test_one_seed_is_said_to_have_no_interval() -> None:
    (alone,), (two,) = summarise([row(1, 0.95)], 0.9), summarise([row(1, 0.95), row(2, 0.95)], 0.9)
    assert say_verdict(alone).endswith("All this is of one seed: there is no interval.")
    assert "no interval" not in say_verdict(two)
