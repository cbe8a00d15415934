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
from fmri_saliency.pipeline.study.opening import begin, config_changes


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
