"""Step 5: figures and the page, from what the other steps saved; also from what there is when some have not run."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from fmri_saliency import __version__
from fmri_saliency.attribution import METHODS
from fmri_saliency.brain import read_hemisphere
from fmri_saliency.decoding.weights import read_decoder_card
from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.disk.files import read_record, remove, write_json, write_text
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.errors import DamagedError, FmriSaliencyError, StepError
from fmri_saliency.evidence import say_whether_it_holds, summarise
from fmri_saliency.models import VanishingProfile
from fmri_saliency.pipeline.pages.class_part import ClassSetting, class_part, clock_of
from fmri_saliency.pipeline.pages.file_list import list_files, without_places
from fmri_saliency.pipeline.pages.html import Picture, make_page
from fmri_saliency.pipeline.pages.methods_text import describe_methods
from fmri_saliency.pipeline.pages.pictures import draw_picture
from fmri_saliency.pipeline.pages.quality_page import write_quality_page
from fmri_saliency.pipeline.pages.scans_part import quality_part, scans_part
from fmri_saliency.pipeline.progress.completeness import describe_whole
from fmri_saliency.pipeline.progress.state import Standing, survey
from fmri_saliency.pipeline.progress.words import stages
from fmri_saliency.pipeline.steps.explanation import check_explained, class_atlas
from fmri_saliency.pipeline.steps.training import LINEAR, SCORE_FIELDS
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, is_done, say
from fmri_saliency.pipeline.study.opening import begin
from fmri_saliency.pipeline.study.runs import known_runs
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.plotting import (
    plot_confusion,
    plot_evidence,
    plot_faithfulness,
    plot_learning,
    plot_null,
    plot_recovery,
    plot_time_shares,
    plot_vanishing,
)
from fmri_saliency.records import Atlas, Evidence, Run, Saliency, Samples
from fmri_saliency.saliency import read_saliency
from fmri_saliency.series import read_samples

__all__ = ["leave_report", "report", "versions_in_words"]

N_VOLUMES = 2
LIBRARIES = ("torch", "captum", "nilearn", "nibabel", "scikit-learn", "skorch", "numpy", "pandas")
COLOURS = {
    True: "Red: signal there and then spoke for the class in the decoder's eyes; blue: against it (dashed lines are "
          "drawn around it).",
    False: "The darker the red, the more the decoder's answer depends on what was there and then; there is no sign.",
}
READING = (
    "The maps are averages over held-out samples. They say what this network used, not what the brain needs: a "
    "region that only helps to cancel noise can weigh as much as one that carries the signal."
)
CAUTION = (
    "Share-of-saliency checks compare with an even spread over time; a true effect may lie at the ends. Recovery can "
    "be checked only where the truth was planted. That the answer hangs on what a map calls important says that the "
    "network uses it, not that the brain does. The command fmri-saliency evaluate asks more, of more samples and "
    "seeds, on made data."
)
PANELS = (
    ("recovery", "recover", plot_recovery, "Recovery",
     "Is what was planted found in single samples? AUROC and AUPRC of the cells (region x time step), mean over "
     "{n} held-out samples: blue, the maps; grey, maps that know nothing of the trained network, and the truth itself "
     "(oracle); dotted, chance."),
    ("null", "null", plot_null, "Null",
     "Is the map what training made it? Of {n} held-out samples: left, the share of the map at each time step (blue) "
     "beside the band of the same network with new weights (grey, {draws} draws){truth}; right, the rank correlation "
     "with maps of the network renewed layer by layer from the output, and wholly: close to 0 is right."),
    ("faithfulness", "faithful", plot_faithfulness, "Faithfulness",
     "Does the answer hang on what the map calls important? Probability of the answer, mean over {n} held-out samples, "
     "while blocks of cells are replaced by other samples' (left: lower is better) or put into other samples (right: "
     "higher is better), the most important first, and in random order (grey)."),
)  # fmt: skip
"""File, check, figure, title and caption of the panels on whether the map holds."""
INTERVALS = (
    "The interval is Wilson's, with samples that were held out together (a unit) taken as dependent as they were found "
    "to be; where every sample was right, or every one wrong, units are counted instead of samples."
)
SECTIONS = (
    ("methods", "What was done", None), ("data", "Scans", None), ("accuracy", "Accuracy", "scores"),
    ("maps", "Maps", "classes"), ("when", "When", "profile"), ("evidence", "Does the map hold?", "evidence"),
    ("quality", "Quality", "quality"), ("files", "Files", None), ("configuration", "Configuration", None),
)  # fmt: skip
"""Anchor, name, and what must be there for the page to have the section."""
EMPTY: dict[str, Any] = {
    "scores": [], "confusion": None, "learning": None, "interval": INTERVALS, "classes": [], "reading": "",
    "columns": "", "profile": None, "vanishing": None, "evidence": [], "checks": None, "panels": [], "verdict": None,
    "caution": CAUTION, "screen": (4, 1),
}  # fmt: skip
"""What the page shows of steps that have not run."""


def _summary(config: Config, card: dict[str, Any], beside: dict[str, dict[str, Any]]) -> str:
    low, high = card["interval"]
    bar = max(card["chance"], card["majority"])
    verdict = "above" if low > bar else "not distinguishable from"
    majority = f"; always answering the most frequent class gives {card['majority']:.3f}"
    others = " and ".join(f"{name} {other['accuracy']:.3f}" for name, other in beside.items())
    return (
        f"{config.decoder.network} tells {len(card['classes'])} classes apart ({', '.join(card['classes'])}) with an "
        f"accuracy of {card['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}) on {card['split']}: {verdict} "
        f"chance ({card['chance']:.3f}{majority})." + (f" On the same samples: {others}." if others else "")
        + ("" if low > bar else " Maps of a decoder at chance mean nothing.")
    )  # fmt: skip


def _columns_in_words(classes: Saliency, config: Config) -> str:
    slope = "the mean of their absolute value (the sign of a slope does not speak for a class)"
    by = "their mean over time" if classes.unit == "logit" else slope
    return (
        f"Regions are ranked by {by}. Mean and mean of the absolute value are over time, in {classes.unit}; a region "
        f"whose mean is small and whose absolute value is large spoke for the class at some moments and against it at "
        f"others. Peak: when the absolute value is largest, in seconds from the {config.samples.zero}; every region "
        "has one, also where saliency is noise. A click on the head of a column sorts by it."
    )


def _vanishing(profiles: Sequence[dict[str, Any]], classes: Saliency, figures: Path) -> Picture:
    """Draw what judging found about how much of each time step is left in the networks' answers."""
    read = [
        VanishingProfile(**{key: np.array(value, dtype=float) if isinstance(value, list | None) else value
                            for key, value in one.items()})
        for one in profiles
    ]  # fmt: skip
    caption = (
        f"Does saliency vanish? Mean over {read[0].n_samples} held-out samples of the first fold. Input gradient: "
        "solid, trained; dotted, the same network with new weights; grey, even over time. Below, what the last state "
        "keeps of each earlier one, for networks with a single recurrence in one direction: where it falls to the "
        "left, early states are forgotten. Input-cell attention reads the early signal again at every step."
    )
    figure = plot_vanishing(read, classes.t_r, "What is left of each time step", classes.start)
    return draw_picture(figure, figures / "vanishing.png", caption)


