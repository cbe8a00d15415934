"""Quality of a run: framewise displacement, steady state and counts of voxels by hand."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import (
    Cleaning,
    extract_with_quality,
    framewise_displacement,
    quality_paths,
    read_series,
    write_series,
)
from fmri_saliency.series.confounds import HCP_MOVEMENT
from fmri_saliency.series.quality import count_non_steady, mark_moved, measure_motion

COLUMNS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def test_framewise_displacement_by_hand() -> None:
    motion = np.array([[0, 0, 0, 0, 0, 0], [0.1, -0.2, 0, 0.001, 0, -0.002], [0.1, 0.2, 0, 0.001, 0.01, -0.002]])
    found = framewise_displacement(motion)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [0.3 + 50 * 0.003, 0.4 + 50 * 0.01])


def test_rotations_are_degrees_in_the_hcps_files_and_radians_in_fmripreps(
    noisy_run: Run, atlas: Atlas, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    motion = np.cumsum(rng.normal(scale=[0.1] * 3 + [0.002] * 3, size=(40, 6)), axis=0)
    wanted = framewise_displacement(motion)
    degrees = np.column_stack([motion[:, :3], np.rad2deg(motion[:, 3:])])
    np.savetxt(tmp_path / "Movement_Regressors.txt", np.hstack([degrees, np.zeros((40, 6))]), fmt="%.9f")
    pd.DataFrame(motion, columns=COLUMNS).assign(framewise_displacement=99.0).to_csv(
        tmp_path / "confounds.tsv", sep="\t", index=False
    )
    for name in ("Movement_Regressors.txt", "confounds.tsv"):
        _, quality = extract_with_quality(replace(noisy_run, confounds=tmp_path / name), atlas)
        np.testing.assert_allclose(quality.motion.displacement, wanted, atol=1e-6)
        figures = quality.summary()
        assert figures["fd_mean"] == pytest.approx(np.nanmean(wanted), abs=1e-6)
        assert figures["fd_max"] == pytest.approx(np.nanmax(wanted), abs=1e-6)
        assert figures["fd_share_high"] == pytest.approx(np.mean(wanted[1:] > 0.5))
        assert 0 < figures["fd_share_high"] < 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "unknown: no confounds"),
        (pd.DataFrame({"csf": [1.0, 2.0, 3.0]}), "neither trans_x to rot_z nor framewise_displacement"),
        (pd.DataFrame({"framewise_displacement": [1.0, 2.0]}), "unknown: no confounds of this run's length"),
    ],
)
def test_unknown_movement_says_why(table: pd.DataFrame | None, words: str) -> None:
    motion = measure_motion(table, 3)
    assert words in motion.source
    assert np.isnan(motion.displacement).all()
    assert motion.summary() == {"fd_mean": None, "fd_max": None, "fd_share_high": None}


def test_a_column_of_displacement_is_taken_where_movement_itself_is_missing() -> None:
    motion = measure_motion(pd.DataFrame({"framewise_displacement": ["n/a", 0.25, 0.75]}), 3)
    assert motion.summary() == {"fd_mean": 0.5, "fd_max": 0.75, "fd_share_high": 0.5}


def test_frames_before_the_steady_state() -> None:
    signal = np.array([200.0, 150.0, 101.0, 99.0, 100.0, 102.0, 98.0, 100.5, 99.5, 180.0])
    # median 100.25, median distance 1.5: the third value is 0.75 / 1.5 * 0.6745 = 0.34 away, the first two above 22
    assert count_non_steady(signal) == 2
    assert count_non_steady(signal[2:]) == 0
    assert count_non_steady(np.full(10, 7.0)) == 0
    late = np.concatenate([np.tile([99.0, 101.0], 30), [500.0] * 200])
    assert count_non_steady(late) == 0  # only the first 50 frames are looked at
    assert count_non_steady(np.concatenate([[500.0], late])) == 1


def test_a_bright_start_is_counted_and_kept(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    image = nib.load(noisy_run.bold)
    values = image.get_fdata(dtype=np.float32)
    values[..., :3] += 500
    nib.save(nib.Nifti1Image(values, image.affine, image.header), noisy_run.bold)
    series, quality = extract_with_quality(noisy_run, atlas)
    assert (quality.non_steady, len(series.values)) == (3, 40)
    assert "Iglewicz" in quality.steady_rule
    assert quality.frames()["non_steady_state"].tolist() == [1] * 3 + [0] * 37
    inside = values[atlas.labels > 0]
    np.testing.assert_allclose(quality.global_signal, inside.mean(axis=0), rtol=1e-6)
    table = pd.DataFrame({"non_steady_state_outlier00": [1] + [0] * 39, "csf": range(40)})
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    _, told = extract_with_quality(replace(noisy_run, confounds=tmp_path / "c.tsv"), atlas)
    assert (told.non_steady, "fMRIPrep's columns" in told.steady_rule) == (1, True)


@pytest.mark.parametrize("reader", ["streaming", "nilearn"])
def test_voxels_without_data_are_counted_by_region(noisy_run: Run, atlas: Atlas, tmp_path: Path, reader: str) -> None:
    image = nib.load(noisy_run.bold)
    values = image.get_fdata(dtype=np.float32)
    own = [np.argwhere(atlas.labels == index) for index in range(1, 7)]
    values[tuple(own[0][0])] = np.nan
    values[(*own[0][1], 7)] = np.inf
    values[tuple(own[1][:3].T)] = 4.0
    values[tuple(own[2].T)] = 0.0
    nib.save(nib.Nifti1Image(values, image.affine, image.header), noisy_run.bold)
    mask = np.ones(atlas.labels.shape, dtype=np.uint8)
    mask[tuple(own[3][:5].T)] = 0
    mask[tuple(own[0][2])] = 0
    nib.save(nib.Nifti1Image(mask, image.affine), tmp_path / "mask.nii.gz")
    run = replace(noisy_run, mask=tmp_path / "mask.nii.gz")
    _, quality = extract_with_quality(run, atlas, Cleaning(reader=reader))
    size = [len(voxels) for voxels in own]
    table = quality.regions
    assert table["name"].tolist() == list(atlas.names)
    assert table["voxels"].tolist() == size
    assert table["nan_voxels"].tolist() == [2, 0, 0, 0, 0, 0]
    assert table["constant_voxels"].tolist() == [0, 3, size[2], 0, 0, 0]
    assert table["outside_mask"].tolist() == [1, 0, 0, 5, 0, 0]
    assert table["zero_variance"].tolist() == [False, False, True, False, False, False]
    wanted = [1 - 3 / size[0], 1 - 3 / size[1], 0, 1 - 5 / size[3], 1, 1]
    np.testing.assert_allclose(table["coverage"], wanted)
    figures = quality.summary()
    assert (figures["nan_voxels"], figures["constant_voxels"]) == (2, 3 + size[2])
    assert (figures["zero_variance_regions"], figures["partly_covered_regions"]) == (["r3"], 3)


def test_quality_lies_beside_the_series(noisy_run: Run, atlas: Atlas, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "Movement_Regressors.txt", np.tile(np.arange(40.0)[:, None] / 10, 12))
    run = replace(noisy_run, confounds=tmp_path / "Movement_Regressors.txt")
    series, quality = extract_with_quality(run, atlas)
    stem = tmp_path / "out" / "sub-01_task-rest_atlas-Blocks_stat-mean_timeseries"
    write_series(series, stem, {}, quality)
    frames, regions = quality_paths(stem)
    assert frames.name == "sub-01_task-rest_atlas-Blocks_desc-quality_timeseries.tsv"
    assert regions.name == "sub-01_task-rest_atlas-Blocks_desc-quality_regions.tsv"
    table = pd.read_csv(frames, sep="\t")
    assert frames.read_text().splitlines()[1].startswith("n/a\t")
    np.testing.assert_allclose(table["framewise_displacement"][1:], 0.3 + 50 * np.deg2rad(0.3), atol=1e-6)
    np.testing.assert_allclose(table["global_signal"], quality.global_signal, rtol=1e-6)
    assert pd.read_csv(regions, sep="\t")["voxels"].sum() == (atlas.labels > 0).sum()
    card = json.loads(stem.with_name(stem.name + ".json").read_text())
    assert card["Quality"]["fd_share_high"] == 1.0  # 0.56 mm in every frame
    assert card["Quality"]["fd_source"].endswith("(mm, degrees)")
    np.testing.assert_array_equal(read_series(stem).values, series.values)


def test_confounds_that_cannot_be_read_stop_a_run_only_when_they_are_asked_for(
    noisy_run: Run, atlas: Atlas, tmp_path: Path
) -> None:
    (tmp_path / "Movement_Regressors.txt").write_text("1 2 3\n" * 40)
    run = replace(noisy_run, confounds=tmp_path / "Movement_Regressors.txt")
    _, quality = extract_with_quality(run, atlas)
    assert "Expected 12 movement columns" in quality.summary()["fd_source"]


def test_frames_of_the_hcp_are_marked_by_movement_by_hand() -> None:
    # a rotation of 0.4 degrees is an arc of 50 mm x 0.4 x pi / 180 = 0.349 mm; with 0.2 mm it is 0.549
    table = pd.DataFrame(np.zeros((6, 12)), columns=list(HCP_MOVEMENT))
    table.loc[2:, "rot_y"] = 0.4
    table.loc[4:, "rot_y"] = 0.8
    table.loc[4:, "trans_z"] = -0.2
    motion = measure_motion(table, 6, degrees=True)
    np.testing.assert_allclose(motion.displacement[1:], [0, 0.349066, 0, 0.549066, 0], atol=1e-6)
    assert mark_moved(motion, 0.5) == (4,)
    assert mark_moved(motion, 0.3) == (2, 4)
    assert mark_moved(motion, 0.6) == ()
    assert mark_moved(measure_motion(table, 6), 0.5) == (2, 4)  # as radians it would be 20 mm
