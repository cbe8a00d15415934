"""Settings of the decoder, in two small groups."""

from __future__ import annotations

from dataclasses import dataclass, field

from fmri_saliency.errors import ConfigError
from fmri_saliency.models import FORMS, READOUTS
from fmri_saliency.models.names import BIAS, DROPOUT, FRAMES, LAYERS, SIZE
from fmri_saliency.settings import Settings, bounds

__all__ = ["CLASS_WEIGHTS", "WAYS", "Architecture", "Training", "check_device"]

CLASS_WEIGHTS = ("none", "balanced")
WAYS = ("plain", "replacement", "saliency-guided")


def check_device(device: str) -> None:
    """Refuse a device that PyTorch does not know or that is not there.

    Raises
    ------
    ConfigError
    """
    if device == "cpu":
        return
    import torch  # half a second and 0.2 GB, which steps that train nothing do without

    try:
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # whatever a device's own package raises
        raise ConfigError(f"device in [decoder] must be one that PyTorch can use here, such as cpu; '{device}' came: "
                          f"{str(error).partition(chr(10))[0]}") from None


@dataclass(frozen=True)
class Architecture(Settings, where="in [decoder.architecture]"):
    """Shape of the network; see :func:`fmri_saliency.models.make_network`.

    Attributes
    ----------
    hidden_size : int
        Units of the recurrent layer.
    hops, attention_size : int
        Rows and width of the input-cell attention.
    form : {"mean", "flatten", "flatten_l2"}
        How its rows reach the gates.
    num_layers : int
        Layers of the network.
    window : int, optional
        Frames that the attention looks back; all when left out.
    current_input : bool
        Let the gates see the current frame beside what was read of the past.
    readout : {"last", "mean", "max", "attention"}
        How the hidden sequence is read.
    dropout : float
        Dropout on inputs and on the hidden state that is read, 0 to 1.
    forget_bias : float
        Initial bias of the forget gate.
    """

    hidden_size: int = field(default=32, metadata=SIZE)
    hops: int = field(default=10, metadata=SIZE)
    attention_size: int = field(default=50, metadata=SIZE)
    form: str = field(default="mean", metadata=bounds(choices=FORMS))
    num_layers: int = field(default=1, metadata=LAYERS)
    window: int | None = field(default=None, metadata=FRAMES)
    current_input: bool = False
    readout: str = field(default="last", metadata=bounds(choices=READOUTS))
    dropout: float = field(default=0.5, metadata=DROPOUT)
    forget_bias: float = field(default=1.0, metadata=BIAS)


@dataclass(frozen=True)
class Training(Settings, where="in [decoder.training]"):
    """How the network is trained (AdamW on the cross-entropy of the logits).

    Attributes
    ----------
    learning_rate, weight_decay : float
    batch_size : int
    max_epochs : int
    patience : int
        Epochs without a better loss on the held-out groups before training stops.
    gradient_clip : float
        Largest norm of the gradient.
    class_weights : {"none", "balanced"}
        Weigh the classes in the loss by the inverse of their frequency.
    way : {"plain", "replacement", "saliency-guided"}
        How batches are shown: as they are; with random blocks replaced by those of another sample; or also
        with the cells of smallest gradient replaced by noise, asking for the same answer. See
        :class:`ExplainableNet`.
    share : float
        Of the blocks or cells that are replaced.
    block : int
        Frames of a block.
    deterministic : bool
        Use one thread and deterministic algorithms only, so that one seed gives one result
        whatever the number of cores.
    """

    learning_rate: float = field(default=0.01, metadata=bounds(above=0, high=1_000))
    weight_decay: float = field(default=0.1, metadata=bounds(low=0, high=1_000))
    batch_size: int = field(default=16, metadata=bounds(above=0, high=1_000_000, unit="samples"))
    max_epochs: int = field(default=100, metadata=bounds(above=0, high=1_000_000))
    patience: int = field(default=25, metadata=bounds(above=0, high=1_000_000_000, unit="epochs"))
    gradient_clip: float = field(default=1.0, metadata=bounds(above=0, high=1_000_000_000))
    class_weights: str = field(default="none", metadata=bounds(choices=CLASS_WEIGHTS))
    way: str = field(default="plain", metadata=bounds(choices=WAYS))
    share: float = field(default=0.5, metadata=bounds(above=0, below=1, words="between 0 and 1"))
    block: int = field(default=10, metadata=bounds(above=0, high=1_000_000, unit="frames"))
    deterministic: bool = False
