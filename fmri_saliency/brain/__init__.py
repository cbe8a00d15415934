"""Atlases, and maps of numbers per region in brain space."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # what is where: __init__.pyi
