"""Networks that read ``(batch, time, region)`` and answer with one logit per class."""

from fmri_saliency.models.attention import FORMS, InputCellAttention
from fmri_saliency.models.networks import (
    LINEAR_NETWORKS,
    NetworkSettings,
    SequenceClassifier,
    make_network,
    needs_length,
    network_names,
)
from fmri_saliency.models.reading import attention_over_time, readout_over_time
from fmri_saliency.models.readout import READOUTS, Readout
from fmri_saliency.models.recurrent import InputCellGRU, InputCellLSTM, InputCellRNN
from fmri_saliency.models.vanishing import (
    VanishingProfile,
    forget_gate_products,
    jacobian_norms,
    state_gradient_norms,
    step_shares,
    vanishing_profile,
)

__all__ = [
    "FORMS",
    "LINEAR_NETWORKS",
    "READOUTS",
    "InputCellAttention",
    "InputCellGRU",
    "InputCellLSTM",
    "InputCellRNN",
    "NetworkSettings",
    "Readout",
    "SequenceClassifier",
    "VanishingProfile",
    "attention_over_time",
    "forget_gate_products",
    "jacobian_norms",
    "make_network",
    "needs_length",
    "network_names",
    "readout_over_time",
    "state_gradient_norms",
    "step_shares",
    "vanishing_profile",
]
