"""Removing and inserting: by hand on linear answers, and against captum's ablation."""

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation

from fmri_saliency.attribution.removal import window_groups
from fmri_saliency.errors import InputError
from fmri_saliency.evidence import faithfulness, infidelity
from fmri_saliency.evidence.faithful import (
    answer_curve,
    curve_area,
    draw_patches,
    rank_blocks,
    replacement_path,
    total_change,
)
from fmri_saliency.models import make_network

WEIGHTS = np.array([[4.0, 0.0], [2.0, -1.0]])  # two steps, two regions


def predict(X: np.ndarray) -> np.ndarray:
    """Return 0.5 plus a tenth of the weighted sum, and the rest."""
    first = 0.5 + 0.1 * (X * WEIGHTS).sum(axis=(1, 2))
    return np.stack([first, 1 - first], axis=1)


def test_ranks_of_blocks_by_hand() -> None:
    values = np.array([[[5.0, 5.0], [6.0, -9.0], [8.0, 0.0]]])
    ranks = rank_blocks(values, 2, np.random.default_rng(0))
    # means of region 0: 5.5, 8 (the last block is one step, so that its sum is smaller); of region 1: -2, 0
    np.testing.assert_array_equal(ranks, [[[1, 3], [0, 2]]])
    ties = np.stack([rank_blocks(np.zeros((1, 4, 5)), 1, np.random.default_rng(k))[0] for k in range(40)])
    assert sorted(ties[0].ravel()) == list(range(20))
    assert ties.mean(axis=0).std() < 2  # no cell is always first


def test_a_path_by_hand() -> None:
    X, donors = np.ones((1, 2, 2)), np.zeros((3, 2, 2))
    ranks = rank_blocks(WEIGHTS[None], 1, np.random.default_rng(0))
    np.testing.assert_array_equal(ranks, [[[0, 2], [1, 3]]])
    path = replacement_path(predict, X, ranks, donors, (0.25, 0.5, 1.0), 1)
    np.testing.assert_allclose(path[:, 0, 0], [1.0, 0.6, 0.4, 0.5])
    np.testing.assert_allclose(answer_curve(path, np.array([1])), [0.0, 0.4, 0.6, 0.5])
    inserted = replacement_path(predict, X, ranks, donors, (0.25, 0.5, 1.0), 1, insert=True)
    np.testing.assert_allclose(inserted[:, 0, 0], [0.5, 0.9, 1.1, 1.0])
    # both classes change by as much: 2 x (0.4 + 0.2 + 0.1)
    assert total_change(path) == pytest.approx(1.4)
    # mean height of 1, 0.6, 0.4, 0.5 at 0, 0.25, 0.5, 1: (0.2 + 0.125 + 0.225) / 1
    assert curve_area(path[:, 0, 0], [0, 0.25, 0.5, 1.0]) == pytest.approx(0.55)


def test_blocks_come_from_other_samples_and_stay_along_the_path() -> None:
    rng = np.random.default_rng(0)
    X, donors = np.full((2, 6, 3), -1.0), np.arange(5.0)[:, None, None] + np.zeros((5, 6, 3))
    seen: list[np.ndarray] = []

    def look(samples: np.ndarray) -> np.ndarray:
        seen.append(samples)
        return np.ones((len(samples), 2))

    ranks = rank_blocks(rng.standard_normal(X.shape), 3, rng)
    replacement_path(look, X, ranks, donors, (0.5, 1.0), 3, seed=1)
    none, some, every = seen
    assert (none == -1).all()
    assert (every >= 0).all()
    assert ((some == -1) | (some == every)).all()  # the same donors, replaced earlier or later
    assert [(one != -1).mean() for one in some] == [0.5, 0.5]
    for block in (slice(0, 3), slice(3, 6)):
        assert (np.ptp(every[:, block], axis=1) == 0).all()  # one donor for a block ...
    assert len(np.unique(every)) > 2  # ... and others for others
    with pytest.raises(InputError, match="Ranks must be those of the samples' blocks"):
        replacement_path(look, X, ranks, donors, (0.3,), 2)


def test_the_first_step_is_captums_ablation() -> None:
    torch.manual_seed(0)
    net = make_network("lstm", 4, 2, hidden_size=5, dropout=0.0).eval()
    x, donor = torch.randn(3, 6, 4), torch.randn(1, 6, 4)
    groups, _ = window_groups(6, 4, 3)
    with torch.no_grad():
        wanted = FeatureAblation(net).attribute(x, donor.expand_as(x), target=0, feature_mask=groups)[:, ::3].numpy()

    def logits(X: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(X)).numpy()

    for place in np.ndindex(2, 4):
        chosen = np.zeros((3, 2, 4))
        chosen[(slice(None), *place)] = 1.0
        ranks = rank_blocks(np.repeat(chosen, 3, axis=1), 3, np.random.default_rng(0))
        path = replacement_path(logits, x.numpy(), ranks, donor.numpy(), (1 / 8,), 3)
        np.testing.assert_allclose(path[0, :, 0] - path[1, :, 0], wanted[(slice(None), *place)], atol=1e-6)


