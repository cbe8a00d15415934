"""Atlases by name: nilearn's own fetchers read stand-ins from a made cache; without one the user is told what to do."""

import shlex
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from caching import SHAPE, difumo, fill_cache, schaefer
from nilearn import datasets

from fmri_saliency.brain import AtlasChoice, atlas_cards, load_atlas, load_chosen_atlas
from fmri_saliency.brain.cards import find_card, read_cards, settle
from fmri_saliency.brain.fetch import count_present, find_files
from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import AtlasError, CoverageWarning
from fmri_saliency.records import Atlas


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_cache(tmp_path_factory.mktemp("nilearn_data"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("nilearn.datasets._utils.fetch_single_file", refuse)
    monkeypatch.setattr("nilearn.datasets.atlas.fetch_single_file", refuse)


def load(downloads: Path, name: str, **options: object) -> Atlas:
    return load_chosen_atlas(AtlasChoice(name, data_dir=downloads, **options))


def test_every_volumetric_fetcher_of_nilearn_has_a_card_whose_values_it_takes() -> None:
    fetchers = {name for name in dir(datasets) if name.startswith("fetch_atlas_")} - {"fetch_atlas_surf_destrieux"}
    cards = {card.fetcher: card for card in read_cards() if card.fetcher}
    assert set(cards) == fetchers
    assert [card.name for card in read_cards() if not card.fetcher] == ["Compact", "HCPMMP1"]


def test_every_card_says_what_a_user_must_know() -> None:
    for card in read_cards():
        for words in (card.license, card.description, card.source, card.regions, card.references_and_links):
            assert words, card.name
        assert card.space or card.obtained == "brought"
        settled, options = settle(card, AtlasChoice())
        assert "{" not in "".join((*settled.files, settled.folder, settled.seg, settled.scale)), card.name
        assert not any("{" in str(value) for value in settled.arguments.values())
        assert all(value in card.options[key].get("Values", [value]) for key, value in options.items())


def test_the_embedded_atlas_is_where_its_card_says() -> None:
    card, _ = settle(find_card("Compact"), AtlasChoice())
    assert [path.is_relative_to(data_folder("atlases")) for path in find_files(card)] == [True, True]


@pytest.mark.parametrize(
    ("name", "options", "names", "more"),
    [
        ("Schaefer2018", {"n_regions": 100}, ("7Networks_LH_Vis_1", "7Networks_RH_SomMot_1"),
         {"network": ["Vis", "SomMot"], "hemisphere": ["L", "R"], "color": ["#781283"] * 2}),
        ("aal", {}, ("Precentral_L", "Precentral_R"), {"index": [2001, 2002], "hemisphere": ["L", "R"]}),
        ("AAL", {"variant": "SPM8"}, ("Precentral_L", "Precentral_R"), {"index": [2001, 2002]}),
        ("harvard-oxford", {}, ("Left Frontal Pole", "Right Frontal Pole"), {"hemisphere": ["L", "R"]}),
        ("Juelich", {}, ("GM Amygdala", "GM Visual cortex V1"), {"index": [1, 2]}),
        ("yeo", {"networks": 17}, ("17Networks_1", "17Networks_2"), {"network": ["17Networks_1", "17Networks_2"]}),
        ("BASC2015", {"n_regions": 7}, tuple("1234567"), {"index": [1, 2, 3, 4, 5, 6, 7]}),
        ("Craddock2012", {"n_regions": 6}, tuple(f"parcel {k}" for k in range(1, 6)), {}),
        ("Talairach", {}, ("Brodmann area 6", "Brodmann area 4"), {}),
    ],
)  # fmt: skip
def test_label_atlases_from_the_cache(
    downloads: Path, no_network: None, name: str, options: dict, names: tuple, more: dict
) -> None:
    atlas = load(downloads, name, **options)
    assert atlas.names == names
    assert atlas.maps is None
    assert atlas.labels.ndim == 3
    for column, values in more.items():
        assert atlas.regions[column].tolist() == values
    if "index" in more:
        assert set(np.unique(atlas.labels)) == {0, *more["index"]}
    if "L" in atlas.regions.get("hemisphere", ()):
        assert atlas.regions["x"].tolist() == [-20.0, 20.0]


@pytest.mark.parametrize(
    ("name", "options", "n_maps", "first", "network"),
    [
        ("DiFuMo", {}, 64, "mode 1", "VisCent"),
        ("MSDL", {}, 3, "L Aud", "Aud"),
        ("Smith2009", {}, 10, "component 1", None),
        ("Smith2009", {"n_regions": 20, "variant": "bm"}, 20, "component 1", None),
        ("Allen2011", {}, 28, "Basal Ganglia 21", "Basal Ganglia"),
        ("Allen2011", {"variant": "all75"}, 75, "component 1", None),
        ("HarvardOxford", {"variant": "cortl-prob"}, 2, "Left Frontal Pole", None),
        ("Pauli2017", {}, 3, "Pu", None),
    ],
)
def test_probabilistic_atlases_from_the_cache(
    downloads: Path, no_network: None, name: str, options: dict, n_maps: int, first: str, network: str | None
) -> None:
    atlas = load(downloads, name, **options)
    assert atlas.maps.shape == (*SHAPE, n_maps)
    assert atlas.maps.dtype == np.float32
    assert atlas.maps.flags["C_CONTIGUOUS"]
    assert (atlas.names[0], atlas.regions.get("network", [None])[0]) == (first, network)
    assert atlas.regions["index"].tolist() == list(range(1, n_maps + 1))


def test_maps_keep_negative_weights_and_say_which_is_strongest(downloads: Path, no_network: None) -> None:
    atlas = load(downloads, "MSDL")
    assert atlas.maps[0, 0, 0, 0] == np.float32(-0.1)
    assert atlas.labels[0, 0, 0] == 1
    outside = np.abs(atlas.maps).max(axis=-1) == 0
    assert outside.any()
    np.testing.assert_array_equal(atlas.labels[~outside], np.abs(atlas.maps).argmax(axis=-1)[~outside] + 1)
    assert (atlas.labels[outside] == 0).all()


def test_regions_that_an_image_lacks_are_named_and_kept(downloads: Path, no_network: None) -> None:
    with pytest.warns(CoverageWarning, match="1 of 3 regions that the table of Destrieux2009 .* L Medial_wall"):
        atlas = load(downloads, "Destrieux2009")
    assert atlas.n_regions == 3
    with pytest.warns(CoverageWarning, match="Ca"):
        assert load(downloads, "pauli", variant="deterministic").names == ("Pu", "Ca", "NAC")


def test_what_was_chosen_is_part_of_the_names_of_files(downloads: Path, no_network: None) -> None:
    atlas = load(downloads, "Schaefer2018", n_regions=100)
    assert atlas.entities == {"space": "MNI152NLin6Asym", "atlas": "Schaefer2018", "seg": "7n", "scale": "100"}
    assert (atlas.licence, atlas.source) == ("MIT", "nilearn.datasets.fetch_atlas_schaefer_2018")
    assert load(downloads, "yeo").seg == "7nthick"


def test_presence_is_known_before_anything_is_fetched(tmp_path: Path, downloads: Path) -> None:
    here = atlas_cards(downloads).set_index("name")["offline"]
    assert here[["Compact", "MSDL", "Yeo2011", "Schaefer2018", "DiFuMo"]].tolist() == [
        "yes", "yes", "yes", "1 of 40", "1 of 10"
    ]  # fmt: skip
    nothing = atlas_cards(tmp_path).set_index("name")["offline"]
    assert set(nothing.drop(["Compact", "HCPMMP1"])) == {"no"}
    assert not list(tmp_path.iterdir())
    schaefer(tmp_path, 400)
    assert count_present(find_card("Schaefer2018"), tmp_path) == (1, 40)
    next((tmp_path / "schaefer_2018").glob("*.nii.gz")).unlink()
    assert count_present(find_card("Schaefer2018"), tmp_path) == (0, 40)


def test_a_missing_atlas_says_how_to_get_it(tmp_path: Path, no_network: None) -> None:
    with pytest.raises(AtlasError) as error:
        load(tmp_path, "Schaefer2018", n_regions=300, networks=17)
    words = str(error.value)
    assert "(n_regions = 300, networks = 17, resolution_mm = 2) is not on this machine" in words
    assert "no network in tests" in words
    assert f"copy its folder ~/nilearn_data/schaefer_2018 to {tmp_path / 'schaefer_2018'}" in words
    assert 'name = "Compact", needs nothing' in words
    code = shlex.split(words[words.index("python -c") : words.index("  and copy")])[2]
    called = []
    scope: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "fetch_atlas_schaefer_2018", lambda **options: called.append(options))
        exec(code, scope)
    assert called == [{"n_rois": 300, "yeo_networks": 17, "resolution_mm": 2}]


def test_what_a_fetcher_without_an_answer_raises_is_told_shortly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    def fail(**_: object) -> None:
        request = requests.Request("GET", "https://raw.example.org/a/very/long/address").prepare()
        raise requests.ConnectionError("HTTPSConnectionPool(...)" * 9, request=request)

    monkeypatch.setattr(datasets, "fetch_atlas_msdl", fail)
    with pytest.raises(AtlasError, match=r"could not be downloaded: no answer from raw\.example\.org\. On a machine"):
        load(tmp_path, "MSDL")


def test_damaged_files_of_the_cache_are_named(tmp_path: Path, no_network: None) -> None:
    schaefer(tmp_path, 100)
    (image,) = (tmp_path / "schaefer_2018").glob("*.nii.gz")
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(AtlasError, match=f"in {tmp_path / 'schaefer_2018'} are damaged: .*Remove them"):
        load(tmp_path, "Schaefer2018", n_regions=100)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("Schaefer2018", {"n_regions": 450}, r"one of 100, .*1000 for Schaefer2018; '450' came. Did you mean 400\?"),
        ("Schaefer2018", {"variant": "thin"}, "variant .* does not apply to Schaefer2018, which has n_regions"),
        ("MSDL", {"n_regions": 39}, "does not apply to MSDL, which has no options"),
        ("yeo", {"variant": "thicc"}, "Did you mean 'thick'"),
        ("Shaefer2018", {}, "Did you mean 'Schaefer2018'"),
        ("glasser", {}, r"HCPMMP1 cannot be fetched .* set labels in \[atlas\]"),
        ("Compact", {"n_regions": 200}, "must be one of 100 for Compact"),
    ],
)
def test_wrong_names_and_options(name: str, options: dict, words: str) -> None:
    with pytest.raises(AtlasError, match=words):
        load_chosen_atlas(AtlasChoice(name, **options))


