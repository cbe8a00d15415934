"""Maps of single samples against their truth: by hand, at the extremes, and the paper's scores as published."""

from itertools import pairwise

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import localise, localise_classes, mass_areas, paper_scores
from fmri_saliency.simulation import make


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    planted = np.zeros((3, 20, 10), dtype=bool)
    planted[0, 5:10, :4] = planted[1, 8:14, 3:8] = planted[2, :4, 5:] = True
    return planted


def test_perfect_reversed_constant_and_random_maps(truth: np.ndarray) -> None:
    perfect = localise(1.0 * truth, truth)
    assert (perfect.auroc, perfect.auprc, perfect.time_auroc, perfect.region_auroc) == (1, 1, 1, 1)
    assert (perfect.time_auprc, perfect.region_auprc) == (1, 1)
    assert perfect.time_density == pytest.approx((5 + 6 + 4) / 60)
    assert perfect.region_density == pytest.approx((4 + 5 + 5) / 30)
    assert (perfect.first_excess, perfect.last_excess) == (0, 0)
    assert localise(1.0 - truth, truth).auroc == 0.0
    flat = localise(np.ones(truth.shape), truth)
    assert (flat.auroc, flat.auprc) == (0.5, pytest.approx(flat.density))
    nothing = localise(0.0 * truth, truth)
    assert nothing.auroc == 0.5
    assert np.isnan([nothing.first_excess, nothing.last_excess]).all()
    many = np.repeat(truth, 30, axis=0)
    rng = np.random.default_rng(0)
    noise = localise(rng.standard_normal(many.shape), many)
    assert noise.auroc == pytest.approx(0.5, abs=0.02)
    assert noise.auprc == pytest.approx(noise.density, abs=0.03)
    assert noise.n_samples == 90


def test_by_hand() -> None:
    truth = np.array([[[True, False], [False, False]]])
    # the true cell has rank 2 of 4: it beats two of three, and the precision where it is found is 1/2
    found = localise(np.array([[[3.0, 4.0], [1.0, 2.0]]]), truth)
    assert found.auroc == pytest.approx(2 / 3)
    assert found.auprc == 0.5
    assert found.time_auroc == 1.0  # 7 against 3
    assert found.region_auroc == 0.0  # 4 against 6
    assert (found.time_auprc, found.region_auprc) == (1.0, 0.5)
    assert found.first_excess == pytest.approx(0.7 - 1.0)
    assert found.last_excess == pytest.approx(0.3)


def test_precision_over_moments_and_over_regions_by_hand() -> None:
    truth = np.zeros((1, 4, 3), dtype=bool)
    truth[0, 1, 2] = truth[0, 3, 2] = True
    values = np.array([[[4.0, 0, 0], [0, 0, 3], [0, 1, 1], [0, 0, 1]]])
    found = localise(values, truth)
    # moments 4, 3, 2, 1: the true ones come second and fourth; regions 4, 1, 5: the true one comes first
    assert found.time_auprc == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found.time_auroc == 0.25
    assert (found.region_auprc, found.region_auroc) == (1.0, 1.0)
    assert (found.time_density, found.region_density) == (0.5, pytest.approx(1 / 3))


def test_signs_count_for_contributions_only(truth: np.ndarray) -> None:
    assert localise(-1.0 * truth, truth).auroc == 1.0
    assert localise(-1.0 * truth, truth, signed=True).auroc == 0.0


def test_moments_that_are_all_true_have_no_ranking() -> None:
    truth = np.zeros((2, 5, 4), dtype=bool)
    truth[:, :, 0] = True
    found = localise(1.0 * truth, truth)
    assert np.isnan(found.time_auroc)
    assert np.isnan(found.time_auprc)
    assert found.region_auroc == 1.0


