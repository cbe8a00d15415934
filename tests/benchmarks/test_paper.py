"""The paper's experiments run as a user runs them, keep what they have made, and follow the authors' settings."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from fmri_saliency.models import make_network

TINY = ("--train", "60", "--test", "20", "--explained", "3", "--batches", "6", "--seed", "3")


@pytest.fixture
def scripts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the scripts, from which they import each other."""
    folder = repository / "benchmarks" / "paper"
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def reference(scripts: Path) -> ModuleType:
    return import_module("reference")


@pytest.fixture
def run_script(
    scripts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict]:
    """Call a script in this process, and return the JSON object of its last line."""

    def run(name: str, *words: object) -> dict:
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        capsys.readouterr()
        runpy.run_path(str(scripts / f"{name}.py"), run_name="__main__")
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_table_1_is_made_once_and_resumed(scripts: Path, tmp_path: Path, run_script: Callable[..., dict]) -> None:
    networks = ("--network", "input-cell (mean)", "--network", "Bi-LSTM, read at the last step", "--set", "latter")
    call = [sys.executable, "-W", "error", scripts / "table1.py", *TINY, *networks, "--out", tmp_path]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert set(last["table1"]["latter"]) == {"input-cell (mean)", "Bi-LSTM, read at the last step"}
    assert all(Path(path).stat().st_size > 500 for path in last["files"])
    rows = json.loads((tmp_path / "table1.json").read_text())
    assert [row["network"] for row in rows] == ["input-cell (mean)", "Bi-LSTM, read at the last step", "baselines"]
    assert all(row["minibatches"] <= 6 for row in rows[:2])
    page = (tmp_path / "table1.md").read_text()
    (line,) = (line for line in page.splitlines() if line.startswith("| input-cell (mean)"))
    assert line.split(" | ")[1:3] == ["0.110", f"{rows[0]['weighted_jaccard']:.3f}"]  # published, ours
    assert "*all ones* | - | 0.240 |" in page
    # again: nothing is made anew; with another seed, one row more of each
    before = (tmp_path / "table1.json").read_bytes()
    assert run_script("table1", *TINY, *networks, "--out", tmp_path) == last
    assert (tmp_path / "table1.json").read_bytes() == before
    run_script("table1", *TINY[:-1], "4", *networks[:2], *networks[4:], "--out", tmp_path)
    again = json.loads((tmp_path / "table1.json").read_text())
    assert again[:3] == rows
    assert [row["seed"] for row in again[3:]] == [4, 4]


def test_the_moving_box(tmp_path: Path, run_script: Callable[..., dict]) -> None:
    last = run_script("moving_box", "--quick", *TINY, "--out", tmp_path)
    assert last["starts"] == [0, 40]
    assert set(last["moving_box"]) == {"LSTM", "input-cell (mean)"}
    page = (tmp_path / "moving_box.md").read_text()
    assert "| input-cell (mean): paper | 0.118 | 0.084 |" in page
    assert "| *random map* | 0.26" in page
    assert (tmp_path / "moving_box.png").is_file()


