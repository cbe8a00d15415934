"""The page about the runs: its numbers are the tables', the worst run is first, and nothing is drawn twice."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from making import T_R, make_atlas

from fmri_saliency.disk.tables import read_tsv
from fmri_saliency.pipeline import load_config
from fmri_saliency.pipeline.pages import quality_page
from fmri_saliency.pipeline.pages.quality_page import COLUMNS, rank_runs, write_quality_page
from fmri_saliency.pipeline.steps.explanation import class_atlas

ATLAS = make_atlas()
N_TIMES = 30
CONFIG = """
[scans]
layout = "table"
path = "runs.tsv"
[atlas]
labels = "labels.nii.gz"
table = "labels.tsv"
[cleaning]
high_pass = 0.1
[output]
path = "results"
"""
AXES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def save(path: Path, values: np.ndarray) -> None:
    image = nib.Nifti1Image(values, ATLAS.affine)
    image.header.set_xyzt_units("mm", "sec")
    if values.ndim == 4:
        image.header.set_zooms((3.0, 3.0, 3.0, T_R))
    nib.save(image, path)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Write a good run that moved little, one without confounds, a bad one, and a broken one; return the TOML."""
    save(tmp_path / "labels.nii.gz", ATLAS.labels)
    ATLAS.regions.to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    good = (1000 + 10 * np.random.default_rng(0).standard_normal((*ATLAS.labels.shape, N_TIMES))).astype(np.float32)
    bad = good.copy()
    bad[ATLAS.labels == 1] = 5.0  # never changes
    bad[ATLAS.labels == 2] = 0.0
    bad[(*np.argwhere(ATLAS.labels == 3)[0], 4)] = np.nan
    for name, values in (("01", good), ("02", good), ("03", bad)):
        save(tmp_path / f"{name}.nii.gz", values)
    (tmp_path / "04.nii.gz").write_bytes((tmp_path / "01.nii.gz").read_bytes()[:5000])
    for name, step in (("01", 0.1), ("03", 2.0)):
        motion = np.zeros((N_TIMES, 6))
        motion[10:, 0] = step  # one step, of that many mm
        pd.DataFrame(motion, columns=AXES).to_csv(tmp_path / f"{name}_motion.tsv", sep="\t", index=False)
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\n2\t4\tgo\n9\t4\tstop\n")
    rows = [f"{s}\tx\t{s}.nii.gz\t{m}\tevents.tsv" for s, m in
            (("01", "01_motion.tsv"), ("02", ""), ("03", "03_motion.tsv"), ("04", ""))]  # fmt: skip
    (tmp_path / "runs.tsv").write_text("\n".join(["subject\ttask\tbold\tconfounds\tevents", *rows]) + "\n")
    (tmp_path / "mine.toml").write_text(CONFIG)
    return tmp_path / "mine.toml"


def write_page(toml: Path) -> str:
    config = load_config(toml)
    atlas, _, runs = class_atlas(config)
    page = write_quality_page(config, atlas, runs, read_tsv(config.output.path / "runs.tsv", "the log"))
    return unescape(page.read_text())