def versions_in_words() -> str:
    """Name the versions that results depend on."""
    named = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return f"fmri_saliency {__version__}, Python {platform.python_version()}, {named}."


def _scores_part(config: Config, standing: Standing) -> dict[str, Any]:
    """Return what the page shows of the scores that are there and up to date, the main network's first."""
    space, network = Workspace(config.output.path), config.decoder.network
    if standing.stamps is None or not is_done(space.scores(network), standing.stamps.scores[network]):
        return {}
    names = dict.fromkeys((*config.decoder.networks, LINEAR))
    current = [name for name in names if is_done(space.scores(name), standing.stamps.scores[name])]
    scores = [{"name": name, **read_record(space.scores(name), SCORE_FIELDS, "train CONFIG.toml")} for name in current]
    figure = plot_confusion(scores[0]["confusion"], scores[0]["classes"], network)
    learning = plot_learning(
        {name: [read_decoder_card(space.fold(name, fold))[0]["history"] for fold in range(1, card["folds"] + 1)]
         for name, card in ((one["name"], one) for one in scores) if name in config.decoder.networks},
        "Learning, a line for each fold",
    )  # fmt: skip
    return {
        "scores": scores,
        "confusion": draw_picture(figure, space.root / "figures" / "confusion.png",
                                  f"Confusion of held-out samples, {network}; numbers are samples."),
        "learning": draw_picture(learning, space.root / "figures" / "learning.png",
                                 "Loss of every epoch, a line for each fold; dots are the weights that were kept."),
        "summary": _summary(config, scores[0], {card["name"]: card for card in scores[1:]}),
    }  # fmt: skip


