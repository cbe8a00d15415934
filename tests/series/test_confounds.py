"""Confounds by strategy: the columns that nilearn's own call gives, marked frames, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds

from fmri_saliency.errors import ConfigError, InputError, ScanWarning
from fmri_saliency.records import Atlas, Run
from fmri_saliency.scans import find_fmriprep
from fmri_saliency.series import Cleaning, Denoise, extract_run, read_series, write_series
from fmri_saliency.series.confounds import described_by, gather_confounds
from fmri_saliency.simulated_scans import BidsSimulation, simulate_bids

AXES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of 140 frames with fMRIPrep's confounds: frame 0 is not steady, frame 12 follows a movement."""
    settings = BidsSimulation(subjects=("01",), tasks=("look",), shape=(4, 4, 4), n_times=140)
    return find_fmriprep(simulate_bids(tmp_path / "d\u00e9part" / "raw", None, settings))[0][0]


def halves(affine: np.ndarray) -> Atlas:
    labels = np.repeat(np.array([1, 2], np.int32), 32).reshape(4, 4, 4)
    return Atlas("Halves", labels, affine, pd.DataFrame({"index": [1, 2], "name": ["left", "right"]}))


def edit(run: Run, **columns: object) -> None:
    table = pd.read_csv(run.confounds, sep="\t").assign(**columns)
    table.to_csv(run.confounds, sep="\t", index=False, na_rep="n/a")


@pytest.mark.parametrize(
    ("denoise", "columns"),
    [
        (Denoise(("motion",), motion="basic"), AXES),
        (Denoise(("motion",), motion="power2"), [*AXES, *(f"{axis}_power2" for axis in AXES)]),
        (Denoise(("wm_csf",)), ["csf", "white_matter"]),
        (Denoise(("global_signal",), global_signal="derivatives"), ["global_signal", "global_signal_derivative1"]),
        (Denoise(("high_pass",)), [f"cosine0{k}" for k in range(4)]),
        (Denoise(("high_pass", "compcor"), n_compcor=2),
         [*(f"cosine0{k}" for k in range(4)), "a_comp_cor_00", "a_comp_cor_01"]),
    ],
)  # fmt: skip
def test_columns_and_values_are_those_of_the_table(run: Run, denoise: Denoise, columns: list[str]) -> None:
    found = gather_confounds(run, (), denoise)
    assert sorted(found.table.columns) == sorted(columns)
    table = pd.read_csv(run.confounds, sep="\t")[columns]
    np.testing.assert_allclose(found.table[columns][1:], table[1:])
    assert np.isfinite(found.table.to_numpy()).all()
    assert found.marked == (0,)


@pytest.mark.parametrize("denoise", [Denoise(("motion", "wm_csf", "high_pass")),
                                     Denoise(("high_pass", "compcor", "motion"), compcor="anat_separated"),
                                     Denoise(("motion", "scrub"), outliers="mark", fd_threshold=0.2)])  # fmt: skip
def test_it_is_what_nilearn_gives_for_the_scan_itself(run: Run, denoise: Denoise) -> None:
    wanted, kept = load_confounds(str(run.bold), demean=False, **denoise.options())
    found = gather_confounds(run, (), denoise)
    pd.testing.assert_frame_equal(found.table, wanted.astype(float))
    assert sorted({*range(run.n_times)} - set(kept.tolist())) == list(found.marked)


def test_quotation_marks_in_a_column_that_nobody_asked_for_swallow_no_frame(run: Run) -> None:
    wanted = gather_confounds(run, (), Denoise(("wm_csf",))).table
    edit(run, note=["x"] * 9 + ["Q"] + ["x"] * 50 + ["Q"] + ["x"] * 79)
    run.confounds.write_text(run.confounds.read_text().replace("\tQ\n", '\t"Q\n', 1).replace("\tQ\n", '\tQ"\n'))
    pd.testing.assert_frame_equal(gather_confounds(run, (), Denoise(("wm_csf",))).table, wanted)


def test_two_tables_in_one_folder_are_kept_apart(run: Run) -> None:
    """nilearn alone gives up here: the name without `run` fits, too."""
    other = run.confounds.with_name(run.confounds.name.replace("_desc", "_run-2_desc"))
    other.write_text(run.confounds.read_text())
    bold = run.bold.with_name(run.bold.name.replace("_space", "_run-2_space"))
    with pytest.raises(ValueError, match="more than one confound file"):
        load_confounds(str(bold))
    assert gather_confounds(replace(run, confounds=other), (), Denoise(("motion",))).table.shape == (140, 24)


