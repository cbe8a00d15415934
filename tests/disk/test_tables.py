"""Tables come back as they were written, however they were written, and no line is read that does not fit."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fmri_saliency.disk.files import write_tsv
from fmri_saliency.disk.tables import line_of, read_csv, read_lines, read_own_tsv, read_spaced, read_tsv, to_numbers
from fmri_saliency.disk.texts import one_line
from fmri_saliency.errors import InputError

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\0\ufeff", exclude_categories=["Cs"]),
                max_size=8)
CELLS = WORDS.filter(lambda word: word != "n/a")
NAMES = WORDS.map(str.strip).filter(bool)
NUMBERS = st.floats(allow_infinity=False, width=64)


@st.composite
def texts(draw, cells=CELLS, least: int = 1) -> tuple[list[str], list[list[str]]]:
    """Return names of columns and rows of texts; the first cell of a row is never blank."""
    names = draw(st.lists(NAMES, min_size=least, max_size=5, unique=True))
    row = st.tuples(cells.filter(str.strip), *[cells] * (len(names) - 1)).map(list)
    return names, draw(st.lists(row, min_size=1, max_size=6))


@given(texts(), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans(), st.booleans())
def test_a_tsv_comes_back_however_it_ends_its_lines(tmp_path_factory, made, end, mark, tabs, last) -> None:
    names, rows = made
    path = tmp_path_factory.mktemp("tsv") / "t.tsv"
    lines = ["\t".join(fields) + "\t" * tabs for fields in [names, *rows]]
    path.write_bytes((end.join(lines) + end * last).encode("utf-8-sig" if mark else "utf-8"))
    found = read_tsv(path, "a table", dtype=str)
    assert list(found.columns) == names
    assert found.to_numpy().tolist() == rows
    assert list(found.index) == list(range(len(rows)))


@given(texts(), st.lists(NUMBERS, min_size=6, max_size=6), st.lists(st.integers(-2**53, 2**53), min_size=6, max_size=6))
def test_a_table_of_ours_comes_back(tmp_path_factory, made, floats, integers) -> None:
    names, rows = made  # what steers a terminal is taken out of texts when they are written
    names = [one_line(name) for name in names]
    assume(len(set(names)) == len(names) and all(names))
    rows = [[one_line(cell) if one_line(cell) not in ("", "n/a") else "x" for cell in row] for row in rows]
    table = pd.DataFrame(rows, columns=[f"a{name}" for name in names])
    table = table.assign(float=floats[: len(rows)], whole=integers[: len(rows)])
    path = tmp_path_factory.mktemp("own") / "t.tsv"
    write_tsv(path, table)
    found = read_own_tsv(path, "a table", dtype={f"a{name}": str for name in names})
    pd.testing.assert_frame_equal(found, table.astype({"float": float}), check_exact=True, check_dtype=False)


def test_tabs_and_line_breaks_in_a_text_of_ours_become_blanks(tmp_path: Path) -> None:
    write_tsv(tmp_path / "t.tsv", pd.DataFrame({"a\tb": ['say "x\ty"', "two\r\nlines"], "n": [1.5, np.nan]}))
    assert (tmp_path / "t.tsv").read_text() == 'a b\tn\nsay "x y"\t1.5\ntwo lines\tn/a\n'


@given(texts(cells=st.text(st.characters(codec="utf-8", exclude_characters="\t\r\0", exclude_categories=["Cs"]),
                           max_size=8).filter(lambda cell: cell.lstrip(" ") == cell and cell not in ("n/a", "NA")
                                              and not ("\n" in cell and {",", ";"} & set(cell))), least=3),
       st.sampled_from(",;"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
       st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.integers(0, 2))  # fmt: skip
def test_a_csv_comes_back_however_it_is_quoted(tmp_path_factory, made, mark, quoting, end, bom, said, spare) -> None:
    names, rows = made
    names = [f"a{name}".translate({ord(sign): "_" for sign in ",;\t"}) + str(k) for k, name in enumerate(names)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mark, quoting=quoting, lineterminator=end)
    writer.writerows([*fields, *[""] * spare] for fields in [names, *rows])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes((f"sep={mark}{end}" * said + text.getvalue()).encode("utf-8-sig" if bom else "utf-8"))
    found = read_csv(path, "a table")
    assert list(found.columns) == names
    assert found.fillna("").to_numpy().tolist() == rows


def write(tmp_path: Path, content: str | bytes, name: str = "t.tsv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_quotation_marks_of_a_tsv_are_text(tmp_path: Path) -> None:
    path = write(tmp_path, 'word\tn\n"Come\t1\nyes\t2\nplease"\t3\n"all"\t4\n')
    assert read_tsv(path, "a table")["word"].tolist() == ['"Come', "yes", 'please"', '"all"']


def test_lines_without_a_value_are_left_out_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "\n\na\tb\n1\t2\n\t\n  \n3\t4\n\n")
    table = read_tsv(path, "a table")
    assert table.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert [line_of(table, row) for row in (0, 1)] == [4, 7]
    frames = read_tsv(write(tmp_path, "a\tb\n\t\n1\t2\n"), "a table", dtype=str, frames=True)
    assert frames["a"].tolist() == ["", "1"]  # the first frame of two derivatives


def test_separators_of_lines_that_only_unicode_knows_part_nothing(tmp_path: Path) -> None:
    names = ["a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\u2028b"]
    path = write(tmp_path, "name\n" + "\n".join(names) + "\n")
    assert read_tsv(path, "a table")["name"].tolist() == names
    assert read_lines(path, "a list") == ["name", *names, ""]


TWO = "the header (line 1) has 2: a, b."
EACH = "Each line needs one field per column, with one tab between them; quotation marks do not protect a tab."
NAMELESS = ("has values and no name in the header. Name it, or remove it (tables that were written with row "
            "numbers have such a column).")
NUL = "holds a NUL byte: it is UTF-16, damaged, or no text. Save it as plain text in UTF-8."
UNCLOSED = "from line 2 on its quotation marks do not close as they should"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty."),
        (b"\xef\xbb\xbf\r\n", "it is empty."),
        ("a\tb\n", "it has a header (a, b) and no line below it."),
        ("a\tb\n1\t2\n3\n", f"line 3 has 1 field; {TWO} {EACH}"),
        ('a\tb\n1\t"2\t3"\n4\t5\n', f"line 2 has 3 fields; {TWO} {EACH}"),
        ("\na\tb\n1\t2\n\n4\t5\t\n", f"line 5 has 3 fields; {TWO} {EACH}".replace("line 1", "line 2")),
        ("a\tb\n1\t2\tn/a\n2\t3\tn/a\n", f"line 2 has 3 fields; {TWO} Every line has one field more: name the first "
         "column, if it holds row numbers, or remove the tab at the end of the lines."),
        ("a\tb\t\n1\t2\n", f"line 2 has 2 fields; the header (line 1) has 3: a, b, . {EACH}"),
        ("a,b\n1\t2\t3\n", "line 2 has 3 fields; the header (line 1) has 1: a,b. Columns are separated by tabs, not by "
         "commas, semicolons or blanks."),
        ("a\tb\ta\n1\t2\t3\n", "its columns 1 and 3 have one name, 'a'. Rename or remove one."),
        ("a \ta\n1\t2\n", "its columns 1 and 2 have one name, 'a'. Rename or remove one."),
        ("\ta\n0\t2\n", f"column 1 {NAMELESS}"),
        ("a\tb\n1\t2\n1\t\x002\n", f"line 3 {NUL}"),
        ("a\tb\n1\t2\n".encode("utf-16"), "it is text in UTF-16. Save it as plain text in UTF-8."),
        ("a\tb\n1\t2\n".encode("utf-16-be"), f"line 1 {NUL}"),
        (b"\xef\xbb\xbfa\tb\r\n1\t2\r\nna\xefve\t2\r\n",
         "line 3 holds the byte 0xef, which is not UTF-8. Save it as text in UTF-8."),
        (b"\x1f\x8b\x08\x00", "it is compressed by gzip. Save it as plain text in UTF-8."),
    ],
)  # fmt: skip
def test_one_message_for_each_wrong_table(tmp_path: Path, content: str | bytes, words: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError) as error:
        read_tsv(path, "a table of things")
    said = str(error.value).replace(" (tab-separated text)", "")
    assert said == f"Expected a table of things at {path}; it cannot be read: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2,3\n", "line 2 has 3 fields; the header (line 1) has 2: a, b. Each line needs one per column."),
        ('a,b\n1,"2\n3,4\n', f"{UNCLOSED} (unexpected end of data)."),
        ('a,b\n1,"2"x\n', f"{UNCLOSED} (',' expected after '\"')."),
        ('a,b\n1,2\n3,"Come\n5,6\n7,please"\n9,1\n', "a quotation mark that opens in line 3 closes in line 5, which "
         "would make these lines one. Write a mark within a field twice, and put the field between two more."),
        ("a,b,a\n1,2,3\n", "its columns 1 and 3 have one name, 'a'. Rename or remove one."),
        ("a,b,\n1,2,x\n", f"column 3 {NAMELESS}"),
        ("sep=;\n", "it is empty."),
    ],
)  # fmt: skip
def test_one_message_for_each_wrong_csv(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text, "t.csv")
    with pytest.raises(InputError) as error:
        read_csv(path, "the families")
    assert str(error.value) == f"Expected the families at {path}; it cannot be read: {words}"


def test_no_file_at_all(tmp_path: Path) -> None:
    for read in (read_tsv, read_csv, read_lines):
        with pytest.raises(InputError, match=rf"^Expected a table at {tmp_path}/none; there is no such file\.$"):
            read(tmp_path / "none", "a table")


def test_numbers_are_read_or_named_by_column_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tb\n 1.5\tNaN\n1e-3\tn/a\n\n-2\t\n")
    table = read_tsv(path, "a table", dtype=str)
    found = to_numbers(table, ["b", "a"], path, "it")
    np.testing.assert_array_equal(found, [[np.nan, 1.5], [np.nan, 1e-3], [np.nan, -2]])
    for word in ("1,5", "0x10", "1_000", "True", "--", "1 2"):
        path = write(tmp_path, f"a\tb\n1\t2\n\n3\t{word}\n")
        for dtype in (str, None):
            with pytest.raises(InputError) as error:
                to_numbers(read_tsv(path, "it", dtype=dtype), ["a", "b"], path, "the things")
            assert str(error.value) == (f"The column b of the things {path} must be numbers with decimal points, or "
                                        f"n/a; '{word}' came in line 4.")  # fmt: skip


def test_numbers_between_blanks(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf  1 2.5\t\r\n\r\n3   NaN \r\n")
    found = read_spaced(path, "movement", ["x", "y"])
    np.testing.assert_array_equal(found, [[1, 2.5], [3, np.nan]])
    assert [line_of(found, row) for row in (0, 1)] == [1, 3]
    with pytest.raises(InputError, match=r"Expected 3 movement columns in .*; 2 came in line 1\."):
        read_spaced(path, "movement", ["x", "y", "z"])
    with pytest.raises(InputError, match=r"column y of the movement columns of .*t\.tsv .* 'two' came in line 2\."):
        read_spaced(write(tmp_path, "1 2\n3 two\n"), "movement", ["x", "y"])


def test_a_table_whose_content_was_not_fetched_says_how_to_get_it(tmp_path: Path) -> None:
    pointer = write(tmp_path, "/annex/objects/MD5E-s12--ab.tsv\n")
    with pytest.raises(InputError, match=r"Expected a table at .*pointer of git-annex.*`datalad get`"):
        read_tsv(pointer, "a table")
    link = tmp_path / "link.tsv"
    link.symlink_to(".git/annex/objects/x/MD5E-s12--ab.tsv")
    with pytest.raises(InputError, match=r"a link to a file that is not here\. Fetch it \(`datalad get`\)"):
        read_csv(link, "a table")
