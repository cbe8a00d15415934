"""The paper's Table 1 and its supplement's pooling variants, with the baselines they lack.

Call it as ``python benchmarks/paper/table1.py``; rows that ``benchmarks/results/paper/table1.json`` has are not made
again, so it can be stopped at any time. ``--set``, ``--network`` and ``--seed`` choose some rows, ``--quick`` takes two
of them. Writes ``table1.md`` and two figures. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
from functools import lru_cache

import numpy as np
from keeping import Row, finish, make_rows, mean_of, parse, spread, table
from published import SETS, table1
from reference import VARIANTS, judge_baselines, run_variant, standardise

from fmri_saliency.plotting import plot_beside
from fmri_saliency.simulation import make

SIZES = {
    "train": (1000, 300, "training samples"),
    "test": (300, 100, "test samples, for the accuracy"),
    "explained": (60, 20, "test samples that are explained"),
    "batches": (1200, 60, "most minibatches of 50 in training"),
}
LARGE = {"mixed": 8}  # the paper trains on eight times as many samples there
COLUMNS = (
    "network", "WJac: paper", "ours", "untrained", "Euc: paper", "ours", "accuracy %: paper", "ours", "AUROC: ours",
    "untrained", "AUPRC: ours", "untrained", "last tenth: ours", "untrained", "minibatches",
)  # fmt: skip


@lru_cache(maxsize=1)
def draw(name: str, seed: int, train: int, test: int, explained: int) -> tuple[np.ndarray, ...]:
    """Return standardised data: training x and y, test x and y, x, y and truth of what is explained."""
    x, y, truth = make(name, train + test, seed)
    x_train, x_test = standardise(x[:train], x[train:])
    some = slice(None, explained)
    return x_train, y[:train], x_test, y[train:], x_test[some], y[train:][some], truth[train:][some]


def measure(key: Row) -> Row:
    """Train and explain one network on one set, or judge the maps that know nothing."""
    sizes = key["sizes"]
    data = draw(key["set"], key["seed"], sizes["train"], sizes["test"], sizes["explained"])
    if key["network"] == "baselines":
        return {"maps": judge_baselines(data[4], data[6], key["seed"]), "density": round(float(data[6].mean()), 4)}
    return run_variant(key["network"], data, key["seed"], sizes["batches"])


def show(row: Row) -> str:
    """Return a line for a row."""
    begin = f"{row['set']:>14} {row['network']:>32} seed {row['seed']}:"
    if row["network"] == "baselines":
        return f"{begin} " + ", ".join(f"{name} {one['weighted_jaccard']:.3f}" for name, one in row["maps"].items())
    return (f"{begin} accuracy {row['accuracy']:.3f}, WJac {row['weighted_jaccard']:.3f} (untrained "
            f"{row['untrained']['weighted_jaccard']:.3f}), AUROC {row['auroc']:.3f}, {row['minibatches']} minibatches, "
            f"{row['seconds']:.0f} s")  # fmt: skip


def line(label: str, name: str, rows: list[Row]) -> list[str]:
    """Return a network's line of the table."""
    known = table1(VARIANTS[label].published, name)

    def ours(figure: str, digits: int = 3, scale: float = 1.0) -> str:
        return spread((row[figure] for row in rows), digits, scale)

    def fresh(figure: str, digits: int = 3) -> str:
        return spread((row["untrained"][figure] for row in rows), digits)

    return [
        label,
        f"{known['weighted_jaccard']:.3f}" if known else "-", ours("weighted_jaccard"), fresh("weighted_jaccard"),
        f"{known['euclidean']:.3f}" if known else "-", ours("euclidean"),
        f"{100 * known['accuracy']:.1f}" if known else "-", ours("accuracy", 1, 100),
        ours("auroc", 2), fresh("auroc", 2), ours("auprc", 2), fresh("auprc", 2),
        ours("last_tenth_share", 2), fresh("last_tenth_share", 2), ours("minibatches", 0),
    ]  # fmt: skip


def baseline_lines(rows: list[Row]) -> list[list[str]]:
    """Return the lines of the maps that know nothing."""
    lines = []
    for name in rows[0]["maps"] if rows else ():
        one = {figure: spread((row["maps"][name][figure] for row in rows), 3) for figure in rows[0]["maps"][name]}
        cells = [
            "-", one["weighted_jaccard"], "-", "-", one["euclidean"], "-", "-", one["auroc"], "-", one["auprc"], "-",
            one["last_tenth_share"], "-", "-",
        ]  # fmt: skip
        lines.append([f"*{name}*", *cells])
    return lines


