"""The decoder as a scikit-learn estimator: checks of our own, since scikit-learn's cannot test 3D input."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fmri_saliency.decoding import Architecture, TaskDecoder, Training, load_decoder, save_decoder
from fmri_saliency.decoding.checkpoint import EpochCheckpoint
from fmri_saliency.decoding.checks import choose_held_out
from fmri_saliency.decoding.training import EpochBar
from fmri_saliency.disk.rows import Rows, pieces
from fmri_saliency.errors import ConfigError, DecoderError, InputError
from fmri_saliency.models import LINEAR_NETWORKS, make_network, needs_length, network_names
from fmri_saliency.records import Samples
from fmri_saliency.saliency import explain_samples

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
    assert np.array_equal(first, other) == (decoder.network == "logistic-regression")  # whose optimum is unique


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
    values = fitted.decision_function(samples.X)
    assert values.shape == (32,)  # two classes: as scikit-learn has it
    np.testing.assert_allclose(values, np.diff(fitted.logits(samples.X), axis=1)[:, 0], rtol=1e-6)
    np.testing.assert_allclose(fitted.decision_function(samples.X[:1]), values[:1], rtol=1e-3, atol=1e-5)


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
    held = choose_held_out(y, samples.groups, None, model.seed)
    assert set(samples.groups[held]).isdisjoint(samples.groups[~held])
    y[held] = np.where(y[held] == "a", "b", "a")
    model.fit(samples.X, y, samples.groups)
    assert model.stopped_by_ == "patience"
    assert len(model.history_) < 50
    losses = [row["valid_loss"] for row in model.history_]
    assert int(np.argmin(losses)) == len(losses) - 6 or len(losses) <= 6


def test_without_groups_all_epochs_are_run(decoder: TaskDecoder, samples: Samples) -> None:
    decoder.fit(samples.X, samples.y)
    if decoder.network in LINEAR_NETWORKS:
        assert (decoder.stopped_by_, decoder.history_) == ("solver", [])
        return
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
    with pytest.raises(DecoderError, match=r"single precision; sample 0 has 1e\+39"):
        decoder.fit(np.where(np.arange(32)[:, None, None] == 0, 1e39, X.astype(float)), y)
    with pytest.raises(DecoderError, match=r"at least one time step and one region; \(32, 0, 5\)"):
        decoder.fit(X[:, :0], y)
    with pytest.raises(DecoderError, match="sample 2 has none"):
        decoder.fit(X, [None if k == 2 else label for k, label in enumerate(y)])
    with pytest.raises(DecoderError, match="look like measurements"):
        decoder.fit(X, np.linspace(0.1, 0.9, 32))
    with pytest.raises(DecoderError, match="some have none"):
        decoder.fit(X, y, [None, *groups[1:]])
    with pytest.raises(ConfigError, match="'cuda:99' came"):
        clone(decoder).set_params(device="cuda:99").fit(X, y)
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
    if needs_length(decoder.network):
        with pytest.raises(DecoderError, match="trained on 20 time steps; samples with 19 came"):
            decoder.predict(X[:, :19])
    else:
        assert decoder.predict(X[:, :19]).shape == (32,)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Architecture, {"hidden_size": 0}, "hidden_size in .* must be above 0"),
        (Architecture, {"dropout": 1.0}, "dropout .* below 1"),
        (Architecture, {"readout": "lost"}, "Did you mean 'last'"),
        (Training, {"learning_rate": 0.0}, "learning_rate in .* must be above 0"),
        (Training, {"weight_decay": -0.1}, "weight_decay in .* at least 0"),
        (Training, {"way": "replace"}, "Did you mean 'replacement'"),
        (Training, {"share": 1.0}, "share in .* between 0 and 1"),
        (Training, {"block": 0}, "block in .* must be above 0"),
        (Training, {"class_weights": "balance"}, "Did you mean 'balanced'"),
        (Architecture, {"form": "flat"}, "Did you mean 'flatten'"),
        (Architecture, {"window": 0}, "window in .* must be above 0"),
        (Architecture, {"num_layers": 0}, "num_layers in .* must be above 0"),
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
    with pytest.raises(InputError, match=r"weights\.safetensors is damaged"):
        load_decoder(tmp_path)


@pytest.mark.parametrize("name", LINEAR_NETWORKS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_models_are_scikit_learns(name: str, n_classes: int, samples: Samples) -> None:
    y = np.resize(["a", "b", "c"][:n_classes], 32)
    model = TaskDecoder(name).fit(samples.X, y, samples.groups)
    kind = LogisticRegression(max_iter=2000) if name == "logistic-regression" else LinearSVC(random_state=0, dual=True)
    flat = samples.X.reshape(32, -1).astype(float)
    wanted = make_pipeline(StandardScaler(), kind).fit(flat, y)
    values = wanted.decision_function(flat)
    np.testing.assert_allclose(model.decision_function(samples.X), values, rtol=1e-4, atol=1e-4)
    assert (model.predict(samples.X) == wanted.predict(flat)).all()
    if name == "logistic-regression":
        np.testing.assert_allclose(model.predict_proba(samples.X), wanted.predict_proba(flat), atol=1e-5)


def test_a_network_of_ones_own(samples: Samples, tmp_path: Path) -> None:
    own = make_network("gru", 5, 2, hidden_size=3)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    model = TaskDecoder(own, training=QUICK).fit(samples.X, samples.y, samples.groups)
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())  # a copy is trained
    made = TaskDecoder(lambda n, k: make_network("rnn", n, k, hidden_size=3), training=QUICK).fit(samples.X, samples.y)
    assert set(made.predict(samples.X)) <= {"a", "b"}
    save_decoder(model, tmp_path)
    with pytest.raises(InputError, match="a network of one's own: give it as `network`"):
        load_decoder(tmp_path)
    again = load_decoder(tmp_path, network=own)
    np.testing.assert_array_equal(again.predict_proba(samples.X), model.predict_proba(samples.X))
    for wrong, words in (
        (make_network("gru", 5, 3), r"must map \(batch, time, region\) to \(batch, 2\) logits .* \(2, 3\) came"),
        (make_network("gru", 6, 2), "on samples of 20 steps and 5 regions it fails"),
        (torch.nn.LSTM(5, 2, batch_first=True), "it answers with a tuple"),
        (make_network("gru", 5, 2).double(), "logits in single precision; on samples"),
        (lambda n, k: 3, "that makes one; a function that makes a int came"),
        (torch.nn.LSTM, "that makes one; <class"),
    ):
        with pytest.raises(DecoderError, match=words):
            TaskDecoder(wrong, training=QUICK).fit(samples.X, samples.y)
    with pytest.raises(DecoderError, match="network must be a name, a torch module, or a function"):
        TaskDecoder(7, training=QUICK).fit(samples.X, samples.y)


def test_a_label_that_training_did_not_see_is_named(samples: Samples) -> None:
    model = TaskDecoder("gru", SMALL, QUICK).fit(samples.X, samples.y)
    with pytest.raises(DecoderError, match="was not trained on class 'c'"):
        explain_samples(model, samples.X[:1], ["c"], samples.t_r, samples.names)


def test_class_weights_make_up_for_a_rare_class(samples: Samples) -> None:
    """Samples that are all alike can be answered only by how frequent the classes are, or by even odds."""
    X = np.zeros((200, 6, 3), dtype=np.float32)
    y = np.array(["rare"] * 20 + ["usual"] * 180)
    share = {}
    for weights in ("none", "balanced"):
        training = Training(max_epochs=40, learning_rate=0.02, weight_decay=0.0, class_weights=weights)
        model = TaskDecoder("gru", SMALL, training).fit(X, y)
        share[weights] = model.predict_proba(X)[:, 0].mean()
    assert share["none"] == pytest.approx(0.1, abs=0.05)
    assert share["balanced"] == pytest.approx(0.5, abs=0.05)


def test_the_gradient_is_clipped(samples: Samples) -> None:
    model = TaskDecoder("gru", SMALL, Training(max_epochs=1, gradient_clip=1e-4)).fit(100 * samples.X, samples.y)
    norms = torch.stack([p.grad.norm() for p in model.module_.parameters()])
    assert norms.norm() <= 1.01e-4


class _StoppedError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("network", ["input-cell-lstm", "tcn"])
@pytest.mark.parametrize("with_groups", [True, False])
def test_training_goes_on_where_it_was_stopped(
    network: str, with_groups: bool, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = samples.groups if with_groups else None
    training = Training(max_epochs=30, patience=6, learning_rate=0.02)
    whole = TaskDecoder(network, SMALL, training).fit(samples.X, samples.y, groups)
    path = tmp_path / "state.safetensors"
    write = EpochCheckpoint.on_epoch_end

    def stop_after(n: int) -> None:
        def on_epoch_end(self: EpochCheckpoint, net: object, **kwargs: object) -> None:
            write(self, net, **kwargs)
            if len(net.history) == n:
                raise _StoppedError

        monkeypatch.setattr(EpochCheckpoint, "on_epoch_end", on_epoch_end)

    for n in (2, 5):
        stop_after(n)
        with pytest.raises(_StoppedError):
            TaskDecoder(network, SMALL, training, checkpoint=path).fit(samples.X, samples.y, groups)
    epochs = []
    monkeypatch.setattr(EpochCheckpoint, "on_epoch_end", lambda self, net, **_: epochs.append(len(net.history)))
    resumed = TaskDecoder(network, SMALL, training, checkpoint=path).fit(samples.X, samples.y, groups)
    monkeypatch.undo()
    assert epochs[0] == 6  # none of the first five was trained again
    assert resumed.history_ == whole.history_
    assert resumed.stopped_by_ == whole.stopped_by_
    np.testing.assert_array_equal(resumed.predict_proba(samples.X), whole.predict_proba(samples.X))
    other = TaskDecoder(network, SMALL, training, seed=1, checkpoint=path).fit(samples.X, samples.y, groups)
    fresh = TaskDecoder(network, SMALL, training, seed=1).fit(samples.X, samples.y, groups)
    np.testing.assert_array_equal(other.predict_proba(samples.X), fresh.predict_proba(samples.X))  # not mixed up
    path.write_bytes(b"damaged")
    again = TaskDecoder(network, SMALL, training, checkpoint=path).fit(samples.X, samples.y, groups)
    np.testing.assert_array_equal(again.predict_proba(samples.X), whole.predict_proba(samples.X))


def test_an_interruption_is_not_the_end_of_training(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """skorch takes Ctrl-C for a wish to keep what is there; half-trained weights must not pass for trained ones."""

    def interrupt(self: object, net: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EpochBar, "on_epoch_end", interrupt)
    model = TaskDecoder("gru", SMALL, QUICK, progress=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(samples.X, samples.y, samples.groups)
    assert not hasattr(model, "module_")


def test_progress_is_shown_when_asked_for(samples: Samples, capsys: pytest.CaptureFixture[str]) -> None:
    TaskDecoder("gru", SMALL, QUICK, progress=True).fit(samples.X, samples.y, samples.groups)
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "valid_loss" in shown
    TaskDecoder("gru", SMALL, QUICK).fit(samples.X, samples.y, samples.groups)
    assert capsys.readouterr().err == ""


def test_one_seed_gives_one_result_whatever_the_threads(samples: Samples) -> None:
    before = torch.get_num_threads()
    training = Training(max_epochs=5, learning_rate=0.02, deterministic=True)
    answers = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        model = TaskDecoder("input-cell-lstm", training=training, threads=0).fit(samples.X, samples.y, samples.groups)
        answers.append(model.set_params(threads=1).predict_proba(samples.X))
    torch.set_num_threads(before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert all(np.array_equal(answers[0], other) for other in answers[1:])


def test_two_modules_of_one_kind_do_not_share_a_checkpoint(samples: Samples, tmp_path: Path) -> None:
    path, answers = tmp_path / "state.safetensors", []
    for seed in (0, 1):
        torch.manual_seed(seed)
        own = make_network("gru", 5, 2, hidden_size=3)
        kept = TaskDecoder(own, training=QUICK, checkpoint=path).fit(samples.X, samples.y)
        fresh = TaskDecoder(own, training=QUICK).fit(samples.X, samples.y)
        np.testing.assert_array_equal(kept.predict_proba(samples.X), fresh.predict_proba(samples.X))
        answers.append(kept.predict_proba(samples.X))
    assert not np.array_equal(*answers)


def test_new_weights_are_new_for_names_modules_and_functions(samples: Samples) -> None:
    own = make_network("input-cell-lstm", 5, 2, hidden_size=3, hops=2, attention_size=3)
    for network in ("gru", own, lambda n, k: make_network("gru", n, k, hidden_size=3)):
        model = TaskDecoder(network, SMALL, QUICK).fit(samples.X, samples.y)
        first, second, again = (model.untrained(seed).predict_proba(samples.X) for seed in (1, 2, 1))
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, model.predict_proba(samples.X))

    class Raw(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(5, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=1) @ self.weight

    with pytest.raises(DecoderError, match="New weights cannot be drawn for 'weight' of Raw"):
        TaskDecoder(Raw(), training=QUICK).fit(samples.X, samples.y).untrained(0)


@pytest.mark.parametrize("epoch", [1, 4])
def test_a_refit_that_is_interrupted_leaves_the_earlier_fit_whole(
    epoch: int, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = TaskDecoder("gru", SMALL, QUICK, progress=True).fit(samples.X, samples.y)
    before = model.predict_proba(samples.X)

    def interrupt(self: object, net: object, **kwargs: object) -> None:
        if len(net.history) == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(EpochBar, "on_batch_begin", interrupt)  # in the middle of an epoch, the last one, too
    with pytest.raises(KeyboardInterrupt):
        model.fit(samples.X[:, :9], np.resize(["x", "y", "z"], 32))
    assert model.classes_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(model.predict_proba(samples.X), before)


def test_training_that_diverges_is_an_error(samples: Samples) -> None:
    training = Training(max_epochs=20, learning_rate=1000.0, weight_decay=1000.0)
    with pytest.raises(DecoderError, match=r"Training diverged: .* Lower learning_rate \(1000\)"):
        TaskDecoder("gru", SMALL, training).fit(samples.X, samples.y)


def test_a_probe_leaves_no_trace(samples: Samples) -> None:
    class Normed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.inner = torch.nn.BatchNorm1d(5), make_network("gru", 5, 2, hidden_size=3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(self.norm(x.transpose(1, 2)).transpose(1, 2))

    model = TaskDecoder(Normed(), training=Training(max_epochs=1, batch_size=32)).fit(samples.X, samples.y)
    assert model.module_.norm.num_batches_tracked == 1


def test_two_classes_work_with_scikit_learns_scores(samples: Samples) -> None:
    scores = cross_val_score(TaskDecoder("gru", SMALL, QUICK), samples.X, samples.y, cv=2, scoring="roc_auc",
                             error_score="raise")  # fmt: skip
    assert scores.shape == (2,)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect how many samples are read at a time, where pieces are of 3 samples."""
    found: list[int] = []
    take = Rows.__getitem__

    def counted(self: Rows, key: object) -> np.ndarray:
        part = take(self, key)
        found.append(1 if part.ndim == 2 else len(part))
        return part

    monkeypatch.setattr(Rows, "__getitem__", counted)
    monkeypatch.setattr(pieces, "__defaults__", (3 * 20 * 5 * 4,))
    return found