def cells(page: str) -> dict[str, list[str]]:
    """Return the cells of each run of the first table, in the order of the page."""
    table = page.split('<table class="sortable">')[1].split('</table>')[0]
    rows = [[re.sub("<.*?>", "", cell) for cell in re.findall("<td.*?</td>", row)] for row in table.splitlines()]
    return {row[0]: row[1:] for row in rows if row}


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.SpaceMismatchWarning")
def test_numbers_in_the_page_are_the_tables(cli: Callable, study: Path) -> None:
    assert cli("extract", study).code == 1  # the broken run
    page = write_page(study)
    found = cells(page)
    assert list(found) == ["sub-03_task-x", "sub-01_task-x", "sub-02_task-x"]
    table = pd.read_csv(study.parent / "results" / "quality.tsv", sep="\t").set_index("run")
    for run, row in found.items():
        for name, cell in zip(COLUMNS, row, strict=True):
            assert cell == "unknown" if np.isnan(table.at[run, name]) else float(cell) == pytest.approx(
                table.at[run, name], abs=6e-4)  # fmt: skip
    # and by hand: one step of 2 mm in 29 differences; two regions never change; a voxel has NaN
    assert found["sub-03_task-x"][:4] == ["30", f"{2 / 29:.3f}", "2.000", f"{1 / 29:.4f}"]
    assert found["sub-03_task-x"][-4:] == ["1", "2", "2", "1"]
    # 30 frames less the mean, cosines (2 x 30 x 0.72 s x 0.1 Hz = 4.32: 4 of them) and a trend
    assert found["sub-01_task-x"][4:6] == ["0", str(30 - 1 - 4 - 1)]
    assert found["sub-02_task-x"][1:4] == ["unknown"] * 3
    assert "3 runs have series; 1 has none; head movement is known of 2" in page
    assert "Figures of every run, worst first." in page
    problems = page.split("Runs without series")[1].split("</table>")[0]
    assert "sub-04_task-x" in problems
    assert "04.nii.gz" in problems
    assert "Absent: r1, r2. Of zero variance: r1, r2." in page
    assert "6 regions, of which 1 are covered in part and 2 not at all; mean coverage 0.6" in page
    assert 'href="report.html"' in page
    for tag in re.findall("<img.*?>", page):
        assert re.search(r'src="data:image/webp;base64,.{500,}" alt=".{30,}"', tag)
    assert page.count("<img") == 6


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.SpaceMismatchWarning")
def test_figures_are_drawn_again_only_where_inputs_changed(cli: Callable, study: Path) -> None:
    cli("extract", study)
    first = write_page(study)
    folder = study.parent / "results" / "figures" / "quality"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == 3 + 2  # two runs have the same coverage
    assert write_page(study) == first
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    motion = pd.read_csv(study.parent / "01_motion.tsv", sep="\t")
    (2 * motion).to_csv(study.parent / "01_motion.tsv", sep="\t", index=False, float_format="%.3f")
    cli("extract", study)
    write_page(study)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(after) == len(before)
    new = set(after) - set(before)
    assert [name.split("_", 1)[0] for name in new] == ["sub-01"]
    assert all(after[name] == before[name] for name in set(after) - new)


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.SpaceMismatchWarning")
def test_the_worst_runs_have_figures_and_the_table_has_all(
    cli: Callable, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("extract", study)
    monkeypatch.setattr(quality_page, "MAX_FIGURES", 1)
    page = write_page(study)
    assert "Figures of the worst 1 of 3 runs; the table above has all of them, worst first." in page
    assert len(cells(page)) == 3
    assert re.findall('<h3 id="(.*?)"', page) == ["sub-03_task-x"]
    assert re.findall('href="#(.*?)"', page) == ["sub-03_task-x"]


def row(run: str, share: float | None, early: int, coverage: float, mean: float | None, gaps: int = 0) -> dict:
    return {"run": run, "frames": 100, "fd_share_high": share, "non_steady_frames": early, "mean_coverage": coverage,
            "fd_mean": mean, "nan_voxels": gaps}  # fmt: skip


def test_the_worst_run_loses_most() -> None:
    table = pd.DataFrame([
        row("good", 0.0, 0, 1.0, 0.1), row("unknown", None, 0, 1.0, None), row("gaps", None, 0, 1.0, None, 3),
        row("moved", 0.3, 0, 1.0, 0.6), row("cut", 0.0, 0, 0.6, 0.1), row("early", 0.0, 25, 1.0, 0.1),
        row("both", 0.2, 15, 1.0, 0.2),
    ])  # fmt: skip
    # sums 0.4, 0.35, 0.3, 0.25, then 0: by mean displacement, then by NaN voxels
    assert rank_runs(table)["run"].tolist() == ["cut", "both", "moved", "early", "good", "gaps", "unknown"]


def test_both_pages_link_to_each_other(cli: Callable, small_config: Path) -> None:
    assert cli("run", small_config).code == 0
    out = small_config.parent / "results"
    assert '<a href="quality.html">' in (out / "report.html").read_text()
    page = (out / "quality.html").read_text()
    assert '<a href="report.html">' in page
    assert len(cells(page)) == 12
    assert "quality.html" in (out / ".bidsignore").read_text()


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.SpaceMismatchWarning")
def test_a_single_run_without_confounds(cli: Callable, study: Path) -> None:
    (study.parent / "runs.tsv").write_text("subject\ttask\tbold\n02\tx\t02.nii.gz\n")
    assert cli("extract", study).code == 0
    page = write_page(study)
    assert "1 run has series; head movement is unknown, as no confounds tell it; mean coverage is 1.0000" in page
    assert cells(page)["sub-02_task-x"][:4] == ["30", "unknown", "unknown", "unknown"]
    assert "Displacement: unknown" in page
    assert "0 events and framewise displacement over 21.6 s; mean displacement (mm): unknown." in page
    assert "Runs without series" not in page


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.SpaceMismatchWarning")
def test_frames_are_marked_by_movement_wherever_it_is_known(cli: Callable, study: Path) -> None:
    study.write_text(CONFIG.replace("[cleaning]\n", "[cleaning]\nfd_threshold = 0.5\n"))
    failed = cli("extract", study)
    assert failed.code == 1
    log = pd.read_csv(study.parent / "results" / "runs.tsv", sep="\t").set_index("run")
    assert "marks frames by head movement, which is not known of" in log.at["sub-02_task-x", "message"]
    assert "(unknown: the run has no confounds)" in log.at["sub-02_task-x", "message"]
    found = cells(write_page(study))
    assert {run: row[4] for run, row in found.items()} == {"sub-01_task-x": "0", "sub-03_task-x": "1"}
    card = next((study.parent / "results").glob("sub-03/func/*_timeseries.json"))
    assert json.loads(card.read_text())["Cleaning"]["marked_frames"] == [10]
    assert "Frames marked as bad: 1." in write_page(study)


@pytest.mark.filterwarnings("ignore::fmri_saliency.errors.SpaceMismatchWarning")
def test_a_run_of_which_little_is_left_says_so_in_its_row(cli: Callable, study: Path) -> None:
    study.write_text(CONFIG.replace("high_pass = 0.1", "high_pass = 0.6"))  # 25 cosines of 30 frames
    cli("extract", study)
    log = pd.read_csv(study.parent / "results" / "runs.tsv", sep="\t").set_index("run")
    assert log.at["sub-01_task-x", "status"] == "done"
    assert "Cleaning leaves 3 degrees of freedom to the 30 frames" in log.at["sub-01_task-x", "message"]
    assert cells(write_page(study))["sub-01_task-x"][5] == "3"
