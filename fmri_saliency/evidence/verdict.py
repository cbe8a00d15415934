"""What the figures of a pair come to, in plain words."""

from __future__ import annotations

from fmri_saliency.evidence.summary import Judgement

__all__ = ["say_verdict"]


def _gate(found: Judgement) -> str:
    if not found.n_judged:
        return (f"Not judged: the network answers {100 * found.accuracy.mean:.0f} % of held-out samples correctly, and "
                f"{100 * found.limit:.0f} % are asked for. A map of a network that does not know the answer means "
                "nothing.")
    some = "" if found.n_judged == found.n_seeds else \
        f" (only {found.n_judged} of {found.n_seeds} seeds reach it; the others are left out)"
    return f"The network knows the answer: {100 * found.accuracy.mean:.0f} % of held-out samples{some}."


def _recover(found: Judgement) -> str:
    cells = found.figure("recover", "auroc")
    if not cells.n:
        return ""
    rivals = {name: scores["auroc"].mean for name, scores in found.beside.items() if name != "oracle"}
    best = max(rivals, key=lambda name: rivals[name])
    low = cells.low if cells.n > 1 else cells.mean
    quality = "finds the planted cells" if low >= 0.9 else "finds the planted cells in part" if low > 0.6 else \
        "does not find the planted cells"
    against = "better than" if low > rivals[best] else "no better than"
    precision, chance = found.figure("recover", "auprc").mean, found.figure("recover", "density").mean
    return (f"The map {quality} (AUROC {cells.mean:.2f}, AUPRC {precision:.2f} where chance has {chance:.2f}): "
            f"{against} the best map that knows nothing of this network ({best}, {rivals[best]:.2f}).")


def say_verdict(found: Judgement) -> str:
    """Say what was found about a pair on a set, in a few sentences."""
    parts = [_gate(found)]
    if found.n_judged:
        parts += [_recover(found)]
    return " ".join(part for part in parts if part)
