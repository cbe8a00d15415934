"""The list of atlases, and all that is known of one, in words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fmri_saliency.brain.cards import Card, find_card, read_cards
from fmri_saliency.brain.fetch import count_present

__all__ = ["atlas_cards", "describe_atlas", "list_atlases"]

OWN = """One's own: any image in a configuration's [atlas]
  labels   a 3D image of whole numbers, or maps: a 4D image of weights
  table    its regions: TSV (index, name), FSL XML, FSLeyes .lut or a FreeSurfer look-up table
  space    its template space, as BIDS names it"""


def _offline(card: Card, data_dir: Path | None) -> str:
    """Say whether an atlas can be used without a network: ``yes``, ``no``, or how many of its realisations."""
    if card.obtained == "brought":
        return "brought by you"
    here, every = count_present(card, data_dir)
    return "yes" if here == every else f"{here} of {every}" if here else "no"


def atlas_cards(data_dir: Path | None = None) -> pd.DataFrame:
    """Return what can be chosen by name: one row per atlas.

    Parameters
    ----------
    data_dir : Path, optional
        Where to look for downloaded atlases; nilearn's own folder when omitted.

    Returns
    -------
    DataFrame
        Columns `name`, `kind`, `regions`, `space`, `offline` (whether it can be used without a network), `licence`,
        `source`.
    """
    rows = [
        {"name": card.name, "kind": card.kind, "regions": card.regions, "space": card.space or "as you state",
         "offline": _offline(card, data_dir), "licence": card.license, "source": card.source}
        for card in read_cards()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def list_atlases(data_dir: Path | None = None) -> str:
    """Return the list of atlases as text: a line each, and how to bring one's own."""
    table = atlas_cards(data_dir)[["name", "kind", "regions", "space", "offline"]]
    rows = [tuple(table.columns), *table.itertuples(index=False)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    note = "offline: usable here without a network. Licence, citation and options: fmri-saliency atlases NAME"
    return "\n".join([*lines, "", note, "", OWN])


def describe_atlas(name: str, data_dir: Path | None = None) -> str:
    """Return all that the card of an atlas says, and the lines of [atlas] that choose it.

    Raises
    ------
    AtlasError
        If there is no such atlas.
    """
    card = find_card(name)
    lines = [card.name, f"  {card.description}"]
    facts = {"kind": card.kind, "regions": card.regions, "space": card.space or "as you state", "licence": card.license,
             "source": card.source, "offline": _offline(card, data_dir)}  # fmt: skip
    lines += [f"  {key:<9}{value}" for key, value in facts.items()]
    lines += [f"  cite     {reference}" for reference in card.references_and_links]
    if card.obtained == "brought":
        return "\n".join([*lines, "", OWN])
    lines += ["", "  [atlas]", f'  name = "{card.name}"']
    for key, option in card.options.items():
        allowed = ", ".join(map(str, option["Values"])) if "Values" in option else "any; the nearest is taken"
        default = f'"{option["Default"]}"' if isinstance(option["Default"], str) else option["Default"]
        lines.append(f"  {key} = {default}   # {allowed}")
    return "\n".join(lines)
