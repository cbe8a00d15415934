"""What events would look like in BOLD, to be laid over what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from nilearn.glm.first_level import compute_regressor

from fmri_saliency.errors import InputError
from fmri_saliency.records import Event

__all__ = ["expected_responses"]

BEFORE = 24.0  # seconds before the first frame in which an event still counts; nilearn's choice


def expected_responses(
    events: Sequence[Event], n_times: int, t_r: float, start: float = 0.0, hrf_model: str = "spm"
) -> dict[str, np.ndarray]:
    r"""Convolve the events of each trial type with a haemodynamic response, by nilearn's first-level model.

    .. math:: r(t) = \frac{(b * h)(t)}{\max_t |(b * h)(t)|}

    where :math:`b` is 1 during events and :math:`h` is, by default, SPM's canonical response.

    Parameters
    ----------
    events : sequence of Event
        In seconds, on the clock that `start` belongs to; an event without duration is a short one.
    n_times : int
        Frames, at least 2.
    t_r, start : float
        Seconds per frame, and of the first one.
    hrf_model : str
        ``"spm"`` or ``"glover"``, nilearn's names.

    Returns
    -------
    dict of str to ndarray, shape (n_times,)
        One response per trial type, in their first order, with a peak of 1; 0 where nothing of it falls in the window.

    Raises
    ------
    InputError
        If there are fewer than 2 frames.
    """
    if n_times < 2:
        raise InputError(f"Expected responses need at least 2 frames; {n_times} came.")
    frames = np.arange(n_times) * t_r
    found = {}
    for kind in dict.fromkeys(event.trial_type for event in events):
        ours = [(e.onset - start, e.duration) for e in events if e.trial_type == kind and e.onset - start < frames[-1]]
        onsets, durations = np.array(ours, dtype=float).reshape(-1, 2).T
        if not len(onsets):
            found[kind] = np.zeros(n_times)
            continue
        begin = min(-BEFORE, float(onsets.min()) - t_r)
        condition = np.stack([onsets, durations, np.ones(len(onsets))])
        response = compute_regressor(condition, hrf_model, frames, min_onset=begin)[0][:, 0]
        peak = np.abs(response).max()
        found[kind] = response / peak if peak > 0 else response
    return found
