"""The report in Chromium: it moves, sorts, prints, fits a phone, and asks nothing of the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image


class Visit:
    """A page that is open, with all that it said and asked for."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **settings})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.refused: list[tuple[str, str]] = []
        self.page.on("requestfailed", lambda request: self.refused.append((request.url, request.failure)))
        self.page.goto(address)

    def column(self, table: Any, number: int) -> list[str]:
        return table.evaluate(f"one => Array.from(one.tBodies[0].rows, row => row.cells[{number}].textContent)")

    def top(self, film: Any) -> float:
        """Return how many moments the sheet of a film is moved up."""
        return film.evaluate(
            "one => (one.querySelector('.screen').getBoundingClientRect().top"
            " - one.querySelector('img.sheet').getBoundingClientRect().top)"
            " / (one.querySelector('img.sheet').getBoundingClientRect().height) * one.dataset.times.split('|').length"
        )


@pytest.fixture
def visit(browser: Any, pages: Any) -> Iterator[Visit]:
    one = Visit(browser, pages.whole.as_uri())
    yield one
    one.context.close()


def looks(film: Any, path: Any) -> np.ndarray:
    film.locator(".screen").screenshot(path=path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_it_loads_in_silence_and_asks_for_nothing(visit: Visit, pages: Any) -> None:
    visit.page.locator("details.volume summary").first.click()  # the viewer's scripts run under the page's policy
    frame = visit.page.frame_locator("details.volume iframe").first
    frame.locator("canvas").wait_for(state="visible")
    visit.page.wait_for_function("document.querySelector('details.volume iframe').srcdoc.length > 1000")
    drawn = frame.locator("canvas").evaluate(
        "one => new Promise(done => { const look = () => { const all = one.getContext('2d')"
        ".getImageData(0, 0, one.width, one.height).data;"
        " new Set(all).size > 20 ? done(true) : setTimeout(look, 50); }; look(); })"
    )
    assert drawn
    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith(("data:", "about:"))] == [pages.whole.as_uri()]


def test_the_policy_refuses_what_is_not_the_pages_own(visit: Visit) -> None:
    visit.page.evaluate("() => { const one = document.createElement('img'); one.src = 'https://example.org/x.png';"
                        " document.body.append(one); }")  # fmt: skip
    visit.page.evaluate("() => { const one = document.createElement('script'); one.textContent = 'window.ran = 1';"
                        " document.body.append(one); }")  # fmt: skip
    visit.page.wait_for_timeout(100)
    assert sum("Content Security Policy" in words for words in visit.said) == 2
    assert visit.page.evaluate("window.ran") is None
    assert visit.refused == [("https://example.org/x.png", "csp")]


def test_the_slider_moves_the_map(visit: Visit, tmp_path: Any) -> None:
    film = visit.page.locator(".film").first
    slider, caption = film.locator("input"), film.locator("output")
    times = film.get_attribute("data-times").split("|")
    assert len(times) == 59  # every third of 176 frames of 0.72 s
    assert (times[0], times[1], times[-1]) == ("0.00 s", "2.16 s", "125.28 s")
    seen = {}
    for moment in (0, 20, 58):
        slider.fill(str(moment))
        assert caption.inner_text() == times[moment] == slider.get_attribute("aria-valuetext")
        assert visit.top(film) == pytest.approx(moment, abs=0.02)
        seen[moment] = looks(film, tmp_path / f"{moment}.png")
    assert all((np.abs(seen[a] - seen[b]).sum(axis=2) > 60).sum() > 200 for a, b in ((0, 20), (20, 58)))


def test_by_keyboard(visit: Visit) -> None:
    film = visit.page.locator(".film").first
    reached = []
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        reached.append(visit.page.evaluate("document.activeElement.type || document.activeElement.tagName"))
        outline = visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached  # focus is seen wherever it is
        if reached[-1] == "range":
            break
    assert reached[-1] == "range"
    before = int(film.locator("input").input_value())
    step = "ArrowLeft" if before else "ArrowRight"
    visit.page.keyboard.press(step)
    after = int(film.locator("input").input_value())
    assert abs(after - before) == 1
    assert visit.top(film) == pytest.approx(after, abs=0.02)
    visit.page.keyboard.press("Home")
    assert film.locator("output").inner_text() == "0.00 s"
    button = visit.page.locator("table.sortable th button").first
    button.focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("th[aria-sort=ascending]").count() == 1


