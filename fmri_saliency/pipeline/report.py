"""Step 5: figures and the page, from what the other steps saved."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from fmri_saliency import __version__
from fmri_saliency.attribution import METHODS
from fmri_saliency.bids import clean_label
from fmri_saliency.errors import StepError
from fmri_saliency.files import read_json, read_tsv, write_json, write_text
from fmri_saliency.models import VanishingProfile
from fmri_saliency.pipeline.config import Config, write_config
from fmri_saliency.pipeline.explain import check_explained, class_atlas
from fmri_saliency.pipeline.index import known_runs
from fmri_saliency.pipeline.pictures import draw_picture
from fmri_saliency.pipeline.quality_page import write_quality_page
from fmri_saliency.pipeline.train import LINEAR
from fmri_saliency.pipeline.whole import describe_whole
from fmri_saliency.pipeline.workspace import Workspace, require
from fmri_saliency.plotting import (
    plot_confusion,
    plot_glass,
    plot_glass_strip,
    plot_region_time,
    plot_time_shares,
    plot_vanishing,
)
from fmri_saliency.records import Atlas, Event, Run, Saliency
from fmri_saliency.report import Picture, make_page
from fmri_saliency.saliency import read_saliency
from fmri_saliency.series import REST

__all__ = ["report", "versions_in_words"]

N_LEADING = 8
NOT_MNI = (
    "The scans are not stated to be in an MNI space ([scans] space). Glass brains are drawn as if they were; the maps "
    "themselves are in the scans' own space."
)
N_MOMENTS = 5
FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}
LIBRARIES = ("torch", "captum", "nilearn", "nibabel", "scikit-learn", "skorch", "numpy", "pandas")


def _class_events(config: Config, runs: Sequence[Run], label: str, start: float, stop: float) -> list[Event]:
    """Return the events to mark above a class's map, in seconds from the run's first frame or the event's onset."""
    if config.samples.unit == "run":
        events = list(next(run for run in runs if run.task == label).events)
    elif config.samples.rest and label == REST:
        events = []
    elif config.samples.unit == "block":  # a piece of a block is as long as its window
        events = [Event(0.0, stop - start, label)]
    else:
        kinds = config.samples.classes.get(label, (label,))
        lasting = [e.duration for run in runs for e in run.events if e.trial_type in kinds]
        events = [Event(0.0, float(np.median(lasting)), label)]
    return [e for e in events if max(e.onset, start) < min(e.onset + max(e.duration, 1e-6), stop)]


def _clock(config: Config) -> str:
    return f"Time from the {config.samples.zero} (s)"


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _leading(table: pd.DataFrame, label: str) -> list[dict[str, Any]]:
    rows = []
    for row in table[table["class"] == label].head(N_LEADING).to_dict("records"):
        place = [row.get(axis) for axis in "xyz"]
        known = all(isinstance(v, int | float) and np.isfinite(v) for v in place)
        rows.append(
            {
                "rank": row["rank"],
                "region": row["region"],
                "hemisphere": _words(row.get("hemisphere")),
                "network": _words(row.get("network")),
                "centre": ", ".join(f"{v:g}" for v in place) if known else "",
                "mean": f"{row['mean']:.4g}",
                "mean_abs": f"{row['mean_abs']:.4g}",
                "peak": f"{row['peak_s']:.1f}",
            }
        )
    return rows


def _networks(atlas: Atlas, names: Sequence[str]) -> tuple[str, ...]:
    """Return the network of each named region; nothing where the atlas knows none."""
    if "network" not in atlas.regions:
        return ()
    known = dict(zip(atlas.names, atlas.regions["network"].fillna("none").astype(str), strict=True))
    return tuple(known[name] for name in names)


def _class_part(
    config: Config, classes: Saliency, position: int, atlas: Atlas, runs: Sequence[Run], table: pd.DataFrame
) -> dict[str, Any]:
    label, values = classes.labels[position], classes.values[position]
    figures = Workspace(config.output.path).root / "figures"
    stem = clean_label(label)
    start, unit = classes.start, classes.unit
    frames = classes.moments(N_MOMENTS)[position]
    events = _class_events(config, runs, label, start, start + len(values) * classes.t_r)
    glass = plot_glass(values.mean(axis=0), atlas, f"{label}: mean over time", unit)
    strip = plot_glass_strip(
        values, atlas, classes.t_r, [start + k * classes.t_r for k in frames], f"{label}: {unit}", start
    )
    heatmap = plot_region_time(
        values, classes.names, classes.t_r, events, label, unit, start, _clock(config), _networks(atlas, classes.names)
    )
    bars = "; bars on top mark the events" if events else ""
    which = "every moment of the window" if len(frames) == len(values) else \
        f"the moment with most saliency in each {FRACTIONS[len(frames)]} of the window"
    count = classes.n_averaged[position]
    return {
        "name": f"{label} ({count} held-out samples)",
        "glass": draw_picture(glass, figures / f"class-{stem}_glass.png",
                          f"Saliency of {label}, mean over time and {count} held-out samples."),
        "strip": draw_picture(strip, figures / f"class-{stem}_strip.png",
                          f"{label} at {which}, one range of colours. {_clock(config)}."),
        "heatmap": draw_picture(heatmap, figures / f"class-{stem}_heatmap.png",
                            f"{label}: every region at every moment{bars}."),
        "regions": _leading(table, label),
    }  # fmt: skip


