"""Scans that were never measured, with known truth: studies in the layouts that are read, and trees of any size."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # what is where: __init__.pyi
