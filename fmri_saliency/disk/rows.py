"""Rows of arrays that are larger than memory: chosen without being copied, walked through in pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["PIECE_BYTES", "Rows", "pieces", "sum_rows"]

PIECE_BYTES = 2**25
"""How much of an array is held at once by those who walk through it: 32 MiB."""


class Rows:
    """Chosen rows of an array, read when they are asked for.

    It can be indexed along its first axis, as the array itself can, and what is read is a copy: an array
    that is memory-mapped stays on disk, and what is read of it can be written to. NumPy's functions take it
    for an array, and read all of it then.

    Parameters
    ----------
    array : ndarray or Rows, shape (n, ...)
    chosen : sequence of int, or of bool with n values
        Positions of rows, in the order in which they shall come.
    """

    def __init__(self, array: np.ndarray | Rows, chosen: Sequence[int] | np.ndarray) -> None:
        positions = np.asarray(chosen)
        positions = np.flatnonzero(positions) if positions.dtype == bool else positions.astype(np.intp)
        if isinstance(array, Rows):
            array, positions = array.array, array.positions[positions]
        self.array, self.positions = np.asarray(array), positions

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the chosen rows together."""
        return (len(self.positions), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.array.dtype

    @property
    def size(self) -> int:
        """Number of values of the chosen rows together."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the chosen rows together."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.array(self.array[self.positions[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all rows."""
        return np.asarray(self[:], dtype=dtype)


def pieces(array: np.ndarray | Rows, n_bytes: int = PIECE_BYTES) -> Iterator[slice]:
    """Yield slices along the first axis of `array` that hold `n_bytes` at most (one row at least), in order."""
    per_row = max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)
    size = max(1, n_bytes // per_row)
    for begin in range(0, len(array), size):
        yield slice(begin, min(begin + size, len(array)))


def sum_rows(array: np.ndarray | Rows, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of the rows, each times its weight, added one after the other as NumPy does.

    Parameters
    ----------
    array : shape (n, ...), n at least 1
    weights : ndarray, shape (n,), optional

    Returns
    -------
    ndarray, shape (...)
        What ``array.sum(axis=0)`` or ``(array * weights).sum(axis=0)`` gives, to the last bit.
    """

    def weighed(piece: slice) -> np.ndarray:
        part = np.asarray(array[piece])
        return part if weights is None else part * weights[piece].reshape(-1, *(1,) * (part.ndim - 1))

    walk = pieces(array)
    total = weighed(next(walk)).sum(axis=0)
    for piece in walk:  # the sum so far is the first row of the next piece: the order of additions is that of the whole
        total = np.concatenate([total[None], weighed(piece)]).sum(axis=0)
    return total
