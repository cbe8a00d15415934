"""The family of masks: optima of one cell in closed form, penalties and replacements by hand, and no leaks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logit
from torch import Tensor

from fmri_saliency.attribution import METHODS, attribute, forward_passes
from fmri_saliency.attribution.masks import area_penalty, spline_basis, unsteadiness
from fmri_saliency.attribution.replacements import blur_over_time, phase_randomised
from fmri_saliency.errors import InputError, ReplacementWarning

FAMILY = ("latent-attention", "pooled-attention", "dynamask", "extremal-mask", "latent-attention-network")
KINDS = ("samples", "surrogate", "mean", "learned")


def first_step(x: Tensor) -> Tensor:
    """Answer by the first step of region 0: the logits are its value and 0."""
    score = x[:, 0, 0]
    return torch.stack([score, torch.zeros_like(score)], dim=1)


def curved(x: Tensor) -> Tensor:
    score = (x[:, :4].sum(dim=1) * torch.tensor([1.0, -1.0, 0.5])).tanh().sum(dim=1)
    return torch.stack([2 * score, -score, torch.zeros_like(score)], dim=1)


def one_cell(n_times: int = 1, target: int = 0, **settings: object) -> Tensor:
    """Explain a cell of 2 that is replaced by 0: with a share A replaced, the logits are 2 (1 - A) and 0."""
    x, nothing = torch.full((1, n_times, 1), 2.0), torch.zeros(3, n_times, 1)
    settings = {"replace_by": "mean", "parameterisation": "cells", "iterations": 400, **settings}
    return attribute(first_step, x, torch.tensor([target]), "latent-attention", references=nothing, **settings)[0, :, 0]


@pytest.mark.parametrize("replace_by", ["mean", "samples"])
@pytest.mark.parametrize("parameterisation", ["cells", "windows", "splines", "pooled", "separable"])
def test_the_optimum_of_one_cell(parameterisation: str, replace_by: str) -> None:
    """The divergence has slope 2 (s(2) - s(2 (1 - A))) along A, which is the penalty 0.2 where A is best."""
    best = logit(expit(2) - 0.2 / 2) / 2
    assert best == pytest.approx(0.635, abs=1e-3)
    found = one_cell(size_penalty=0.2, parameterisation=parameterisation, replace_by=replace_by)
    assert found.item() == pytest.approx(best, abs=1e-3)


def test_the_other_losses_and_sizes_of_one_cell() -> None:
    # the negative logarithm of s(2 (1 - A)) has slope 2 (1 - s): 0.5 where s = 3/4
    assert one_cell(size_penalty=0.5, loss="cross-entropy").item() == pytest.approx(np.log(3) / 2, abs=1e-3)
    # for the other class nothing speaks against replacing all
    assert one_cell(size_penalty=0.5, loss="cross-entropy", target=1).item() < 0.01
    # the logit falls by 2 A: kept at a price of 1.9, let go at 2.1
    assert one_cell(size_penalty=1.9, loss="logit").item() > 0.8
    assert one_cell(size_penalty=2.1, loss="logit").item() < 0.2
    # of A^2 the slope is 2 A
    best = brentq(lambda a: 2 * (expit(2) - expit(2 * (1 - a))) - 0.3 * 2 * a, 0.01, 1)
    assert one_cell(size_penalty=0.3, size_form="squared").item() == pytest.approx(1 - best, abs=1e-3)


def test_the_weight_of_the_size_grows_to_its_end() -> None:
    best = logit(expit(2) - 0.2 / 2) / 2
    found = one_cell(size_penalty=0.02, growth=10.0, iterations=1500)
    assert found.item() == pytest.approx(best, abs=5e-3)  # the optimum of the last step, hardly behind it
    assert one_cell(size_penalty=0.02, iterations=1500).item() > best + 0.2


def test_the_time_penalty_ties_moments_together() -> None:
    """Only the first of two steps is looked at; half the price of a mask is each step's."""
    free = one_cell(2, size_penalty=0.2)
    assert free[0].item() == pytest.approx(logit(expit(2) - 0.1 / 2) / 2, abs=1e-3)
    assert free[1] < 0.01
    # tied to one value A, the price of A is 0.2 again
    tied = one_cell(2, size_penalty=0.2, time_penalty=0.3, learning_rate=0.02, iterations=600)
    assert tied.tolist() == pytest.approx([logit(expit(2) - 0.2 / 2) / 2] * 2, abs=0.02)


