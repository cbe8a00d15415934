"""From dense CIFTI series to CIFTI maps and a page, as a user runs it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making_cifti import LABELS, NAMES, models, write_labels, write_series
from scipy.stats import ttest_1samp
from validating import bids_errors

CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
space = "fsLR"
[atlas]
name = "Small"
labels = "small.dlabel.nii"
space = "fsLR"
[samples]
unit = "event"
length = 8.0
[decoder]
folds = 3
compare = []
[decoder.architecture]
hidden_size = 4
hops = 2
attention_size = 4
[decoder.training]
max_epochs = 4
[output]
path = "results"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Six people, one run each: the first parcel answers to "see", the second to "move"."""
    rng = np.random.default_rng(0)
    write_labels(tmp_path / "small.dlabel.nii")
    rows = ["subject\ttask\tbold\tevents"]
    for subject in range(1, 7):
        values = rng.standard_normal((120, 10))
        events = ["onset\tduration\ttrial_type"]
        for number in range(8):
            begin, kind = 10 + 13 * number, number % 2
            events.append(f"{begin * 1.0}\t8.0\t{('see', 'move')[kind]}")
            values[begin : begin + 8, kind + 1 == LABELS] += 3
        write_series(tmp_path / f"{subject}.dtseries.nii", values, 1.0)
        (tmp_path / f"{subject}.tsv").write_text("\n".join(events) + "\n")
        rows.append(f"{subject:02d}\tboth\t{subject}.dtseries.nii\t{subject}.tsv")
    (tmp_path / "runs.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path / "c.toml"


def test_from_dense_series_to_parcel_maps(cli: Callable, config: Path, need: Callable) -> None:
    done = cli("run", config)
    assert done.code == 0, done.err
    group = config.parent / "results" / "group"
    table = pd.read_csv(next(group.glob("desc-*_regions.tsv")), sep="\t")
    assert set(table["region"]) == set(NAMES.values())
    for label in ("see", "move"):
        (path,) = group.glob(f"*{label}*_stat-saliency_*boldmap.ptseries.nii")
        image = nib.load(path)
        assert image.shape == (8, 3)
        assert image.header.get_axis(0).step == 1.0
        assert image.header.get_axis(1).name.tolist() == list(NAMES.values())
        means = nib.load(next(group.glob(f"*{label}*_stat-saliencymean_*boldmap.pscalar.nii"))).get_fdata()[0]
        wanted = table[table["class"] == label].set_index("region")["mean"][list(NAMES.values())]
        np.testing.assert_allclose(means, wanted, atol=1e-6)
        dense = nib.load(next(group.glob(f"*{label}*_stat-saliencymean_*boldmap.dscalar.nii"))).get_fdata()[0]
        np.testing.assert_allclose(dense, np.append(0, means)[LABELS], atol=1e-7)
        assert path.with_name(path.name.replace(".ptseries.nii", ".json")).is_file()
    assert not list(group.glob("*.nii.gz"))
    check_people(config.parent / "results")
    page = (config.parent / "results" / "report.html").read_text()
    assert "averaged over those of their grayordinates" in page
    assert "Glass brains are drawn" not in page
    (pattern,) = re.findall(r"wb_view \*\.surf\.gii (\S+)<", page.split("<nav")[0])  # before any map
    assert len(list((config.parent / "results").glob(pattern))) == 2  # one of each class
    assert "0 extracted, 6 up to date" in cli("extract", config).err
    assert bids_errors(need("validator"), config.parent / "results") == []
    check_with_workbench(need("workbench"), config.parent / "results")


def check_people(out: Path) -> None:
    """Everybody has maps per parcel, those without time also per grayordinate; the group's mean is theirs."""
    name = "sub-{0}/func/sub-{0}_task-both_contrast-see_*_stat-{1}_*boldmap{2}"
    series = [next(out.glob(name.format(f"{k:02d}", "saliency", ".ptseries.nii"))) for k in range(1, 7)]
    values = np.mean([nib.load(path).get_fdata() for path in series], axis=0)
    (whole,) = (out / "group").glob("*contrast-see_*_stat-saliency_*.ptseries.nii")
    np.testing.assert_allclose(nib.load(whole).get_fdata(), values, atol=1e-6)
    assert nib.load(series[0]).header.get_axis(0).step == 1.0
    for stat in ("saliencymean", "saliencyabs", "peaktime"):
        for ending, size in ((".pscalar.nii", 3), (".dscalar.nii", 10)):
            assert nib.load(next(out.glob(name.format("03", stat, ending)))).shape == (1, size)
    assert not list(out.glob("sub-*/func/*_boldmap.dtseries.nii"))  # 0.1 GB each for the HCP's grayordinates
    (t,) = (out / "group").glob("*contrast-see_*_stat-saliencyt_*.dtseries.nii")
    people = np.array([nib.load(path).get_fdata() for path in series])
    np.testing.assert_allclose(nib.load(t).get_fdata()[:, LABELS == 2], np.repeat(
        ttest_1samp(people, 0).statistic[:, 1:2], 3, axis=1), rtol=1e-3)  # fmt: skip


def check_with_workbench(program: str, out: Path) -> None:
    """Workbench agrees on time, units and the number of maps."""
    for pattern, steps in (("sub-01/func/*see_*_stat-saliency_*.ptseries.nii", 8),
                           ("group/*see_*_stat-saliencyt_*.dtseries.nii", 8),
                           ("sub-03/func/*see_*_stat-peaktime_*.dscalar.nii", 1)):  # fmt: skip
        said = subprocess.run([program, "-file-information", str(next(out.glob(pattern)))], capture_output=True,
                              text=True, check=True).stdout  # fmt: skip
        about = {key.strip(): value.strip() for key, value in (r.split(":", 1) for r in said.splitlines() if ":" in r)}
        assert about["Number of Maps"] == str(steps)
        if steps > 1:
            assert (about["Map Interval Units"], about["Map Interval Step"]) == ("NIFTI_UNITS_SEC", "1.000")


def test_labels_of_other_grayordinates_are_one_message(cli: Callable, config: Path) -> None:
    write_series(config.parent / "1.dtseries.nii", np.ones((120, 4)),
                 axis=nib.cifti2.BrainModelAxis.from_surface(range(4), 12, "CIFTI_STRUCTURE_CORTEX_LEFT"))  # fmt: skip
    done = cli("extract", config)
    assert done.code == 1
    log = pd.read_csv(config.parent / "results" / "runs.tsv", sep="\t")
    assert log["status"].tolist() == ["failed"] + ["done"] * 5
    assert "CORTEX_LEFT has 12 vertices in the series, 9 in the atlas" in log["message"][0]


def test_labels_of_the_cortex_go_with_whole_series(cli: Callable, config: Path) -> None:
    cortex = models()[np.array([4, 3, 2, 1, 0, 5, 6, 7])]
    write_labels(config.parent / "small.dlabel.nii", LABELS[[4, 3, 2, 1, 0, 5, 6, 7]], axis=cortex)
    done = cli("run", config)
    assert done.code == 0, done.err
    out = config.parent / "results"
    path = next(out.glob("sub-01/func/*_timeseries.tsv"))
    found = pd.read_csv(path, sep="\t")
    values = nib.load(config.parent / "1.dtseries.nii").get_fdata()
    mean = values[:, :2].mean(axis=1)  # the two vertices of the first parcel
    trend = np.column_stack([np.ones(120), np.arange(120.0)])
    left = mean - trend @ np.linalg.lstsq(trend, mean, rcond=None)[0]
    assert np.corrcoef(found[NAMES[1]], left)[0, 1] > 0.95  # but for the cosines
    regions = pd.read_csv(next(out.glob("sub-01/func/*_regions.tsv")), sep="\t")
    assert regions["voxels"].tolist() == [2, 3, 2]  # without the thalamus
    (scalar,) = (out / "group").glob("*see*_stat-saliencymean_*boldmap.dscalar.nii")
    image = nib.load(scalar)
    assert image.header.get_axis(1) == models()
    assert (image.get_fdata()[0, 8:] == 0).all()


def write_surface(path: Path, n_vertices: int, x: float) -> None:
    """Write a flat grid of triangles, 3 by 3 vertices 10 mm apart, seen from both sides."""
    side = int(n_vertices**0.5)
    y, z = np.meshgrid(np.arange(side), np.arange(side))
    points = np.stack([np.full(n_vertices, x), 10.0 * y.ravel(), 10.0 * z.ravel()], axis=1).astype(np.float32)
    corner = np.array([row * side + column for row in range(side - 1) for column in range(side - 1)])
    half = np.concatenate([np.stack([corner, corner + 1, corner + side], 1),
                           np.stack([corner + 1, corner + side + 1, corner + side], 1)])  # fmt: skip
    faces = np.concatenate([half, half[:, ::-1]]).astype(np.int32)
    arrays = [nib.gifti.GiftiDataArray(one, intent) for one, intent in ((points, "NIFTI_INTENT_POINTSET"),
                                                                        (faces, "NIFTI_INTENT_TRIANGLE"))]  # fmt: skip
    nib.save(nib.gifti.GiftiImage(darrays=arrays), path)


def test_maps_are_drawn_on_surfaces_that_are_named(cli: Callable, config: Path) -> None:
    for side, x in (("left", -10.0), ("right", 10.0)):
        write_surface(config.parent / f"{side}.surf.gii", 9, x)
    with config.open("a") as file:
        file.write('left_surface = "left.surf.gii"\nright_surface = "right.surf.gii"\n')
    done = cli("run", config)
    assert done.code == 0, done.err
    page = (config.parent / "results" / "report.html").read_text()
    assert page.count("mean over time, on the surfaces that [output] names.") == 4  # two classes, alt text and caption
    assert "wb_view" not in page
    assert (config.parent / "results" / "figures" / "class-see_surface.png").is_file()
    write_surface(config.parent / "left.surf.gii", 16, -10.0)
    done = cli("report", config)
    assert done.code == 2
    assert "The surface of the left side has 16 vertices" in done.err
    assert "mesh of 9" in done.err
