"""Work in several processes: order, errors, and processes that are replaced."""

import numpy as np
import pytest

from fmri_saliency.disk.jobs import run_jobs
from fmri_saliency.errors import InputError


def square(x: int) -> int:
    return x * x


def fail(x: int) -> int:
    raise InputError(f"bad {x}")


def grow(x: int) -> int:
    """Keep 400 MB, as importing large libraries does: joblib then replaces the process."""
    import builtins

    if not hasattr(builtins, "kept"):
        builtins.kept = []
    builtins.kept.append(np.ones(50_000_000))
    return x


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_answers_come_in_order_and_errors_come_through(n_jobs: int) -> None:
    assert run_jobs(square, [(i,) for i in range(7)], n_jobs, "Squaring", "number") == [0, 1, 4, 9, 16, 25, 36]
    assert run_jobs(square, [], n_jobs, "Squaring", "number") == []
    with pytest.raises(InputError, match="bad 3"):
        run_jobs(fail, [(3,), (3,)], n_jobs, "Failing", "number")


def test_a_process_that_grows_is_replaced_without_an_end_of_the_work() -> None:
    assert run_jobs(grow, [(i,) for i in range(12)], 2, "Growing", "number") == list(range(12))
