"""From series to samples: which there will be, how they are split, and the store they are cut into."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmri_saliency.decoding import Fold, make_folds
from fmri_saliency.disk.bids_names import bids_uri
from fmri_saliency.disk.files import digest
from fmri_saliency.disk.locks import hold, note_time
from fmri_saliency.disk.sources import describe_source
from fmri_saliency.errors import ConfigError, DecoderError, StepError
from fmri_saliency.pipeline.steps.copies import check_copies
from fmri_saliency.pipeline.steps.extraction import choose_atlas, series_made_from, series_sources
from fmri_saliency.pipeline.steps.fingerprints import are_cut, samples_made_from, series_brief
from fmri_saliency.pipeline.steps.search_trials import plan_trials
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, name_changes, say, say_why
from fmri_saliency.pipeline.study.runs import known_runs
from fmri_saliency.records import Atlas, Run, Samples
from fmri_saliency.series import (
    WindowPlan,
    class_balance,
    cut_to_disk,
    plan_windows,
    raw_path,
    read_marked,
    read_raw,
    read_samples,
    read_series_card,
    series_name,
    series_outputs,
    series_state,
)

__all__ = ["SPLIT_WORDS", "TRAINED_BY", "foresee", "load_samples", "plan_folds", "say_plan"]

TRAINED_BY = ("split", "folds", "seed", "device", "architecture", "training")  # what of [decoder] a fold depends on
UNEVEN = 1.5  # how many times the smallest class the largest is, from which on it is said
SPLIT_WORDS = {
    "group": "held-out subjects (whole families where known)",
    "leave-one-run-out": "held-out runs of the same people",
    "contiguous": "held-out stretches of time of the same runs, with gaps of one window",
    "blocks": "held-out blocks of the same runs, with gaps of one window",
}


def plan_folds(config: Config, runs: Sequence[Run]) -> tuple[WindowPlan, list[Fold]]:
    """Plan the samples of runs and their folds, before anything is extracted.

    Raises
    ------
    InputError, ConfigError
        If no samples can be cut from these runs, or they cannot be split as configured.
    """
    plan = plan_windows(runs, config.samples)
    try:
        return plan, make_folds(plan.outline(), config.decoder.split, config.decoder.folds, config.decoder.seed)
    except DecoderError as error:
        raise ConfigError(str(error)) from None


def foresee(config: Config, runs: Sequence[Run]) -> str:
    """Say what will be decoded, before anything is extracted: the most there can be where frames may be marked.

    It raises what :func:`plan_folds` does, also for the inner folds of [search].
    """
    plan, folds = plan_folds(config, runs)
    plan_trials(config, plan.outline())  # of [search]: it comes last, and must not fail then
    return say_plan(config, plan, folds)


def say_plan(config: Config, plan: WindowPlan, folds: Sequence[Fold]) -> str:
    """Say what is planned in words."""
    counts = class_balance(plan.table)["samples"]
    classes = ", ".join(f"{label} {count}" for label, count in counts.items())
    may_shrink = config.samples.max_marked < 1
    words = [f"{'At most ' if may_shrink else ''}{len(plan.table)} samples of {plan.n_times} frames ({plan.t_r:g} s "
             f"each) in {len(counts)} classes ({classes}), {len(folds)} folds: {SPLIT_WORDS[config.decoder.split]}."]
    if may_shrink:
        words.append(f"Which windows have more than {config.samples.max_marked:.0%} of marked frames is known when the "
                     "runs are extracted: samples.json has the numbers without them.")
    if counts.max() >= UNEVEN * counts.min():
        hint = "" if config.decoder.training.class_weights == "balanced" else \
            '; class_weights = "balanced" in [decoder.training] lets them weigh alike'
        words.append(f"Classes are uneven: always answering '{counts.idxmax()}' would be right in "
                     f"{counts.max() / counts.sum():.0%} (chance {1 / len(counts):.0%}){hint}.")
    if plan.left_out:
        words.append(f"{len(plan.left_out)} windows are left out (the first: {plan.left_out[0]}).")
    return " ".join(words)


def _extracted(config: Config) -> tuple[list[Run], list[Path], list[dict[str, Any]]]:
    """Return the runs that have series, where those are, and what is written beside them."""
    finding = known_runs(config)
    atlas, _ = choose_atlas(config, finding.runs)
    runs, stems, cards, contents = [], [], [], []
    for run in finding.runs:
        stem = config.output.path / series_name(run, atlas)
        card = stem.with_name(stem.name + ".json")
        if not card.is_file():
            continue
        content = read_series_card(stem)
        if not _is_current(content, run, atlas, config):
            why = name_changes(card, {**series_made_from(run, atlas, config),
                                      "files": content.get("MadeFrom", {}).get("files")})
            raise StepError(f"{card} was made from another scan, atlas or [cleaning]{_because(why)}: run "
                            "`fmri-saliency extract CONFIG.toml` again.")
        lost = [path for path in series_outputs(stem, content) if not path.is_file()]
        if lost:
            raise StepError(f"{lost[0]}, from which samples are cut, is not there: it was lost, or an earlier version "
                            "did not write it. Run `fmri-saliency extract CONFIG.toml` again.")
        runs.append(run)
        stems.append(stem)
        cards.append(series_brief(content))
        contents.append(content)
    check_copies(runs, contents)
    if not runs:
        raise StepError(f"There are no series in {config.output.path}: run `fmri-saliency extract CONFIG.toml` first, "
                        "or `fmri-saliency run`.")
    return runs, stems, cards


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _is_current(card: dict[str, Any], run: Run, atlas: Atlas, config: Config) -> bool:
    """Return whether series are of this scan and configuration; files that were touched or moved are read."""
    sources = series_sources(run, config)
    state = series_state(card, series_made_from(run, atlas, config), sources)
    if state != "unsure":
        return state == "current"
    found = [describe_source(source, card["SourceFiles"])["sha256"] for source in sources]
    return found == [one["sha256"] for one in card["SourceFiles"]]


def load_samples(config: Config) -> tuple[Samples, str]:
    """Cut the extracted series into samples on disk, run by run, unless they are up to date; map them into memory.

    Returns
    -------
    samples : Samples
    inputs : str
        What identifies them.
    """
    space = Workspace(config.output.path)
    runs, stems, cards = _extracted(config)
    made_from = samples_made_from(config, runs, [stem.name for stem in stems], cards)
    inputs = digest(made_from)
    folder = space.samples
    if not are_cut(folder, inputs):
        with hold(space.desk, "train/samples"), noted(config, "samples"):
            if not are_cut(folder, inputs):
                _cut(config, runs, stems, cards, {"MadeFrom": made_from, "inputs": inputs})
    return read_samples(folder), inputs


def _cut(
    config: Config, runs: list[Run], stems: list[Path], cards: list[dict[str, Any]], identity: dict[str, Any]
) -> None:
    """Cut the series of all runs into samples on disk."""
    begin, space = time.perf_counter(), Workspace(config.output.path)
    folder = space.samples
    found = known_runs(config).runs
    absent = [run.key for run in found if run.key not in {one.key for one in runs}]
    if absent:
        say(f"{len(absent)} of {len(found)} runs have no series and are left out (first: {absent[0]}): runs.tsv has "
            "the reasons.")
    say_why([name_changes(folder / "samples.json", identity["MadeFrom"])], "set of samples")
    marks = [read_marked(card, run.n_times, stem.with_name(stem.name + ".json"))
             for card, run, stem in zip(cards, runs, stems, strict=True)]
    sources = [bids_uri(raw_path(stem), {"": space.root}) for stem in stems]
    extra = {"Settings": to_plain(config.samples), **identity, "Sources": sources}
    left_out = cut_to_disk((read_raw(stem) for stem in stems), runs, config.samples, folder, extra, marks,
                           progress=True)
    for reason in left_out[:3]:
        say(f"No sample: {reason}.")
    if len(left_out) > 3:
        say(f"... and {len(left_out) - 3} more (see {folder / 'samples.json'}).")
    note_time(space.desk, "train/samples", time.perf_counter() - begin)
