"""One self-contained page: draws what the steps saved, computes nothing."""

from fmri_saliency.report.page import Picture, make_page

__all__ = ["Picture", "make_page"]
