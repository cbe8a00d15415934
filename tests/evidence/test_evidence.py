"""Checks of maps on maps whose quality is known."""

from dataclasses import replace

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import compare_untrained, edge_shares, recover
from fmri_saliency.records import Saliency


def of(values: np.ndarray, saliency: Saliency, unit: str = "logit") -> Saliency:
    n_regions = values.shape[1]
    return replace(
        saliency, values=values[None].astype(np.float32), labels=("a",), n_averaged=(3,), unit=unit,
        names=tuple(f"r{i}" for i in range(n_regions)),
    )  # fmt: skip


@pytest.fixture
def truth() -> np.ndarray:
    planted = np.zeros((50, 20), dtype=bool)
    planted[10:20, :5] = True
    return planted


def test_a_perfect_a_reversed_and_a_constant_map(saliency: Saliency, truth: np.ndarray) -> None:
    for values, wanted in ((truth, 1.0), (-1.0 * truth, 0.0), (np.ones(truth.shape), 0.5)):
        regions, cells = recover(of(values, saliency), {"a": truth})
        assert (regions.value, cells.value) == (wanted, wanted)
        assert regions.null == pytest.approx(0.5, abs=0.03)
        assert cells.null == pytest.approx(0.5, abs=0.01)
        assert regions.verdict == ("better than a random map" if wanted == 1 else "no better than a random map")


def test_by_hand(saliency: Saliency) -> None:
    planted = np.array([[True, False, False]])
    # the planted region beats one of the two others: area 1/2
    regions, _ = recover(of(np.array([[2.0, 3.0, 1.0]]), saliency), {"a": planted})
    assert regions.value == 0.5


def test_sensitivities_have_no_sign_contributions_do(saliency: Saliency, truth: np.ndarray) -> None:
    signed = of(-1.0 * truth, saliency, "logit per unit of signal")
    assert recover(signed, {"a": truth})[0].value == 1.0


def test_a_random_map_is_no_better_than_random_maps(saliency: Saliency, truth: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    verdicts = [recover(of(rng.standard_normal(truth.shape), saliency), {"a": truth})[1].verdict for _ in range(20)]
    assert verdicts.count("no better than a random map") >= 17  # 2.5 % are expected above the upper limit


def test_truth_longer_than_the_map_is_cut_and_other_shapes_are_refused(saliency: Saliency, truth: np.ndarray) -> None:
    assert recover(of(1.0 * truth[:30], saliency), {"a": truth})[0].value == 1.0
    with pytest.raises(InputError, match=r"has shape \(50, 19\), its map \(50, 20\)"):
        recover(of(1.0 * truth, saliency), {"a": truth[:, :19]})
    with pytest.raises(InputError, match="names no class 'a'; it has b"):
        recover(of(1.0 * truth, saliency), {"b": truth})


def test_edge_shares_by_hand(saliency: Saliency) -> None:
    values = np.zeros((2, 20, 1), dtype=np.float32)
    values[0, :, 0] = -1.0  # even over time, whatever the sign
    values[1, 19, 0] = 5.0  # only the last step
    spread = replace(saliency, values=values, labels=("a", "b"), names=("r",), n_averaged=(1, 1))
    first, last = edge_shares(spread, "net")
    assert (first.value, last.value) == (pytest.approx(0.05), pytest.approx(0.55))
    assert (first.null, last.null) == (0.1, 0.1)
    assert last.verdict == "more than an even spread over time"
    assert first.verdict == "less than an even spread over time"
    assert first.check == "share of saliency in the first tenth of the time steps"
    few = edge_shares(replace(spread, values=values[:, -3:]), "net")
    assert few[1].check == "share of saliency in the last 1 of 3 time steps"
    nothing = edge_shares(replace(spread, values=0 * values), "net")[0]
    assert np.isnan(nothing.value)
    assert "0 held-out samples" in nothing.on
    assert nothing.verdict == "cannot be said: there is no saliency"


def test_a_profile_that_new_weights_have_too_is_not_learnt(saliency: Saliency) -> None:
    values = np.zeros((4, 10, 1), dtype=np.float32)
    values[:, :, 0] = np.arange(10)
    rising = replace(saliency, values=values, names=("r",))
    falling = replace(rising, values=values[:, ::-1])
    alike = compare_untrained(rising, [rising, rising], "net")
    assert alike.value == pytest.approx(1.0)
    assert alike.verdict == "where in time the saliency lies is largely the architecture's"
    assert "2 draws of new weights, which put 0.00 in the first and 0.20 in the last" in alike.on  # 9 of 45
    other = compare_untrained(rising, [falling], "net")
    assert other.value == pytest.approx(-1.0)
    assert other.verdict.endswith("is not what an untrained network shows")
    flat = compare_untrained(rising, [replace(rising, values=values * 0 + 1)], "net")
    assert np.isnan(flat.value)
    assert flat.verdict == "cannot be said: a profile is flat"


def test_maps_of_other_labels_are_not_compared(saliency: Saliency) -> None:
    other = replace(saliency, labels=("a", "b", "b", "a"))
    with pytest.raises(InputError, match="4 and 4 maps came, of which 2 explain different labels"):
        compare_untrained(saliency, [saliency, other], "net")
