"""The paper's MNIST figure: digits read a row at a time, and where in them the saliency of each network lies.

Call it as ``python benchmarks/paper/mnist.py [--path mnist.npz]``; rows that ``benchmarks/results/paper/mnist.json``
has are not made again. MNIST is looked for at ``../shared/data/mnist/mnist_subset.npz`` from the repository; where it
is absent, scikit-learn's smaller digits are used, and the rows say so. ``--network`` and ``--seed`` choose some rows,
``--quick`` takes few samples. Writes ``mnist.md`` and two figures. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from keeping import RESULTS, Row, finish, make_rows, mean_of, parse, spread, table
from reference import VARIANTS, accuracy, build, explain, last_tenth, train_variant

from fmri_saliency.disk.files import write_array
from fmri_saliency.evidence import localise
from fmri_saliency.plotting import plot_curves, plot_maps
from fmri_saliency.simulation import make

MNIST = RESULTS.parents[3] / "shared" / "data" / "mnist" / "mnist_subset.npz"
SIZES = {
    "train": (6000, 500, "training samples"),
    "test": (1000, 200, "test samples, for the accuracy"),
    "explained": (500, 60, "test samples that are explained"),
    "batches": (1880, 40, "most minibatches of 64 in training"),
}
NETWORKS = ("LSTM", "input-cell (mean)", "input-cell (flatten)", "input-cell (flatten_l2)")
DIGITS = tuple(range(10))
SHOWN = (1, 6, 7)  # the poster's
NETWORK_SIZES, RATE = (25, 28, 30), 2e-3  # hidden units, hops, attention units: the authors' for MNIST of 2020
SCORES = {
    "accuracy": "accuracy",
    "last_tenth_share": "saliency in the last tenth of the rows",
    "first_half_share": "in the first half",
    "own_stroke": "correlation with the digit's mean stroke",
    "other_strokes": "with the other digits'",
    "auroc": "AUROC of the sample's own stroke",
}


@lru_cache(maxsize=1)
def draw(path: str, seed: int, train: int, test: int) -> tuple[np.ndarray, ...]:
    """Return training x and y, test x, y and strokes, brightness from 0 to 1."""
    x, y, stroke = make("digits", train + test, seed, digits=DIGITS, path=path or None)
    return x[:train], y[:train], x[train:], y[train:], stroke[train:]


def class_means(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mean over the samples of every class, shape (10, rows, columns)."""
    return np.stack([values[y == digit].mean(axis=0) for digit in DIGITS])


