"""Recurrent layers that read through input-cell attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fmri_saliency.errors import DecoderError
from fmri_saliency.models.attention import InputCellAttention

__all__ = [
    "InputCellGRU",
    "InputCellLSTM",
    "InputCellLayer",
    "InputCellRNN",
    "reverse_time",
    "run_recurrence",
    "set_forget_bias",
]


KERNELS = {nn.LSTM: torch.lstm, nn.GRU: torch.gru, nn.RNN: torch.rnn_tanh}  # what torch's layers call


def hide_padding(x: Tensor, lengths: Any) -> tuple[Tensor, Tensor]:
    """Set what lies behind each sample to zero, so that not even NaN leaks from there.

    Parameters
    ----------
    x : Tensor, shape (batch, time, features)
    lengths : Tensor or sequence of int, length batch
        Steps of each sample.

    Returns
    -------
    x : Tensor
    lengths : Tensor of int, on the device of `x`

    Raises
    ------
    DecoderError
        If lengths are not one whole number between 1 and the number of steps per sample.
    """
    steps = torch.as_tensor(lengths, device=x.device)
    whole = not steps.is_floating_point() and steps.dtype != torch.bool
    if steps.shape != x.shape[:1] or not whole or ((steps < 1) | (steps > x.shape[1])).any():
        raise DecoderError(f"lengths must be {len(x)} whole numbers between 1 and {x.shape[1]}, the steps of each "
                           f"sample; {steps.tolist()} came.")
    padding = torch.arange(x.shape[1], device=x.device) >= steps.unsqueeze(1)
    return x.masked_fill(padding.unsqueeze(2), 0), steps


def reverse_time(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Turn (batch, time, ...) around in time; with `lengths`, each sample within its own, padding stays behind."""
    if lengths is None:
        return x.flip(1)
    step = torch.arange(x.shape[1], device=x.device)
    end = lengths.to(x.device).unsqueeze(1)
    index = torch.where(step < end, end - 1 - step, step)
    return x.gather(1, index.unsqueeze(2).expand_as(x))


def run_recurrence(
    layer: nn.RNNBase, x: Tensor, state: Any = None, lengths: Tensor | None = None
) -> tuple[Tensor, Any]:
    """Run one of torch's recurrent layers; with `lengths`, each sample only as far as it goes (then zeros)."""
    if lengths is None:
        return layer(x, state)
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    hidden, last = layer(packed, state)
    return pad_packed_sequence(hidden, batch_first=True, total_length=x.shape[1])[0], last


