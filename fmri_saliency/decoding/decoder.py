"""A scikit-learn classifier of region time series around a recurrent network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from fmri_saliency.decoding.checkpoint import EpochCheckpoint
from fmri_saliency.decoding.checks import check_labels, check_samples, choose_held_out
from fmri_saliency.decoding.linear import fit_linear
from fmri_saliency.decoding.modules import NetworkLike, build_module, fingerprint_module, renew_module
from fmri_saliency.decoding.settings import Architecture, Training, check_device
from fmri_saliency.decoding.threads import deterministic_algorithms, limited_threads
from fmri_saliency.decoding.training import EpochBar, train_network
from fmri_saliency.disk.files import digest
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import DecoderError
from fmri_saliency.models import LINEAR_NETWORKS, needs_length

__all__ = ["TaskDecoder"]


class TaskDecoder(ClassifierMixin, BaseEstimator):
    """Classify region time series by task with a recurrent network.

    Parameters
    ----------
    network : str, torch.nn.Module or callable
        One of :func:`fmri_saliency.models.network_names`; or a module that maps (batch, time, region)
        to logits, which is copied; or a function ``(n_regions, n_classes)`` that makes one.
    architecture : Architecture, optional
    training : Training, optional
    seed : int
        Initial weights (a module that is given keeps its own), order of batches, dropout and the choice of
        held-out groups.
    device : str
        As PyTorch names it.
    threads : int
        Threads that PyTorch may use; 0 leaves its own setting. See :func:`limited_threads`.
    checkpoint : path, optional
        A file that training writes after every epoch and, when it is there for the same samples and
        settings, goes on from. It is left when training ends.
    progress : bool
        Show a progress bar over epochs.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted; the order of the logits.
    module_ : torch.nn.Module
        The trained network, in evaluation mode: (batch, time, region) to logits.
    n_regions_in_, n_times_in_ : int
        Shape of a training sample.
    history_ : list of dict
        `epoch`, `train_loss` and `valid_loss` of every epoch.
    stopped_by_ : str
        ``"patience"``, ``"max_epochs"``, or ``"solver"`` for the linear models of scikit-learn.

    Notes
    -----
    Training stops early on groups (people) that it does not train on: with `groups` in
    :meth:`fit` a fifth of them is held out, and the weights of the best epoch on them are
    kept. Without groups there is nobody to stop on, and all epochs are run.
    """

    def __init__(
        self,
        network: NetworkLike = "input-cell-lstm",
        architecture: Architecture | None = None,
        training: Training | None = None,
        seed: int = 0,
        device: str = "cpu",
        threads: int = 1,
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.network = network
        self.architecture = architecture
        self.training = training
        self.seed = seed
        self.device = device
        self.threads = threads
        self.checkpoint = checkpoint
        self.progress = progress

    def fit(
        self, X: np.ndarray | Rows, y: Sequence[Any], groups: Sequence[Any] | None = None, validation: Any = None
    ) -> TaskDecoder:
        """Train on samples (n_samples, n_times, n_regions) with one label each.

        Parameters
        ----------
        X : array, shape (n_samples, n_times, n_regions)
            May be memory-mapped, or :class:`~fmri_saliency.disk.rows.Rows` of such an array: a network is then trained
            with no more than a batch of it in memory.
        y : sequence of labels, length n_samples
        groups : sequence, length n_samples, optional
            Who each sample came from; used to hold out people for early stopping.
        validation : boolean array, length n_samples, optional
            The samples to stop on, chosen by the caller; beats `groups`.

        Raises
        ------
        DecoderError
            If shapes do not fit, values are not finite, there is only one class, or the network does
            not answer with one logit per class.
        KeyboardInterrupt
            If training is interrupted; with a `checkpoint` the next call goes on from the last epoch.
        """
        X = check_samples(X)
        y = check_labels(y, len(X))
        held_out = choose_held_out(y, groups, validation, self.seed)
        check_device(self.device)
        encoder = LabelEncoder().fit(y)
        shape = (X.shape[1], X.shape[2], len(encoder.classes_))
        self._train(X, encoder.transform(y).astype(np.int64), held_out, shape)
        # only now: a fit that fails or is interrupted leaves an earlier one whole
        self.classes_ = encoder.classes_
        self.n_times_in_, self.n_regions_in_ = X.shape[1:]
        return self

    def _train(
        self, X: np.ndarray | Rows, target: np.ndarray, held_out: np.ndarray, shape: tuple[int, int, int]
    ) -> None:
        training = self.training or Training()
        threads = 1 if training.deterministic else self.threads
        with torch.random.fork_rng(), limited_threads(threads), deterministic_algorithms(training.deterministic):
            torch.manual_seed(self.seed)
            module = build_module(self.network, self.architecture or Architecture(), shape, self.device)
            if isinstance(self.network, str) and self.network in LINEAR_NETWORKS:
                fit_linear(self.network, module, X, target, training.class_weights == "balanced", self.seed)
                history, stopped_by = [], "solver"
            else:
                callbacks = self._callbacks(module, X, target, held_out)
                valid = (Rows(X, held_out), target[held_out]) if held_out.any() else None
                module, history, stopped_by = train_network(
                    module, (Rows(X, ~held_out), target[~held_out]), valid, training, self.device, callbacks
                )
        self.module_, self.history_, self.stopped_by_ = module.eval(), history, stopped_by

    def _callbacks(
        self, module: torch.nn.Module, X: np.ndarray | Rows, target: np.ndarray, held_out: np.ndarray
    ) -> list[Callback]:
        callbacks: list[Callback] = []
        if self.checkpoint is not None:
            settings, network = asdict(self.training or Training()), fingerprint_module(module)
            inputs = digest(X, target, held_out, settings, network, self.seed)
            callbacks.append(EpochCheckpoint(Path(self.checkpoint), inputs))
        if self.progress:
            callbacks.append(EpochBar())
        return callbacks

    def untrained(self, seed: int) -> TaskDecoder:
        """Return a copy of this fitted decoder whose network has new weights, drawn with `seed`.

        Raises
        ------
        DecoderError
            If the network was given as a module with layers that cannot draw new weights.
        """
        check_is_fitted(self)
        other = copy.copy(self)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = self.build_module()
            other.module_ = (renew_module(module) if isinstance(self.network, torch.nn.Module) else module).eval()
        return other

    def build_module(self) -> torch.nn.Module:
        """Return an untrained network for the shape and classes seen in :meth:`fit`."""
        shape = (self.n_times_in_, self.n_regions_in_, len(self.classes_))
        return build_module(self.network, self.architecture or Architecture(), shape, self.device)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def logits(self, X: np.ndarray | Rows) -> np.ndarray:
        """Return the network's answers, shape (n_samples, n_classes); samples are read batch by batch."""
        check_is_fitted(self)
        X = check_samples(X)
        if X.shape[2] != self.n_regions_in_:
            raise DecoderError(f"The decoder was trained on {self.n_regions_in_} regions; samples with {X.shape[2]} "
                               "came. Extract them with the same atlas.")
        if isinstance(self.network, str) and needs_length(self.network) and X.shape[1] != self.n_times_in_:
            raise DecoderError(f"The network '{self.network}' was trained on {self.n_times_in_} time steps; samples "
                               f"with {X.shape[1]} came. Cut them alike.")
        size = (self.training or Training()).batch_size
        with torch.no_grad(), limited_threads(self.threads):
            parts = [
                self.module_(torch.tensor(X[begin : begin + size]).to(self.device)).cpu().numpy()
                for begin in range(0, len(X), size)
            ]
        return np.concatenate(parts)

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the logits (n_samples, n_classes); of two classes the second's less the first's, (n_samples,)."""
        logits = self.logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the softmax of the logits, shape (n_samples, n_classes)."""
        return torch.softmax(torch.from_numpy(self.logits(X)).double(), dim=1).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the label with the largest logit, shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self.logits(X).argmax(axis=1)]