def test_names_of_any_spelling(downloads: Path) -> None:
    assert load_atlas("COMPACT").name == "Compact"
    assert {find_card(name).name for name in ("schaefer", "Schaefer_2018", "schaefer-2018")} == {"Schaefer2018"}
    assert find_card("HO").name == "HarvardOxford"


def test_maps_of_one_name_are_told_apart(tmp_path: Path, no_network: None) -> None:
    difumo(tmp_path)
    table = tmp_path / "difumo_atlases" / "64" / "labels_64_dictionary.csv"
    table.write_text(table.read_text().replace("mode 2,", "mode 1,"))
    assert load(tmp_path, "DiFuMo").names[:3] == ("mode 1 (1)", "mode 1 (2)", "mode 3")


def test_schaefer_stands_in_for_a_download(real_data: object, tmp_path: Path, no_network: None) -> None:
    """nilearn's own fetcher reads the published parcels: names, sides and networks are found in the names alone."""
    folder = real_data("schaefer2018")
    cache = tmp_path / "schaefer_2018"
    cache.mkdir()
    for n in (100, 400):
        stem = f"Schaefer2018_{n}Parcels_7Networks"
        shutil.copy(folder / f"{stem}_order_FSLMNI152_2mm.nii.gz", cache)
        rows = [line.split("\t") for line in (folder / f"{stem}_labels.tsv").read_text().splitlines()[1:]]
        (cache / f"{stem}_order.txt").write_text("".join(f"{row[0]}\t{row[1]}\t1\t2\t3\t0\n" for row in rows))
        atlas = load(tmp_path, "Schaefer2018", n_regions=n)
        assert atlas.n_regions == n
        assert atlas.regions["hemisphere"].tolist() == [row[2][0] for row in rows]
        assert atlas.regions["network"].tolist() == [row[3] for row in rows]
        assert ((atlas.regions["x"] < 0) == (atlas.regions["hemisphere"] == "L")).all()
        grid = nib.load(folder / f"{stem}_order_FSLMNI152_2mm.nii.gz")
        assert np.array_equal(atlas.labels, np.asarray(grid.dataobj))
