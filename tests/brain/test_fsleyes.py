"""Atlas and colours for FSLeyes: by hand, by the formulas of colour science, and as FSL's own libraries read them."""

import colorsys
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making import make_atlas

from fmri_saliency.brain import fsleyes, load_atlas
from fmri_saliency.brain.tables import read_region_table
from fmri_saliency.records import Atlas

# what the green-blind and the red-blind see, on linear RGB (Machado et al. 2009, doi:10.1109/TVCG.2009.113, Table 1)
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])


@pytest.fixture
def coloured() -> Atlas:
    atlas = make_atlas(4, (9, 8, 5), "MNI152NLin6Asym")
    regions = atlas.regions.assign(index=[3, 300, 7, 8], name=["V1  left", "a & <b>", "c#1", "d"], network=list("xyxy"))
    labels = np.array([0, 3, 300, 7, 8])[atlas.labels]
    return replace(atlas, labels=labels, regions=regions.assign(color=["#4681b3", None, "#010203", "#ffffff"]))


@pytest.fixture
def weighted() -> Atlas:
    atlas = make_atlas(3, (6, 5, 4))
    maps = np.stack([(atlas.labels == index) * index / 4 for index in (1, 2, 3)], axis=-1).astype(np.float32)
    maps[2, 3, 1] = (0.1, 0.2, 2.5)
    return replace(atlas, maps=maps)


def test_a_look_up_table_is_read_back_with_its_colours_and_names(coloured: Atlas, tmp_path: Path) -> None:
    fsleyes.write_look_up(coloured, tmp_path / "a.lut")
    lines = (tmp_path / "a.lut").read_text().splitlines()
    assert lines[0].startswith("#")
    assert lines[1] == "3 0.274510 0.505883 0.701961 V1 left"  # 70/255 = 0.27450980, and so on, rounded up
    table, _ = read_region_table(tmp_path / "a.lut")
    assert table["index"].tolist() == [3, 300, 7, 8]
    assert table["name"].tolist() == ["V1 left", "a & <b>", "c#1", "d"]
    assert table["color"].tolist() == list(fsleyes.region_colours(coloured))
    one = replace(coloured, regions=coloured.regions.iloc[:1])
    fsleyes.write_look_up(one, tmp_path / "one.lut")
    rows = [line for line in (tmp_path / "one.lut").read_text().splitlines() if not line.startswith("#")]
    assert [row.split()[0] for row in rows] == ["3", "4"]


def test_regions_without_a_network_have_a_hue_of_their_own(coloured: Atlas) -> None:
    plain = coloured.regions.drop(columns="color")
    some = plain.assign(network=pd.Series(["x", None, "x", None], dtype="str"))
    named = plain.assign(network=["x", "none", "x", "none"])
    colours = fsleyes.region_colours(replace(coloured, regions=some))
    assert colours == fsleyes.region_colours(replace(coloured, regions=named))
    assert len(set(colours)) == 4


def test_regions_keep_their_colours_and_networks_have_a_hue(coloured: Atlas) -> None:
    own = fsleyes.region_colours(coloured)
    assert (own[0], own[2], own[3]) == ("#4681b3", "#010203", "#ffffff")
    many = pd.DataFrame({"index": range(1, 43), "name": [f"r{i}" for i in range(42)],
                         "network": [f"n{i % 7}" for i in range(42)]})  # fmt: skip
    colours = fsleyes.region_colours(replace(coloured, regions=many))
    shades = [tuple(int(one[k : k + 2], 16) / 255 for k in (1, 3, 5)) for one in colours]
    hues = np.array([colorsys.rgb_to_hls(*shade)[0] for shade in shades])
    first = hues[:7]
    assert np.abs((hues - np.resize(first, 42) + 0.5) % 1 - 0.5).max() < 0.02
    assert np.abs((first[:, None] - first + 0.5) % 1 - 0.5)[~np.eye(7, dtype=bool)].min() > 0.05
    assert len(set(colours[::7])) == 3


def to_linear(colours: np.ndarray) -> np.ndarray:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


