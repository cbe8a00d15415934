"""The training loop: skorch's, with early stopping on held-out people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from tqdm.auto import tqdm

from fmri_saliency.decoding.augment import ExplainableNet
from fmri_saliency.decoding.settings import Training
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import DecoderError

__all__ = ["EpochBar", "train_network"]

Data = tuple[np.ndarray | Rows, np.ndarray]


class EpochBar(Callback):
    """A progress bar over epochs."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Begin where training begins."""
        done = len(net.history)
        self.bar_ = tqdm(total=done + net.max_epochs, initial=done, desc="Training", unit="epoch")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Go on by one epoch and show its losses."""
        row = net.history[-1]
        self.bar_.set_postfix({key: f"{row[key]:.3f}" for key in ("train_loss", "valid_loss") if key in row})
        self.bar_.update()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Leave the bar as it stands."""
        self.bar_.close()


def _class_weights(target: np.ndarray, device: str) -> torch.Tensor:
    counts = np.bincount(target)
    return torch.tensor(len(target) / (len(counts) * counts), dtype=torch.float32, device=device)


def train_network(
    module: torch.nn.Module,
    train: Data,
    valid: Data | None,
    training: Training,
    device: str = "cpu",
    callbacks: Sequence[Callback] = (),
) -> tuple[torch.nn.Module, list[dict[str, Any]], str]:
    """Train a network on samples, and stop on others if there are any.

    Parameters
    ----------
    module : Module
        (batch, time, region) to logits; trained in place.
    train, valid : pairs of arrays
        Samples (n_samples, n_times, n_regions) and numbers of classes; `valid` may be None.
    training : Training
    device : str
    callbacks : sequence of Callback
        Run after the package's own; one that has an attribute ``stop`` is given the early stopping.

    Returns
    -------
    module : Module
        With the weights of the best epoch on `valid`, else of the last.
    history : list of dict
        `epoch`, `train_loss` and `valid_loss` of every epoch.
    stopped_by : str
        ``"patience"`` or ``"max_epochs"``.

    Raises
    ------
    KeyboardInterrupt
        If training was interrupted.
    DecoderError
        If it diverged.
    """
    own: list[tuple[str, Any]] = [("clip", GradientNormClipping(training.gradient_clip))]
    stop = None
    if valid is not None:
        stop = EarlyStopping(patience=training.patience, load_best=True, monitor="valid_loss", sink=_silent)
        own.append(("stop", stop))
    for callback in callbacks:
        if hasattr(callback, "stop"):
            callback.stop = stop
    net = ExplainableNet(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        criterion__weight=_class_weights(train[1], device) if training.class_weights == "balanced" else None,
        optimizer=torch.optim.AdamW,
        lr=training.learning_rate,
        optimizer__weight_decay=training.weight_decay,
        max_epochs=training.max_epochs,
        batch_size=training.batch_size,
        iterator_train__shuffle=True,
        train_split=predefined_split(Dataset(*valid)) if valid is not None else None,
        callbacks=own + [(type(callback).__name__, callback) for callback in callbacks],
        device=device,
        verbose=0,
        way=training.way,
        share=training.share,
        block=training.block,
    )
    net.fit(*train)
    stopped = stop is not None and stop.misses_ >= stop.patience
    whole = len(net.history) and net.history[-1].get("train_loss") is not None  # an epoch's row is there from its start
    if not stopped and (len(net.history) < training.max_epochs or not whole):
        raise KeyboardInterrupt  # skorch takes an interruption for the end of training
    if not all(torch.isfinite(value).all() for value in net.module_.parameters()):
        raise DecoderError(f"Training diverged: weights are not finite after {len(net.history)} epochs. Lower "
                           f"learning_rate ({training.learning_rate:g}), or look for extreme values in the samples.")
    keys = ("epoch", "train_loss", "valid_loss")
    history = [{key: row.get(key) for key in keys} for row in net.history]
    return net.module_, history, "patience" if stopped else "max_epochs"


def _silent(message: str) -> None:
    """Receive skorch's remarks about early stopping, which belong in `stopped_by`."""
