"""A folder to work in, and Snakemake on this machine: the files of one call."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from fmri_saliency.cli import SOURCES as OFFERED
from fmri_saliency.pipeline import load_config, workflow
from fmri_saliency.pipeline.chunks import CHUNK
from fmri_saliency.places import data_folder


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of the results but what workflows know about the work."""
    files = [path for path in root.rglob("*") if path.is_file() and ".workflow" not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_new_folder_has_everything_and_is_not_overwritten(cli: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    made = cli("workflow", "new", folder, "--from", "table")
    assert made.code == 0
    assert made.out.count("\n") == 3
    assert f"cd {folder} && snakemake --profile profiles/local" in made.out
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert names == {"config.toml", *workflow.FILES}
    for name in names - {"config.toml"}:
        assert (folder / name).read_bytes() == (data_folder("workflows") / name).read_bytes()
    assert load_config(folder / "config.toml").scans.layout == "table"
    assert "fmri-saliency run config.toml" in (folder / "config.toml").read_text()
    before = (folder / "config.toml").stat().st_mtime_ns
    again = cli("workflow", "new", folder)
    assert (again.code, "has config.toml, Snakefile," in again.err) == (2, True)
    assert (folder / "config.toml").stat().st_mtime_ns == before


def test_the_demo_comes_with_its_scans(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_scans: Path
) -> None:
    monkeypatch.setattr(workflow, "simulate", lambda out, settings: shutil.copytree(small_scans / "scans", out))
    assert cli("workflow", "new", tmp_path / "demo", "--from", "demo").code == 0
    listed = cli("runs", tmp_path / "demo" / "config.toml", "--keys")
    assert len(listed.out.splitlines()) == 12


def test_every_source_is_offered() -> None:
    assert OFFERED == workflow.SOURCES
    for source in workflow.SOURCES:
        assert (data_folder("workflows") / f"{source}.toml").is_file()


def test_the_script_is_sound(tmp_path: Path) -> None:
    script = data_folder("workflows") / "slurm_array.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    call = ["bash", str(script), "none.toml"]
    wrong = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (wrong.returncode, wrong.stderr) == (2, "usage: sbatch slurm_array.sh CONFIG.toml\n")
    assert f"CHUNK_SIZE:-{CHUNK}" in script.read_text()


@pytest.mark.parametrize(
    ("n_jobs", "cores", "threads"),
    [(None, 16, 1), (1, 16, 1), (12, 4, 12), (-1, 4, 4), (-1, 64, 8), (-2, 4, 3), (-9, 4, 1), (-1, None, 1)],
)
def test_a_job_asks_for_as_many_cores_as_it_uses(n_jobs: int | None, cores: int | None, threads: int) -> None:
    lines = (data_folder("workflows") / "Snakefile").read_text().splitlines()
    chosen = "\n".join(line for line in lines if line.startswith(("N_JOBS = ", "PROCESSES = ")))
    names = {"SETTINGS": {"output": {} if n_jobs is None else {"n_jobs": n_jobs}},
             "os": SimpleNamespace(cpu_count=lambda: cores)}  # fmt: skip
    exec(chosen, names)
    assert names["PROCESSES"] == threads


@pytest.mark.timeout(2400)
def test_snakemake_gives_the_same_files(cli: Callable, small_config: Path, tmp_path: Path) -> None:
    if shutil.which("snakemake") is None:
        pytest.skip("snakemake is not on the PATH (`make test` installs it in an environment of its own)")
    if shutil.which("fmri-saliency") is None:
        pytest.skip(f"fmri-saliency is not on the PATH (it is beside {sys.executable})")
    folder = tmp_path / "a study"
    assert cli("workflow", "new", folder, "--from", "hcp").code == 0
    (folder / "config.toml").write_text(small_config.read_text())
    out = folder / "results"
    call = ["snakemake", "--profile", "profiles/local", "--cores", "2"]
    small = [*call, "--config", "configuration=config.toml", "chunk_size=6"]
    done = subprocess.run(small, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again = subprocess.run(small, cwd=folder, capture_output=True, text=True, check=False)
    assert "Nothing to be done" in again.stderr
    made = contents(out)
    out.rename(out.with_name("by-snakemake"))
    assert cli("run", folder / "config.toml").code == 0
    wanted = contents(out)
    assert sorted(made) == sorted(wanted)
    assert [name for name in wanted if wanted[name] != made[name]] == []
