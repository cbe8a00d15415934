"""Data with known truth: shapes and places by hand, and a signal that is where the truth says."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.simulation import dataset_names, make
from fmri_saliency.simulation.benchmark import LAYOUTS, PROCESSES, make_benchmark
from fmri_saliency.simulation.boxes import BOXES
from fmri_saliency.simulation.planted import bold_noise


def test_there_are_seven_boxes_twice_seventy_sets_and_four_more() -> None:
    names = dataset_names()
    assert len(set(names)) == len(names) == 7 + 7 + 70 + 4
    assert names[:7] == ["earlier", "middle", "latter", "mixed", "three_earlier", "three_middle", "moving"]


@pytest.mark.parametrize("name", dataset_names())
def test_every_set_gives_arrays_that_fit_and_the_same_for_the_same_seed(name: str) -> None:
    inputs, labels, truth = make(name, 12, 3)
    assert inputs.dtype == np.float32
    assert truth.dtype == bool
    assert inputs.shape == truth.shape
    assert inputs.ndim == 3
    assert len(inputs) == len(labels) == 12
    assert np.isfinite(inputs).all()
    assert truth.any(axis=(1, 2)).all()
    assert not truth.all(axis=(1, 2)).any()
    again = make(name, 12, 3)
    assert all(np.array_equal(one, other) for one, other in zip((inputs, labels, truth), again, strict=True))
    assert not np.array_equal(make(name, 12, 4)[0], inputs)
    if name not in ("state", "switch-feature", "digits"):
        assert sorted(labels.tolist()) == [0] * 6 + [1] * 6


@pytest.mark.parametrize(
    ("name", "share"),
    [("earlier", 0.24), ("middle", 0.36), ("latter", 0.24), ("mixed", 0.36), ("three_earlier", 0.36),
     ("three_middle", 0.36), ("moving", 0.36)],
)  # fmt: skip
def test_boxes_are_the_papers(name: str, share: float) -> None:
    """Shares of cells in boxes, as the paper's generator has them."""
    truth = make(name, 200, 0)[2]
    assert truth.shape == (200, 100, 100)
    assert truth.mean(axis=(1, 2)) == pytest.approx(share)
    places = {one.tobytes() for one in truth}
    assert len(places) == len(BOXES[name].boxes)


def test_the_first_and_last_cells_of_the_earlier_box() -> None:
    truth = make("earlier", 2, 0)[2][0]
    assert truth[0, 10]
    assert truth[29, 89]
    assert not truth[30].any()
    assert not truth[:, 9].any()
    assert not truth[:, 90].any()
    moving = make("moving", 100, 0)[2]
    assert sorted({int(one.any(axis=1).argmax()) for one in moving}) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("name", ["earlier", "mixed", "middle-gaussian", "moving_rare_time-narma", "bold-latter"])
def test_classes_differ_inside_the_truth_and_nowhere_else(name: str) -> None:
    inputs, labels, truth = make(name, 400, 1)
    sign = np.where(labels == 1, 1.0, -1.0)[:, None, None]
    inside, outside = (inputs * sign)[truth], (inputs * sign)[~truth]
    assert inside.mean() == pytest.approx(0.47 if name.startswith("bold") else 1.0, abs=0.06)
    assert abs(outside.mean()) < (0.06 if name.startswith("bold") else 0.02)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if LAYOUTS[name].by_class == "value"])
def test_layouts_have_their_size_and_place(name: str) -> None:
    layout = LAYOUTS[name]
    truth = make(f"{name}-gaussian", 300, 0)[2]
    steps, regions = truth.any(axis=2), truth.any(axis=1)
    assert (steps.sum(axis=1) == layout.shape[0]).all()
    assert (regions.sum(axis=1) == layout.shape[1]).all()
    for axis, extent in enumerate((steps, regions)):
        first = set(extent.argmax(axis=1).tolist())
        fixed = layout.start[axis]
        assert first == ({fixed} if fixed is not None else set(range(50 - layout.shape[axis] + 1)))


def test_positional_sets_tell_the_class_by_place_alone() -> None:
    inputs, labels, truth = make("positional_time-gaussian", 300, 0)
    first = truth.any(axis=1).argmax(axis=1)
    assert set(first[labels == 0]) == {1}
    assert set(first[labels == 1]) == {29}
    assert len(set(truth.any(axis=2).argmax(axis=1))) == 31  # any moment
    assert inputs[truth].mean() == pytest.approx(1.0, abs=0.02)
    _, labels, truth = make("positional_feature-gaussian", 300, 0)
    assert set(truth.any(axis=2).argmax(axis=1)[labels == 1]) == {29}


@pytest.mark.parametrize("process", PROCESSES)
def test_backgrounds_are_what_they_are_called(process: str) -> None:
    """Autocorrelation from step to step, worked out from each process and its added noise of variance 0.09."""
    rng = np.random.default_rng(0)
    series = PROCESSES[process](4000, rng)
    assert series.shape == (4000, 50)
    centred = series - series.mean()
    found = (centred[:, 1:] * centred[:, :-1]).mean() / (centred**2).mean()
    distance = np.sqrt(3) * 20 / 49
    matern = (1 + distance) * np.exp(-distance)
    variance = 1 / (1 - 0.81)
    wanted = {
        "gaussian": 0.0,
        "gaussian_process": matern / 1.09,
        "autoregressive": 0.9 * variance / (variance + 0.09),
        "continuous_autoregressive": 0.0,  # sd 0.01 beneath noise of 0.3
    }
    if process in wanted:
        assert found == pytest.approx(wanted[process], abs=0.02)
    else:
        assert abs(found) < 0.9
    assert 0.2 < series.std() < 3