@pytest.mark.parametrize(("name", "jaccard", "distance"), [("earlier", 0.193, 1.18), ("middle", 0.265, 0.963)])
def test_the_papers_scores_of_maps_that_know_nothing(name: str, jaccard: float, distance: float) -> None:
    """Uniform noise, all ones and all zeros, as an independent rerun of the paper's code found them."""
    truth = make(name, 20, 0)[2]
    noise = np.random.default_rng(0).random(truth.shape)
    assert paper_scores(noise, truth) == (pytest.approx(jaccard, abs=0.001), pytest.approx(distance, abs=0.005))
    assert paper_scores(np.zeros(truth.shape), truth) == (0.0, 1.0)
    assert paper_scores(1.0 * truth, truth) == (1.0, 0.0)


def test_one_message_for_what_cannot_be_compared(truth: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"one truth per map; \(3, 20, 9\) and \(3, 20, 10\) came"):
        localise(np.ones((3, 20, 9)), truth)
    with pytest.raises(InputError, match="sample 1 has 0 to 10 % true ones"):
        localise(np.ones(truth.shape), truth & (np.arange(3) != 1)[:, None, None] & (np.arange(3) != 2)[:, None, None])
    with pytest.raises(InputError, match="must be finite"):
        localise(np.full(truth.shape, np.nan), truth)


def test_class_averages_by_hand() -> None:
    truth = np.zeros((4, 2, 2), dtype=bool)
    truth[:, 0, 0] = True
    values = np.zeros(truth.shape)
    values[0, 0, 0], values[1, 0, 0] = 3.0, -1.0  # class a: 1 on average in the true cell
    values[:2, 1, 1] = [2.0, 1.0]  # and 1.5 in a wrong one
    values[2:, 0, 0] = 1.0  # class b is right
    found = localise_classes(values, np.array(list("aabb")), truth)
    assert found.n_samples == 2
    assert found.auroc == pytest.approx((2 / 3 + 1) / 2)
    assert found.auprc == pytest.approx((1 / 2 + 1) / 2)
    with pytest.raises(InputError, match="One label per map"):
        localise_classes(values, np.array(list("aab")), truth)


def test_a_truth_that_moves_about_has_no_class_average() -> None:
    truth = np.zeros((4, 4, 1), dtype=bool)
    truth[np.arange(4), np.arange(4), 0] = True
    assert localise_classes(1.0 * truth, np.zeros(4), truth) is None
    truth[:, 0, 0] = truth[0, 1, 0] = truth[1, 1, 0] = True  # a half of the samples counts
    found = localise_classes(1.0 * truth, np.zeros(4), truth)
    assert (found.auroc, found.density) == (1.0, 0.5)


def test_mass_areas_by_hand() -> None:
    truth = np.array([[[True, True], [False, False]]])
    values = np.array([[[5.0, -1.0], [3.0, 1.0]]])
    # of 10: the first cell holds the shares up to 0.5, two cells up to 0.8; 0.9 needs a third: of the two ones the
    # first in time, which is true
    precision = [1, 1, 1, 1, 1, 5 / 8, 5 / 8, 5 / 8, 6 / 9]
    recall = [5 / 6] * 8 + [1.0]
    wanted = [sum((a + b) / 2 * 0.1 for a, b in pairwise(one)) for one in (precision, recall)]
    assert mass_areas(values, truth) == pytest.approx(wanted)
    assert mass_areas(1.0 * truth, truth)[0] == pytest.approx(0.8)
    assert np.isnan(mass_areas(0 * values, truth)).all()
    wrong = np.array([[[0.0, 0.0], [1.0, 1.0]]])
    assert mass_areas(wrong, truth) == (0, 0)
    # a sample that misses counts as one: the mean of the two, not the better one alone
    both = mass_areas(np.concatenate([values, wrong]), np.concatenate([truth, truth]))
    assert both == pytest.approx([half / 2 for half in wanted])
    # a map that is zero everywhere has no shares, and is left out
    assert mass_areas(np.concatenate([values, 0 * values]), np.concatenate([truth, truth])) == pytest.approx(wanted)


def test_mass_areas_depend_on_values_not_only_on_order(truth: np.ndarray) -> None:
    values = truth + np.random.default_rng(0).random(truth.shape)
    before, after = mass_areas(values, truth), mass_areas(values**6, truth)
    assert localise(values, truth).auprc == pytest.approx(localise(values**6, truth).auprc)
    assert after[0] - before[0] > 0.1
