"""Step 4: does the map hold? Numbers for the report, saved before they are shown."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from fmri_saliency.decoding import TaskDecoder, limited_threads, load_decoder
from fmri_saliency.disk.files import read_json, read_record, scratch_folder, write_json
from fmri_saliency.disk.rows import Rows
from fmri_saliency.disk.tables import read_own_tsv
from fmri_saliency.errors import DamagedError, InputError
from fmri_saliency.evidence import compare_untrained, edge_shares, recover
from fmri_saliency.models import vanishing_profile
from fmri_saliency.pipeline.steps.explanation import check_explained
from fmri_saliency.pipeline.steps.judged_panels import check_held_out, hangs_on_the_map
from fmri_saliency.pipeline.steps.sampling import load_samples
from fmri_saliency.pipeline.study.config import Config, to_plain
from fmri_saliency.pipeline.study.failures import noted
from fmri_saliency.pipeline.study.folder import Workspace, say
from fmri_saliency.pipeline.study.opening import reopen
from fmri_saliency.pipeline.study.sidecars import origin
from fmri_saliency.records import Evidence, Samples
from fmri_saliency.saliency import explain_samples, read_saliency
from fmri_saliency.series import nearest_frame

__all__ = ["judge", "read_truth"]

DRAWS = 3
FEW = 4  # samples whose state is followed: its derivatives cost more than an explanation


def read_truth(folder: Path, samples: Samples, offset: float) -> dict[str, np.ndarray]:
    """Read where each task's response was planted, in the samples' window.

    Returns
    -------
    dict
        Task to ndarray of bool, shape (n_times, n_regions).

    Raises
    ------
    InputError
        If the truth's regions are not the samples'.
    """
    card = read_json(folder / "truth.json")
    frames = nearest_frame(offset, samples.t_r) + np.arange(samples.X.shape[1])
    planted_t_r = card.get("settings", {}).get("t_r", samples.t_r)
    # where samples are resampled, the nearest frames
    rows = np.array([nearest_frame(seconds, planted_t_r) for seconds in frames * samples.t_r])
    truth = {}
    for task in samples.classes:
        table = read_own_tsv(folder / f"task-{task}_response.tsv", "the planted response")
        if tuple(map(str, table.columns)) != samples.names:
            raise InputError(f"The truth in {folder} names other regions than the samples: use the atlas that the "
                             "scans were simulated with, or leave [scans] truth out.")
        truth[task] = table.to_numpy()[rows[rows < len(table)]] > card["threshold"]
    return truth


def _held_out(stem: Path, n_samples: int) -> list[int]:
    """Return the numbers of the samples that a fold held out, as the JSON of its saliency lists them."""
    path = stem.with_name(stem.name + ".json")
    found = read_record(path, {"samples": list}, "explain CONFIG.toml")["samples"]
    if not all(isinstance(one, int) and 0 <= one < n_samples for one in found):
        raise DamagedError(f"{path} is damaged: samples must list numbers from 0 to {n_samples - 1}. `fmri-saliency "
                           "explain CONFIG.toml` makes it again.", path)
    return found


def _without_training(config: Config, network: str, samples: Samples) -> tuple[Evidence, dict[str, Any]]:
    """Compare the first fold's decoder with the same network with new weights, on samples that it held out.

    Returns
    -------
    Evidence
        Of where in time the saliency lies.
    dict
        What is left of each time step in the last state and in the answer.
    """
    space = Workspace(config.output.path)
    stem = space.fold_saliency(network, 1)
    chosen = _held_out(stem, len(samples.y))
    decoder = load_decoder(space.fold(network, 1), config.decoder.device, config.decoder.threads)
    maps = read_saliency(stem)
    # the labels whose answer was explained: with target = "predicted" not those of the samples
    test = Rows(samples.X, chosen), np.array(maps.labels), samples.t_r, samples.names
    settings = replace(config.saliency, target="true")
    others = Rows(samples.X, np.setdiff1d(np.arange(len(samples.y)), chosen))
    fresh = [decoder.untrained(config.decoder.seed + 1000 + draw) for draw in range(DRAWS)]
    with scratch_folder(space.root) as folder:
        place = folder / "maps.npy"  # of one draw after the other
        drawn = (explain_samples(one, *test, settings, others, to=place) for one in fresh)
        compared = compare_untrained(maps, drawn, network)
    return compared, _vanishing(network, decoder, fresh, *test[:2])


def _panels(config: Config, samples: Samples, truth: dict[str, np.ndarray] | None) -> dict[str, Any]:
    """Check the maps of some samples that the first fold of the main network held out."""
    space, network = Workspace(config.output.path), config.decoder.network
    stem = space.fold_saliency(network, 1)
    held = np.array(_held_out(stem, len(samples.y)))
    decoder = load_decoder(space.fold(network, 1), config.decoder.device, config.decoder.threads)
    return check_held_out(config, samples, decoder, read_saliency(stem), held, truth)


def _vanishing(
    network: str, decoder: TaskDecoder, fresh: list[TaskDecoder], X: Rows, y: np.ndarray
) -> dict[str, Any]:
    """Say how much of each time step is left in a network's answer, ready for JSON, which knows no NaN."""
    few = np.unique(np.linspace(0, len(X) - 1, FEW).round().astype(int))
    inputs = torch.as_tensor(X[few], dtype=torch.float32, device=decoder.device)
    targets = torch.as_tensor(np.searchsorted(decoder.classes_, y[few]), device=decoder.device)
    with limited_threads(decoder.threads):
        found = vanishing_profile(network, decoder.module_, inputs, targets, [one.module_ for one in fresh])
    return {
        key: value if isinstance(value, str) else np.where(np.isfinite(value), value, None).tolist()
        for key, value in vars(found).items()
    }


