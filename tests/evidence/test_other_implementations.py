"""Our figures beside those of other implementations, on random and on hand-made maps.

scikit-learn, scipy and captum are always there. time_interpret (`tint`) comes with the test extra. Quantus is left out
of it, as it brings OpenCV, 190 MB that need a display's libraries: `pip install quantus` into the tests' environment
runs its tests, too.
"""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import braycurtis, cityblock, euclidean
from scipy.stats import linregress, mannwhitneyu
from sklearn.metrics import auc, jaccard_score, precision_score, recall_score
from torch import Tensor, nn

from fmri_saliency.decoding import Architecture, TaskDecoder, Training
from fmri_saliency.evidence import (
    compare_maps,
    edge_shares,
    faithfulness,
    infidelity,
    localise,
    mass_areas,
    on_task_share,
    paper_scores,
    renew_from_output,
    suppression,
    time_profile,
    top_cells,
)
from fmri_saliency.evidence.faithful import curve_area, draw_patches, total_change
from fmri_saliency.records import Saliency

SHAPE = (5, 12, 6)


@pytest.fixture(scope="module")
def quantus() -> ModuleType:
    return pytest.importorskip("quantus", reason="Quantus is not installed: pip install quantus", exc_type=ImportError)


@pytest.fixture(scope="module")
def tint() -> ModuleType:
    reason = "time_interpret is not installed: pip install time_interpret"
    pytest.importorskip("tint.metrics.white_box", reason=reason, exc_type=ImportError)
    return pytest.importorskip("tint.metrics", reason=reason, exc_type=ImportError)


