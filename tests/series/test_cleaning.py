"""What is cut before it is cleaned tells nothing of the run that it was cut from."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmri_saliency.disk.files import read_json
from fmri_saliency.errors import CoverageWarning, InputError, TimingWarning
from fmri_saliency.records import Event, RawSeries, Run, Samples
from fmri_saliency.series import (
    Cleaning,
    Windows,
    card_path,
    clean_series,
    cut_samples,
    read_raw,
    read_series,
    resample_raw,
    resample_values,
    series_outputs,
    write_series,
)
from fmri_saliency.series.cleaning import round_signals

LENGTHS = {"WM": 405, "GAMBLING": 253, "MOTOR": 284, "LANGUAGE": 316, "SOCIAL": 274, "RELATIONAL": 232, "EMOTION": 176}
"""Frames of the runs of the Human Connectome Project, of 0.72 s."""
N_REGIONS = 20


def raw_noise(rng: np.random.Generator, n_times: int, t_r: float = 0.72, **more: object) -> RawSeries:
    """Return white noise around 10,000 with a drift, as scans have it."""
    drift = np.linspace(0, 1, n_times)[:, None] * rng.normal(0, 60, N_REGIONS)
    values = 10_000 + drift + rng.normal(0, 50, (n_times, N_REGIONS))
    names = tuple(f"r{k}" for k in range(N_REGIONS))
    return RawSeries(values, t_r, names, np.ones(N_REGIONS), asdict(Cleaning()), **more)


def hcp_noise(seed: int, n_people: int, events: bool = False) -> tuple[list[RawSeries], list[Run]]:
    """Return one run of noise for each task and person; with events, one of each task's blocks every 25 s."""
    rng = np.random.default_rng(seed)
    series, runs = [], []
    for person in range(n_people):
        for task, n_times in LENGTHS.items():
            onsets = np.arange(5, n_times * 0.72 - 20, 25) if events else ()
            blocks = tuple(Event(float(at), 12.0, task) for at in onsets)
            series.append(raw_noise(rng, n_times))
            runs.append(Run(f"{person}", task, Path(f"{person}-{task}.nii"), 0.72, n_times, events=blocks))
    return series, runs


def features(samples: Samples) -> dict[str, np.ndarray]:
    """Return what a window tells of the run that it is from: its mean, its spread, and its spectrum."""
    X = samples.X.astype(float)
    power = np.abs(np.fft.rfft(X, axis=1)) ** 2
    bands = [part.mean(axis=(1, 2)) for part in np.array_split(power, min(12, power.shape[1]), axis=1)]
    spectrum = np.log(np.column_stack(bands) + 1e-9)
    return {"mean": np.abs(X.mean(axis=1)), "sd": X.std(axis=1, ddof=1), "spectrum": spectrum}


def count_right(x: np.ndarray, y: np.ndarray, people: np.ndarray) -> int:
    """Return how many samples logistic regression names rightly, with people held out."""
    decoder = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, tol=1e-3))
    return int((cross_val_predict(decoder, x, y, groups=people, cv=GroupKFold(3)) == y).sum())


def at_chance(right: int, n: int, n_classes: int) -> bool:
    """Return whether a count lies in the central 99.9 % of guessing."""
    low, high = binom.interval(0.999, n, 1 / n_classes)
    return bool(low <= right <= high)


@pytest.mark.parametrize("events", [False, True])
def test_the_length_of_a_run_cannot_be_told_from_its_samples(events: bool) -> None:
    windows = Windows("block", 10.0) if events else Windows()
    right, total = dict.fromkeys(("mean", "sd", "spectrum"), 0), 0
    for seed in range(20):
        samples, _ = cut_samples(*hcp_noise(seed, 3 if events else 6, events), windows)
        if events:  # as many of each class: a long run has more blocks
            by = samples.table.groupby(["subject", "label"])
            rows = by.sample(by.size().min(), random_state=seed).index.to_numpy()
            samples = replace(samples, X=samples.X[rows], table=samples.table.iloc[rows])
        total += len(samples.y)
        for name, x in features(samples).items():
            right[name] += count_right(x, samples.y, samples.groups)
    assert {name: at_chance(count, total, 7) for name, count in right.items()} == dict.fromkeys(right, True), right


