"""Whether two runs are one scan, by what is in their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmri_saliency.errors import InputError
from fmri_saliency.records import Run

__all__ = ["check_copies"]


def check_copies(runs: Sequence[Run], cards: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a scan that is there twice: it would be both trained and tested on.

    Parameters
    ----------
    runs : sequence of Run
    cards : sequence of mapping, one per run
        The content of the JSON beside the series of each; the first of its `SourceFiles` is the scan, with its SHA-256.

    Raises
    ------
    InputError
        If the scans of two runs, of two people or of one, have the same content; both files are named.
    """
    first: dict[str, Run] = {}
    for run, card in zip(runs, cards, strict=True):
        scan = next(iter(card.get("SourceFiles") or ()), {})
        if "sha256" not in scan:
            continue
        other = first.setdefault(scan["sha256"], run)
        if other is not run:
            whose = f"{other.key} and {run.key}"
            kind = "two people" if other.subject != run.subject else "two runs of one person"
            raise InputError(f"{run.bold} is a copy of {other.bold}: the scans of {kind}, {whose}, have the same "
                             f"content (SHA-256 {scan['sha256'][:12]}...). It would be both trained and tested on: "
                             "leave one of them out (exclude in [scans]), or put the right scan in its place.")
