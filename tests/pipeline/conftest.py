"""What tests of the pipeline share: a job that is stopped after each step, with its pages, and a browser."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fmri_saliency.cli import main

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interruptions.py"
CONFIG = """
[scans]
layout = "hcp"
path = "{scans}"
space = "MNI152NLin2009aSym"
truth = "{scans}/truth"
[decoder]
folds = 3
compare = []
[decoder.architecture]
hidden_size = 4
[decoder.training]
max_epochs = 3
[saliency]
method = "input-x-gradient"
smoothing = 6.0
[output]
path = "results"
"""


@dataclass(frozen=True)
class Pages:
    """The report after every step of a job, and what the command line said of it.

    Attributes
    ----------
    config : Path
    pages : dict
        Step to the text of the page after it.
    codes : dict
        Step to the exit code of ``fmri-saliency report``.
    """

    config: Path
    pages: dict[str, str]
    codes: dict[str, int]

    @property
    def whole(self) -> Path:
        """The report at the end."""
        return self.config.parent / "results" / "report.html"


@pytest.fixture(scope="session")
def pages(small_scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Run a small job step by step, and report after each."""
    config = tmp_path_factory.mktemp("report") / "small.toml"
    config.write_text(CONFIG.format(scans=(small_scans / "scans").as_posix()))
    found, codes = {}, {}
    for step in ("extract", "train", "explain"):
        assert main([step, str(config)]) == 0
        if step != "explain":
            codes[step] = main(["report", str(config)])
            found[step] = (config.parent / "results" / "report.html").read_text(encoding="utf-8")
    codes["judge"] = main(["report", str(config)])
    found["judge"] = (config.parent / "results" / "report.html").read_text(encoding="utf-8")
    return Pages(config, found, codes)


@pytest.fixture(scope="module")
def interruptions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("interruptions", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(interruptions: ModuleType, tmp_path: Path) -> Path:
    """Return the configuration of a tiny study, in ``scans/``, that writes to ``results/``."""
    config = interruptions.make_study(tmp_path)
    config.write_text(config.read_text().replace('compare = ["lstm"]', "compare = []"))
    return config


@pytest.fixture(scope="module")
def browser(need: Callable[[str], str]) -> Iterator[Any]:
    """Start the Chromium of this machine without a window, or skip, saying so."""
    found = need("browser")
    required = os.environ.get("FMRI_SALIENCY_REQUIRE", "").split(",")
    if importlib.util.find_spec("playwright") is None and "browser" in required:
        pytest.fail("playwright is not there (pip install .[browser]), and FMRI_SALIENCY_REQUIRE asks for it")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install .[browser]")
    with playwright.sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()
