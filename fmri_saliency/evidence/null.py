"""Networks that cannot know the answer, and how much of a trained network's map they show, too."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from fmri_saliency.attribution.ties import ROUNDING, is_flat, rank_with_ties
from fmri_saliency.decoding import TaskDecoder
from fmri_saliency.errors import InputError

__all__ = ["Band", "Likeness", "compare_maps", "profile_band", "renew_from_output", "time_profile"]


@dataclass(frozen=True)
class Likeness:
    """How alike the maps of two networks are on the same samples; 1 is the same, 0 nothing in common.

    Attributes
    ----------
    signed, absolute : float
        Spearman's rank correlation of the cells, and of their absolute values; mean over samples.
    given_input : float
        The same of the absolute values, with the rank of the input's absolute value held constant: maps that are
        multiplied by the input are alike by that alone.
    profile : float
        Pearson's correlation over time of the two time profiles; it does not see that one may be almost flat.
    profile_share : float
        How much of the first profile's departure from an even spread the second shows: the slope of the second on the
        first, by least squares.
    """

    signed: float
    absolute: float
    given_input: float
    profile: float
    profile_share: float


@dataclass(frozen=True)
class Band:
    """Where in time the maps of networks that learnt nothing lie.

    Attributes
    ----------
    mean, low, high : ndarray, shape (n_times,)
        Of their time profiles: mean, and 2.5 and 97.5 % quantiles.
    outside : float
        Share of the steps at which the trained network's profile lies outside.
    p : float
        Of the trained network's profile being one of theirs (see :func:`profile_band`).
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    outside: float
    p: float


def time_profile(values: np.ndarray) -> np.ndarray:
    """Return each step's share of the absolute map, mean over samples, shape (n_times,).

    Maps that are zero everywhere are left out; where all are, the profile is NaN.

    Raises
    ------
    InputError
        If the maps are not (n_samples, n_times, n_regions), or a value is not finite.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 3 or not np.isfinite(values).all():
        raise InputError(f"Time profiles need finite maps (n_samples, n_times, n_regions); {values.shape} came"
                         f"{'' if np.isfinite(values).all() else ', not all finite'}.")
    mass = np.abs(values).sum(axis=2)
    total = mass.sum(axis=1, keepdims=True)
    usable = total[:, 0] > 0
    return (mass[usable] / total[usable]).mean(axis=0) if usable.any() else np.full(mass.shape[1], np.nan)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or is_flat(one) or is_flat(other):
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the mean rank of each value among those that are like it but for rounding."""
    return rankdata(rank_with_ties(values))


def _partial(xy: float, xz: float, yz: float) -> float:
    rest = (1 - xz**2) * (1 - yz**2)
    return (xy - xz * yz) / np.sqrt(rest) if rest > 1e-12 else float("nan")


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def compare_maps(one: np.ndarray, other: np.ndarray, inputs: np.ndarray) -> Likeness:
    r"""Compare the maps of two networks on the same samples.

    `given_input` is the partial rank correlation

    .. math:: \rho_{xy \cdot z} = \frac{\rho_{xy} - \rho_{xz} \rho_{yz}}{\sqrt{(1 - \rho_{xz}^2)(1 - \rho_{yz}^2)}}

    with :math:`z` the absolute input.

    Parameters
    ----------
    one, other, inputs : ndarray, shape (n_samples, n_times, n_regions)

    Returns
    -------
    Likeness
        NaN where a map, or a profile, is constant.

    Raises
    ------
    InputError
        If the shapes differ, there is no sample, or a value of the maps is not finite.

    References
    ----------
    Adebayo et al. (2018), arXiv:1810.03292, on comparing maps with those of randomised networks by rank correlation,
    with and without their sign.
    """
    one, other, inputs = (np.asarray(values, dtype=float) for values in (one, other, inputs))
    if not one.shape == other.shape == inputs.shape or one.ndim != 3 or not one.size:
        raise InputError("Maps of two networks and their inputs must have one shape (n_samples, n_times, n_regions), "
                         f"none of them 0; {one.shape}, {other.shape} and {inputs.shape} came.")
    profiles = time_profile(one), time_profile(other)
    signed, absolute, given = [], [], []
    for first, second, x in zip(*(values.reshape(len(one), -1) for values in (one, other, inputs)), strict=True):
        signed.append(_correlation(_ranks(first), _ranks(second)))
        ranks = [_ranks(np.abs(part)) for part in (first, second, x)]
        absolute.append(_correlation(ranks[0], ranks[1]))
        given.append(_partial(absolute[-1], _correlation(ranks[0], ranks[2]), _correlation(ranks[1], ranks[2])))
    alike, spread = _correlation(*profiles), [float(profile.std()) for profile in profiles]
    share = alike * spread[1] / spread[0] if np.isfinite(alike) else float("nan")
    return Likeness(_mean(signed), _mean(absolute), _mean(given), alike, share)


