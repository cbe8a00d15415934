"""The call as a BIDS App: both levels, what it refuses, and the exit code of each."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import pandas as pd
import pytest

from fmri_saliency import __version__
from fmri_saliency.cli import _make_parser, is_bids_call, main
from fmri_saliency.errors import ConfigError
from fmri_saliency.pipeline.commands.bids_app import BidsCall, read_call
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids

CONFIG = """
[scans]
space = "MNI152NLin2009aSym"
[cleaning]
high_pass = 0.0
[cleaning.denoise]
strategy = ["motion", "high_pass", "scrub"]
motion = "basic"
outliers = "mark"
[samples]
unit = "event"
length = 10.0
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
"""


def fresh(*words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "fmri_saliency.cli", *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a raw data set of four people, derivatives in it, and a configuration."""
    folder = tmp_path_factory.mktemp("study")
    people, space = ("01", "02", "03", "04"), ("MNI152NLin2009aSym", "")
    simulate_bids(folder / "raw", None, BidsSimulation(people, ("look",), spaces=(space,), shape=(21, 25, 23)))
    (folder / "mine.toml").write_text(CONFIG)
    return folder


def app(cli: Callable, study: Path, out: Path, level: str, *more: object) -> object:
    return cli(study / "raw", out, level, "--config", study / "mine.toml", *more)


def test_people_one_by_one_and_then_the_group(cli: Callable, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    early = app(cli, study, out, "group")
    assert (early.code, "run the level participant first" in early.err) == (1, True)
    for label in ("01", "sub-02"):
        done = app(cli, study, out, "participant", "--participant_label", label)
        assert (done.code, "1 extracted, 0 up to date" in done.err) == (0, True)
    assert sorted(p.name for p in out.glob("sub-*")) == ["sub-01", "sub-02"]
    assert not (out / "decoder").exists()
    assert app(cli, study, out, "participant", "--participant-label", "02", "03").code == 0
    done = app(cli, study, out, "group")
    assert done.code == 0, done.err
    assert done.out.strip() == str(out / "report.html")
    log = pd.read_csv(out / "runs.tsv", sep="\t", dtype=str)
    assert log["run"].tolist() == [f"sub-0{k}_task-look" for k in (1, 2, 3, 4)]
    assert log["status"].tolist() == ["done", "done", "done", "found"]
    assert "1 of 4 runs have no series and are left out (first: sub-04_task-look)" in done.err
    assert "18 samples of 5 frames" in done.err  # six of each of three people
    page = (out / "report.html").read_text()
    assert "confounds: motion (basic), high_pass, scrub (5)" in page
    resolved = tomllib.loads((out / "config.toml").read_text())
    assert (out / resolved["scans"]["bids"]["raw"]).resolve() == (study / "raw").resolve()
    again = app(cli, study, out, "group")
    assert (again.code, "0 extracted, 3 up to date" in again.err) == (0, True)


def test_people_at_the_same_time(study: Path, tmp_path: Path) -> None:
    """Two processes, one output folder."""
    out = tmp_path / "out"
    calls = [(str(study / "raw"), str(out), "participant", "--participant-label", label, "--config",
              str(study / "mine.toml")) for label in ("01", "02")]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda words: fresh(*words), calls))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert len(list(out.rglob("*_timeseries.json"))) == 2
    assert not list(out.rglob(".unfinished-*"))


def test_a_person_that_fails_is_an_exit_code(cli: Callable, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "raw", tmp_path / "raw")
    (bold,) = (tmp_path / "raw").glob("derivatives/fmriprep/sub-02/func/*_desc-preproc_bold.nii.gz")
    bold.write_bytes(bold.read_bytes()[:200_000])
    call = (tmp_path / "raw", tmp_path / "out", "participant", "--config", study / "mine.toml")
    failed = cli(*call)
    assert (failed.code, "1 of 4 runs could not be used" in failed.err) == (1, True)
    assert len(list((tmp_path / "out").rglob("*_timeseries.json"))) == 3  # the others are done
    assert cli(*call, "--participant-label", "01").code == 0
    alone = cli(*call, "--participant-label", "02")
    assert alone.code != 0
    assert "breaks off or is damaged" in alone.err
    half = cli(*call, "--participant-label", "01", "99")
    assert (half.code, "No usable run of 99" in half.err) == (1, True)
    none = cli(*call, "--participant-label", "99")
    assert (none.code, "None of the subjects 99 is in" in none.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{raw}", "{out}", "participants"), "invalid choice: 'participants' (choose from"),
        (("{raw}", "{out}"), "the following arguments are required: level"),
        (("{raw}", "{out}", "group", "--participants", "1"), "unrecognized arguments: --participants"),
        (("nowhere", "{out}", "participant"), "Expected a BIDS data set at nowhere; there is no such folder"),
        (("{raw}/sub-01", "{out}", "participant"), "No functional file in sub-*/func"),
        (("{raw}", "{out}", "group", "--config", "{out}/none.toml"), "Expected a configuration file at"),
        (("{raw}", "{out}", "group", "--derivatives", "{out}"), "Expected the derivatives of fMRIPrep at"),
    ],
)
def test_wrong_calls_end_with_2(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: tuple[str, ...], said: str
) -> None:
    filled = [word.format(raw=study / "raw", out=tmp_path / "out") for word in words]
    try:
        code = main(filled)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_and_version() -> None:
    code = ("import sys\nfrom fmri_saliency.cli import main\n"
            "try:\n    main(['x/y', 'out', 'participant', '--help'])\n"
            "except SystemExit as stop:\n    assert stop.code == 0\n"
            "assert not {'torch', 'nilearn', 'numpy', 'pandas', 'sklearn'} & set(sys.modules)\n")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in ("BIDS_DIR OUT_DIR {participant,group}", "--participant-label", "--config", "--skip-bids-validation",
                  "extract the region time series"):  # fmt: skip
        assert words in done.stdout
    assert fresh("x/y", "out", "group", "--version").stdout.strip() == f"fmri-saliency {__version__}"
    assert "fmri-saliency BIDS_DIR OUT_DIR {participant,group}" in fresh("--help").stdout