def test_the_right_map_is_faithful_and_the_wrong_one_is_not() -> None:
    rng = np.random.default_rng(0)
    weights = np.zeros((10, 6))
    weights[2:5, :2] = 1.0

    def sigmoid(X: np.ndarray) -> np.ndarray:
        first = 1 / (1 + np.exp(-(X * weights).sum(axis=(1, 2))))
        return np.stack([first, 1 - first], axis=1)

    X, donors = rng.standard_normal((20, 10, 6)), rng.standard_normal((50, 10, 6))
    settings = {"shares": (0.1, 0.2, 0.5), "window": 1}
    right = faithfulness(sigmoid, X, X * weights, donors, **settings)
    assert right.removal_gain["absolute"] > 2 * right.removal_spread > 0
    assert right.insertion_gain["absolute"] > 2 * right.insertion_spread > 0
    assert right.cpd > right.cpd_random > right.cpp
    assert right.removal["absolute"][0] == right.removal["random"][0] > 0.5
    wrong = faithfulness(sigmoid, X, 1.0 - weights + 0 * X, donors, **settings)
    assert wrong.removal_gain["absolute"] < 0 > wrong.insertion_gain["absolute"]
    assert wrong.cpd < wrong.cpd_random
    assert set(wrong.removal) == {"absolute", "random"}  # without negative values both rankings are one
    assert set(right.removal) == {"absolute", "signed", "random"}
    with pytest.raises(InputError, match="the samples' shape"):
        faithfulness(sigmoid, X, weights, donors, **settings)


def linear(X: np.ndarray) -> np.ndarray:
    """Answer with the weighted sum, its opposite, and always the same."""
    answer = (X * WEIGHTS).sum(axis=(1, 2))
    return np.stack([answer, -answer, 0 * answer + 1], axis=1)


def test_patches_are_some_regions_over_a_window_from_one_donor() -> None:
    X, donors = np.full((3000, 4, 5), -1.0), np.arange(6.0)[:, None, None] + np.zeros((6, 4, 5))
    patches, replaced = draw_patches(X, donors, np.random.default_rng(0))
    np.testing.assert_array_equal(replaced != -1, patches)
    steps, regions = patches.any(axis=2), patches.any(axis=1)
    np.testing.assert_array_equal(patches, steps[:, :, None] & regions[:, None])
    assert (np.abs(np.diff(steps, axis=1, prepend=False, append=False)).sum(axis=1) <= 2).all()  # one window
    values = np.where(patches, replaced, np.nan)[patches.any(axis=(1, 2))].reshape(-1, 20)
    assert (np.nanmax(values, axis=1) == np.nanmin(values, axis=1)).all()  # of one donor each
    assert set(np.nanmax(values, axis=1)) == {0, 1, 2, 3, 4, 5}
    # all numbers of regions are as likely, and late steps as early ones
    found = np.bincount(regions[steps.any(axis=1)].sum(axis=1), minlength=6) / steps.any(axis=1).sum()
    np.testing.assert_allclose(found[1:], 1 / 5, atol=0.03)
    assert steps[:, 0].mean() == pytest.approx(steps[:, 3].mean(), abs=0.04)


def test_slopes_and_contributions_of_a_linear_answer_foretell_everything() -> None:
    rng = np.random.default_rng(0)
    X, donors, first = rng.standard_normal((4, 2, 2)), rng.standard_normal((9, 2, 2)), np.zeros(4, dtype=int)
    slopes = np.tile(WEIGHTS, (4, 1, 1))
    assert infidelity(linear, X, slopes, first, donors, slopes=True)[0] == pytest.approx(0, abs=1e-12)
    nothing = np.zeros((1, 2, 2))  # what is replaced is gone: a contribution each
    own, shuffled = infidelity(linear, X, 0.1 * slopes * X, first, nothing)
    assert own == pytest.approx(0, abs=1e-12)
    assert (shuffled >= 0).all()
    assert shuffled.mean() > 0.2
    # the second answer is the first one's opposite
    assert infidelity(linear, X, slopes, first + 1, donors, slopes=True)[0].tolist() == [1] * 4
    assert infidelity(linear, X, -slopes, first + 1, donors, slopes=True)[0] == pytest.approx(0, abs=1e-12)
    assert infidelity(linear, X, 0 * slopes, first, donors)[0].tolist() == [1] * 4
    assert np.isnan(infidelity(linear, X, slopes, first + 2, donors)).all()  # nothing ever happens


