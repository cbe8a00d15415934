from .attribute import attribute, completeness_gap, forward_passes
from .methods import METHODS, Method
from .names import REFUSED, method_names
from .settings import ExplainerSettings

__all__ = [
    "METHODS",
    "REFUSED",
    "ExplainerSettings",
    "Method",
    "attribute",
    "completeness_gap",
    "forward_passes",
    "method_names",
]
