"""The gate: Wilson's interval against scipy's, and who passes."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fmri_saliency.errors import InputError
from fmri_saliency.evidence import gate, passes


@pytest.mark.parametrize(("right", "n"), [(95, 100), (270, 300), (3, 20)])
def test_the_interval_is_wilsons(right: int, n: int) -> None:
    found = gate(np.arange(n) < right, "net", 0.5)
    wanted = binomtest(right, n).proportion_ci(method="wilson")
    assert found.value == right / n
    assert found.interval == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_samples_that_fail_together_widen_it() -> None:
    correct = np.repeat(np.arange(25) < 23, 4)
    alone, together = gate(correct, "net", 0.5), gate(correct, "net", 0.5, groups=np.repeat(np.arange(25), 4))
    wanted = binomtest(23, 25).proportion_ci(method="wilson")
    assert together.interval[0] < alone.interval[0]
    assert together.interval[0] == pytest.approx(wanted.low, abs=0.02)  # four alike count about as one
    assert "100 held-out samples of 25 subjects" in together.on


def test_who_passes_and_what_is_said() -> None:
    good = gate(np.arange(100) < 90, "net", 0.5)
    assert passes(good)
    assert good.verdict == "may be judged"
    low = gate(np.arange(100) < 89, "net", 0.5)
    assert not passes(low)
    assert passes(low, 0.89)
    assert low.verdict == "not judged: the accuracy of 0.89 is below 0.90"
    few = gate([True, True, True], "net", 0.5)  # all right, and yet it may be luck
    assert few.value == 1.0
    assert few.interval[0] < 0.5
    assert not passes(few)
    assert few.verdict == "not judged: the accuracy of 1.00 cannot be told from chance (0.50)"


def test_no_sample_is_an_error() -> None:
    with pytest.raises(InputError, match="one answer per held-out sample"):
        gate([], "net", 0.5)


def test_groups_of_another_length_are_an_error() -> None:
    with pytest.raises(InputError, match=r"one group per held-out sample, \(3,\); groups of shape \(2,\) came"):
        gate([True, True, False], "net", 0.5, groups=[1, 2])