def test_infidelity_by_hand() -> None:
    """Of two regions a map finds both alike, and the answer loses 2 with the first and nothing with the second."""
    X, donors = np.ones((1, 1, 2)), np.zeros((1, 1, 2))

    def answer(samples: np.ndarray) -> np.ndarray:
        return 2 * samples[:, 0, :1]

    found, _ = infidelity(answer, X, np.ones(X.shape), [0], donors, draws=6000)
    # neither, one, the other and both regions: of shares drawn evenly 1/3, 1/6, 1/6, 1/3; nothing without a step
    both, size, change = 1 * 2 / 6 + 2 * 2 / 3, 1 / 6 + 1 / 6 + 4 / 3, 4 / 6 + 4 / 3
    assert found[0] == pytest.approx(1 - both**2 / (size * change), abs=0.01)
    assert infidelity(answer, X, np.array([[[5.0, 0.0]]]), [0], donors)[0] == pytest.approx(0, abs=1e-12)


def test_an_even_map_foretells_less_than_the_truth() -> None:
    rng = np.random.default_rng(0)
    X, donors, truth = rng.standard_normal((6, 12, 10)) + 3, rng.standard_normal((20, 12, 10)), np.zeros((6, 12, 10))
    truth[:, 2:5, :3] = 1.0

    def answer(samples: np.ndarray) -> np.ndarray:
        return np.tanh(0.05 * (samples * truth[: len(samples)]).sum(axis=(1, 2)))[:, None]

    targets = np.zeros(6, dtype=int)
    own, shuffled = infidelity(answer, X, truth, targets, donors)
    assert (own < 0.5 * shuffled).all()
    assert own.mean() < 0.5 * infidelity(answer, X, np.ones(X.shape), targets, donors)[0].mean()


def test_curves_follow_the_answer_that_was_explained() -> None:
    X, donors = np.ones((2, 2, 2)), np.zeros((1, 2, 2))
    settings = {"values": np.tile(WEIGHTS, (2, 1, 1)), "donors": donors, "shares": (0.25, 0.5), "window": 1}
    first = faithfulness(predict, X, **settings)
    np.testing.assert_allclose(first.removal["signed"], [1.0, 0.6, 0.4])
    given = faithfulness(predict, X, **settings, targets=[0, 1])
    np.testing.assert_allclose(given.removal["signed"], [0.5, 0.5, 0.5])  # one rises as the other falls
    for wrong in ([0], [0.0, 1.0]):
        with pytest.raises(InputError, match="which answer is explained"):
            faithfulness(predict, X, **settings, targets=wrong)
        with pytest.raises(InputError, match="which answer is explained"):
            infidelity(predict, X, settings["values"], wrong, donors)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_random": 0}, "n_random must be at least 1; 0 came"),
        ({"draws": 0}, "draws must be at least 1; 0 came"),
        ({"window": 0}, "window must be at least 1; 0 came"),
        ({"shares": ()}, "Shares must be above 0 and below 1"),
        ({"shares": (0.5, 0.1)}, r"each larger than the one before; \[0.5, 0.1\] came"),
        ({"shares": (0.5, 0.5)}, "each larger than the one before"),
        ({"shares": (0.0, 0.5)}, "Shares must be above 0 and below 1"),
        ({"shares": (0.5, 1.5)}, "Shares must be above 0 and below 1"),
        ({"shares": (float("nan"),)}, "Shares must be above 0 and below 1"),
        ({"values": np.full((3, 2, 2), np.nan)}, "Maps must be finite"),
        ({"X": np.zeros((0, 2, 2)), "values": np.zeros((0, 2, 2))}, r"none of them 0; \(0, 2, 2\) came"),
        ({"donors": np.zeros((0, 2, 2))}, "At least one donor"),
        ({"donors": np.zeros((4, 2, 3))}, r"shape \(2, 2\) is needed; \(4, 2, 3\) came"),
    ],
)
def test_one_message_for_each_mistake(change: dict[str, object], words: str) -> None:
    good = {"X": np.ones((3, 2, 2)), "values": np.ones((3, 2, 2)), "donors": np.zeros((4, 2, 2)), "shares": (0.5,),
            "window": 1}  # fmt: skip
    faithfulness(predict, **good)
    with pytest.raises(InputError, match=words):
        faithfulness(predict, **{**good, **change})


def test_a_path_without_donors_is_one_message() -> None:
    X = np.ones((1, 2, 2))
    with pytest.raises(InputError, match="donors samples of their shape"):
        replacement_path(predict, X, rank_blocks(X, 1, np.random.default_rng(0)), np.zeros((0, 2, 2)), (0.5,), 1)
