"""Families from the restricted table, as people have it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmri_saliency.errors import InputError
from fmri_saliency.scans.hcp.families import read_families


@pytest.fixture
def families(tmp_path: Path):
    def read(text: str, encoding: str = "utf-8") -> dict[str, str]:
        path = tmp_path / "restricted.csv"
        path.write_text(text, encoding=encoding)
        return read_families(path)

    return read


@pytest.mark.parametrize(
    "text",
    [
        "Subject,Family_ID\n1,A\n2,A\n3,B\n",
        "Subject,Age,Family_ID\n1,30,A\n2,30,A\n3,30,B\n",
        "subject,family_id\n1,A\n2,A\n3,B\n",
        '"Subject","Family ID"\n"1","A"\n"2"," A"\n"3","B"\n',
        "Subject;FamilyID\n1;A\n2;A\n3;B\n",
        "Subject\tFamily_ID\n1\tA\n2\tA\n3\tB\n",
        '"Subject"\t"Family_ID"\n"1"\t"A"\n"2"\t"A"\n"3"\t"B"\n',
        'Subject\tFamily_ID\tnote\n1\tA\t"Come\n2\tA\tyes\n3\tB\tplease"\n',
        'Subject,Family_ID,note\r\n1,A,"two\r\nlines, and ""more"""\r\n2,A,\r\n3,B,n/a\r\n',
        "sep=;\nSubject;Family_ID;;\n1;A;;\n2;A;;\n3;B;;\n;;;\n",
        "participant_id,Pedigree_ID\nsub-1,A\nsub-2,A\nsub-3,B\n",
        "Subject,Family_ID\n1.0,A\n2.0,A\n3.0,B\n",
        "Subject,Family_ID\n1,A\n2,A\n1,A\n3,B\n3,B\n",  # rows twice
        "Subject,Family_ID\n1,A\n2,A\n3,B\n4,\n,C\n5,n/a\n",  # unknown family, unknown subject
    ],
)  # fmt: skip
def test_one_table_in_many_spellings(families, text: str) -> None:
    assert families(text) == {"1": "A", "2": "A", "3": "B"}
    assert families(text, "utf-8-sig") == {"1": "A", "2": "A", "3": "B"}


@pytest.mark.parametrize("missing", ["", "n/a", "NA", "nan", "NaN", "None", "null", "0"])
def test_people_whose_parents_are_not_known_share_none(families, missing: str) -> None:
    rows = f"1,A,{missing}\n2,B,{missing}\n3,C,m\n4,D,m\n"
    assert families(f"Subject,Family_ID,Mother_ID\n{rows}") == {"1": "A", "2": "B", "3": "C", "4": "C"}


def test_people_who_share_a_parent_are_one_family(families) -> None:
    """1 and 2 share both parents; 3 has 1's mother, 4 has 3's father; 5 and 6 are alone, their fathers unknown."""
    rows = [("1", "m1_f1", "m1", "f1"), ("2", "m1_f1", "m1", "f1"), ("3", "m1_f2", "m1", "f2"),
            ("4", "m2_f2", "m2", "f2"), ("5", "m3_", "m3", "0"), ("6", "m4_", "m4", "0")]  # fmt: skip
    text = "Subject,Family_ID,Mother_ID,Father_ID\n" + "\n".join(map(",".join, rows))
    one = dict.fromkeys("1234", "m1_f1")
    assert families(text) == {**one, "5": "m3_", "6": "m4_"}
    without = "\n".join(",".join(line.split(",")[:2]) for line in text.splitlines())
    assert families(without)["3"] == "m1_f2"  # Family_ID alone does not tell


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_joined_families_are_the_transitive_closure(tmp_path_factory, parents: list[tuple[int, int]]) -> None:
    path = tmp_path_factory.mktemp("families") / "r.csv"
    lines = [f"{i},m{m}_f{f},m{m},f{f}" for i, (m, f) in enumerate(parents)]
    path.write_text("Subject,Family_ID,Mother_ID,Father_ID\n" + "\n".join(lines) + "\n")
    groups = [{i} for i in range(len(parents))]
    for i, one in enumerate(parents):  # merged pair by pair
        for k, other in enumerate(parents[:i]):
            if one[0] == other[0] or one[1] == other[1]:
                a, b = next(g for g in groups if i in g), next(g for g in groups if k in g)
                groups = [g for g in groups if g not in (a, b)] + [a | b]
    found: dict[str, set[int]] = {}
    for subject, family in read_families(path).items():
        found.setdefault(family, set()).add(int(subject))
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, groups))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Subject,Mother\n1,2\n", "'Family_ID' is missing"),
        ("Person,Family_ID\n1,2\n", "'Subject' is missing"),
        ("Subject,Family_ID\n1,A\n1,B\n", r"subject 1 in more than one family \(A, B\)"),
        ("Subject,Family_ID\n1,\n2,\n", "every Family_ID is empty"),
        ('Subject,Family_ID,x\n1,A,"Come\n2,A,a\n3,B,please"\n', "mark that opens in line 2 closes in line 4"),
        ("Subject,Family_ID\n1,A\n2,A,B\n", "line 3 has 3 fields"),
        ("", "it is empty"),
        ("Subject,FAMILY_ID,Family ID\n1,A,B\n", "two columns of one name, FAMILY_ID and Family ID"),
    ],
)
def test_one_message_for_each_wrong_table(families, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        families(text)


def test_a_missing_or_binary_table_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_families(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"PK\x03\x04\xff\xfe\x00\x00" * 30)
    with pytest.raises(InputError, match=r"b\.csv"):
        read_families(tmp_path / "b.csv")
