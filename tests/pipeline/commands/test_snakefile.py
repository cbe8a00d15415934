"""A folder to work in, and Snakemake on this machine: the files of one call."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.cli import SOURCES as OFFERED
from fmri_saliency.disk.places import data_folder
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.commands import workflow_files as workflow
from fmri_saliency.pipeline.commands.cluster import CHUNK

REPOSITORY = Path(__file__).resolve().parents[3]
BySnakemake = Callable[..., tuple[str, list[str]]]


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
    spaced = cli("workflow", "new", tmp_path / "my study", "--from", "table").out
    assert f"cd '{tmp_path}/my study' && snakemake" in spaced
    assert f"fmri-saliency runs '{tmp_path}/my study/config.toml'`" in spaced
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
    text = script.read_text()
    assert f"CHUNK_SIZE:-{CHUNK}" in text
    # bash before 4.4 takes an empty array for an unset variable, and stops: the only one is never empty
    assert set(re.findall(r"\$\{(\w+)\[[@*]\]", text)) == {"options"}


SBATCH = """#!/bin/bash
# does at once what it is asked for, a task after the other, and notes how it was asked
echo "$*" >> "$NOTES/sbatch"
tasks=0
while [ "${1:0:2}" = -- ]; do
    case $1 in
    --array) tasks=${2%\\%*}; tasks=${tasks#1-}; shift 2 ;;
    --parsable | --*=*) shift ;;
    *) shift 2 ;;
    esac
done
for task in $(seq "$((tasks > 0))" "$tasks"); do
    SLURM_ARRAY_TASK_ID=$task bash "$@" >> "$NOTES/said" 2>&1 || exit 1
done
wc -l < "$NOTES/sbatch"
"""
TOOL = """#!/bin/bash
if [ "$1" = index ]; then echo "$DESK"; else (IFS='|'; echo "$*" >> "$NOTES/called"); fi
"""


def fake_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an sbatch that works at once on the path, and a tool that notes how it was called."""
    scripts = {"sbatch": SBATCH, "fmri-saliency": TOOL, "squeue": "#!/bin/bash\n",
               "scontrol": "#!/bin/bash\necho 'MaxArraySize            = 3'\n"}  # fmt: skip
    (folder / "bin").mkdir()
    for name, text in scripts.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(folder))
    monkeypatch.setenv("DESK", str(folder / "the results" / ".workflow"))


