"""The output folder as a user gets it: valid, whole, and every number where it should be."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making import make_atlas
from scipy.stats import ttest_1samp
from validating import bids_errors

from fmri_saliency.cli import main
from fmri_saliency.disk.bids_names import build_name
from fmri_saliency.pipeline.commands.demo import coarse_atlas
from fmri_saliency.pipeline.steps.map_files import MapSetting, class_entities, is_written, person_outputs, write_person
from fmri_saliency.pipeline.study.config import Config, build_section
from fmri_saliency.records import Run, Saliency
from fmri_saliency.saliency import read_saliency
from fmri_saliency.series import Windows

CONFIG = """
[scans]
layout = "hcp"
path = "scans"
space = "MNI152NLin2009aSym"
[cleaning]
confounds = []
[decoder]
folds = 3
compare = []
[decoder.architecture]
hidden_size = 4
hops = 2
attention_size = 4
[decoder.training]
max_epochs = 2
[saliency]
method = "input-x-gradient"
[output]
path = "results"
per_run = true
"""
NAMES = "space-MNI152NLin2009aSym_atlas-Compact_scale-100_stat-{}_desc-inputxgradient_{}"
GONE = 7  # the region that one person's motor runs do not cover
PEOPLE = ("100101", "100201", "100301")


@pytest.fixture(scope="module")
def made(small_scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the whole job on three people, one of whom lacks a region in the motor runs; return the output folder."""
    folder = tmp_path_factory.mktemp("outputs")
    shutil.copytree(small_scans / "scans", folder / "scans")
    for path in (folder / "scans" / PEOPLE[0]).rglob("tfMRI_MOTOR_??.nii.gz"):
        image = nib.load(path)
        values = np.asanyarray(image.dataobj).copy()
        values[coarse_atlas().labels == GONE] = 0
        nib.save(nib.Nifti1Image(values, image.affine, image.header), path)
    (folder / "c.toml").write_text(CONFIG)
    assert main(["run", str(folder / "c.toml")]) == 0
    return folder / "results"


def name(stat: str, ending: str = "boldmap.nii.gz", task: str = "motor", who: str = "") -> str:
    return (f"{who}_" if who else "") + f"task-{task}_" + NAMES.format(stat, ending)


def regions_of(path: Path) -> np.ndarray:
    """Return one value per region, (n_regions,) or (n_regions, n_times), after a look that each has but one."""
    values = nib.load(path).get_fdata(dtype=np.float32)
    labels = coarse_atlas().labels
    assert (values[labels == 0] == 0).all()
    inside = [values[labels == region] for region in range(1, 101)]
    for one in inside:
        np.testing.assert_array_equal(one, np.broadcast_to(one[0], one.shape))
    return np.array([one[0] for one in inside])


def samples_of(made: Path, subject: str, task: str) -> tuple[np.ndarray, pd.DataFrame]:
    table = pd.read_csv(made / "samples" / "samples.tsv", sep="\t", dtype=str)
    mine = (table["subject"] == subject) & (table["label"] == task)
    return read_saliency(made / "saliency" / "input-cell-lstm" / "samples").values[mine], table[mine]


def test_the_validator_accepts_the_whole_folder(made: Path, need: Callable) -> None:
    assert bids_errors(need("validator"), made) == []
    wrong = made / "sub-100101" / "func" / "sub-100101_wrong_bold.nii.gz"  # and it does look
    wrong.write_bytes(b"x")
    errors = bids_errors(need("validator"), made)
    wrong.unlink()
    assert {place for _, place in errors} == {"/sub-100101/func/sub-100101_wrong_bold.nii.gz"}


def test_it_says_what_it_is_made_from(made: Path) -> None:
    card = json.loads((made / "dataset_description.json").read_text())
    assert (card["SourceDatasets"], card["DatasetLinks"]) == ([{"URL": "bids:scans:"}], {"scans": "../scans"})
    assert (made / card["DatasetLinks"]["scans"]).resolve() == made.parent / "scans"
    series = json.loads(next(made.rglob("sub-100201_task-motor_dir-LR_*_timeseries.json")).read_text())
    folder = "bids:scans:100201/MNINonLinear/Results/tfMRI_MOTOR_LR"
    assert series["Sources"][0] == f"{folder}/tfMRI_MOTOR_LR.nii.gz"
    words = (made / "README.md").read_text()
    stats = {path.name.split("_stat-")[1].split("_")[0] for path in made.rglob("*_boldmap.*")}
    assert {stat for stat in stats if f"`stat-{stat}`" not in words} == set()


