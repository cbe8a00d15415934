"""How well a network, a way of training and an explainer find planted signals, sample by sample.

Call it as ``python benchmarks/recovery.py --set earlier --seed 123`` for the default pair, with ``--pair NAME`` for
another, or with ``--all`` for every set, pair and seed; rows that ``benchmarks/results/recovery.json`` has are not
made again. ``--quick`` takes one small set. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from tqdm.auto import tqdm

from fmri_saliency import __version__
from fmri_saliency.attribution import METHODS, attribute
from fmri_saliency.decoding import Architecture, TaskDecoder, Training
from fmri_saliency.evidence import localise, paper_scores
from fmri_saliency.files import write_json
from fmri_saliency.simulation import make

RESULTS = Path(__file__).parent / "results" / "recovery.json"
SETS = ("earlier", "middle", "latter", "mixed", "three_earlier", "three_middle", "moving")
FRESH_SEEDS = (201, 202, 203, 204, 205)
N_TRAIN, N_VALID, N_TEST, N_EXPLAINED = 1000, 200, 300, 24


@dataclass(frozen=True)
class Pair:
    """A network, how it is trained, and how it is explained."""

    network: str
    architecture: Architecture
    training: Training
    explainer: str
    settings: dict[str, object] = field(default_factory=dict)
    smoothing: float = 0.0


_BASE = {"learning_rate": 2e-3, "weight_decay": 0.1, "batch_size": 50, "max_epochs": 40, "patience": 8}
_SIZE = {"hidden_size": 32, "dropout": 0.1}
_REPLACED = Training(**_BASE, way="replacement", share=0.85, block=10)
_LONGER = Training(**(_BASE | {"patience": 40}), way="replacement", share=0.85, block=10)
_LATENT = {"window": 5, "size_penalty": 1.5}
_COARSE = {"window": 10, "size_penalty": 2.0}
# The -coarse pairs were chosen on development seed 1 (earlier, moving, mixed). Seed 101 showed that windows of 10 steps
# are too coarse for mixed and three_middle, whose boxes begin and end in the middle of one; windows of 5 were chosen on
# seed 1 again, and are reported on seeds from 201 on. Boxes begin and end at multiples of 5 steps, which helps them.
# The pooled and separable pairs were chosen on seed 1, too (mixed, moving, latter), and are reported on seeds from 201
# on. Two directions take the edges' handicap away; without early stopping, weights become more even.
PAIRS = {
    "input-cell-pooled": Pair(
        "bi-input-cell-lstm", Architecture(**_SIZE, readout="mean", window=5), _LONGER, "pooled-attention"
    ),
    "lstm-pooled": Pair("bi-lstm", Architecture(**_SIZE, readout="mean"), _LONGER, "pooled-attention"),
    "input-cell-separable": Pair(
        "bi-input-cell-lstm", Architecture(**_SIZE, readout="mean", window=5), _LONGER, "pooled-attention",
        {"parameterisation": "separable", "size_penalty": 0.5},
    ),
    "input-cell-latent": Pair(
        "input-cell-lstm", Architecture(**_SIZE, readout="mean", window=5), _REPLACED, "latent-attention", _LATENT
    ),
    "lstm-latent": Pair("lstm", Architecture(**_SIZE, readout="mean"), _REPLACED, "latent-attention", _LATENT),
    "input-cell-latent-coarse": Pair(
        "input-cell-lstm", Architecture(**_SIZE, readout="mean", window=5), _REPLACED, "latent-attention", _COARSE
    ),
    "lstm-latent-coarse": Pair("lstm", Architecture(**_SIZE, readout="mean"), _REPLACED, "latent-attention", _COARSE),
    "input-cell-shap": Pair(
        "input-cell-lstm", Architecture(**_SIZE, readout="mean", window=5), _REPLACED, "gradient-shap",
        {"n_samples": 100, "noise": 0.0}, 6.0,
    ),
    "paper": Pair("input-cell-lstm", Architecture(**_SIZE), Training(**_BASE), "gradient"),
    "lstm-gradient": Pair("lstm", Architecture(**_SIZE, readout="mean"), Training(**_BASE), "gradient"),
}  # fmt: skip
DEFAULT = "input-cell-pooled"


def explain(decoder: TaskDecoder, pair: Pair, x: np.ndarray, y: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the maps of samples, smoothed over time as the pair has it."""
    target = torch.from_numpy(np.searchsorted(decoder.classes_, y))
    maps = attribute(
        decoder.module_, torch.from_numpy(x), target, pair.explainer, references=torch.from_numpy(references),
        **pair.settings,
    ).numpy()  # fmt: skip
    return gaussian_filter1d(maps, pair.smoothing, axis=1) if pair.smoothing else maps


