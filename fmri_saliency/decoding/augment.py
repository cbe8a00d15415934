"""Ways of training that make a network's maps say more: random replacement, and saliency-guided training."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from torch import Tensor

__all__ = ["ExplainableNet", "replace_blocks"]



def replace_blocks(x: Tensor, share: float, block: int) -> Tensor:
    """Replace random blocks of a region and `block` consecutive steps by those of other samples of the batch.

    Every block has a donor of its own, drawn at random: with a single one, a sample of which more than half
    is replaced would be the donor under a wrong label.

    Parameters
    ----------
    x : Tensor, shape (batch, time, region)
    share : float
        Of the blocks, on average.
    block : int
        Time steps; where the first block begins is drawn anew.

    Returns
    -------
    Tensor, shape of `x`
        A sample of which half the blocks are others' can still be told apart, and the network meets in
        training what explanations by removal show it (Turbé et al. 2023, doi:10.1038/s42256-023-00620-w).
    """
    n, n_times, n_regions = x.shape
    shift = int(torch.randint(block, (1,)))
    which = (torch.arange(n_times, device=x.device) + shift) // block
    chosen = torch.rand(n, int(which[-1]) + 1, n_regions, device=x.device) < share
    donor = torch.randint(n, chosen.shape, device=x.device)[:, which]
    step, region = torch.arange(n_times, device=x.device), torch.arange(n_regions, device=x.device)
    return torch.where(chosen[:, which], x[donor, step.unsqueeze(1), region], x)


class ExplainableNet(NeuralNetClassifier):
    """skorch's classifier with a choice of how it is trained.

    Parameters
    ----------
    way : {"plain", "replacement", "saliency-guided"}
        ``replacement``: :func:`replace_blocks` on every batch. ``saliency-guided`` (Ismail, Corrada
        Bravo, Feizi 2021, arXiv:2111.14338, algorithm 1): the `share` of cells with the smallest
        absolute gradient of the true class's logit is replaced by uniform noise between the sample's smallest
        and largest value, and the answer shall stay the same, by the Kullback-Leibler divergence.
    share : float
        Of blocks, or of cells.
    block : int
        Time steps of a block.
    """

    def __init__(self, *args: Any, way: str = "plain", share: float = 0.5, block: int = 10, **kwargs: Any) -> None:
        self.way = way
        self.share = share
        self.block = block
        super().__init__(*args, **kwargs)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Train on one batch, in the chosen way."""
        if self.way == "plain":
            return super().train_step_single(batch, **fit_params)
        x, y = (torch.as_tensor(part, device=self.device) for part in batch)
        if self.way == "replacement":
            return super().train_step_single((replace_blocks(x, self.share, self.block), y), **fit_params)
        masked = self._mask_least(x, y)
        self._set_training(True)
        answer, other = self.infer(x), self.infer(masked)
        loss = self.get_loss(answer, y, X=x, training=True)
        divergence = torch.nn.functional.kl_div(
            other.log_softmax(dim=1), answer.log_softmax(dim=1), reduction="batchmean", log_target=True
        )
        loss = loss + divergence
        loss.backward()
        return {"loss": loss, "y_pred": answer}

    def _mask_least(self, x: Tensor, y: Tensor) -> Tensor:
        """Replace the cells with the smallest gradient by noise in the sample's range."""
        self._set_training(False)
        inputs = x.detach().clone().requires_grad_()
        with torch.backends.cudnn.flags(enabled=False):
            chosen = self.infer(inputs).gather(1, y.view(-1, 1)).sum()
            (gradient,) = torch.autograd.grad(chosen, inputs)
        flat = gradient.abs().flatten(1)
        count = int(self.share * flat.shape[1])
        least = flat.argsort(dim=1, stable=True)[:, :count]
        gone = torch.zeros_like(flat, dtype=torch.bool).scatter(1, least, True).view_as(x)
        low, high = x.amin(dim=(1, 2), keepdim=True), x.amax(dim=(1, 2), keepdim=True)
        # drawn for every cell, so that two cells of like gradient change no other cell's noise with their places
        return torch.where(gone, low + (high - low) * torch.rand_like(x), x)
