"""Networks that read ``(batch, time, region)`` and answer with one logit per class."""

from fmri_saliency.models.attention import FORMS, InputCellAttention
from fmri_saliency.models.networks import (
    LINEAR_NETWORKS,
    SequenceClassifier,
    make_network,
    needs_length,
    network_names,
)
from fmri_saliency.models.readout import READOUTS, Readout
from fmri_saliency.models.recurrent import InputCellGRU, InputCellLSTM, InputCellRNN

__all__ = [
    "FORMS",
    "LINEAR_NETWORKS",
    "READOUTS",
    "InputCellAttention",
    "InputCellGRU",
    "InputCellLSTM",
    "InputCellRNN",
    "Readout",
    "SequenceClassifier",
    "make_network",
    "needs_length",
    "network_names",
]