def test_the_length_of_a_run_is_told_where_it_is_cleaned_first() -> None:
    series, runs = hcp_noise(0, 8)
    cleaned = [replace(clean_series(one, "x"), raw=None, history={}) for one in series]
    samples, _ = cut_samples(cleaned, runs, Windows())
    shortest = np.isin(samples.y, ["EMOTION"])
    assert np.abs(samples.X[shortest].mean(axis=1)).max() < 1e-5  # the one class whose windows are whole runs
    assert count_right(features(samples)["mean"], shortest, samples.groups) == len(samples.y)


def tell_apart(series: list, runs: list[Run]) -> float:
    """Return how well the size of the means of 10 s tells blocks of the longest run from those of the shortest."""
    samples, _ = cut_samples(series, runs, Windows("block", 10.0))
    two = np.isin(samples.y, ["EMOTION", "WM"])
    size = (samples.X[two].mean(axis=1) ** 2).mean(axis=1)
    return float(roc_auc_score(samples.y[two] == "WM", size))


def test_windows_of_blocks_do_not_tell_how_long_their_run_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "N_REGIONS", 200)
    series, runs = hcp_noise(0, 16, events=True)
    assert tell_apart(series, runs) == pytest.approx(0.5, abs=0.07)  # standard error 0.03
    cleaned = [replace(clean_series(one, "x"), raw=None, history={}) for one in series]
    assert tell_apart(cleaned, runs) > 0.65  # fewer slow waves are taken out of a short run, for each of its frames


def test_a_stretch_is_cleaned_as_by_algebra() -> None:
    rng = np.random.default_rng(3)
    confounds = pd.DataFrame(rng.normal(size=(60, 2)).cumsum(axis=0), columns=["a", "b"])
    raw = raw_noise(rng, 60, 2.0, confounds=confounds)
    raw = replace(raw, cleaning=asdict(Cleaning(high_pass=0.0)))
    found = clean_series(raw, "x", 10, 40)
    design = np.column_stack([np.ones(40), np.arange(40), confounds[10:50]])
    part = raw.values[10:50]
    left = part - design @ np.linalg.lstsq(design, part, rcond=None)[0]
    np.testing.assert_allclose(found.values, left / left.std(axis=0, ddof=1), atol=2e-5)
    assert found.raw is None
    assert clean_series(raw, "x").raw is raw


def test_samples_of_runs_are_the_cleaned_windows() -> None:
    rng = np.random.default_rng(4)
    long, short = raw_noise(rng, 90, 2.0), raw_noise(rng, 60, 2.0)
    long.values[:, 2] = np.nan  # a region that one run lacks
    runs = [Run("1", "a", Path("a.nii"), 2.0, 90), Run("1", "b", Path("b.nii"), 2.0, 60)]
    with pytest.warns(match=r"'r2': 100% in 'a', 0% in 'b'"):
        samples, _ = cut_samples([long, short], runs, Windows(offset=10.0))
    assert samples.X.shape == (2, 55, N_REGIONS)
    for one, x in zip((long, short), samples.X, strict=True):
        np.testing.assert_array_equal(x, np.nan_to_num(clean_series(one, "x", 5, 55).values))
    there = np.arange(N_REGIONS) != 2
    assert np.abs(samples.X.mean(axis=1)).max() < 1e-5
    np.testing.assert_allclose(samples.X.std(axis=1, ddof=1)[:, there], 1, atol=1e-4)
    assert samples.table["filled"].tolist() == [1, 0]


def test_raw_series_and_confounds_are_resampled_together() -> None:
    rng = np.random.default_rng(5)
    confounds = pd.DataFrame({"a": rng.normal(size=100).cumsum()})
    raw = raw_noise(rng, 100, 1.0, confounds=confounds)
    found = resample_raw(raw, 2.0)
    assert (found.t_r, len(found.values), found.cleaning["resampled_from"]) == (2.0, 50, 1.0)
    np.testing.assert_array_equal(found.values, resample_values(raw.values, 1.0, 2.0))
    np.testing.assert_array_equal(found.confounds["a"], resample_values(confounds.to_numpy(), 1.0, 2.0)[:, 0])
    assert resample_raw(raw, 1.0) is raw


def test_what_leaves_nothing_of_a_stretch_is_refused() -> None:
    rng = np.random.default_rng(6)
    raw = raw_noise(rng, 100, 2.0, confounds=pd.DataFrame(rng.normal(size=(100, 30))))
    clean_series(raw, "b.nii")
    with pytest.raises(InputError, match=r"Samples of b\.nii are cleaned in stretches of 33 frames.* and 30 confounds"):
        clean_series(raw, "b.nii", 0, 33)
    fast = replace(raw, cleaning=asdict(Cleaning(filter="butterworth", low_pass=0.1)), confounds=None)
    with pytest.raises(InputError, match=r"12 frames of b\.nii cannot be cleaned as .* longer windows"):
        clean_series(fast, "b.nii", 0, 12)
    with pytest.raises(InputError, match=r"must lie below 0\.0625 Hz, half the sampling rate that t_r"):
        clean_series(resample_raw(fast, 8.0), "b.nii", 0, 20)