def test_maps_of_a_person_are_averages_of_their_samples(made: Path) -> None:
    folder = made / "sub-100201" / "func"
    values, _ = samples_of(made, "100201", "motor")
    wanted = values.mean(axis=0, dtype=float)
    found = {stat: regions_of(folder / name(stat, who="sub-100201"))
             for stat in ("saliency", "saliencymean", "saliencyabs", "peaktime")}  # fmt: skip
    np.testing.assert_allclose(found["saliency"].T, wanted, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found["saliencymean"], wanted.mean(axis=0), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found["saliencyabs"], np.abs(wanted).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["peaktime"], np.abs(wanted).argmax(axis=0) * 0.72, rtol=1e-5)
    assert found["saliencyabs"].min() > 0 > found["saliencymean"].min()


def test_a_time_of_a_peak_is_said_to_be_there_for_noise_as_well(made: Path) -> None:
    card = json.loads((made / "group" / name("peaktime").replace(".nii.gz", ".json")).read_text())
    assert "also one whose saliency is noise" in card["Description"]
    (table,) = (made / "group").glob("desc-*_regions.json")
    assert "where saliency is noise" in json.loads(table.read_text())["peak_s"]["Description"]


def test_only_what_has_a_sign_is_called_signed(made: Path) -> None:
    cards = {stat: json.loads((made / "group" / name(stat).replace(".nii.gz", ".json")).read_text())
             for stat in ("saliency", "saliencymean", "saliencyt", "saliencyblock", "saliencyabs", "peaktime",
                          "subjects", "saliencystderr", "saliencymeanstderr")}  # fmt: skip
    assert [stat for stat, card in cards.items() if card["Signed"]] == ["saliency", "saliencymean", "saliencyt",
                                                                         "saliencyblock"]  # fmt: skip


def test_blocks_are_averaged_from_their_onsets(made: Path) -> None:
    values, table = samples_of(made, "100301", "motor")
    total = []
    for one, direction in zip(values, table["direction"], strict=True):
        folder = made.parent / "scans" / "100301" / "MNINonLinear" / "Results" / f"tfMRI_MOTOR_{direction}" / "EVs"
        onsets = np.concatenate([np.loadtxt(folder / f"{kind}.txt")[:, 0] for kind in ("lh", "rf")])
        first = np.floor(onsets / 0.72 + 0.5).astype(int)
        total += [one[k : k + 25] for k in first if k + 25 <= len(one)]  # 12 s and 6 s are 25 steps
    assert len(total) > 4
    path = made / "sub-100301" / "func" / name("saliencyblock", who="sub-100301")
    np.testing.assert_allclose(regions_of(path).T, np.mean(total, axis=0, dtype=float), rtol=1e-4, atol=1e-9)
    card = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert card["BlockTrialTypes"] == ["lh", "rf"]
    assert card["BlocksAveraged"] == len(total)
    group = made / "group" / name("saliencyblock").replace(".nii.gz", ".json")
    everybody = [json.loads(one.read_text())["BlocksAveraged"]
                 for one in made.glob("sub-*/func/*task-motor_*_stat-saliencyblock_*_boldmap.json")]  # fmt: skip
    assert len(everybody) == 3
    assert json.loads(group.read_text())["BlocksAveraged"] == sum(everybody)
    assert "BlocksAveraged" not in json.loads(group.with_name(name("saliency").replace(".nii.gz", ".json")).read_text())
    assert (card["TimeZero"], card["StartTime"], card["OnsetLocked"]) == ("block's onset", 0.0, True)


def test_runs_have_maps_on_demand(made: Path) -> None:
    values, table = samples_of(made, "100301", "emotion")
    for one, run in zip(values, table["run"], strict=True):
        path = made / "sub-100301" / "func" / f"{run}_{NAMES.format('saliencyrun', 'boldmap.nii.gz')}"
        np.testing.assert_allclose(regions_of(path).T, one, rtol=1e-6)


def test_a_region_that_a_person_lacks_is_missing_there_and_counted_in_the_group(made: Path) -> None:
    lacking = regions_of(made / "sub-100101" / "func" / name("saliency", who="sub-100101"))
    assert np.isnan(lacking[GONE - 1]).all()
    assert np.isfinite(np.delete(lacking, GONE - 1, axis=0)).all()
    card = json.loads((made / "sub-100101" / "func" / name("saliency", "boldmap.json", who="sub-100101")).read_text())
    assert card["AbsentRegions"] == [coarse_atlas().names[GONE - 1]]
    n = regions_of(made / "group" / name("subjects"))
    assert (n[GONE - 1], set(np.delete(n, GONE - 1))) == (2, {3})
    assert set(regions_of(made / "group" / name("subjects", task="emotion"))) == {3}


