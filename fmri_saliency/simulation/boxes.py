"""The box sets of the input-cell attention paper: a class shifts the mean inside boxes of time and region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["BOXES", "BoxSet", "make_boxes"]

Box = tuple[int, int, int, int]  # first step, end step, first region, end region; half open


@dataclass(frozen=True)
class BoxSet:
    """Where the signal lies.

    Attributes
    ----------
    boxes : tuple of tuple of Box
        Each sample has one of these groups of boxes, all of a group at once.
    n_times, n_regions : int
    """

    boxes: tuple[tuple[Box, ...], ...]
    n_times: int = 100
    n_regions: int = 100


_CORNERS = ((5, 65, 5, 65), (5, 65, 35, 95), (5, 65, 20, 80), (35, 95, 5, 65), (35, 95, 35, 95), (35, 95, 20, 80))
_THREE = ((0, 30), (35, 65), (70, 100))

# coordinates of the authors' data generator (input-cell attention, Ismail et al. 2019)
BOXES: dict[str, BoxSet] = {
    "earlier": BoxSet((((0, 30, 10, 90),),)),
    "middle": BoxSet((((20, 80, 20, 80),),)),
    "latter": BoxSet((((70, 100, 10, 90),),)),
    "mixed": BoxSet((*((box,) for box in _CORNERS), ((20, 80, 20, 80),))),
    "three_earlier": BoxSet((tuple((0, 40, *regions) for regions in _THREE),)),
    "three_middle": BoxSet((tuple((25, 65, *regions) for regions in _THREE),)),
    "moving": BoxSet(tuple(((start, start + 60, 20, 80),) for start in (0, 10, 20, 30, 40))),
}


def make_boxes(
    name: str, n_samples: int, rng: np.random.Generator, effect: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Draw a box set.

    :math:`x \sim N(0, 1)`, and inside the sample's boxes :math:`x \sim N(\pm e, 1)`: minus for class
    0, plus for class 1. Classes are as even as can be, in random order; where a set has several
    places, each sample has one of them, drawn evenly.

    Parameters
    ----------
    name : str
        One of :data:`BOXES`.
    n_samples : int
    rng : numpy Generator
    effect : float
        :math:`e`; 1 in the paper.

    Returns
    -------
    inputs : ndarray of float32, shape (n_samples, n_times, n_regions)
    labels : ndarray of int, shape (n_samples,)
    truth : ndarray of bool, shape (n_samples, n_times, n_regions)

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370.
    """
    layout = BOXES[name]
    labels = rng.permutation(np.arange(n_samples) % 2)
    place = rng.integers(len(layout.boxes), size=n_samples)
    maps = np.zeros((len(layout.boxes), layout.n_times, layout.n_regions), dtype=bool)
    for number, group in enumerate(layout.boxes):
        for begin, end, first, last in group:
            maps[number, begin:end, first:last] = True
    truth = maps[place]
    inputs = rng.standard_normal(truth.shape, dtype=np.float32)
    inputs += effect * truth * (2.0 * labels - 1.0)[:, None, None]
    return inputs.astype(np.float32), labels, truth