def _best_known(card: dict[str, Any]) -> tuple[str, ...]:
    """Return the classes that the decoder recognises best: those whose maps can be clicked through."""
    order = np.argsort(-np.array(card["recall"]), kind="stable")
    return tuple(card["classes"][place] for place in order[:N_VOLUMES])


def _maps_part(
    config: Config, scores: Sequence[dict[str, Any]], atlas: Atlas, runs: Sequence[Run], samples: Samples
) -> dict[str, Any]:
    """Return what the page shows of the maps."""
    space = Workspace(config.output.path)
    whole = {name: read_saliency(space.saliency(name, "samples")) for name in config.decoder.networks}
    classes = read_saliency(space.saliency(config.decoder.network, "classes"))
    path = space.root / "group" / f"desc-{clean_label(classes.method)}_regions.tsv"
    table = read_own_tsv(path, "the region table")
    opened = _best_known(scores[0]) if atlas.is_mni and scores else ()
    people = samples.table["subject"].to_numpy(dtype=str)
    dense = atlas.grayordinates is not None
    meshes = {side: read_hemisphere(file) for side, file in config.output.surfaces.items()} if dense else {}
    setting = ClassSetting(config, classes, whole[config.decoder.network], people, atlas, runs, table,
                           f"group/{path.name}", opened, meshes)  # fmt: skip
    parts = [class_part(setting, p) for p in tqdm(range(len(classes.labels)), desc="Drawing", unit="class")]
    profile = plot_time_shares(whole, f"Where the saliency lies in time ({classes.method})", clock_of(config))
    sizes = [part["film"].size for part in parts if part["film"]]
    return {
        "classes": parts,
        "screen": sizes[0] if sizes else EMPTY["screen"],
        "reading": f"{COLOURS[METHODS[classes.method].signed]} {READING}",
        "columns": _columns_in_words(classes, config),
        "profile": draw_picture(profile, space.root / "figures" / "time_share.png",
                                "Share of absolute saliency per time step, mean over held-out samples. Where it piles "
                                "up at the end, the network has forgotten what came before."),
    }  # fmt: skip


def _panels(row: dict[str, Any], classes: Saliency, clock: str, figures: Path) -> list[Picture]:
    """Draw the panels of the checks that were made of held-out samples."""
    seconds = {"null": (classes.t_r, classes.start, clock)}
    judged = summarise([row], 0.0)
    words = {"n": row["n_samples"], "draws": len(row["checks"]["null"]["draws"]),
             "truth": " and the truth (dotted)" if "truth_profile" in row["checks"]["null"]["curves"] else ""}
    return [
        draw_picture(draw(judged, title, *seconds.get(name, ())), figures / f"{name}.png", caption.format(**words))
        for name, check, draw, title, caption in PANELS if check in row["checks"]
    ]  # fmt: skip


