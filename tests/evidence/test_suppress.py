"""Suppressors against signal, by hand and on the set of suppressors."""

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import class_difference, suppression
from fmri_saliency.simulation import make, suppressor_cells


def test_by_hand() -> None:
    signal = np.zeros((2, 2, 3), dtype=bool)
    signal[:, 0, 0] = True
    other = np.zeros_like(signal)
    other[:, 0, 1] = True
    values = np.zeros(signal.shape)
    values[0, 0] = [4.0, -1.0, 0.0]
    values[1, 0] = [-2.0, 2.0, 0.0]
    found = suppression(values, signal, other)
    assert found.ratio == 0.5  # (1 + 2) / (4 + 2)
    assert found.density == pytest.approx(1 / 6)
    # sample 0: the signal is first; sample 1: it shares the first place, 4.5 of 5 others are behind
    assert found.auroc == pytest.approx((1 + 0.9) / 2)
    assert np.isnan(suppression(0 * values, signal, other).ratio)


def test_one_message_for_what_cannot_be_compared() -> None:
    signal = np.zeros((1, 2, 2), dtype=bool)
    signal[0, 0, 0] = True
    for wrong in (np.zeros((1, 2, 2), dtype=bool), signal, np.ones((1, 2, 3), dtype=bool)):
        with pytest.raises(InputError, match="Suppressor cells must be given"):
            suppression(np.ones((1, 2, 2)), signal, wrong)


def test_where_suppressors_lie_and_what_they_do() -> None:
    X, y, truth = make("suppressors", 400, 0, n_times=6, n_regions=10, effect=1.0)
    cells = suppressor_cells(truth)
    np.testing.assert_array_equal(np.flatnonzero(cells[0].any(axis=0)), [4, 5, 6, 7])
    np.testing.assert_array_equal(cells.any(axis=2), truth.any(axis=2))
    alone = class_difference(X, y)
    assert alone[cells[0]].mean() < 3 < 20 < alone[truth[0]].mean()  # by themselves they say nothing of the class
    weighed = np.linalg.lstsq(X.reshape(len(X), -1), 2.0 * y - 1, rcond=None)[0].reshape(X.shape[1:])
    assert np.abs(weighed)[cells[0]].mean() > 3 * np.abs(weighed)[~(cells[0] | truth[0])].mean()  # and yet are weighed
