"""The whole job on a real Slurm: plain arrays and Snakemake, interrupted as clusters interrupt."""

import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, wait_for

from fmri_saliency.cli import main

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2400)]

SEARCH = """
[search]
inner_folds = 2
[search.decoder]
architecture.hidden_size = [2, 3]
"""
CHUNK = 6  # runs: two chunks of the tiny study
# What stands for `fmri-saliency` in jobs: it can be made slow, or hungry for memory, by a file of a name
STAND_IN = """#!/bin/bash
if [ -f {flags}/slow-$1-$4 ]; then sleep 600; fi
if [ -f {flags}/hungry-$1-$4 ]; then {python} -c "import time; held = bytearray(700 * 2**20); time.sleep(600)"; fi
export PYTHONPATH={source}
exec {python} -m fmri_saliency.cli "$@"
"""
# Snakemake's jobs forget SLURM_CONF; on other clusters the configuration is where Slurm looks for it
SRUN = """#!/bin/bash
export SLURM_CONF={configuration}
exec {srun} "$@"
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[Cluster]:
    """Start a Slurm of one machine, or skip, saying why."""
    need("slurm")
    if os.geteuid() != 0:
        pytest.skip("only root can start Slurm's daemons")
    one = Cluster(tmp_path_factory.mktemp("slurm"), socket.gethostname())
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Return a folder of twelve tiny scans of six people, with an atlas and a configuration."""
    spec = importlib.util.spec_from_file_location("interruptions", repository / "benchmarks" / "interruptions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_study(tmp_path_factory.mktemp("tiny"), 6).parent


@pytest.fixture(scope="session")
def wanted(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of `fmri-saliency run`."""
    folder = make_folder(tmp_path_factory.mktemp("wanted") / "my work", scans)  # as far from the scans as the others
    assert main(["run", str(folder / "config.toml")]) == 0
    return contents(folder)


@pytest.fixture
def folder(cluster: Cluster, scans: Path, tmp_path: Path) -> Path:
    """Return a folder as `fmri-saliency workflow new` makes it, with the two lines edited."""
    made = make_folder(tmp_path / "my work", scans)
    (tmp_path / "flags").mkdir()
    (tmp_path / "bin").mkdir()
    source = Path(main.__code__.co_filename).parents[1]
    stand_ins = {
        "fmri-saliency": STAND_IN.format(flags=tmp_path / "flags", python=sys.executable, source=source),
        "srun": SRUN.format(configuration=cluster.folder / "slurm.conf", srun=shutil.which("srun")),
    }
    for name, text in stand_ins.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return made


def make_folder(folder: Path, scans: Path) -> Path:
    """Set a folder up for the tiny scans."""
    assert main(["workflow", "new", str(folder), "--from", "table"]) == 0
    text = (scans / "study.toml").read_text().replace("../results", "results").replace('["lstm"]', "[]")
    for name in ("runs.tsv", "labels.nii.gz", "labels.tsv"):
        text = text.replace(f'"{name}"', f'"{scans.as_posix()}/{name}"')
    (folder / "config.toml").write_text(text + SEARCH)
    accounts = {"profiles/slurm/config.yaml": "  - slurm_account=", "slurm_array.sh": "#SBATCH --account="}
    for name, begin in accounts.items():
        text = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(line for line in text if not line.startswith(begin)))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of the results but what workflows know about the work; the page names no folder."""
    out = folder / "results"
    files = [path for path in out.rglob("*") if path.is_file() and ".workflow" not in path.parts]
    return {str(p.relative_to(out)): p.read_bytes().replace(str(out).encode(), b"RESULTS") for p in files}


def check_files(folder: Path, wanted: dict[str, bytes]) -> None:
    """Compare the results, the table of the search among them, with those of one call."""
    assert "search/search.md" in wanted
    found = contents(folder)
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if wanted[name] != found[name]] == []


@pytest.fixture
def array(cluster: Cluster, folder: Path) -> Callable[..., str]:
    """Submit the plain arrays, from here or from a job of their own; return what was said."""

    def call(by: str = "bash", **settings: object) -> str:
        more = {"CHUNK_SIZE": CHUNK, "EXTRACT_MEM": 1500, "GATHER_MEM": 2000, "FOLD_MEM": 2000, "REPORT_MEM": 2000}
        given = {key: str(value) for key, value in {**more, **settings}.items()}
        path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
        return cluster.call(by, "slurm_array.sh", "config.toml", cwd=folder, PATH=path, **given)

    return call


@pytest.fixture
def snakemake(cluster: Cluster, folder: Path, need: Callable[[str], str]) -> Callable[..., str]:
    """Call Snakemake with the profile for Slurm, which looks at its jobs more often than it would for real ones."""
    program = need("snakemake")

    def call(*words: object, check: bool = True) -> str:
        speed = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5", "--local-cores", "1"]
        settings = ["--config", "configuration=config.toml", f"chunk_size={CHUNK}"]
        path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
        return cluster.call(program, "--profile", "profiles/slurm", *speed, *words, *settings, cwd=folder,
                            check=check, PATH=path)  # fmt: skip

    return call


def test_plain_arrays_give_the_files_of_one_call(
    cluster: Cluster, folder: Path, array: Callable, wanted: dict[str, bytes]
) -> None:
    assert "Submitted batch job" in array("sbatch")
    cluster.wait_until_empty()
    (said,) = folder.glob("fmri-saliency-*.log")
    assert "Submitted: extract:" in said.read_text()
    check_files(folder, wanted)


def test_jobs_killed_for_time_and_memory_are_done_by_snakemake(
    cluster: Cluster, folder: Path, array: Callable, snakemake: Callable, wanted: dict[str, bytes]
) -> None:
    flags = folder.parent / "flags"
    (flags / "slow-extract-1").touch()
    (flags / "hungry-extract-2").touch()
    array(EXTRACT_TIME=1, EXTRACT_MEM=500)
    cluster.wait_until_empty()
    desk = folder / "results" / ".workflow"
    logs = {path.name.split("-")[0]: path.read_text() for path in sorted((desk / "logs").iterdir())}
    said = "".join(path.read_text() for path in (desk / "logs").glob("extract-*"))
    assert "DUE TO TIME LIMIT" in said
    assert "exceeded memory limit" in said
    assert "2 of 2 chunks are not done" in logs["gather"]
    assert not list(desk.glob("chunks/*.done"))
    assert not (folder / "results" / "samples").exists()
    for flag in flags.iterdir():
        flag.unlink()
    assert "Complete log" in snakemake("--retries", "0")  # nothing was done: Snakemake takes the job to the report
    check_files(folder, wanted)


def test_a_drained_node_a_lost_controller_and_a_cancelled_job(
    cluster: Cluster, folder: Path, array: Callable, wanted: dict[str, bytes]
) -> None:
    flags = folder.parent / "flags"
    (flags / "slow-train-2").touch()
    cluster.call("scontrol", "update", f"NodeName={cluster.host}", "State=DRAIN", "Reason=test")
    array()
    time.sleep(3)
    assert not list((folder / "results").rglob("*_timeseries.tsv"))  # everything waits
    cluster.call("scontrol", "update", f"NodeName={cluster.host}", "State=RESUME")
    wait_for(lambda: list((folder / "results").rglob("*_timeseries.tsv")), 600, "the first series")
    cluster.stop("slurmctld")
    cluster.call("slurmctld")
    decoders = folder / "results" / "decoder" / "input-cell-lstm"
    wait_for(lambda: (decoders / "fold-3" / "model.json").is_file(), 900, "the fold after the slow one")
    cluster.call("scancel", *(job for job, _ in cluster.jobs("RUNNING")))
    cluster.wait_until_empty()
    assert not (folder / "results" / "report.html").exists()
    (flags / "slow-train-2").unlink()
    array()
    cluster.wait_until_empty()
    check_files(folder, wanted)
