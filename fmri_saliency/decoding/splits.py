"""Who is held out: people, runs, blocks or stretches of time, never samples of the same one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from fmri_saliency.errors import DecoderError, SplitWarning, one_of
from fmri_saliency.records import Samples

__all__ = ["SPLITS", "Fold", "dealt_by", "find_blocks", "make_folds"]

SKEWED = 0.9
"""How far below chance guessing by what was trained on may fall before it is said that folds are skewed."""


@dataclass(frozen=True)
class Fold:
    """Positions of samples: to train on, to stop training on, and to test on.

    Samples in none of the three lie in a gap between stretches of time. Where there is nothing to stop on, `valid` is
    empty and a network is trained for all its epochs.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def _folds_by(owner: np.ndarray, y: np.ndarray, n_folds: int, seed: int) -> list[np.ndarray]:
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # fewer groups of a class than folds: some folds test on other classes only, which a small study cannot help
        warnings.filterwarnings("ignore", message="The least populated class")
        return [test for _, test in splitter.split(y, y, owner)]


def dealt_by() -> dict[str, str]:
    """Return the versions that deal folds: another scikit-learn or NumPy may deal others from the same seed."""
    return {name: version(name) for name in ("scikit-learn", "numpy")}


def _remedy(samples: Samples) -> str:
    """Name the split that fits samples of too few people or runs."""
    if samples.table["run"].nunique() >= 2:
        return 'For a single person with several runs, set split = "leave-one-run-out" in [decoder].'
    return ('For a single run, set split = "contiguous" in [decoder], which holds out stretches of time, or "blocks", '
            "which holds out whole blocks.")


def _split_owners(owner: np.ndarray, what: str, samples: Samples, n_folds: int, seed: int) -> list[Fold]:
    """Hold out whole owners; within the rest, about a fifth of the owners is stopped on."""
    n_owners = len(set(owner.tolist()))
    if n_owners < 3:
        raise DecoderError(f"Folds by {what} need at least 3 of them (some to train on, to stop on and to test on); "
                           f"the samples come from {n_owners}. {_remedy(samples)}")
    if n_folds > n_owners:
        raise DecoderError(f"{n_folds} folds by {what} need at least {n_folds} of them; the samples come from "
                           f"{n_owners}. Ask for fewer folds in [decoder].")
    labels, counts = np.unique(samples.y, return_counts=True)
    if n_folds > counts.min():
        raise DecoderError(f"{n_folds} folds by {what} need at least {n_folds} samples of every class; the class "
                           f"'{labels[counts.argmin()]}' has {counts.min()}. Ask for fewer folds in [decoder].")
    folds = []
    for number, test in enumerate(_folds_by(owner, samples.y, n_folds, seed)):
        rest = np.setdiff1d(np.arange(len(owner)), test)
        most = int(np.unique(samples.y[rest], return_counts=True)[1].min())
        inner = max(2, min(5, len(set(owner[rest].tolist())), most))
        if len(set(owner[rest].tolist())) < 2 or most < 2:
            raise DecoderError(f"Fold {number + 1} by {what} leaves too little to train on and to stop on; a class has "
                               f"{most} samples in it. Ask for more folds, or another split.")
        valid = rest[_folds_by(owner[rest], samples.y[rest], inner, seed + number)[0]]
        folds.append(Fold(np.setdiff1d(rest, valid), valid, test))
    return folds


def split_group(samples: Samples, n_folds: int, seed: int) -> list[Fold]:
    """Hold out families where they are known, else subjects; refuse a subject that is said to be in two."""
    homes = samples.table.groupby("subject", sort=True)["group"].unique()
    torn = homes[homes.map(len) > 1]
    if len(torn):
        raise DecoderError(f"Subject '{torn.index[0]}' belongs to several groups ({', '.join(torn.iloc[0])}) and would "
                           "be both trained and tested on. Give all runs of a person one family, or none.")
    return _split_owners(samples.groups, "subject or family", samples, n_folds, seed)


