"""Networks that read ``(batch, time, region)`` and answer with one logit per class."""

from fmri_saliency.models.attention import InputCellAttention
from fmri_saliency.models.networks import SequenceClassifier, make_network, network_names
from fmri_saliency.models.recurrent import InputCellLSTM

__all__ = [
    "InputCellAttention",
    "InputCellLSTM",
    "SequenceClassifier",
    "make_network",
    "network_names",
]
