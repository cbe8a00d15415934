"""Figures: take records, return matplotlib figures (or pictures as numbers), read and write nothing."""

from fmri_saliency.plotting.animation import animate_glass
from fmri_saliency.plotting.attention import plot_attention
from fmri_saliency.plotting.beside import plot_beside
from fmri_saliency.plotting.checks import plot_evidence
from fmri_saliency.plotting.courses import plot_time_courses
from fmri_saliency.plotting.curves import plot_curves
from fmri_saliency.plotting.film import GlassFilm, draw_glass_film
from fmri_saliency.plotting.glass import plot_glass, plot_glass_share, plot_glass_strip
from fmri_saliency.plotting.heatmap import plot_region_time
from fmri_saliency.plotting.judging import plot_faithfulness, plot_null, plot_recovery
from fmri_saliency.plotting.learning import plot_learning
from fmri_saliency.plotting.maps import plot_maps
from fmri_saliency.plotting.profile import plot_time_shares
from fmri_saliency.plotting.quality import plot_coverage, plot_run_quality
from fmri_saliency.plotting.scores import plot_confusion
from fmri_saliency.plotting.surface import plot_surface
from fmri_saliency.plotting.vanishing import plot_vanishing
from fmri_saliency.plotting.volume import view_volume

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