@pytest.mark.parametrize("device", ["cuda:1", "cpu"])
def test_arrays_ask_for_what_the_site_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    folder = tmp_path / "a study' 100%j $(touch x)"
    desk = folder / "the results" / ".workflow"
    (desk / "chunks").mkdir(parents=True)
    (desk / "stages").mkdir()
    fake_slurm(folder, monkeypatch)
    for number in range(1, 5):
        (desk / "chunks" / f"{number:04d}.json").touch()
    (desk / "chunks" / "0002.done").touch()
    (desk / "folds.tsv").write_text("".join(f"lstm\t{fold}\n" for fold in range(1, 6)))
    trials = [(f"outer-{outer}_inner-{inner}_ab", outer, inner) for outer in (1, 2) for inner in (1, 2)]
    (desk / "trials.tsv").write_text("".join(f"{key}\t{outer}\t{inner}\t1\t0\n" for key, outer, inner in trials))
    (desk / "stages" / "train.json").write_text(json.dumps({"settings": {"decoder": {"device": device}}}, indent=2))
    (desk / "size.json").write_text(json.dumps({"samples": 7, "array_mb": 300}, indent=2))
    config = folder / "my config.toml"
    config.write_text(f"[decoder]\ndevice='{device}'  # in other quotes\n")
    script = shutil.copy(data_folder("workflows") / "slurm_array.sh", folder)
    done = subprocess.run(["bash", script, config.name], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    called = [line.split("|") for line in (folder / "called").read_text().splitlines()]
    assert {str(config)} == {words[1] for words in called}
    tasks = [" ".join([words[0], *words[2:]]) for words in called]
    folds = [f"{step} --fold {fold} --network lstm" for first in (1, 3, 5) for step in ("train", "explain")
             for fold in range(first, min(6, first + 2))]  # fmt: skip
    assert tasks == ["extract --chunk 1", "extract --chunk 3", "extract --chunk 4", "gather", *folds,
                     "train", "explain", "report", *(f"search --trial {key}" for key, *_ in trials),
                     "search --fold 1", "search --fold 2", "search"]  # fmt: skip
    asked = (folder / "sbatch").read_text().splitlines()
    said = {re.search(r"--output (.*?/logs)/", line)[1] for line in asked}
    assert said == {str(desk / "logs").replace("%", "%%")}  # sbatch would fill in a number for %j
    memory = {re.search(r" task (\w+)", line)[1]: re.search(r"--mem (\d+)", line)[1] for line in asked}
    assert (memory["train"], memory["report"], memory["gather"]) == ("2800", "4900", "2300")
    assert {re.search(r"--array 1-(\d+)%", line)[1] for line in asked if "--array" in line} == {"1", "2"}
    steps = [re.search(r" task (\w+)", line)[1] for line in asked]
    assert {step for step, line in zip(steps, asked, strict=True) if "--gpus=1" in line} == \
        ({"train", "explain", "report", "try", "choose"} if device != "cpu" else set())
    # jobs are numbered as they came: 2 of extraction, gather 3, train and explain in pairs 4 to 9, report 10, ...
    found = [re.search(r"--dependency (\S+)", line) for line in asked]
    assert [one[1] if one else "" for one in found] == [
        "", "", "afterany:1:2", "afterok:3", "aftercorr:4", "afterok:3", "aftercorr:6", "afterok:3", "aftercorr:8",
        "afterok:5:7:9", "afterok:3", "afterok:3", "afterok:11:12", "afterok:13:5:7:9"]  # fmt: skip


STAND_IN = """#!/bin/bash
export PYTHONPATH={source}
[ "$1" = index ] || echo "$1 ${{@:3}}" >> {folder}/called
case $1 in
index | extract) exec {python} -m fmri_saliency.cli "$@" ;;
report) {python} -c "{begin}" "$2" && echo page > results/report.html ;;
search) [ $# -gt 2 ] || (mkdir -p results/search && echo table > results/search/search.md) ;;
esac
"""


SEARCH = """
[search]
inner_folds = 2
[search.decoder]
architecture.hidden_size = [2, 3]
"""
BEGIN = """
import sys
from fmri_saliency.pipeline.study.opening import begin
from fmri_saliency.pipeline.study.config import load_config
begin(load_config(sys.argv[1]))
"""


@pytest.fixture
def by_snakemake(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Callable[[str], str]
) -> BySnakemake:
    """Call Snakemake in a folder of twelve runs whose steps after the extraction are only noted; return what it did.

    What is returned is what Snakemake said, and the pieces that were called, sorted.
    """
    program, folder = need("snakemake"), tmp_path / "study"
    assert cli("workflow", "new", folder, "--from", "table").code == 0
    shutil.copytree(tiny_study(tmp_path, 6).parent, folder, dirs_exist_ok=True)
    text = (folder / "study.toml").read_text().replace("../results", "results")
    (folder / "config.toml").write_text(text.replace('compare = ["lstm"]', "compare = []"))
    (tmp_path / "bin").mkdir()
    stand_in = STAND_IN.format(source=REPOSITORY, folder=tmp_path, python=sys.executable, begin=BEGIN)
    (tmp_path / "bin" / "fmri-saliency").write_text(stand_in)
    (tmp_path / "bin" / "fmri-saliency").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def call(*words: str) -> tuple[str, list[str]]:
        (tmp_path / "called").write_text("")
        command = [program, *words, "--profile", "profiles/local", "--cores", "2", "--config",
                   "configuration=config.toml", "chunk_size=4"]  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr, sorted((tmp_path / "called").read_text().splitlines())

    return call


def tiny_study(folder: Path, n_subjects: int) -> Path:
    """Write scans of two tasks a person; return the configuration beside them."""
    spec = importlib.util.spec_from_file_location("interruptions", REPOSITORY / "benchmarks" / "interruptions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_study(folder, n_subjects)


def pieces(*steps: str) -> list[str]:
    """Return the pieces of steps, sorted, as they are called for three folds."""
    folds = [f"{step} --fold {fold} --network input-cell-lstm" for step in steps for fold in (1, 2, 3)]
    return sorted([*folds, "train ", "explain ", "report "])


@pytest.mark.timeout(2400)
def test_only_what_depends_on_a_change_is_done_again_and_it_is_said_why(
    by_snakemake: BySnakemake, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    config, scan = folder / "config.toml", folder / "sub-03_one.nii.gz"
    extracted = [f"extract --chunk {number}" for number in ("0001", "0002", "0003")]
    assert by_snakemake()[1] == sorted([*extracted, "gather ", *pieces("train", "explain")])
    text = config.read_text()
    config.write_text(text.replace("input-x-gradient", "gradient"))
    said, called = by_snakemake()
    assert called == pieces("explain")
    assert "saliency.method: input-x-gradient -> gradient" in said
    assert "to be done again as far as it depends on that: explain, report" in said.lower()
    assert re.search(r"reason: Updated input files: \S+stages/explain.json", said)
    config.write_text(config.read_text() + "# nothing but words\n")
    assert by_snakemake()[1] == []
    image = nib.load(scan)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) + 1, image.affine, image.header), scan)
    said, called = by_snakemake(str(folder / "results" / ".workflow" / "gathered"))  # and is stopped there
    assert called == ["extract --chunk 0002", "gather "]
    assert "1 runs have changed since they were dealt out (scan, mask, confounds or events): sub-03_task-one" in said
    said, called = by_snakemake()
    assert called == pieces("train", "explain")
    assert re.search(r"reason: Updated input files: \S+gathered", said)


