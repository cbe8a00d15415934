"""The decoder as a scikit-learn estimator: checks of our own, since scikit-learn's cannot test 3D input."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_predict

from fmri_saliency.decoding import Architecture, TaskDecoder, Training, load_decoder, save_decoder
from fmri_saliency.errors import ConfigError, DecoderError, InputError
from fmri_saliency.models import network_names
from fmri_saliency.records import Samples

QUICK = Training(max_epochs=4, learning_rate=0.02)
SMALL = Architecture(hidden_size=6, hops=2, attention_size=5, dropout=0.1)


@pytest.fixture(params=network_names())
def decoder(request: pytest.FixtureRequest) -> TaskDecoder:
    return TaskDecoder(request.param, SMALL, QUICK)


@pytest.fixture
def fitted(decoder: TaskDecoder, samples: Samples) -> TaskDecoder:
    return decoder.fit(samples.X, samples.y, samples.groups)


def test_parameters_survive_fit_and_clone(decoder: TaskDecoder, samples: Samples) -> None:
    before = decoder.get_params()
    decoder.fit(samples.X, samples.y, samples.groups)
    assert decoder.get_params() == before == clone(decoder).get_params()
    assert not hasattr(clone(decoder), "module_")
    assert clone(decoder).set_params(seed=3).seed == 3


def test_the_same_seed_gives_the_same_answer_and_leaves_the_generator_alone(
    decoder: TaskDecoder, samples: Samples
) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first = clone(decoder).fit(samples.X, samples.y, samples.groups).predict_proba(samples.X)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    again = clone(decoder).fit(samples.X, samples.y, samples.groups).predict_proba(samples.X)
    np.testing.assert_array_equal(first, again)
    other = clone(decoder).set_params(seed=1).fit(samples.X, samples.y, samples.groups).predict_proba(samples.X)
    assert not np.array_equal(first, other)


def test_threads_are_limited_while_it_works_and_given_back(decoder: TaskDecoder, samples: Samples) -> None:
    before = torch.get_num_threads()
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return torch.zeros(len(x), 2)

    decoder.set_params(threads=before + 1).fit(samples.X, samples.y, samples.groups)
    decoder.module_ = Spy()
    decoder.predict(samples.X)
    decoder.set_params(threads=0).predict(samples.X[:1])
    assert set(seen[:-1]) == {before + 1}
    assert seen[-1] == before
    assert torch.get_num_threads() == before


def test_answers_are_labels_and_probabilities(fitted: TaskDecoder, samples: Samples) -> None:
    assert fitted.classes_.tolist() == ["a", "b"]
    probability = fitted.predict_proba(samples.X)
    assert probability.shape == (32, 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    predicted = fitted.predict(samples.X)
    assert (predicted == fitted.classes_[probability.argmax(axis=1)]).all()
    assert fitted.score(samples.X, samples.y) == np.mean(predicted == samples.y)
    order = np.random.default_rng(0).permutation(32)
    np.testing.assert_allclose(fitted.predict_proba(samples.X[order]), probability[order], rtol=1e-5)
    np.testing.assert_allclose(fitted.decision_function(samples.X[:1]), fitted.decision_function(samples.X)[:1],
                               rtol=1e-4, atol=1e-6)  # fmt: skip


def test_it_learns(samples: Samples) -> None:
    model = TaskDecoder(architecture=SMALL, training=Training(max_epochs=60, learning_rate=0.02))
    held_out = np.isin(samples.groups, ["sub-00", "sub-01"])
    model.fit(samples.X[~held_out], samples.y[~held_out], samples.groups[~held_out])
    assert model.score(samples.X[held_out], samples.y[held_out]) >= 0.75
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]


def test_it_stops_early_on_people_it_does_not_train_on(samples: Samples) -> None:
    """Give the held-out people labels that contradict the others': the best epoch must be an early one."""
    y = samples.y.copy()
    model = TaskDecoder(architecture=SMALL, training=Training(max_epochs=100, patience=5, learning_rate=0.05))
    held = model._held_out(y, samples.groups, None)
    assert set(samples.groups[held]).isdisjoint(samples.groups[~held])
    y[held] = np.where(y[held] == "a", "b", "a")
    model.fit(samples.X, y, samples.groups)
    assert model.stopped_by_ == "patience"
    assert len(model.history_) < 50
    losses = [row["valid_loss"] for row in model.history_]
    assert int(np.argmin(losses)) == len(losses) - 6 or len(losses) <= 6