def page(rows: list[Row], sets: list[str], networks: list[str], sizes: dict[str, int]) -> str:
    """Return the page with one table per set."""
    parts = [
        "# Table 1 of the input-cell attention paper, again\n",
        "Made by `python benchmarks/paper/table1.py`; every row with its seed is in `table1.json`. Ours: mean over "
        "seeds (lowest to highest). Paper: one run, no spread. Saliency is the absolute slope of the true class's "
        "probability; WJac and Euc are the paper's scores; AUROC and AUPRC rank the cells of each sample against its "
        "box (chance: 0.5 and the share of true cells). \"Last tenth\" is the share of saliency in the last tenth of "
        "the steps (even: 0.10). Untrained: the same network before its first minibatch. Rows in italics are maps made "
        f"without any network. Training: {sizes['train']} samples (mixed: {LARGE['mixed'] * sizes['train']}), at most "
        f"{sizes['batches']} minibatches of 50; accuracy on {sizes['test']} test samples, maps of "
        f"{sizes['explained']}.\n",
    ]
    for name in sets:
        here = [row for row in rows if row["set"] == name]
        baselines = [row for row in here if row["network"] == "baselines"]
        by = {label: [row for row in here if row["network"] == label] for label in networks}
        lines = [line(label, name, found) for label, found in by.items() if found] + baseline_lines(baselines)
        share = f", {100 * baselines[0]['density']:.0f} % of cells true" if baselines else ""
        seeds = ", ".join(str(seed) for seed in dict.fromkeys(row["seed"] for row in here))
        parts += [f"## {SETS[name]} (seeds {seeds}{share})\n", table(COLUMNS, lines)]
    return "\n".join(parts)


def draw_figure(rows: list[Row], sets: list[str], networks: list[str], figure: str, label: str) -> object:
    """Return one score of all networks on all sets."""
    panels, others, published, lines = {}, {}, {}, {}
    for name in sets:
        here = [row for row in rows if row["set"] == name]
        title = SETS[name]
        panels[title] = {n: [row[figure] for row in here if row["network"] == n] for n in networks}
        others[title] = {n: [row["untrained"][figure] for row in here if row["network"] == n] for n in networks}
        known = {n: table1(VARIANTS[n].published, name).get(figure) for n in networks}
        published[title] = {n: value for n, value in known.items() if value is not None}
        flat = [row["maps"] for row in here if row["network"] == "baselines"]
        lines[title] = {n: float(np.mean([maps[n][figure] for maps in flat])) for n in (flat[0] if flat else ())}
    return plot_beside(panels, published, lines, others, label, "Table 1 again")


def main() -> None:
    """Make the rows that are missing, the page and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=SETS, action="append")
    parser.add_argument("--network", choices=VARIANTS, action="append")
    options = parse(parser, SIZES)
    sets = options.set or (["earlier"] if options.quick else list(SETS))
    networks = options.network or (["LSTM", "input-cell (mean)"] if options.quick else list(VARIANTS))
    wanted = [
        {"set": name, "network": network, "seed": seed,
         "sizes": {**options.sizes, "train": options.sizes["train"] * LARGE.get(name, 1)}}
        for seed in options.seed for name in sets for network in (*networks, "baselines")
    ]  # fmt: skip
    rows = make_rows(options.out / "table1.json", wanted, measure, show)
    figures = {
        "table1_weighted_jaccard": draw_figure(rows, sets, networks, "weighted_jaccard", "Weighted Jaccard (paper's)"),
        "table1_auroc": draw_figure(rows, sets, networks, "auroc", "AUROC of the box, per sample"),
    }
    summary = {
        name: {
            network: {figure: mean_of(found, figure) for figure in ("accuracy", "weighted_jaccard", "auroc")}
            for network in networks
            if (found := [row for row in rows if row["set"] == name and row["network"] == network])
        }
        for name in sets
    }
    finish(options.out, "table1", page(rows, sets, networks, options.sizes), figures, {"table1": summary})


if __name__ == "__main__":
    main()
