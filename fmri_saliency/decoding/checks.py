"""What a decoder is given, checked once at its door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils.multiclass import check_classification_targets

from fmri_saliency.disk.rows import Rows, pieces
from fmri_saliency.errors import DecoderError

__all__ = ["check_labels", "check_samples", "choose_held_out"]


def check_samples(X: Any) -> np.ndarray | Rows:
    """Return samples as float32, shape (n_samples, n_times, n_regions).

    An array in single precision is returned as it is, memory-mapped or not, and so are chosen :class:`Rows` of
    one; their values are looked at piece by piece.

    Raises
    ------
    DecoderError
        If the shape is another, or a value is no finite number that single precision can hold.
    """
    X = X if isinstance(X, Rows) and X.dtype == np.float32 else np.asarray(X)
    if X.ndim != 3:
        raise DecoderError(f"TaskDecoder reads samples of shape (n_samples, n_times, n_regions); {X.shape} came."
                           + (" Add an axis for one sample: X[None]." if X.ndim == 2 else ""))
    if not len(X):
        raise DecoderError("TaskDecoder was given no sample.")
    if not X.size:
        raise DecoderError(f"Samples need at least one time step and one region; {X.shape} came.")
    if not np.issubdtype(X.dtype, np.number) or np.iscomplexobj(X):
        raise DecoderError(f"Samples must be real numbers; the type is {X.dtype}.")
    with np.errstate(over="ignore"):
        found = X if isinstance(X, Rows) else np.ascontiguousarray(X, dtype=np.float32)
    counts = {piece.start: int((~np.isfinite(found[piece])).sum()) for piece in pieces(found)}
    if any(counts.values()):
        begin = next(start for start, count in counts.items() if count)
        first = next(piece for piece in pieces(found) if piece.start == begin)
        sample, time, region = (int(i[0]) for i in np.nonzero(~np.isfinite(found[first])))
        value = X[begin + sample][time, region]
        raise DecoderError(f"Samples must be finite in single precision; sample {begin + sample} has {value} at time "
                           f"step {time}, region {region} ({sum(counts.values())} such values). Fill or drop them "
                           "first.")
    return found


def check_labels(y: Any, n_samples: int) -> np.ndarray:
    """Return labels, shape (n_samples,).

    Raises
    ------
    DecoderError
        If their number is another, one is missing, they are no classes, or there is only one class.
    """
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise DecoderError(f"One label per sample is needed: {n_samples} samples and labels of shape {y.shape} came.")
    missing = pd.isna(y)
    if missing.any():
        raise DecoderError(f"Every sample needs a label; sample {int(missing.argmax())} has none ({missing.sum()} "
                           "such).")
    try:
        check_classification_targets(y)
    except ValueError:
        raise DecoderError(f"Labels must name classes; they look like measurements: {y[:3].tolist()}, ...") from None
    if len(np.unique(y)) < 2:
        raise DecoderError(f"Decoding needs at least two classes; every label is '{y[0]}'.")
    return y


def choose_held_out(y: np.ndarray, groups: Any, validation: Any, seed: int) -> np.ndarray:
    """Return which samples training is stopped on, shape (n_samples,) of bool.

    Those of `validation`, else a fifth of the `groups`, else none.

    Raises
    ------
    DecoderError
        If the shapes do not fit, there is one group only, or a class is left without training samples.
    """
    mask = np.zeros(len(y), dtype=bool)
    if validation is not None:
        given = np.asarray(validation)
        if given.shape != y.shape or given.dtype != bool:
            raise DecoderError(f"validation must be {len(y)} booleans; {given.dtype} of shape {given.shape} came.")
        mask = given
    elif groups is not None:
        groups = np.asarray(groups)
        if groups.shape != y.shape:
            raise DecoderError(f"One group per sample is needed: {len(y)} samples, groups of shape {groups.shape}.")
        if pd.isna(groups).any():
            raise DecoderError("Every sample needs a group; some have none.")
        if len(set(groups.tolist())) < 2:
            raise DecoderError("Early stopping needs at least two groups, one to train on and one to stop on; all "
                               f"samples are of '{groups[0]}'. Give more groups, or none.")
        splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
        mask[next(splitter.split(y, y, groups))[1]] = True
    lost = sorted(set(y.tolist()) - set(y[~mask].tolist()))
    if lost:
        raise DecoderError(f"No training sample of class '{lost[0]}' is left after holding out {mask.sum()} samples "
                           "for early stopping; give more groups.")
    return mask
