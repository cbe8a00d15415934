"""One self-contained page: draws what the steps saved, computes nothing."""

from fmri_saliency.report.page import Animation, Film, Picture, Volume, make_page

__all__ = ["Animation", "Film", "Picture", "Volume", "make_page"]