def split_run(samples: Samples, n_folds: int, seed: int) -> list[Fold]:
    """Leave out one run at a time (`n_folds` is not used): for a single person.

    Of two runs none is left to stop on: networks are then trained for all their epochs.
    """
    runs = samples.table["run"].to_numpy(dtype=str)
    names = sorted(set(runs.tolist()))
    if len(names) < 2:
        raise DecoderError(f"Leaving one run out needs at least 2 runs; the samples come from {len(names)}. "
                           f"{_remedy(samples)}")
    folds = []
    for number, name in enumerate(names):
        n_stop = max(1, len(names) // 6) if len(names) > 2 else 0
        stop_on = {names[(number + k) % len(names)] for k in range(1, 1 + n_stop)}
        valid = np.isin(runs, sorted(stop_on))
        test = runs == name
        folds.append(Fold(*(np.flatnonzero(m) for m in (~valid & ~test, valid, test))))
    return folds


def find_blocks(samples: Samples) -> np.ndarray:
    """Return the number of each sample's block: what follows each other of one run and label, shape (n_samples,)."""
    runs, labels = samples.table["run"].to_numpy(dtype=str), samples.y
    order = _in_time(samples)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (runs[order][1:] != runs[order][:-1]) | (labels[order][1:] != labels[order][:-1])
    blocks = np.empty(len(order), dtype=int)
    blocks[order] = np.cumsum(new) - 1
    return blocks


def _in_time(samples: Samples) -> np.ndarray:
    """Return the order of samples by run and time."""
    return np.lexsort((samples.table["start"].to_numpy(float), samples.table["run"].to_numpy(dtype=str)))


def _apart_from(samples: Samples, chosen: np.ndarray) -> np.ndarray:
    """Return which samples lie at least one window from each of the `chosen`, shape (n_samples,) of bool."""
    start, stop = samples.table["start"].to_numpy(float), samples.table["stop"].to_numpy(float)
    runs = samples.table["run"].to_numpy(dtype=str)
    gap = (stop - start).max() - 1e-9
    near = np.zeros(len(runs), dtype=bool)
    for run in set(runs[chosen].tolist()):
        mine, inside = np.flatnonzero(runs == run), chosen[runs[chosen] == run]
        between = np.maximum(start[mine][:, None] - stop[inside], start[inside] - stop[mine][:, None])
        near[mine] = (between < gap).any(axis=1)
    return ~near


def split_blocks(samples: Samples, n_folds: int, seed: int) -> list[Fold]:
    """Hold out whole blocks, as many of each class as can be, with a gap of a window around each: for a single run.

    A stretch of time of a design that is balanced in blocks holds the classes that training then lacks; blocks dealt
    out class by class leave the shares of the classes as they are. There is one fold at most for each block of the
    class with fewest blocks.
    """
    blocks = find_blocks(samples)
    first = np.unique(blocks, return_index=True)[1]
    labels, counts = np.unique(samples.y[first], return_counts=True)
    if counts.min() < max(2, n_folds):
        raise DecoderError(f"{n_folds} folds of whole blocks need at least {max(2, n_folds)} blocks of every class; "
                           f"'{labels[counts.argmin()]}' has {counts.min()}. Ask for fewer folds in [decoder], or set "
                           'split = "contiguous".')
    dealt = _folds_by(blocks[first], samples.y[first], n_folds, seed)
    folds = []
    for number, part in enumerate(dealt):
        test = np.flatnonzero(np.isin(blocks, blocks[first][part]))
        rest = np.flatnonzero(_apart_from(samples, test))
        valid = _blocks_to_stop_on(samples, blocks, rest, seed + number)
        kept = rest[_apart_from(samples, valid)[rest]] if len(valid) else rest
        if set(samples.y[kept]) != set(samples.y[rest]):  # too few blocks: train for all epochs
            valid, kept = valid[:0], rest
        folds.append(Fold(kept, valid, test))
    return folds


def _blocks_to_stop_on(samples: Samples, blocks: np.ndarray, rest: np.ndarray, seed: int) -> np.ndarray:
    """Return the samples of a fifth of the blocks that are left, of every class; none where a class has one block."""
    left, first = np.unique(blocks[rest], return_index=True)
    labels = samples.y[rest][first]
    most = int(np.unique(labels, return_counts=True)[1].min()) if len(labels) else 0
    if most < 2:
        return rest[:0]
    chosen = left[_folds_by(left, labels, min(5, most), seed)[0]]
    return rest[np.isin(blocks[rest], chosen)]


def _far_from(samples: Samples, chosen: np.ndarray) -> np.ndarray:
    """Return which samples lie at least one window from the stretch that `chosen` covers."""
    start, stop = samples.table["start"].to_numpy(float), samples.table["stop"].to_numpy(float)
    runs = samples.table["run"].to_numpy(dtype=str)
    gap = (stop - start).max() - 1e-9
    near = np.zeros(len(runs), dtype=bool)
    for run in set(runs[chosen].tolist()):
        inside = chosen[runs[chosen] == run]
        begin, end = start[inside].min(), stop[inside].max()
        near |= (runs == run) & (start < end + gap) & (stop > begin - gap)
    return ~near


def split_contiguous(samples: Samples, n_folds: int, seed: int) -> list[Fold]:
    """Hold out stretches of time, with a gap as long as a window on each side: for a single run.

    Of the longer side that is left, the fifth (of all that is left) nearest to the stretch is
    stopped on, with a gap around it, too.
    """
    order = _in_time(samples)
    if n_folds > len(order):
        raise DecoderError(f"{n_folds} stretches of time need at least {n_folds} samples; {len(order)} came.")
    folds = []
    for number, place in enumerate(np.array_split(np.arange(len(order)), n_folds), start=1):
        test = order[place]
        free = _far_from(samples, test)
        before, after = order[: place[0]][::-1], order[place[-1] + 1 :]
        sides = [side[free[side]] for side in (after, before)]
        n_rest = sum(map(len, sides))
        valid = max(sides, key=len)[: max(1, n_rest // 5)]
        train = np.flatnonzero(free & _far_from(samples, valid)) if len(valid) else valid
        if not len(train):
            raise DecoderError(f"With {n_folds} stretches of time and a gap of one window around each, fold {number} "
                               f"has no sample to train on ({n_rest} are far enough from those it is tested on). "
                               "Ask for more folds or shorter windows.")
        folds.append(Fold(train, np.sort(valid), np.sort(test)))
    return folds


SPLITS: dict[str, Callable[[Samples, int, int], list[Fold]]] = {
    "group": split_group,
    "leave-one-run-out": split_run,
    "contiguous": split_contiguous,
    "blocks": split_blocks,
}


def _check_shares(samples: Samples, folds: list[Fold], split: str) -> None:
    """Warn where folds hold the classes that training then lacks: every decoder falls below chance there."""
    classes = np.array(samples.classes)

    def shares(rows: np.ndarray) -> np.ndarray:
        return (samples.y[rows][:, None] == classes).mean(axis=0)

    sizes = np.array([len(fold.test) for fold in folds])
    right = [shares(np.concatenate([fold.train, fold.valid])) @ shares(fold.test) for fold in folds]
    guessed = np.average(right, weights=sizes)
    chance = float((shares(np.arange(len(samples.y))) ** 2).sum())
    if guessed < SKEWED * chance:
        other = ' Set split = "blocks", which holds out as many blocks of each class.' if split == "contiguous" else ""
        warnings.warn(f"With split = '{split}' what is held out holds the classes that training lacks: guessing by the "
                      f"shares of the classes in training would be right in {guessed:.0%}, by chance in {chance:.0%}. "
                      f"Accuracy is biased below chance.{other}", SplitWarning, stacklevel=3)


def make_folds(samples: Samples, split: str = "group", n_folds: int = 5, seed: int = 0) -> list[Fold]:
    """Split samples for cross-validation; every sample is tested once.

    Parameters
    ----------
    samples : Samples
    split : {"group", "leave-one-run-out", "contiguous", "blocks"}
        What is held out: families or subjects, one run, a stretch of time with a gap, or whole blocks of each class
        with gaps.
    n_folds : int
        Not used by ``leave-one-run-out``.
    seed : int

    Returns
    -------
    list of Fold

    Raises
    ------
    DecoderError
        If there are too few groups, runs or samples, or a class is missing in training.

    Warns
    -----
    SplitWarning
        If stretches of time hold the classes that training then lacks.
    """
    one_of(split, SPLITS, "split in [decoder]", DecoderError)
    if n_folds < 2:
        raise DecoderError(f"Cross-validation needs at least 2 folds; {n_folds} came.")
    folds = SPLITS[split](samples, n_folds, seed)
    for number, fold in enumerate(folds, start=1):
        missing = sorted(set(samples.classes) - set(samples.y[fold.train]))
        if missing:
            raise DecoderError(f"Fold {number} of split '{split}' has no training sample of class '{missing[0]}'. Ask "
                               "for another number of folds or another split, or drop the class.")
    if split == "contiguous":
        _check_shares(samples, folds, split)
    return folds