def draw(seed: int, shape: tuple[int, ...] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Return signed maps of few distinct values, so that there are ties, and a truth of some of the cells."""
    rng = np.random.default_rng(seed)
    return np.round(2 * rng.standard_normal(shape)) + 0.0, rng.random(shape) < 0.3


maps_and_truth = st.integers(0, 10_000).map(draw)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """Answer from all cells, not linearly."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(SHAPE[1] * SHAPE[2], 8), nn.Tanh(), nn.Linear(8, 3)).double().eval()


def logits_of(net: nn.Module) -> Any:
    def answer(X: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(X)).numpy()

    return answer


def probabilities_of(net: nn.Module) -> Any:
    return logits_of(nn.Sequential(net, nn.Softmax(dim=1)))


# --- where the planted cells are -------------------------------------------------------------------------------------


@given(maps_and_truth, st.booleans())
def test_auroc_is_the_chance_that_a_true_cell_is_above_another(
    drawn: tuple[np.ndarray, np.ndarray], signed: bool
) -> None:
    values, truth = drawn
    rank = values if signed else np.abs(values)
    each = [mannwhitneyu(r[t], r[~t]).statistic / (t.sum() * (~t).sum()) for r, t in zip(rank, truth, strict=True)]
    assert localise(values, truth, signed).auroc == pytest.approx(np.mean(each))


@given(maps_and_truth)
def test_scores_of_the_2019_paper_from_bray_curtis_and_euclid(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    values, truth = np.abs(drawn[0]), 1.0 * drawn[1]
    scaled = (values - values.min(axis=(1, 2), keepdims=True)) / np.ptp(values, axis=(1, 2), keepdims=True)
    pairs = [(t.ravel(), s.ravel()) for t, s in zip(truth, scaled, strict=True)]
    # of a sum a + b and a distance |a - b| the smaller parts are half their difference, the larger half their sum
    distances = [braycurtis(*pair) for pair in pairs]
    wanted = np.mean([(1 - d) / (1 + d) for d in distances]), np.mean([euclidean(t, s) / euclidean(t, 0 * t)
                                                                        for t, s in pairs])  # fmt: skip
    assert paper_scores(*drawn) == pytest.approx(wanted)


def test_the_weighted_jaccard_of_yes_and_no_is_jaccards() -> None:
    _, truth = draw(1)
    _, chosen = draw(2)
    wanted = np.mean([jaccard_score(t.ravel(), c.ravel()) for t, c in zip(truth, chosen, strict=True)])
    assert paper_scores(1.0 * chosen, truth)[0] == pytest.approx(wanted)


def test_areas_of_2020_are_precision_and_recall_weighted_by_the_map() -> None:
    rng = np.random.default_rng(0)
    values, truth = rng.standard_normal(SHAPE), rng.random(SHAPE) < 0.3
    shares, curves = np.arange(1, 10) / 10, []
    for one, planted in zip(np.abs(values).reshape(len(values), -1), truth.reshape(len(truth), -1), strict=True):
        limits = [min(limit for limit in one if one[one > limit].sum() < share * one.sum()) for share in shares]
        scored = [[score(planted, one >= limit, sample_weight=one) for limit in limits]
                  for score in (precision_score, recall_score)]  # fmt: skip
        curves.append(scored)
    assert mass_areas(values, truth) == pytest.approx([auc(shares, curve) for curve in np.mean(curves, axis=0)])


@given(maps_and_truth)
def test_ranking_cells_is_tints(tint: ModuleType, drawn: tuple[np.ndarray, np.ndarray]) -> None:
    values, truth = drawn
    found = localise(values, truth)
    pairs = [(torch.from_numpy(np.abs(v))[None], torch.from_numpy(t)[None]) for v, t in zip(values, truth, strict=True)]
    # several samples at once tint puts into one ranking, so that each is given alone
    assert found.auroc == pytest.approx(np.mean([tint.white_box.roc_auc(*pair) for pair in pairs]))
    assert found.auprc == pytest.approx(np.mean([tint.white_box.auprc(*pair) for pair in pairs]))


@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_aup_and_aur_of_2020_are_not_those_of_tint(tint: ModuleType, scale: float, shift: float) -> None:
    """As :func:`mass_areas` says: of the same perfect map 0.8 and 0.4 there, (1 + density) / 2 and 1 here."""
    truth = np.zeros((1, 10, 8), dtype=bool)
    truth[0, 2:7, :4] = True
    aup, aur = tint.white_box.aup, tint.white_box.aur

    def theirs(values: np.ndarray) -> list[float]:
        return [score(torch.from_numpy(values), torch.from_numpy(truth)) for score in (aup, aur)]

    perfect = 1.0 * truth
    assert mass_areas(perfect, truth) == pytest.approx((0.8, 0.4))
    assert theirs(perfect) == pytest.approx(((1 + truth.mean()) / 2, 1.0), abs=1e-4)
    values = np.abs(np.random.default_rng(0).standard_normal(truth.shape)) + truth
    # both are blind to the scale; to what all cells have in common only theirs is
    assert mass_areas(scale * values, truth) == pytest.approx(mass_areas(values, truth))
    assert theirs(scale * values + shift) == pytest.approx(theirs(values), abs=1e-3)
    assert mass_areas(values + shift, truth)[0] < mass_areas(values, truth)[0] - 0.001


def test_ranking_cells_is_quantus(quantus: ModuleType) -> None:
    values, truth = draw(3)
    theirs = quantus.AUC(disable_warnings=True).evaluate_batch(a_batch=values, s_batch=truth)
    assert localise(values, truth, signed=True).auroc == pytest.approx(np.mean(theirs))


def test_mass_at_the_ends_is_quantus_relevance_mass(quantus: ModuleType) -> None:
    values, truth = draw(4)
    mass = quantus.RelevanceMassAccuracy(disable_warnings=True).evaluate_batch
    found, (first, last) = localise(values, truth), np.zeros((2, *SHAPE), dtype=bool)
    first[:, :1] = last[:, -1:] = True  # a tenth of twelve steps
    for end, excess in ((first, found.first_excess), (last, found.last_excess)):
        share, wanted = (mass(a_batch=one, s_batch=end) for one in (np.abs(values), 1.0 * truth))
        assert excess == pytest.approx(np.mean(share - wanted))
    saliency = Saliency(values, ("a",) * 5, 1.0, tuple("abcdef"), "gradient", "true", "none", "logit", 0, (1,) * 5)
    shares = [one.value for one in edge_shares(saliency, "net")]
    assert shares == pytest.approx([np.mean(mass(a_batch=np.abs(values), s_batch=end)) for end in (first, last)])


def test_suppressors_beside_signal_are_quantus_relevance_mass(quantus: ModuleType) -> None:
    values, signal = draw(5, (1, 12, 6))
    suppressors = np.roll(signal, 1, axis=1) & ~signal
    mass = quantus.RelevanceMassAccuracy(disable_warnings=True).evaluate_batch
    of = [mass(a_batch=np.abs(values), s_batch=cells)[0] / cells.sum() for cells in (suppressors, signal)]
    assert suppression(values, signal, suppressors).ratio == pytest.approx(of[0] / of[1])


# --- when ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_task() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps, the steps that are on task, and their cells."""
    rng = np.random.default_rng(0)
    values, on_task = rng.standard_normal(SHAPE), rng.random(SHAPE[:2]) < 0.6
    return values, on_task, np.repeat(on_task[:, :, None], SHAPE[2], axis=2)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_salient_cells_on_task_are_a_precision(in_task: tuple[np.ndarray, ...], share: float) -> None:
    values, on_task, cells = in_task
    wanted = precision_score(cells.ravel(), top_cells(values, share).ravel())
    assert on_task_share(values, on_task, (share,)) == pytest.approx(wanted)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_salient_cells_on_task_are_quantus_intersection(
    quantus: ModuleType, in_task: tuple[np.ndarray, ...], share: float
) -> None:
    values, on_task, cells = in_task
    theirs = quantus.TopKIntersection(k=round(72 * share), disable_warnings=True)
    found = theirs.evaluate_batch(a_batch=np.abs(values).reshape(5, -1), s_batch=cells.reshape(5, -1))
    assert on_task_share(values, on_task, (share,)) == pytest.approx(np.mean(found))


def test_the_share_of_a_profile_is_a_regressions_slope() -> None:
    one, other, x = (draw(seed)[0] for seed in (6, 7, 8))
    wanted = linregress(time_profile(one), time_profile(other))
    found = compare_maps(one, other, x)
    assert (found.profile_share, found.profile) == pytest.approx((wanted.slope, wanted.rvalue))


@pytest.mark.parametrize("network", ["lstm", "input-cell-lstm"])
def test_layers_are_renewed_in_quantus_order(quantus: ModuleType, network: str) -> None:
    X = np.random.default_rng(0).standard_normal((8, 5, 3)).astype(np.float32)
    sizes = Architecture(hidden_size=4, hops=2, attention_size=3)
    decoder = TaskDecoder(network, sizes, Training(max_epochs=1)).fit(X, np.arange(8) % 2)
    trained = {name: value.clone() for name, value in decoder.module_.state_dict().items()}

    def changed(net: nn.Module) -> frozenset[str]:
        return frozenset(name.rpartition(".")[0] for name, value in net.state_dict().items()
                         if not torch.equal(value, trained[name]))  # fmt: skip

    wrapped = quantus.helpers.utils.get_wrapped_model(decoder.module_, channel_first=True, softmax=False)
    theirs = [changed(net) for _, net in wrapped.get_random_layer_generator("top_down", seed=3)]
    ours = [changed(one.module_) for _, one in renew_from_output(decoder, 3)]
    assert ours == list(dict.fromkeys(theirs))  # whole cells, whose layers are renewed already, follow there
    assert len(ours[-1]) == len(ours) > 1


# --- does the answer hang on it --------------------------------------------------------------------------------------


def test_lengths_and_areas_of_a_path() -> None:
    path = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 5))
    steps = [[cityblock(path[k, n], path[k + 1, n]) for n in range(5)] for k in range(3)]
    assert total_change(path) == pytest.approx(np.sum(steps, axis=0).mean())
    shares = np.array([0, 0.1, 0.3, 0.5])
    assert curve_area(path[:, 0, 0], shares) == pytest.approx(auc(shares, path[:, 0, 0]) / 0.5)


