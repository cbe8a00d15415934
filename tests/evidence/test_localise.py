"""Maps of single samples against their truth: by hand, at the extremes, and the paper's scores as published."""

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import localise, paper_scores
from fmri_saliency.simulation import make


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    planted = np.zeros((3, 20, 10), dtype=bool)
    planted[0, 5:10, :4] = planted[1, 8:14, 3:8] = planted[2, :4, 5:] = True
    return planted


def test_perfect_reversed_constant_and_random_maps(truth: np.ndarray) -> None:
    perfect = localise(1.0 * truth, truth)
    assert (perfect.auroc, perfect.auprc, perfect.time_auroc, perfect.region_auroc) == (1, 1, 1, 1)
    assert (perfect.first_excess, perfect.last_excess) == (0, 0)
    assert localise(1.0 - truth, truth).auroc == 0.0
    flat = localise(np.ones(truth.shape), truth)
    assert (flat.auroc, flat.auprc) == (0.5, pytest.approx(flat.density))
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
    assert found.first_excess == pytest.approx(0.7 - 1.0)
    assert found.last_excess == pytest.approx(0.3)


def test_signs_count_for_contributions_only(truth: np.ndarray) -> None:
    assert localise(-1.0 * truth, truth).auroc == 1.0
    assert localise(-1.0 * truth, truth, signed=True).auroc == 0.0


def test_moments_that_are_all_true_have_no_ranking() -> None:
    truth = np.zeros((2, 5, 4), dtype=bool)
    truth[:, :, 0] = True
    found = localise(1.0 * truth, truth)
    assert np.isnan(found.time_auroc)
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
