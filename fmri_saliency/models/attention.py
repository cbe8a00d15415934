"""Input-cell attention: what every time step has read of the past, all steps at once."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from fmri_saliency.errors import DecoderError, one_of
from fmri_saliency.models.kernel import can_compile, read_past
from fmri_saliency.models.linear import linear, linear_beside
from fmri_saliency.models.names import FORMS
from fmri_saliency.models.prefix import chunk_size_for, factored_average, is_mild

__all__ = ["InputCellAttention", "causal_softmax_average"]

WIDE = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def _pairwise(scores: Tensor, x: Tensor, form: str, window: int | None, chunk_size: int) -> Tensor:
    """Evaluate the running softmax over all pairs within chunks of time; safe for scores of any size.

    What came before a chunk is one vector per hop (its softmax average) with its mass (the sum of
    exponentials, relative to the largest score so far), and takes part in the chunk's softmax as
    one more element. With a window nothing is carried: the chunk looks back over the window.
    """
    outputs = []
    past: tuple[Tensor, Tensor, Tensor] | None = None  # per hop: softmax average, its mass, and the mass's exponent
    for begin in range(0, x.shape[1], chunk_size):
        end = min(begin + chunk_size, x.shape[1])
        since = begin if window is None else max(0, begin - window + 1)
        inputs, keys = x[:, since:end], scores[:, since:end].transpose(1, 2)  # keys: (batch, hops, then)
        now = torch.arange(begin, end, device=x.device).unsqueeze(1)
        then = torch.arange(since, end, device=x.device)
        hidden = (then > now) if window is None else (then > now) | (then <= now - window)
        hidden = hidden.unsqueeze(1)  # (now, 1, then)
        exponent = keys.unsqueeze(1).masked_fill(hidden, -torch.inf)  # (batch, now, hops, then)
        # the largest score so far; it cancels from the quotient, so no gradient flows through it
        peak = exponent.detach().amax(dim=3)
        if past is not None:
            peak = torch.maximum(peak, past[2].unsqueeze(1))
        weights = (exponent - peak.unsqueeze(3)).exp()
        mass = weights.sum(dim=3)  # (batch, now, hops)
        carried = None
        if past is not None:
            carried = past[1].unsqueeze(1) * (past[2].unsqueeze(1) - peak).exp()
            mass = mass + carried
            carried = carried / mass
        weights = weights / mass.unsqueeze(3)
        outputs.append(_read(weights, inputs, carried, past, form))
        if window is None:
            last = weights[:, -1] @ inputs
            if past is not None and carried is not None:
                last = last + carried[:, -1].unsqueeze(2) * past[0]
            past = last, mass[:, -1], peak[:, -1]
    return torch.cat(outputs, dim=1)


def _read(
    weights: Tensor, inputs: Tensor, carried: Tensor | None, past: tuple[Tensor, ...] | None, form: str
) -> Tensor:
    """Apply weights (batch, now, hops, then) and what was carried: (batch, now, [hops,] features)."""
    if form == "mean":
        average = weights.mean(dim=2) @ inputs
        if carried is not None and past is not None:
            average = average + carried @ past[0] / weights.shape[2]
        return average
    rows = (weights.flatten(1, 2) @ inputs).unflatten(1, weights.shape[1:3])
    if carried is not None and past is not None:
        rows = torch.addcmul(rows, carried.unsqueeze(3), past[0].unsqueeze(1))
    return rows


def _products(
    scores: Tensor, x: Tensor, form: str = "mean", window: int | None = None, chunk_size: int | None = None
) -> Tensor:
    """Average the past by matrix products: factored where scores allow it, otherwise pair by pair."""
    size = min(chunk_size or chunk_size_for(x.shape[1], form != "mean"), x.shape[1])
    if window is None and is_mild(scores, size):
        found = factored_average(scores, x, size, keep_hops=form != "mean")
    else:
        found = _pairwise(scores, x, form, window, size)
    return found.flatten(2)


def _sum_of_hops(scores: Tensor, x: Tensor) -> Tensor:
    """Average the past of x, (batch, time, hops, features), each hop its own, and sum over hops."""
    each = _products(scores.transpose(1, 2).flatten(0, 1).unsqueeze(2), x.transpose(1, 2).flatten(0, 1))
    return each.unflatten(0, (-1, x.shape[2])).sum(dim=1)


def causal_softmax_average(
    scores: Tensor, x: Tensor, form: str = "mean", *, window: int | None = None, chunk_size: int | None = None
) -> Tensor:
    r"""Average the past of `x` with softmax weights, for every time step and hop.

    .. math::

        M_{tk} = \frac{\sum_{j \le t} e^{s_{jk}} x_j}{\sum_{j \le t} e^{s_{jk}}}

    The scores :math:`s_{jk}` of input `j` do not depend on `t`, so the softmax over
    the past is a running one, and :math:`M_t` for all `t` is a causal linear attention of
    rank `r`. Time is cut into chunks with a carried state; cost and memory are linear in time.

    Parameters
    ----------
    scores : Tensor, shape (batch, time, hops)
        Score of each input for each hop.
    x : Tensor, shape (batch, time, features)
        The inputs.
    form : {"mean", "flatten", "flatten_l2"}
        How the rows :math:`M_{tk}` become one vector: their mean over the hops (the authors'
        published code), side by side (the paper's equation), or side by side and scaled to
        length 1 (the authors' published checkpoint; its slope grows without bound where inputs are 0).
    window : int, optional
        Look at the last `window` steps only, :math:`t - D < j \le t`.
    chunk_size : int, optional
        Time steps handled by one matrix product. It changes speed and memory, not
        the result (up to rounding). When omitted, it is chosen by the number of time steps, and on a processor
        a compiled pass over time takes their place (:mod:`fmri_saliency.models.kernel`), except for windows above 32
        steps, and for windows of the forms that keep the rows.

    Returns
    -------
    Tensor, shape (batch, time, features), or (batch, time, hops * features) for the other forms
        In the type of `x`; half precision is computed in float32.

    Raises
    ------
    DecoderError
        If the form is unknown, the window or chunk is not positive, or the shapes do not fit.

    Notes
    -----
    The weights are products of two factors as long as scores differ mildly within a chunk
    (by less than 25 in float32), which is nearly always; otherwise, with a window, and
    wherever control flow may not depend on values (``torch.compile``, ``torch.export``,
    ``torch.func.vmap``), they are evaluated pair by pair, where no exponential of a positive
    number is ever taken.

    References
    ----------
    Ismail, Gunady, Pessoa, Corrada Bravo, Feizi (2019), Input-Cell Attention Reduces
    Vanishing Saliency of Recurrent Neural Networks, NeurIPS, arXiv:1910.12370.
    """
    one_of(form, FORMS, "The form of the input-cell attention", DecoderError)
    if window is not None and window < 1:
        raise DecoderError(f"The window of the input-cell attention must be at least 1 step; {window} came.")
    fits = scores.ndim == x.ndim == 3 and scores.shape[:2] == x.shape[:2]
    if not fits or x.shape[1] < 1 or scores.shape[2] < 1:
        raise DecoderError("Scores (batch, time, hops) and inputs (batch, time, features) must be of one batch and one "
                           f"time of at least one step, with at least one hop; {tuple(scores.shape)} and "
                           f"{tuple(x.shape)} came.")
    if chunk_size is not None and chunk_size < 1:
        raise DecoderError(f"chunk_size of the input-cell attention must be at least 1; {chunk_size} came.")
    window = None if window is not None and window >= x.shape[1] else window
    kind = x.dtype
    wide = WIDE.get(kind, kind)
    mixed = torch.is_autocast_enabled(x.device.type)
    with torch.autocast(x.device.type, enabled=False) if mixed else nullcontext():
        scores, inputs = scores.to(wide), x.to(wide)
        rows = form != "mean"
        if chunk_size is None and not (rows and window) and can_compile(scores, inputs, window):
            found = read_past(scores, inputs, window, partial(_products, form=form, window=window), rows)
        else:
            found = _products(scores, inputs, form, window, chunk_size)
        if form == "flatten_l2":
            found = nn.functional.normalize(found, dim=2)
        return found.to(kind)


class InputCellAttention(nn.Module):
    r"""Attention of every time step over all inputs so far.

    .. math::

        s_{jk} = [W_2 \tanh(W_1 x_j + b_1) + b_2]_k

    followed by :func:`causal_softmax_average`.

    Parameters
    ----------
    input_size : int
        Features (regions) per time step.
    hops : int
        Number of attention rows, `r` in the paper.
    attention_size : int
        Width of the scoring layer, `d_a` in the paper.
    form : {"mean", "flatten", "flatten_l2"}
        See :func:`causal_softmax_average`.
    current_input : bool
        Put the current input beside what was read of the past.
    window : int, optional
        Read the last `window` steps only.
    chunk_size : int, optional
        See :func:`causal_softmax_average`.

    Attributes
    ----------
    output_size : int
        Features of what is read.

    References
    ----------
    Ismail et al. (2019), arXiv:1910.12370.
    """

    def __init__(
        self,
        input_size: int,
        hops: int = 10,
        attention_size: int = 50,
        form: str = "mean",
        *,
        current_input: bool = False,
        window: int | None = None,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__()
        one_of(form, FORMS, "The form of the input-cell attention", DecoderError)
        for name, value in {"input_size": input_size, "hops": hops, "attention_size": attention_size,
                            "chunk_size": chunk_size, "window": window}.items():  # fmt: skip
            if value is not None and value < 1:
                raise DecoderError(f"{name} of the input-cell attention must be at least 1; {value} came.")
        self.first = nn.Linear(input_size, attention_size)
        self.second = nn.Linear(attention_size, hops)
        self.form, self.current_input, self.window, self.chunk_size = form, current_input, window, chunk_size
        self.output_size = input_size * (1 if form == "mean" else hops) + (input_size if current_input else 0)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as the authors' code does."""
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def extra_repr(self) -> str:
        """Return the settings that the layers do not show."""
        return f"form={self.form}, current_input={self.current_input}, window={self.window}"

    def scores(self, x: Tensor) -> Tensor:
        """Return the score of every input (batch, time, features) for every hop, shape (batch, time, hops)."""
        return self._scores_beside(x)[0]

    def _scores_beside(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores, and the inputs for others to use (see :func:`..linear.linear_beside`)."""
        # tanh(z) = 2 sigmoid(2 z) - 1, several times faster on a processor; the constants go into the weights
        first, second = self.first, self.second
        hidden, x = linear_beside(x, 2 * first.weight, 2 * first.bias)
        # Softmax over time takes a constant of a hop away again: the slope of this bias is 0. Rounding would leave a
        # little of it, and an optimiser that divides slopes by their size would walk at random.
        bias = second.bias.detach() + 0 * second.bias
        return linear(torch.sigmoid(hidden), 2 * second.weight, bias - second.weight.sum(dim=1)), x

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, time, features) to what was read of the past, (batch, time, output_size)."""
        if x.ndim != 3 or x.shape[2] != self.first.in_features:
            raise DecoderError(f"InputCellAttention reads (batch, time, {self.first.in_features}); {tuple(x.shape)} "
                               "came.")
        scores, x = self._scores_beside(x)
        read = causal_softmax_average(scores, x, self.form, window=self.window, chunk_size=self.chunk_size)
        return torch.cat([read, x], dim=2) if self.current_input else read

    def projects_first(self, x: Tensor, rows: int) -> bool:
        """Return whether :meth:`project` onto so many rows is cheaper than reading and then projecting."""
        if x.dtype in WIDE or torch.is_autocast_enabled(x.device.type):
            return False
        if self.form == "flatten":  # hop by hop, only by the compiled pass
            return rows <= 1.3 * x.shape[2] and self.window is None and self.chunk_size is None and can_compile(x, x)
        return self.form == "mean" and rows < 0.6 * x.shape[2]

    def project(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return ``self(x) @ weight.T``, without making ``self(x)`` where :meth:`projects_first` says so.

        Averages of the past and projections can change places: averaging comes second, on fewer rows.

        Parameters
        ----------
        x : Tensor, shape (batch, time, features)
        weight : Tensor, shape (rows, output_size)

        Returns
        -------
        Tensor, shape (batch, time, rows)
        """
        if not self.projects_first(x, len(weight)):
            return linear(self(x), weight)
        parts = weight.split(x.shape[2], dim=1)  # a part per hop of the flatten form, and one for the current input
        of_past = parts[:-1] if self.current_input else parts
        scores, x = self._scores_beside(x)
        read = self._read_projected(scores, linear(x, torch.cat(of_past)), len(of_past))
        return read + linear(x, parts[-1]) if self.current_input else read

    def _read_projected(self, scores: Tensor, projected: Tensor, parts: int) -> Tensor:
        if self.form == "mean":
            return causal_softmax_average(scores, projected, window=self.window, chunk_size=self.chunk_size)
        return read_past(scores, projected.unflatten(2, (parts, -1)), None, _sum_of_hops)

    def weights(self, x: Tensor, step: int = -1) -> Tensor:
        """Return how much one time step reads of every input, for pictures.

        Parameters
        ----------
        x : Tensor, shape (batch, time, features)
        step : int
            Which time step reads; the last one when omitted.

        Returns
        -------
        Tensor, shape (batch, hops, time)
            Softmax weights: they sum to 1 over the inputs up to `step` (within the window) and are 0 after it.
        """
        scores = self.scores(x).transpose(1, 2)
        then = torch.arange(x.shape[1], device=x.device)
        now = then[step]
        hidden = then > now
        if self.window is not None:
            hidden = hidden | (then <= now - self.window)
        return scores.masked_fill(hidden, -torch.inf).softmax(dim=2)
