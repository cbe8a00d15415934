"""The report's words and parts, whole and partial."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest
from justhtml import JustHTML
from PIL import Image

from fmri_saliency.cli import main
from fmri_saliency.errors import DecoderError
from fmri_saliency.pipeline import load_config, report
from fmri_saliency.pipeline.commands.demo import coarse_atlas
from fmri_saliency.pipeline.pages.class_part import MAX_FRAMES
from fmri_saliency.pipeline.pages.methods_text import REFERENCES, MethodsText, describe_methods
from fmri_saliency.pipeline.pages.scans_part import scans_part
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.pipeline.study.runs import find
from fmri_saliency.series import Windows, read_samples


class Outline(HTMLParser):
    """What a page holds: headings, pictures, links, anchors."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.texts: list[str] = []
        self.alternatives: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.alternatives.append(found.get("alt") or "")
        if tag == "a":
            self.links.append(found["href"] or "")
        if "id" in found:
            self.anchors.append(found["id"] or "")


def test_every_page_is_valid_html(pages: Any) -> None:
    for page in pages.pages.values():
        JustHTML(page, strict=True)  # raises at the first fault
    JustHTML((pages.whole.parent / "quality.html").read_text(encoding="utf-8"), strict=True)


def test_headings_pictures_and_links_are_sound(pages: Any) -> None:
    page = Outline(pages.pages["judge"])
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(later - former <= 1 for former, later in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.alternatives) == 2 * 8 + 8  # of each class; of all, with three panels
    assert all(len(words) > 20 for words in page.alternatives)
    assert len(set(page.anchors)) == len(page.anchors)
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.anchors)
    outside = [unquote(link) for link in page.links if not link.startswith("#")]
    assert any(link.endswith("_boldmap.nii.gz") for link in outside)
    assert all((pages.whole.parent / link).is_file() for link in outside)
    assert not [link for link in outside if ":" in link or link.startswith("/")]


def test_the_answer_comes_first(pages: Any) -> None:
    page = pages.pages["judge"]
    (answer,) = re.findall(r'<p class="answer">(.*?)</p>', page.split("<nav")[0], re.DOTALL)
    for words in ("2 classes", "emotion, motor", "95 % interval", "chance (0.500", "held-out subjects",
                  "Does the map hold?", "logistic-regression"):  # fmt: skip
        assert words in answer
    assert "This report is partial" not in page
    assert pages.codes["judge"] == 0
    assert len(page) < 15e6


def test_the_panels_show_what_was_saved(pages: Any) -> None:
    """Evidence of the page is that of the file, and each panel stands for a check that was made."""
    page = pages.pages["judge"]
    panels = json.loads((pages.whole.parent / "evidence" / "evidence.json").read_text())["panels"]
    assert list(panels["checks"]) == ["recover", "null", "faithful"]
    assert panels["n_samples"] == 4  # one person's runs
    for question, name in (("Is what was planted found in single samples?", "recovery"),
                           ("Is the map what training made it?", "null"),
                           ("Does the answer hang on what the map calls important?", "faithfulness")):  # fmt: skip
        assert page.count(question) == 2  # below the picture, and in its place
        assert (pages.whole.parent / "figures" / f"{name}.png").is_file()
    assert "mean over 4 held-out samples" in page
    assert "beyond that of random order" in page


def test_the_animation_ends_and_can_be_kept_still(pages: Any) -> None:
    page, root = pages.pages["judge"], pages.whole.parent
    moving = re.findall(r'<picture><source media="\(prefers-reduced-motion: reduce\)" srcset="data:image/webp;[^"]+">'
                        r'<img src="data:image/gif;base64,([^"]+)"', page)  # fmt: skip
    assert len(moving) == 2
    for label, content in zip(("emotion", "motor"), moving, strict=True):
        file = root / "figures" / f"class-{label}_motion.gif"
        assert f'href="figures/{file.name}"' in page
        assert base64.b64decode(content) == file.read_bytes()
        with Image.open(file) as read:
            assert read.info["loop"] == 1  # once more, not for ever
            assert 10 < read.n_frames <= 24
    assert page.count('<details class="moving">') == 2  # closed until it is asked for


