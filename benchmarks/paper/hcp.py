"""The paper's two figures on task scans: salient cells in on-task steps, and accuracy without the salient cells.

Call it as ``python benchmarks/paper/hcp.py`` for simulated scans in the HCP layout, or with ``CONFIG.toml`` for scans
of your own: the configuration that ``fmri-saliency run`` reads. Its scans, atlas, cleaning, samples, networks,
training and folds are used. Rows that ``benchmarks/results/paper/hcp.json`` has are not made again. ``--quick``
takes few people. Writes ``hcp.md`` and two figures. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tomli_w
import torch
from keeping import RESULTS, Row, finish, make_rows, parse, spread, table
from published import DROP, ON_TASK, PERCENT
from reference import explain, last_tenth

from fmri_saliency.decoding import TaskDecoder, make_folds
from fmri_saliency.disk.files import digest, write_text
from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import InputError
from fmri_saliency.evidence import on_task_share, on_task_steps, removal_drop
from fmri_saliency.pipeline.commands.demo import simulate
from fmri_saliency.pipeline.steps.extraction import extract
from fmri_saliency.pipeline.steps.sampling import load_samples
from fmri_saliency.pipeline.study.config import Config, load_config
from fmri_saliency.pipeline.study.runs import find
from fmri_saliency.plotting import plot_curves
from fmri_saliency.records import Samples
from fmri_saliency.simulated_scans import SimulationSettings

SIZES = {
    "subjects": (24, 4, "simulated people"),
    "epochs": (60, 2, "most epochs of training on simulated scans"),
}
DELAYS = {"on_task": 0.0, "on_task_delayed": 5.0}  # s; of the design, and of the response to it
SHARES = tuple(percent / 100 for percent in PERCENT)
PUBLISHED = {"lstm": "LSTM", "input-cell-lstm": "input-cell"}


@dataclass(frozen=True)
class Data:
    """Samples with which of their steps are on task, one array per delay."""

    samples: Samples
    on_task: dict[str, np.ndarray]
    name: str


def simulated_config(work: Path, subjects: int, epochs: int) -> Path:
    """Simulate scans below `work` where they are not there, and write their configuration; return its path."""
    simulate(work / "scans", SimulationSettings(subjects=subjects))
    values = tomllib.loads((data_folder("workflows") / "demo.toml").read_text(encoding="utf-8"))
    values["scans"].update(path="scans", truth="scans/truth")
    values["decoder"].update(compare=["lstm", "lstm-mean-pooling"], folds=min(4, subjects))
    values["decoder"]["training"]["max_epochs"] = epochs
    write_text(work / "hcp.toml", tomli_w.dumps(values))
    return work / "hcp.toml"


def load(config: Config, name: str) -> Data:
    """Extract what is not extracted yet, cut samples, and say which of their steps are on task."""
    extract(config)
    samples, _ = load_samples(config)
    events = {run.key: run.events for run in find(config).runs}
    if not all(events[run] for run in samples.table["run"]):
        raise InputError("Every run needs its events (EVs, or a table of events): they say which steps are on task.")
    n_times, rows = samples.X.shape[1], list(zip(samples.table["run"], samples.table["start"], strict=True))
    on_task = {
        kind: np.array([on_task_steps(events[run], n_times, samples.t_r, start, delay) for run, start in rows])
        for kind, delay in DELAYS.items()
    }
    return Data(samples, on_task, name)


def measure(key: Row, config: Config, data: Data) -> Row:
    """Train every network on one split, and rank and remove cells by the saliency of each."""
    X, y, seed = data.samples.X, data.samples.y, key["seed"]
    fold = make_folds(data.samples, config.decoder.split, config.decoder.folds, seed)[0]
    seen = np.sort(np.concatenate([fold.train, fold.valid]))
    x_test, y_test = X[fold.test], y[fold.test]
    decoders, maps = {}, {}
    for network in config.decoder.networks:
        decoder = TaskDecoder(network, config.decoder.architecture, config.decoder.training, seed=seed)
        decoders[network] = decoder.fit(X[seen], y[seen], validation=np.isin(seen, fold.valid))
        target = np.searchsorted(decoder.classes_, y_test)
        maps[network] = explain(decoder.module_, x_test, target)
        maps[f"{network}, untrained"] = explain(decoder.untrained(seed + 1000).module_, x_test, target)
    maps["random ranking"] = np.random.default_rng([seed, 7]).random(x_test.shape)
    accuracy = {name: round(float(one.score(x_test, y_test)), 4) for name, one in decoders.items()}
    shares = {
        kind: {name: as_text(on_task_share(one, steps[fold.test], SHARES)) for name, one in maps.items()}
        for kind, steps in data.on_task.items()
    }
    drops = {
        network: {
            name: as_text(removal_drop(decoder.predict, x_test, y_test, one, SHARES)) for name, one in maps.items()
        }
        for network, decoder in decoders.items()
    }
    chance = {kind: round(float(steps[fold.test].mean()), 4) for kind, steps in data.on_task.items()}
    return {
        "accuracy": accuracy, **shares, "share_of_steps": chance, "drop": drops,
        "last_tenth_share": {name: round(last_tenth(one), 4) for name, one in maps.items()},
        "samples": {"train": len(fold.train), "stop": len(fold.valid), "test": len(fold.test)},
        "n_times": X.shape[1], "n_regions": X.shape[2], "classes": list(data.samples.classes),
    }  # fmt: skip


def as_text(values: np.ndarray) -> str:
    """Return a short row of numbers as one text, which stays on one line of the JSON file."""
    return " ".join(f"{value:.4f}" for value in values)


def as_percent(texts: list[str]) -> np.ndarray:
    """Return such texts as per cent, shape (n_seeds, n_shares)."""
    return 100 * np.array([[float(value) for value in text.split()] for text in texts])


def show(row: Row) -> str:
    """Return a line for a row."""
    words = ", ".join(f"{name} {value:.3f}" for name, value in row["accuracy"].items())
    return f"seed {row['seed']}: accuracy {words}; {row['seconds']:.0f} s"


def page(rows: list[Row], data: Data) -> str:
    """Return the page with its tables."""
    first = rows[0]
    names, networks = list(first["on_task"]), list(first["accuracy"])
    seeds = ", ".join(str(row["seed"]) for row in rows)
    head = ["", *(f"{percent} %" for percent in PERCENT)]
    parts = [
        "# The two HCP figures of the input-cell attention paper, again\n",
        f"Made by `python benchmarks/paper/hcp.py`; data: {data.name}; every row with its seed is in `hcp.json`. "
        f"Classes: {', '.join(first['classes'])}; samples of {first['n_times']} frames and {first['n_regions']} "
        f"regions; {first['samples']['train']} for training, {first['samples']['stop']} to stop on, "
        f"{first['samples']['test']} held out. Ours: mean over seeds {seeds} (lowest to highest), each with its own "
        "split, weights and order. "
        "Paper: one run on HCP scans whose tasks, regions and split are not known here, read off a figure. Saliency is "
        "the absolute slope of the true class's probability.\n",
        "## Accuracy, and share of saliency in the last tenth of the steps (even: 10 %)\n",
        table(
            ["network", "accuracy %", "last tenth %", "untrained: last tenth %"],
            [[n, spread((row["accuracy"][n] for row in rows), 1, 100),
              spread((row["last_tenth_share"][n] for row in rows), 1, 100),
              spread((row["last_tenth_share"][f"{n}, untrained"] for row in rows), 1, 100)] for n in networks],
        ),
    ]  # fmt: skip
    for kind, delay in DELAYS.items():
        lines = []
        for name in names:
            known = ON_TASK.get(PUBLISHED.get(name, ""))
            if known and kind == "on_task":
                lines.append([f"{name}: paper", *(f"{value:.1f}" for value in known)])
            lines.append([name, *(spread(column, 1) for column in as_percent([row[kind][name] for row in rows]).T)])
        even = spread((row["share_of_steps"][kind] for row in rows), 1, 100)
        lines.append(["*share of steps that are on task*", *([even] * len(PERCENT))])
        words = f", events taken to be {delay:g} s later" if delay else ""
        title = f"## Share of the most salient cells that lie in on-task steps, per cent{words}\n"
        parts += [title, table(head, lines)]
    for network in networks:
        lines = []
        for name in names:
            known = DROP.get((PUBLISHED.get(network), PUBLISHED.get(name)))
            if known:
                lines.append([f"{name}: paper", *(f"{value:.1f}" for value in known)])
            lines.append(
                [name, *(spread(column, 1) for column in as_percent([row["drop"][network][name] for row in rows]).T)]
            )
        parts += [f"## Points of accuracy that {network} loses, cells removed in the order of\n", table(head, lines)]
    return "\n".join(parts)


def draw_figures(rows: list[Row]) -> dict[str, object]:
    """Return both figures."""
    names, networks = list(rows[0]["on_task"]), list(rows[0]["accuracy"])
    back = {known: name for name, known in PUBLISHED.items()}
    shares, lost, published = {}, {}, {}
    for kind, delay in DELAYS.items():
        label = "In on-task steps (%)" + (f", {delay:g} s later" if delay else "")
        shares[label] = {name: as_percent([row[kind][name] for row in rows]) for name in names}
        even = np.array([[100 * row["share_of_steps"][kind]] * len(PERCENT) for row in rows])
        shares[label]["share of steps"] = even
        if not delay:
            published[label] = {back[name]: values for name, values in ON_TASK.items() if back[name] in names}
    known = {}
    for network in networks:
        label = f"Accuracy lost by {network} (points)"
        lost[label] = {name: as_percent([row["drop"][network][name] for row in rows]) for name in names}
        known[label] = {
            back[ranking]: values for (answering, ranking), values in DROP.items()
            if back[answering] == network and back[ranking] in names
        }  # fmt: skip
    salient, removed = "Most salient cells (%)", "Cells removed, most salient first (%)"
    return {
        "hcp_on_task": plot_curves(PERCENT, shares, published, salient, "Salient cells in on-task steps"),
        "hcp_removal": plot_curves(PERCENT, lost, known, removed, "Without the salient cells, by whose saliency"),
    }


def main() -> None:
    """Make the rows that are missing, the page and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, nargs="?", help="configuration of your own scans; simulated when omitted")
    parser.add_argument("--work", type=Path, help="folder of the simulated scans (default build/paper-hcp)")
    options = parse(parser, SIZES)
    work = options.work or (options.out / "work" if options.quick else RESULTS.parents[2] / "build" / "paper-hcp")
    path = options.config or simulated_config(work, **options.sizes)
    config = load_config(path)
    name = options.config.name if options.config else f"simulated scans of {options.sizes['subjects']} people"
    data = load(config, name)
    torch.set_num_threads(1)
    used = {k: v for k, v in asdict(config.decoder).items() if k not in ("seed", "device", "threads")}
    wanted = [
        {"data": name, "samples_digest": digest(data.samples.X), "settings_digest": digest(used), "seed": seed}
        for seed in options.seed
    ]
    rows = make_rows(options.out / "hcp.json", wanted, lambda key: measure(key, config, data), show)
    accuracy, shares = rows[0]["accuracy"], rows[0]["on_task"]
    summary = {
        "accuracy": {n: round(float(np.mean([row["accuracy"][n] for row in rows])), 4) for n in accuracy},
        "on_task_percent": {n: as_text(as_percent([row["on_task"][n] for row in rows]).mean(axis=0)) for n in shares},
        "share_of_steps": round(float(np.mean([row["share_of_steps"]["on_task"] for row in rows])), 4),
    }
    finish(options.out, "hcp", page(rows, data), draw_figures(rows), {"data": name, "hcp": summary})


if __name__ == "__main__":
    main()