def _extraction(atlas: Atlas) -> str:
    if atlas.maps is None:
        where = "voxels" if atlas.grayordinates is None else "grayordinates"
        return f"averaged over those of their {where} that hold data, and cleaned with nilearn"
    return "estimated by least squares on the atlas's maps, and cleaned with nilearn"


def _methods(config: Config, card: dict[str, Any], classes: Saliency, atlas: Atlas, note: str) -> str:
    unit = {
        "run": "the first part of each run, of one length for all tasks",
        "event": f"windows that begin {classes.start:.3g} s after each event's onset, on average",
        "block": f"as many windows as fit into each block, {classes.start:.3g} s later on average",
    }[config.samples.unit]
    if config.samples.t_r:
        unit += f", of series resampled to {config.samples.t_r:g} s"
    cleaning = config.cleaning
    method = METHODS[classes.method]
    smooth = f", smoothed over time ({config.saliency.smoothing:g} s FWHM)" if config.saliency.smoothing else ""
    return (
        f"Region time series of {atlas.n_regions} regions (atlas {atlas.name}) were {_extraction(atlas)} "
        f"(detrending: {'yes' if cleaning.detrend else 'no'}, high-pass {cleaning.high_pass:g} Hz, "
        f"{cleaning.standardize}, confounds: {', '.join(cleaning.confounds or cleaning.denoise.words) or 'none'}). "
        f"{note} Samples were {unit} "
        f"({classes.values.shape[1]} frames of {classes.t_r:g} s). The network '{config.decoder.network}' "
        f"(input-cell attention: Ismail et al. 2019, arXiv:1910.12370) was trained and tested in {card['folds']} folds "
        f"by {card['split']}. Each held-out sample was explained by the decoder that never saw it, with "
        f"{classes.method} ({method.reference}) of the {classes.target}{smooth}, baseline: {classes.baseline}. "
        "Values were averaged per class."
    )


def _summary(config: Config, card: dict[str, Any], beside: dict[str, dict[str, Any]]) -> str:
    low, high = card["interval"]
    bar = max(card["chance"], card["majority"])
    verdict = "above" if low > bar else "not distinguishable from"
    majority = f"; always answering the most frequent class gives {card['majority']:.3f}"
    others = " and ".join(f"{name} {other['accuracy']:.3f}" for name, other in beside.items())
    return (
        f"{config.decoder.network} tells {len(card['classes'])} classes apart with an accuracy of "
        f"{card['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}) on {card['split']}: {verdict} chance "
        f"({card['chance']:.3f}{majority}). On the same samples: {others}."
        + ("" if low > bar else " Maps of a decoder at chance mean nothing.")
    )


COLOURS = {
    True: "Red: signal there and then spoke for the class in the decoder's eyes; blue: against it.",
    False: "The darker the red, the more the decoder's answer depends on what was there and then; there is no sign.",
}
READING = (
    "The maps are averages over held-out samples. They say what this network used, not what the brain needs: a "
    "region that only helps to cancel noise can weigh as much as one that carries the signal."
)
CAUTION = (
    "Share-of-saliency checks compare with an even spread over time; a true effect may lie at the ends. Recovery can "
    "be checked only where the truth was planted."
)


INTERVALS = (
    "The interval is Wilson's, with samples that were held out together (a unit) taken as dependent as they were found "
    "to be; where every sample was right, or every one wrong, units are counted instead of samples."
)