def test_after_each_step_the_page_says_what_is_missing(pages: Any) -> None:
    after = pages.pages
    assert [pages.codes[step] for step in ("extract", "train")] == [1, 1]
    command = "fmri-saliency run config.toml"  # in the folder of the page, which it does not name
    for step in ("extract", "train"):
        assert "This report is partial" in after[step]
        assert command in after[step]
        assert 'class="film"' not in after[step]
        assert "Does the map hold" not in after[step]
        assert "_boldmap.nii" not in after[step]
    assert "12 of 12 runs have region time series" in after["extract"]
    assert "0 of 3 folds trained" in after["extract"]
    assert "There is no answer yet" in after["extract"]
    assert "95 % interval" not in after["extract"]
    assert "3 of 3 folds trained" in after["train"]
    assert "0 of 3 folds explained" in after["train"]
    assert "with an accuracy of" in after["train"].replace("\n", " ")
    assert "was trained with AdamW" not in after["extract"]
    assert "was trained with AdamW" in after["train"]
    assert "Each held-out sample was explained" not in after["train"]
    assert "Each held-out sample was explained" in after["judge"]
    resolved = pages.config.parent / "results" / command.split()[-1]
    assert tomllib.loads(resolved.read_text())["decoder"]["folds"] == 3  # the command can be run


def test_results_of_other_settings_are_not_claimed(pages: Any, tmp_path: Path) -> None:
    """One setting changed, the maps are those of before: a partial report without them, and nothing of them."""
    config = pages.config.with_name("changed.toml")
    config.write_text(pages.config.read_text().replace("smoothing = 6.0", "smoothing = 4.0"))
    kept = pages.whole.read_bytes()
    try:
        assert main(["report", str(config)]) == 1
        page = pages.whole.read_text(encoding="utf-8")
        assert "was made with other settings" in page
        assert 'class="film"' not in page
        assert "with an accuracy of" in page
    finally:
        pages.whole.write_bytes(kept)


def test_without_results_there_is_no_page(cli: Callable, small_config: Path) -> None:
    done = cli("report", small_config)
    assert done.code == 1
    assert "run `fmri-saliency extract CONFIG.toml` first" in done.err
    assert not (small_config.parent / "results").exists()


