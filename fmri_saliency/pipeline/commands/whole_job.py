"""All steps, one after the other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fmri_saliency.errors import FmriSaliencyError, StepError
from fmri_saliency.pipeline.pages.report_page import leave_report, report
from fmri_saliency.pipeline.progress.state import survey
from fmri_saliency.pipeline.steps.explanation import explain
from fmri_saliency.pipeline.steps.extraction import check_log, extract
from fmri_saliency.pipeline.steps.fsleyes_view import say_view
from fmri_saliency.pipeline.steps.judging import judge
from fmri_saliency.pipeline.steps.sampling import foresee
from fmri_saliency.pipeline.steps.searching import search
from fmri_saliency.pipeline.steps.training import train
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.folder import Workspace, say
from fmri_saliency.pipeline.study.runs import find

__all__ = ["judge_and_report", "run_all"]


def run_all(config: Config) -> Path:
    """Take scans to the report, and to the table of [search] where there is one; whatever is up to date is skipped.

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
    finding, log = find(config), None
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
        if log is not None:  # runs that are missing may be the reason
            _say_bad_runs(log, config.output.path)
        raise
    page = config.output.path / "report.html"
    if whole:
        say(f"Up to date: maps, checks and {page}.")
    else:
        report(config)
    say_view(config.output.path)
    if config.search is not None:
        say(f"Search: {search(config)}")
    check_log(log, config.output.path)
    return page


def _say_bad_runs(log: pd.DataFrame, where: Path) -> None:
    try:
        check_log(log, where)
    except StepError as error:
        say(str(error))


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
