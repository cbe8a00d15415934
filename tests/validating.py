"""What the BIDS validator says of a data set, for tests of folders that should be valid."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def bids_errors(folder: Path) -> list[tuple[str, str]]:
    """Return code and place of every error; skip, saying so, where the validator is not installed."""
    beside = Path(sys.executable).with_name("bids-validator-deno")
    command = str(beside) if beside.is_file() else shutil.which("bids-validator-deno")
    if command is None:
        pytest.skip("bids-validator-deno is not there (pip install '.[validate]')")
    done = subprocess.run([command, "--json", str(folder)], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    errors = [(issue["code"], issue["location"]) for issue in issues if issue["severity"] == "error"]
    assert (done.returncode != 0) == bool(errors)
    return errors
