"""BIDS names, forth and back."""

from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.bids import ENTITY_ORDER, build_name, parse_name

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
