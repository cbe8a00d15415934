"""Settings of the decoder, in two small groups."""

from __future__ import annotations

from dataclasses import dataclass

from fmri_saliency.errors import ConfigError, one_of
from fmri_saliency.models import FORMS, READOUTS

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
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device in [decoder] must be one that PyTorch can use here, such as cpu; '{device}' came: "
                          f"{str(error).splitlines()[0]}") from None


def _above(name: str, value: float, limit: float = 0, section: str = "decoder") -> None:
    if not value > limit:
        raise ConfigError(f"{name} in [{section}] must be above {limit:g}; {value} came.")


@dataclass(frozen=True)
class Architecture:
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

    hidden_size: int = 32
    hops: int = 10
    attention_size: int = 50
    form: str = "mean"
    num_layers: int = 1
    window: int | None = None
    current_input: bool = False
    readout: str = "last"
    dropout: float = 0.5
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        for name in ("hidden_size", "hops", "attention_size", "num_layers"):
            _above(name, getattr(self, name), section="decoder.architecture")
        if self.window is not None:
            _above("window", self.window, section="decoder.architecture")
        one_of(self.form, FORMS, "form in [decoder.architecture]", ConfigError)
        one_of(self.readout, READOUTS, "readout in [decoder.architecture]", ConfigError)
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout in [decoder.architecture] must be at least 0 and below 1; {self.dropout} came.")


@dataclass(frozen=True)
class Training:
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

    learning_rate: float = 0.01
    weight_decay: float = 0.1
    batch_size: int = 16
    max_epochs: int = 100
    patience: int = 25
    gradient_clip: float = 1.0
    class_weights: str = "none"
    way: str = "plain"
    share: float = 0.5
    block: int = 10
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "max_epochs", "patience", "gradient_clip"):
            _above(name, getattr(self, name), section="decoder.training")
        one_of(self.way, WAYS, "way in [decoder.training]", ConfigError)
        _above("block", self.block, section="decoder.training")
        if not 0 < self.share < 1:
            raise ConfigError(f"share in [decoder.training] must be between 0 and 1; {self.share} came.")
        one_of(self.class_weights, CLASS_WEIGHTS, "class_weights in [decoder.training]", ConfigError)
        if self.weight_decay < 0:
            raise ConfigError(f"weight_decay in [decoder.training] must be at least 0; {self.weight_decay} came.")