def test_marked_frames_stay_in_the_series_and_are_recorded(run: Run, tmp_path: Path) -> None:
    edit(run, framewise_displacement=np.where(np.isin(np.arange(140), (60, 63)), 0.9, 0.1))
    lone = Denoise(("scrub",), outliers="mark", scrub=0)
    assert gather_confounds(run, (), lone).marked == (0, 60, 63)
    assert gather_confounds(run, (), lone).table is None
    assert gather_confounds(run, (), replace(lone, scrub=5)).marked == (0, 60, 61, 62, 63)
    assert gather_confounds(run, (), replace(lone, fd_threshold=1.0)).marked == (0,)
    edit(run, std_dvars=np.where(np.arange(140) == 100, 2.0, 1.0))
    assert gather_confounds(run, (), lone).marked == (0, 60, 63, 100)

    atlas = halves(nib.load(run.bold).affine)
    cleaning = Cleaning(high_pass=0.0, denoise=Denoise(("motion", "scrub"), motion="basic", outliers="mark"))
    series = extract_run(run, atlas, cleaning)
    assert series.values.shape == (140, 2)
    write_series(series, tmp_path / "x_timeseries", {})
    card = json.loads((tmp_path / "x_timeseries.json").read_text())["Cleaning"]
    assert card["marked_frames"] == [0, 60, 61, 62, 63, 100]
    assert sorted(card["confounds_used"]) == sorted(AXES)
    assert card["denoise"]["outliers"] == "mark"
    assert read_series(tmp_path / "x_timeseries").history["marked_frames"] == card["marked_frames"]


def test_strategies_are_regressed_out(run: Run) -> None:
    image = nib.load(run.bold)
    wave = pd.read_csv(run.confounds, sep="\t")["rot_y"].to_numpy()
    values = image.get_fdata() + 3e3 * (wave - wave.mean()) / wave.std()
    nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine, image.header), run.bold)
    atlas = halves(image.affine)

    def correlation(cleaning: Cleaning) -> float:
        return abs(np.corrcoef(extract_run(run, atlas, cleaning).values[:, 0], wave)[0, 1])

    plain = {"detrend": False, "high_pass": 0.0}
    assert correlation(Cleaning(**plain)) > 0.9
    assert correlation(Cleaning(**plain, denoise=Denoise(("motion",)))) < 1e-3
    assert correlation(Cleaning(**plain, denoise=Denoise(("wm_csf",)))) > 0.9


def test_a_table_of_any_name_will_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "movement of 01.tsv").write_text(run.confounds.read_text())
    found = gather_confounds(replace(run, confounds=tmp_path / "movement of 01.tsv"), (), Denoise(("motion",)))
    assert found.table.shape == (140, 24)


@pytest.mark.parametrize(
    ("change", "denoise", "words"),
    [
        (lambda run: edit(run, trans_x="far"), Denoise(("motion",)), "column trans_x .* must be numbers .* 'far' came"),
        (lambda run: edit(run, csf=["far"] + [1.0] * 139), Denoise(("wm_csf",)), "column csf .* 'far' came in line 2"),
        (lambda run: edit(run, framewise_displacement="far"), Denoise(("scrub",), outliers="mark"),
         "column framewise_displacement .* 'far' came in line 2"),
        (lambda run: edit(run, csf=np.nan), Denoise(("wm_csf",)), "column csf of the confounds .* has no value in any"),
        (lambda run: run.confounds.write_text("csf\twhite_matter\n" + "1\t2\t\n" * 140), Denoise(("wm_csf",)),
         "line 2 has 3 fields"),
        (lambda run: run.confounds.write_text("1\t2\n" * 141), Denoise(("wm_csf",)), "first line .* must name the"),
        (lambda run: edit(run, csf=[1.0] * 9 + [np.nan] + [1.0] * 130), Denoise(("wm_csf",)),
         r"column csf of the confounds .* is missing in line 11 \(frame 10 of 140\)"),
        (lambda run: run.confounds.write_text("a\tb\n" + "1\t2\n" * 140), Denoise(("motion",)), "needs: .*motion"),
        (lambda run: run.confounds.write_text("csf\twhite_matter\n" + "1\t2\n" * 9), Denoise(("wm_csf",)), "9 rows"),
        (lambda run: run.confounds.write_text(""), Denoise(("motion",)), "it is empty"),
        (lambda run: run.confounds.unlink(), Denoise(("motion",)), "there is no such file"),
        (lambda run: run.confounds.with_suffix(".json").unlink(), Denoise(("high_pass", "compcor")),
         "needs: Could not find associated json file sub-01_task-look_desc-confounds_timeseries.json"),
        (lambda run: edit(run, framewise_displacement=9.0), Denoise(("scrub",), outliers="mark"),
         "Every frame of .* is an outlier"),
        (lambda run: run.confounds.write_text("csf\n" + "1\n" * 140), Denoise(("scrub",), outliers="mark"),
         "needs: .*framewise_displacement"),
        (lambda run: None, Denoise(("ica_aroma",)), 'description = "smoothAROMAnonaggr" in .scans.bids., or ica_aroma'),
        (lambda run: None, Denoise(("ica_aroma",), ica_aroma="basic"), "needs: .*ica_aroma"),
    ],
)  # fmt: skip
def test_one_message_for_each_table_that_does_not_fit(
    run: Run, change: Callable[[Run], None], denoise: Denoise, words: str
) -> None:
    change(run)
    with pytest.raises(InputError, match=words) as error:
        gather_confounds(run, (), denoise)
    assert "fmri-saliency-" not in str(error.value)  # where the copy lay is of no use to anyone