def test_tables_sort_by_number_and_by_text(visit: Visit) -> None:
    table = visit.page.locator("table.sortable", has_text="Peak (s)").first
    heads = table.locator("th").all_inner_texts()
    assert visit.column(table, 0) == [str(rank) for rank in range(1, 21)]
    for name, kind in (("Peak (s)", float), ("Region", str), ("Mean (logit)", float)):
        number = heads.index(name)
        button = table.locator("th button").nth(number)
        button.click()
        values = [kind(cell) for cell in visit.column(table, number)]
        wanted = sorted(values)
        assert len(set(values)) > 3
        assert values == wanted
        assert table.locator("th").nth(number).get_attribute("aria-sort") == "ascending"
        button.click()
        assert [kind(cell) for cell in visit.column(table, number)] == wanted[::-1] or kind is float
        assert [kind(cell) for cell in visit.column(table, number)] == sorted(values, reverse=True)
        assert table.locator("th[aria-sort]").count() == 1
    assert sorted(map(int, visit.column(table, 0))) == list(range(1, 21))  # rows are moved, none is lost
    number = heads.index("Centre (mm)")
    table.locator("th button").nth(number).click()
    across = [float(cell.split(",")[0]) for cell in visit.column(table, number)]
    assert across == sorted(across)  # from left to right, as numbers
    assert across[0] < 0 < across[-1]


def test_the_runs_of_the_quality_page_sort(browser: Any, pages: Any) -> None:
    quality = Visit(browser, (pages.whole.parent / "quality.html").as_uri())
    table = quality.page.locator("table.sortable").first
    number = table.locator("th").all_inner_texts().index("FD, max (mm)")
    before = [float(cell) for cell in quality.column(table, number)]
    for _ in range(2):
        table.locator("th button").nth(number).click()
        values = [float(cell) for cell in quality.column(table, number)]
        descending = table.locator("th").nth(number).get_attribute("aria-sort") == "descending"
        assert values == sorted(before, reverse=descending)
    assert descending
    assert len(set(before)) > 3
    assert quality.said == []
    quality.context.close()


def test_it_prints(visit: Visit) -> None:
    pdf = visit.page.pdf()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") > 3
    visit.page.emulate_media(media="print")
    assert not visit.page.locator(".film").first.is_visible()
    assert visit.page.locator("figure img[alt*='one range of colours']").first.is_visible()  # the strip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(browser: Any, pages: Any, scheme: str) -> None:
    small = Visit(browser, pages.whole.as_uri(), viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert small.page.evaluate("document.documentElement.scrollWidth") == 360
    assert small.page.evaluate("Array.from(document.querySelectorAll('.wide')).some(one => one.scrollWidth > 360)")
    width = small.page.locator(".screen").first.bounding_box()["width"]
    assert 300 < width <= 360
    small.context.close()


@pytest.mark.parametrize(("wish", "kind"), [("no-preference", "image/gif"), ("reduce", "image/webp")])
def test_nothing_moves_for_readers_who_want_that(browser: Any, pages: Any, wish: str, kind: str) -> None:
    one = Visit(browser, pages.whole.as_uri(), reduced_motion=wish)
    picture = one.page.locator("details.moving").first
    assert not picture.locator("img").is_visible()
    picture.locator("summary").click()
    assert picture.locator("img").is_visible()
    assert picture.locator("img").evaluate("one => one.currentSrc").startswith(f"data:{kind};")
    assert one.said == []
    one.page.emulate_media(media="print")
    assert not picture.is_visible()
    one.context.close()


def test_without_scripts_there_is_the_strip(browser: Any, pages: Any) -> None:
    plain = Visit(browser, pages.whole.as_uri(), java_script_enabled=False)
    assert not plain.page.locator(".film").first.is_visible()
    assert not plain.page.locator("details.volume").first.is_visible()
    assert plain.page.locator("figure img[alt*='one range of colours']").first.is_visible()
    assert plain.page.locator("table.sortable th").first.inner_text() == "Task"
    plain.context.close()


def test_the_text_can_be_copied(browser: Any, pages: Any) -> None:
    one = Visit(browser, pages.whole.as_uri(), permissions=["clipboard-read", "clipboard-write"])
    one.page.locator("button[data-copies]").click()
    one.page.locator("#methods-said", has_text="Copied.").wait_for()
    text = one.page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("12 runs of 3 people and 2 tasks (emotion and motor) were simulated")
    assert "arXiv:1910.12370" in text
    one.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_readers(browser: Any, pages: Any, scheme: str) -> None:
    """Axe finds no fault: contrast, alternative texts, order of headings, names of controls."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install .[browser]")
    one = Visit(browser, pages.whole.as_uri(), color_scheme=scheme)
    found = axe.Axe().run(one.page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found] == []
    one.context.close()


def test_a_partial_report_works_as_well(browser: Any, pages: Any, tmp_path: Any) -> None:
    path = tmp_path / "partial.html"
    path.write_text(pages.pages["train"], encoding="utf-8")
    one = Visit(browser, path.as_uri())
    assert one.said == []
    assert one.page.locator("h2").first.inner_text() == "This report is partial"
    assert one.page.locator(".film").count() == 0
    one.context.close()