@pytest.mark.parametrize("way", ["plain", "replacement", "saliency-guided"])
def test_samples_on_disk_are_read_batch_by_batch_and_give_the_same_decoder(
    samples: Samples, tmp_path: Path, reads: list[int], way: str
) -> None:
    np.save(tmp_path / "X.npy", samples.X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    training = Training(max_epochs=3, batch_size=4, way=way)
    part = np.arange(31, 3, -1)  # a part of the samples, in another order
    wanted = TaskDecoder("input-cell-lstm", SMALL, training).fit(samples.X[part], samples.y[part], samples.groups[part])
    reads.clear()
    path = tmp_path / "unfinished.safetensors"
    decoder = TaskDecoder("input-cell-lstm", SMALL, training, checkpoint=path)
    decoder.fit(Rows(mapped, part), samples.y[part], samples.groups[part])
    answers = decoder.predict_proba(Rows(mapped, part))
    assert max(reads) <= 4
    assert sum(reads) >= 3 * len(part)
    np.testing.assert_array_equal(answers, wanted.predict_proba(samples.X[part]))
    np.testing.assert_array_equal(answers, decoder.predict_proba(mapped[part]))
    copied = TaskDecoder("input-cell-lstm", SMALL, training, checkpoint=path)  # goes on from it: the same samples
    copied.fit(np.array(samples.X[part]), samples.y[part], samples.groups[part])
    np.testing.assert_array_equal(copied.predict_proba(samples.X[part]), answers)


def test_a_value_that_is_not_finite_is_found_in_whichever_piece_it_lies(samples: Samples, reads: list[int]) -> None:
    X = samples.X.copy()
    X[17, 4, 2], X[29, 0, 0], X[29, 1, 1] = np.nan, np.inf, np.inf
    words = r"sample 17 has nan at time step 4, region 2 \(3 such values\)"
    for given in (X, Rows(X, np.arange(32))):
        with pytest.raises(DecoderError, match=words):
            TaskDecoder("gru", SMALL, QUICK).fit(given, samples.y)
    with pytest.raises(DecoderError, match=r"sample 1 has inf at time step 0, region 0 \(2 such"):
        TaskDecoder("gru", SMALL, QUICK).fit(Rows(X, [3, 29]), samples.y[[3, 29]])