@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.25, 0.5, 0.75]))
def test_removal_is_comprehensiveness_and_insertion_sufficiency(
    tint: ModuleType, net: nn.Module, seed: int, share: float
) -> None:
    """With single cells as blocks and one donor; tint takes the whole number below the share, so shares fit here."""
    rng = np.random.default_rng(seed)
    X, values, donor = rng.standard_normal(SHAPE), rng.standard_normal(SHAPE), rng.standard_normal((1, *SHAPE[1:]))
    share = int(72 * share) / 72
    found = faithfulness(probabilities_of(net), X, values, donor, (share,), window=1, draws=1, n_random=1)
    given = {"baselines": torch.from_numpy(np.repeat(donor, 5, axis=0)), "topk": share + 1e-9}
    for name, rank in (("absolute", np.abs(values)), ("signed", values)):
        theirs = net, torch.from_numpy(X), torch.from_numpy(rank)
        whole, rest = found.removal[name]
        assert whole - rest == pytest.approx(tint.comprehensiveness(*theirs, **given))
        # what is left out are the least important: the whole number below 1 - share of them
        kept = {**given, "topk": share - 1e-9}
        assert whole - found.insertion[name][1] == pytest.approx(tint.sufficiency(*theirs, **kept))


def test_the_removal_curve_is_quantus_pixel_flipping(quantus: ModuleType, net: nn.Module) -> None:
    rng = np.random.default_rng(0)
    X, values = rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    targets, shares = np.array([0, 1, 2, 0, 1]), np.arange(1, 6) / 6
    found = faithfulness(probabilities_of(net), X, values, np.zeros((1, *SHAPE[1:])), shares, window=1, draws=1,
                         n_random=1, targets=targets)  # fmt: skip
    flip = quantus.PixelFlipping(features_in_step=12, abs=False, normalise=False, disable_warnings=True,
                                 perturb_func=quantus.perturb_func.batch_baseline_replacement_by_indices,
                                 perturb_func_kwargs={"perturb_baseline": 0.0})  # fmt: skip

    class Single(nn.Module):
        """Quantus gives single precision."""

        def forward(self, x: Tensor) -> Tensor:
            return net(x.double())

    wrapped = quantus.helpers.utils.get_wrapped_model(Single().eval(), channel_first=True, softmax=True)
    theirs = flip.evaluate_batch(model=wrapped, x_batch=X, y_batch=targets, a_batch=values)
    np.testing.assert_allclose(found.removal["signed"][1:], np.mean(theirs, axis=0)[:5], atol=1e-6)


