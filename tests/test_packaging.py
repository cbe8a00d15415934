"""What is installed is whole, and what the files say of each other is true."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from fmri_saliency import __version__


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy of the sources."""
    source = tmp_path_factory.mktemp("source") / "copy"
    skip = shutil.ignore_patterns(".git", ".venv*", "*.egg-info", "__pycache__", "demo-output", ".*_cache", "build")
    shutil.copytree(repository, source, ignore=skip)
    out = source.parent / "dist"
    call = [sys.executable, "-W", "error", "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_carries_package_atlases_and_workflows(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {str(p.relative_to(repository)) for p in (repository / "fmri_saliency").rglob("*.py")}
    assert package <= names
    for folder in ("atlases", "workflows"):
        wanted = {f"fmri_saliency/{p.relative_to(repository)}" for p in (repository / folder).rglob("*") if p.is_file()}
        wanted = {name for name in wanted if "__pycache__" not in name}
        assert wanted <= names, wanted - names
    assert "fmri_saliency/pipeline/pages/templates/report.html.j2" in names
    assert "fmri_saliency/pipeline/steps/view_template.sh" in names
    assert not {name for name in names if name.startswith(("tests/", "tutorials/"))}


def test_the_wheel_runs_in_another_environment(wheel: Path, tmp_path: Path) -> None:
    """Install the wheel alone in a new environment that borrows the libraries of this one."""
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    (site,) = place.glob("lib/python*/site-packages")
    call = [sys.executable, "-m", "pip", "--quiet", "--python", str(place / "bin" / "python"), "install", "--no-deps",
            "--no-index", str(wheel)]  # fmt: skip
    subprocess.run(call, check=True, capture_output=True)
    borrowed = [p for p in sys.path if p.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    command = place / "bin" / "fmri-saliency"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_"))}
    run = {"cwd": empty, "env": clean, "capture_output": True, "text": True, "check": False}
    code = "import fmri_saliency; print(fmri_saliency.__file__)"
    assert str(place) in subprocess.run([place / "bin" / "python", "-c", code], **run).stdout
    assert f"{site}/fmri_saliency/workflows" in subprocess.run([command, "--help"], **run).stdout
    done = subprocess.run([command, "demo", "out", "--subjects", "5", "--tasks", "EMOTION", "MOTOR"], **run)
    assert done.returncode == 0, done.stderr
    assert (empty / "out" / "results" / "report.html").is_file()


def test_one_version_everywhere(repository: Path) -> None:
    assert f"\n## {__version__}" in (repository / "CHANGELOG.md").read_text()
    assert f"\nversion: {__version__}\n" in (repository / "CITATION.cff").read_text()


def test_pins_are_within_what_the_package_asks_for(repository: Path) -> None:
    from packaging.requirements import Requirement

    setup = configparser.ConfigParser()
    setup.read(repository / "setup.cfg")
    asked = {r.name.lower(): r for r in map(Requirement, setup["options"]["install_requires"].split("\n")[1:])}
    pins = {}
    for line in (repository / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[name.lower()] = version
    assert pins["torch"] == "2.13.0"
    assert set(asked) <= set(pins)
    for name, requirement in asked.items():
        assert name not in pins or requirement.specifier.contains(pins[name]), name
    assert not asked["nilearn"].specifier.contains("0.14.0")
    assert not asked["scikit-learn"].specifier.contains("1.7.0")
    assert not asked["scikit-learn"].specifier.contains("1.9.0")


def test_every_package_is_listed(repository: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(repository / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    folders = [p.parent.relative_to(repository) for p in repository.glob("fmri_saliency/**/__init__.py")]
    found = {str(folder).replace("/", ".") for folder in folders}
    assert listed == found | {"fmri_saliency.atlases", "fmri_saliency.workflows"}


def test_the_readme_names_commands_that_exist(repository: Path) -> None:
    readme = (repository / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"^make ([a-z]+)", readme, flags=re.M)) == {"demo", "test"} <= targets
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", readme):
        assert (repository / path).exists(), path
    for block in re.findall(r"```toml\n(.*?)```", readme, flags=re.S):
        tomllib.loads(block)
