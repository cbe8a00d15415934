"""Local patterns: by hand, by numpy's covariance, and where the plain pattern is wrong."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmri_saliency.attribution import attribute
from fmri_saliency.attribution.patterns import local_patterns


def cancel(x: Tensor) -> Tensor:
    """Answer with region 0, freed of what it shares with region 1."""
    score = x[:, 0, 0] - x[:, 0, 1]
    return torch.stack([score, -score], dim=1)


@pytest.mark.parametrize("place", [0.0, 1.0, -3.0, 40.0])
def test_a_suppressor_has_no_pattern_wherever_the_sample_lies(place: float) -> None:
    """Region 0 holds signal and distractor, region 1 the distractor; all four pairs of values are there once."""
    references = torch.tensor([[[s + d, d]] for s, d in product((-1.0, 1.0), (-1.0, 1.0))])
    x = torch.tensor([[[place, 0.5 * place]]])
    found = attribute(cancel, x, torch.tensor([0]), "pattern-local", references=references)[0, 0]
    # the score is twice the signal: a step of 1 in the score is half a step of the signal in region 0
    assert found.tolist() == pytest.approx([0.5, 0.0], abs=1e-6)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 30))
def test_it_is_numpys_weighted_covariance(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    w, x, references = rng.standard_normal((2, 3, 2)), rng.standard_normal((2, 3, 2)), rng.standard_normal((n, 3, 2))
    found = local_patterns(*(torch.from_numpy(part) for part in (w, x, references)))
    flat = references.reshape(n, 6)
    for k in range(2):
        weights = w[k].ravel()
        answers = flat @ weights
        low, high = answers.mean() - 2 * answers.std(), answers.mean() + 2 * answers.std()
        close = np.exp(-((answers - np.clip(x[k].ravel() @ weights, low, high)) ** 2) / (2 * answers.var()))
        matrix = np.cov(flat.T, aweights=close, ddof=0)
        wanted = matrix @ weights / (weights @ matrix @ weights)
        np.testing.assert_allclose(found[k].numpy().ravel(), wanted, rtol=1e-6, atol=1e-9)
        assert float((found[k].numpy() * w[k]).sum()) == pytest.approx(1.0)  # a step of the answer is a step of 1


def test_it_follows_the_sample_where_the_plain_pattern_cannot() -> None:
    """Region 1 matters when region 0 is up, region 2 when it is down: one sample's pattern has one of them."""
    torch.manual_seed(0)
    references = torch.randn(2000, 1, 3)
    references[:, :, 0] = references[:, :, 0].sign()

    def switch(x: Tensor) -> Tensor:
        up, down = torch.sigmoid(20 * x[:, 0, 0]), torch.sigmoid(-20 * x[:, 0, 0])
        score = up * x[:, 0, 1] + down * x[:, 0, 2]
        return torch.stack([score, torch.zeros_like(score)], dim=1)

    x = torch.tensor([[[1.0, 1.0, 1.0]], [[-1.0, 1.0, 1.0]]])
    found = attribute(switch, x, torch.tensor([0, 0]), "pattern-local", references=references, n_samples=64)[:, 0]
    assert found[0, 1] > 2 * found[0, 2].abs()
    assert found[1, 2] > 2 * found[1, 1].abs()
    plain = attribute(switch, x, torch.tensor([0, 0]), "pattern", references=references)[:, 0]
    assert torch.equal(plain[0], plain[1])


def test_the_weights_are_of_the_way_and_not_of_the_saturated_end() -> None:
    torch.manual_seed(0)
    references = torch.randn(5000, 1, 2)

    def saturated(x: Tensor) -> Tensor:
        score = (5 * x[:, 0, 0]).tanh() + 0.01 * x[:, 0, 1]
        return torch.stack([score, torch.zeros_like(score)], dim=1)

    x = torch.tensor([[[3.0, 3.0]]])
    slope = attribute(saturated, x, torch.tensor([0]), "gradient")[0, 0]
    assert slope[0] < 1e-6 < slope[1]
    found = attribute(saturated, x, torch.tensor([0]), "pattern-local", references=references, n_samples=200)[0, 0]
    assert found[0] > 10 * found[1].abs()
