"""BIDS names, forth and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.disk.bids_names import (
    ENTITY_ORDER,
    bids_uri,
    build_folder,
    build_name,
    clean_label,
    name_twins,
    parse_name,
    plain_key,
)
from fmri_saliency.disk.sources import find_source
from fmri_saliency.errors import ConfigError, InputError

LABELS = st.text("abcXYZ019", min_size=1, max_size=6)


@given(st.dictionaries(st.sampled_from(ENTITY_ORDER), LABELS, min_size=1), st.sampled_from(["bold", "timeseries"]))
def test_a_name_that_is_built_is_parsed_to_what_it_was_built_from(entities: dict[str, str], suffix: str) -> None:
    parsed = parse_name(build_name(entities, suffix, ".nii.gz"))
    assert parsed == (entities, suffix, ".nii.gz")
    assert list(parsed.entities) == [key for key in ENTITY_ORDER if key in entities]


def test_names_that_are_not_of_bids() -> None:
    assert parse_name("bold.nii.gz") == ({}, "bold", ".nii.gz")
    assert parse_name("sub-01_odd_task-_T1w.nii") == ({"sub": "01"}, "T1w", ".nii")
    assert parse_name("sub-a-b_bold") == ({"sub": "a-b"}, "bold", "")


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("../x", "it holds '/'"), ("a/b", "it holds '/'"), ("a\\b", r"it holds '\\'"), ("x..y", r"it holds '\.\.'"),
        ("x\ny", "control characters or line breaks"), ("x\x1b[2J", "control characters"), ("x\x00", "control"),
        ("x\u2028y", "line breaks"), ("\u202eabc", "control characters"), ("", "no letter or digit"),
        ("---", "no letter or digit"), ("\u05d0", "no letter or digit"),
    ],
)  # fmt: skip
def test_a_label_that_a_path_or_a_terminal_would_act_on_is_no_name(label: str, why: str) -> None:
    for make in (clean_label, build_folder, lambda text: build_folder("01", text) if text else clean_label(text),
                 lambda text: build_name({"sub": "01", "task": text})):  # fmt: skip
        with pytest.raises(InputError, match=why) as error:
            make(label)
        assert repr(label) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=r"^space in \[scans\] "):
        clean_label(label, "space in [scans]", ConfigError)


def test_other_signs_are_left_out_of_names() -> None:
    assert clean_label("$(touch x); 'é' <b>") == "touchxeb"
    assert build_folder("A 1", "pre-op").as_posix() == "sub-A1/ses-preop/func"
    assert plain_key("sub-a b_task-x/../y") == "sub-ab_task-xy"


def test_labels_of_one_name_are_told_with_the_first() -> None:
    assert name_twins(["a-b", "ab", "a-b", "a_b", "c", "", "/", "."]) == {"ab": "a-b", "a_b": "a-b"}
    assert name_twins(["A", "a", "1", "01"]) == {}


def test_a_name_that_no_disk_takes_is_refused() -> None:
    assert len(build_name({"sub": "0" * 221}, "bold", ".nii.gz")) == 4 + 221 + 5 + 7
    with pytest.raises(InputError, match=r"may have 230 characters; .* would have 231"):
        build_name({"sub": "0" * 222}, "bold", ".nii.gz")


def test_files_beside_a_data_set_are_named_from_it() -> None:
    links = {"scans": Path("/data/a"), "raw": Path("/data/a/raw")}
    assert bids_uri(Path("/data/a/raw/x.nii"), links) == "bids:raw:x.nii"
    assert bids_uri(Path("/other/m.nii"), links) == "bids:scans:../../other/m.nii"
    assert find_source("bids:scans:../../other/m.nii", links).resolve() == Path("/other/m.nii")
