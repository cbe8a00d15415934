"""What can be asked for by name: networks, and the kinds of their parts. Words only, so that asking is quick."""

from __future__ import annotations

from fmri_saliency.settings import bounds

__all__ = ["FLAT_NETWORKS", "FORMS", "LINEAR_NETWORKS", "POOLINGS", "READOUTS", "needs_length", "network_names"]

FORMS = ("mean", "flatten", "flatten_l2")
READOUTS = ("last", "mean", "max", "attention")
LINEAR_NETWORKS = ("logistic-regression", "linear-svm")
FLAT_NETWORKS = ("feed-forward", *LINEAR_NETWORKS)
POOLINGS = {"max-pooling": "max", "mean-pooling": "mean", "self-attention": "attention"}
"""Read-outs that are part of a network's name."""
CELLS = ("lstm", "gru", "rnn")

# what the shape of a network may be
SIZE = bounds(above=0, high=4096)
LAYERS = bounds(above=0, high=100)
FRAMES = bounds(above=0, high=1_000_000, unit="frames")
DROPOUT = bounds(low=0, below=1, words="at least 0 and below 1")
BIAS = bounds(low=-1000, high=1000)


def network_names() -> list[str]:
    """Return the names that :func:`~fmri_saliency.models.make_network` knows."""
    kinds = ("", "input-cell-")
    recurrent = [f"{both}{kind}{cell}" for both in ("", "bi-") for kind in kinds for cell in CELLS]
    pooled = [f"{kind}lstm-{pooling}" for kind in kinds for pooling in POOLINGS]
    return sorted([*recurrent, *pooled, "tcn", "transformer", *FLAT_NETWORKS])


def needs_length(name: str) -> bool:
    """Return whether a network reads samples of one number of time steps only, `n_times`."""
    return name in FLAT_NETWORKS
