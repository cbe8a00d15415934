"""Where in time saliency lies: spread out, or piled up at the ends."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fmri_saliency.attribution.ties import is_flat
from fmri_saliency.errors import InputError
from fmri_saliency.records import Evidence, Saliency

__all__ = ["compare_untrained", "edge_shares"]


def edge_shares(saliency: Saliency, network: str, tenth: float = 0.1) -> list[Evidence]:
    """Return the share of absolute saliency in the first and in the last tenth of the steps.

    A recurrent network whose saliency vanishes shows it only in the last steps (Ismail et
    al. 2019, arXiv:1910.12370). The null is the share of steps, which a map that is even
    over time has.

    Parameters
    ----------
    saliency : Saliency
        Per sample.
    network : str
        For the record.
    tenth : float
        Share of the steps at each end.
    """
    shares = saliency.time_share()
    usable = shares[np.isfinite(shares).all(axis=1)]
    n_times = shares.shape[1]
    steps = max(1, round(tenth * n_times))
    found = []
    for which, part in (("first", usable[:, :steps]), ("last", usable[:, -steps:])):
        value = float(part.sum(axis=1).mean()) if len(usable) else float("nan")
        even = steps / n_times
        piece = "tenth of the" if 0.08 <= even <= 0.12 else f"{steps} of {n_times}"
        known = np.isfinite(value)
        word = "more than" if value > 1.5 * even else "less than" if value < even / 1.5 else "about"
        found.append(
            Evidence(
                check=f"share of saliency in the {which} {piece} time steps",
                subject=network,
                value=value,
                null=even,
                on=f"mean over {len(usable)} held-out samples, decoder seed {saliency.seed}",
                verdict=f"{word} an even spread over time" if known else "cannot be said: there is no saliency",
            )
        )
    return found


def _of_labels(maps: Saliency, labels: tuple[str, ...]) -> Saliency:
    """Return the maps if it is these labels whose answers they explain."""
    if maps.labels != labels:
        differ = sum(one != other for one, other in zip(maps.labels, labels, strict=False))
        raise InputError("Maps of a trained and of an untrained network can be compared where they explain the answer "
                         f"for the same labels; {len(labels)} and {len(maps.labels)} maps came, of which {differ} "
                         "explain different labels.")
    return maps


def compare_untrained(trained: Saliency, untrained: Iterable[Saliency], network: str, tenth: float = 0.1) -> Evidence:
    """Say how much of where in time the saliency lies a network shows without training.

    The correlation over time of the mean share of absolute saliency of a trained network and
    of the same network with new weights, on the same samples. Close to 1 the profile is the
    architecture's, not something that was learnt (after the randomisation checks of Adebayo
    et al. 2018, arXiv:1810.03292).

    Parameters
    ----------
    trained : Saliency
        Per sample.
    untrained : iterable of Saliency
        Of the same samples and labels, one for each draw of new weights; looked at one after the other.
    network : str
        For the record.

    Raises
    ------
    InputError
        If a map of an untrained network explains the answer for another label than the trained one's.
    """
    profile = np.nanmean(trained.time_share(), axis=0)
    drawn = [np.nanmean(_of_labels(one, trained.labels).time_share(), axis=0) for one in untrained]
    others = np.nanmean(drawn, axis=0)
    steps = max(1, round(tenth * len(profile)))
    varies = len(profile) > 2 and not (is_flat(profile) or is_flat(others))
    value = float(np.corrcoef(profile, others)[0, 1]) if varies else float("nan")
    alike = "is largely the architecture's" if value > 0.5 else "is not what an untrained network shows"
    return Evidence(
        check="correlation of the time profile with the untrained network's",
        subject=network,
        value=value,
        null=0.0,
        on=f"{len(trained.labels)} held-out samples, {len(drawn)} draws of new weights, which put "
           f"{others[:steps].sum():.2f} in the first and {others[-steps:].sum():.2f} in the last of {len(profile)} "
           f"steps' tenths (even: {steps / len(profile):.2f})",
        verdict=f"where in time the saliency lies {alike}" if varies else "cannot be said: a profile is flat",
    )