@pytest.fixture
def shades(tmp_path: Path) -> dict[str, np.ndarray]:
    for kind in fsleyes.COLOUR_MAPS:
        fsleyes.write_colour_map(kind, tmp_path / f"{kind}.cmap")
    return {kind: np.loadtxt(tmp_path / f"{kind}.cmap") for kind in fsleyes.COLOUR_MAPS}


def test_lightness_grows_in_equal_steps_alike_in_all_maps(shades: dict[str, np.ndarray]) -> None:
    for colours in shades.values():
        assert colours.shape == (256, 3)
        luminance = to_linear(colours) @ [0.2126, 0.7152, 0.0722]
        lightness = 116 * np.cbrt(luminance) - 16  # CIE 1976, above 0.9 % of white
        np.testing.assert_allclose(lightness, np.linspace(25, 88, 256), atol=0.02)


@pytest.mark.parametrize("seen", [np.eye(3), DEUTAN, PROTAN], ids=["all cones", "green-blind", "red-blind"])
def test_the_signs_differ_for_the_colour_blind(shades: dict[str, np.ndarray], seen: np.ndarray) -> None:
    for_class, against = (to_linear(shades[kind]) @ seen.T for kind in ("positive", "negative"))
    assert (for_class[:, 0] > 1.8 * for_class[:, 2]).all()  # more red than blue light
    assert (against[:, 2] > 1.25 * against[:, 0]).all()


def test_the_listing_of_labels_points_into_every_region(coloured: Atlas, tmp_path: Path) -> None:
    bent = coloured.labels.copy()
    bent[bent == 8] = 0
    bent[0:5, 0, 0], bent[0, 0:5, 0], bent[0, 4, 0:4] = 8, 8, 8  # its centre of gravity is outside
    bent[bent == 7] = 0
    atlas = replace(coloured, labels=bent)
    fsleyes.write_fsl_atlas(atlas, tmp_path / "a.xml", "../x/labels.nii.gz", "../x/labels.nii.gz")
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert root.findtext("header/type") == "Label"
    assert root.findtext("header/images/imagefile") == "/../x/labels.nii.gz"
    found = {one.text: (one.get("index"), *(int(one.get(axis)) for axis in "xyz")) for one in root.iter("label")}
    assert list(found) == ["V1  left", "a & <b>", "d"]  # the third has no voxel
    for index, *voxel in found.values():
        assert bent[tuple(voxel)] == int(index)
    assert fsleyes.region_voxels(atlas).tolist()[2] == [-1, -1, -1]
    bar = np.zeros_like(bent)
    bar[2:7, 7, 4] = 3
    assert fsleyes.region_voxels(replace(atlas, labels=bar)).tolist()[0] == [4, 7, 4]


def test_maps_are_listed_from_0_where_they_are_strongest(weighted: Atlas, tmp_path: Path) -> None:
    fsleyes.write_fsl_atlas(weighted, tmp_path / "m.xml", "maps.nii.gz", "labels.nii.gz")
    root = ElementTree.parse(tmp_path / "m.xml").getroot()
    header = {child.tag: child.text for child in root.find("header")}
    assert (header["type"], header["upper"], header["lower"]) == ("Statistic", "2.5", "0.125")
    labels = list(root.iter("label"))
    assert [label.get("index") for label in labels] == ["0", "1", "2"]
    assert [int(labels[2].get(axis)) for axis in "xyz"] == [2, 3, 1]


