"""Latent attention: which parts may be replaced by other people's data without the network noticing."""

from __future__ import annotations

import torch
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings, Forward

__all__ = ["explain_latent_attention"]

DRAWS = 4


def explain_latent_attention(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    r"""Return how little of each cell may be replaced, by optimising a mask for every sample.

    With :math:`A \in [0, 1]` the share that is replaced and :math:`\eta` a random training sample,

    .. math:: \tilde x = A \eta + (1 - A) x, \qquad
        \min_A \; E_\eta\big[ KL(p(x) \,\|\, p(\tilde x)) \big] - \beta \, \mathrm{mean}(A)

    and the importance is :math:`1 - A`, from 0 (may be replaced) to 1 (must be kept). One value is
    shared by `window` consecutive steps of a region. What is explained is the network's whole answer,
    not one class's logit.

    Returns
    -------
    Tensor, shape of `x`
        Not signed.

    References
    ----------
    Grimm, Arumugam, Karamcheti, Abel, Wong, Littman (2017), arXiv:1706.00536: the form that is
    optimised per sample, with noise from training samples. All samples of a call see the same
    draws, so that a sample's mask does not depend on the others.
    """
    references = settings.references_for(x, "latent-attention")
    n_times = x.shape[1]
    block = torch.arange(n_times, device=x.device) // settings.window
    free = torch.zeros(len(x), int(block[-1]) + 1, x.shape[2], dtype=x.dtype, device=x.device, requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=settings.learning_rate)
    with torch.no_grad():
        wanted = forward(x).log_softmax(dim=1)
    for _ in range(settings.iterations):
        chosen = references[torch.randint(len(references), (DRAWS,)).to(x.device)]
        replaced = free.sigmoid()[:, block]
        mixed = replaced.unsqueeze(1) * chosen + (1 - replaced).unsqueeze(1) * x.unsqueeze(1)
        answer = forward(mixed.flatten(0, 1)).log_softmax(dim=1).unflatten(0, (len(x), DRAWS))
        change = (wanted.exp().unsqueeze(1) * (wanted.unsqueeze(1) - answer)).sum(dim=2).mean(dim=1)
        loss = change - settings.size_penalty * replaced.mean(dim=(1, 2))
        optimiser.zero_grad()
        loss.sum().backward(inputs=[free])
        optimiser.step()
    return 1 - free.detach().sigmoid()[:, block]