def _columns_in_words(classes: Saliency, config: Config) -> str:
    slope = "the mean of their absolute value (the sign of a slope does not speak for a class)"
    by = "their mean over time" if classes.unit == "logit" else slope
    return (
        f"Regions are ranked by {by}. Mean and mean of the absolute value are over time, in {classes.unit}; a region "
        f"whose mean is small and whose absolute value is large spoke for the class at some moments and against it at "
        f"others. Peak: when the absolute value is largest, in seconds from the {config.samples.zero}."
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


def _files(config: Config) -> list[dict[str, str]]:
    rows = {
        "group/*_boldmap.nii.gz": "maps per class: over time (4D), mean over time, time of the peak",
        "group/*_regions.tsv": "all regions per class, ranked",
        "group/*_networks.tsv": "the same by network and hemisphere, where the atlas knows networks",
        "sub-*/func/*_timeseries.tsv": "region time series, with coverage beside them",
        "samples/": "what the decoders read, and where each sample came from",
        "decoder/": "weights, predictions and scores per network and fold",
        "saliency/": "saliency per sample and per class",
        "evidence/evidence.json": "the checks above as numbers",
        "runs.tsv": "every expected run and what became of it",
        "quality.html, quality.tsv": "movement, coverage and gaps of every run, as a page and as numbers",
        "config.toml": "the resolved configuration; it can be run again",
    }
    return [{"path": path, "what": what} for path, what in rows.items()]


def versions_in_words() -> str:
    """Name the versions that results depend on."""
    named = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return f"fmri_saliency {__version__}, Python {platform.python_version()}, {named}."


def _scans_part(log: pd.DataFrame, notes: Sequence[str], runs: Sequence[Run]) -> dict[str, Any]:
    counts = ", ".join(f"{n} {status}" for status, n in log["status"].value_counts().items())
    problems = log.loc[log["status"] != "done", ["run", "status", "message"]].astype(str)
    return {
        "scans": f"Runs expected: {len(log)} ({counts}). Subjects: {len({run.subject for run in runs})}.",
        "problems": problems.to_dict("records"),
        "notes": [*notes, *([] if all(run.space.startswith("MNI") for run in runs) else [NOT_MNI])],
    }


def report(config: Config) -> Path:
    """Draw the figures and write ``report.html``, ``quality.html`` and ``config.toml``.

    Returns
    -------
    Path
        The page ``report.html``.

    Raises
    ------
    StepError
        If an earlier step has not been run.
    """
    with Workspace(config.output.path).alone("report"):
        return _report(config)


def _report(config: Config) -> Path:
    space = Workspace(config.output.path)
    network = config.decoder.network
    stem = space.saliency(network, "classes")
    inputs = check_explained(config)
    evidence = read_json(require(space.root / "evidence" / "evidence.json", "judge"))
    if evidence["inputs"] != inputs:
        raise StepError("The checks were made of other maps: run `fmri-saliency judge CONFIG.toml` again.")
    classes = read_saliency(stem)
    names = tuple(dict.fromkeys((*config.decoder.networks, LINEAR)))
    scores = [{"name": name, **read_json(require(space.scores(name), "train"))} for name in names]
    atlas, note, runs = class_atlas(config)
    table = read_tsv(space.root / "group" / f"desc-{clean_label(classes.method)}_regions.tsv", "the region table")
    log = read_tsv(require(space.root / "runs.tsv", "extract"), "the log of runs")
    positions = tqdm(range(len(classes.labels)), desc="Drawing", unit="class")
    parts = [_class_part(config, classes, p, atlas, runs, table) for p in positions]
    confusion = plot_confusion(scores[0]["confusion"], scores[0]["classes"], network)
    profile = plot_time_shares(
        {name: read_saliency(space.saliency(name, "samples")) for name in config.decoder.networks},
        f"Where the saliency lies in time ({classes.method})",
        _clock(config),
    )
    write_config(config, space.root / "config.toml")
    write_quality_page(config, atlas, runs, log)
    content = {
        "title": config.output.title or f"Which regions, when: {', '.join(scores[0]['classes'])}",
        "summary": _summary(config, scores[0], {card["name"]: card for card in scores[1:]}),
        "methods": _methods(config, scores[0], classes, atlas, note),
        "scores": scores,
        "confusion": draw_picture(confusion, space.root / "figures" / "confusion.png",
                              f"Confusion of held-out samples, {network}; numbers are samples."),
        "reading": f"{COLOURS[METHODS[classes.method].signed]} {READING}",
        "columns": _columns_in_words(classes, config),
        "interval": INTERVALS,
        "classes": parts,
        "profile": draw_picture(profile, space.root / "figures" / "time_share.png",
                            "Share of absolute saliency per time step, mean over held-out samples."),
        "vanishing": _vanishing(evidence["vanishing"], classes, space.root / "figures"),
        "evidence": evidence["evidence"],
        "caution": CAUTION,
        **_scans_part(log, known_runs(config).notes, runs),
        "files": _files(config),
        "configuration": (space.root / "config.toml").read_text(encoding="utf-8"),
        "versions": versions_in_words(),
    }  # fmt: skip
    page = space.root / "report.html"
    page.with_suffix(".json").unlink(missing_ok=True)
    write_text(page, make_page(content))
    networks = [f"bids::saliency/{name}/classes.npy" for name in config.decoder.networks]
    card = {"Sources": ["bids::evidence/evidence.json", *networks], "inputs": inputs, "Whole": describe_whole(config),
            "GeneratedBy": {"Name": "fmri_saliency", "Version": __version__}}  # fmt: skip
    write_json(page.with_suffix(".json"), card)
    return page