def test_unsteadiness_by_hand() -> None:
    mask = torch.tensor([[0.0, 0.2], [0.5, 0.2], [0.5, 0.2], [1.0, 0.204]]).unsqueeze(0)
    # 0.5 twice, each less half of 0.01, and 0.004^2 / 0.02, over 3 differences of 2 regions
    assert unsteadiness(mask).item() == pytest.approx((2 * 0.495 + 0.0008) / 6, rel=1e-4)
    assert unsteadiness(mask[:, :1]).item() == 0


def test_a_sample_of_one_moment_has_no_unsteadiness() -> None:
    assert one_cell(time_penalty=5.0, size_penalty=0.2).item() == one_cell(size_penalty=0.2).item()


def test_the_area_penalty_by_hand() -> None:
    kept = torch.tensor([[[0.5, 0.9], [0.2, 0.6]], [[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])
    # sorted 0.2 0.5 0.6 0.9 against 0 0 1 1: (0.04 + 0.25 + 0.16 + 0.01) / 4
    torch.testing.assert_close(area_penalty(kept, 0.5), torch.tensor([0.115, 0.0, 0.25]))
    # against 0 0 0 1: (0.04 + 0.25 + 0.36 + 0.01) / 4
    torch.testing.assert_close(area_penalty(kept, 0.25), torch.tensor([0.165, 0.25, 0.25]))
    assert area_penalty(kept, 0.01)[1].item() == pytest.approx(0.25)  # at least one cell


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=2, max_size=12), st.floats(0.01, 0.99))
def test_the_area_penalty_is_that_of_the_sorted_mask(values: list[float], area: float) -> None:
    kept = torch.tensor(values, dtype=torch.float64).view(1, -1, 1).requires_grad_()
    found = area_penalty(kept, area)
    n_ones = max(1, round(area * len(values)))
    wanted = np.mean((np.sort(values) - np.r_[np.zeros(len(values) - n_ones), np.ones(n_ones)]) ** 2)
    assert found.item() == pytest.approx(wanted, abs=1e-12)
    slope = torch.autograd.grad(found.sum(), kept)[0].flatten()
    for value in set(values):  # equal cells are pushed alike
        assert slope[np.array(values) == value].unique().numel() == 1


@given(st.integers(1, 70), st.integers(1, 25))
def test_splines_sum_to_one(n_times: int, width: int) -> None:
    basis = spline_basis(n_times, width)
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-12)
    assert basis.min() >= 0
    assert len(basis) == n_times
    assert basis.shape[1] <= 4 + (n_times - 1) / width  # a knot every `width` steps, and three more splines than gaps


def test_a_spline_by_hand() -> None:
    basis = spline_basis(41, 8)
    middle = basis[:, basis[20].argmax()]
    peak = middle.argmax()
    # at its knots a cubic B-spline is 1/6, 2/3, 1/6; half a knot from its middle 23/48
    some = middle[[peak - 16, peak - 8, peak - 4, peak, peak + 8]]
    np.testing.assert_allclose(some, [0, 1 / 6, 23 / 48, 2 / 3, 1 / 6], atol=1e-12)
    fine = spline_basis(2001, 200)[:, 6]
    assert (fine >= fine.max() / 2).sum() / 200 == pytest.approx(1.45, abs=0.01)  # the width that the settings name