class _Direction(nn.Module):
    """Attention and recurrence of the first layer, in one direction of time."""

    def __init__(self, attention: InputCellAttention, recurrence: nn.RNNBase) -> None:
        super().__init__()
        self.attention = attention
        self.recurrence = recurrence

    def forward(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        layer = self.recurrence
        if lengths is not None or x.is_cuda or not self.attention.projects_first(x, len(layer.weight_ih_l0)):
            return run_recurrence(layer, self.attention(x), state, lengths)
        return self._run_projected(x, state)

    def _run_projected(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Project what is read onto the gates first, and let torch's recurrence take it as it is."""
        layer = self.recurrence
        gates = self.attention.project(x, layer.weight_ih_l0)
        identity = torch.eye(gates.shape[2], dtype=gates.dtype, device=gates.device)
        weights = [identity, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0]
        if state is None:
            zeros = gates.new_zeros(1, gates.shape[0], layer.hidden_size)
            state = (zeros, zeros) if isinstance(layer, nn.LSTM) else zeros
        run = KERNELS[type(layer)]
        hidden, *last = run(gates, state, weights, True, 1, 0.0, self.training, False, True)
        return hidden, tuple(last) if isinstance(layer, nn.LSTM) else last[0]


class InputCellLayer(nn.Module):
    """What the three cells share: see :class:`InputCellLSTM`."""

    cell: type[nn.RNNBase]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        hops: int = 10,
        attention_size: int = 50,
        form: str = "mean",
        num_layers: int = 1,
        bidirectional: bool = False,
        *,
        current_input: bool = False,
        window: int | None = None,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__()
        if hidden_size < 1 or num_layers < 1:
            raise DecoderError(f"hidden_size and num_layers must be at least 1; {hidden_size} and {num_layers} came.")
        self.hidden_size, self.num_layers, self.bidirectional = hidden_size, num_layers, bool(bidirectional)
        options = {"current_input": current_input, "window": window, "chunk_size": chunk_size}
        self.directions = nn.ModuleList()
        for _ in range(2 if bidirectional else 1):
            attention = InputCellAttention(input_size, hops, attention_size, form, **options)
            recurrence = self.cell(attention.output_size, hidden_size, batch_first=True)
            self.directions.append(_Direction(attention, recurrence))
        self.upper = None
        if num_layers > 1:
            width = hidden_size * len(self.directions)
            self.upper = self.cell(
                width, hidden_size, num_layers - 1, batch_first=True, bidirectional=self.bidirectional
            )

    def forward(self, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Return the hidden sequence and the last state, as torch's layer of the same name.

        Parameters
        ----------
        x : Tensor, shape (batch, time, input_size)
        state : Tensor or pair of Tensor, optional
            Shape (num_layers * directions, batch, hidden_size); zeros when omitted.
        lengths : Tensor or sequence of int, length batch, optional
            Steps of each sample; what lies behind is padding, is never read, and its hidden states are zero.

        Returns
        -------
        hidden : Tensor, shape (batch, time, directions * hidden_size)
        last : as `state`
            At each sample's last step (for the backward direction: its first).

        Raises
        ------
        DecoderError
            If the shapes do not fit.
        """
        width = self.directions[0].attention.first.in_features
        if x.ndim != 3 or x.shape[2] != width or x.shape[1] < 1:
            raise DecoderError(f"{type(self).__name__} reads (batch, time, {width}) of at least one step; "
                               f"{tuple(x.shape)} came.")
        self._check_state(state, x)
        if lengths is not None:
            x, lengths = hide_padding(x, lengths)
        hidden, lasts = [], []
        for number, direction in enumerate(self.directions):
            turned = reverse_time(x, lengths) if number else x
            out, last = direction(turned, _part(state, number, number + 1), lengths)
            hidden.append(reverse_time(out, lengths) if number else out)
            lasts.append(last)
        sequence = torch.cat(hidden, dim=2) if self.bidirectional else hidden[0]
        if self.upper is not None:
            sequence, last = run_recurrence(self.upper, sequence, _part(state, len(self.directions), None), lengths)
            lasts.append(last)
        return sequence, _join(lasts)


    def _check_state(self, state: Any, x: Tensor) -> None:
        """Refuse a state of another shape: torch's kernels do not look."""
        if state is None:
            return
        pair = self.cell is nn.LSTM
        parts = state if isinstance(state, tuple | list) else (state,)
        wanted = (self.num_layers * len(self.directions), x.shape[0], self.hidden_size)
        fits = isinstance(state, tuple) == pair and len(parts) == 1 + pair
        if not fits or any(tuple(getattr(one, "shape", ())) != wanted for one in parts):
            came = [tuple(getattr(one, "shape", ())) for one in parts]
            kind = "a pair (h, c)" if pair else "one tensor"
            raise DecoderError(f"The state of {type(self).__name__} must be {kind} of shape {wanted} (layers * "
                               f"directions, batch, hidden); {came} came.")


def _part(state: Any, begin: int, end: int | None) -> Any:
    """Return some layers of a state, which is a tensor, a pair of them, or None."""
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(one[begin:end].contiguous() for one in state)
    return state[begin:end].contiguous()


def _join(states: list[Any]) -> Any:
    if isinstance(states[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*states, strict=True))
    return torch.cat(states)


class InputCellLSTM(InputCellLayer):
    """LSTM whose gates see the attention-weighted past instead of the current input.

    Called and answering like :class:`torch.nn.LSTM` with ``batch_first=True``. The
    recurrence is torch's own: the attention reads inputs only, so it is computed for
    all time steps before the recurrence begins. Two things differ: a state that is given holds
    the recurrence's memory, not the inputs that the attention has read, which begin anew; and
    inputs must be finite, since a NaN reaches every step (padding may hold anything).

    Parameters
    ----------
    input_size : int
        Features (regions) per time step.
    hidden_size : int
        Units of the recurrence, per direction.
    hops, attention_size : int
        Rows and width of the attention; `r` and `d_a` in the paper.
    form : {"mean", "flatten", "flatten_l2"}
        How the rows reach the gates: see :func:`causal_softmax_average`.
    num_layers : int
        Layers of the recurrence; the first reads through the attention, the others the
        hidden sequence below them.
    bidirectional : bool
        Add a recurrence that runs backwards; each direction attends over its own past.
    current_input : bool
        Let the gates see the current input, too.
    window : int, optional
        Attend over the last `window` steps only.
    chunk_size : int, optional
        Speed and memory only.

    Raises
    ------
    DecoderError
        If a size is not positive or the form is unknown.

    Notes
    -----
    First and second derivatives, ``torch.func.grad`` and ``jacrev``, ``torch.export`` (without `lengths`) and
    autocast work on the whole layer, and ``torch.compile`` takes the attention as one graph. What torch's own
    recurrences refuse is refused here, too: ``torch.func.vmap`` over a whole layer (there is no batching
    rule; :class:`InputCellAttention` alone has one), forward-mode derivatives of a single-precision
    LSTM on a processor, and on CUDA the backward pass in evaluation mode unless cuDNN is off
    (``torch.backends.cudnn.flags(enabled=False)``), which the explainers of this package see to.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370.
    """

    cell = nn.LSTM


class InputCellGRU(InputCellLayer):
    """GRU whose gates see the attention-weighted past; parameters as :class:`InputCellLSTM`.

    Called and answering like :class:`torch.nn.GRU` with ``batch_first=True``.
    """

    cell = nn.GRU


class InputCellRNN(InputCellLayer):
    """Vanilla recurrence (tanh) over the attention-weighted past; parameters as :class:`InputCellLSTM`.

    Called and answering like :class:`torch.nn.RNN` with ``batch_first=True``.
    """

    cell = nn.RNN


def set_forget_bias(module: nn.Module, value: float) -> None:
    """Set the forget-gate bias of every LSTM inside `module` to `value` (in place); other cells have none."""
    for layer in module.modules():
        if not isinstance(layer, nn.LSTM):
            continue
        hidden = layer.hidden_size
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                if "bias_ih" in name:
                    parameter[hidden : 2 * hidden] = value
                elif "bias_hh" in name:
                    parameter[hidden : 2 * hidden] = 0.0
