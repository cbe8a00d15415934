"""Maps without a network."""

import numpy as np
import pytest
from scipy.stats import f_oneway, ttest_ind

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import NAIVE, class_difference, naive_maps


def test_the_class_difference_is_students_t_squared() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 4, 3)), np.arange(30) % 2
    np.testing.assert_allclose(class_difference(X, y), ttest_ind(X[y == 0], X[y == 1]).statistic ** 2)
    three = np.arange(30) % 3
    wanted = f_oneway(*(X[three == k] for k in range(3))).statistic
    np.testing.assert_allclose(class_difference(X, three), wanted)


def test_cells_without_spread() -> None:
    X, y = np.zeros((6, 2, 2)), np.arange(6) % 2
    X[:, 0, 0] = y  # tells the classes apart perfectly
    X[:, 1, 1] = [1, 2, 3, 4, 5, 7]
    found = class_difference(X, y)
    assert np.isfinite(found).all()
    assert found[0, 1] == 0
    assert found[0, 0] == found.max() > 1e30


def test_what_each_map_is() -> None:
    rng = np.random.default_rng(1)
    X, truth = rng.standard_normal((3, 5, 4)), rng.random((3, 5, 4)) > 0.5
    train = rng.standard_normal((8, 5, 4)), np.arange(8) % 2
    maps = naive_maps(X, truth, train, seed=2)
    assert list(maps) == list(NAIVE)
    np.testing.assert_array_equal(maps["size of the input"], np.abs(X))
    np.testing.assert_array_equal(maps["oracle"], truth)
    np.testing.assert_array_equal(maps["class difference"][2], class_difference(*train))
    assert (maps["all ones"] == 1).all()
    assert all(one.shape == X.shape for one in maps.values())
    again = naive_maps(X, truth, train, seed=2)["random map"]
    np.testing.assert_array_equal(maps["random map"], again)
    assert (naive_maps(X, truth, train, seed=3)["random map"] != again).any()
    assert again.std() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("y", [[0, 0, 0], [0, 1, 2], []])
def test_no_difference_without_two_classes_and_a_spread_within_them(y: list[int]) -> None:
    with pytest.raises(InputError, match=f"{len(y)} samples of {len(set(y))} classes came"):
        class_difference(np.random.default_rng(0).random((len(y), 2, 2)), y)


def test_one_label_per_sample() -> None:
    with pytest.raises(InputError, match="needs one label per sample"):
        class_difference(np.ones((3, 2, 2)), [0, 1])
