"""The gate: a network that does not know the answer has no map worth judging."""

from __future__ import annotations

from typing import Any

import numpy as np

from fmri_saliency.decoding.score import survey_interval
from fmri_saliency.errors import InputError
from fmri_saliency.records import Evidence

__all__ = ["gate", "passes"]


def gate(correct: Any, subject: str, chance: float, groups: Any = None, limit: float = 0.9) -> Evidence:
    """Say whether a decoder knows enough for its maps to be judged.

    Parameters
    ----------
    correct : sequence of bool
        Whether each held-out sample was recognised.
    subject : str
        What was trained, for the record.
    chance : float
        1 / number of classes.
    groups : sequence, optional
        Who each sample came from; every sample for itself when omitted.
    limit : float
        Accuracy, 0 to 1, that a pair needs.

    Returns
    -------
    Evidence
        The accuracy, with Wilson's interval, widened where samples of one group succeed or fail together (see
        :func:`fmri_saliency.decoding.score.survey_interval`).

    Raises
    ------
    InputError
        If there is no sample, or not one group for each.
    """
    correct = np.asarray(correct, dtype=bool)
    if correct.ndim != 1 or not len(correct):
        raise InputError(f"The gate needs one answer per held-out sample; an array of shape {correct.shape} came.")
    people = np.arange(len(correct)) if groups is None else np.asarray(groups)
    if people.shape != correct.shape:
        raise InputError(f"The gate needs one group per held-out sample, {correct.shape}; groups of shape "
                         f"{people.shape} came.")
    accuracy, interval = float(correct.mean()), survey_interval(correct, people)
    found = Evidence(
        check="held-out accuracy", subject=subject, value=accuracy, null=chance, interval=interval,
        on=f"{len(correct)} held-out samples of {len(set(people.tolist()))} subjects", verdict="may be judged",
    )  # fmt: skip
    if passes(found, limit):
        return found
    low = f"is below {limit:.2f}" if accuracy < limit else f"cannot be told from chance ({chance:.2f})"
    return Evidence(**{**vars(found), "verdict": f"not judged: the accuracy of {accuracy:.2f} {low}"})


def passes(found: Evidence, limit: float = 0.9) -> bool:
    """Return whether the accuracy of :func:`gate` reaches `limit` and its interval lies above chance."""
    return found.value >= limit and found.interval is not None and found.interval[0] > found.null
