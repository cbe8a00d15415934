"""Atlases, and maps of numbers per region in brain space."""

from fmri_saliency.brain.atlases import (
    check_space,
    is_adult_template,
    load_atlas,
    load_chosen_atlas,
    load_label_atlas,
    resample_atlas,
)
from fmri_saliency.brain.cards import AtlasChoice
from fmri_saliency.brain.cifti import load_grayordinate_atlas, match_grayordinates, save_grayordinates
from fmri_saliency.brain.listing import atlas_cards, describe_atlas, list_atlases
from fmri_saliency.brain.maps import load_maps_atlas
from fmri_saliency.brain.project import project_labels, project_maps, project_regions, save_map, stream_map
from fmri_saliency.brain.surface import HEMISPHERES, load_hemisphere, project_surface, sample_regions

__all__ = [
    "HEMISPHERES",
    "AtlasChoice",
    "atlas_cards",
    "check_space",
    "describe_atlas",
    "is_adult_template",
    "list_atlases",
    "load_atlas",
    "load_chosen_atlas",
    "load_grayordinate_atlas",
    "load_hemisphere",
    "load_label_atlas",
    "load_maps_atlas",
    "match_grayordinates",
    "project_labels",
    "project_maps",
    "project_regions",
    "project_surface",
    "resample_atlas",
    "sample_regions",
    "save_grayordinates",
    "save_map",
    "stream_map",
]
