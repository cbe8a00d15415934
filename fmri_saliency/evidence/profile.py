"""Where in time saliency lies: spread out, or piled up at the ends."""

from __future__ import annotations

import numpy as np

from fmri_saliency.records import Evidence, Saliency

__all__ = ["edge_shares"]


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
        word = "more than" if value > 1.5 * even else "less than" if value < even / 1.5 else "about"
        found.append(
            Evidence(
                check=f"share of saliency in the {which} {piece} time steps",
                subject=network,
                value=value,
                null=even,
                on=f"mean over {len(usable)} held-out samples, decoder seed {saliency.seed}",
                verdict=f"{word} an even spread over time",
            )
        )
    return found
