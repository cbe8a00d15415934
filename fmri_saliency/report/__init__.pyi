from .page import Film, Picture, Volume, make_page

__all__ = ["Film", "Picture", "Volume", "make_page"]
