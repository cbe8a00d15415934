"""The beginning of a step: one process after the other, and what is interrupted is begun again."""

import importlib
import threading
import time
from pathlib import Path

import pytest

from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.locks import hold
from fmri_saliency.errors import StepError
from fmri_saliency.pipeline import Config, load_config, write_config
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.opening import begin, config_changes, reopen, set_folds_aside


def edit(config: Path, old: str, new: str) -> Config:
    config.write_text(config.read_text().replace(old, new))
    return load_config(config)


def test_what_another_process_has_begun_is_not_set_aside(small_config: Path) -> None:
    begin(load_config(small_config))
    config = edit(small_config, "max_epochs = 3", "max_epochs = 4")
    space = Workspace(config.output.path)
    waiting = threading.Thread(target=begin, args=(config,))
    with hold(space.desk, "group"):  # another process, with the same new configuration, came first
        waiting.start()
        time.sleep(0.3)
        write_config(config, space.root / "config.toml")
        (space.root / "report.html").write_text("of the new configuration")
    waiting.join()
    assert (space.root / "report.html").read_text() == "of the new configuration"
    assert not space.earlier.exists()


def test_a_change_is_known_until_what_it_concerns_is_set_aside(
    small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(small_config)
    begin(config)
    space = Workspace(config.output.path)
    page, before = space.root / "report.html", read_json(space.root / "dataset_description.json")
    page.write_text("of an earlier version")
    for name in ("opening", "folder"):
        monkeypatch.setattr(importlib.import_module(f"fmri_saliency.pipeline.study.{name}"), "__version__", "9.9")

    def stop(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "set_aside", stop)
        with pytest.raises(StepError, match="No space left on device"):
            begin(config)
    assert read_json(space.root / "dataset_description.json") == before
    assert len(config_changes(config)) == 1
    begin(config)
    assert not page.exists()
    assert (space.earlier / "report.html").read_text() == "of an earlier version"


def test_a_network_that_is_no_longer_compared_leaves_its_scores_only(small_config: Path) -> None:
    config = edit(small_config, "compare = []", 'compare = ["logistic-regression", "gru"]')
    begin(config)
    space = Workspace(config.output.path)
    kept = ["decoder/input-cell-lstm/fold-1/model.json", "decoder/logistic-regression/scores.json"]
    lost = ["decoder/logistic-regression/fold-1/model.json", "saliency/logistic-regression/fold-1.json",
            "decoder/gru/scores.json", "saliency/gru/classes.json"]  # fmt: skip
    for name in (*kept, *lost):
        (space.root / name).parent.mkdir(parents=True, exist_ok=True)
        (space.root / name).write_text("{}")
    begin(edit(small_config, 'compare = ["logistic-regression", "gru"]', "compare = []"))
    assert all((space.root / name).is_file() for name in kept)
    assert not any((space.root / name).exists() for name in lost)
    assert all((space.earlier / name).is_file() for name in lost)


def test_folds_beyond_the_last_are_set_aside(small_config: Path) -> None:
    config = edit(small_config, "folds = 3", 'split = "leave-one-run-out"')
    begin(config)
    space = Workspace(config.output.path)
    names = [f"{kind}/fold-{number}{ending}" for kind, ending in
             (("decoder/gru", "/model.json"), ("saliency/gru", ".json")) for number in (4, 5, 12)]  # fmt: skip
    for name in names:
        (space.root / name).parent.mkdir(parents=True, exist_ok=True)
        (space.root / name).write_text("{}")
    set_folds_aside(config, 4)
    assert [name for name in names if (space.root / name).is_file()] == [one for one in names if "fold-4" in one]
    assert [name for name in names if (space.earlier / name).is_file()] == [one for one in names if "fold-4" not in one]


def test_opening_again_makes_no_folder(small_config: Path) -> None:
    config = load_config(small_config)
    reopen(config)
    assert not config.output.path.exists()
