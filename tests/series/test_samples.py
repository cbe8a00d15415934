"""Samples on disk are those in memory, and what is missing or damaged is said."""

import json
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.records import Event, RegionSeries, Run, Samples
from fmri_saliency.series import (
    Windows,
    cut_samples,
    cut_to_disk,
    read_marked,
    read_samples,
    resample_values,
    write_samples,
)

EVENTS = (Event(4, 16, "x"), Event(30, 8, "y"), Event(60, 12, "x"))


def made(n: int = 5, t_r: float = 2.0) -> tuple[list[RegionSeries], list[Run]]:
    """Return series of `n` people; the second person lacks a region, and nobody has the last."""
    rng = np.random.default_rng(0)
    series, runs = [], []
    for k in range(n):
        values = rng.standard_normal((int(100 / t_r), 4)).astype(np.float32)
        values[:, 3] = np.nan
        if k == 1:
            values[:, 2] = np.nan
        history = {"standardize": "zscore_sample"}
        series.append(RegionSeries(values, t_r, ("a", "b", "c", "d"), np.ones(4), history))
        runs.append(Run(f"{k}", "go", Path(f"{k}.nii"), t_r, len(values), events=EVENTS))
    return series, runs


@pytest.mark.parametrize("windows", [Windows("event", 10.0), Windows("block", 6.0, delay=3.0, rest=True)])
def test_samples_on_disk_are_those_in_memory(tmp_path: Path, windows: Windows) -> None:
    series, runs = made()
    wanted, left_out = cut_samples(series, runs, windows)
    assert cut_to_disk(iter(series), runs, windows, tmp_path / "one", {"inputs": "x"}) == left_out
    found = read_samples(tmp_path / "one")
    assert isinstance(found.X, np.memmap)
    np.testing.assert_array_equal(found.X, wanted.X)
    pd.testing.assert_frame_equal(found.table, wanted.table, check_dtype=False)
    assert (found.t_r, found.names, found.absent) == (wanted.t_r, wanted.names, ("d",))
    assert set(found.table["filled"]) == {1, 2}
    write_samples(wanted, tmp_path / "other", {"LeftOut": left_out, "inputs": "x"})
    for name in ("X.npy", "samples.tsv", "samples.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    card = json.loads((tmp_path / "one" / "samples.json").read_text())
    assert {k: v["samples"] for k, v in card["ClassBalance"].items()} == wanted.table["label"].value_counts().to_dict()


def test_series_are_let_go_as_they_are_cut(tmp_path: Path) -> None:
    series, runs = made(8)
    made_so_far: list[weakref.ref] = []

    def one_by_one() -> Iterator[RegionSeries]:
        for one in series:
            alive = sum(ref() is not None for ref in made_so_far)
            assert alive <= 2, f"{alive} series are still there"
            fresh = replace(one, values=one.values.copy())
            made_so_far.append(weakref.ref(fresh))
            yield fresh

    cut_to_disk(one_by_one(), runs, Windows("event", 10.0), tmp_path, {})
    assert len(read_samples(tmp_path).X) == 24


def test_resampled_windows_hold_the_resampled_signal(tmp_path: Path) -> None:
    fast, fast_runs = made(2, t_r=1.0)
    slow, slow_runs = made(2, t_r=2.0)
    runs = [*fast_runs, *(replace(run, subject=f"{run.subject}s") for run in slow_runs)]
    windows = Windows("event", 10.0, t_r=2.0)
    samples, _ = cut_samples([*fast, *slow], runs, windows)
    assert (samples.t_r, samples.X.shape) == (2.0, (12, 5, 4))
    values = resample_values(fast[0].values[:, :3], 1.0, 2.0)
    scaled = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    np.testing.assert_allclose(samples.X[1, :, :3], scaled[15:20], atol=1e-5)
    alone, _ = cut_samples(slow, slow_runs, replace(windows, t_r=0.0))
    np.testing.assert_array_equal(samples.X[6:], alone.X)  # what has the repetition time is not touched


def test_a_cut_that_fails_leaves_no_samples(tmp_path: Path) -> None:
    series, runs = made()
    cut_to_disk(series, runs, Windows("event", 10.0), tmp_path, {})
    raw = [replace(one, history={"standardize": "none"}) for one in series]
    with pytest.raises(InputError, match="Region 'c' is absent from some runs"):
        cut_to_disk(raw, runs, Windows("event", 10.0), tmp_path, {})
    assert not (tmp_path / "samples.json").exists()
    assert not list(tmp_path.glob(".unfinished*"))


def test_a_damaged_array_is_named(tmp_path: Path, samples: Samples) -> None:
    write_samples(samples, tmp_path, {})
    (tmp_path / "X.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"X\.npy is missing or damaged .*run `fmri-saliency train"):
        read_samples(tmp_path)


def test_marked_frames_are_read_from_the_series_card() -> None:
    def read(*frames: object) -> np.ndarray:
        return read_marked({"Cleaning": {"marked_frames": list(frames)}}, 5, Path("x.json"))

    assert read_marked({"Cleaning": {"detrend": True}}, 5, Path("x.json")) is None
    assert read(0, 3).tolist() == [True, False, False, True, False]
    assert read().tolist() == [False] * 5
    for wrong, words in ((5, "from 0 to 4; 5 came"), (-1, "-1 came"), (1.5, "1.5 came"), ([1], "other things")):
        with pytest.raises(InputError, match=words):
            read(wrong)
