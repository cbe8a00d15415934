"""Atlases, and maps of numbers per region in brain space."""

from fmri_saliency.brain.atlases import (
    atlas_cards,
    check_space,
    load_atlas,
    load_label_atlas,
    load_named_atlas,
    resample_atlas,
)
from fmri_saliency.brain.project import project_labels, save_map

__all__ = [
    "atlas_cards",
    "check_space",
    "load_atlas",
    "load_label_atlas",
    "load_named_atlas",
    "project_labels",
    "resample_atlas",
    "save_map",
]
