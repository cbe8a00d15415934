"""``fmri-saliency evaluate``: the protocol on every set, pair and seed, into one JSON, one table and one page."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency import __version__
from fmri_saliency.disk.files import MARKER, clear_unfinished, read_json, remove, write_json, write_tsv
from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.errors import StepError
from fmri_saliency.evidence import say_verdict, summarise
from fmri_saliency.pipeline.evaluation.evaluation_page import column_name, summary_table, suppressors_of, write_page
from fmri_saliency.pipeline.evaluation.protocol import Evaluation, write_evaluation
from fmri_saliency.pipeline.evaluation.trials import run_trial, trial_inputs
from fmri_saliency.pipeline.study.config import to_plain
from fmri_saliency.pipeline.study.folder import is_done, say
from fmri_saliency.saliency import Pair

__all__ = ["evaluate"]

MARK = "evaluation.toml"
HEAD = ["set", "pair", "seed", "network", "explainer", "judged"]  # columns of every row


def _row_path(root: Path, name: str, pair: str, seed: int) -> Path:
    return root / "rows" / name / pair / f"seed-{seed}.json"


def _plain(value: Any) -> Any:
    """Return `value` with numbers that JSON does not know as None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float | np.floating) and not math.isfinite(value) else value


def _make_row(evaluation: Evaluation, name: str, pair: Pair, seed: int) -> dict[str, Any] | None:
    """Make one row and keep it; return what went wrong, if anything did: the others go on."""
    path = _row_path(evaluation.output.path, name, pair.name, seed)
    try:
        write_json(path, _plain(run_trial(evaluation, name, pair, seed)))
    except Exception as error:  # whatever it is, it is this row's, and it is named
        remove(path)
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"set": name, "pair": pair.name, "seed": seed, "error": f"{type(error).__name__}: {error}",
                "at": f"{Path(last.filename).name}, line {last.lineno}"}  # fmt: skip
    return None


def _begin(evaluation: Evaluation) -> Path:
    """Make the output folder; refuse one that holds somebody else's files.

    Raises
    ------
    StepError
    """
    root = evaluation.output.path
    if root.exists() and not (root / MARK).is_file():
        strange = not root.is_dir() or any(not path.name.startswith(".") for path in root.iterdir())
        if strange:
            raise StepError(f"The output folder {root} holds files that are not of an evaluation; they could be "
                            'overwritten. Choose a folder of its own in [output], for example path = "evaluation".')
    try:
        (root / MARKER).mkdir(parents=True, exist_ok=True)
        clear_unfinished(root)
        write_evaluation(evaluation, root / MARK)
    except OSError as error:
        raise StepError(f"The output folder {root} cannot be written to: {error}. Choose another [output] "
                        "path.") from None
    return root


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a row as one line of a table."""
    low, high = row["gate"]["interval"]
    line = {key: row[key] for key in HEAD}
    line |= {"accuracy": row["gate"]["value"], "accuracy_low": low, "accuracy_high": high}
    for check, content in row["checks"].items():
        line |= {column_name(check, key): value for key, value in content["figures"].items()}
    return line | {"epochs": row["epochs"], "seconds": row["seconds"]}


def _check_failures(failures: Sequence[dict[str, Any]], n_rows: int, root: Path) -> None:
    if failures:
        lines = "\n".join(f"  {f['set']}, {f['pair']}, seed {f['seed']}: {f['error']}" for f in failures[:10])
        raise StepError(f"{len(failures)} of {n_rows} rows failed and were left out (all are listed in "
                        f"{root / 'failures.tsv'}; the same command tries them again):\n{lines}")


def evaluate(evaluation: Evaluation) -> Path:
    """Judge every pair on every set and seed; rows that are up to date are kept.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    StepError
        If the output folder cannot be used; or at the end, when everything is written but some rows failed.
    """
    root = _begin(evaluation)
    wanted = [
        (name, pair, seed) for seed in evaluation.data.seeds for name in evaluation.sets for pair in evaluation.pairs
    ]
    missing = [
        job for job in wanted
        if not is_done(_row_path(root, job[0], job[1].name, job[2]), trial_inputs(evaluation, *job))
    ]  # fmt: skip
    say(f"{len(wanted)} rows ({len(evaluation.sets)} sets x {len(evaluation.pairs)} pairs x "
        f"{len(evaluation.data.seeds)} seeds), of which {len(wanted) - len(missing)} are there.")
    answers = run_jobs(_make_row, [(evaluation, *job) for job in missing], evaluation.output.n_jobs, "Judging", "row")
    failures = [answer for answer in answers if answer is not None]
    failed = {(one["set"], one["pair"], one["seed"]) for one in failures}
    rows = [
        read_json(_row_path(root, name, pair.name, seed)) for name, pair, seed in wanted
        if (name, pair.name, seed) not in failed
    ]  # fmt: skip
    write_tsv(root / "failures.tsv", pd.DataFrame(failures, columns=["set", "pair", "seed", "error", "at"]))
    write_tsv(root / "rows.tsv", pd.DataFrame([_flat(row) for row in rows], columns=None if rows else HEAD))
    judgements = summarise(rows, evaluation.checks.gate)
    write_tsv(root / "evaluation.tsv", summary_table(judgements))
    verdicts = [
        {"set": one.data, "pair": one.pair, "verdict": say_verdict(one, suppressors_of(one, judgements))}
        for one in judgements
    ]
    write_json(root / "evaluation.json", {
        "version": __version__, "configuration": to_plain(evaluation), "verdicts": verdicts, "rows": rows,
        "failures": failures,
    })  # fmt: skip
    page = write_page(evaluation, judgements, failures)
    _check_failures(failures, len(wanted), root)
    return page