def test_states_say_which_region_matters() -> None:
    inputs, labels, truth = make("state", 300, 0)
    assert (truth.sum(axis=2) == 1).all()
    assert not truth[:, :, 0].any()
    state = truth[:, :, 2]
    assert inputs[:, :, 0][state].mean() == pytest.approx(1.0, abs=0.05)
    assert inputs[:, :, 0][~state].mean() == pytest.approx(-1.0, abs=0.05)
    assert (labels == ((inputs * truth).sum(axis=(1, 2)) > 0)).all()
    switches = (state[:, 1:] != state[:, :-1]).mean()
    assert switches == pytest.approx(0.05, abs=0.01)
    inputs, labels, truth = make("switch-feature", 300, 0)
    assert inputs.shape[2] == 4
    assert not truth[:, :, 3].any()
    for number, mean in enumerate((0.8, -0.5, -0.2)):
        assert inputs[:, :, number][truth[:, :, 0]].mean() == pytest.approx(mean, abs=0.12)


def test_suppressors_say_nothing_alone_and_help_beside_others() -> None:
    inputs, labels, truth = make("suppressors", 2000, 0)
    middle = inputs[:, 20:40]
    signal, suppressor = middle[:, :, :4].mean(axis=(1, 2)), middle[:, :, 4:8].mean(axis=(1, 2))
    assert abs(np.corrcoef(suppressor, labels)[0, 1]) < 0.06
    alone = np.corrcoef(signal, labels)[0, 1]
    together = np.corrcoef(signal - suppressor, labels)[0, 1]
    assert together > alone + 0.05
    assert truth[:, 20:40, :4].all()
    assert truth.sum() == 2000 * 20 * 4


def test_bold_noise_is_slow_shared_and_of_unit_variance() -> None:
    noise = bold_noise(200, 120, 40, np.random.default_rng(0))
    assert noise.shape == (200, 120, 40)
    assert noise.var() == pytest.approx(1.0, abs=0.05)
    lag = (noise[:, 1:] * noise[:, :-1]).mean()
    assert lag == pytest.approx(0.5 * 0.5 + 0.2 * 0.9, abs=0.03)
    near, far = (noise[:, :, 0] * noise[:, :, 1]).mean(), (noise[:, :, 0] * noise[:, :, 20]).mean()
    assert far == pytest.approx(0.2, abs=0.04)
    assert near > far + 0.3


def test_bold_responses_come_late_and_differ_between_subjects() -> None:
    inputs, labels, truth = make("bold-earlier", 400, 0, effect=5.0, per_subject=4)
    onset = truth[0].any(axis=1).argmax()
    assert 4 <= onset <= 8  # half of the peak, 3 to 6 s after activity that begins with the first frame
    sign = np.where(labels == 1, 1.0, -1.0)[:, None]
    answers = (inputs[:, 15:30].mean(axis=1) * sign)[:, 10:90]
    same = np.mean([np.corrcoef(answers[k], answers[k + 1])[0, 1] for k in range(0, 400, 4)])
    others = np.mean([np.corrcoef(answers[k], answers[k + 4])[0, 1] for k in range(0, 396, 4)])
    assert same > 0.6
    assert abs(others) < 0.1


def test_digits_are_read_from_the_top(tmp_path: Path) -> None:
    inputs, labels, truth = make("digits", 100, 0)
    assert inputs.shape == (100, 8, 8)
    assert (inputs.min(), inputs.max()) == (0.0, 1.0)
    assert set(labels) == {0, 1, 2}
    assert (truth == (inputs > 0.5)).all()
    images = np.zeros((4, 28, 28), dtype=np.uint8)
    images[:, 0] = 255
    np.savez(tmp_path / "m.npz", x_train=images[:3], y_train=[1, 6, 3], x_test=images[3:], y_test=[7])
    inputs, labels, _ = make("digits", 3, 0, path=tmp_path / "m.npz")
    assert sorted(labels.tolist()) == [0, 1, 2]
    assert inputs[0, 0].tolist() == [1.0] * 28
    assert not inputs[0, 1:].any()
    with pytest.raises(InputError, match="There are 3 images of the digits 1, 6, 7; 4 samples were asked for"):
        make("digits", 4, 0, path=tmp_path / "m.npz")
    with pytest.raises(InputError, match="Expected MNIST as an NPZ file"):
        make("digits", 4, 0, path=tmp_path / "gone.npz")


def test_sets_of_one_seed_are_not_copies_of_each_other() -> None:
    first = [make(name, 4, 0)[0] for name in ("earlier", "middle", "latter")]
    assert not any(np.allclose(one[:, 90:, :5], other[:, 90:, :5]) for one, other in pairwise(first))


def test_one_message_for_each_wrong_call() -> None:
    with pytest.raises(InputError, match="Did you mean 'earlier'"):
        make("earlie", 4, 0)
    with pytest.raises(InputError, match="'earlier' has no setting 'efect'; it has effect"):
        make("earlier", 4, 0, efect=2.0)
    with pytest.raises(InputError, match=r"At least 2 samples .* 1 and 0 came"):
        make("earlier", 1, 0)
    assert make_benchmark("middle-gaussian", 4, np.random.default_rng(0), effect=0.0)[2].any()
