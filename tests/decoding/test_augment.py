"""Ways of training: what they do to a batch, and that the network still learns."""

import numpy as np
import pytest
import torch
from making import make_samples

from fmri_saliency.decoding import Architecture, TaskDecoder, Training
from fmri_saliency.decoding.augment import ExplainableNet, replace_blocks
from fmri_saliency.decoding.settings import WAYS
from fmri_saliency.models import make_network


@pytest.mark.parametrize(("share", "block"), [(0.5, 4), (0.2, 1), (0.8, 30)])
def test_blocks_come_from_other_samples_at_the_same_place(share: float, block: int) -> None:
    torch.manual_seed(0)
    x = torch.arange(6 * 20 * 40, dtype=torch.float32).reshape(6, 20, 40)
    found = replace_blocks(x, share, block)
    other = (found != x).float().mean().item()
    assert other == pytest.approx(share * 5 / 6, abs=0.08)  # one of six donors is the sample itself
    source = (found - found % 800) / 800  # which sample a value came from
    assert torch.equal(found % 800, x[0].expand(6, -1, -1) % 800)  # never moved in time or region
    for k in range(6):
        assert len(source[k].unique()) == 6
        steps = source[k][1:] != source[k][:-1]
        assert steps.any(dim=1).sum() <= -(-20 // block)  # only at the edges of blocks, which all regions share


def test_the_same_way_gives_the_same_network_for_the_same_seed() -> None:
    samples = make_samples(6)
    answers = {}
    for way in WAYS:
        training = Training(max_epochs=3, way=way)
        both = [TaskDecoder("gru", Architecture(hidden_size=4), training).fit(samples.X, samples.y) for _ in range(2)]
        first, second = (one.predict_proba(samples.X) for one in both)
        np.testing.assert_array_equal(first, second)
        answers[way] = first
    assert not np.array_equal(answers["plain"], answers["replacement"])
    assert not np.array_equal(answers["plain"], answers["saliency-guided"])


@pytest.mark.parametrize("way", WAYS)
def test_it_learns_in_every_way(way: str) -> None:
    samples = make_samples(12, effect=3.0)
    training = Training(max_epochs=40, learning_rate=0.02, way=way)
    model = TaskDecoder("input-cell-lstm", Architecture(hidden_size=8, dropout=0.1), training)
    held_out = np.isin(samples.groups, ["sub-00", "sub-01", "sub-02"])
    model.fit(samples.X[~held_out], samples.y[~held_out], samples.groups[~held_out])
    assert model.score(samples.X[held_out], samples.y[held_out]) >= 0.8


def test_guided_training_replaces_the_cells_with_the_smallest_gradient() -> None:
    torch.manual_seed(0)
    module = make_network("logistic-regression", 3, 2, n_times=4)
    net = ExplainableNet(module, way="saliency-guided", share=0.25).initialize()
    with torch.no_grad():
        module.linear.weight.copy_(torch.stack([torch.arange(12.0), -torch.arange(12.0)]))
    x, y = torch.randn(5, 4, 3), torch.tensor([0, 1, 0, 1, 0])
    masked = net._mask_least(x, y)
    changed = (masked != x).flatten(1)
    assert changed[:, :3].all()  # the three smallest of twelve weights
    assert not changed[:, 3:].any()
    assert (masked.amin(dim=(1, 2)) >= x.amin(dim=(1, 2))).all()
    assert (masked.amax(dim=(1, 2)) <= x.amax(dim=(1, 2))).all()
    assert module.linear.weight.grad is None


def test_cells_of_like_gradient_change_no_other_cells_noise() -> None:
    """Which of two like gradients is smaller is up to rounding; the cells between them keep their noise."""
    x, y, masked = torch.randn(2, 4, 3), torch.tensor([0, 1]), []
    for first, last in ((1.0, 1.0 + 1e-7), (1.0 + 1e-7, 1.0)):
        module = make_network("logistic-regression", 3, 2, n_times=4)
        net = ExplainableNet(module, way="saliency-guided", share=0.5).initialize()
        weight = torch.full((12,), 9.0)
        weight[[0, 5, 7, 3, 8, 11]] = torch.tensor([first, last, 0.5, 0.6, 0.7, 2.0])
        with torch.no_grad():
            module.linear.weight.copy_(torch.stack([weight, -weight]))
        torch.manual_seed(3)
        masked.append(net._mask_least(x, y))
    assert torch.equal(*masked)
    assert (masked[0] != x).flatten(1).sum(dim=1).tolist() == [6, 6]


def test_of_equal_gradients_the_first_cells_are_replaced() -> None:
    module = make_network("logistic-regression", 3, 2, n_times=40)
    net = ExplainableNet(module, way="saliency-guided", share=0.25).initialize()
    with torch.no_grad():
        module.linear.weight.fill_(1.0)
    x = torch.randn(3, 40, 3)
    changed = (net._mask_least(x, torch.tensor([0, 1, 0])) != x).flatten(1)
    assert changed[:, :30].all()
    assert not changed[:, 30:].any()
