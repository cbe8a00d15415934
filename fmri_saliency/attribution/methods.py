"""The registry of explanation methods: what each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from fmri_saliency.attribution import coalitions, gradients, masks, patterns, removal, rescaling
from fmri_saliency.attribution.settings import ExplainerSettings, Forward
from fmri_saliency.errors import one_of

__all__ = ["METHODS", "Method"]

Run = Callable[[Forward, Tensor, Tensor, ExplainerSettings], Tensor]


@dataclass(frozen=True)
class Method:
    """What an explanation method is, besides its numbers.

    Attributes
    ----------
    run : callable
        ``(forward, inputs, targets, settings) -> map`` for a batch of samples.
    signed : bool
        Whether a negative value means evidence against the target.
    uses_baseline : bool
        Whether the result depends on a baseline input.
    multiplied_by_input : bool
        Whether the result is a contribution (in logits), not a sensitivity
        (in logits per unit of input).
    axiom : str
        A property by which an implementation can be checked.
    reference : str
        Where the method was published.
    cost : callable
        ``(n_times, n_regions, settings) -> forward passes`` per sample (most with a backward pass).
    uses_references : bool
        Whether it needs other samples.
    one_by_one : bool
        Whether samples are explained one by one: each from the same seed, if the method draws at random.
    unit : str
        Of the values.
    prior : bool
        Whether the map is a data-set prior: said by something that learned from the references, not found on
        the sample itself. It is no evidence about a single person. Its cost is that of a call, not of a sample.
    defaults : mapping
        Settings that this method has of its own, where the caller names no others.
    """

    run: Run
    signed: bool
    uses_baseline: bool
    multiplied_by_input: bool
    axiom: str
    reference: str
    cost: Callable[[int, int, ExplainerSettings], int]
    uses_references: bool = False
    one_by_one: bool = False
    unit: str = "logit"
    prior: bool = False
    defaults: Mapping[str, object] = field(default_factory=dict)


def _groups(n_times: int, n_regions: int, s: ExplainerSettings) -> int:
    return -(-n_times // s.window) * n_regions


def _rescale(forward: Forward, x: Tensor, target: Tensor, settings: ExplainerSettings) -> Tensor:
    bases = [name for name, m in METHODS.items() if not (m.one_by_one or m.defaults or m.run is _rescale)]
    one_of(settings.base, bases, "The base method of temporal rescaling")
    base = METHODS[settings.base].run
    return rescaling.rescale_over_time(
        forward, x, target, settings, lambda one, t: base(forward, one, t, settings).detach()
    )


def _rescaling_cost(n_times: int, n_regions: int, s: ExplainerSettings) -> int:
    inner = METHODS[s.base].cost(n_times, n_regions, s)
    looked_into = n_regions if s.reading == "feature" else round((1 - s.gate) * n_times) * n_regions
    return (1 + n_times + looked_into) * inner


def _window_shap_cost(n_times: int, n_regions: int, s: ExplainerSettings) -> int:
    background = coalitions.BACKGROUND if s.references is None else min(coalitions.BACKGROUND, len(s.references))
    return background * (2 + coalitions.count_coalitions(_groups(n_times, n_regions, s), s.n_samples))


METHODS: dict[str, Method] = {
    "gradient": Method(
        run=gradients.explain_gradient,
        signed=True, uses_baseline=False, multiplied_by_input=False,
        axiom="equals the slope of the logit",
        reference="Simonyan, Vedaldi, Zisserman (2013), arXiv:1312.6034",
        cost=lambda t, n, s: 1,
        unit="logit per unit of signal",
    ),
    "input-x-gradient": Method(
        run=gradients.explain_input_x_gradient,
        signed=True, uses_baseline=False, multiplied_by_input=True,
        axiom="equals input times slope; complete on linear functions without bias",
        reference="Shrikumar, Greenside, Shcherbina, Kundaje (2016), arXiv:1605.01713",
        cost=lambda t, n, s: 1,
    ),
    "integrated-gradients": Method(
        run=gradients.explain_integrated_gradients,
        signed=True, uses_baseline=True, multiplied_by_input=True,
        axiom="completeness: sums to F(input) - F(baseline)",
        reference="Sundararajan, Taly, Yan (2017), arXiv:1703.01365",
        cost=lambda t, n, s: s.steps,
    ),
    "smoothgrad": Method(
        run=gradients.explain_smoothgrad,
        signed=True, uses_baseline=False, multiplied_by_input=False,
        axiom="equals the slope on linear functions",
        reference="Smilkov, Thorat, Kim, Viégas, Wattenberg (2017), arXiv:1706.03825",
        cost=lambda t, n, s: s.n_samples,
        one_by_one=True,
        unit="logit per unit of signal",
    ),
    "gradient-shap": Method(
        run=gradients.explain_gradient_shap,
        signed=True, uses_baseline=False, multiplied_by_input=True,
        axiom="on linear functions sums to F(input) - mean F(drawn references), up to the added noise",
        reference="Lundberg, Lee (2017), arXiv:1705.07874",
        cost=lambda t, n, s: s.n_samples,
        uses_references=True, one_by_one=True,
    ),
    "segment-gradients": Method(
        run=gradients.explain_segments,
        signed=True, uses_baseline=True, multiplied_by_input=True,
        axiom="equals (input - baseline) times slope on linear functions",
        reference="Jang, Kim, Yang (2025), TIMING, ICML; integrated gradients with segments held",
        cost=lambda t, n, s: s.steps * s.n_samples,
        one_by_one=True,
    ),
    "ablation": Method(
        run=removal.explain_ablation,
        signed=True, uses_baseline=True, multiplied_by_input=True,
        axiom="a group's cells sum to F(input) - F(input without the group)",
        reference="Zeiler, Fergus (2013), arXiv:1311.2901, by groups of region x window",
        cost=lambda t, n, s: 1 + _groups(t, n, s),
    ),
    "occlusion": Method(
        run=removal.explain_occlusion,
        signed=True, uses_baseline=True, multiplied_by_input=True,
        axiom="an ignored cell far from used ones gets 0",
        reference="Zeiler, Fergus (2013), arXiv:1311.2901, by sliding windows of one region",
        cost=lambda t, n, s: 1 + len(removal.sliding_windows(t, s.window)) * n,
    ),
    "shapley-sampling": Method(
        run=removal.explain_shapley,
        signed=True, uses_baseline=True, multiplied_by_input=True,
        axiom="efficiency: sums to F(input) - F(baseline)",
        reference="Castro, Gómez, Tejada (2009), doi:10.1016/j.cor.2008.04.004, by groups of region x window",
        cost=lambda t, n, s: 1 + s.n_samples * _groups(t, n, s),
        one_by_one=True,
    ),
    "window-shap": Method(
        run=coalitions.explain_window_shap,
        signed=True, uses_baseline=False, multiplied_by_input=True,
        axiom="efficiency: sums to F(input) - mean F(drawn references)",
        reference="Nayebi, Tipirneni, Reddy, Foreman, Subbian (2023), WindowSHAP, arXiv:2211.06507",
        cost=_window_shap_cost,
        uses_references=True,
    ),
    "time-shap": Method(
        run=coalitions.explain_time_shap,
        signed=True, uses_baseline=True, multiplied_by_input=True,
        axiom="efficiency: sums to F(input) - F(baseline)",
        reference="Bento, Saleiro, Cruz, Figueiredo, Bizarro (2021), TimeSHAP, arXiv:2012.00073",
        cost=coalitions.time_shap_passes,
        one_by_one=True,
    ),
    "latent-attention": Method(
        run=masks.explain_mask,
        signed=False, uses_baseline=False, multiplied_by_input=False,
        axiom="0 where the input is ignored, towards 1 where it cannot be replaced",
        reference="Grimm et al. (2017), arXiv:1706.00536, per sample",
        cost=lambda t, n, s: masks.mask_cost(s),
        uses_references=True,
        unit="share that must be kept",
    ),
    "pooled-attention": Method(
        run=partial(masks.explain_mask, name="pooled-attention"),
        signed=False, uses_baseline=False, multiplied_by_input=False,
        axiom="0 where all of a moment or of a region is ignored, towards 1 where a cell cannot be replaced",
        reference="Grimm et al. (2017), arXiv:1706.00536, per sample, in masks that sum moments and regions",
        cost=lambda t, n, s: masks.mask_cost(s),
        uses_references=True,
        defaults={"parameterisation": "pooled", "size_penalty": 0.5, "window": 10},
        unit="share that must be kept",
    ),
    "dynamask": Method(
        run=partial(masks.explain_mask, name="dynamask"),
        signed=False, uses_baseline=False, multiplied_by_input=False,
        axiom="keeps the share `area` of the cells, those that cannot be replaced before ignored ones",
        reference="Crabbé, van der Schaar (2021), arXiv:2106.05303, with training samples for its blur",
        cost=lambda t, n, s: masks.mask_cost(s),
        uses_references=True,
        unit="share that must be kept",
        defaults={"size_form": "area", "time_penalty": 5.0},
    ),
    "extremal-mask": Method(
        run=partial(masks.explain_mask, name="extremal-mask"),
        signed=False, uses_baseline=False, multiplied_by_input=False,
        axiom="0 where the input is ignored, towards 1 where no replacement near the mean was found",
        reference="Enguehard (2023), arXiv:2305.18840, with each sample's own learned replacement",
        cost=lambda t, n, s: masks.mask_cost(s),
        uses_references=True,
        unit="share that must be kept",
        defaults={"replace_by": "learned"},
    ),
    "latent-attention-network": Method(
        run=masks.explain_mask_network,
        signed=False, uses_baseline=False, multiplied_by_input=False,
        axiom="0 where the input is ignored; the same map for equal samples, whatever the target",
        reference="Grimm et al. (2017), arXiv:1706.00536, as a network over the data set",
        cost=lambda t, n, s: masks.network_cost(s),
        uses_references=True,
        unit="share that must be kept, by a prior of the data set",
        prior=True,
        defaults={"iterations": 300, "learning_rate": 1e-3},
    ),
    "temporal-rescaling": Method(
        run=_rescale,
        signed=False, uses_baseline=True, multiplied_by_input=False,
        axiom="0 at moments and features without which the base map is the same",
        reference="Ismail, Gunady, Corrada Bravo, Feizi (2020), arXiv:2010.13924",
        cost=_rescaling_cost,
        one_by_one=True,
        unit="squared change of the base map",
    ),
    "pattern": Method(
        run=patterns.explain_pattern,
        signed=True, uses_baseline=False, multiplied_by_input=False,
        axiom="equals the covariance with the logit over its variance; 0 for suppressors",
        reference="Haufe et al. (2014), doi:10.1016/j.neuroimage.2013.10.067",
        cost=lambda t, n, s: 0 if s.references is None else len(s.references),
        uses_references=True,
        unit="signal per logit",
    ),
    "pattern-local": Method(
        run=patterns.explain_pattern_local,
        signed=True, uses_baseline=False, multiplied_by_input=False,
        axiom="equals the local covariance with the answer over its variance on linear functions; 0 for suppressors",
        reference="Gjølbye, Haufe, Hansen (2025), PatternLocal, arXiv:2505.11210",
        cost=lambda t, n, s: s.n_samples,
        uses_references=True,
        unit="signal per logit",
    ),
}  # fmt: skip
