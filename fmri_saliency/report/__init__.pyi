from .page import Animation, Film, Picture, Volume, make_page

__all__ = ["Animation", "Film", "Picture", "Volume", "make_page"]
