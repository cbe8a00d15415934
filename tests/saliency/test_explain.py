"""Explaining a decoder: what is explained, with which sign, and how it is kept."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fmri_saliency.attribution import METHODS, attribute, completeness_gap
from fmri_saliency.decoding import Architecture, TaskDecoder, Training
from fmri_saliency.disk.rows import Rows
from fmri_saliency.errors import ConfigError, DecoderError, InputError
from fmri_saliency.records import Saliency, Samples
from fmri_saliency.saliency import (
    SaliencySettings,
    begin_saliency,
    explain_samples,
    read_saliency,
    write_saliency,
    write_saliency_card,
)
from fmri_saliency.saliency.explain import smooth_over_time


@pytest.fixture(scope="module")
def decoder() -> TaskDecoder:
    from making import make_samples

    samples = make_samples()
    model = TaskDecoder(architecture=Architecture(hidden_size=6), training=Training(max_epochs=30))
    return model.fit(samples.X, samples.y, samples.groups)


def explain(decoder: TaskDecoder, samples: Samples, training: np.ndarray | None = None, **settings: object) -> Saliency:
    return explain_samples(
        decoder, samples.X, samples.y, samples.t_r, samples.names, SaliencySettings(**settings), training
    )


def test_it_is_the_attribution_of_the_samples_own_class(decoder: TaskDecoder, samples: Samples) -> None:
    found = explain(decoder, samples, method="gradient")
    target = torch.tensor([0 if y == "a" else 1 for y in samples.y])
    wanted = attribute(decoder.module_, torch.from_numpy(samples.X), target, "gradient")
    np.testing.assert_array_equal(found.values, wanted.numpy())
    assert found.labels == tuple(samples.y)
    assert (found.unit, found.baseline) == ("logit per unit of signal", "none")
    assert found.target == "logit of the sample's class"


def test_the_predicted_class_can_be_explained(decoder: TaskDecoder, samples: Samples) -> None:
    found = explain(decoder, samples, target="predicted", method="input-x-gradient")
    assert found.labels == tuple(decoder.predict(samples.X))
    assert (found.target, found.unit) == ("logit of the prediction's class", "logit")


@pytest.mark.parametrize("method", ["latent-attention", "gradient-shap", "window-shap", "pattern", "pattern-local"])
def test_methods_that_replace_inputs_use_the_training_samples(
    decoder: TaskDecoder, samples: Samples, method: str
) -> None:
    few = replace(samples, X=samples.X[:2], table=samples.table[:2])
    with pytest.raises(InputError, match="give training samples of all classes as references"):
        explain(decoder, few, method=method)
    found = explain(decoder, few, samples.X, method=method, n_samples=4)
    assert found.unit == METHODS[method].unit
    assert np.isfinite(found.values).all()
    assert not np.array_equal(found.values, explain(decoder, few, samples.X[:8], method=method, n_samples=4).values)


@pytest.mark.parametrize("baseline", ["zero", "training-mean"])
def test_integrated_gradients_sum_to_the_change_of_the_logit(
    decoder: TaskDecoder, samples: Samples, baseline: str
) -> None:
    mean = samples.X.mean(axis=0)
    found = explain(decoder, samples, samples.X, baseline=baseline, steps=64)
    reference = torch.from_numpy(mean) if baseline == "training-mean" else 0.0
    gap = completeness_gap(
        decoder.module_, torch.from_numpy(samples.X), torch.tensor([int(y == "b") for y in samples.y]),
        torch.from_numpy(found.values), reference,
    )  # fmt: skip
    assert gap.abs().max() < 1e-3
    assert found.baseline == baseline


def test_smoothing_keeps_the_sum_and_has_the_asked_width() -> None:
    values = np.zeros((1, 101, 2))
    values[0, 50, 0] = values[0, 2, 1] = 1.0
    smooth = smooth_over_time(values, fwhm=10.0, t_r=0.5)
    np.testing.assert_allclose(smooth.sum(axis=1), 1, rtol=1e-6)
    profile = smooth[0, :, 0]
    assert profile[40] == pytest.approx(profile[50] / 2, rel=0.02)  # half the height at half the width: 5 s, 10 frames
    assert smooth_over_time(values, 0.0, 0.5) is values


def test_what_cannot_be_explained(decoder: TaskDecoder, samples: Samples) -> None:
    strange = replace(samples, table=samples.table.assign(label="c"))
    with pytest.raises(DecoderError, match="not trained on class 'c'"):
        explain(decoder, strange)
    with pytest.raises(DecoderError, match="needs the training samples"):
        explain(decoder, samples, baseline="training-mean")


@pytest.mark.parametrize(
    "settings", [{"method": "lrp"}, {"target": "all"}, {"baseline": "one"}, {"steps": 1}, {"smoothing": -1.0}]
)
def test_wrong_settings(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(settings))}"):
        SaliencySettings(**settings)


def plain(saliency: Saliency) -> dict[str, object]:
    """Return everything but the values: arrays have no one answer to whether they are equal."""
    return {item.name: getattr(saliency, item.name) for item in fields(saliency) if item.name != "values"}


def test_it_comes_back_from_disk(saliency: Saliency, tmp_path: Path) -> None:
    write_saliency(saliency, tmp_path / "deep" / "fold-1", {"inputs": "x"})
    again = read_saliency(tmp_path / "deep" / "fold-1")
    np.testing.assert_array_equal(again.values, saliency.values)
    assert plain(again) == plain(saliency)
    (tmp_path / "deep" / "fold-1.npy").write_bytes(b"x")
    with pytest.raises(InputError, match="missing or damaged"):
        read_saliency(tmp_path / "deep" / "fold-1")


@pytest.mark.parametrize("method", ["input-x-gradient", "gradient-shap", "integrated-gradients"])
def test_maps_made_piece_by_piece_on_disk_are_those_in_memory(
    decoder: TaskDecoder, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    settings = SaliencySettings(method, baseline="training-mean", steps=4, n_samples=3, smoothing=2.0)
    about = samples.t_r, samples.names, settings
    wanted = explain_samples(decoder, samples.X[:20], samples.y[:20], *about, samples.X[20:])
    np.save(tmp_path / "X.npy", samples.X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    monkeypatch.setattr("fmri_saliency.saliency.explain.PIECE", 16)
    rows, others = Rows(mapped, np.arange(20)), Rows(mapped, np.arange(20, 32))
    found = explain_samples(decoder, rows, samples.y[:20], *about, others, to=begin_saliency(tmp_path / "maps"))
    assert isinstance(found.values, np.memmap)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert plain(found) == plain(wanted)
    write_saliency_card(found, tmp_path / "maps", {"fold": 1})
    write_saliency(wanted, tmp_path / "other", {"fold": 1})
    for kind in (".npy", ".json"):
        assert (tmp_path / f"maps{kind}").read_bytes() == (tmp_path / f"other{kind}").read_bytes()


def test_of_very_many_training_samples_a_part_is_shown(
    decoder: TaskDecoder, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, shown = replace(samples, X=samples.X[:2], table=samples.table[:2]), []
    monkeypatch.setattr("fmri_saliency.saliency.explain.MOST_REFERENCES", 10 * 20 * 5 * 4 + 3)

    def watched(*given: object, references: torch.Tensor | None = None, **more: object) -> torch.Tensor:
        shown.append(references)
        return attribute(*given, references=references, **more)

    monkeypatch.setattr("fmri_saliency.saliency.explain.attribute", watched)
    explain(decoder, few, samples.X, method="gradient-shap", n_samples=2)
    explain(decoder, few, samples.X[:10], method="gradient-shap", n_samples=2)
    explain(decoder, few, samples.X, method="gradient")
    assert (len(shown[0]), shown[2]) == (10, None)
    where = [int(np.flatnonzero((one.numpy() == samples.X).all(axis=(1, 2)))[0]) for one in shown[0]]
    assert where == sorted(set(where))
    assert where != list(range(10))
    np.testing.assert_array_equal(shown[1], samples.X[:10])