def test_a_map_of_splines_is_one() -> None:
    torch.manual_seed(0)
    x, references = torch.randn(2, 30, 3), torch.randn(20, 30, 3)
    found = attribute(curved, x, torch.tensor([0, 1]), "latent-attention", references=references, iterations=20,
                      parameterisation="splines", spline_width=6)  # fmt: skip
    basis = spline_basis(30, 6)
    weights = np.linalg.lstsq(basis, found[0].double().numpy(), rcond=None)[0]
    np.testing.assert_allclose(basis @ weights, found[0].numpy(), atol=1e-5)
    assert found.std(dim=1).max() > 0.1


@given(st.integers(3, 40), st.integers(0, 9))
def test_surrogates_keep_spectra_and_covariance_but_not_time(n_times: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((2, n_times, 3)) + 1.5)
    phases = torch.from_numpy(rng.uniform(0, 2 * np.pi, (4, n_times // 2 + 1)))
    found = phase_randomised(x, phases)
    assert found.shape == (2, 4, n_times, 3)
    before, after = np.fft.rfft(x.numpy()[:, None], axis=2), np.fft.rfft(found.numpy(), axis=2)
    np.testing.assert_allclose(np.abs(after), np.broadcast_to(np.abs(before), after.shape), atol=1e-9)
    np.testing.assert_allclose(found.mean(dim=2), x.mean(dim=1, keepdim=True).expand(-1, 4, -1), atol=1e-9)
    for draw in found[0]:
        np.testing.assert_allclose(np.cov(draw.T), np.cov(x[0].T), atol=1e-9)
    assert (found - x.unsqueeze(1)).abs().amax(dim=(2, 3)).min() > 1e-3


def test_what_only_timing_tells_is_found_with_surrogates_and_what_levels_tell_is_not() -> None:
    x = torch.zeros(1, 8, 2)
    x[0, 0, 0], x[0, :, 1] = 4.0, 2.0

    def level(x: Tensor) -> Tensor:
        score = x[:, :, 1].mean(dim=1)
        return torch.stack([score, torch.zeros_like(score)], dim=1)

    settings = {"replace_by": "surrogate", "parameterisation": "cells", "size_penalty": 0.5}
    timing = attribute(first_step, x, torch.tensor([0]), "latent-attention", **settings)[0]
    assert timing[0, 0] > 0.5
    assert timing[1:].max() < 0.05
    assert attribute(level, x, torch.tensor([0]), "latent-attention", **settings).max() < 0.05


def test_a_blur_says_how_little_it_takes_away() -> None:
    rng = np.random.default_rng(0)
    white = torch.from_numpy(rng.standard_normal((4, 2000, 5)))
    gauss = np.exp(-(np.arange(-20, 21) ** 2) / 8)
    gauss /= gauss.sum()
    np.testing.assert_allclose(blur_over_time(white, 2.0)[0, 500, 0],
                               gauss @ white[0, 480:521, 0].numpy(), rtol=1e-3)  # fmt: skip
    share = 100 * (1 - 2 * gauss[20] + (gauss**2).sum())  # of white noise
    assert share == pytest.approx(74, abs=0.5)
    slow = blur_over_time(white, 20.0)  # of noise as slow as this, hardly anything
    for data, low, high in ((white, share - 1, share + 1), (slow, 0, 0.1)):
        with pytest.warns(ReplacementWarning, match=r"Blurring over 2 time steps removes \d+\.\d % of the") as caught:
            attribute(first_step, data[:1], torch.tensor([0]), "latent-attention", references=data, replace_by="blur",
                      iterations=1)  # fmt: skip
        assert low <= float(str(caught[0].message).split()[6]) <= high
        assert len(caught) == 1
        assert caught[0].filename == __file__
    with pytest.warns(ReplacementWarning, match="removes"):
        attribute(curved, torch.randn(1, 9, 3), torch.tensor([0]), "latent-attention-network", replace_by="blur",
                  references=torch.randn(5, 9, 3), iterations=2)  # fmt: skip


def test_a_learned_replacement_of_one_cell() -> None:
    held = one_cell(size_penalty=0.2, replace_by="learned", reference_penalty=5.0)
    assert held.item() == pytest.approx(logit(expit(2) - 0.2 / 2) / 2, abs=0.05)  # it stays at the mean
    free = one_cell(size_penalty=0.2, replace_by="learned", reference_penalty=0.0)
    assert free.item() < 0.05  # it becomes the cell itself, and nothing need be kept


@pytest.mark.parametrize("parameterisation", ["cells", "windows", "splines", "pooled", "separable"])
@pytest.mark.parametrize("replace_by", KINDS)
@pytest.mark.parametrize("form", ["linear", "area"])
def test_no_sample_tells_on_another(form: str, replace_by: str, parameterisation: str) -> None:
    torch.manual_seed(0)
    x, references, target = torch.randn(4, 12, 3), torch.randn(15, 12, 3), torch.tensor([0, 1, 2, 0])
    x[3] = x[0]
    settings = {"references": references, "replace_by": replace_by, "parameterisation": parameterisation,
                "iterations": 30, "size_form": form, "time_penalty": 0.5, "spline_width": 4, "window": 3}  # fmt: skip
    found = attribute(curved, x, target, "latent-attention", **settings)
    torch.testing.assert_close(found[3], found[0])  # equal samples see equal draws
    strange = torch.cat([x[:1], 30 * torch.randn(5, 12, 3)])
    beside = attribute(curved, strange, torch.tensor([0, 2, 2, 1, 1, 0]), "latent-attention", **settings)
    torch.testing.assert_close(beside[0], found[0], rtol=1e-4, atol=1e-5)
    assert (found[1] - found[0]).abs().max() > 1e-2


def test_a_separable_mask_is_a_sum_of_moments_and_regions() -> None:
    torch.manual_seed(0)
    x, references, target = torch.randn(2, 12, 3), torch.randn(15, 12, 3), torch.tensor([0, 1])
    settings = {"references": references, "iterations": 40, "window": 3}
    found = attribute(curved, x, target, "latent-attention", parameterisation="separable", **settings)
    logits = found.double().logit()
    parts = logits.mean(dim=1, keepdim=True) + logits.mean(dim=2, keepdim=True) - logits.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(logits, parts, rtol=0, atol=1e-4)
    pooled = attribute(curved, x, target, "pooled-attention", **settings).double().logit()
    rest = pooled - pooled.mean(dim=1, keepdim=True) - pooled.mean(dim=2, keepdim=True)
    assert (rest - rest.mean(dim=(1, 2), keepdim=True)).abs().max() > 0.1
    difference = pooled - pooled.mean(dim=2, keepdim=True)  # without the moments, windows are left
    torch.testing.assert_close(difference[:, 0:12:3], difference[:, 2:12:3], rtol=0, atol=1e-4)


def test_latent_attention_is_what_it_was() -> None:
    """Against the published form written out, for the default settings."""
    torch.manual_seed(1)
    x, references = torch.randn(3, 11, 3), torch.randn(15, 11, 3)
    found = attribute(curved, x, torch.tensor([0, 1, 2]), "latent-attention", references=references, seed=7)
    torch.manual_seed(7)
    free = torch.zeros(3, 3, 3, requires_grad=True)  # 11 steps in windows of 5
    optimiser = torch.optim.Adam([free], lr=0.1)
    before = curved(x).log_softmax(dim=1)
    for _ in range(150):
        noise = references[torch.randint(15, (4,))]
        a = free.sigmoid().repeat_interleave(5, dim=1)[:, :11]
        after = [curved(a * one + (1 - a) * x).log_softmax(dim=1) for one in noise]
        change = sum((before.exp() * (before - one)).sum() for one in after) / 4
        optimiser.zero_grad()
        (change - 5.0 * a.mean(dim=(1, 2)).sum()).backward()
        optimiser.step()
    kept = 1 - free.detach().sigmoid().repeat_interleave(5, dim=1)[:, :11]
    torch.testing.assert_close(found, kept, rtol=0, atol=1e-4)


class Counter:
    """Counts how many samples pass through a function."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.count += len(x)
        return curved(x)


def test_the_network_over_the_data_set_is_a_prior() -> None:
    torch.manual_seed(0)
    x, references = torch.randn(5, 9, 3), torch.randn(40, 9, 3)
    counter, settings = Counter(), {"references": references, "window": 2, "iterations": 20}
    name = "latent-attention-network"
    found = attribute(counter, x, torch.tensor([0, 1, 2, 0, 1]), name, batch_size=2, **settings)
    # it learns once, from the references, and never asks about the samples
    assert counter.count == forward_passes(name, 9, 3, **settings) == 40 + 20 * 16 * 4
    other = attribute(curved, x[[2, 2]], torch.tensor([0, 1]), name, **settings)
    torch.testing.assert_close(other, found[[2, 2]])
    assert (found[0] - found[1]).abs().max() > 1e-3  # but it looks at them
    assert METHODS[name].prior
    assert "prior" in METHODS[name].unit
    assert not any(method.prior for other, method in METHODS.items() if other != name)


def test_the_network_learns_where_the_answer_comes_from() -> None:
    torch.manual_seed(0)
    x, references = torch.randn(20, 9, 3), torch.randn(200, 9, 3)
    found = attribute(curved, x, torch.zeros(20, dtype=int), "latent-attention-network", references=references,
                      window=1, size_penalty=1.0, iterations=600)  # fmt: skip
    assert found[:, 4:].max() < 0.05  # steps that the function never sees
    assert found[:, :4].mean() > 0.3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"parameterisation": "spline"}, "parameterisation of a mask must be one of cells, windows, spl"),
        ({"replace_by": "noise"}, "replace_by of a mask must be one of"),
        ({"size_form": "cubic"}, "size_form of a mask must be one of"),
        ({"loss": "answers"}, "Did you mean 'answer'"),
        ({"draws": 0}, "draws of a mask must be at least 1; 0 came"),
        ({"spline_width": 0}, "spline_width of a mask must be at least 1"),
        ({"time_penalty": -1.0}, "time_penalty of a mask must be at least 0; -1.0 came"),
        ({"reference_penalty": float("nan")}, "reference_penalty of a mask must be a finite number; nan came"),
        ({"growth": 0.0}, "growth of a mask must be above 0"),
        ({"area": 1.0}, "above 0 and below 1; 1.0 came"),
        ({"layers": 6}, "layers of a mask must be from 2 to 5; 6 came"),
        ({"replace_by": "mean", "references": None}, "'latent-attention-network' replaces inputs by other samples"),
        ({"loss": "logit"}, "explains whole answers and learns no replacement"),
        ({"replace_by": "learned"}, "explains whole answers and learns no replacement"),
    ],
)
def test_one_message_for_each_wrong_mask(settings: dict[str, object], words: str) -> None:
    x = torch.zeros(1, 3, 2)
    with pytest.raises(InputError, match=words):
        attribute(first_step, x, torch.tensor([0]), "latent-attention-network", **{"references": x, **settings})


@pytest.mark.parametrize("method", FAMILY)
def test_what_each_costs_in_forward_passes(method: str) -> None:
    # 4 draws of 150 steps and the answer itself; no draws; 16 samples of 300 steps and the 30 references
    known = {"latent-attention": 601, "pooled-attention": 601, "dynamask": 601, "extremal-mask": 151,
             "latent-attention-network": 19230}  # fmt: skip
    assert forward_passes(method, 100, 100, references=torch.zeros(30, 100, 100)) == known[method]
    assert forward_passes("dynamask", 100, 100, replace_by="mean", iterations=10) == 11
