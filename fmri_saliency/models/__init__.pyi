from .attention import InputCellAttention
from .names import FORMS, LINEAR_NETWORKS, READOUTS, needs_length, network_names
from .networks import NetworkSettings, SequenceClassifier, make_network
from .reading import attention_over_time, readout_over_time
from .readout import Readout
from .recurrent import InputCellGRU, InputCellLSTM, InputCellRNN
from .vanishing import (
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
