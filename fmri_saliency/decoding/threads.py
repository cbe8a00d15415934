"""How many cores a small network may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["deterministic_algorithms", "limited_threads"]


@contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Let PyTorch use `n_threads` threads within the block; 0 leaves it alone.

    The matrix products of a network of this size last microseconds: two threads make them
    hardly faster, and threads that wait for each other on a busy machine make them a
    hundred times slower.
    """
    before = torch.get_num_threads()
    if n_threads > 0:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Let PyTorch use algorithms within the block that give the same bits every time, if `wanted`."""
    before, softly = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if wanted:
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=softly)
