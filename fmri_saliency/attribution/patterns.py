"""What a region's signal has to do with the network's answer, whatever weight the network gives it."""

from __future__ import annotations

import torch
from torch import Tensor

from fmri_saliency.attribution.gradients import slope
from fmri_saliency.attribution.settings import ExplainerSettings, Forward
from fmri_saliency.attribution.ties import ROUNDING

__all__ = ["explain_pattern", "explain_pattern_local", "local_patterns"]


def _contrast(logits: Tensor) -> Tensor:
    """Return each logit less the mean of the others."""
    others = (logits.sum(dim=1, keepdim=True) - logits) / max(1, logits.shape[1] - 1)
    return logits - others


def explain_pattern(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return the activation pattern of each sample's target logit over the references.

    .. math:: P_{ti} = \frac{\mathrm{cov}(x_{ti}, s)}{\mathrm{var}(s)}

    with :math:`s` the logit of the target, less the mean of the others. A region that only helps to
    cancel noise has a large weight and no pattern. The map is one of the class, over all references,
    not of the single sample: samples of one target get the same.

    Returns
    -------
    Tensor, shape of `x`
        Signed, in units of the input per logit. 0 where the logit is the same for all references, but for rounding.

    References
    ----------
    Haufe, Meinecke, Görgen, Dähne, Haynes, Blankertz, Biessmann (2014), On the interpretation of weight vectors of
    linear models in multivariate neuroimaging, doi:10.1016/j.neuroimage.2013.10.067, for an answer that need not
    be linear.
    """
    references = settings.references_for(x, "pattern")
    with torch.no_grad():
        logits = torch.cat([forward(part) for part in references.split(64)])
        score = _contrast(logits)
        score = score - score.mean(dim=0)
        centred = references - references.mean(dim=0)
        covariance = torch.einsum("nk,nti->kti", score, centred) / len(references)
        variance = score.pow(2).mean(dim=0)
        varies = variance.sqrt() > ROUNDING * logits.abs().max()
        known = torch.where(varies, variance, torch.inf)
    return (covariance / known.view(-1, 1, 1))[target]


def local_patterns(weights: Tensor, x: Tensor, references: Tensor) -> Tensor:
    r"""Return the pattern of each linear answer among the references whose answer is close to the sample's.

    With :math:`s_n = w^T r_n` the answers, :math:`\sigma` their standard deviation, :math:`c` the sample's own answer
    :math:`w^T x`, held within two of them around their mean so that it has neighbours, and the covariance
    :math:`\Sigma` under the weights

    .. math:: \pi_n \propto \exp\left(-\frac{(s_n - c)^2}{2 \sigma^2}\right), \qquad
        a = \frac{\Sigma w}{w^T \Sigma w} = \frac{\mathrm{cov}_\pi(r, s)}{\mathrm{var}_\pi(s)}

    which needs no matrix of cells by cells. Closeness is measured along the answer: to choose references by the
    answer leaves their regression on it as it is where that is linear, so that a suppressor stays at 0; to choose them
    by their distance in all cells would make the suppressor and what it cancels depend on the signal.
    The covariance is not shrunk: nothing is inverted, and shrinking it towards the identity would add
    :math:`w`, with its suppressors, back.

    Parameters
    ----------
    weights, x : Tensor, shape (n_samples, n_times, n_regions)
    references : Tensor, shape (n_references, n_times, n_regions)

    Returns
    -------
    Tensor, shape of `x`
        float64, on the CPU.
    """
    w, point, others = (part.flatten(1).cpu().double() for part in (weights, x, references))
    answers = w @ others.T  # (sample, reference)
    tiny = torch.finfo(answers.dtype).tiny
    width, middle = torch.std_mean(answers, dim=1, correction=0, keepdim=True)
    own = (w * point).sum(dim=1, keepdim=True).clamp(middle - 2 * width, middle + 2 * width)
    close = (-((answers - own) / width.clamp_min(tiny)).pow(2) / 2).softmax(dim=1)
    answers = answers - (close * answers).sum(dim=1, keepdim=True)
    weighted = close * answers
    # the weighted answers sum to 0, so that the references need not be centred
    found = weighted @ others / (weighted * answers).sum(dim=1, keepdim=True).clamp_min(tiny)
    return found.unflatten(1, x.shape[1:])


def explain_pattern_local(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return the activation pattern of the linear function that stands for the network between a sample and others.

    The weights are the slope of the score (the target's logit, less the mean of the others), averaged
    over `n_samples` random points on the straight ways from random references :math:`r` to the sample,

    .. math:: w = \mathrm{mean}\; \nabla s\big(r + \alpha (x - r)\big), \qquad \alpha \sim U(0, 1)

    and :func:`local_patterns` turns them into a pattern. The slope at the sample itself would do for a smooth answer;
    one that is saturated there hardly has any. All samples of a call see the same draws, so that a
    sample's map does not depend on the others.

    Returns
    -------
    Tensor, shape of `x`
        Signed, in units of the input per logit of the score.

    References
    ----------
    Gjølbye, Haufe, Hansen (2025), PatternLocal, arXiv:2505.11210, which fits the weights on perturbed samples and
    measures closeness in the input.
    """
    references = settings.references_for(x, "pattern-local")
    chosen = references[torch.randint(len(references), (settings.n_samples,)).to(x.device)]
    weights = torch.zeros_like(x)
    for reference, along in zip(chosen, torch.rand(settings.n_samples).tolist(), strict=True):
        point = reference + along * (x.detach() - reference)
        weights += slope(lambda part: _contrast(forward(part)), point, target)
    return local_patterns(weights.detach() / settings.n_samples, x.detach(), references).to(x)
