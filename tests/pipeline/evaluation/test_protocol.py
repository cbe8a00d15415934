"""The configuration of an evaluation: strict, documented, and written back."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import ConfigError
from fmri_saliency.pipeline import Evaluation, load_evaluation
from fmri_saliency.pipeline.evaluation.protocol import Checks, Data, Results, write_evaluation
from fmri_saliency.pipeline.evaluation.trials import trial_inputs
from fmri_saliency.pipeline.steps.map_checks import Faithful, Null
from fmri_saliency.pipeline.study.config import to_plain
from fmri_saliency.saliency import PAIRS, Pair

DATA = '[data]\nsets = ["state"]\nseeds = [1, 2]\n'
OWN = '[[pairs]]\nname = "own"\nnetwork = "lstm"\nexplainer = "gradient"\n'
OUT = '[output]\npath = "out"\n'
MINIMAL = DATA + '[[pairs]]\nname = "paper"\n' + OUT


def load(tmp_path: Path, text: str) -> Evaluation:
    path = tmp_path / "evaluate.toml"
    path.write_text(text)
    return load_evaluation(path)


def test_a_name_alone_stands_for_the_packages_pair(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL)
    assert found.pairs == (PAIRS["paper"],)
    assert found.output.path == tmp_path / "out"
    assert found.data.seeds == (1, 2)
    assert found.sets == ("state", "suppressors")
    assert found.checks_of("state") == ("recover", "null", "faithful")
    assert found.checks_of("suppressors") == ("suppress",)


def test_a_pair_of_ones_own(tmp_path: Path) -> None:
    text = DATA + OWN + "smoothing = 2\n[pairs.architecture]\nhidden_size = 7\n[pairs.training]\nway = 'replacement'\n"
    text += '[pairs.settings]\nwindow = 3\nsize_penalty = 2\n[checks]\nwhich = ["recover"]\n' + OUT
    found = load(tmp_path, text)
    (pair,) = found.pairs
    assert (pair.architecture.hidden_size, pair.training.way, pair.smoothing) == (7, "replacement", 2.0)
    assert pair.settings == {"window": 3, "size_penalty": 2}
    assert found.sets == ("state",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DATA + OUT, "the configuration needs at least one table [[pairs]]"),
        (DATA.replace("seeds = [1, 2]\n", "") + OWN + OUT, "[data] needs the key 'seeds'"),
        (DATA + OWN, "the configuration needs a section [output]"),
        (MINIMAL + "[check]\n", "Unknown key 'check' in the configuration; known are data, output, checks"),
        (MINIMAL.replace("[data]\n", "[data]\ntraining = 3\n"), "Unknown key 'training' in [data]"),
        (MINIMAL.replace('"state"', '"stat"'), "A set in [data] must be one of"),
        (MINIMAL.replace('"state"', '"stat"'), "Did you mean 'state'?"),
        (MINIMAL.replace('["state"]', '"state"'), 'sets in [data] must be a list of texts'),
        (MINIMAL.replace("[1, 2]", "[1, 1]"), "seeds in [data] must name each once"),
        (MINIMAL.replace("[1, 2]", "[1.5]"), "Each of seeds in [data] must be a whole number; 1.5 came"),
        (MINIMAL.replace("[1, 2]", "3"), "seeds in [data] must be a list of numbers, such as [1, 2]; 3 came"),
        (MINIMAL.replace("[1, 2]", "[-1]"), "Each of seeds in [data] must be at least 0"),
        (MINIMAL.replace("[1, 2]", "[2147483648]"), "Each of seeds in [data] must be at most 2147483647; 2147483648"),
        (MINIMAL + "[data.settings.bold-earlier]\nper_subject = 0\n", "per_subject in [data.settings.bold-earlier]"),
        (MINIMAL + "[data.settings.bold-earlier]\nper_subject = 'a'\n", "must be a whole number of at least 1; 'a'"),
        (MINIMAL + "[data.settings.bold-earlier]\nper_subject = [1]\n", "a whole number of at least 1; [1] came"),
        (MINIMAL + "[data.settings.bold-earlier]\nt_r = 0.0\n", "The set 'bold-earlier' cannot be drawn as"),
        (MINIMAL.replace('"paper"', '"a\\nb"'), "The pair number 1 needs a name in quotes that can name a file"),
        (MINIMAL.replace('"paper"', '" paper"'), "The pair number 1 needs a name in quotes that can name a file"),
        (MINIMAL.replace('"paper"', '"paper "'), "The pair number 1 needs a name in quotes that can name a file"),
        (DATA + OWN + OWN.replace('"own"', '"Own"') + OUT, "own, Own came (capitals do not tell them apart)"),
        (MINIMAL.replace("[1, 2]", "[]"), "[data] needs at least one set and one seed"),
        (MINIMAL.replace("[data]\n", "[data]\ntest = 10\n"), "explained in [data] must be at most test, 10; 24 came"),
        (MINIMAL.replace("[data]\n", "[data]\ntrain = 1\n"), "train in [data] must be at least 2; 1 came"),
        (MINIMAL + "[data.settings.state]\nlength = 3\n", "A key in [data.settings.state] must be one of"),
        (MINIMAL + "[data.settings.stat]\nlength = 3\n", "A set in [data.settings] must be one of"),
        (MINIMAL + "[data.settings.state]\nn_times = 'x'\n", "The set 'state' cannot be drawn as [data.set"),
        (MINIMAL.replace('"state"', '"bold-early"'), "Did you mean 'bold-earlier'?"),
        (MINIMAL.replace('["state"]', '["bold-earlier"]\ntrain = 10'), "must be multiples of 4 for the set"),
        (MINIMAL.replace('"paper"', '"papr"'), "A pair that has only a name (others need network and"),
        (MINIMAL.replace('"paper"', '"a/b"'), "The pair number 1 needs a name in quotes that can name a file"),
        (DATA + OWN.replace('"own"', '"paper"') + OUT, "The name 'paper' stands for a pair of the package"),
        (DATA + OWN + OWN + OUT, "Each pair needs a name of its own; own, own came"),
        (DATA + OWN.replace('explainer = "gradient"\n', "") + OUT, "[pairs.own] needs the key 'explainer'"),
        (DATA + OWN.replace('"lstm"', '"lstn"') + OUT, "The network of the pair 'own' must be one of"),
        (DATA + OWN.replace('"gradient"', '"lrp"') + OUT, "is refused on recurrent networks"),
        (DATA + OWN + "netwrk = 3\n" + OUT, "Unknown key 'netwrk' in [pairs.own]"),
        (DATA + OWN + '[pairs.training]\nway = "hard"\n' + OUT, "way in [pairs.own.training] must be one of plain"),
        (DATA + OWN + "[pairs.architecture]\nhops = 0\n" + OUT, "hops in [pairs.own.architecture] must be above 0"),
        (DATA + OWN + "[pairs.settings]\nstepz = 0\n" + OUT, "A setting of the explainer of the pair 'own' must"),
        (DATA + "[pairs]\nname = 'paper'\n" + OUT, "the configuration needs at least one table [[pairs]]"),
        (MINIMAL + '[checks]\nwhich = ["gate"]\n', "A check of which in [checks] must be one of recover"),
        (MINIMAL + "[checks]\ngate = 90\n", "gate in [checks] must be an accuracy from 0 to 1; 90.0 came"),
        (MINIMAL + "[checks.null]\ndraws = 1\n", "draws in [checks.null] must be at least 2; 1 came"),
        (MINIMAL + "[checks.null]\nsamples = 25\n", "samples in [checks.null] must be at most explained in [data], 24"),
        (MINIMAL + "[checks.faithful]\nshares = [0.5, 0.1]\n", "shares in [checks.faithful] must be shares above 0"),
        (MINIMAL + "[checks.faithful]\nshares = [0.0]\n", "Each of shares in [checks.faithful] must be a share above"),
        (MINIMAL + "[checks.faithful]\nwindow = 0\n", "window in [checks.faithful] must be at least 1"),
        (MINIMAL + '[checks.faithful]\nretrain = ["x"]\n', "A network of retrain in [checks.faithful] must be one of"),
        (MINIMAL + "n_jobs = 0\n", "n_jobs in [output] must not be 0"),
        (MINIMAL + 'device = "gpu"\n', "must be one that PyTorch can use here"),
    ],
)
def test_one_message_for_each_mistake(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'evaluate.toml'}: ")
    assert str(error.value).count("evaluate.toml") == 1


def test_the_resolved_configuration_can_be_run_again(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL.replace("[output]", OWN + "[data.settings.state]\nn_times = 12\n[output]"))
    (tmp_path / "deep").mkdir()
    write_evaluation(found, tmp_path / "deep" / "again.toml")
    assert load_evaluation(tmp_path / "deep" / "again.toml") == found
    assert tomllib.loads((tmp_path / "deep" / "again.toml").read_text()) == to_plain(found, tmp_path / "deep")


def test_a_file_of_a_set_is_looked_for_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(n: int) -> None:
        rng = np.random.default_rng(n)
        np.savez(tmp_path / "mine.npz", x_train=rng.integers(0, 255, (n, 28, 28)), y_train=np.resize([1, 6, 7], n),
                 x_test=np.zeros((1, 28, 28)), y_test=np.ones(1))  # fmt: skip

    write(20)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load(tmp_path, MINIMAL.replace('"state"', '"digits"') + '[data.settings.digits]\npath = "mine.npz"\n')
    assert found.data.settings["digits"]["path"] == str(tmp_path / "mine.npz")
    before = trial_inputs(found, "digits", PAIRS["paper"], 1)
    assert trial_inputs(found, "digits", PAIRS["paper"], 1) == before
    write(30)
    assert trial_inputs(found, "digits", PAIRS["paper"], 1) != before


def test_the_annotated_file_is_valid_and_names_every_key_with_its_default() -> None:
    path = data_folder("workflows") / "evaluate.toml"
    found = load_evaluation(path)
    assert [pair.name for pair in found.pairs][:2] == ["recommended", "paper"]
    shown: dict[str, dict[str, Any]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if match := re.match(r"(?:# )?\[+([a-z.-]+)\]+", line):
            section = match[1]
        elif match := re.match(r"(# )?([a-z_]+) = (.+?)(?:  *#.*)?$", line):
            shown.setdefault(section, {})[match[2]] = tomllib.loads(f"x = {match[3]}")["x"] if match[1] else None
    kinds = {"data": Data(("state",), (1,)), "checks": Checks(), "checks.null": Null(), "checks.faithful": Faithful(),
             "output": Results(Path("x"))}  # fmt: skip
    for name, record in kinds.items():
        plain = to_plain(record)
        keys = {f.name for f in fields(record)} - {"settings", "null", "faithful"}
        assert keys == set(shown[name]), name
        for key, value in shown[name].items():
            assert value is None or value == plain[key], key
    assert {f.name for f in fields(Pair)} - {"architecture", "training", "settings"} == set(shown["pairs"])