@pytest.mark.parametrize("task", ["emotion", "motor"])
def test_maps_of_the_group_weigh_everybody_alike(made: Path, task: str) -> None:
    people = np.array([regions_of(made / f"sub-{one}" / "func" / name("saliency", task=task, who=f"sub-{one}"))
                       for one in PEOPLE], dtype=float)  # fmt: skip
    found = {stat: regions_of(made / "group" / name(stat, task=task)) for stat in (
        "saliency", "saliencymean", "saliencyt", "saliencystderr", "saliencymeant", "saliencymeanstderr")}  # fmt: skip
    np.testing.assert_allclose(found["saliency"], np.nanmean(people, axis=0), rtol=1e-4, atol=1e-9)
    whole = np.delete(people, GONE - 1, axis=1)  # where nobody lacks a region, SciPy's numbers
    for stat, one in (("saliency", whole), ("saliencymean", whole.mean(axis=2))):
        there = {kind: np.delete(found[f"{stat}{kind}"], GONE - 1, axis=0) for kind in ("t", "stderr")}
        np.testing.assert_allclose(there["t"], ttest_1samp(one, 0).statistic, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(there["stderr"], one.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-4, atol=1e-9)
    classes = read_saliency(made / "saliency" / "input-cell-lstm" / "classes")
    np.testing.assert_array_equal(found["saliency"].T, classes.values[classes.labels.index(task)])


@pytest.mark.parametrize("who", ["", "sub-100101"])
def test_tables_hold_the_values_of_the_maps(made: Path, who: str) -> None:
    path = made / (f"{who}/func" if who else "group") / name("saliency", "regions.tsv", who=who)
    table, atlas = pd.read_csv(path, sep="\t"), coarse_atlas()
    assert table["rank"].tolist() == list(range(1, 101))
    mean = table["mean"].dropna()
    assert mean.is_monotonic_decreasing
    assert len(mean) == (99 if who else 100)
    order = pd.Index(atlas.names).get_indexer(table["region"])
    places = atlas.regions.iloc[order]
    for key in ("hemisphere", "x", "y", "z"):
        assert table[key].tolist() == places[key].tolist()
    values = regions_of(path.with_name(path.name.replace("regions.tsv", "boldmap.nii.gz")))[order]
    columns = [f"t_{k * 0.72:.3f}" for k in range(176)]
    np.testing.assert_allclose(table[columns], values, rtol=1e-6)
    described = json.loads(path.with_suffix(".json").read_text())
    assert set(table) <= set(described)
    assert described["t_0.720"]["Units"] == "logit"


def test_workbench_agrees_on_time_and_units(made: Path, need: Callable) -> None:
    for path, steps in ((made / "group" / name("saliencyt"), 176), (made / "group" / name("saliencyblock"), 25),
                        (made / "sub-100101" / "func" / name("peaktime", who="sub-100101"), 1)):  # fmt: skip
        said = subprocess.run([need("workbench"), "-file-information", str(path)], capture_output=True, text=True,
                              check=True).stdout  # fmt: skip
        about = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        about = {key.strip(): value.strip() for key, value in about.items()}
        assert (about["Number of Maps"], about["NIFTI Data Type"]) == (str(steps), "NIFTI_TYPE_FLOAT32")
        assert about["IJK = (0,0,0)"] == "XYZ = (-80, -112, -72)"
        if steps > 1:
            assert (about["Map Interval Units"], about["Map Interval Step"]) == ("NIFTI_UNITS_SEC", "0.720")
            assert (about["Map Interval Start"], about["Spacing"]) == ("0.000", "8, 8, 8")
        # its own reading of the values: of the first map, how many are none
        row = next(line.split() for line in said.splitlines() if line.split()[:1] == ["1"])
        first = nib.load(path).get_fdata().reshape(*coarse_atlas().labels.shape, -1)[..., 0]
        assert int(row[7]) == np.isnan(first).sum()
        assert float(row[2]) == pytest.approx(np.nanmax(first), abs=6e-4)


def test_what_is_done_is_left_and_what_is_lost_or_stale_is_made_again(cli: Callable, made: Path) -> None:
    config = made.parent / "c.toml"
    folder = made / "sub-100301" / "func"
    lost, stale = folder / name("saliencymean", who="sub-100301"), folder / name("peaktime", who="sub-100301")
    card = stale.with_name(stale.name.replace(".nii.gz", ".json"))
    wanted, whole = lost.read_bytes(), card.read_text()
    old = made / "group" / name("saliencymean").replace("inputxgradient", "gradient")  # of an earlier configuration
    quality = folder / "sub-100301_task-x_desc-quality_regions.tsv"
    for path in (old, quality):
        path.write_bytes(b"x")
    results = [*made.glob("sub-*/func/*"), *made.glob("group/*"), *made.glob("saliency/*/*")]
    before = {path: path.stat().st_mtime_ns for path in results}
    lost.unlink()
    card.write_text(whole.replace('"inputs": "', '"inputs": "of an earlier run'))
    done = cli("explain", config)
    assert done.code == 0, done.err
    changed = {path for path, when in before.items() if path.is_file() and path.stat().st_mtime_ns != when}
    assert lost in changed
    again = {lost, lost.with_name(lost.name.replace(".nii.gz", ".json")), stale, card}
    assert changed - again == set((made / "group").glob("desc-*"))
    assert (lost.read_bytes(), card.read_text()) == (wanted, whole)
    assert not old.exists()
    assert quality.is_file()
    quality.unlink()
    config.write_text(CONFIG.replace("per_run = true\n", ""))
    assert cli("explain", config).code == 0
    assert not list(made.rglob("*_stat-saliencyrun_*"))


def test_blocks_of_an_unknown_kind_are_refused(cli: Callable, made: Path) -> None:
    config = made.parent / "blocks.toml"
    config.write_text(CONFIG.replace("per_run = true", 'blocks = ["lhh"]'))
    refused = cli("explain", config)
    assert refused.code == 2
    assert "blocks in [output] names the trial type 'lhh', which no run has" in refused.err
    assert "Did you mean 'lh'?" in refused.err


def test_a_map_has_the_resolution_that_the_scans_name_says(tmp_path: Path) -> None:
    config = build_section(Config, {"scans": {"layout": "hcp", "path": "x"}, "output": {"path": "y"}}, "", tmp_path)
    atlas = replace(make_atlas(), space="MNI152NLin6Asym", scale="6")
    run = Run("01", "look", Path("sub-01_task-look_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"), 2.0, 9,
              space="MNI152NLin2009cAsym")  # fmt: skip
    found = build_name(class_entities(config, "look", atlas, run, ("look",)) | {"stat": "saliency", "desc": "x"})
    assert found == "task-look_space-MNI152NLin2009cAsym_atlas-Blocks_scale-6_res-2_stat-saliency_desc-x"
    events = replace(config, samples=Windows(unit="event", length=9.0))
    plain = replace(run, bold=Path("bold.nii.gz"))
    assert build_name(class_entities(events, "rest", atlas, plain, ("a", "b"))).startswith("contrast-rest_space-")
    assert "_res-" not in build_name(class_entities(events, "rest", atlas, plain, ("a",)))


def test_what_a_value_per_region_becomes(tmp_path: Path) -> None:
    """The sidecar's words for a map with a resolution, and with a region that is missing."""
    text = {"scans": {"layout": "hcp", "path": "x"}, "output": {"path": str(tmp_path)}}
    config = build_section(Config, text, "", tmp_path)
    atlas = make_atlas()
    run = Run("01", "look", Path("x_res-3_bold.nii.gz"), 2.0, 9)
    values = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    values[..., 3] = np.nan
    classes = Saliency(values, ("look",), 2.0, atlas.names, "gradient", "t", "none", "logit per unit", 0, (4,), 1.0)
    setting = MapSetting(config, classes, atlas, run, {"look": ("look",)}, (), "", "stamp", {})
    write_person(setting, "01", "look", values[0], None, 4)
    files = person_outputs(setting, "01", "look")
    assert is_written(setting, files)
    assert not is_written(replace(setting, inputs="other"), files)
    assert sorted(path.name for path in files) == sorted(path.name for path in (tmp_path / "sub-01" / "func").iterdir())
    card = json.loads(next(path for path in files if path.name.endswith("_stat-saliency_desc-gradient_boldmap.json")
                           ).read_text())  # fmt: skip
    assert (card["Resolution"], card["AbsentRegions"], card["Units"]) == ("3 x 3 x 3 mm", ["r4"], "logit per unit")
    assert (card["Subject"], card["SamplesAveraged"], card["StartTime"]) == ("sub-01", 4, 1.0)
    peak = nib.load(next(path for path in files if "_stat-peaktime_" in path.name and path.suffix == ".gz"))
    assert np.nanmax(peak.get_fdata()) == 3.0  # the second step, from 1 s on
