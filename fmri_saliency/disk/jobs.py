"""Independent pieces of work, one after the other or in several processes, with a progress bar."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from joblib import Parallel, delayed
from tqdm.auto import tqdm

__all__ = ["run_jobs"]


def run_jobs(
    work: Callable[..., Any], jobs: Sequence[tuple], n_jobs: int, what: str, unit: str, progress: bool = True
) -> list[Any]:
    """Call ``work(*job)`` for every job and return the answers in the order of the jobs.

    Parameters
    ----------
    work : callable
        Of a module's top level, so that other processes can import it.
    jobs : sequence of tuple
    n_jobs : int
        Processes; 1 works in this one, -1 uses all cores.
    what, unit : str
        For the progress bar.
    progress : bool
        Show it.
    """
    if not jobs:
        return []
    processes = min(n_jobs, len(jobs)) if n_jobs > 0 else n_jobs
    with warnings.catch_warnings():
        # joblib replaces a process whose memory has grown, as it does when libraries are imported, and says so; where
        # warnings are errors, saying so would end the thread that hands out the work, and the call would never return
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")
        answers = Parallel(n_jobs=processes, return_as="generator")(delayed(work)(*job) for job in jobs)
        return list(tqdm(answers, total=len(jobs), desc=what, unit=unit, disable=not progress))
