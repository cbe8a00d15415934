"""Pairs: what is refused, what the package has, and that explaining is what its parts do."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from fmri_saliency.attribution import METHODS, attribute
from fmri_saliency.decoding import Architecture, TaskDecoder, Training
from fmri_saliency.errors import ConfigError, DecoderError, InputError
from fmri_saliency.saliency import DEFAULT_PAIR, PAIRS, Pair, explain_pair


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": "lstn"}, "The network of the pair 'x' must be one of"),
        ({"explainer": "shap"}, "The explainer of the pair 'x' must be one of"),
        ({"explainer": "deep-lift"}, "is refused on recurrent networks: its rules do not reach"),
        ({"settings": {"windw": 3}}, "A setting of the explainer of the pair 'x' must be one of"),
        ({"settings": {"references": 3}}, "A setting of the explainer of the pair 'x' must be one of"),
        ({"settings": {"window": 2.5}}, "window of the explainer of the pair 'x' must be a whole number; 2.5 came"),
        ({"settings": {"window": True}}, "window of the explainer of the pair 'x' must be a whole number; True came"),
        ({"settings": {"window": 0}}, "window of an explanation must be at least 1; 0 came"),
        ({"settings": {"base": 1}}, "base of the explainer of the pair 'x' must be a text; 1 came"),
        ({"explainer": "temporal-rescaling", "settings": {"base": "gradeint"}}, "base of the explainer of the pair"),
        ({"explainer": "temporal-rescaling", "settings": {"base": "temporal-rescaling"}}, "base of the explainer of"),
        ({"explainer": "latent-attention-network", "settings": {"replace_by": "learned"}}, "must not be learned"),
        ({"explainer": "latent-attention-network", "settings": {"parameterisation": "pooled"}}, "; 'pooled' came"),
        ({"explainer": "latent-attention-network", "settings": {"loss": "logit"}}, "must be 'answer'"),
        ({"settings": {"noise": float("nan")}}, "noise of an explanation must be a finite number; nan came"),
        ({"settings": {"size_penalty": float("inf")}}, "size_penalty of an explanation must be a finite number; inf"),
        ({"settings": {"baseline": float("nan")}}, "baseline of an explanation must be finite; nan came"),
        ({"smoothing": float("inf")}, "smoothing of the pair 'x' must be a finite number; inf came"),
        ({"smoothing": -1.0}, "smoothing of the pair 'x' must be at least 0 time steps"),
    ],
)
def test_one_message_for_each_mistake(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        Pair(**{"name": "x", "network": "lstm", "explainer": "gradient", **change})
    assert words in str(error.value)


def test_the_packages_own_pairs() -> None:
    assert DEFAULT_PAIR in PAIRS
    assert all(name == pair.name for name, pair in PAIRS.items())
    assert (PAIRS["paper"].network, PAIRS["paper"].explainer) == ("input-cell-lstm", "gradient")
    assert PAIRS["paper"].training.way == "plain"
    assert not PAIRS["paper"].contributes
    assert Pair("x", "lstm", "gradient-shap", settings={"n_samples": 3, "noise": 0, "baseline": 1}).contributes


@pytest.mark.parametrize("base", METHODS)
def test_the_bases_that_load_are_those_that_run(base: str) -> None:
    x, settings = torch.randn(2, 4, 3), {"base": base, "n_samples": 2, "steps": 2}

    def loads() -> bool:
        try:
            return Pair("x", "lstm", "temporal-rescaling", settings=settings).settings == settings
        except ConfigError:
            return False

    def runs() -> bool:
        try:
            return attribute(lambda one: one.sum(dim=1)[:, :2], x, torch.tensor([0, 1]), "temporal-rescaling",
                             references=x, **settings).shape == x.shape  # fmt: skip
        except InputError:
            return False

    assert loads() == runs()


def test_explaining_is_attributing_and_smoothing() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 8, 3)).astype(np.float32), np.array(["u", "v"] * 10)
    sizes = Architecture(hidden_size=4, dropout=0.0)
    decoder = TaskDecoder("lstm", sizes, Training(max_epochs=1)).fit(X, y)
    pair = Pair("x", "lstm", "gradient-shap", sizes, settings={"n_samples": 5}, smoothing=1.5)
    inputs, targets = torch.from_numpy(X[:4]), torch.tensor([0, 1, 0, 1])
    plain = attribute(decoder.module_, inputs, targets, "gradient-shap", references=torch.from_numpy(X), n_samples=5,
                      seed=7).numpy()  # fmt: skip
    found = explain_pair(decoder, pair, X[:4], y[:4], X, seed=7)
    np.testing.assert_allclose(found, gaussian_filter1d(plain, 1.5, axis=1), atol=1e-7)
    assert np.abs(found - plain).max() > 0.1 * np.abs(plain).max()
    assert (explain_pair(decoder, pair, X[:4], y[:4], X, seed=8) != found).any()


def test_what_a_decoder_cannot_explain_is_refused() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 8, 3)), np.array([1, 3] * 10)
    decoder = TaskDecoder("lstm", Architecture(hidden_size=4), Training(max_epochs=1)).fit(X, y)
    pair = Pair("x", "lstm", "gradient")
    assert explain_pair(decoder, pair, X[:2], y[:2], X).shape == (2, 8, 3)  # double precision is taken, too
    with pytest.raises(DecoderError, match="was not trained on class '2'"):
        explain_pair(decoder, pair, X[:2], np.array([1, 2]), X)
    with pytest.raises(DecoderError, match=r"reads \(n_samples, n_times, 3\); \(2, 8, 2\) came"):
        explain_pair(decoder, pair, X[:2, :, :2], y[:2], X)
    with pytest.raises(InputError, match="must be finite"):
        explain_pair(decoder, pair, np.where(X[:2] > 0, np.nan, X[:2]), y[:2], X)
