"""Tables of regions as users have them, and what names say."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.brain.tables import complete_regions, name_side, read_region_table
from fmri_saliency.errors import AtlasError, InputError


def read(tmp_path: Path, name: str, text: str) -> tuple[pd.DataFrame, bool]:
    (tmp_path / name).write_text(text)
    return read_region_table(tmp_path / name)


def test_tsv_keeps_its_columns(tmp_path: Path) -> None:
    table, general = read(tmp_path, "t.tsv", "index\tname\tnetwork\tarea\n0\tBackground\tn/a\t1\n3\tNA\tVis\t2\n")
    assert not general
    assert table["index"].tolist() == [0, 3]
    assert table["name"].tolist() == ["Background", "NA"]
    assert table["area"].tolist() == [1, 2]
    spaced, _ = read(tmp_path, "s.tsv", "index\tname\n1\t V1 left \n2\tV2\n")
    assert spaced["name"].tolist() == ["V1 left", "V2"]


def test_networks_that_look_like_numbers_are_names_and_places_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("index\tname\tnetwork\tx\ty\tz\n1\tA\t02\t1\t2.5\t3\n2\tB\t1\t1\t2\tn/a\n3\tC\tn/a\t1\t2\t3\n")
    regions, _ = read_region_table(path)
    assert regions["network"].fillna("none").tolist() == ["02", "1", "none"]
    assert regions[["x", "y"]].to_numpy().tolist() == [[1, 2.5], [1, 2], [1, 2]]
    path.write_text("index\tname\tx\ty\tz\n1\tA\t1\t2\t3\n2\tB\t1,5\t2\t3\n")
    with pytest.raises(InputError, match=r"The column x of the region table .*a\.tsv must be .*'1,5' came in line 3"):
        read_region_table(path)


def test_quotation_marks_are_text_and_no_column_is_for_row_numbers(tmp_path: Path) -> None:
    table, _ = read(tmp_path, "t.tsv", 'index\tname\t\n1\t"left\t\n2\tright\t\n3\tboth"\t\n')
    assert table.to_dict("list") == {"index": [1, 2, 3], "name": ['"left', "right", 'both"']}
    with pytest.raises(InputError, match=r"line 2 has 4 fields; the header \(line 1\) has 3"):
        read(tmp_path, "t.tsv", "index\tname\tnetwork\n1\t7\tleft\tn/a\n2\t8\tright\tn/a\n")
    (tmp_path / "t.lut").write_bytes(b"\xef\xbb\xbf1 0 0 1 a\x85b\r\n".replace(b"\x85", "\x85".encode()))
    assert read_region_table(tmp_path / "t.lut")[0]["name"].tolist() == ["a b"]


def test_fsl_xml_of_labels_and_of_probabilities(tmp_path: Path) -> None:
    text = ('<atlas><header><name>A</name><type>{kind}</type></header><data>\n<label index="{first}" x="1" y="2" z="3">'
            " Frontal Pole </label><label index=\"{second}\">Insula &amp; more</label></data></atlas>")  # fmt: skip
    labels, general = read(tmp_path, "a.xml", text.format(kind="Label", first=300, second=7))
    assert not general
    assert labels.to_dict("records") == [{"index": 300, "name": "Frontal Pole"}, {"index": 7, "name": "Insula & more"}]
    maps, _ = read(tmp_path, "b.xml", text.format(kind="Probabalistic", first=0, second=1))  # FSL's own spelling
    assert maps["index"].tolist() == [1, 2]
    text = "<atlas><data><label><index>2001</index><name>Precentral_L</name></label></data></atlas>"
    spm, _ = read(tmp_path, "c.xml", text)
    assert spm.to_dict("records") == [{"index": 2001, "name": "Precentral_L"}]


def test_fsleyes_and_freesurfer_look_up_tables(tmp_path: Path) -> None:
    fsleyes, general = read(tmp_path, "a.lut", "# a comment\n1 0.0 0.5 1.0 Left something\n\n12 1 1 1 Other\n")
    assert not general
    assert fsleyes.to_dict("records") == [
        {"index": 1, "name": "Left something", "color": "#0080ff"}, {"index": 12, "name": "Other", "color": "#ffffff"}
    ]  # fmt: skip
    text = "#No. Label R G B A\n0   Unknown  0 0 0 0\n17 Left-Hippocampus 220 216 20 0\n"
    freesurfer, general = read(tmp_path, "b.txt", text)
    assert general
    assert freesurfer.iloc[1].to_dict() == {"index": 17, "name": "Left-Hippocampus", "color": "#dcd814"}
    assert read(tmp_path, "c.ctab", "1  V1  1 2 3 0\n")[1]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xml", "<atlas>", "not readable XML"),
        ("a.xml", "<atlas><data/></atlas>", "no label was found"),
        ("a.xml", '<a><label index="one">x</label></a>', "must hold whole numbers"),
        ("a.lut", "1 0.1 0.2\n", "Line 1 of .* is no row of a look-up table, neither as FSLeyes"),
        ("a.lut", "1_0 0 0 0 A\n", "Line 1 of .* is no row of a look-up table"),
        ("a.lut", "1 A 1_0 0 0 0\n", "Line 1 of .* is no row of a look-up table"),
        ("a.lut", "# only\n1 0 0 0 a\nx 0 0 0 b\n", "Line 3 of .* 'x 0 0 0 b'"),
        ("a.lut", "1 0 0 0\n", "Line 1"),
        ("a.lut", "%!VEST-LUT\n%BeginInstance\n", "names no region .*VEST"),
        ("a.txt", "1 name 0 0\n", "Line 1"),
        ("a.lut", "1 70 130 180 Left\n", r"Line 1 of .*colours 0 to 1\)"),  # an FSLeyes table in the other's colours
        ("a.lut", "1 0.1 0.5 1 Left\n2 0.1 -0.5 1 Right\n", "Line 2"),
        ("a.txt", "1 name 0 0 256 0\n", "Line 1"),
        ("a.tsv", "index\tname\n1\ta\n-3\tb\n", "must hold whole numbers of at least 0"),
        ("a.tsv", "index\tname\n1.5\ta\n", r"must hold whole numbers .*; '1\.5' came in line 2"),
        ("a.tsv", "index\tname\n\n1\ta\n1_0\tb\n", "'1_0' came in line 4"),
        ("a.tsv", "index\tname\n99999999999\ta\n", "at most 2147483647 .32 bits.; '99999999999' came in line 2"),
        ("a.tsv", "index\tname\n1\t \n", "Every region needs a name"),
    ],
)
def test_one_message_for_each_wrong_table(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(AtlasError, match=words):
        read(tmp_path, name, text)


def test_no_table_at_all(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"none\.lut; there is no such file"):
        read_region_table(tmp_path / "none.lut")


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("7Networks_LH_Vis_1", "L"), ("17Networks_RH_DefaultB_PFCd_1", "R"), ("Precentral_L", "L"), ("L_V1_ROI", "L"),
        ("Right Frontal Pole", "R"), ("ctx-rh-bankssts", "R"), ("Left-Thalamus", "L"), ("R G_and_S_frontomargin", "R"),
        ("Heschl's gyrus RH", "R"), ("R1", ""), ("Region L 4", ""), ("Vermis_3", ""), ("Left and right", ""),
        ("Area hOc1", ""), ("", ""), ("Bright spot", ""),
    ],
)  # fmt: skip
def test_the_side_that_a_name_says(name: str, side: str) -> None:
    assert name_side(name) == side


@given(st.text(max_size=30))
def test_any_name_has_at_most_one_side(name: str) -> None:
    assert name_side(name) in ("", "L", "R")


def test_hemisphere_and_network_are_found_in_names_and_have_one_form() -> None:
    names = ["7Networks_LH_Vis_1", "7Networks_RH_SalVentAttn_Med_2", "Brainstem"]
    table = complete_regions(pd.DataFrame({"index": [1, 2, 3], "name": names}))
    assert table["hemisphere"].fillna("").tolist() == ["L", "R", ""]
    assert table["network"].fillna("").tolist() == ["Vis", "SalVentAttn", ""]
    own = pd.DataFrame({"index": [1, 2], "name": ["a", "b"], "hemi": ["LH", "right"], "network_label": ["Vis", "Cont"]})
    assert complete_regions(own).to_dict("list") == {
        "index": [1, 2], "name": ["a", "b"], "hemisphere": ["L", "R"], "network": ["Vis", "Cont"]
    }  # fmt: skip
    plain = pd.DataFrame({"index": [1], "name": ["a"]})
    assert list(complete_regions(plain)) == ["index", "name"]
    kept = complete_regions(pd.DataFrame({"index": [1], "name": ["x_L"], "hemisphere": ["B"]}))
    assert kept["hemisphere"].tolist() == ["B"]


def test_the_eight_columns_of_itksnap(tmp_path: Path) -> None:
    head = "################\n# ITK-SnAP Label Description File\n# IDX -R- -G- -B- -A-- VIS MSH LABEL\n"
    rows = '    0     0    0    0        0  0  0    "Clear Label"\n    1   255    0  128        1  1  1    "Left V1"\n'
    table, general = read(tmp_path, "a.txt", head + rows)
    assert not general
    assert table.to_dict("records") == [
        {"index": 0, "name": "Clear Label", "color": "#000000"}, {"index": 1, "name": "Left V1", "color": "#ff0080"}
    ]  # fmt: skip
    dark = '1 0 0 0 1 1 1 "2nd visual"\n2 0 1 0 1 1 0 "other"\n'  # colours of 0 and 1: the quotes tell
    assert read(tmp_path, "b.lut", dark)[0]["name"].tolist() == ["2nd visual", "other"]
    assert read(tmp_path, "c.lut", "7 0 0 9 0.5 1 1 area A\n")[0].to_dict("records") == [
        {"index": 7, "name": "area A", "color": "#000009"}
    ]
    fsleyes = read(tmp_path, "d.lut", "1 0 0 1 1 1 1 area\n2 0 1 0 b\n")[0]  # names of FSLeyes begin with anything
    assert fsleyes["name"].tolist() == ["1 1 1 area", "b"]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e308", "-0.1", "1.1"])
@pytest.mark.parametrize("form", ["1 {} 0 0 A\n", "1 A {} 0 0 0\n", '1 {} 9 9 1 1 1 "A"\n'])
def test_colours_that_are_none(tmp_path: Path, form: str, value: str) -> None:
    with pytest.raises(AtlasError, match=r"Line 1 of .* is no row of a look-up table"):
        read(tmp_path, "a.lut", form.format(value))


@pytest.mark.parametrize("encoding", ["nosuch", "idna", "utf-16", "base64", "rot13"])
def test_encodings_that_are_none(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(AtlasError, match="not readable XML"):
        read(tmp_path, "a.xml", f'<?xml version="1.0" encoding="{encoding}"?><a><label index="1">x</label></a>')


@pytest.mark.parametrize("index", ["99999999999999999999", "2147483648", "1e20", "inf"])
def test_an_index_beyond_32_bits(tmp_path: Path, index: str) -> None:
    with pytest.raises(AtlasError, match=r"at most 2147483647 \(32 bits\)"):
        read(tmp_path, "a.tsv", f"index\tname\n1\ta\n{index}\tb\n")
