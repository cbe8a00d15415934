"""The workflow engine gives what the command gives."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fmri_saliency.places import data_folder


def test_snakemake_gives_the_same_files(cli: Callable, small_config: Path) -> None:
    if shutil.which("snakemake") is None:
        pytest.skip("snakemake is not on the PATH (`make test` installs it in an environment of its own)")
    if shutil.which("fmri-saliency") is None:
        pytest.skip(f"fmri-saliency is not on the PATH (it is beside {sys.executable})")
    out = small_config.parent / "results"
    call = ["snakemake", "--snakefile", str(data_folder("workflows") / "Snakefile"), "--cores", "2", "--config",
            f"config={small_config}", "--directory", str(small_config.parent)]  # fmt: skip
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = [p for p in out.rglob("*") if p.is_file() and not {".workflow", ".status"} & set(p.parts)]
    made = {str(p.relative_to(out)): p.read_bytes() for p in files}
    out.rename(out.with_name("by-snakemake"))
    assert cli("run", small_config).code == 0
    files = [p for p in out.rglob("*") if p.is_file() and ".status" not in p.parts]
    wanted = {str(p.relative_to(out)): p.read_bytes() for p in files}
    assert sorted(made) == sorted(wanted)
    assert [name for name in wanted if wanted[name] != made[name]] == []
