"""A scikit-learn classifier of region time series around a recurrent network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from fmri_saliency.decoding.checkpoint import EpochCheckpoint
from fmri_saliency.decoding.linear import fit_linear
from fmri_saliency.decoding.settings import Architecture, Training
from fmri_saliency.decoding.threads import deterministic_algorithms, limited_threads
from fmri_saliency.decoding.training import EpochBar, train_network
from fmri_saliency.errors import DecoderError
from fmri_saliency.files import digest
from fmri_saliency.models import LINEAR_NETWORKS, make_network, needs_length

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
        Initial weights, order of batches, dropout and the choice of held-out groups.
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
    classes_ : ndarray of str
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
        network: str | torch.nn.Module | Callable[[int, int], torch.nn.Module] = "input-cell-lstm",
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
        self, X: np.ndarray, y: Sequence[Any], groups: Sequence[Any] | None = None, validation: Any = None
    ) -> TaskDecoder:
        """Train on samples (n_samples, n_times, n_regions) with one label each.

        Parameters
        ----------
        X : array, shape (n_samples, n_times, n_regions)
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
        X = self._check_samples(X)
        y = np.asarray(y)
        if y.shape != (len(X),):
            raise DecoderError(f"One label per sample is needed: {len(X)} samples and labels of shape {y.shape} came.")
        encoder = LabelEncoder().fit(y)
        if len(encoder.classes_) < 2:
            raise DecoderError(f"Decoding needs at least two classes; every label is '{encoder.classes_[0]}'.")
        held_out = self._held_out(y, groups, validation)
        missing = set(encoder.classes_) - set(y[~held_out])
        if missing:
            raise DecoderError(f"No training sample of class '{sorted(missing)[0]}' is left after holding out "
                               f"{held_out.sum()} samples for early stopping; give more groups.")
        self.classes_ = encoder.classes_
        self.n_times_in_, self.n_regions_in_ = X.shape[1:]
        self._train(X, encoder.transform(y).astype(np.int64), held_out)
        return self

    def _check_samples(self, X: Any) -> np.ndarray:
        X = np.asarray(X)
        if X.ndim != 3:
            raise DecoderError(f"TaskDecoder reads samples of shape (n_samples, n_times, n_regions); {X.shape} came."
                               + (" Add an axis for one sample: X[None]." if X.ndim == 2 else ""))
        if not len(X):
            raise DecoderError("TaskDecoder was given no sample.")
        if not np.issubdtype(X.dtype, np.number) or np.iscomplexobj(X):
            raise DecoderError(f"Samples must be real numbers; the type is {X.dtype}.")
        bad = ~np.isfinite(X)
        if bad.any():
            sample, time, region = (int(i[0]) for i in np.nonzero(bad))
            raise DecoderError(f"Samples must be finite; sample {sample} has {X[sample, time, region]} at time step "
                               f"{time}, region {region} ({bad.sum()} such values). Fill or drop them first.")
        return np.ascontiguousarray(X, dtype=np.float32)

    def _held_out(self, y: np.ndarray, groups: Any, validation: Any) -> np.ndarray:
        if validation is not None:
            mask = np.asarray(validation)
            if mask.shape != y.shape or mask.dtype != bool:
                raise DecoderError(f"validation must be {len(y)} booleans; {mask.dtype} of shape {mask.shape} came.")
            return mask
        if groups is None:
            return np.zeros(len(y), dtype=bool)
        groups = np.asarray(groups)
        if groups.shape != y.shape:
            raise DecoderError(f"One group per sample is needed: {len(y)} samples, groups of shape {groups.shape}.")
        if len(set(groups.tolist())) < 2:
            raise DecoderError("Early stopping needs at least two groups, one to train on and one to stop on; all "
                               f"samples are of '{groups[0]}'. Give more groups, or none.")
        splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=self.seed)
        _, chosen = next(splitter.split(y, y, groups))
        mask = np.zeros(len(y), dtype=bool)
        mask[chosen] = True
        return mask

    def _train(self, X: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> None:
        training = self.training or Training()
        threads = 1 if training.deterministic else self.threads
        with torch.random.fork_rng(), limited_threads(threads), deterministic_algorithms(training.deterministic):
            torch.manual_seed(self.seed)
            module = self.build_module()
            if self.network in LINEAR_NETWORKS:
                balanced = training.class_weights == "balanced"
                fit_linear(str(self.network), module, X, target, balanced, self.seed)
                self.history_, self.stopped_by_ = [], "solver"
            else:
                callbacks = self._callbacks(X, target, held_out)
                valid = (X[held_out], target[held_out]) if held_out.any() else None
                module, self.history_, self.stopped_by_ = train_network(
                    module, (X[~held_out], target[~held_out]), valid, training, self.device, callbacks
                )
        self.module_ = module.eval()

    def _callbacks(self, X: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> list[Callback]:
        callbacks: list[Callback] = []
        if self.checkpoint is not None:
            settings = {**asdict(self.training or Training()), **asdict(self.architecture or Architecture())}
            inputs = digest(X, target, held_out, settings, str(self.network), self.seed)
            callbacks.append(EpochCheckpoint(Path(self.checkpoint), inputs))
        if self.progress:
            callbacks.append(EpochBar())
        return callbacks

    def untrained(self, seed: int) -> TaskDecoder:
        """Return a copy of this fitted decoder whose network has new weights, drawn with `seed`."""
        check_is_fitted(self)
        other = copy.copy(self)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            other.module_ = self.build_module().eval()
        return other

    def build_module(self) -> torch.nn.Module:
        """Return an untrained network for the shape and classes seen in :meth:`fit`.

        Raises
        ------
        DecoderError
            If the network is none of the names, a module, or a function that makes one, or does not
            answer with one logit per class.
        """
        n_classes = len(self.classes_)
        if isinstance(self.network, str):
            settings = {**vars(self.architecture or Architecture()), "n_times": self.n_times_in_}
            module = make_network(self.network, self.n_regions_in_, n_classes, **settings)
        elif isinstance(self.network, torch.nn.Module):
            module = copy.deepcopy(self.network)
        elif callable(self.network):
            module = self.network(self.n_regions_in_, n_classes)
        else:
            raise DecoderError(f"network must be a name, a torch module, or a function (n_regions, n_classes) that "
                               f"makes one; {type(self.network).__name__} came.")
        module = module.to(self.device)
        with torch.no_grad(), torch.random.fork_rng():
            answer = module(torch.zeros(2, self.n_times_in_, self.n_regions_in_, device=self.device))
        if tuple(answer.shape) != (2, n_classes):
            raise DecoderError(f"The network must answer (batch, time, region) with {n_classes} logits, one per class; "
                               f"for 2 samples {tuple(answer.shape)} came.")
        return module

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the logits, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = self._check_samples(X)
        if X.shape[2] != self.n_regions_in_:
            raise DecoderError(f"The decoder was trained on {self.n_regions_in_} regions; samples with {X.shape[2]} "
                               "came. Extract them with the same atlas.")
        if isinstance(self.network, str) and needs_length(self.network) and X.shape[1] != self.n_times_in_:
            raise DecoderError(f"The network '{self.network}' was trained on {self.n_times_in_} time steps; samples "
                               f"with {X.shape[1]} came. Cut them alike.")
        size = (self.training or Training()).batch_size
        with torch.no_grad(), limited_threads(self.threads):
            parts = [
                self.module_(torch.from_numpy(X[begin : begin + size]).to(self.device)).cpu().numpy()
                for begin in range(0, len(X), size)
            ]
        return np.concatenate(parts)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the softmax of the logits, shape (n_samples, n_classes)."""
        logits = torch.from_numpy(self.decision_function(X)).double()
        return torch.softmax(logits, dim=1).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the label with the largest logit, shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self.decision_function(X).argmax(axis=1)]