def profile_band(trained: np.ndarray, others: Sequence[np.ndarray]) -> Band:
    r"""Say whether the time profile of a trained network leaves the band of the same network with new weights.

    With :math:`p_0` the trained profile, :math:`p_1, \dots, p_n` those of new weights, and :math:`\bar p` the mean of
    them all,

    .. math:: D_i = \sum_t |p_{i,t} - \bar p_t|, \qquad
        p = \frac{1 + \#\{i \geq 1: D_i \geq D_0\}}{n + 1}

    the p-value of a permutation test: if training did not change where in time the map lies, each of the profiles is
    as likely to be the farthest. With 20 draws the smallest is 0.048.

    Parameters
    ----------
    trained : ndarray, shape (n_times,)
    others : sequence of ndarray, shape (n_times,)
        At least two.

    Raises
    ------
    InputError
        If there are fewer, or a profile has another length.
    """
    profiles = [np.asarray(trained, dtype=float), *(np.asarray(one, dtype=float) for one in others)]
    if len(profiles) < 3 or len({one.shape for one in profiles}) > 1 or profiles[0].ndim != 1:
        raise InputError("A band needs time profiles of one length, a trained network's and at least two of new "
                         f"weights; shapes {[one.shape for one in profiles]} came.")
    all_of_them = np.stack(profiles)
    distance = np.abs(all_of_them - all_of_them.mean(axis=0)).sum(axis=1)
    low, high = np.quantile(all_of_them[1:], (0.025, 0.975), axis=0)
    known = bool(np.isfinite(distance).all())
    return Band(
        mean=all_of_them[1:].mean(axis=0),
        low=low,
        high=high,
        outside=float(((all_of_them[0] < low) | (all_of_them[0] > high)).mean()) if known else float("nan"),
        p=float((1 + (distance[1:] >= distance[0] * (1 - ROUNDING)).sum()) / len(distance)) if known else float("nan"),
    )


def renew_from_output(decoder: TaskDecoder, seed: int) -> list[tuple[str, TaskDecoder]]:
    """Return decoders whose layers have new weights, one layer more each time, from the output to the input.

    Layers are the modules that hold weights, in the order in which the network registers them, reversed; the last
    decoder has new weights everywhere.

    Parameters
    ----------
    decoder : TaskDecoder
        Fitted; it is left alone.
    seed : int
        Of the new weights.

    Returns
    -------
    list of (str, TaskDecoder)
        The layer that was renewed last, by its name in the network.

    References
    ----------
    Adebayo et al. (2018), arXiv:1810.03292: cascading randomisation.
    """
    fresh = decoder.untrained(seed).module_.state_dict()
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name, _ in decoder.module_.named_parameters()))
    found, renewed = [], decoder
    for layer in reversed(layers):
        renewed, before = copy.copy(renewed), renewed.module_
        renewed.module_ = copy.deepcopy(before)
        state = renewed.module_.state_dict()
        state |= {name: fresh[name] for name in state if name.rpartition(".")[0] == layer}
        renewed.module_.load_state_dict(state)
        found.append((layer or "weights", renewed))
    return found
