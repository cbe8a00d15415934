"""Ask a trained decoder which regions at which moments spoke for a label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from fmri_saliency.attribution import METHODS, attribute
from fmri_saliency.decoding import TaskDecoder, limited_threads
from fmri_saliency.disk.files import write_rows
from fmri_saliency.disk.rows import Rows, sum_rows
from fmri_saliency.errors import DecoderError
from fmri_saliency.records import Saliency
from fmri_saliency.saliency.settings import SaliencySettings

__all__ = ["explain_samples", "smooth_over_time"]

MOST_REFERENCES = 2**28  # bytes of training samples that are put before a method; of more, a part is drawn
PIECE = 256  # samples that are read, explained and written together


def smooth_over_time(values: np.ndarray, fwhm: float, t_r: float) -> np.ndarray:
    """Smooth along the time axis of (n, n_times, n_regions) with a Gaussian of `fwhm` seconds.

    The ends are mirrored, so that the sum over time is kept.
    """
    if fwhm <= 0:
        return values
    sigma = fwhm / t_r / (2 * np.sqrt(2 * np.log(2)))
    return gaussian_filter1d(values, sigma, axis=1, mode="reflect")


def explain_samples(
    decoder: TaskDecoder,
    X: np.ndarray | Rows,
    y: Any,
    t_r: float,
    names: tuple[str, ...],
    settings: SaliencySettings | None = None,
    training: np.ndarray | Rows | None = None,
    start: float = 0.0,
    to: Path | None = None,
) -> Saliency:
    """Explain samples that the decoder was not trained on.

    Parameters
    ----------
    decoder : TaskDecoder
        Fitted.
    X : array, shape (n_samples, n_times, n_regions)
        Memory-mapped arrays and :class:`~fmri_saliency.disk.rows.Rows` of them are read piece by piece.
    y : sequence of labels
        Their labels.
    t_r : float
        Seconds per frame.
    names : tuple of str
        Region names.
    settings : SaliencySettings, optional
    training : array, shape (n_training, n_times, n_regions), optional
        The samples that the decoder was trained on; needed for ``baseline = "training-mean"`` and by
        methods that replace inputs by other samples, which are shown 256 MiB of them at most, drawn at random.
    start : float
        Seconds from the run's first frame, or the event's onset, to the first time step.
    to : Path, optional
        A ``.npy`` file that the maps are written to while they are made, so that no more than a piece of them is
        in memory.

    Returns
    -------
    Saliency
        Signed; one map per sample, labelled by the class whose logit was explained. Memory-mapped with `to`.

    Raises
    ------
    DecoderError
        If a label was unseen in training, or the training mean is missing.
    """
    settings = settings or SaliencySettings()
    y = np.asarray(y, dtype=str) if settings.target == "true" else decoder.predict(X).astype(str)
    unseen = sorted(set(y.tolist()) - set(decoder.classes_.astype(str).tolist()))
    if unseen:
        raise DecoderError(f"The decoder was not trained on class '{unseen[0]}', so it has no logit to explain.")
    baseline: Any = 0.0
    if settings.baseline == "training-mean":
        if training is None:
            raise DecoderError("baseline 'training-mean' needs the training samples.")
        mean = sum_rows(training) / np.float32(len(training))
        baseline = torch.as_tensor(mean, dtype=torch.float32, device=decoder.device)
    options = {"baseline": baseline, "references": _references(training, settings, decoder), "steps": settings.steps,
               "seed": decoder.seed, "n_samples": settings.n_samples}  # fmt: skip
    if settings.window is not None:
        options["window"] = settings.window
    maps = _explain_pieces(decoder, X, y, t_r, settings, options)
    if to is None:
        values = np.concatenate(list(maps))
    else:
        write_rows(to, X.shape, maps)
        values = np.load(to, mmap_mode="r")
    method = METHODS[settings.method]
    return Saliency(
        values=values,
        labels=tuple(y.tolist()),
        t_r=t_r,
        names=names,
        method=settings.method,
        target=f"logit of the {'sample' if settings.target == 'true' else 'prediction'}'s class",
        baseline=settings.baseline if method.uses_baseline else "none",
        unit=method.unit,
        seed=decoder.seed,
        n_averaged=(1,) * len(y),
        start=start,
    )


def _references(training: np.ndarray | Rows | None, settings: SaliencySettings, decoder: TaskDecoder) -> Any:
    """Return the training samples that a method is shown, all or as many as fit; none where it looks at none."""
    if training is None or not (METHODS[settings.method].uses_references or settings.method == "temporal-rescaling"):
        return None
    most = MOST_REFERENCES // max(1, 4 * training.shape[1] * training.shape[2])
    if len(training) > most:
        drawn = np.random.default_rng(decoder.seed).choice(len(training), size=max(1, most), replace=False)
        training = Rows(training, np.sort(drawn))
    return torch.tensor(np.asarray(training, np.float32), device=decoder.device)


def _explain_pieces(
    decoder: TaskDecoder, X: np.ndarray | Rows, y: np.ndarray, t_r: float, settings: SaliencySettings, options: Any
) -> Iterator[np.ndarray]:
    """Yield the maps of samples, some at a time; all at once for methods that learn from the samples together."""
    targets = torch.as_tensor(np.searchsorted(decoder.classes_.astype(str), y), device=decoder.device)
    size = len(X) if METHODS[settings.method].prior else PIECE
    for begin in range(0, len(X), max(1, size)):
        piece = slice(begin, begin + size)
        inputs = torch.tensor(np.asarray(X[piece], dtype=np.float32), device=decoder.device)
        with limited_threads(decoder.threads):
            found = attribute(decoder.module_, inputs, targets[piece], settings.method, **options).cpu()
        yield smooth_over_time(found.numpy(), settings.smoothing, t_r)