def test_without_groups_all_epochs_are_run(decoder: TaskDecoder, samples: Samples) -> None:
    decoder.fit(samples.X, samples.y)
    assert (decoder.stopped_by_, len(decoder.history_)) == ("max_epochs", 4)
    assert decoder.history_[0]["valid_loss"] is None


def test_it_fits_into_cross_validation(decoder: TaskDecoder, samples: Samples) -> None:
    answers = cross_val_predict(decoder, samples.X, samples.y, groups=samples.groups, cv=GroupKFold(4))
    assert set(answers) <= {"a", "b"}


def test_numbers_and_integers_as_labels(samples: Samples) -> None:
    y = np.where(samples.y == "a", 10, 20)
    model = TaskDecoder("lstm", SMALL, QUICK).fit(samples.X.astype(np.float64), y, samples.groups)
    assert set(model.predict(samples.X)) <= {10, 20}


def test_a_copy_by_pickle_answers_alike(fitted: TaskDecoder, samples: Samples) -> None:
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(samples.X), fitted.predict_proba(samples.X))


def test_tags_say_three_dimensions(decoder: TaskDecoder) -> None:
    tags = decoder.__sklearn_tags__()
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array


def test_an_unfitted_decoder_says_so(decoder: TaskDecoder, samples: Samples) -> None:
    with pytest.raises(NotFittedError):
        decoder.predict(samples.X)


def test_one_message_for_each_wrong_input(decoder: TaskDecoder, samples: Samples) -> None:
    X, y, groups = samples.X, samples.y, samples.groups
    with pytest.raises(DecoderError, match=r"\(20, 5\) came. Add an axis for one sample"):
        decoder.fit(X[0], y)
    bad = X.copy()
    bad[3, 4, 2] = np.nan
    with pytest.raises(DecoderError, match="sample 3 has nan at time step 4, region 2"):
        decoder.fit(bad, y)
    bad[3, 4, 2] = np.inf
    with pytest.raises(DecoderError, match="has inf"):
        decoder.fit(bad, y)
    with pytest.raises(DecoderError, match="every label is 'a'"):
        decoder.fit(X, ["a"] * 32)
    with pytest.raises(DecoderError, match="32 samples and labels of shape"):
        decoder.fit(X, y[:-1])
    with pytest.raises(DecoderError, match="no sample"):
        decoder.fit(X[:0], y[:0])
    with pytest.raises(DecoderError, match="must be real numbers"):
        decoder.fit(X.astype(str), y)
    with pytest.raises(DecoderError, match="One group per sample"):
        decoder.fit(X, y, groups[:-1])
    with pytest.raises(DecoderError, match="at least two groups"):
        decoder.fit(X, y, ["me"] * 32)
    with pytest.raises(DecoderError, match="validation must be 32 booleans"):
        decoder.fit(X, y, validation=np.zeros(32))
    with pytest.raises(DecoderError, match="No training sample of class 'a'"):
        decoder.fit(X, y, validation=y == "a")
    decoder.fit(X, y, groups)
    with pytest.raises(DecoderError, match="trained on 5 regions; samples with 4 came"):
        decoder.predict(X[:, :, :4])


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Architecture, {"hidden_size": 0}, "hidden_size in .* must be above 0"),
        (Architecture, {"dropout": 1.0}, "dropout .* below 1"),
        (Architecture, {"readout": "lost"}, "Did you mean 'last'"),
        (Training, {"learning_rate": 0.0}, "learning_rate in .* must be above 0"),
        (Training, {"weight_decay": -0.1}, "weight_decay in .* at least 0"),
    ],
)
def test_wrong_settings(kind: type, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        kind(**settings)


def test_weights_come_back_without_pickle(fitted: TaskDecoder, samples: Samples, tmp_path: object) -> None:
    save_decoder(fitted, tmp_path, {"inputs": "x"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    again = load_decoder(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(samples.X), fitted.predict_proba(samples.X))
    (tmp_path / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match=r"do not fit model\.json"):
        load_decoder(tmp_path)
