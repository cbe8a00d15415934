"""The page stands alone, and escapes what it shows."""

import jinja2
import pytest

from fmri_saliency.report import Picture, make_page


def content() -> dict[str, object]:
    picture = Picture(b"\x89PNG", "A <caption>")
    score = {"name": "net", "accuracy": 0.9, "interval": (0.8, 0.95), "balanced_accuracy": 0.9, "chance": 0.25,
             "majority": 0.3, "n_samples": 8, "n_groups": 4, "split": "held-out people", "folds": 2,
             "classes": ["a", "b"], "recall": [0.75, 1.0]}  # fmt: skip
    return {
        "title": "T <script>alert(1)</script>", "summary": "s", "notes": ["n"], "methods": "m", "scores": [score],
        "confusion": picture, "reading": "r", "columns": "k", "interval": "i", "classes": [], "profile": picture,
        "vanishing": picture, "evidence": [], "caution": "c",
        "scans": "x", "problems": [{"run": "sub-1", "status": "missing", "message": "gone"}], "files": [],
        "configuration": "a = 1", "versions": "v",
    }  # fmt: skip


def test_it_stands_alone_and_escapes() -> None:
    page = make_page(content())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert 'alt="A &lt;caption&gt;"' in page
    assert "0.800 to 0.950" in page
    assert "sub-1" in page
    assert '<td>net</td><td class="n">0.750</td><td class="n">1.000</td>' in page
    assert "http" not in page


def test_a_missing_part_is_an_error() -> None:
    partial = content()
    del partial["caution"]
    with pytest.raises(jinja2.UndefinedError, match="caution"):
        make_page(partial)
