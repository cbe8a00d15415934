"""Networks that cannot know the answer: correlations against scipy, the band by hand, the cascade layer by layer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from fmri_saliency.decoding import Architecture, TaskDecoder, Training
from fmri_saliency.errors import InputError
from fmri_saliency.evidence import compare_maps, profile_band, renew_from_output, time_profile


@pytest.fixture(scope="module")
def maps() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((3, 6, 5)) for _ in range(3)]


def test_rank_correlations_are_scipys(maps: list[np.ndarray]) -> None:
    one, other, x = maps
    found = compare_maps(one, other, x)
    pairs = [(a.ravel(), b.ravel()) for a, b in zip(one, other, strict=True)]
    assert found.signed == pytest.approx(np.mean([spearmanr(*pair).statistic for pair in pairs]))
    assert found.absolute == pytest.approx(np.mean([spearmanr(np.abs(a), np.abs(b)).statistic for a, b in pairs]))
    share = [np.abs(m).sum(axis=2) / np.abs(m).sum(axis=(1, 2))[:, None] for m in (one, other)]
    assert found.profile == pytest.approx(np.corrcoef(share[0].mean(axis=0), share[1].mean(axis=0))[0, 1])


def test_the_partial_correlation_is_that_of_residuals(maps: list[np.ndarray]) -> None:
    one, other, x = (values[:1] for values in maps)
    z = np.column_stack([np.ones(30), rankdata(np.abs(x))])
    rest = [r - z @ np.linalg.lstsq(z, r, rcond=None)[0] for r in (rankdata(np.abs(one)), rankdata(np.abs(other)))]
    assert compare_maps(one, other, x).given_input == pytest.approx(np.corrcoef(*rest)[0, 1])


def test_what_is_alike_and_what_is_not(maps: list[np.ndarray]) -> None:
    one, _, x = maps
    same = compare_maps(one, 3 * one, x)
    assert (same.signed, same.absolute, same.given_input, same.profile) == pytest.approx((1, 1, 1, 1))
    assert same.profile_share == pytest.approx(1)
    faint = np.repeat(0.9 + 0.1 * 6 * time_profile(one), 5).reshape(1, 6, 5)  # a tenth of the profile on an even map
    half = compare_maps(one, np.repeat(faint, 3, axis=0), x)
    assert (half.profile, half.profile_share) == pytest.approx((1, 0.1))
    turned = compare_maps(one, -one, x)
    assert (turned.signed, turned.absolute) == pytest.approx((-1, 1))
    # both maps are the input times something: alike by that alone
    rng = np.random.default_rng(1)
    weights = [1 + 0.2 * rng.standard_normal(x.shape) for _ in range(2)]
    alone = compare_maps(x * weights[0], x * weights[1], x)
    assert alone.absolute > 0.9
    assert abs(alone.given_input) < 0.3
    assert np.isnan(compare_maps(one, np.ones_like(one), x).signed)
    with pytest.raises(InputError, match="must have one shape"):
        compare_maps(one, one[:2], x)
    with pytest.raises(InputError, match="none of them 0"):
        compare_maps(one[:0], one[:0], x[:0])
    with pytest.raises(InputError, match="not all finite"):
        compare_maps(one, np.where(np.arange(5) == 2, np.nan, one), x)


def test_time_profiles() -> None:
    values = np.zeros((3, 4, 2))
    values[0, 1], values[1, 3] = [-1, 1], [0, 5]  # the third map is zero and left out
    np.testing.assert_allclose(time_profile(values), [0, 0.5, 0, 0.5])
    assert np.isnan(time_profile(0 * values)).all()
    values[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not all finite"):
        time_profile(values)
    with pytest.raises(InputError, match=r"\(4, 2\) came\."):
        time_profile(np.zeros((4, 2)))


def test_the_band_by_hand() -> None:
    trained, others = np.array([1.0, 0.0]), [np.array([0.0, 1.0])] * 3
    found = profile_band(trained, others)
    # the mean of all four is 1/4, 3/4: the trained one is 3/2 away from it, the others 1/2
    assert found.p == 1 / 4
    assert found.outside == 1.0
    np.testing.assert_array_equal(found.mean, [0, 1])
    assert profile_band(others[0], [trained, *others[:2]]).p == 1.0
    assert profile_band(others[0], others).outside == 0.0
    with pytest.raises(InputError, match="at least two of new weights"):
        profile_band(trained, others[:1])
    with pytest.raises(InputError, match="of one length"):
        profile_band(trained, [*others, np.zeros(3)])


@given(st.integers(0, 10_000))
def test_a_network_that_learnt_nothing_leaves_the_band_rarely(seed: int) -> None:
    draws = np.random.default_rng([seed, 1]).dirichlet(np.ones(8), size=10)
    every = [profile_band(draws[k], [one for j, one in enumerate(draws) if j != k]).p for k in range(10)]
    # exactly one of exchangeable profiles is the farthest
    assert sorted(every) == pytest.approx(np.arange(1, 11) / 10)


def test_layers_are_renewed_from_the_output_on() -> None:
    X = np.random.default_rng(0).standard_normal((12, 5, 3)).astype(np.float32)
    sizes = Architecture(hidden_size=4, hops=2, attention_size=3)
    decoder = TaskDecoder("input-cell-lstm", sizes, Training(max_epochs=1)).fit(X, np.arange(12) % 2)
    before = {name: value.clone() for name, value in decoder.module_.state_dict().items()}
    fresh = decoder.untrained(5).module_.state_dict()
    steps = renew_from_output(decoder, 5)
    assert [name.split(".")[-1] for name, _ in steps] == ["linear", "recurrence", "second", "first"]
    done: list[str] = []
    for layer, one in steps:
        done.append(layer)
        for name, value in one.module_.state_dict().items():
            wanted = fresh if name.rpartition(".")[0] in done else before
            assert torch.equal(value, wanted[name]), (layer, name)
        assert not one.module_.training
    assert all(torch.equal(value, before[name]) for name, value in decoder.module_.state_dict().items())