def measure(name: str, pair_name: str, pair: Pair, seed: int) -> dict[str, object]:
    """Train and explain once; return a row of results."""
    begin = time.perf_counter()
    x, y, truth = make(name, N_TRAIN + N_VALID + N_TEST, seed)
    held_out = np.arange(N_TRAIN + N_VALID) >= N_TRAIN
    decoder = TaskDecoder(pair.network, pair.architecture, pair.training, seed=seed)
    decoder.fit(x[: len(held_out)], y[: len(held_out)], validation=held_out)
    test = slice(len(held_out), None)
    accuracy = decoder.score(x[test], y[test])
    some = slice(len(held_out), len(held_out) + N_EXPLAINED)
    maps = explain(decoder, pair, x[some], y[some], x[:N_TRAIN])
    found = localise(maps, truth[some], signed=METHODS[pair.explainer].multiplied_by_input)
    jaccard, distance = paper_scores(maps, truth[some])
    return {
        "set": name, "pair": pair_name, "network": pair.network, "training": asdict(pair.training),
        "architecture": asdict(pair.architecture), "explainer": pair.explainer, "settings": pair.settings,
        "smoothing_steps": pair.smoothing, "seed": seed, "accuracy": round(accuracy, 4), "chance": 0.5,
        "auroc": round(found.auroc, 4), "auprc": round(found.auprc, 4), "density": round(found.density, 4),
        "time_auroc": round(found.time_auroc, 4), "region_auroc": round(found.region_auroc, 4),
        "first_tenth_excess": round(found.first_excess, 4), "last_tenth_excess": round(found.last_excess, 4),
        "paper_weighted_jaccard": round(jaccard, 4), "paper_euclidean": round(distance, 4),
        "samples": {"train": N_TRAIN, "stop": N_VALID, "test": N_TEST, "explained": N_EXPLAINED},
        "epochs": len(decoder.history_), "seconds": round(time.perf_counter() - begin, 1),
        "command": f"python benchmarks/recovery.py --set {name} --pair {pair_name} --seed {seed}",
        "version": __version__,
    }  # fmt: skip


def show(row: dict[str, object]) -> None:
    """Print a row."""
    tqdm.write(f"{row['set']:>14} {row['pair']:>20} seed {row['seed']}: accuracy {row['accuracy']:.3f}, AUROC "
               f"{row['auroc']:.3f}, AUPRC {row['auprc']:.3f} (chance {row['density']:.2f}), first/last tenth "
               f"{row['first_tenth_excess']:+.3f}/{row['last_tenth_excess']:+.3f}, {row['seconds']:.0f} s")


def run_all(sets: tuple[str, ...], pairs: tuple[str, ...], seeds: tuple[int, ...]) -> list[dict[str, object]]:
    """Make the rows that are missing; each is kept as soon as it is there."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    done = {(row["set"], row["pair"], row["seed"]) for row in rows}
    wanted = [(name, pair, seed) for seed in seeds for name in sets for pair in pairs]
    for name, pair, seed in tqdm([key for key in wanted if key not in done], unit="row"):
        rows.append(measure(name, pair, PAIRS[pair], seed))
        show(rows[-1])
        write_json(RESULTS, rows)
    return [row for row in rows if (row["set"], row["pair"], row["seed"]) in wanted]


def main() -> None:
    """Measure what is asked for, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SETS, action="append")
    parser.add_argument("--pair", choices=PAIRS, action="append")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--all", action="store_true", help="all sets, pairs and fresh seeds, kept and resumed")
    parser.add_argument("--quick", action="store_true", help="one set and pair, under a minute")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.all:
        sets, pairs = tuple(options.set or SETS), tuple(options.pair or PAIRS)
        rows = run_all(sets, pairs, tuple(options.seed or FRESH_SEEDS))
    else:
        names, pairs = options.set or ["earlier"], options.pair or (["paper"] if options.quick else [DEFAULT])
        rows = [measure(name, pair, PAIRS[pair], seed) for name in names for pair in pairs
                for seed in options.seed or [FRESH_SEEDS[0]]]  # fmt: skip
        for row in rows:
            show(row)
    means: dict[str, dict[str, float]] = {}
    for key in dict.fromkeys((row["set"], row["pair"]) for row in rows):
        chosen = [row for row in rows if (row["set"], row["pair"]) == key]
        figures = ("accuracy", "auroc", "auprc")
        average = {figure: round(float(np.mean([row[figure] for row in chosen])), 4) for figure in figures}
        means["/".join(key)] = average | {"seeds": len(chosen)}
    print(json.dumps(means))


if __name__ == "__main__":
    main()
