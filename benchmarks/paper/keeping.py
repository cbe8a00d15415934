"""Rows of results: each is kept as soon as it is there, and made once; tables show their spread over seeds."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from fmri_saliency import __version__
from fmri_saliency.disk.files import atomic_path, read_json, write_json, write_text

RESULTS = Path(__file__).parents[1] / "results" / "paper"
Row = dict[str, Any]


def parse(parser: argparse.ArgumentParser, sizes: dict[str, tuple[int, int, str]]) -> argparse.Namespace:
    """Read the command line.

    Parameters
    ----------
    parser : ArgumentParser
        With the script's own options.
    sizes : dict
        Option name to (its value, its value with ``--quick``, what it is).

    Returns
    -------
    Namespace
        Also `out`, the folder of results (a new temporary one with ``--quick``), `sizes`, a dict, and `seed`, a list.
    """
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute, results in a new folder")
    parser.add_argument("--out", type=Path, help=f"folder of the results (default {RESULTS})")
    parser.add_argument("--seed", type=int, action="append", help="once or more; 1 to 5 when left out")
    for name, (full, quick, what) in sizes.items():
        parser.add_argument(f"--{name}", type=int, help=f"{what} (default {full}, quick {quick})")
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in sizes}
    options.sizes = {
        name: given[name] if given[name] is not None else quick if options.quick else full
        for name, (full, quick, _) in sizes.items()
    }
    options.seed = options.seed or ([1] if options.quick else [1, 2, 3, 4, 5])
    if options.out is None:
        options.out = Path(tempfile.mkdtemp(prefix="fmri_saliency-paper-")) if options.quick else RESULTS
    torch.set_num_threads(1)
    return options


def make_rows(
    path: Path, wanted: Sequence[Row], measure: Callable[[Row], Row], show: Callable[[Row], str]
) -> list[Row]:
    """Return the rows for the keys in `wanted`; those that `path` has are not made again.

    Parameters
    ----------
    path : Path
        A JSON list of rows; rows of other keys stay in it.
    wanted : sequence of dict
        What identifies each row, sizes and settings included.
    measure : callable
        A key to the rest of its row.
    show : callable
        A row to the line that is printed for it.
    """

    def kept() -> list[Row]:  # read anew each time: others may have kept theirs meanwhile
        return read_json(path) if path.is_file() else []

    def find(key: Row) -> Row | None:
        same = (row for row in kept() if all(row.get(name) == value for name, value in key.items()))
        return next(same, None)

    missing = [key for key in wanted if find(key) is None]
    for key in tqdm(missing, unit="row", disable=not missing):
        begin = time.perf_counter()
        row = {**key, **measure(key), "version": __version__}
        row["seconds"] = round(time.perf_counter() - begin, 1)
        write_json(path, [*kept(), row])
        tqdm.write(show(row))
    return [row for row in (find(key) for key in wanted) if row is not None]


def spread(values: Iterable[float | None], digits: int = 3, scale: float = 1.0) -> str:
    """Return the mean of values and, where there are several, the lowest and the highest."""
    known = scale * np.array([value for value in values if value is not None], dtype=float)
    if not len(known):
        return "-"
    mean = f"{known.mean():.{digits}f}"
    return mean if len(known) == 1 else f"{mean} ({known.min():.{digits}f} to {known.max():.{digits}f})"


def mean_of(rows: Iterable[Row], figure: str) -> float:
    """Return the mean of a figure over rows."""
    return round(float(np.mean([row[figure] for row in rows])), 4)


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def finish(out: Path, name: str, text: str, figures: dict[str, Figure], summary: dict[str, Any]) -> None:
    """Write the page and the figures, and print the last line."""
    write_text(out / f"{name}.md", text)
    for stem, figure in figures.items():
        with atomic_path(out / f"{stem}.png") as temporary:
            figure.savefig(temporary, dpi=100)
    files = [out / f"{name}.json", out / f"{name}.md", *(out / f"{stem}.png" for stem in figures)]
    print(json.dumps({**summary, "files": [path.as_posix() for path in files]}))
