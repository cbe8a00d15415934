"""Region series: means by hand, coverage, gaps, confounds, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making import T_R

from fmri_saliency.errors import ConfigError, InputError
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import Cleaning, extract_run, read_series, series_name, write_series
from fmri_saliency.series.confounds import read_confounds

RAW = Cleaning(detrend=False, high_pass=0.0, standardize="none")


def load(run: Run) -> np.ndarray:
    return nib.load(run.bold).get_fdata(dtype=np.float32)


def rewrite(run: Run, values: np.ndarray) -> None:
    image = nib.load(run.bold)
    nib.save(nib.Nifti1Image(values, image.affine, image.header), run.bold)


def test_raw_series_are_the_means_of_the_voxels(noisy_run: Run, atlas: Atlas) -> None:
    series = extract_run(noisy_run, atlas, RAW)
    values = load(noisy_run)
    wanted = np.stack([values[atlas.labels == i].mean(axis=0) for i in range(1, 7)], axis=1)
    np.testing.assert_allclose(series.values, wanted, rtol=1e-5)
    assert series.values.dtype == np.float32
    assert (series.coverage == 1).all()
    assert series.names == atlas.names


def test_defaults_give_z_scores_without_trend(noisy_run: Run, atlas: Atlas) -> None:
    values = load(noisy_run) + 5 * np.arange(40, dtype=np.float32)
    rewrite(noisy_run, values)
    found = extract_run(noisy_run, atlas).values
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0, ddof=1), 1, rtol=1e-4)
    assert abs(np.polyfit(np.arange(40), found[:, 0], 1)[0]) < 0.01


def test_voxels_without_data_do_not_dilute_their_region(noisy_run: Run, atlas: Atlas) -> None:
    values = load(noisy_run)
    inside = np.argwhere(atlas.labels == 2)
    half = inside[: len(inside) // 2]
    values[tuple(half.T)] = 0  # outside the field of view, as in the HCP's files
    one_nan = inside[-1]
    values[(*one_nan, 3)] = np.nan
    rewrite(noisy_run, values)
    series = extract_run(noisy_run, atlas, replace(RAW, min_coverage=0.1))
    good = np.array([v for v in inside[len(half) :] if tuple(v) != tuple(one_nan)])
    np.testing.assert_allclose(series.values[:, 1], values[tuple(good.T)].mean(axis=0), rtol=1e-5)
    assert series.coverage[1] == pytest.approx(len(good) / len(inside))
    strict = extract_run(noisy_run, atlas, replace(RAW, min_coverage=0.9))
    assert np.isnan(strict.values[:, 1]).all()
    assert np.isfinite(np.delete(strict.values, 1, axis=1)).all()


def test_a_region_that_is_not_there_keeps_its_column(noisy_run: Run, atlas: Atlas) -> None:
    values = load(noisy_run)
    values[atlas.labels == 4] = 7.0  # constant: no signal
    rewrite(noisy_run, values)
    bigger = replace(atlas, regions=pd.concat([atlas.regions, pd.DataFrame({"index": [9], "name": ["none"]})]))
    series = extract_run(noisy_run, bigger)
    assert series.values.shape == (40, 7)
    assert np.isnan(series.values[:, [3, 6]]).all()
    assert series.coverage[[3, 6]].tolist() == [0, 0]


def test_the_mask_of_the_run_is_used(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    mask = np.ones(atlas.labels.shape, dtype=np.uint8)
    mask[atlas.labels == 1] = 0
    nib.save(nib.Nifti1Image(mask, atlas.affine), tmp_path / "mask.nii.gz")
    series = extract_run(replace(noisy_run, mask=tmp_path / "mask.nii.gz"), atlas)
    assert np.isnan(series.values[:, 0]).all()
    nib.save(nib.Nifti1Image(mask[:2], atlas.affine), tmp_path / "small.nii.gz")
    with pytest.raises(InputError, match="on another grid"):
        extract_run(replace(noisy_run, mask=tmp_path / "small.nii.gz"), atlas)


def test_integers_are_not_rounded(write_bold: Callable[..., Path], atlas: Atlas) -> None:
    values = np.random.default_rng(0).integers(0, 3, (*atlas.labels.shape, 30)).astype(np.int16)
    run = Run("01", "x", write_bold(values, atlas.affine), T_R, 30)
    wanted = values[atlas.labels == 3].mean(axis=0)
    np.testing.assert_allclose(extract_run(run, atlas, RAW).values[:, 2], wanted, rtol=1e-5)


def test_confounds_are_regressed_out(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    wave = np.sin(np.arange(40))
    rewrite(noisy_run, load(noisy_run) + (100 * wave).astype(np.float32))
    table = pd.DataFrame({"trans_x": wave, "trans_x_derivative1": [np.nan, *np.diff(wave)]})
    table.to_csv(tmp_path / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    run = replace(noisy_run, confounds=tmp_path / "confounds.tsv")
    dirty = extract_run(run, atlas).values
    clean = extract_run(run, atlas, Cleaning(confounds=("trans_x", "trans_x_derivative1")))
    assert abs(np.corrcoef(dirty[:, 0], wave)[0, 1]) > 0.9
    assert abs(np.corrcoef(clean.values[:, 0], wave)[0, 1]) < 0.01
    assert clean.history["confounds_used"] == ["trans_x", "trans_x_derivative1"]


def test_a_slow_wave_is_removed_and_a_fast_one_kept(noisy_run: Run, atlas: Atlas) -> None:
    time = np.arange(40) * T_R
    slow, fast = np.cos(np.pi * np.arange(0.5, 40) / 40), np.sin(2 * np.pi * 0.2 * time)
    rewrite(noisy_run, (1000 + 100 * slow + 50 * fast + 0 * load(noisy_run)).astype(np.float32))
    for settings in (Cleaning(high_pass=0.02), Cleaning(high_pass=0.02, low_pass=0.3, filter="butterworth")):
        found = extract_run(noisy_run, atlas, settings).values[:, 0]
        assert np.corrcoef(found, fast)[0, 1] > 0.95
    kept = extract_run(noisy_run, atlas, Cleaning(high_pass=0.0, detrend=False)).values[:, 0]
    assert np.corrcoef(kept, slow)[0, 1] > 0.85


@pytest.mark.parametrize("first", ["n/a", "NaN", ""])
def test_the_first_frame_of_a_confound_takes_the_second_value(
    noisy_run: Run, atlas: Atlas, tmp_path: Path, first: str
) -> None:
    """Zero in a column around 30 would be an outlier that takes the regression over."""
    rest = 30 + np.random.default_rng(3).normal(size=39).round(5)
    (tmp_path / "c.tsv").write_text("dvars\n" + "\n".join([first, *map(str, rest)]) + "\n")
    run = replace(noisy_run, confounds=tmp_path / "c.tsv")
    assert read_confounds(run, ("dvars",))["dvars"].tolist() == [rest[0], *rest]
    plain = Cleaning(high_pass=0.0, detrend=False, standardize="none")
    raw = extract_run(run, atlas, plain).values.astype(float)
    found = extract_run(run, atlas, replace(plain, confounds=("dvars",))).values
    design = np.column_stack([np.ones(40), [rest[0], *rest]])
    residual = raw - design @ np.linalg.lstsq(design, raw, rcond=None)[0]
    np.testing.assert_allclose(found - found.mean(axis=0), residual, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("a\tb\n" + "1\t2\n" * 40, ("c",), "have no column 'c'. They have: a, b"),
        ("a\tb\n" + "1\t2\n" * 39, ("a",), "have 39 rows; .* has 40 frames"),
        ("a\tb\n" + "1\t2\n" * 20 + "n/a\t2\n" * 20, ("a",),
         r"column a of the confounds .*c\.tsv is missing in line 22 \(frame 21 of 40\); only the first frame may"),
        ("a\tb\n" + "n/a\t2\n" * 2 + "1\t2\n" * 38, ("a",), r"column a .* is missing in line 3 \(frame 2 of 40\)"),
        ("b\ta\n" + "2\tn/a\n" * 40, ("all",), r"column a of the confounds .*c\.tsv has no value in any frame"),
        ("a\tb\n" + "1\t2\n" * 20 + "inf\t2\n" * 20, ("a",), r"column a .* is infinite in line 22 \("),
        ("a\tb\n-inf\t2\n" + "1\t2\n" * 39, ("a",), r"column a .* is infinite in line 2 \(frame 1"),
        ("a\tb\n" + "1\t2\n" * 20 + "\n" + "1\t2\n" * 19, ("a",), "line 22 has 1 field; the header"),
        ("a\n" + "1\n" * 20 + "\n" + "1\n" * 19, ("a",), "column a .* is missing in line 22"),
        ("a\tb\n" + "1\t2\t\n" * 40, ("a",), "line 2 has 3 fields; the header .line 1. has 2: a, b"),
        ("a\tb\n" + "True\t2\n" * 40, ("a",), "must be numbers .* 'True' came in line 2"),
        ("a\ta\n" + "1\t2\n" * 40, ("a",), "its columns 1 and 2 have one name, 'a'"),
        ("\ta\n" + "1\t2\n" * 40, ("a",), "column 1 has values and no name in the header"),
        ("a\tb\n" + "word\t2\n" * 40, ("a",), "must be numbers"),
        ("", ("a",), "it is empty"),
        ("a\tb\n", ("a",), r"it has a header \(a, b\) and no line below it"),
    ],
)
def test_one_message_for_each_wrong_confound_file(
    noisy_run: Run, atlas: Atlas, tmp_path: Path, text: str, columns: tuple[str, ...], words: str
) -> None:
    (tmp_path / "c.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        extract_run(replace(noisy_run, confounds=tmp_path / "c.tsv"), atlas, Cleaning(confounds=columns))


def test_confounds_that_are_asked_for_must_be_there(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no confound file"):
        extract_run(noisy_run, atlas, Cleaning(confounds=("all",)))
    (tmp_path / "Movement_Regressors.txt").write_text("1 " * 12 + "\n" + "1 2 3\n" * 39)
    with pytest.raises(InputError, match=r"Expected 12 movement columns .*; 3 came in line 2"):
        extract_run(
            replace(noisy_run, confounds=tmp_path / "Movement_Regressors.txt"), atlas, Cleaning(confounds=("all",))
        )


def test_damaged_and_unfitting_scans(noisy_run: Run, atlas: Atlas) -> None:
    with pytest.raises(InputError, match="is not on the grid"):
        extract_run(noisy_run, replace(atlas, labels=atlas.labels[:3]))
    with pytest.raises(InputError, match="No region of the atlas 'Blocks' is covered"):
        extract_run(noisy_run, replace(atlas, labels=np.zeros_like(atlas.labels)))
    with pytest.raises(InputError, match=r"must lie below 0\.694444 Hz"):
        extract_run(noisy_run, atlas, Cleaning(high_pass=0.9))
    text = noisy_run.bold.with_name("mask.nii.gz")
    text.write_text("x")
    with pytest.raises(InputError, match=r"Expected a brain mask .* it is not an image"):
        extract_run(replace(noisy_run, mask=text), atlas)
    noisy_run.bold.write_bytes(noisy_run.bold.read_bytes()[:-4000])
    with pytest.raises(InputError, match=r"bold\.nii\.gz breaks off or is damaged"):
        extract_run(noisy_run, atlas)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"standardize": "zscore"}, "zscore_sample, psc, none; 'zscore' came. Did you mean"),
        ({"high_pass": -1.0}, "high_pass in .* must be at least 0"),
        ({"high_pass": 0.1, "low_pass": 0.05, "filter": "butterworth"}, "must be below low_pass"),
        ({"low_pass": 0.1}, 'needs filter = "butterworth"'),
        ({"min_coverage": 1.5}, "between 0 and 1"),
    ],
)
def test_wrong_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Cleaning(**settings)


def test_series_come_back_from_disk(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    values = load(noisy_run)
    values[atlas.labels == 4] = 0
    rewrite(noisy_run, values)
    series = extract_run(noisy_run, atlas)
    run = replace(noisy_run, space="MNI152NLin6Asym", direction="LR", session="1")
    stem = tmp_path / series_name(run, replace(atlas, scale="6", space="MNI152NLin2009aSym"))
    name = "sub-01_ses-1_task-rest_dir-LR_space-MNI152NLin6Asym_atlas-Blocks_scale-6_stat-mean_timeseries"
    assert stem == tmp_path / "sub-01" / "ses-1" / "func" / name
    write_series(series, stem, {"Sources": ["x"]})
    again = read_series(stem)
    np.testing.assert_array_equal(again.values, series.values)
    np.testing.assert_allclose(again.coverage, series.coverage, atol=1e-4)
    assert (again.t_r, again.names) == (series.t_r, series.names)
    text = stem.with_name(stem.name + ".tsv").read_text().splitlines()
    assert text[0] == "r1\tr2\tr3\tr4\tr5\tr6"
    assert text[1].split("\t")[3] == "n/a"