def judge(maps: np.ndarray, x: np.ndarray, y: np.ndarray, stroke: np.ndarray) -> dict[str, object]:
    """Return where the saliency lies: shares of rows, and likeness with the strokes."""
    means, strokes = class_means(maps, y), class_means(x, y)
    n = len(DIGITS)
    likeness = np.corrcoef(means.reshape(n, -1), strokes.reshape(n, -1))[:n, n:]
    own = np.eye(n, dtype=bool)
    rows = maps.sum(axis=2)
    shares = (rows / rows.sum(axis=1, keepdims=True)).mean(axis=0)
    usable = stroke.any(axis=(1, 2))
    scores = {
        "last_tenth_share": last_tenth(maps), "first_half_share": shares[: len(shares) // 2].sum(),
        "own_stroke": likeness[own].mean(), "other_strokes": likeness[~own].mean(),
        "auroc": localise(maps[usable], stroke[usable]).auroc,
    }  # fmt: skip
    return {name: round(float(value), 4) for name, value in scores.items()} | {
        "row_shares": " ".join(f"{share:.5f}" for share in shares)
    }


def measure(key: Row, path: str, out: Path) -> Row:
    """Train and explain one network; keep its mean maps, before and after training, beside the rows."""
    sizes, seed = key["sizes"], key["seed"]
    x, y, x_test, y_test, stroke = draw(path, seed, sizes["train"], sizes["test"])
    some = slice(None, sizes["explained"])
    explained = x_test[some], y_test[some]
    if key["network"] == "random map":
        return judge(np.random.default_rng([seed, 7]).random(explained[0].shape), *explained, stroke[some])
    variant = replace(VARIANTS[key["network"]], double_softmax=False)  # ten classes hardly learn with it
    module = build(variant, x.shape[2], len(DIGITS), seed, NETWORK_SIZES)
    before = explain(module, *explained)
    fresh = {"accuracy": round(accuracy(module, x_test, y_test), 4), **judge(before, *explained, stroke[some])}
    ended = train_variant(variant, module, x, y, seed, sizes["batches"], batch_size=64, learning_rate=RATE)
    after = explain(module, *explained)
    means = [class_means(maps, explained[1])[list(SHOWN)].astype(np.float32) for maps in (before, after)]
    write_array(out / "mnist_maps" / map_name(key), np.stack(means))
    scores = {"accuracy": round(accuracy(module, x_test, y_test), 4), **judge(after, *explained, stroke[some])}
    return {**scores, **ended, "untrained": fresh}


def map_name(row: Row) -> str:
    """Return the name of the file with a row's mean maps: (before and after training, digit, row, column)."""
    return "".join(c if c.isalnum() else "_" for c in row["network"].lower()) + f"_seed-{row['seed']}.npy"


def show(row: Row) -> str:
    """Return a line for a row."""
    return (f"{row['network']:>24} seed {row['seed']}: accuracy {row.get('accuracy', float('nan')):.3f}, last tenth "
            f"{row['last_tenth_share']:.3f}, own stroke {row['own_stroke']:.3f}, others {row['other_strokes']:.3f}")


def page(rows: list[Row], networks: list[str], seeds: list[int], options: argparse.Namespace, data: str) -> str:
    """Return the page with its table."""
    lines = []
    for network in networks:
        here = [row for row in rows if row["network"] == network]
        lines.append([network, *(spread(row[figure] for row in here) for figure in SCORES)])
        fresh = [row["untrained"] for row in here]
        lines.append([f"{network}, untrained", *(spread(row[figure] for row in fresh) for figure in SCORES)])
    flat = [row for row in rows if row["network"] == "random map"]
    lines.append(["*random map*", *(spread(row.get(figure) for row in flat) for figure in SCORES)])
    sizes = options.sizes
    return "\n".join([
        "# The MNIST figure of the input-cell attention paper, again\n",
        f"Made by `python benchmarks/paper/mnist.py`; data: {data}; every row with its seed is in `mnist.json`. A "
        "digit is a time series of its rows, from the top. Published: pictures only, on which the LSTM's saliency is "
        "non-zero in the last rows alone, and the input-cell's follows the strokes at all rows. Ours: mean over seeds "
        f"{', '.join(map(str, seeds))} (lowest to highest); {NETWORK_SIZES[0]} hidden units, {NETWORK_SIZES[1]} hops, "
        f"{NETWORK_SIZES[2]} attention units, {sizes['train']} training samples of ten digits, at most "
        f"{sizes['batches']} minibatches of 64 (Adam, {RATE:g}), cross-entropy of the logits, maps of "
        f"{sizes['explained']} of {sizes['test']} test samples. Correlations are over pixels, of the mean map of each "
        "digit's samples with the mean image of that digit or of the nine others, averaged over digits.\n",
        table(["network", *SCORES.values()], lines),
    ])  # fmt: skip


def draw_maps(rows: list[Row], networks: list[str], path: str, out: Path) -> object:
    """Return the mean maps of the first seed, with the mean strokes on top."""
    first = rows[0]
    sizes = first["sizes"]
    _, _, x_test, y_test, _ = draw(path, first["seed"], sizes["train"], sizes["test"])
    some = slice(None, sizes["explained"])
    maps = {"mean stroke": class_means(x_test[some], y_test[some])[list(SHOWN)]}
    for row in rows:
        if row["network"] in networks and row["seed"] == first["seed"]:
            before, after = np.load(out / "mnist_maps" / map_name(row))
            maps[row["network"]] = after
            maps[f"{row['network']},\nuntrained"] = before
    return plot_maps(maps, [f"digit {digit}" for digit in SHOWN], f"Mean saliency, seed {first['seed']}")


def draw_rows(rows: list[Row], networks: list[str]) -> object:
    """Return the share of saliency in every row of the digits."""
    curves = {}
    for network in networks:
        here = [row for row in rows if row["network"] == network]
        curves[network] = np.array([[float(v) for v in row["row_shares"].split()] for row in here])
        fresh = [[float(v) for v in row["untrained"]["row_shares"].split()] for row in here]
        curves[f"{network}, untrained"] = np.array(fresh)
    n_rows = next(iter(curves.values())).shape[1]
    return plot_curves(range(n_rows), {"Share of saliency": curves}, label="Row of the digit, from the top")


def main() -> None:
    """Make the rows that are missing, the page and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, help="MNIST as an NPZ file with x_train, y_train, x_test, y_test")
    parser.add_argument("--network", choices=NETWORKS, action="append")
    options = parse(parser, SIZES)
    path = str(options.path or (MNIST if MNIST.is_file() else ""))
    data = Path(path).name if path else "scikit-learn's digits"
    if not path:  # there are 1797 of them
        options.sizes |= {"train": min(options.sizes["train"], 1200), "test": min(options.sizes["test"], 500)}
    networks = options.network or (["LSTM", "input-cell (mean)"] if options.quick else list(NETWORKS))
    wanted = [
        {"data": data, "network": network, "seed": seed, "sizes": options.sizes}
        for seed in options.seed for network in (*networks, "random map")
    ]  # fmt: skip
    out = options.out
    rows = make_rows(out / "mnist.json", wanted, lambda key: measure(key, path, out), show)
    figures = {"mnist_maps": draw_maps(rows, networks, path, out), "mnist_rows": draw_rows(rows, networks)}
    summary = {
        network: {
            figure: mean_of([row for row in rows if row["network"] == network], figure) for figure in SCORES
        }
        for network in networks
    }
    text = page(rows, networks, options.seed, options, data)
    finish(out, "mnist", text, figures, {"data": data, "mnist": summary})


if __name__ == "__main__":
    main()
