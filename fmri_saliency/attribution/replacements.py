"""What stands in the cells that a mask replaces."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from fmri_saliency.attribution.settings import ExplainerSettings
from fmri_saliency.errors import ReplacementWarning

__all__ = ["Replacement", "blur_over_time", "make_replacement", "phase_randomised", "warn_of_blur"]

Spread = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Replacement:
    """What a mask puts in place of the samples.

    Attributes
    ----------
    draw : callable
        Returns candidates, shape (n_samples or 1, n_draws, n_times, n_regions). All samples of a call get the
        same draws, so that a sample's map does not depend on the others.
    free : tuple of Tensor
        What is optimised along with the mask; a row per sample.
    penalty : callable
        Returns what is added to each sample's loss, shape (n_samples,), or 0.
    """

    draw: Callable[[], Tensor]
    free: tuple[Tensor, ...] = ()
    penalty: Callable[[], Tensor | float] = float


def phase_randomised(x: Tensor, phases: Tensor) -> Tensor:
    r"""Return surrogates: every Fourier coefficient over time is turned by a phase, the same for all regions.

    .. math:: \tilde X_f = X_f e^{i \phi_f}, \qquad 0 < f < n_{times} / 2

    Spectra, cross-spectra, and so the covariance of regions, stay as they were, as do the means over time (and, of an
    even number of steps, the highest frequency, which must stay real); when something happened does not.

    Parameters
    ----------
    x : Tensor, shape (n_samples, n_times, n_regions)
    phases : Tensor, shape (n_draws, n_times // 2 + 1)
        In radians; those of the frequencies that stay are not used.

    Returns
    -------
    Tensor, shape (n_samples, n_draws, n_times, n_regions)

    References
    ----------
    Prichard, Theiler (1994), doi:10.1103/PhysRevLett.73.951.
    """
    n_times = x.shape[1]
    turn = phases.clone()
    turn[:, 0] = 0
    if n_times % 2 == 0:
        turn[:, -1] = 0
    spectrum = torch.fft.rfft(x, dim=1).unsqueeze(1)
    return torch.fft.irfft(spectrum * torch.exp(1j * turn).unsqueeze(2), n=n_times, dim=2)


def blur_over_time(x: Tensor, width: float) -> Tensor:
    """Smooth (n_samples, n_times, n_regions) over time with a Gaussian of standard deviation `width`, in steps."""
    kernel = gaussian_filter1d(np.eye(x.shape[1]), width, axis=0, mode="nearest")
    return torch.as_tensor(kernel, dtype=x.dtype, device=x.device) @ x


def warn_of_blur(x: Tensor, width: float) -> None:
    """Say how much of the variance over time is in what a blur takes away from (n_samples, n_times, n_regions)."""
    removed = (x - blur_over_time(x, width)).square().sum()
    share = float(removed / (x - x.mean(dim=1, keepdim=True)).square().sum().clamp_min(torch.finfo(x.dtype).tiny))
    warnings.warn(
        f"Blurring over {width:g} time steps removes {100 * share:.1f} % of the variance of these series: a cell that "
        "is replaced by its blur keeps the rest, and what the mask lets go of may still matter.",
        ReplacementWarning, stacklevel=4,
    )  # fmt: skip


def _learned(x: Tensor, centre: Tensor, spread: Spread, n_units: int, settings: ExplainerSettings) -> Replacement:
    free = torch.zeros(len(x), n_units, x.shape[2], dtype=torch.float64, device=x.device, requires_grad=True)
    return Replacement(
        draw=lambda: (centre + spread(free).to(x.dtype)).unsqueeze(1),
        free=(free,),
        penalty=lambda: settings.reference_penalty * spread(free).abs().mean(dim=(1, 2)),
    )


def make_replacement(x: Tensor, settings: ExplainerSettings, method: str, spread: Spread, n_units: int) -> Replacement:
    """Return what `settings.replace_by` names.

    - ``samples``: whole training samples of all classes, drawn at random: in the distribution of the data, and what
      the class, not the person, has of its own is what cannot be replaced;
    - ``surrogate``: phase-randomised copies of the sample itself: its spectra and means over time without its timing,
      so that a region's level or rhythm counts as replaceable by itself;
    - ``mean``: the mean over the training samples, at each moment and region;
    - ``blur``: the sample, smoothed over time; slow signals such as BOLD hardly change, and a warning says how much;
    - ``learned``: the mean over the training samples plus what is found along with the mask, one value for each of the
      mask's own, and for each sample by itself.

    Parameters
    ----------
    x : Tensor, shape (n_samples, n_times, n_regions)
    settings : ExplainerSettings
    method : str
        For messages.
    spread : callable
        From values of the mask's units, (n, n_units, n_regions), to cells.
    n_units : int
        How many of them a region has.

    Raises
    ------
    InputError
        If training samples are needed and there are none.
    """
    kind, draws = settings.replace_by, settings.draws
    if kind == "surrogate":
        n_frequencies = x.shape[1] // 2 + 1
        return Replacement(
            lambda: phase_randomised(x, 2 * torch.pi * torch.rand(draws, n_frequencies, dtype=x.dtype).to(x.device))
        )
    if kind == "blur":
        smooth = blur_over_time(x, settings.blur).unsqueeze(1)
        return Replacement(lambda: smooth)
    references = settings.references_for(x, method)
    if kind == "samples":
        return Replacement(lambda: references[torch.randint(len(references), (draws,)).to(x.device)].unsqueeze(0))
    centre = references.mean(dim=0, keepdim=True)
    if kind == "learned":
        return _learned(x, centre, spread, n_units, settings)
    return Replacement(lambda: centre.unsqueeze(0))
