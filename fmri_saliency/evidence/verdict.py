"""What the figures of a pair come to, in plain words."""

from __future__ import annotations

from fmri_saliency.evidence.summary import Judgement

__all__ = ["best_rival", "say_verdict"]

WORTH = 0.02  # of a probability, or an area: less is nothing to speak of
ALIKE = 0.5  # a rank correlation, or a share of the time profile, above which a map is largely an ignorant network's


def _gate(found: Judgement) -> str:
    percent = f"{100 * found.accuracy.mean:.0f} %"
    if not found.n_judged:
        below = len(found.at_chance) < found.n_seeds
        reasons = [f"{100 * found.limit:.0f} % are asked for"] if below else []
        reasons += dict.fromkeys(found.at_chance)
        return (f"Not judged: the network answers {percent} of held-out samples correctly, and "
                f"{'; '.join(reasons)}. The map of a network that does not know the answer means nothing.")
    some = "" if found.n_judged == found.n_seeds else \
        f" (only {found.n_judged} of {found.n_seeds} seeds pass the gate; the others are left out)"
    return f"The network knows the answer: {percent} of held-out samples{some}."


def best_rival(found: Judgement, score: str = "auroc") -> tuple[str, float]:
    """Return the map that knows nothing of the network and scores best, by name, and its mean score."""
    rivals = {name: scores[score].mean for name, scores in found.beside.items() if name != "oracle"}
    best = max(rivals, key=lambda name: rivals[name])
    return best, rivals[best]


def _recover(found: Judgement) -> str:
    cells = found.figure("recover", "auroc")
    if not cells.n:
        return ""
    name, rival = best_rival(found)
    low = cells.low if cells.n > 1 else cells.mean
    quality = "finds the planted cells" if low >= 0.9 else "finds the planted cells in part" if low > 0.6 else \
        "does not find the planted cells"
    against = "better than" if low > rival else "as good as" if cells.mean > rival - WORTH else "worse than"
    precision, chance = found.figure("recover", "auprc").mean, found.figure("recover", "density").mean
    first, last = (found.figure("recover", f"{end}_excess").mean for end in ("first", "last"))
    ends = [f"the {end} tenth of the steps gets {100 * excess:+.0f} % of the map too much"
            for end, excess in (("first", first), ("last", last)) if excess > 0.05]  # fmt: skip
    return (f"The map {quality} (AUROC {cells.mean:.2f}, AUPRC {precision:.2f} where chance has {chance:.2f}): "
            f"{against} the best map that knows nothing of it ({name}, {rival:.2f})."
            + (f" But {' and '.join(ends)}." if ends else ""))


def _suppress(found: Judgement | None) -> str:
    if found is None:
        return ""
    if not found.n_judged:
        return ("Whether regions that only help to cancel noise look important is not judged: with them its network "
                f"knows {100 * found.accuracy.mean:.0f} % of the answers.")
    ratio, pattern = found.figure("suppress", "ratio"), found.figure("suppress", "pattern_ratio")
    if not ratio.n:
        return ("Whether regions that only help to cancel noise look important cannot be said: the map is zero where "
                "the signal is.")
    words = "look as important as signal" if ratio.mean > 0.8 else "look important" if ratio.mean > 0.3 else \
        "are told apart from signal"
    beside = f"; in the network's pattern {pattern.mean:.2f}" if pattern.n else ""
    return f"Regions that only help to cancel noise {words}: {ratio.mean:.2f} of the signal's importance{beside}."


def _in_time(found: Judgement) -> str:
    learnt, p = found.figure("null", "profile_learnt"), found.figures["null"].get("profile_p")
    if not learnt.n and p is not None and not p.n:
        return "whether where in time it lies was learnt cannot be said, as maps are zero everywhere"
    if not learnt.n:
        return "whether where in time it lies was learnt was not asked with enough draws of new weights"
    seeds = f"{round(learnt.mean * learnt.n)} of {learnt.n} {'seed' if learnt.n == 1 else 'seeds'}"
    if learnt.mean > 0.5:
        return f"where in time it lies is more than an untrained network shows ({seeds})"
    return ("where in time it lies cannot be told from an untrained network's, so that it says nothing about when "
            f"({seeds} {'differs' if learnt.n == 1 else 'differ'})")


def _null(found: Judgement) -> str:
    if "null" not in found.figures:
        return ""
    cells = found.figure("null", "renewed_absolute")
    alike = "how like that of a network with new weights the map is cannot be said, as one of them is the same " \
        "everywhere" if not cells.n else \
        f"the map is {'largely' if cells.mean > ALIKE else 'not'} that of a network with new weights " \
        f"(rank correlation {cells.mean:.2f})"
    shuffled = found.figure("null", "shuffled_labels_profile_share").mean
    caveat = "" if not shuffled > ALIKE else \
        f" But a network that learnt shuffled labels shows {100 * shuffled:.0f} % of the same time profile."
    return f"Of what training adds: {alike}, and {_in_time(found)}.{caveat}"


def _faithful(found: Judgement) -> str:
    gains = {kind: found.gain(kind) for kind in ("removal", "insertion")}
    if not gains["removal"].n or not gains["insertion"].n:
        return ""
    needed = {kind: max(WORTH, found.figure("faithful", f"{kind}_spread").mean) for kind in gains}
    beyond = [kind for kind, gain in gains.items() if gain.mean > needed[kind]]
    words = {2: "The answer hangs on what the map calls important, when it is removed and when it is put in",
             1: f"The answer hangs on what the map calls important only in {''.join(beyond)}",
             0: "The answer hangs on what the map calls important no more than on random cells"}  # fmt: skip
    return (f"{words[len(beyond)]} (beyond random: removal {gains['removal'].mean:+.2f}, insertion "
            f"{gains['insertion'].mean:+.2f}).")


def _retrained(found: Judgement) -> str:
    words = []
    for key, gain in found.figures.get("faithful", {}).items():
        if key.endswith("_kept_gain"):
            network, points = key.split("_")[1], 100 * gain.mean
            more = "as much as" if abs(points) < 100 * WORTH else \
                f"{abs(points):.0f} % {'more' if points > 0 else 'fewer'} of the answers than"
            words.append(f"Trained again on the most important cells alone, {network} knows {more} on random cells.")
    return " ".join(words)


def say_verdict(found: Judgement, suppressors: Judgement | None = None) -> str:
    """Say what was found about a pair on a set, in a few sentences.

    Parameters
    ----------
    found : Judgement
    suppressors : Judgement, optional
        What was found about the same pair on suppressors.

    Notes
    -----
    A map finds the planted cells where the lower end of its AUROC's interval is at least 0.9, in part above 0.6. It is
    that of a network with new weights where the rank correlation of absolute values is above 0.5. Suppressors look as
    important as signal from a ratio of 0.8 on, and important from 0.3 on. A gain beyond random counts where it exceeds
    the spread of random rankings, and 0.02; blocks are ranked by signed values where maps are contributions, else by
    absolute ones. A single seed has no interval, and its mean stands for the lower end.
    """
    if not found.n_judged:
        return _gate(found)
    own = found if "suppress" in found.figures else suppressors
    alone = "All this is of one seed: there is no interval." if found.n_judged == 1 else ""
    parts = (_gate(found), _recover(found), _suppress(own), _null(found), _faithful(found), _retrained(found), alone)
    return " ".join(part for part in parts if part)
