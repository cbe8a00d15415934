"""The page stands alone, says so to the browser, and escapes what it shows."""

import base64
import hashlib
import re
from html import unescape

import jinja2
import pytest

from fmri_saliency.pipeline.pages.html import Animation, Film, Picture, Volume, make_page


def content() -> dict[str, object]:
    picture = Picture(b"\x89PNG", "A <caption>")
    score = {"name": "net", "accuracy": 0.9, "interval": (0.8, 0.95), "balanced_accuracy": 0.9, "chance": 0.25,
             "majority": 0.3, "n_samples": 8, "n_groups": 4, "split": "held-out people", "folds": 2,
             "validation_samples": [2, 3], "classes": ["a", "b"], "recall": [0.75, 1.0]}  # fmt: skip
    region = {"rank": 1, "region": "r1", "hemisphere": "L", "network": "", "centre": "1, 2, 3", "across": "1",
              "mean": "0.1", "mean_abs": "0.2", "peak": "4.0"}  # fmt: skip
    film = Film(b"RIFF", b"\x89PNG", (8, 2), ("0.00 s", "0.72 s"), 1, "A film")
    still = Picture(b"RIFF", "still", "image/webp")
    moving = Animation(Picture(b"GIF89a", "It moves", "image/gif"), still, "a%20b.gif")
    one = {"id": "class-a", "name": "a", "film": film, "animation": moving, "unit": "logit", "volume": None,
           "glass": picture, "strip": picture,
           "heatmap": picture, "courses": picture, "surface": picture,
           "regions": [region], "n_regions": 7, "table": "group/a.tsv"}  # fmt: skip
    return {
        "title": "T <script>alert(1)</script>", "summary": "s", "verdict": {"answer": "no", "words": "w"},
        "notes": ["n"],
        "partial": None, "sections": [("data", "Scans")], "screen": (8, 2), "methods": ["m"], "references": ["R"],
        "scores": [score], "confusion": picture, "learning": picture,
        "reading": "r", "columns": "k", "interval": "i", "classes": [one],
        "profile": picture, "vanishing": picture, "evidence": [], "checks": picture, "panels": [], "caution": "c",
        "scans": "x",
        "data": {"columns": ["Task", "n"], "rows": [["rest", 3]]}, "problems": [["sub-1", "missing", "gone"]],
        "quality": None, "files": [{"path": "a*", "what": "w", "links": ["a%20b"], "more": 2}],
        "configuration": "a = 1", "versions": "v",
    }  # fmt: skip


def policy(page: str) -> dict[str, list[str]]:
    (found,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', page)
    return {words.split()[0]: words.split()[1:] for words in unescape(found).split(";")}


def allows(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_it_stands_alone_and_escapes() -> None:
    page = make_page(content())
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert 'src="data:image/webp;base64,UklGRg=="' in page
    assert 'alt="A &lt;caption&gt;"' in page
    assert "0.800 to 0.950" in page
    assert "sub-1" in page
    assert '<td>net</td><td class="n">0.750</td><td class="n">1.000</td>' in page
    assert "http:" not in page
    assert "https:" not in page
    assert 'data-times="0.00 s|0.72 s"' in page
    assert "<output>0.72 s</output>" in page
    assert "aspect-ratio: 8 / 2" in page
    assert '<a href="a%20b">a%20b</a></li>\n<li>and 2 more</li>' in page


@pytest.mark.parametrize(("stopped_on", "words"), [
    ([2, 3], "training stopped early on others that were neither trained on nor tested on. i"),
    ([0, 3], "but for 1 of the folds, which had none to stop on and were trained for all epochs. i"),
    ([0, 0], "2 folds; none were left to stop training on: networks were trained for all epochs. i"),
])  # fmt: skip
def test_it_says_what_training_stopped_on(stopped_on: list[int], words: str) -> None:
    given = content()
    given["scores"] = [{**given["scores"][0], "validation_samples": stopped_on}]
    assert words in make_page(given)
    assert ("stopped early" in make_page(given)) == any(stopped_on)


def test_its_policy_lets_its_own_script_run_and_nothing_load() -> None:
    page = make_page(content())
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    found = policy(page)
    assert found["default-src"] == ["'none'"]
    assert found["img-src"] == ["data:"]
    assert found["script-src"] == [allows(script)]
    assert set(found) == {"default-src", "img-src", "style-src", "script-src", "base-uri", "form-action"}
    assert page.index("Content-Security-Policy") < page.index("<title>")  # before anything could be loaded


def test_an_animation_waits_and_has_a_picture_that_stands_still() -> None:
    page = make_page(content())
    (shown,) = re.findall(r'<details class="moving">(.*?)</details>', page, re.DOTALL)
    assert re.search(r'<source media="\(prefers-reduced-motion: reduce\)" srcset="data:image/webp;base64,UklGRg=="',
                     shown)  # fmt: skip
    assert re.search(r'<img src="data:image/gif;base64,R0lGODlh" alt="It moves">', shown)
    assert 'href="a%20b.gif"' in shown
    assert "Mean (logit)" in page


def test_panels_are_shown_where_maps_were_checked() -> None:
    row = {"check": "c", "subject": "s", "value": 1.0, "null": 0.0, "verdict": "v", "on": "o"}
    panels = [Picture(b"1", "Panel one"), Picture(b"2", "Panel two")]
    page = make_page({**content(), "evidence": [row], "panels": panels})
    assert page.index("Does the map hold?") < page.index("Panel one") < page.index("Panel two")


def test_a_volume_waits_and_its_scripts_are_allowed() -> None:
    volume = Volume('<p title="x">y</p><script type="a">let a = "<b>" && 1;</script><script>let c;</script>', "Click")
    shown = content()
    shown["classes"][0]["volume"] = volume  # type: ignore[index]
    page = make_page(shown, volumes=[volume])
    assert allows('let a = "<b>" && 1;') in policy(page)["script-src"]
    assert allows("let c;") in policy(page)["script-src"]
    assert len(policy(page)["script-src"]) == 3
    (document,) = re.findall(r'data-document="(.*?)"', page)
    assert unescape(document) == volume.document
    assert not re.search(r"<iframe[^>]* srcdoc", page)  # filled in when it is opened


def test_a_partial_report_says_so_first() -> None:
    stage = {"step": "train", "state": "not done", "words": "0 of 5 folds trained."}
    partial = {"words": "It stopped <here>.", "stages": [stage], "command": "fmri-saliency run x.toml"}
    page = make_page({**content(), "partial": partial})
    assert page.index("This report is partial") < page.index('class="answer"')
    for words in ("It stopped &lt;here&gt;.", "0 of 5 folds trained.", "fmri-saliency run x.toml"):
        assert words in page
    assert "This report is partial" not in make_page(content())


def test_a_missing_part_is_an_error() -> None:
    partial = content()
    del partial["scans"]
    with pytest.raises(jinja2.UndefinedError, match="scans"):
        make_page(partial)
