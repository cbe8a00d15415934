"""The paper's networks, trained and explained with the settings of the authors' published code.

Where that code and this differ: training ends at a number of minibatches (theirs: 400 epochs), and the weights of that
moment are used (theirs: those of the best accuracy on the test data); arithmetic is single precision in training
(theirs double throughout); self-attention over the hidden states has one row (theirs the mean of several).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from fmri_saliency.attribution import attribute
from fmri_saliency.evidence import localise, paper_scores
from fmri_saliency.models import Readout, make_network

HIDDEN, HOPS, ATTENTION = 5, 20, 50


@dataclass(frozen=True)
class Variant:
    """A network of the paper.

    Attributes
    ----------
    network : str
        Name for :func:`make_network`.
    published : str
        The row of the paper's table that it stands beside; empty where the paper's number is not known.
    settings : dict
        Of :func:`make_network`.
    both_at_end : bool
        Read both directions at the last step, where the backward one has seen a single input, as the
        authors' code does.
    double_softmax : bool
        Train with the cross-entropy of a softmax of the softmax, as the authors' code does.
    """

    network: str
    published: str = ""
    settings: dict[str, object] = field(default_factory=dict)
    both_at_end: bool = False
    double_softmax: bool = True


VARIANTS = {
    "LSTM": Variant("lstm", "LSTM"),
    "Bi-LSTM, read at the last step": Variant("bi-lstm", "Bi-LSTM", both_at_end=True, double_softmax=False),
    "Bi-LSTM, read at both ends": Variant("bi-lstm", double_softmax=False),
    "LSTM + self-attention": Variant("lstm-self-attention", "self-attention"),
    "input-cell (mean)": Variant("input-cell-lstm", "input-cell"),
    "input-cell (flatten)": Variant("input-cell-lstm", "input-cell", {"form": "flatten"}),
    "input-cell (flatten_l2)": Variant("input-cell-lstm", "input-cell", {"form": "flatten_l2"}),
    "LSTM + max pooling": Variant("lstm-max-pooling"),
    "LSTM + mean pooling": Variant("lstm-mean-pooling"),
    "input-cell + max pooling": Variant("input-cell-lstm-max-pooling"),
    "input-cell + mean pooling": Variant("input-cell-lstm-mean-pooling"),
    "input-cell + self-attention": Variant("input-cell-lstm-self-attention"),
}
MAIN = tuple(VARIANTS)[:7]  # what the paper's main text compares


def build(
    variant: Variant, n_regions: int, n_classes: int, seed: int, sizes: tuple[int, int, int] = (HIDDEN, HOPS, ATTENTION)
) -> nn.Module:
    """Return a network with the authors' initial weights; `sizes` are hidden units, hops and attention units."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hidden, hops, attention = sizes
        module = make_network(
            variant.network, n_regions, n_classes, hidden_size=hidden, hops=hops, attention_size=attention, dropout=0.1,
            **variant.settings,
        )  # fmt: skip
        if variant.network.startswith("input-cell"):
            for weight in module.encoder.parameters():
                nn.init.xavier_uniform_(weight) if weight.ndim > 1 else nn.init.zeros_(weight)
        else:
            module.encoder.layer.reset_parameters()  # PyTorch's own, without a forget bias
        if variant.both_at_end:
            module.readout = Readout("last", 2 * hidden)
    return module.eval()


