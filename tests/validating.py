"""What the BIDS validator says of a data set, for tests of folders that should be valid."""

import json
import subprocess
from pathlib import Path


def bids_errors(validator: str, folder: Path) -> list[tuple[str, str]]:
    """Return code and place of every error; `validator` is the program."""
    done = subprocess.run([validator, "--json", str(folder)], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    errors = [(issue["code"], issue["location"]) for issue in issues if issue["severity"] == "error"]
    assert (done.returncode != 0) == bool(errors)
    return errors
