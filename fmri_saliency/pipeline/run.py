"""All steps, one after the other."""

from __future__ import annotations

from pathlib import Path

from fmri_saliency.errors import FmriSaliencyError, StepError
from fmri_saliency.pipeline.config import Config
from fmri_saliency.pipeline.explain import explain
from fmri_saliency.pipeline.extract import extract
from fmri_saliency.pipeline.index import find
from fmri_saliency.pipeline.judge import judge
from fmri_saliency.pipeline.report import leave_report, report
from fmri_saliency.pipeline.standing import survey
from fmri_saliency.pipeline.train import foresee, train
from fmri_saliency.pipeline.view import say_view
from fmri_saliency.pipeline.workspace import Workspace, say

__all__ = ["check_log", "judge_and_report", "run_all"]


def check_log(log: object, where: Path) -> None:
    """Raise when runs could not be used (missing ones are no failure).

    Raises
    ------
    StepError
        Naming the runs, the reasons and the table that lists them all.
    """
    bad = log[log["status"].isin(("unusable", "failed", "again"))]
    if len(bad):
        lines = "\n".join(f"  {row.run}: {row.message}" for row in bad.head(10).itertuples())
        raise StepError(f"{len(bad)} of {len(log)} runs could not be used and were left out (all are listed in "
                        f"{where / 'runs.tsv'}):\n{lines}")


def run_all(config: Config) -> Path:
    """Take scans to the report; whatever is up to date is skipped.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    StepError
        At the end, when the report is written but some runs could not be used; or where a step failed: then the
        report says so, and shows what was done before.
    """
    Workspace(config.output.path).clear()
    finding = find(config)
    say(foresee(config, finding.runs))
    try:
        log = extract(config, finding=finding)
        train(config)
        whole = survey(config, looking=True).done("report")
        if not whole:
            explain(config)
            judge(config)
    except FmriSaliencyError as error:
        leave_report(config, error)
        raise
    page = config.output.path / "report.html"
    if whole:
        say(f"Up to date: maps, checks and {page}.")
    else:
        report(config)
    say_view(config.output.path)
    check_log(log, config.output.path)
    return page


def judge_and_report(config: Config) -> Path:
    """Check the maps and write the report; after a job that was stopped, a partial report.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    FmriSaliencyError
        If the maps cannot be checked; the partial report is written before.
    """
    try:
        judge(config)
    except FmriSaliencyError as error:
        leave_report(config, error)
        raise
    return report(config)