class Patches:
    """The patches of our infidelity, as captum asks for them: of all draws at once, a sample's side by side."""

    def __init__(self, X: np.ndarray, donors: np.ndarray, draws: int, slopes: bool) -> None:
        rng = np.random.default_rng([0, 10])
        rng.permuted(X.reshape(len(X), -1), axis=1)  # the shuffled maps come first
        drawn = [draw_patches(X, donors, rng) for _ in range(draws)]
        changes = np.stack([X - other if slopes else 1.0 * patches for patches, other in drawn], axis=1)
        self.ready = [torch.from_numpy(one).flatten(0, 1) for one in (changes, np.stack([o for _, o in drawn], axis=1))]

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        assert len(x) == len(self.ready[0])
        return tuple(self.ready)


@pytest.mark.parametrize("slopes", [True, False])
def test_infidelity_is_captums(net: nn.Module, slopes: bool) -> None:
    rng = np.random.default_rng(1)
    X, donors, targets = rng.standard_normal(SHAPE), rng.standard_normal((9, *SHAPE[1:])), np.array([0, 1, 2, 0, 1])
    x, draws = torch.from_numpy(X).requires_grad_(), 30
    (slope,) = torch.autograd.grad(net(x).gather(1, torch.from_numpy(targets)[:, None]).sum(), x)
    values = slope.numpy() if slopes else slope.numpy() * X
    own, _ = infidelity(logits_of(net), X, values, targets, donors, draws, slopes)
    patches, given = Patches(X, donors, draws, slopes), {
        "target": torch.from_numpy(targets), "n_perturb_samples": draws, "max_examples_per_batch": draws * SHAPE[0],
    }  # fmt: skip
    theirs = captum_infidelity(net, patches, x.detach(), torch.from_numpy(values), normalize=True, **given)
    # of a map that foretells nothing the infidelity is the mean square of the change
    change = captum_infidelity(net, patches, x.detach(), torch.zeros_like(x), **given)
    assert (own > 0.001).all()
    assert (own < 0.9).all()
    np.testing.assert_allclose(own, (theirs / change).numpy())
    # a map of the wrong sign foretells nothing; captum's scale turns it round
    wrong, _ = infidelity(logits_of(net), X, -values, targets, donors, draws, slopes)
    np.testing.assert_array_equal(wrong, 1.0)
    turned = captum_infidelity(net, patches, x.detach(), torch.from_numpy(-values), normalize=True, **given)
    np.testing.assert_allclose(turned.numpy(), theirs.numpy())
