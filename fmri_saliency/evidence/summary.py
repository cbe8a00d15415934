"""From rows of single seeds to one judgement of a pair on a set, in figures with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

__all__ = ["Judgement", "Spread", "over_seeds", "summarise"]


@dataclass(frozen=True)
class Spread:
    """A figure over seeds.

    Attributes
    ----------
    mean : float
        NaN where no seed has the figure.
    low, high : float
        95 % interval of the mean over seeds; NaN for fewer than two.
    n : int
        How many seeds have the figure.
    """

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Judgement:
    """What was found about one pair on one set, over seeds.

    Attributes
    ----------
    data, pair, network, explainer : str
        The set, and the pair with its parts.
    n_seeds, n_judged : int
        Seeds, and those whose accuracy passed the gate; only these have figures.
    limit : float
        The accuracy that the gate asks for.
    accuracy : Spread
        Of all seeds.
    figures : dict of str to dict of str to Spread
        Check to figure to its spread.
    beside : dict of str to dict of str to Spread
        Scores of recovery of maps that know nothing, by their name, on the same seeds.
    curves : dict of str to ndarray
        Means over seeds of what is drawn: one number per share of cells, per time step, or per layer.
    names : dict of str to tuple of str
        Of what a curve goes through: ``cascade`` has the network's layers from the output on.
    contributes : bool
        Whether the maps are contributions, whose sign counts.
    at_chance : tuple of str
        What the gate said of seeds whose accuracy reaches `limit`, but cannot be told from chance.
    """

    data: str
    pair: str
    network: str
    explainer: str
    n_seeds: int
    n_judged: int
    limit: float
    accuracy: Spread
    figures: dict[str, dict[str, Spread]]
    beside: dict[str, dict[str, Spread]]
    curves: dict[str, np.ndarray]
    names: dict[str, tuple[str, ...]]
    contributes: bool = False
    at_chance: tuple[str, ...] = ()

    def figure(self, check: str, name: str) -> Spread:
        """Return a figure; one without seeds where the check was not made."""
        return self.figures.get(check, {}).get(name, over_seeds([]))

    def gain(self, kind: str) -> Spread:
        """Return what ``removal``, or ``insertion``, gains on random rankings by the map's own ranking.

        Contributions are ranked by their value: a large negative one speaks against the answer. Others are ranked by
        their absolute value.
        """
        signed = self.figure("faithful", f"{kind}_gain_signed")
        return signed if self.contributes and signed.n else self.figure("faithful", f"{kind}_gain_absolute")


def over_seeds(values: Sequence[float | None], level: float = 0.95) -> Spread:
    r"""Return the mean over seeds with Student's interval.

    .. math:: \bar v \pm t_{n-1} \, s / \sqrt{n}

    It says how well the mean over new seeds (new samples, new weights) is known. Values that are missing (None or NaN)
    are left out. The interval is not cut at the ends of a score's range.
    """
    known = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=float)
    if not len(known):
        return Spread(float("nan"), float("nan"), float("nan"), 0)
    mean = float(known.mean())
    if len(known) < 2:
        return Spread(mean, float("nan"), float("nan"), 1)
    half = float(student.ppf(0.5 + level / 2, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known)))
    return Spread(mean, mean - half, mean + half, len(known))


def _spreads(parts: Sequence[Mapping[str, float | None]]) -> dict[str, Spread]:
    return {key: over_seeds([part.get(key) for part in parts]) for key in dict.fromkeys(k for p in parts for k in p)}


def _checks(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return what the checks of judged rows hold under `key`, by check."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        for check, content in row["checks"].items():
            if key in content:
                found.setdefault(check, []).append(content[key])
    return found


def _judge(rows: Sequence[Mapping[str, Any]], limit: float) -> Judgement:
    first, judged = rows[0], [row for row in rows if row["judged"]]
    beside = [part for parts in _checks(judged, "beside").values() for part in parts]
    curves = [part for parts in _checks(judged, "curves").values() for part in parts]
    names = [part for parts in _checks(judged, "names").values() for part in parts]
    return Judgement(
        data=first["set"],
        pair=first["pair"],
        network=first["network"],
        explainer=first["explainer"],
        n_seeds=len(rows),
        n_judged=len(judged),
        limit=limit,
        accuracy=over_seeds([row["gate"]["value"] for row in rows]),
        figures={check: _spreads(parts) for check, parts in _checks(judged, "figures").items()},
        beside={name: _spreads([part[name] for part in beside]) for name in (beside[0] if beside else ())},
        curves={
            name: np.mean([np.asarray(part[name], dtype=float) for part in curves if name in part], axis=0)
            for name in dict.fromkeys(name for part in curves for name in part)
        },
        names={name: tuple(values) for part in names for name, values in part.items()},
        contributes=bool(first.get("contributes", False)),
        at_chance=tuple(row["gate"]["verdict"].removeprefix("not judged: ") for row in rows
                        if not row["judged"] and row["gate"]["value"] >= limit),
    )


def summarise(rows: Iterable[Mapping[str, Any]], limit: float) -> list[Judgement]:
    """Put the seeds of each set and pair together, in the order in which they first occur.

    Parameters
    ----------
    rows : iterable of mapping
        One per set, pair and seed: `set`, `pair`, `network`, `explainer`, `judged`, `gate` (a record of
        :func:`fmri_saliency.evidence.gate`), and `checks`: check to `figures`, `beside`, `curves` and `names`;
        `contributes` where the maps are contributions.
    limit : float
        The accuracy that the gate asked for.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["pair"]), []).append(row)
    return [_judge(group, limit) for group in groups.values()]
