"""A network, how it is trained, and how it is explained: only together they make a map."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from fmri_saliency.attribution import METHODS, REFUSED, ExplainerSettings, attribute, method_names
from fmri_saliency.attribution.settings import POOLED
from fmri_saliency.decoding import Architecture, TaskDecoder, Training, limited_threads
from fmri_saliency.errors import ConfigError, DecoderError, InputError, one_of
from fmri_saliency.models import network_names
from fmri_saliency.settings import Settings, bounds

__all__ = ["DEFAULT_PAIR", "PAIRS", "Pair", "explain_pair"]

GIVEN = ("references", "seed")  # by whoever explains: training samples, and the seed of the trial


@dataclass(frozen=True)
class Pair(Settings, where="of the pair '{0.name}'"):
    """A network, how it is trained, and how it is explained.

    Attributes
    ----------
    name : str
    network : str
        One of :func:`fmri_saliency.models.network_names`.
    explainer : str
        One of :func:`fmri_saliency.attribution.method_names`.
    architecture : Architecture
    training : Training
    settings : dict
        Of the explainer: fields of :class:`fmri_saliency.attribution.ExplainerSettings` except `references`
        and `seed`.
    smoothing : float
        Standard deviation, in time steps, of a Gaussian over time applied to each sample's map; 0 = none.

    Raises
    ------
    ConfigError
        If a name or a setting is unknown, or a value cannot be used.
    """

    name: str
    network: str
    explainer: str
    architecture: Architecture = field(default_factory=Architecture)
    training: Training = field(default_factory=Training)
    settings: dict[str, Any] = field(default_factory=dict)
    smoothing: float = field(default=0.0, metadata=bounds(low=0, high=1_000_000, unit="time steps"))

    def _check_together(self) -> None:
        where = f"of the pair '{self.name}'"
        one_of(self.network, network_names(), f"The network {where}", ConfigError)
        if self.explainer in REFUSED:
            raise ConfigError(f"The explainer '{self.explainer}' {where} is refused on recurrent networks: "
                              f"{REFUSED[self.explainer]}.")
        one_of(self.explainer, method_names(), f"The explainer {where}", ConfigError)
        _check_explainer(self.explainer, self.settings, where)

    @property
    def contributes(self) -> bool:
        """Whether maps are contributions, ranked by their value; otherwise their absolute value counts."""
        return METHODS[self.explainer].multiplied_by_input


def _check_explainer(explainer: str, settings: dict[str, Any], where: str) -> None:
    """Refuse settings that the explainers do not have, of another kind, or that this one cannot use."""
    defaults = {item.name: item.default for item in fields(ExplainerSettings) if item.name not in GIVEN}
    for key, value in settings.items():
        one_of(key, defaults, f"A setting of the explainer {where}", ConfigError)
        kind = type(defaults[key])
        fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not fits or isinstance(value, bool) != (kind is bool):
            words = {int: "a whole number", float: "a number", str: "a text"}.get(kind, kind.__name__)
            raise ConfigError(f"{key} of the explainer {where} must be {words}; {value!r} came.")
    try:
        found = ExplainerSettings(**{**METHODS[explainer].defaults, **settings})
    except InputError as error:
        raise ConfigError(f"The explainer {where}: {error}") from None
    if explainer == "temporal-rescaling":
        bases = [name for name, one in METHODS.items() if not (one.one_by_one or one.defaults or name == explainer)]
        one_of(found.base, bases, f"base of the explainer {where}", ConfigError)
    if explainer == "latent-attention-network":
        for key, refused in (("replace_by", ("learned",)), ("parameterisation", POOLED)):
            if getattr(found, key) in refused:
                raise ConfigError(f"{key} of the explainer {where} must not be {' or '.join(refused)}, which "
                                  f"'{explainer}' cannot do; '{getattr(found, key)}' came.")
        if found.loss != "answer":
            raise ConfigError(f"loss of the explainer {where} must be 'answer': '{explainer}' explains whole answers; "
                              f"'{found.loss}' came.")


_BASE = {"learning_rate": 2e-3, "weight_decay": 0.1, "batch_size": 50, "max_epochs": 40}
_SIZE = {"hidden_size": 32, "dropout": 0.1}

# those that have a name of their own: what the package recommends, and what the paper did
PAIRS: dict[str, Pair] = {
    "recommended": Pair(
        "recommended", "bi-input-cell-lstm", "pooled-attention", Architecture(**_SIZE, readout="mean", window=3),
        Training(**_BASE, patience=40, way="replacement", share=0.85, block=10),
    ),
    "paper": Pair("paper", "input-cell-lstm", "gradient", Architecture(**_SIZE), Training(**_BASE, patience=8)),
}  # fmt: skip
DEFAULT_PAIR = "recommended"


def explain_pair(
    decoder: TaskDecoder, pair: Pair, X: np.ndarray, y: np.ndarray, references: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Explain the logit of each sample's label as the pair has it.

    Parameters
    ----------
    decoder : TaskDecoder
        Fitted; not necessarily by the pair's training, so that an untrained network can be explained, too.
    pair : Pair
    X : array, shape (n_samples, n_times, n_regions)
    y : array of labels, shape (n_samples,)
    references : array, shape (n_references, n_times, n_regions)
        Training samples of all classes.
    seed : int
        Of the explainer's draws.

    Returns
    -------
    ndarray of float32, shape of `X`
        Signed where the explainer is.

    Raises
    ------
    DecoderError
        If a label was unseen in training, or the number of regions differs.
    InputError
        If a value is not finite.
    """
    unseen = np.setdiff1d(y, decoder.classes_)
    if len(unseen):
        raise DecoderError(f"The decoder was not trained on class '{unseen[0]}', so it has no logit to explain.")
    if X.ndim != 3 or X.shape[2] != decoder.n_regions_in_:
        raise DecoderError(f"The decoder reads (n_samples, n_times, {decoder.n_regions_in_}); {X.shape} came.")
    X, references = np.asarray(X, np.float32), np.asarray(references, np.float32)
    inputs, targets = torch.as_tensor(X, device=decoder.device), np.searchsorted(decoder.classes_, y)
    with limited_threads(decoder.threads):
        maps = attribute(
            decoder.module_, inputs, torch.as_tensor(targets, device=decoder.device), pair.explainer,
            references=torch.as_tensor(references, device=decoder.device), seed=seed, **pair.settings,
        ).cpu().numpy()  # fmt: skip
    return gaussian_filter1d(maps, pair.smoothing, axis=1) if pair.smoothing else maps
