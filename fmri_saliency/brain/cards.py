"""The registry of atlases: one card each, which of its options were chosen, and what the user may choose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import AtlasError, ConfigError, nearest
from fmri_saliency.settings import Settings, bounds

__all__ = ["OPTIONS", "AtlasChoice", "Card", "find_card", "read_cards", "settle"]

OPTIONS = ("n_regions", "networks", "resolution_mm", "variant")
"""Keys of [atlas] that say which realisation of an atlas is meant; an atlas has some of them."""


@dataclass(frozen=True)
class AtlasChoice(Settings, where="in [atlas]"):
    """Which regions: an atlas by name, or one's own image with its table.

    Attributes
    ----------
    name : str
        An atlas that has a card; with an image of one's own, what it is called.
    n_regions, networks, resolution_mm : int
        Which size, assignment to networks, and voxel size; 0 is the atlas's default.
    variant : str
        Which of several versions; empty is the atlas's default.
    data_dir : Path, optional
        Where downloaded atlases lie and are put; nilearn's own folder when omitted.
    labels, maps : Path, optional
        One's own image: 3D labels, or 4D maps of weights.
    table : Path, optional
        Its regions: TSV, FSL XML, FSLeyes ``.lut`` or FreeSurfer look-up table.
    space : str
        BIDS name of its template space.
    """

    name: str = "Compact"
    n_regions: int = field(default=0, metadata=bounds(low=0, high=100_000))
    networks: int = field(default=0, metadata=bounds(low=0, high=1000))
    resolution_mm: int = field(default=0, metadata=bounds(low=0, high=100, unit="mm"))
    variant: str = ""
    data_dir: Path | None = None
    labels: Path | None = None
    maps: Path | None = None
    table: Path | None = None
    space: str = ""

    def _check_together(self) -> None:
        for key in ("name", "space") if self.space else ("name",):
            clean_label(getattr(self, key), f"{key} in [atlas]:", ConfigError)
        if self.labels is not None and self.maps is not None:
            raise ConfigError("[atlas] has both labels (a 3D label image) and maps (a 4D image of weights); give one.")
        given = [key for key in OPTIONS if getattr(self, key)]
        if self.image is not None and given:
            raise ConfigError(f"[atlas] has both an image of one's own ({self.image}) and {given[0]}, which chooses "
                             "among fetched atlases; leave one out.")
        if self.image is None and self.table is not None:
            raise ConfigError(f"[atlas] table names {self.table}, but no image belongs to it: set labels (3D) or "
                             "maps (4D).")

    @property
    def image(self) -> Path | None:
        """One's own image, if there is one."""
        return self.labels if self.maps is None else self.maps


@dataclass(frozen=True)
class Card:
    """What is known about an atlas before it is read; the keys of a card are explained in ``atlases/README``.

    Attributes
    ----------
    options : dict
        Key of [atlas] to ``{"Values": [...], "Default": ...}``; any whole number where no values are given.
    variants : dict
        Variant to the keys of the card that it changes.
    """

    name: str
    license: str
    description: str
    source: str
    obtained: str
    kind: str
    space: str
    regions: str
    references_and_links: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    fetcher: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    files: tuple[str, ...] = ()
    image: str = "maps"
    seg: str = ""
    scale: str = ""
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)


def _known_keys(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a record of a card holds, from the keys of a card: ``ReferencesAndLinks`` is references_and_links."""
    named = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower(): value for key, value in content.items()}
    names = {item.name for item in fields(Card)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in named.items() if key in names}


@cache
def read_cards() -> tuple[Card, ...]:
    """Read all cards: the embedded atlas first, then by name.

    Raises
    ------
    AtlasError
        If a card lacks a key.
    """
    root = data_folder("atlases")
    cards = []
    for path in [*root.glob("atlas-*_description.json"), *root.glob("cards/atlas-*_description.json")]:
        try:
            cards.append(Card(**_known_keys(read_json(path))))
        except TypeError as error:
            raise AtlasError(f"The card {path} is not whole: {error}. Its keys are explained in "
                             f"{root / 'README'}.") from None
    return tuple(sorted(cards, key=lambda card: (card.obtained != "embedded", card.name.lower())))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_card(name: str) -> Card:
    """Return the card of an atlas by its name or an alias, in any case and punctuation.

    Raises
    ------
    AtlasError
        If there is none; the nearest is suggested.
    """
    known = {_plain(alias): card for card in read_cards() for alias in (card.name, *card.aliases)}
    if _plain(name) in known:
        return known[_plain(name)]
    hint = nearest(_plain(name), known)
    for plain, card in known.items():
        hint = hint.replace(f"'{plain}'", f"'{card.name}'")
    raise AtlasError(f"name in [atlas] must be one of {', '.join(card.name for card in read_cards())}; '{name}' came."
                     f"{hint} For an image of your own set labels (3D) or maps (4D), and table.")


def settle(card: Card, choice: AtlasChoice) -> tuple[Card, dict[str, Any]]:
    """Return the card as it holds for what was chosen, and every option with its value.

    Parameters
    ----------
    card : Card
    choice : AtlasChoice
        Only its options are read.

    Returns
    -------
    card : Card
        With the changes of the variant, and ``{option}`` filled in.
    options : dict
        Option to the chosen value, or the default.

    Raises
    ------
    AtlasError
        If the atlas does not have an option, or not that value of it.
    """
    options = {}
    for key in OPTIONS:
        value = getattr(choice, key)
        if key not in card.options:
            if value:
                raise AtlasError(f"{key} in [atlas] does not apply to {card.name}, which has "
                                 f"{', '.join(card.options) or 'no options'}. Leave it out.")
            continue
        allowed = card.options[key].get("Values")
        if value and allowed and value not in allowed:
            raise AtlasError(f"{key} in [atlas] must be one of {', '.join(map(str, allowed))} for {card.name}; "
                             f"'{value}' came.{_nearest_value(value, allowed)}")
        options[key] = value or card.options[key]["Default"]
    changed = replace(card, **_known_keys(card.variants.get(options.get("variant", ""), {})))
    return replace(
        changed,
        arguments={key: _fill(value, options) for key, value in changed.arguments.items()},
        folder=changed.folder.format(**options),
        files=tuple(name.format(**options) for name in changed.files),
        seg=changed.seg.format(**options),
        scale=changed.scale.format(**options),
    ), options


def _nearest_value(value: int | str, allowed: list[Any]) -> str:
    if isinstance(value, str):
        return nearest(value, allowed)
    return f" Did you mean {min(allowed, key=lambda other: abs(other - value))}?"


def _fill(value: Any, options: dict[str, Any]) -> Any:
    """Put options into an argument; one that is an option alone keeps its type."""
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\{(\w+)\}", value)
    return options[whole[1]] if whole else value.format(**options)