def test_digits_without_mnist(tmp_path: Path, run_script: Callable[..., dict], monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = import_module("keeping")
    monkeypatch.setattr(keeping, "RESULTS", tmp_path / "a" / "b" / "c" / "d")  # no shared/data beside it
    last = run_script("mnist", "--quick", "--train", "300", "--test", "80", "--explained", "60", "--out", tmp_path)
    assert last["data"] == "scikit-learn's digits"
    maps = np.load(tmp_path / "mnist_maps" / "lstm_seed-1.npy")
    assert maps.shape == (2, 3, 8, 8)  # before and after training, three digits
    assert (maps[0] != maps[1]).any()
    row = json.loads((tmp_path / "mnist.json").read_text())[0]
    assert sum(map(float, row["row_shares"].split())) == pytest.approx(1, abs=1e-4)


def test_likeness_with_strokes_by_hand(scripts: Path) -> None:
    mnist = import_module("mnist")
    y = np.repeat(np.arange(10), 2)
    x = np.zeros((20, 10, 4))
    x[np.arange(20), y, :2] = 1.0  # digit d is a bar in row d
    found = mnist.judge(x, x, y, x > 0.5)
    assert (found["own_stroke"], found["auroc"]) == (1.0, 1.0)
    # 2 pixels of 40 against 2 others: -(1/20)^2 / (1/20 * 19/20)
    assert found["other_strokes"] == pytest.approx(-1 / 19, abs=1e-4)
    assert (found["last_tenth_share"], found["first_half_share"]) == (0.1, 0.5)


def test_task_scans_of_ones_own(tmp_path: Path, small_config: Path, run_script: Callable[..., dict]) -> None:
    small_config.write_text(small_config.read_text().replace("compare = []", 'compare = ["lstm"]'))
    last = run_script("hcp", small_config, "--seed", "1", "--out", tmp_path)
    (row,) = json.loads((tmp_path / "hcp.json").read_text())
    assert list(row["accuracy"]) == ["input-cell-lstm", "lstm"]
    # EMOTION: blocks of 18 s every 21 s from 11 s; MOTOR: 12 s every 27 s from 11 s; frames of 0.72 s up to 126.72 s
    time = np.arange(176) * 0.72
    on = [(time >= 11) & ((time - 11) % period < length - 1e-9) & (time < last_end)
          for period, length, last_end in ((21, 18, 113.5), (27, 12, 126.72))]  # fmt: skip
    assert row["share_of_steps"]["on_task"] == pytest.approx(np.mean(on), abs=0.004)
    for ranking in ("lstm", "lstm, untrained", "random ranking"):
        assert len(row["drop"]["lstm"][ranking].split()) == len(row["on_task"][ranking].split()) == 5
    page = (tmp_path / "hcp.md").read_text()
    assert "| input-cell-lstm: paper | 96.5 | 95.0 | 94.0 | 92.6 | 91.2 |" in page
    assert "| input-cell-lstm: paper | 5.4 | 9.4 | 12.8 | 16.5 | 20.4 |" in page  # what the lstm loses
    assert all(Path(path).is_file() for path in last["files"])
    assert run_script("hcp", small_config, "--seed", "1", "--out", tmp_path) == last


def test_weights_begin_as_the_authors(reference: ModuleType) -> None:
    cell = reference.build(reference.VARIANTS["input-cell (flatten)"], 40, 2, 0)
    direction = cell.encoder.directions[0]
    weight = direction.recurrence.weight_ih_l0  # (4 * 5, 20 * 40)
    assert weight.shape == (20, 800)
    assert 0.9 < float(weight.detach().abs().max()) / (6 / 820) ** 0.5 <= 1
    assert not any(p.any() for p in direction.parameters() if p.ndim == 1)
    plain = reference.build(reference.VARIANTS["LSTM"], 40, 2, 0).encoder.layer
    assert 0.9 < float(plain.weight_ih_l0.detach().abs().max()) * 5**0.5 <= 1
    assert float(plain.bias_hh_l0.detach().abs().min()) > 0


def test_the_published_bi_lstm_sees_one_input_backwards(reference: ModuleType) -> None:
    """Read at the last step, the backward half has seen the last input alone; read at both ends, all of them."""
    x = torch.randn(1, 9, 4)
    other = torch.cat([torch.zeros(1, 8, 4), x[:, 8:]], dim=1)
    for label, same in (("Bi-LSTM, read at the last step", True), ("Bi-LSTM, read at both ends", False)):
        module = reference.build(reference.VARIANTS[label], 4, 2, 0)
        halves = [module.readout(module.encoder(one)[0])[:, 5:] for one in (x, other)]
        assert torch.equal(*halves) == same


def test_training_ends_when_all_is_right_or_at_the_cap(reference: ModuleType) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = (rng.standard_normal((80, 6, 4)) + 3 * (2 * y - 1)[:, None, None]).astype(np.float32)
    easy = reference.build(reference.VARIANTS["input-cell (mean)"], 4, 2, 0)
    batches, right = reference.train(easy, x, y, 0, 500, 3, batch_size=20, learning_rate=0.01)
    assert right
    assert batches % 3 == 0
    assert reference.accuracy(easy, x, y) == 1.0
    hopeless = reference.build(reference.VARIANTS["LSTM"], 4, 2, 0)
    assert reference.train(hopeless, np.zeros_like(x), y, 0, 7, 3) == (7, False)
    assert not hopeless.training


def test_saliency_is_the_slope_of_the_probability(reference: ModuleType) -> None:
    """For a linear model: p_c (w_c - sum_k p_k w_k), absolute."""
    module = make_network("logistic-regression", 3, 4, n_times=5).eval()
    x, y = np.random.default_rng(0).standard_normal((6, 5, 3)).astype(np.float32), np.array([0, 1, 2, 3, 0, 1])
    found = reference.explain(module, x, y)
    weight = module.linear.weight.detach().double()
    assert module.linear.weight.dtype == torch.float32
    p = torch.softmax(torch.from_numpy(x).double().flatten(1) @ weight.T + module.linear.bias.detach().double(), dim=1)
    wanted = p[range(6), y].unsqueeze(1) * (weight[y] - p @ weight)
    np.testing.assert_allclose(found.reshape(6, -1), wanted.abs(), rtol=1e-9)


def test_small_things_by_hand(scripts: Path, reference: ModuleType) -> None:
    keeping, published = import_module("keeping"), import_module("published")
    assert keeping.spread([0.1, 0.2, 0.6]) == "0.300 (0.100 to 0.600)"
    assert (keeping.spread([0.5], 1, 100), keeping.spread([None])) == ("50.0", "-")
    assert keeping.table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert published.table1("input-cell", "mixed") == {"weighted_jaccard": 0.104, "euclidean": 0.912, "accuracy": 0.776}
    assert published.table1("", "mixed") == {}
    maps = np.zeros((2, 20, 3))
    maps[0, 18, 1], maps[0, 3, 0], maps[1, 0, 0] = 1.0, 3.0, 1.0
    assert reference.last_tenth(maps) == pytest.approx((0.25 + 0) / 2)
    train = np.random.default_rng(0).normal(5, 3, (50, 4, 2))
    one, other = reference.standardise(train, train[:1] + 3.0)
    np.testing.assert_allclose([one.mean(axis=0), one.std(axis=0)], [np.zeros((4, 2)), np.ones((4, 2))], atol=1e-5)
    np.testing.assert_allclose(other[0], one[0] + 3.0 / train.std(axis=0), rtol=1e-4)


def test_rows_that_another_process_kept_meanwhile_stay(scripts: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    other = {"set": "b", "seed": 1, "value": 7}

    def measure(key: dict) -> dict:
        path.write_text(json.dumps([other]))
        return {"value": 3}

    rows = import_module("keeping").make_rows(path, [{"set": "a", "seed": 1}], measure, str)
    assert [row["value"] for row in rows] == [3]
    assert [(row["set"], row["value"]) for row in json.loads(path.read_text())] == [("b", 7), ("a", 3)]
