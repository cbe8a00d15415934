"""A scikit-learn classifier of region time series around a recurrent network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from fmri_saliency.decoding.settings import Architecture, Training
from fmri_saliency.decoding.threads import limited_threads
from fmri_saliency.errors import DecoderError
from fmri_saliency.models import make_network

__all__ = ["TaskDecoder"]


class TaskDecoder(ClassifierMixin, BaseEstimator):
    """Classify region time series by task with a recurrent network.

    Parameters
    ----------
    network : str
        One of :func:`fmri_saliency.models.network_names`.
    architecture : Architecture, optional
    training : Training, optional
    seed : int
        Initial weights, order of batches, dropout and the choice of held-out groups.
    device : str
        As PyTorch names it.
    threads : int
        Threads that PyTorch may use; 0 leaves its own setting. See :func:`limited_threads`.

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
        ``"patience"`` or ``"max_epochs"``.

    Notes
    -----
    Training stops early on groups (people) that it does not train on: with `groups` in
    :meth:`fit` a fifth of them is held out, and the weights of the best epoch on them are
    kept. Without groups there is nobody to stop on, and all epochs are run.
    """

    def __init__(
        self,
        network: str = "input-cell-lstm",
        architecture: Architecture | None = None,
        training: Training | None = None,
        seed: int = 0,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.network = network
        self.architecture = architecture
        self.training = training
        self.seed = seed
        self.device = device
        self.threads = threads

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
            If shapes do not fit, values are not finite, or there is only one class.
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

    def _make_net(self, module: torch.nn.Module, valid: Dataset | None) -> NeuralNetClassifier:
        training = self.training or Training()
        callbacks: list[Any] = [("clip", GradientNormClipping(training.gradient_clip))]
        if valid is not None:
            stop = EarlyStopping(patience=training.patience, load_best=True, monitor="valid_loss", sink=_silent)
            callbacks.append(("stop", stop))
        return NeuralNetClassifier(
            module,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=training.learning_rate,
            optimizer__weight_decay=training.weight_decay,
            max_epochs=training.max_epochs,
            batch_size=training.batch_size,
            iterator_train__shuffle=True,
            train_split=predefined_split(valid) if valid is not None else None,
            callbacks=callbacks,
            device=self.device,
            verbose=0,
        )

    def _train(self, X: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> None:
        valid = Dataset(X[held_out], target[held_out]) if held_out.any() else None
        with torch.random.fork_rng(), limited_threads(self.threads):
            torch.manual_seed(self.seed)
            net = self._make_net(self.build_module(), valid)
            net.fit(X[~held_out], target[~held_out])
        rows = net.history
        self.history_ = [
            {"epoch": r["epoch"], "train_loss": r["train_loss"], "valid_loss": r.get("valid_loss")} for r in rows
        ]
        limit = (self.training or Training()).max_epochs
        self.stopped_by_ = "max_epochs" if len(rows) >= limit else "patience"
        self.module_ = net.module_.eval()

    def build_module(self) -> torch.nn.Module:
        """Return an untrained network for the shape and classes seen in :meth:`fit`."""
        settings = vars(self.architecture or Architecture())
        module = make_network(self.network, self.n_regions_in_, len(self.classes_), **settings)
        return module.to(self.device)

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


def _silent(message: str) -> None:
    """Receive skorch's remarks about early stopping, which belong in `stopped_by_`."""
