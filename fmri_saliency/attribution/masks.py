"""Masks: which parts may be replaced without the network noticing, optimised sample by sample or as a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from fmri_saliency.attribution.replacements import Replacement, make_replacement, warn_of_blur
from fmri_saliency.attribution.settings import DRAWN, POOLED, ExplainerSettings, Forward
from fmri_saliency.errors import InputError

__all__ = [
    "area_penalty",
    "explain_mask",
    "explain_mask_network",
    "mask_cost",
    "network_cost",
    "spline_basis",
    "unsteadiness",
]

SEEN = 16  # training samples at each step of a network's training
PER_CALL = 64
DEGREE = 3
ROUND = 0.01
ALIKE, APART = 1e-6, 1e-4  # cells of a mask that differ by less are equal; by more, one comes first
OWN = 0.25  # how fast a window's own value moves in a pooled mask, beside those of its moment and its region
NETWORK = "latent-attention-network"


def spline_basis(n_times: int, width: int) -> np.ndarray:
    """Return cubic B-splines over time whose knots lie `width` steps apart, beyond both ends, too.

    Returns
    -------
    ndarray, shape (n_times, n_splines)
        All of one shape; at every moment they sum to 1.

    References
    ----------
    de Boor (1978), A Practical Guide to Splines, chapter 9; computed by scipy.
    """
    n_between = max(1, -(-(n_times - 1) // width))
    knots = width * np.arange(-DEGREE, n_between + DEGREE + 1, dtype=float)
    return BSpline.design_matrix(np.arange(n_times, dtype=float), knots, DEGREE).toarray()


def _units(x: Tensor, settings: ExplainerSettings) -> tuple[int, Callable[[Tensor], Tensor]]:
    """Return how many values of the mask a region has, and what spreads (n, n_units, n_regions) over the cells."""
    if settings.parameterisation == "splines":
        basis = torch.as_tensor(spline_basis(x.shape[1], settings.spline_width), device=x.device)
        return basis.shape[1], lambda values: basis.to(values) @ values
    window = 1 if settings.parameterisation == "cells" else settings.window
    block = torch.arange(x.shape[1], device=x.device) // window
    return int(block[-1]) + 1, lambda values: values[:, block]


def _free_values(x: Tensor, settings: ExplainerSettings) -> tuple[list[Tensor], Callable[[], Tensor]]:
    """Return what is optimised, all zero, and what makes of it the share of every cell that is replaced.

    In double precision, whatever `x` has: the optimiser divides each slope by its own size, so that rounding errors
    of a slope near 0 would move a value as far as a true slope.
    """
    n_units, spread = _units(x, settings)

    def zeros(n_times: int, n_regions: int) -> Tensor:
        return torch.zeros(len(x), n_times, n_regions, dtype=torch.float64, device=x.device, requires_grad=True)

    if settings.parameterisation not in POOLED:
        free = zeros(n_units, x.shape[2])
        return [free], lambda: spread(free.sigmoid())
    moments, regions = zeros(x.shape[1], 1), zeros(1, x.shape[2])
    if settings.parameterisation == "separable":
        return [moments, regions], lambda: (moments + regions).sigmoid()
    windows = zeros(n_units, x.shape[2])
    return [moments, regions, windows], lambda: (moments + regions + OWN * spread(windows)).sigmoid()


def area_penalty(kept: Tensor, area: float) -> Tensor:
    r"""Return how far each mask is from one that keeps just a share `area` of the cells, and those wholly.

    .. math:: \mathrm{mean}\big( (\mathrm{sort}(k) - r_a)^2 \big)

    with :math:`r_a` zeros for the share :math:`1 - a` of the cells, then ones. Which of equal cells come first in the
    order is chance, or where they stand in memory; here they share the zeros and ones that fall to them, which leaves
    the value as it is and gives them equal slopes. (Sorting would begin by keeping the last moments.)
    Cells are equal that differ from the last kept one by less than :math:`10^{-6}`, which rounding can do; up to
    :math:`10^{-4}` they pass, in proportion, from a share to the zero or one of their place. The slope of the sorted
    form jumps there: rounding errors, which depend on the processor and on how many samples are computed at once,
    would choose which of two like cells the mask keeps.

    Parameters
    ----------
    kept : Tensor, shape (n_samples, n_times, n_regions)
        From 0 to 1.
    area : float
        At least one cell is kept.

    Returns
    -------
    Tensor, shape (n_samples,)

    References
    ----------
    Crabbé, van der Schaar (2021), Dynamask, arXiv:2106.05303, section 3.
    """
    kept = kept.flatten(1)
    now = kept.detach()
    n_wanted = max(1, round(area * kept.shape[1]))
    ahead = now - now.kthvalue(kept.shape[1] - n_wanted + 1, dim=1, keepdim=True).values
    decided = ((ahead.abs() - ALIKE) / (APART - ALIKE)).clamp(0, 1)
    won = decided * (ahead > 0)
    shared = (n_wanted - won.sum(dim=1, keepdim=True)) / (1 - decided).sum(dim=1, keepdim=True)
    ones = won + (1 - decided) * shared
    # the mean of (k - 0)^2 and (k - 1)^2 in the shares of zeros and ones
    return (kept.square() - 2 * kept * ones + ones).mean(dim=1)


def _size(replaced: Tensor, settings: ExplainerSettings) -> Tensor:
    """Return what `size_penalty` weighs, for each sample: less of it is better."""
    if settings.size_form == "area":
        return area_penalty(1 - replaced, settings.area)
    return -(replaced if settings.size_form == "linear" else replaced.square()).mean(dim=(1, 2))


def unsteadiness(replaced: Tensor) -> Tensor:
    r"""Return the mean of :math:`|A_{t+1} - A_t|` of each mask, rounded off at 0.

    Below :math:`r = 0.01` it is :math:`(A_{t+1} - A_t)^2 / 2r`, above it less by :math:`r / 2`: at a sharp corner
    rounding errors, which depend on how many samples are computed at once, would choose the side.

    Parameters
    ----------
    replaced : Tensor, shape (n_samples, n_times, n_regions)

    Returns
    -------
    Tensor, shape (n_samples,)
        0 where there is one moment.
    """
    change = smooth_l1_loss(replaced[:, 1:], replaced[:, :-1], reduction="none", beta=ROUND)
    return change.sum(dim=(1, 2)) / max(1, change[0].numel())


def _loss(answer: Tensor, wanted: Tensor, target: Tensor, kind: str) -> Tensor:
    """Compare logits with replacements, (n, n_draws, n_classes), and without, (n, n_classes); return (n,)."""
    if kind == "answer":
        before, after = wanted.log_softmax(dim=1).unsqueeze(1), answer.log_softmax(dim=2)
        return (before.exp() * (before - after)).sum(dim=2).mean(dim=1)
    index = torch.arange(len(target), device=answer.device)
    if kind == "cross-entropy":
        return -answer.log_softmax(dim=2)[index, :, target].mean(dim=1)
    return wanted[index, target] - answer[index, :, target].mean(dim=1)


@dataclass(frozen=True)
class _Objective:
    """What a mask of some samples is judged by; `wanted` are their logits, `target` their classes."""

    forward: Forward
    settings: ExplainerSettings
    x: Tensor
    wanted: Tensor
    target: Tensor
    replacement: Replacement

    def __call__(self, replaced: Tensor, step: int) -> Tensor:
        """Return the loss of each sample; `replaced` is the share of each cell, shape of `x`, in double precision."""
        settings, x = self.settings, self.x
        share = replaced.to(x.dtype).unsqueeze(1)
        mixed = share * self.replacement.draw() + (1 - share) * x.unsqueeze(1)
        answer = self.forward(mixed.flatten(0, 1)).unflatten(0, mixed.shape[:2])
        grown = settings.growth ** (step / max(1, settings.iterations - 1))
        loss = _loss(answer, self.wanted, self.target, settings.loss)
        loss = loss + settings.size_penalty * grown * _size(replaced, settings)
        if settings.time_penalty:
            loss = loss + settings.time_penalty * unsteadiness(replaced)
        return loss + self.replacement.penalty()


def explain_mask(
    forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings, name: str = "latent-attention"
) -> Tensor:
    r"""Return how little of each cell may be replaced, by optimising a mask for every sample.

    With :math:`A \in [0, 1]` the share that is replaced and :math:`\eta` what replaces it,

    .. math:: \tilde x = A \eta + (1 - A) x, \qquad
        \min_A \; E_\eta\big[ L(F(x), F(\tilde x)) \big] + \beta S(A)
        + \gamma \, \mathrm{mean}\,|A_{t+1} - A_t|

    and the importance is :math:`1 - A`, from 0 (may be replaced) to 1 (must be kept). One value, the sigmoid of a
    free one, is shared by `window` consecutive steps of a region, stands for one cell, or for one spline over time.
    What a network needs it often needs from many regions at once, or from a region for a while, while a single window
    changes its answer little. So the pooled mask adds up free values of the moment, of the region and of the window
    of `b` steps, :math:`A_{ti} = \sigma(u_t + v_i + w_{\lfloor t / b \rfloor i} / 4)`: all regions help to find a
    moment, all moments to find a region, and the last term, which moves at a quarter of their pace, leaves room for
    what is not separable.
    The members of the family differ in :math:`\eta` (`replace_by`), :math:`S` (`size_form`), :math:`\gamma`
    (`time_penalty`) and :math:`L` (`loss`):

    - latent attention: random training samples, :math:`S = -\mathrm{mean}(A)`, the divergence of the whole answer;
    - Dynamask: :math:`S` is :func:`area_penalty`, whose weight may grow, and differences over time cost; its own
      replacement, a blur, takes next to nothing away from BOLD, so training samples stand in for it;
    - extremal mask: :math:`\eta` is found along with :math:`A`, near the mean of the training samples. The paper has
      one network find it for all samples; here it is each sample's own, and the map of a sample does not depend
      on what else is explained.

    Returns
    -------
    Tensor, shape of `x`
        Not signed. What is explained is the network's whole answer unless `loss` names the target.

    References
    ----------
    Grimm, Arumugam, Karamcheti, Abel, Wong, Littman (2017), arXiv:1706.00536: the form that is optimised per sample,
    with noise from training samples. Crabbé, van der Schaar (2021), arXiv:2106.05303. Enguehard (2023),
    arXiv:2305.18840. All samples of a call see the same draws.
    """
    x = x.detach()
    if settings.replace_by == "blur":  # of training samples where there are some: one message for all batches of a call
        warn_of_blur(x if settings.references is None else settings.references_for(x, name), settings.blur)
    n_units, spread = _units(x, settings)
    replacement = make_replacement(x, settings, name, spread, n_units)
    free, replaced = _free_values(x, settings)
    found = [*free, *replacement.free]
    optimiser = torch.optim.Adam(found, lr=settings.learning_rate)
    with torch.no_grad():
        wanted = forward(x)
    judge = _Objective(forward, settings, x, wanted, target, replacement)
    for step in range(settings.iterations):
        optimiser.zero_grad()
        judge(replaced(), step).sum().backward(inputs=found)
        optimiser.step()
    with torch.no_grad():
        return (1 - replaced()).clamp(0, 1).to(x.dtype)


def mask_cost(settings: ExplainerSettings) -> int:
    """Return the forward passes of :func:`explain_mask` per sample."""
    return 1 + settings.iterations * (settings.draws if settings.replace_by in DRAWN else 1)


def _attention(n_in: int, n_out: int, settings: ExplainerSettings) -> nn.Sequential:
    """Return a fully connected network with a sigmoid at its end that begins at a mask of one half."""
    sizes = [n_in, *[settings.hidden_size] * (settings.layers - 1), n_out]
    parts: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), nn.ReLU()]
    nn.init.zeros_(parts[-2].weight)
    nn.init.zeros_(parts[-2].bias)
    return nn.Sequential(*parts[:-1], nn.Sigmoid())


def explain_mask_network(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return how little of each cell may be replaced, as a network that learned it on the training samples says.

    A fully connected network :math:`A(x)` minimises the objective of :func:`explain_mask` over the training samples,
    and is then asked about the samples. Its map is a **data-set prior**: what the network under study needs in samples
    that look alike. It is no evidence about a single person, and must not be shown as such: no logit of
    the explained sample is ever looked at.

    Returns
    -------
    Tensor, shape of `x`
        Not signed.

    Raises
    ------
    InputError
        If the loss names a target, which training samples do not have, the replacement is to be learned, or the
        parameterisation is pooled or separable.

    References
    ----------
    Grimm, Arumugam, Karamcheti, Abel, Wong, Littman (2017), arXiv:1706.00536: the form that is a network.
    """
    if settings.loss != "answer" or settings.replace_by == "learned":
        raise InputError(f"The method '{NETWORK}' explains whole answers and learns no replacement: leave loss at "
                         f"'answer' and choose another replace_by; '{settings.loss}' and '{settings.replace_by}' came.")
    if settings.parameterisation in POOLED:
        raise InputError(f"The method '{NETWORK}' has one output for each part of the mask: leave parameterisation at "
                         f"windows, cells or splines; '{settings.parameterisation}' came.")
    references = settings.references_for(x, NETWORK)
    if settings.replace_by == "blur":
        warn_of_blur(references, settings.blur)
    n_units, spread = _units(x, settings)
    attention = _attention(x[0].numel(), n_units * x.shape[2], settings).to(x)
    weights = list(attention.parameters())
    optimiser = torch.optim.Adam(weights, lr=settings.learning_rate)
    with torch.no_grad():
        wanted = torch.cat([forward(part) for part in references.split(PER_CALL)])

    def replaced(seen: Tensor) -> Tensor:
        return spread(attention(seen).unflatten(1, (n_units, x.shape[2])))

    for step in range(settings.iterations):
        some = torch.randint(len(references), (SEEN,)).to(x.device)
        seen = references[some]
        replacement = make_replacement(seen, settings, NETWORK, spread, n_units)
        judge = _Objective(forward, settings, seen, wanted[some], target[:0], replacement)
        optimiser.zero_grad()
        judge(replaced(seen), step).mean().backward(inputs=weights)
        optimiser.step()
    with torch.no_grad():
        return (1 - replaced(x)).clamp(0, 1)


def network_cost(settings: ExplainerSettings) -> int:
    """Return the forward passes of :func:`explain_mask_network`: the same for one sample and for many."""
    n_references = 0 if settings.references is None else len(settings.references)
    return n_references + settings.iterations * SEEN * (settings.draws if settings.replace_by in DRAWN else 1)