def standardise(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Scale every cell (step and region) to mean 0 and deviation 1 over the training samples."""
    scaler = StandardScaler().fit(train.reshape(len(train), -1))
    return [scaler.transform(x.reshape(len(x), -1)).reshape(x.shape).astype(np.float32) for x in (train, *others)]


def all_right(module: nn.Module, x: torch.Tensor, y: torch.Tensor, size: int = 250) -> bool:
    """Return whether every sample is classified rightly, looking no further than the first that is not."""
    module.eval()
    with torch.no_grad():
        return all(bool((module(a).argmax(1) == b).all()) for a, b in zip(x.split(size), y.split(size), strict=True))


def train(
    module: nn.Module, x: np.ndarray, y: np.ndarray, seed: int, at_most: int, look_every: int,
    double_softmax: bool = True, batch_size: int = 50, learning_rate: float = 1e-3,
) -> tuple[int, bool]:  # fmt: skip
    """Train in place with Adam until all training samples are right; return minibatches, and whether they are.

    Parameters
    ----------
    x, y : ndarray
        Samples (n_samples, n_times, n_regions) and numbers of classes.
    at_most : int
        Minibatches.
    look_every : int
        Minibatches between two looks at the training accuracy.
    double_softmax : bool
        See :class:`Variant`.
    """
    inputs, target = torch.from_numpy(x), torch.from_numpy(y)
    optimiser, done = torch.optim.Adam(module.parameters(), lr=learning_rate), 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        while done < at_most:
            for chosen in torch.randperm(len(inputs)).split(batch_size):
                module.train()
                answer = module(inputs[chosen])
                answer = answer.softmax(dim=1) if double_softmax else answer
                optimiser.zero_grad()
                nn.functional.cross_entropy(answer, target[chosen]).backward()
                optimiser.step()
                done += 1
                if done % look_every == 0 and all_right(module, inputs, target):
                    return done, True
                if done == at_most:
                    break
    module.eval()
    return done, False


def train_variant(
    variant: Variant, module: nn.Module, x: np.ndarray, y: np.ndarray, seed: int, at_most: int, batch_size: int = 50,
    learning_rate: float = 1e-3,
) -> dict[str, object]:  # fmt: skip
    """Train as the authors' code does, and say how it ended."""
    every = 3 if variant.network.startswith("input-cell") else 10
    batches, right = train(module, x, y, seed, at_most, every, variant.double_softmax, batch_size, learning_rate)
    return {"minibatches": batches, "stopped_by": "training accuracy of 1" if right else "cap",
            "train_accuracy": round(accuracy(module, x, y), 4)}  # fmt: skip


def predict(module: nn.Module, x: np.ndarray, size: int = 250) -> np.ndarray:
    """Return the number of the class with the largest logit, per sample."""
    with torch.no_grad():
        return np.concatenate([module(part).argmax(1).numpy() for part in torch.from_numpy(x).split(size)])


def accuracy(module: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of right answers."""
    return float(np.mean(predict(module, x) == y))


def explain(module: nn.Module, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the paper's saliency: the absolute slope of the true class's probability, in double precision.

    In single precision the slope at early steps of an LSTM, and that of a sure answer, are zero.
    """
    wide = module.double()
    try:
        found = attribute(
            lambda inputs: wide(inputs).softmax(dim=1), torch.from_numpy(x).double(), torch.from_numpy(y), "gradient",
            batch_size=20,
        )  # fmt: skip
    finally:
        module.float()
    return found.abs().numpy()


def last_tenth(maps: np.ndarray) -> float:
    """Return the share of saliency in the last tenth of the steps, mean over samples; 0.1 is even."""
    mass = np.abs(maps).sum(axis=2)
    steps = max(1, round(0.1 * mass.shape[1]))
    total = mass.sum(axis=1)
    share = np.divide(mass[:, -steps:].sum(axis=1), total, out=np.full(len(mass), np.nan), where=total > 0)
    return float(np.nanmean(share))


def judge(maps: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the paper's scores, and those that do measure localisation; means over samples."""
    jaccard, distance = paper_scores(maps, truth)
    found = localise(maps, truth)
    scores = {"weighted_jaccard": jaccard, "euclidean": distance, "auroc": found.auroc, "auprc": found.auprc,
              "last_tenth_share": last_tenth(maps)}  # fmt: skip
    return {name: round(value, 4) for name, value in scores.items()}


def judge_baselines(x: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Return the scores of maps that know nothing of any network."""
    noise, ones = np.random.default_rng([seed, 7]).random(truth.shape), np.ones(truth.shape)
    ones[:, 0, 0] = 0  # an even map is scaled to zeros: this one keeps its ones
    maps = {"random map": noise, "absolute input": np.abs(x), "all ones": ones}
    jaccard, distance = paper_scores(np.zeros(truth.shape), truth)
    zero = {"weighted_jaccard": jaccard, "euclidean": distance, "auroc": 0.5, "auprc": round(float(truth.mean()), 4)}
    return {name: judge(one, truth) for name, one in maps.items()} | {"all zeros": zero | {"last_tenth_share": None}}


def run_variant(label: str, data: Sequence[np.ndarray], seed: int, at_most: int) -> dict[str, object]:
    """Train and explain one network.

    `data` are training x and y, test x and y, and x, y and truth of what is explained.
    """
    x, y, x_test, y_test, x_some, y_some, truth = data
    variant = VARIANTS[label]
    module = build(variant, x.shape[2], len(np.unique(y)), seed)
    fresh = {"accuracy": round(accuracy(module, x_test, y_test), 4), **judge(explain(module, x_some, y_some), truth)}
    ended = train_variant(variant, module, x, y, seed, at_most)
    scores = {"accuracy": round(accuracy(module, x_test, y_test), 4), **judge(explain(module, x_some, y_some), truth)}
    return {**scores, **ended, "untrained": fresh}