def judge(config: Config) -> list[Evidence]:
    """Check the maps and write ``evidence/evidence.json``.

    For every network: the share of saliency in the first and last tenth of the steps, how far
    the profile over time is that of the network before training, and how much of each time step is left in
    its last state (``vanishing``, see :func:`fmri_saliency.models.vanishing_profile`). For the main network, on some
    samples that the first fold held out: whether the answer hangs on what the maps call important, and how like the
    maps of networks that know nothing they are (``panels``, see :mod:`fmri_saliency.pipeline.steps.judged_panels`). For
    simulated scans also: how well the class maps recover what was planted.
    """
    with noted(config, "judge"):
        reopen(config)
        with Workspace(config.output.path).alone("judge"):
            return _judge(config)


def _judge(config: Config) -> list[Evidence]:
    space = Workspace(config.output.path)
    samples, _ = load_samples(config)
    inputs = check_explained(config)
    found: list[Evidence] = []
    vanishing: list[dict[str, Any]] = []
    for network in tqdm(config.decoder.networks, desc="Judging", unit="network"):
        beside, profile = _without_training(config, network, samples)
        found.append(beside)
        vanishing.append(profile)
        found += edge_shares(read_saliency(space.saliency(network, "samples")), network)
    known = config.scans.truth is not None and config.samples.unit == "run"
    truth = read_truth(config.scans.truth, samples, config.samples.offset) if known else None
    panels = _panels(config, samples, truth)
    found.append(hangs_on_the_map(panels))
    if truth is not None:
        classes = read_saliency(space.saliency(config.decoder.network, "classes"))
        results = recover(classes, truth, config.decoder.seed)
        found += results
        for check in dict.fromkeys(item.check for item in results):
            values = [item.value for item in results if item.check == check]
            nulls = [item.null for item in results if item.check == check]
            say(f"{check}: AUROC {np.mean(values):.3f} on average over classes, lowest {min(values):.3f} (random maps "
                f"{np.mean(nulls):.3f}).")
    sources = [f"bids::saliency/{network}/samples.npy" for network in config.decoder.networks]
    came = origin(space.root, sources, saliency=to_plain(config.saliency))
    card = {"inputs": inputs, "seed": config.decoder.seed, **came, "evidence": [asdict(item) for item in found],
            "vanishing": vanishing, "panels": panels}  # fmt: skip
    write_json(space.root / "evidence" / "evidence.json", card)
    return found