def test_a_failing_step_leaves_a_report_that_says_why(
    cli: Callable, small_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(config: Any) -> None:
        raise DecoderError("Training diverged: weights are not finite after 2 epochs.")

    monkeypatch.setattr("fmri_saliency.pipeline.commands.whole_job.train", diverge)
    done = cli("run", small_config)
    page = (small_config.parent / "results" / "report.html").read_text(encoding="utf-8")
    assert done.code == 2
    assert "Training diverged" in done.err
    assert "What there is so far" in done.err
    assert "Training diverged" in page.split("</header>")[0]
    assert "0 of 3 folds trained" in page
    with pytest.raises(Exception, match="is partial"):
        report(load_config(small_config))


def test_runs_are_counted_by_task_with_the_reason_they_were_left_out(pages: Any) -> None:
    config = load_config(pages.config)
    runs = find(config).runs
    log = pd.DataFrame([
        ("sub-1_task-a_dir-LR", "done", "", 10, 0.72), ("sub-2_task-a", "done", "", 12, 0.72),
        ("sub-2_task-b", "failed", "it breaks off", None, None), ("sub-3_task-b", "found", "", None, None),
        ("sub-3_task-a", "missing", "no file", None, None),
    ], columns=["run", "status", "message", "frames", "t_r"])  # fmt: skip
    part = scans_part(config, log, ["a note"], runs, ["sub-1: too short"])
    assert part["data"]["rows"] == [
        ["a", 3, 2, 1, 0, 2, "10 to 12", "0.72"], ["b", 2, 0, 1, 1, 0, "", ""],
        ["All", 5, 2, 2, 1, 2, "10 to 12", "0.72"],
    ]  # fmt: skip
    assert part["problems"] == [["sub-2_task-b", "failed", "it breaks off"], ["sub-3_task-a", "missing", "no file"]]
    assert part["notes"][0].startswith("2 of 5 runs could not be used")
    assert "1 of 5 runs have no region time series yet" in part["notes"][1]
    assert "Windows left out of the samples: 1 (the first: sub-1: too short)" in part["scans"]


def test_the_methods_follow_the_configuration(pages: Any) -> None:
    config, atlas = load_config(pages.config), coarse_atlas()
    runs = find(config).runs
    text = describe_methods(config, runs, atlas, "A note.")
    assert "12 runs of 3 people and 2 tasks (emotion and motor) were simulated" in text.paragraphs[0]
    assert "atlas Compact" in text.paragraphs[1]
    assert any("doi:10.1016/j.neuroimage.2010.07.033" in one for one in text.references)  # from the atlas's card
    real = replace(config, scans=replace(config.scans, truth=None))
    words = describe_methods(real, runs, atlas, "")
    assert "S1200" in words.paragraphs[0]
    assert REFERENCES["HCP"] in words.references
    assert "(Van Essen et al., 2013; Barch et al., 2013; Glasser et al., 2013)" in words.paragraphs[0]
    other = replace(real, cleaning=replace(config.cleaning, high_pass=0.0, smoothing_fwhm=4.0, detrend=False))
    found = describe_methods(other, runs, atlas, "").paragraphs[1]
    assert "detrending: no, no high-pass filter" in found
    assert "images smoothed by 4 mm FWHM" in found
    assert "filter, standardised to z-scores, confounds" in found
    assert len(set(words.references)) == len(words.references)


def test_classes_and_their_trial_types_are_named(pages: Any) -> None:
    page = pages.pages["judge"].replace("&#39;", "'")
    assert "12 samples of 2 classes, which are tasks, with the trial types of their events: " in page
    assert "'emotion' (6 samples: fear and neut); 'motor' (6 samples: lh and rf)" in page
    config = load_config(pages.config)
    samples = read_samples(Workspace(config.output.path).samples)
    card = {"folds": 1, "split": "held-out runs", "validation_samples": [2]}
    windows = Windows("event", 5.0, classes={"face": ("fear", "neut")}, rest=True)
    table = samples.table.assign(label=["face"] * 5 + ["rest"] * 7)
    given = replace(config, samples=windows), find(config).runs[:1], coarse_atlas(), "", replace(samples, table=table)
    words = describe_methods(*given, card).paragraphs
    assert words[0].startswith("1 run of 1 person and 1 task (emotion) was simulated")
    assert "trial types: 'face' (5 samples: fear and neut); 'rest' (7 samples: the time between all events)" in words[2]
    assert "in 1 fold by held-out runs" in words[2]
    assert not re.search(r"\b1 \w+s\b", " ".join(words).replace("1 s ", ""))
    epochs = config.decoder.training.max_epochs
    alone = describe_methods(*given, {**card, "validation_samples": [0]}).paragraphs
    assert f"for all {epochs} epochs, since no people were left to stop on" in alone[2]
    assert f"at most {epochs} epochs, stopped after" in words[2]
    some = describe_methods(*given, {**card, "folds": 2, "validation_samples": [0, 3]}).paragraphs
    assert "people kept apart for that; in 1 fold for all" in some[2]


def test_references_are_cited_by_their_authors() -> None:
    text = MethodsText()
    assert text.cite("lstm") == "(Hochreiter & Schmidhuber, 1997)"
    assert text.cite("Wilson", "gru") == "(Wilson, 1927; Cho et al., 2014)"
    assert text.cite("input-cell", "lstm") == "(Ismail et al., 2019; Hochreiter & Schmidhuber, 1997)"
    assert text.references == [REFERENCES[name] for name in ("lstm", "Wilson", "gru", "input-cell")]
    assert all(re.search(r"\((19|20)\d\d\)\. .+", words) for words in REFERENCES.values())


def test_the_slider_has_few_enough_moments(pages: Any) -> None:
    found = re.findall(r'data-times="(.*?)"', pages.pages["judge"])
    assert len(found) == 2
    assert all(1 < len(times.split("|")) <= MAX_FRAMES for times in found)
