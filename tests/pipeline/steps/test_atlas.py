"""The whole job with another atlas than the embedded one: overlapping maps that belong to networks."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from caching import write

from fmri_saliency.brain import resample_atlas
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.steps.extraction import choose_atlas
from fmri_saliency.pipeline.study.runs import find


@pytest.fixture
def by_maps(small_config: Path) -> Path:
    """Twelve overlapping bumps of weights on a grid of their own."""
    affine = np.diag([10.0, 10.0, 10.0, 1.0])
    affine[:3, 3] = (-75.0, -105.0, -60.0)
    shape = (16, 19, 15)
    places = nib.affines.apply_affine(affine, np.stack(np.indices(shape), axis=-1))
    centres = [(x, y, z) for x in (-35, 35) for y in (-70, -20, 35) for z in (0, 40)]
    maps = np.stack([np.exp(-((places - c) ** 2).sum(-1) / (2 * 18**2)) for c in centres], axis=-1)
    maps[maps < 0.02] = 0
    folder = small_config.parent
    nib.save(nib.Nifti1Image(maps.astype(np.float32), affine), folder / "maps.nii.gz")
    rows = [f"{k}\tmode {k} {'LH' if c[0] < 0 else 'RH'}\tnet{k % 3}" for k, c in enumerate(centres, start=1)]
    write(folder / "maps.tsv", "index\tname\tnetwork\n" + "\n".join(rows) + "\n")
    text = small_config.read_text().replace('truth = "', '# truth = "')
    small_config.write_text(text + '[atlas]\nname = "Soft"\nmaps = "maps.nii.gz"\ntable = "maps.tsv"\n'
                            'space = "MNI152NLin2009aSym"\n')  # fmt: skip
    return small_config


def test_from_scans_to_maps_with_a_probabilistic_atlas(cli: Callable, by_maps: Path) -> None:
    done = cli("run", by_maps)
    assert done.code == 0, done.err
    out = by_maps.parent / "results"
    (series,) = (out / "sub-100101").rglob("*task-motor_dir-LR*_atlas-Soft_stat-mean_timeseries.tsv")
    table = pd.read_csv(series, sep="\t")
    assert list(table.columns) == [f"mode {k} {'LH' if k <= 6 else 'RH'}" for k in range(1, 13)]
    coverage = pd.read_csv(next(series.parent.glob("*task-motor_dir-LR*coverage*")), sep="\t")
    assert ((coverage > 0.3) & (coverage < 1)).to_numpy().all()

    config = load_config(by_maps)
    atlas, note = choose_atlas(config, find(config).runs)
    assert atlas.maps.shape == (16, 19, 15, 12)
    assert note == "Atlas and scans are both in MNI152NLin2009aSym."
    path = next((out / "group").glob("*task-motor*_stat-saliencymean_*.nii.gz"))
    regions = pd.read_csv(next((out / "group").glob("desc-*_regions.tsv")), sep="\t")
    mean = regions[regions["class"] == "motor"].set_index("region")["mean"][list(atlas.names)].to_numpy()
    image = nib.load(path)
    assert image.shape == (21, 25, 23)
    place = tuple(np.round(nib.affines.apply_affine(np.linalg.inv(image.affine), [-35, -70, 0])).astype(int))
    weights = resample_atlas(atlas, image.affine, image.shape).maps[place]
    assert (weights > 0).sum() > 1
    assert image.get_fdata()[place] == pytest.approx(float(weights @ mean), abs=1e-5)
    peak = nib.load(next((out / "group").glob("*task-motor*_stat-peaktime_*.nii.gz"))).get_fdata()
    peaks = regions[regions["class"] == "motor"]["peak_s"]
    assert set(np.unique(peak[peak > 0]).round(3)) <= set(peaks.round(3))  # times are those of regions, never sums
    assert "0 extracted, 12 up to date" in cli("extract", by_maps).err
    check_networks(regions, out)


def check_networks(regions: pd.DataFrame, out: Path) -> None:
    """Networks and hemispheres, the latter found in names, reach tables and page."""
    number = regions["region"].str.split().str[1].astype(int)
    assert (regions["network"] == "net" + (number % 3).astype(str)).all()
    assert (regions["hemisphere"] == np.where(number <= 6, "L", "R")).all()
    networks = pd.read_csv(next((out / "group").glob("*_networks.tsv")), sep="\t")
    assert networks["n_regions"].tolist() == [2] * 12
    np.testing.assert_allclose(networks.groupby("class")["share"].sum(), 1.0, atol=1e-5)
    page = (out / "report.html").read_text()
    for words in ("least squares on the atlas&#39;s maps", '<th scope="col">Network</th>', "<td>net1</td>"):
        assert words in page


def test_other_weights_are_another_atlas(cli: Callable, by_maps: Path) -> None:
    one = ("extract", by_maps, "--run", "sub-100101_task-emotion_dir-LR_run-1")
    assert "1 extracted" in cli(*one).err
    path = by_maps.parent / "maps.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) ** 2, image.affine), path)
    assert "1 extracted, 0 up to date" in cli(*one).err
    assert "0 extracted, 1 up to date" in cli(*one).err


def test_a_missing_atlas_is_one_message_before_anything_is_written(
    cli: Callable, small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("nilearn.datasets._utils.fetch_single_file", refuse)
    small_config.write_text(small_config.read_text() + '[atlas]\nname = "Schaefer2018"\ndata_dir = "downloads"\n')
    done = cli("run", small_config)
    assert done.code == 2
    assert "Error: The atlas Schaefer2018 (n_regions = 400" in done.err
    assert f"to {small_config.parent / 'downloads' / 'schaefer_2018'}" in done.err
    assert not (small_config.parent / "results").exists()
