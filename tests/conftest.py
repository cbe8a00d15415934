"""What the tests share: small atlases and scans made on the spot, and real ones where they are."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from making import T_R, make_atlas, make_samples

from fmri_saliency.cli import main
from fmri_saliency.records import Atlas, RegionSeries, Run, Saliency, Samples
from fmri_saliency.simulated_scans import MadeTree, make_hcp_tree

torch.set_num_threads(1)
settings.register_profile(
    "tests", deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Return the folder of a real data set, or skip, saying so."""

    def find(name: str) -> Path:
        root = Path(os.environ.get("FMRI_SALIENCY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
        if not (root / name).is_dir():
            pytest.skip(f"no real data '{name}' in {root} (set FMRI_SALIENCY_TEST_DATA)")
        return root / name

    return find


@pytest.fixture(scope="session")
def s1200(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree of four people, seven tasks and both directions, with one run missing; not to be changed."""
    people = ("100307", "100408", "101309", "192237")
    out = tmp_path_factory.mktemp("s1200") / "HCP_1200"
    return make_hcp_tree(out, MadeTree(people, shape=(3, 3, 3), missing=("192237_MOTOR_RL",)))


PROGRAMS = {
    "browser": ("chromium", "chromium-browser", "google-chrome"),
    "command": ("fmri-saliency",),
    "fsleyes": ("fsleyes",),
    "slurm": ("slurmctld",),
    "snakemake": ("snakemake",),
    "validator": ("bids-validator-deno",),
    "workbench": ("wb_command",),
}


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """Return the path of a program; without it skip, saying so, or fail if FMRI_SALIENCY_REQUIRE names it.

    FSLEYES may name the program where it is not on the path.
    """

    def find(name: str) -> str:
        names = (os.environ["FSLEYES"],) if name == "fsleyes" and "FSLEYES" in os.environ else PROGRAMS[name]
        folders = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
        found = next((path for one in names if (path := shutil.which(one, path=folders))), None)
        if found is None:
            missing = f"{name} is not there ({' or '.join(names)})"
            if name in os.environ.get("FMRI_SALIENCY_REQUIRE", "").split(","):
                pytest.fail(f"{missing}, and FMRI_SALIENCY_REQUIRE asks for it")
            pytest.skip(missing)
        return found

    return find


@pytest.fixture
def atlas() -> Atlas:
    return make_atlas()


@pytest.fixture
def write_bold(tmp_path: Path) -> Callable[..., Path]:
    """Write a 4D image of given values and return its path."""

    def write(values: np.ndarray, affine: np.ndarray, name: str = "bold.nii.gz", t_r: float = T_R) -> Path:
        image = nib.Nifti1Image(values, affine)
        image.header.set_xyzt_units("mm", "sec")
        if values.ndim == 4:
            image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
        path = tmp_path / name
        nib.save(image, path)
        return path

    return write


@pytest.fixture
def noisy_run(write_bold: Callable[..., Path], atlas: Atlas) -> Run:
    """Return a run of 40 frames of noise around 1000 on the grid of `atlas`."""
    rng = np.random.default_rng(0)
    values = (1000 + 10 * rng.standard_normal((*atlas.labels.shape, 40))).astype(np.float32)
    return Run("01", "rest", write_bold(values, atlas.affine), T_R, 40)


@pytest.fixture
def samples() -> Samples:
    return make_samples()


@pytest.fixture
def saliency() -> Saliency:
    """Return four maps of two classes with numbers that are easy to check by hand."""
    values = np.zeros((4, 5, 3), dtype=np.float32)
    values[0, 1, 0], values[1, 1, 0] = 2.0, 4.0
    values[2, 4, 2], values[3, 4, 2] = -1.0, -3.0
    return Saliency(
        values, ("a", "a", "b", "b"), 2.0, ("r1", "r2", "r3"), "input-x-gradient", "logit", "none", "logit", 0, (1,) * 4
    )


@pytest.fixture
def series() -> RegionSeries:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    return RegionSeries(values, T_R, ("r1", "r2", "r3"), np.array([1.0, 0.5, 1.0]))


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call the command line in this process."""

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


SMALL_CONFIG = """
[scans]
layout = "hcp"
path = "scans"
space = "MNI152NLin2009aSym"
truth = "scans/truth"
[decoder]
folds = 3
compare = []
[decoder.architecture]
hidden_size = 4
hops = 2
attention_size = 4
[decoder.training]
max_epochs = 3
[saliency]
method = "input-x-gradient"
[output]
path = "results"
"""


@pytest.fixture(scope="session")
def small_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with simulated scans of three people and two tasks in ``scans/``."""
    folder = tmp_path_factory.mktemp("small")
    code = main(["simulate", str(folder / "scans"), "--subjects", "3", "--tasks", "EMOTION", "MOTOR", "--seed", "5"])
    assert code == 0
    return folder


@pytest.fixture
def small_config(small_scans: Path, tmp_path: Path) -> Path:
    """Return a configuration for `small_scans` that trains for a moment and writes below `tmp_path`."""
    text = SMALL_CONFIG.replace('"scans', f'"{small_scans.as_posix()}/scans')
    path = tmp_path / "small.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the real demo once; return its folder."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert main(["demo", str(folder)]) == 0
    return folder
