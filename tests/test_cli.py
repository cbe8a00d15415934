"""The command line as a user meets it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fmri_saliency import __version__
from fmri_saliency.cli import main, make_parser

COMMANDS = ("demo", "run", "extract", "train", "explain", "judge", "report", "runs", "simulate", "atlases",
            "evaluate", "workflow", "index", "gather")  # fmt: skip


def fresh(*words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "fmri_saliency.cli", *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys\nfrom fmri_saliency.cli import main\n"
        f"try:\n    main({[*([command] if command else []), '--help']!r})\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'nilearn', 'numpy', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: fmri-saliency" in done.stdout


def test_every_command_is_listed_once() -> None:
    text = make_parser().format_help()
    assert all(text.count(f"\n    {command} ") == 1 for command in COMMANDS)


def test_version_and_unknown_commands() -> None:
    assert fresh("--version").stdout.strip() == f"fmri-saliency {__version__}"
    wrong = fresh("runn")
    assert wrong.returncode == 2
    assert "invalid choice: 'runn'" in wrong.stderr


def test_errors_are_one_message_on_stderr(tmp_path: Path) -> None:
    done = fresh("run", str(tmp_path / "none.toml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Expected a configuration file at")
    assert done.stderr.count("\n") == 1
    for words in (("run", str(tmp_path / "none.toml"), "--debug"), ("--debug", "run", str(tmp_path / "none.toml"))):
        debug = fresh(*words)
        assert debug.returncode == 2
        assert "Traceback" in debug.stderr


def test_atlases_say_what_one_needs_to_know(cli: Callable, tmp_path: Path) -> None:
    text = cli("atlases", "--data-dir", tmp_path).out
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert re.search(r"labels +100 +MNI152NLin2009aSym +yes$", rows["Compact"])
    assert re.search(r"maps +64, 128, 256, 512, 1024 +MNI152NLin6Asym +no$", rows["DiFuMo"])
    assert "One's own" in text
    one = cli("atlases", "schaefer", "--data-dir", tmp_path).out
    for words in ("licence  MIT", "doi:10.1093/cercor/bhx179", "n_regions = 400   # 100, 200", 'name = "Schaefer2018"'):
        assert words in one
    for words in ("BSD-3-Clause", "build_compact.py"):
        assert words in cli("atlases", "compact").out
    wrong = cli("atlases", "glaser")
    assert (wrong.code, "Did you mean 'HCPMMP1'" in wrong.err) == (2, True)
    assert not list(tmp_path.iterdir())


def test_an_unexpected_error_is_one_message_too(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("far below")

    monkeypatch.setattr("fmri_saliency.pipeline.load_config", explode)
    done = cli("run", tmp_path / "x.toml")
    assert (done.code, done.err) == (
        1, "Error: unexpected ZeroDivisionError: far below. Run again with --debug for the traceback.\n"
    )  # fmt: skip
    assert "Traceback" in cli("run", tmp_path / "x.toml", "--debug").err


def test_an_interruption_says_how_to_go_on(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fmri_saliency.pipeline.load_config", interrupt)
    done = cli("run", tmp_path / "x.toml")
    assert (done.code, "the same command goes on from there" in done.err) == (130, True)


def test_wrong_simulations(cli: Callable, tmp_path: Path) -> None:
    done = cli("simulate", tmp_path / "x", "--tasks", "motors")
    assert (done.code, "Did you mean 'MOTOR'" in done.err) == (2, True)
    assert not (tmp_path / "x").exists()


def test_an_unwritable_folder(cli: Callable, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/nowhere")
    else:
        target = tmp_path / "locked"
        target.mkdir(mode=0o500)
    done = cli("simulate", target / "x", "--subjects", "1")
    assert done.code == 1
    assert done.err.startswith("Error: a file or folder cannot be read or written")


def test_main_returns_what_the_shell_sees(tmp_path: Path) -> None:
    assert main(["run", str(tmp_path / "none.toml")]) == 2