def _evidence_part(config: Config, scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the page shows of the checks."""
    space = Workspace(config.output.path)
    path = space.root / "evidence" / "evidence.json"
    card = read_record(path, {"evidence": list, "vanishing": list, "panels": dict}, "judge CONFIG.toml")
    try:
        found = [Evidence(**one) for one in card["evidence"]]
    except TypeError as error:
        raise DamagedError(f"{path} is damaged: {error}. `fmri-saliency judge CONFIG.toml` makes it again.", path) \
            from None
    classes = read_saliency(space.saliency(config.decoder.network, "classes"))
    checks = draw_picture(plot_evidence(found, "What the checks found"), space.root / "figures" / "checks.png",
                          "Checks of the maps: each figure beside that of a map that says nothing. The table below has "
                          "the numbers.")  # fmt: skip
    return {
        "evidence": card["evidence"],
        "checks": checks,
        "panels": _panels(card["panels"], classes, clock_of(config), space.root / "figures"),
        "vanishing": _vanishing(card["vanishing"], classes, space.root / "figures"),
        "verdict": vars(say_whether_it_holds(found, config.decoder.network, scores[0])),
    }


def _partial(config: Config, standing: Standing, stopped: Exception | None) -> dict[str, Any] | None:
    """Return what is said on top of a report that is not whole."""
    told = stages(standing)
    missing = next((one for one in told if one.state != "done"), None)
    if missing is None and stopped is None:
        return None
    where = f"The step '{missing.step}' is {missing.state}." if missing else "The job stopped."
    why = f" It stopped with: {stopped}" if stopped is not None else f" {missing.words}"
    return {
        "words": f"{where}{why}",
        "stages": told,
        "command": "fmri-saliency run config.toml",
    }


def _nothing_yet(log: pd.DataFrame) -> str:
    done = int((log["status"] == "done").sum())
    return f"There is no answer yet: {done} of {len(log)} runs have region time series, and no decoder has been scored."


def _content(config: Config, stopped: Exception | None) -> tuple[dict[str, Any], Standing]:
    """Draw the figures, and gather what the page shows."""
    space, finding = Workspace(config.output.path), known_runs(config)
    standing = survey(config, looking=True)
    atlas, note, runs = class_atlas(config)
    samples = None if standing.stamps is None else read_samples(space.samples)
    left_out = [] if samples is None else _left_out(space.samples)
    if (space.root / "quality.tsv").is_file():
        write_quality_page(config, atlas, runs, standing.log)
    content = {**EMPTY, "summary": _nothing_yet(standing.log), **_scores_part(config, standing)}
    scores = content["scores"]
    whole = standing.done("explain")
    if whole:
        content |= _maps_part(config, scores, atlas, runs, samples)
    if standing.done("judge"):
        content |= _evidence_part(config, scores)
    used = set(standing.log.loc[standing.log["status"] == "done", "run"])
    classes = read_saliency(space.saliency(config.decoder.network, "classes")) if whole else None
    text = describe_methods(config, [run for run in runs if run.key in used], atlas, note, samples,
                            scores[0] if scores else None, classes)  # fmt: skip
    told = ", ".join(samples.classes) if samples is not None else "no samples yet"
    content |= {
        "title": config.output.title or f"Which regions, when: {told}",
        "methods": text.paragraphs,
        "references": text.references,
        "partial": _partial(config, standing, stopped),
        "quality": quality_part(config),
        **scans_part(config, standing.log, finding.notes, runs, left_out),
        "files": list_files(space.root, standing),
        "configuration": (space.root / "config.toml").read_text(encoding="utf-8"),
        "versions": versions_in_words(),
    }
    content["sections"] = [(key, name) for key, name, shown in SECTIONS if shown is None or content[shown]]
    return content, standing


def _left_out(folder: Path) -> list[str]:
    """Return why samples were left out."""
    return read_record(folder / "samples.json", {"LeftOut": list}, "train CONFIG.toml")["LeftOut"]


def report(config: Config, stopped: Exception | None = None) -> Path:
    """Draw the figures and write ``report.html``, ``quality.html`` and ``config.toml``.

    The page shows what there is and is up to date. Where a step is missing it says so on top, with the command that
    goes on.

    Parameters
    ----------
    config : Config
    stopped : Exception, optional
        Why the job stopped, for the page.

    Returns
    -------
    Path
        The page ``report.html``.

    Raises
    ------
    StepError
        If nothing has been done yet, so that there is no page; or, when the page is written, if it is partial.
    """
    space = Workspace(config.output.path)
    if not (space.root / "dataset_description.json").is_file():
        raise StepError(f"There are no results in {space.root}: run `fmri-saliency run CONFIG.toml` first.")
    with nullcontext() if stopped is not None else noted(config, "report"):
        begin(config)
        with space.alone("report"):
            return _report(config, stopped)


def _card(config: Config) -> dict[str, Any]:
    """Return what says of a complete page what it was made from."""
    networks = [f"bids::saliency/{name}/classes.npy" for name in config.decoder.networks]
    came = origin(config.output.path, ["bids::evidence/evidence.json", *networks])
    return {**came, "inputs": check_explained(config), "seed": config.decoder.seed,
            "Whole": describe_whole(config), "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__}}


def _report(config: Config, stopped: Exception | None) -> Path:
    content, standing = _content(config, stopped)
    volumes = [part["volume"] for part in content["classes"] if part["volume"]]
    page = config.output.path / "report.html"
    remove(page.with_suffix(".json"))
    write_text(page, make_page(without_places(content, page.parent), volumes=volumes))
    if stopped is None and all(one.state == "done" for one in stages(standing)):
        write_json(page.with_suffix(".json"), _card(config))
    elif stopped is None:
        raise StepError(f"The report {page} is partial. {content['partial']['words']} Go on with `fmri-saliency run "
                        f"{shlex.quote(str(page.with_name('config.toml')))}`.")
    return page


def leave_report(config: Config, stopped: Exception) -> None:
    """Write a partial report after a failure, if there is anything to report; never hide the failure by another."""
    try:
        page = report(config, stopped)
    except (FmriSaliencyError, OSError):
        return
    say(f"What there is so far: {page}")