def test_which_calls_are_those_of_a_bids_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "demo").mkdir()
    commands = _make_parser()[1]
    assert {"demo", "run", "extract", "runs"} <= set(commands)
    yes = (["data", "out", "participant"], ["gone", "out", "group"], ["data", "out"], ["./demo", "out", "group"],
           ["--participant-label", "01", "--", "data", "out", "participant"], ["a/b"])  # fmt: skip
    no = (["demo", "out"], ["run", "participant"], ["--help"], [], ["runn"], ["extract", "x.toml", "--run", "group"])
    assert [is_bids_call(words, commands) for words in yes] == [True] * len(yes)
    assert [is_bids_call(words, commands) for words in no] == [False] * len(no)


def test_the_call_wins_over_the_file(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('recipe = "pooled"\n[scans]\nlayout = "fmriprep"\npath = "elsewhere"\nsubjects = ["77"]\n'
                    '[scans.bids]\nraw = "x"\nresolution = "2"\n[output]\npath = "there"\ntitle = "T"\n')
    config = read_call(BidsCall(study / "raw", tmp_path / "out", ("sub-01", "01"), path, n_jobs=3))
    assert config.scans.path == study / "raw" / "derivatives" / "fmriprep"
    assert (config.scans.bids.raw, config.scans.bids.resolution) == (study / "raw", "2")
    assert config.scans.subjects == ("01",)
    assert (config.output.path, config.output.n_jobs, config.output.title) == (tmp_path / "out", 3, "T")
    assert config.decoder.network == "bi-input-cell-lstm"
    derived = read_call(BidsCall(study / "raw" / "derivatives" / "fmriprep", tmp_path / "out"))
    assert (derived.scans.path, derived.scans.bids.raw) == (study / "raw" / "derivatives" / "fmriprep", None)
    moved = tmp_path / "moved"
    moved.mkdir()
    other = read_call(BidsCall(study / "raw", tmp_path / "out", derivatives=moved))
    assert (other.scans.path, other.scans.bids.raw) == (moved, study / "raw")
    path.write_text('[scans]\nlayout = "hcp"\n')
    with pytest.raises(ConfigError, match=r'A BIDS App reads layout = "fmriprep"; .scans. says "hcp"'):
        read_call(BidsCall(study / "raw", tmp_path / "out", config=path))


def test_the_same_scans_by_layout_and_by_table_give_the_same_series(cli: Callable, study: Path, tmp_path: Path) -> None:
    assert app(cli, study, tmp_path / "app", "participant", "--participant-label", "01").code == 0
    folder = study / "raw" / "derivatives" / "fmriprep"
    (tmp_path / "runs.tsv").write_text(
        "bold\tmask\tconfounds\tevents\n"
        f"{folder}/sub-01/func/*_desc-preproc_bold.nii.gz\t{{folder}}/*_desc-brain_mask.nii.gz\t"
        f"{{folder}}/*_timeseries.tsv\t{study}/raw/sub-{{sub}}/func/*_events.tsv\n"
    )
    head = '[scans]\nlayout = "table"\npath = "runs.tsv"\nspace = "MNI152NLin2009aSym"\n[output]\npath = "table"\n'
    (tmp_path / "t.toml").write_text(head + CONFIG.split("\n", 3)[3])
    assert cli("extract", tmp_path / "t.toml").code == 0
    one, other = (next((tmp_path / name).rglob("*_timeseries.tsv")) for name in ("app", "table"))
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    assert nib.load(next(folder.glob("sub-01/func/*preproc_bold.nii.gz"))).shape[3] == len(pd.read_csv(one, sep="\t"))


def test_another_description_of_the_components_redoes_the_series_if_it_is_read(cli: Callable, tmp_path: Path) -> None:
    made = simulate_bids(tmp_path / "raw", None, BidsSimulation(subjects=("01",), tasks=("look",), n_times=140))
    config = tmp_path / "c.toml"
    (about,) = made.rglob("*_desc-confounds_timeseries.json")

    def extract(strategy: str) -> str:
        config.write_text(f'[scans]\nlayout = "fmriprep"\npath = "{made.as_posix()}"\n[cleaning]\nhigh_pass = 0.0\n'
                          f'[cleaning.denoise]\nstrategy = {strategy}\n[output]\npath = "out"\n')  # fmt: skip
        done = cli("extract", config)
        assert done.code == 0, done.err
        return done.err

    read = '["high_pass", "compcor"]'
    assert "1 extracted, 0 up to date" in extract(read)
    assert "0 extracted, 1 up to date" in extract(read)
    content = json.loads(about.read_text())
    content["a_comp_cor_01"]["Mask"] = "CSF"  # no longer one of the combined mask
    about.write_text(json.dumps(content))
    assert "1 extracted, 0 up to date" in extract(read)
    card = json.loads(next((tmp_path / "out").rglob("*_timeseries.json")).read_text())
    assert "a_comp_cor_01" not in card["Cleaning"]["confounds_used"]
    assert "1 extracted, 0 up to date" in extract('["motion"]')
    about.write_text(json.dumps(content | {"more": {}}))
    assert "0 extracted, 1 up to date" in extract('["motion"]')