@pytest.mark.timeout(2400)
def test_results_of_another_way_are_noticed(
    by_snakemake: BySnakemake, cli: Callable, tmp_path: Path
) -> None:
    config = tmp_path / "study" / "config.toml"
    text = config.read_text()
    first = by_snakemake()[1]
    config.write_text(text.replace("high_pass = 0.0", "high_pass = 0.01"))
    assert cli("extract", config).code == 0  # without Snakemake
    config.write_text(text)
    said, called = by_snakemake()
    assert called == first
    assert "cleaning.high_pass: 0.01 -> 0.0" in said


@pytest.mark.timeout(2400)
def test_trials_are_jobs_of_their_own(by_snakemake: BySnakemake, tmp_path: Path) -> None:
    config = tmp_path / "study" / "config.toml"
    config.write_text(config.read_text() + SEARCH)
    called = by_snakemake()[1]
    trials = (tmp_path / "study" / "results" / ".workflow" / "trials.tsv").read_text().splitlines()
    assert len(trials) == 3 * 2 * 2  # outer folds, inner folds, settings
    wanted = {f"search --trial {row.split(chr(9))[0]}" for row in trials}
    assert {words for words in called if "--trial" in words} == wanted
    assert [words for words in called if words.startswith("search --fold")] == [f"search --fold {k}" for k in (1, 2, 3)]
    assert called.count("search ") == 1
    config.write_text(config.read_text().replace("[2, 3]", "[2, 3, 4]"))
    again = by_snakemake()[1]
    assert len([words for words in again if "--trial" in words]) == 3 * 2  # those of the setting that came
    assert not [words for words in again if words.startswith(("extract", "gather", "train", "explain"))]


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
def test_snakemake_gives_the_same_files(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Callable[[str], str]
) -> None:
    program, command = need("snakemake"), Path(need("command"))
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    folder = tmp_path / "a study"
    assert cli("workflow", "new", folder, "--from", "hcp").code == 0
    shutil.copytree(tiny_study(tmp_path, 6).parent, folder, dirs_exist_ok=True)
    text = (folder / "study.toml").read_text().replace("../results", "results")
    (folder / "config.toml").write_text(text.replace('compare = ["lstm"]', "compare = []") + SEARCH)
    out = folder / "results"
    call = [program, "--profile", "profiles/local", "--cores", "2"]
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
    assert {"report.html", "search/search.md", "search/scores.tsv"} < set(wanted)
    assert [name for name in wanted if wanted[name] != made[name]] == []
