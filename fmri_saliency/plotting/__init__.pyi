from .animation import animate_glass
from .attention import plot_attention
from .beside import plot_beside
from .checks import plot_evidence
from .courses import plot_time_courses
from .curves import plot_curves
from .film import GlassFilm, draw_glass_film
from .glass import plot_glass, plot_glass_share, plot_glass_strip
from .heatmap import plot_region_time
from .judging import plot_faithfulness, plot_null, plot_recovery
from .learning import plot_learning
from .maps import plot_maps
from .profile import plot_time_shares
from .quality import plot_coverage, plot_run_quality
from .scores import plot_confusion
from .surface import plot_surface
from .vanishing import plot_vanishing
from .volume import view_volume

__all__ = [
    "GlassFilm",
    "animate_glass",
    "draw_glass_film",
    "plot_attention",
    "plot_beside",
    "plot_confusion",
    "plot_coverage",
    "plot_curves",
    "plot_evidence",
    "plot_faithfulness",
    "plot_glass",
    "plot_glass_share",
    "plot_glass_strip",
    "plot_learning",
    "plot_maps",
    "plot_null",
    "plot_recovery",
    "plot_region_time",
    "plot_run_quality",
    "plot_surface",
    "plot_time_courses",
    "plot_time_shares",
    "plot_vanishing",
    "view_volume",
]
