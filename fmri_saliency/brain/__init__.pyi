from .atlases import (
    check_space,
    extend_grid,
    is_adult_template,
    load_atlas,
    load_chosen_atlas,
    load_label_atlas,
    resample_atlas,
)
from .cards import AtlasChoice
from .cifti import load_grayordinate_atlas, match_grayordinates, save_grayordinates
from .listing import atlas_cards, describe_atlas, list_atlases
from .maps import load_maps_atlas
from .project import project_labels, project_maps, project_regions, save_map, stream_map
from .surface import (
    HEMISPHERES,
    Hemisphere,
    load_hemisphere,
    project_surface,
    project_vertices,
    read_hemisphere,
    sample_regions,
)

__all__ = [
    "HEMISPHERES",
    "AtlasChoice",
    "Hemisphere",
    "atlas_cards",
    "check_space",
    "describe_atlas",
    "extend_grid",
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
    "project_vertices",
    "read_hemisphere",
    "resample_atlas",
    "sample_regions",
    "save_grayordinates",
    "save_map",
    "stream_map",
]