def test_labels_above_16_bits_and_template_spaces_are_kept(coloured: Atlas, tmp_path: Path) -> None:
    fsleyes.save_atlas(coloured, tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    assert (image.get_data_dtype(), int(image.header["sform_code"])) == (np.int16, 4)
    large = replace(coloured, labels=coloured.labels * 300, space="")
    fsleyes.save_atlas(large, tmp_path / "b.nii.gz")
    image = nib.load(tmp_path / "b.nii.gz")
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 2
    np.testing.assert_array_equal(image.dataobj, large.labels)


def test_the_template_is_a_brain_of_1_mm_in_mni_space(tmp_path: Path) -> None:
    fsleyes.save_template(tmp_path / "t.nii.gz")
    image = nib.load(tmp_path / "t.nii.gz")
    assert image.shape == (197, 233, 189)
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 4
    assert image.header.get_xyzt_units() == ("mm", "sec")
    inside = load_atlas()
    voxels = nib.affines.apply_affine(np.linalg.inv(image.affine), inside.regions[["x", "y", "z"]].to_numpy()).round()
    assert (image.get_fdata()[tuple(voxels.astype(int).T)] > 0.1).mean() > 0.9
    assert (tmp_path / "t.nii.gz").stat().st_size < 2e6


READ = """
import json, sys, warnings
warnings.simplefilter("error", UserWarning)
from fsl.data import atlases
from fsleyes import colourmaps
folder = sys.argv[1]
lut, names = colourmaps.loadLookupTableFile(folder + "/a.lut")
one, one_name = colourmaps.loadLookupTableFile(folder + "/one.lut")
label = atlases.AtlasDescription(folder + "/lists/labels.xml")
maps = atlases.AtlasDescription(folder + "/lists/maps.xml")
labels, weights = atlases.LabelAtlas(label), atlases.StatisticAtlas(maps)
print(json.dumps({
    "types": [colourmaps.fileType(folder + name) for name in ("/a.lut", "/one.lut", "/positive.cmap")],
    "cmap": colourmaps.loadColourMapFile(folder + "/positive.cmap").shape,
    "lut": lut.tolist(), "names": names, "one": one_name,
    "labels": [[l.name, l.value, int(labels.coordLabel((l.x, l.y, l.z)))] for l in label.labels],
    "kinds": [label.atlasType, maps.atlasType, maps.statistic, maps.lower, maps.upper],
    "maps": [[l.name, l.value, [float(v) for v in weights.coordValues((l.x, l.y, l.z))]] for l in maps.labels],
}))
"""


def test_fsl_reads_tables_colours_and_listings(
    need: Callable[[str], str], coloured: Atlas, weighted: Atlas, tmp_path: Path
) -> None:
    python = Path(need("fsleyes")).with_name("python")
    (tmp_path / "lists").mkdir()
    fsleyes.write_look_up(coloured, tmp_path / "a.lut")
    fsleyes.write_look_up(replace(coloured, regions=coloured.regions.iloc[:1]), tmp_path / "one.lut")
    fsleyes.write_colour_map("positive", tmp_path / "positive.cmap")
    fsleyes.save_atlas(coloured, tmp_path / "labels.nii.gz")
    fsleyes.write_fsl_atlas(coloured, tmp_path / "lists" / "labels.xml", "../labels.nii.gz", "../labels.nii.gz")
    fsleyes.save_atlas(weighted, tmp_path / "sums.nii.gz", tmp_path / "maps.nii.gz")
    fsleyes.write_fsl_atlas(weighted, tmp_path / "lists" / "maps.xml", "../maps.nii.gz", "../sums.nii.gz")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": ""}
    done = subprocess.run([python, "-c", READ, tmp_path], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    read = json.loads(done.stdout)
    assert read["types"] == ["lut", "lut", "cmap"]
    assert read["cmap"] == [256, 3]
    assert [row[0] for row in read["lut"]] == [3, 7, 8, 300]
    assert read["names"] == ["V1 left", "c#1", "d", "a & <b>"]
    np.testing.assert_allclose(np.array(read["lut"])[0, 1:] * 255, [70, 129, 179], atol=1e-3)
    assert read["one"][0] == "V1 left"
    assert [item[1:] for item in read["labels"]] == [[3, 3], [300, 300], [7, 7], [8, 8]]
    assert read["kinds"] == ["label", "statistic", "weight", 0.125, 2.5]
    assert [item[:2] for item in read["maps"]] == [["r1", 1], ["r2", 2], ["r3", 3]]
    np.testing.assert_allclose([item[2] for item in read["maps"]],
                               [[0.25, 0, 0], [0, 0.5, 0], [0.1, 0.2, 2.5]], atol=1e-6)  # fmt: skip