def test_raw_series_and_confounds_come_back_from_their_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    raw = raw_noise(rng, 50, 2.0, confounds=pd.DataFrame({"trans_x": rng.normal(size=50)}))
    cleaning = {**raw.cleaning, "confounds_used": ["trans_x"]}
    raw = replace(raw, values=round_signals(raw.values), cleaning=cleaning)
    stem = tmp_path / "sub-1_atlas-x_stat-mean_timeseries"
    series = clean_series(raw, "x")
    write_series(series, stem, {})
    found = read_raw(stem)
    np.testing.assert_array_equal(found.values, raw.values)
    np.testing.assert_array_equal(found.confounds["trans_x"], raw.confounds["trans_x"])
    np.testing.assert_array_equal(clean_series(found, "x").values, series.values)
    np.testing.assert_array_equal(read_series(stem).values, series.values)
    assert {path.name for path in tmp_path.iterdir()} == {f"sub-1_atlas-x_{name}" for name in (
        "stat-mean_timeseries.tsv", "stat-mean_timeseries.json", "stat-mean_desc-raw_timeseries.tsv",
        "stat-coverage_bold.tsv", "desc-confounds_timeseries.tsv")}  # fmt: skip
    table = tmp_path / "sub-1_atlas-x_desc-confounds_timeseries.tsv"
    assert table in series_outputs(stem, read_json(card_path(stem)))
    assert table not in series_outputs(stem, {"Cleaning": {"confounds_used": []}})
    table.write_text("trans_x\n1\n")
    with pytest.raises(InputError, match=r"has 1 rows, .* has 50; extract the run again"):
        read_raw(stem)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_rounding_keeps_seven_digits_of_what_varies_least(scale: float) -> None:
    signals = scale * (1000 + np.random.default_rng(8).normal(0, [1.0, 5.0], (50, 2)))
    off = np.abs(round_signals(signals) - signals).max()
    assert off <= 0.5e-7 * signals.std(axis=0).min()
    np.testing.assert_array_equal(round_signals(np.ones((5, 2))), np.ones((5, 2)))


@pytest.mark.parametrize("unit", ["run", "block"])
def test_cosines_of_fmriprep_are_those_of_the_stretch(unit: str) -> None:
    """A run of 405 frames has four of them, one of 176 has one; without them the window of the former tells."""
    windows = Windows() if unit == "run" else Windows("block", 10.0)
    right, total = {"mean": 0, "spectrum": 0}, 0
    for seed in range(10):
        found, runs = hcp_noise(seed, 12, unit == "block")
        kept = [k for k, run in enumerate(runs) if run.task in ("WM", "EMOTION")]
        series = []
        for one in (found[k] for k in kept):
            n_times = len(one.values)
            frames, number = np.arange(n_times) + 0.5, int(2 * n_times * 0.72 / 128)
            waves = {f"cosine{k:02d}": np.cos(np.pi * (k + 1) * frames / n_times) for k in range(number)}
            settings = asdict(Cleaning(high_pass=0.0))
            series.append(replace(one, cleaning=settings, confounds=pd.DataFrame(waves)))
        samples, _ = cut_samples(series, [runs[k] for k in kept], windows)
        by = samples.table.groupby(["subject", "label"])
        rows = by.sample(by.size().min(), random_state=seed).index.to_numpy()
        samples = replace(samples, X=samples.X[rows], table=samples.table.iloc[rows])
        total += len(samples.y)
        power = np.abs(np.fft.rfft(samples.X, axis=1)[:, :6]) ** 2
        x = {"mean": (samples.X.mean(axis=1) ** 2).mean(axis=1, keepdims=True),
             "spectrum": np.log(power.mean(axis=2) + 1e-9)}  # fmt: skip
        for name, one in x.items():
            right[name] += count_right(one, samples.y, samples.groups)
    assert {name: at_chance(count, total, 2) for name, count in right.items()} == dict.fromkeys(right, True), right


