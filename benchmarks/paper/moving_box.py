"""The paper's moving-box figure: saliency scores where the box of 60 steps begins at 0, 10, 20, 30 or 40.

Call it as ``python benchmarks/paper/moving_box.py``; rows that ``benchmarks/results/paper/moving_box.json`` has are not
made again. One network is trained for every start. ``--start``, ``--network`` and ``--seed`` choose some rows,
``--quick`` takes a few. Writes ``moving_box.md`` and ``moving_box.png``. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
from functools import lru_cache

import numpy as np
from keeping import Row, finish, make_rows, mean_of, parse, spread, table
from published import MOVING, STARTS
from reference import MAIN, VARIANTS, judge_baselines, run_variant, standardise

from fmri_saliency.plotting import plot_curves
from fmri_saliency.simulation import make

SIZES = {
    "train": (1000, 200, "training samples"),
    "test": (200, 60, "test samples, for the accuracy"),
    "explained": (60, 10, "test samples that are explained"),
    "batches": (1200, 30, "most minibatches of 50 in training"),
}
NETWORKS = tuple(label for label in MAIN if label != "Bi-LSTM, read at both ends")
FRESH = ("LSTM", "input-cell (mean)")  # drawn before training, too
SCORES = {
    "weighted_jaccard": "Weighted Jaccard (paper's)",
    "euclidean": "Euclidean distance (paper's)",
    "auroc": "AUROC of the box, per sample",
    "last_tenth_share": "Share of saliency in the last tenth",
    "accuracy": "Accuracy",
}


@lru_cache(maxsize=1)
def draw_all(seed: int, n_each: int) -> dict[int, tuple[np.ndarray, ...]]:
    """Return inputs, labels and truth of as many samples for every start."""
    x, y, truth = make("moving", round(len(STARTS) * (n_each + 5 * n_each**0.5)), seed)
    first = truth.any(axis=2).argmax(axis=1)
    chosen = {start: np.flatnonzero(first == start)[:n_each] for start in STARTS}
    return {start: (x[where], y[where], truth[where]) for start, where in chosen.items()}


@lru_cache(maxsize=1)
def draw(seed: int, start: int, train: int, test: int, explained: int) -> tuple[np.ndarray, ...]:
    """Return standardised data: training x and y, test x and y, x, y and truth of what is explained."""
    x, y, truth = draw_all(seed, train + test)[start]
    x_train, x_test = standardise(x[:train], x[train:])
    some = slice(None, explained)
    return x_train, y[:train], x_test, y[train:], x_test[some], y[train:][some], truth[train:][some]


def measure(key: Row) -> Row:
    """Train and explain one network for one start, or judge the maps that know nothing."""
    sizes = key["sizes"]
    data = draw(key["seed"], key["start"], sizes["train"], sizes["test"], sizes["explained"])
    if key["network"] == "baselines":
        return {"maps": judge_baselines(data[4], data[6], key["seed"])}
    return run_variant(key["network"], data, key["seed"], sizes["batches"])


def show(row: Row) -> str:
    """Return a line for a row."""
    begin = f"start {row['start']:>2} {row['network']:>32} seed {row['seed']}:"
    if row["network"] == "baselines":
        return f"{begin} " + ", ".join(f"{name} {one['weighted_jaccard']:.3f}" for name, one in row["maps"].items())
    return (f"{begin} accuracy {row['accuracy']:.3f}, WJac {row['weighted_jaccard']:.3f}, AUROC {row['auroc']:.3f}, "
            f"{row['minibatches']} minibatches, {row['seconds']:.0f} s")


def choose(rows: list[Row], network: str, start: int) -> list[Row]:
    """Return the rows of one network and start, one per seed."""
    return [row for row in rows if row["network"] == network and row["start"] == start]


def page(rows: list[Row], starts: list[int], networks: list[str], seeds: list[int], sizes: dict[str, int]) -> str:
    """Return the page with one table per score."""
    parts = [
        "# The moving box of the input-cell attention paper, again\n",
        "Made by `python benchmarks/paper/moving_box.py`; every row with its seed is in `moving_box.json`. A box of 60 "
        "steps (of 100) and 60 regions (of 100) begins at the step that heads each column; one network is trained for "
        f"every start, on {sizes['train']} samples, with at most {sizes['batches']} minibatches of 50; accuracy on "
        f"{sizes['test']} test samples, maps of {sizes['explained']}. Ours: mean over seeds "
        f"{', '.join(map(str, seeds))} (lowest to highest). Paper: one run, read off a figure. Untrained: the same "
        "network before its first minibatch. Rows in italics are maps made without any network.\n",
    ]
    for figure, title in SCORES.items():
        lines = []
        for network in networks:
            known = MOVING.get(figure, {}).get(VARIANTS[network].published)
            if known:
                lines.append([f"{network}: paper", *(f"{known[STARTS.index(start)]:.3f}" for start in starts)])
            ours = [choose(rows, network, start) for start in starts]
            lines.append([f"{network}: ours", *(spread(row[figure] for row in some) for some in ours)])
            fresh = [[row["untrained"] for row in some] for some in ours]
            lines.append([f"{network}: untrained", *(spread(row[figure] for row in some) for some in fresh)])
        flat = [[row["maps"] for row in choose(rows, "baselines", start)] for start in starts]
        for name in flat[0][0] if figure != "accuracy" else ():
            lines.append([f"*{name}*", *(spread(maps[name][figure] for maps in some) for some in flat)])
        parts += [f"## {title}\n", table(["box begins at step", *map(str, starts)], lines)]
    return "\n".join(parts)


def curve(rows: list[Row], network: str, starts: list[int], seeds: list[int], *path: str) -> np.ndarray:
    """Return a figure of a network, shape (n_seeds, n_starts); `path` leads to it inside a row."""
    found = np.empty((len(seeds), len(starts)))
    for column, start in enumerate(starts):
        for row in choose(rows, network, start):
            value = row
            for step in path:
                value = value[step]
            found[seeds.index(row["seed"]), column] = value
    return found


def draw_figure(rows: list[Row], starts: list[int], networks: list[str], seeds: list[int]) -> object:
    """Return the paper's figure: one curve per network over the start of the box."""
    panels, published = {}, {}
    labels = {VARIANTS[network].published: network for network in networks}
    labels["input-cell"] = "input-cell"  # which of the three forms is not said
    for figure in ("weighted_jaccard", "euclidean", "auroc"):
        panels[SCORES[figure]] = {
            **{network: curve(rows, network, starts, seeds, figure) for network in networks},
            **{f"{n}, untrained": curve(rows, n, starts, seeds, "untrained", figure) for n in FRESH if n in networks},
            "random map": curve(rows, "baselines", starts, seeds, "maps", "random map", figure),
        }
        published[SCORES[figure]] = {
            labels[name]: [values[STARTS.index(start)] for start in starts]
            for name, values in MOVING.get(figure, {}).items() if name in labels
        }  # fmt: skip
    return plot_curves(starts, panels, published, "First step of the box", "The moving box again")


def main() -> None:
    """Make the rows that are missing, the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", type=int, choices=STARTS, action="append")
    parser.add_argument("--network", choices=VARIANTS, action="append")
    options = parse(parser, SIZES)
    starts = options.start or ([0, 40] if options.quick else list(STARTS))
    networks = options.network or (["LSTM", "input-cell (mean)"] if options.quick else list(NETWORKS))
    wanted = [
        {"start": start, "network": network, "seed": seed, "sizes": options.sizes}
        for seed in options.seed for start in starts for network in (*networks, "baselines")
    ]  # fmt: skip
    rows = make_rows(options.out / "moving_box.json", wanted, measure, show)
    text = page(rows, starts, networks, options.seed, options.sizes)
    figures = {"moving_box": draw_figure(rows, starts, networks, options.seed)}
    summary = {
        network: {
            figure: [mean_of(choose(rows, network, start), figure) for start in starts]
            for figure in ("accuracy", "weighted_jaccard", "auroc")
        }
        for network in networks
    }
    finish(options.out, "moving_box", text, figures, {"starts": starts, "moving_box": summary})


if __name__ == "__main__":
    main()