def test_runs_without_such_a_table(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"asks for motion, but .* has no confound file"):
        gather_confounds(replace(run, confounds=None), (), Denoise(("motion",)))
    (tmp_path / "Movement_Regressors.txt").write_text("1 " * 12)
    with pytest.raises(InputError, match=r"made for the tables of fMRIPrep; .*\.txt is none"):
        gather_confounds(replace(run, confounds=tmp_path / "Movement_Regressors.txt"), (), Denoise(("motion",)))


def test_scans_that_aroma_has_denoised_need_no_columns(run: Run) -> None:
    bold = run.bold.with_name(run.bold.name.replace("desc-preproc", "desc-smoothAROMAnonaggr"))
    found = gather_confounds(replace(run, bold=bold), (), Denoise(("ica_aroma",)))
    assert (found.table, found.marked) == (None, (0,))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strategy": ("motoin",)}, "must be one of motion, wm_csf, .* 'motoin' came. Did you mean 'motion'"),
        ({"strategy": ("motion",), "motion": "all"}, "motion in .cleaning.denoise. must be one of basic, power2"),
        ({"strategy": ("compcor",)}, 'needs "high_pass" beside it'),
        ({"strategy": ("scrub",)}, "would drop frames: .* a run's length would tell how much .* outliers = \"mark\""),
        ({"outliers": "drop"}, "must be one of refuse, mark; 'drop' came"),
        ({"compcor": "anat"}, "must be one of anat_combined"),
        ({"ica_aroma": "all"}, "must be one of full, basic"),
        ({"fd_threshold": -1.0}, "must be at least 0"),
    ],
)
def test_wrong_settings(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Denoise(**settings)


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        Cleaning(confounds=("csf",), denoise=Denoise(("wm_csf",)))
    with pytest.raises(ConfigError, match=r"set high_pass = 0\.0 in .cleaning., or drift is removed twice"):
        Cleaning(denoise=Denoise(("high_pass",)))
    assert Cleaning(high_pass=0.0, denoise=Denoise(("high_pass",))).denoise.words == ("high_pass",)
    assert Denoise(("motion", "wm_csf"), motion="basic").words == ("motion (basic)", "wm_csf (basic)")


def test_confounds_that_explain_everything_are_refused(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {f"c{k}": rng.standard_normal(noisy_run.n_times) for k in range(noisy_run.n_times - 6)}
    pd.DataFrame(columns).to_csv(tmp_path / "many.tsv", sep="\t", index=False)
    run = replace(noisy_run, confounds=tmp_path / "many.tsv")
    with pytest.raises(InputError, match=r"explain all but 4 of them: nothing of the signal would be left"):
        extract_run(run, atlas, Cleaning(confounds=("all",)))
    with pytest.warns(ScanWarning, match=r"leaves 5 degrees of freedom to the 40 frames of .* \(33 confounds, mean"):
        extract_run(run, atlas, Cleaning(confounds=tuple(columns)[:-1]))


def test_the_names_of_components_are_read_only_where_components_are_taken(run: Run) -> None:
    about = run.confounds.with_suffix(".json")
    compcor = Denoise(("high_pass", "compcor"), n_compcor=1)
    assert described_by(run, compcor) == about
    assert described_by(run, Denoise(("high_pass", "motion"))) is None
    assert described_by(replace(run, confounds=None), compcor) is None
    about.write_text("no JSON")
    assert gather_confounds(run, (), Denoise(("high_pass", "motion"))).table.shape == (140, 28)
    with pytest.raises(InputError, match="do not have what strategy"):
        gather_confounds(run, (), compcor)


def test_a_gap_in_one_frame_is_no_jump_after_smoothing(noisy_run: Run, atlas: Atlas) -> None:
    image = nib.load(noisy_run.bold)
    values = image.get_fdata(dtype=np.float32)
    values[1, 1, 1, 7] = np.nan
    nib.save(nib.Nifti1Image(values, image.affine, image.header), noisy_run.bold)
    series = extract_run(noisy_run, atlas, Cleaning(high_pass=0.0, smoothing_fwhm=20.0))
    assert np.nanmax(np.abs(series.values[7])) < 3.5