def test_cosines_of_a_whole_run_are_those_of_its_table() -> None:
    rng = np.random.default_rng(11)
    frames = np.arange(200) + 0.5
    table = {f"cosine{k:02d}": np.cos(np.pi * (k + 1) * frames / 200) for k in range(6)}  # 2 x 400 s / 128 s = 6.25
    raw = raw_noise(rng, 200, 2.0, confounds=pd.DataFrame({"a": rng.normal(size=200), **table}))
    raw = replace(raw, cleaning=asdict(Cleaning(high_pass=0.0)))
    for first, n_times, number in ((0, 200, 6), (60, 100, 3)):  # 2 x 200 s / 128 s = 3.1
        time = (np.arange(n_times) + 0.5) / n_times
        waves = [np.cos(np.pi * (k + 1) * time) for k in range(number)]
        part, a = raw.values[first : first + n_times], raw.confounds["a"][first : first + n_times]
        design = np.column_stack([np.ones(n_times), time, a, *waves])
        left = part - design @ np.linalg.lstsq(design, part, rcond=None)[0]
        found = clean_series(raw, "x", first, n_times).values
        np.testing.assert_allclose(found, left / left.std(axis=0, ddof=1), atol=5e-5)


def test_more_confounds_of_one_class_are_said() -> None:
    rng = np.random.default_rng(12)

    def cut(one: int, other: int) -> Samples:
        tables = [pd.DataFrame(rng.normal(size=(60, n))) for n in (one, other, 10, 10)]
        series = [raw_noise(rng, 60, 2.0, confounds=table) for table in tables]
        runs = [Run(str(k), "ab"[k % 2], Path(f"{k}.nii"), 2.0, 60) for k in range(4)]
        return cut_samples(series, runs, Windows())[0]

    with pytest.warns(TimingWarning, match=r"10\.0 columns on average of samples of 'b', 9\.0 of 'a'"):
        cut(8, 10)
    cut(9, 10)  # 9.5 and 10: 5 %


@pytest.mark.parametrize("name", ["trend", "cosine of another name"])
def test_a_confound_that_goes_with_a_cosine_does_not_end_the_filter(name: str) -> None:
    """A head that sinks slowly goes with the slowest cosine to 0.99, and all four of them must go all the same."""
    rng = np.random.default_rng(13)
    time = (np.arange(150) + 0.5) / 150
    moved = {"trend": 3.0 - time, "cosine of another name": np.cos(2 * np.pi * time)}[name]
    waves = [np.cos(np.pi * (k + 1) * time) for k in range(4)]  # 2 x 300 s x 0.008 Hz = 4.8
    raw = raw_noise(rng, 150, 2.0, confounds=pd.DataFrame({name: moved + rng.normal(0, 0.01, 150)}))
    raw.values[:] += 100 * np.sin(2 * np.pi * 1.3 * time)[:, None]
    design = np.column_stack([np.ones(150), time, raw.confounds[name], *waves])
    left = raw.values - design @ np.linalg.lstsq(design, raw.values, rcond=None)[0]
    np.testing.assert_allclose(clean_series(raw, "x").values, left / left.std(axis=0, ddof=1), atol=2e-5)


def test_a_region_that_is_absent_is_said_once() -> None:
    rng = np.random.default_rng(14)
    part, whole = raw_noise(rng, 60, 2.0), raw_noise(rng, 60, 2.0)
    part.values[:, 3] = np.nan
    part.coverage[:] = [1.0, 0.95, 0.8, 0.2, *np.ones(N_REGIONS - 4)]  # the third is covered less, the fourth absent
    runs = [Run(str(k), "ab"[k % 2], Path(f"{k}.nii"), 2.0, 60) for k in range(4)]
    with pytest.warns(CoverageWarning) as caught:
        cut_samples([part, whole, whole, whole], runs, Windows())
    words = [str(one.message).split(". ")[0] for one in caught]
    assert words == ["1 regions are absent from different shares of samples in different classes, most of all 'r3': "
                     "50% in 'a', 0% in 'b'",
                     "1 regions are covered to different shares of their voxels on average in different classes, most "
                     "of all 'r2': 100% in 'b', 90% in 'a'"]


def test_repetition_times_that_are_taken_for_one_do_not_go_with_a_class() -> None:
    rng = np.random.default_rng(15)
    times = (2.0, 2.0015)  # to a thousandth: nothing is resampled
    series = [raw_noise(rng, 60, t_r) for t_r in times]
    runs = [Run("1", task, Path(f"{task}.nii"), t_r, 60) for task, t_r in zip("ab", times, strict=True)]
    assert cut_samples(series, runs, Windows())[0].X.shape == (2, 60, N_REGIONS)
