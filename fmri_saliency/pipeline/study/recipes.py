"""Recipes: a network, its training and its explainer by one word of the configuration."""

from __future__ import annotations

from typing import Any

from fmri_saliency.errors import ConfigError, one_of
from fmri_saliency.settings import check_text

__all__ = ["RECIPES", "follow_recipe"]

# Sections as in the TOML file. "pooled" is the recommended pair (fmri_saliency.saliency.PAIRS), trained for tens to
# hundreds of samples: half of the blocks replaced, small batches. Its maps have no sign.
RECIPES: dict[str, dict[str, Any]] = {
    "standard": {},
    "pooled": {
        "decoder": {
            "network": "bi-input-cell-lstm",
            "architecture": {"readout": "mean", "window": 3, "dropout": 0.1},
            "training": {"way": "replacement", "share": 0.5, "learning_rate": 0.005, "max_epochs": 60, "patience": 60},
        },
        "saliency": {"method": "pooled-attention"},
    },
    "paper": {
        "decoder": {"network": "input-cell-lstm", "architecture": {"readout": "last", "form": "mean"}},
        "saliency": {"method": "gradient", "target": "true"},
    },
}


def _fill(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with what `defaults` adds, section by section."""
    filled = dict(values)
    for key, default in defaults.items():
        if key not in filled:
            filled[key] = default
        elif isinstance(default, dict) and isinstance(filled[key], dict):
            filled[key] = _fill(filled[key], default)
    return filled


def follow_recipe(values: dict[str, Any]) -> dict[str, Any]:
    """Add a recipe's keys to those of a configuration file; keys that stand there already win.

    Parameters
    ----------
    values : dict
        Of the TOML file; its key ``recipe`` names the recipe.

    Raises
    ------
    ConfigError
        If the recipe is unknown.
    """
    name = values.get("recipe", "standard")
    check_text(name, "recipe in the configuration")
    one_of(name, RECIPES, "recipe in the configuration", ConfigError)
    return _fill(values, RECIPES[name])
