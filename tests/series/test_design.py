"""Expected responses are those of the haemodynamic response by its formula."""

import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.records import Event
from fmri_saliency.series import expected_responses
from fmri_saliency.simulation.hrf import expected_response

T_R = 0.72
EVENTS = [Event(10.0, 12.0, "hand"), Event(60.0, 12.0, "hand"), Event(30.0, 5.0, "foot")]


def test_responses_are_those_of_the_formula() -> None:
    found = expected_responses(EVENTS, 150, T_R)
    assert list(found) == ["hand", "foot"]
    for kind, blocks in (("hand", [(10, 12), (60, 12)]), ("foot", [(30, 5)])):
        np.testing.assert_allclose(found[kind], expected_response(blocks, 150, T_R, 50), atol=0.02)
        assert found[kind].max() == 1.0


def test_the_clock_may_begin_anywhere() -> None:
    whole = expected_responses(EVENTS, 150, T_R)
    later = expected_responses(EVENTS, 100, T_R, start=36.0)  # the 50th frame
    for kind in whole:
        rest = whole[kind][50:]
        np.testing.assert_allclose(later[kind], rest / np.abs(rest).max(), atol=0.02)
    shifted = [Event(e.onset - 500, e.duration, e.trial_type) for e in EVENTS]
    for kind, response in expected_responses(shifted, 150, T_R, start=-500.0).items():
        np.testing.assert_allclose(response, whole[kind], atol=1e-9)


def test_long_past_and_future_events_do_no_harm() -> None:
    events = [Event(-100.0, 10.0, "past"), Event(-60.0, 90.0, "lasting"), Event(1000.0, 5.0, "future")]
    found = expected_responses(events, 50, T_R)
    assert not found["future"].any()
    assert found["lasting"][0] > 0.9  # it has lasted for a minute when the first frame comes
    assert np.isfinite(found["past"]).all()


def test_one_frame_has_no_response() -> None:
    with pytest.raises(InputError, match="at least 2 frames; 1 came"):
        expected_responses(EVENTS, 1, T_R)
