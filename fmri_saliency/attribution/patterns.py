"""What a region's signal has to do with the network's answer, whatever weight the network gives it."""

from __future__ import annotations

import torch
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings, Forward

__all__ = ["explain_pattern"]


def explain_pattern(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return the activation pattern of each sample's target logit over the references.

    .. math:: P_{ti} = \frac{\mathrm{cov}(x_{ti}, s)}{\mathrm{var}(s)}

    with :math:`s` the logit of the target, less the mean of the others. A region that only helps to
    cancel noise has a large weight and no pattern. The map is one of the class, over all references,
    not of the single sample: samples of one target get the same.

    Returns
    -------
    Tensor, shape of `x`
        Signed, in units of the input per logit.

    References
    ----------
    Haufe, Meinecke, Görgen, Dähne, Haynes, Blankertz, Biessmann (2014), On the interpretation of weight vectors of
    linear models in multivariate neuroimaging, doi:10.1016/j.neuroimage.2013.10.067, for an answer that need not
    be linear.
    """
    references = settings.references_for(x, "pattern")
    with torch.no_grad():
        logits = torch.cat([forward(part) for part in references.split(64)])
        others = (logits.sum(dim=1, keepdim=True) - logits) / max(1, logits.shape[1] - 1)
        score = logits - others
        score = score - score.mean(dim=0)
        centred = references - references.mean(dim=0)
        covariance = torch.einsum("nk,nti->kti", score, centred) / len(references)
        variance = score.pow(2).mean(dim=0).clamp_min(torch.finfo(x.dtype).tiny)
    return (covariance / variance.view(-1, 1, 1))[target]
