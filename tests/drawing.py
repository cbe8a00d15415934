"""An example of every figure, with names as long as they come, for any test to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from making import make_atlas
from matplotlib.figure import Figure
from matplotlib.text import Text

from fmri_saliency import plotting
from fmri_saliency.brain import load_atlas
from fmri_saliency.evidence import Judgement, Spread
from fmri_saliency.models import VanishingProfile
from fmri_saliency.records import Atlas, Event, Evidence, RegionSeries, Saliency
from fmri_saliency.series import Motion

T_R = 0.72
NETWORKS = ("Visual", "Somatomotor", "DorsalAttention", "VentralAttention", "Limbic", "Frontoparietal", "Default")
EVENTS = (Event(8.0, 12.0, "right hand"), Event(30.0, 12.0, "left foot"), Event(42.0, 0.0, "cue"))


@dataclass(frozen=True)
class Example:
    """A call of one of the package's figures."""

    function: Callable[..., Figure]
    given: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def draw(self, **more: Any) -> Figure:
        """Draw it."""
        return self.function(*self.given, **self.options, **more)


def _waves(n_times: int = 80, n_regions: int = 40) -> np.ndarray:
    time, region = np.arange(n_times)[:, None], np.arange(n_regions)[None]
    return np.sin(time / 9 + region) * np.cos(region / 5) * (1 + region % 7)


def _saliency(scale: float) -> Saliency:
    values = np.stack([_waves() * (1 + scale * np.arange(80))[:, None] for _ in range(2)]).astype(np.float32)
    names = tuple(f"Region {i}" for i in range(40))
    return Saliency(values, ("a", "b"), T_R, names, "gradient", "true", "zero", "logit", 0, (1, 1), 4.8)


def _spread(mean: float) -> Spread:
    return Spread(mean, mean - 0.05, mean + 0.05, 3)


def _judgements() -> list[Judgement]:
    shares, steps = np.arange(6) / 6, np.arange(20)
    curves = {"shares": shares, "profile": np.full(20, 0.05), "truth_profile": np.where(steps > 14, 1 / 5, 0.0),
              "band_mean": np.full(20, 0.05), "band_low": np.full(20, 0.03), "band_high": np.full(20, 0.08),
              "cascade_absolute": np.array([0.9, 0.4]), "cascade_signed": np.array([0.8, 0.1])}  # fmt: skip
    for kind in ("removal", "insertion"):
        curves |= {f"{kind}_{how}": (1 - shares) ** k for k, how in enumerate(("random", "signed", "absolute"), 1)}
    null = {name: _spread(0.2) for name in ("renewed_absolute", "renewed_signed", "renewed_absolute_q02",
                                            "renewed_absolute_q97", "shuffled_labels_absolute",
                                            "shuffled_labels_signed")}  # fmt: skip
    recover = {"auroc": _spread(0.9), "auprc": _spread(0.7), "density": _spread(0.1)}
    beside = {"random map": recover, "oracle": recover, "untrained network": recover}
    return [
        Judgement("boxes", pair, "lstm", "gradient", 3, 3, 0.9, _spread(0.95), {"recover": recover, "null": null,
                  "faithful": {"cpd": _spread(1.0)}}, beside, curves, {"cascade": ("linear", "encoder.layer")})
        for pair in ("bi-input-cell-lstm + pooled attention", "lstm + gradient")
    ]  # fmt: skip


def _profiles() -> list[VanishingProfile]:
    steps = np.arange(40)
    keys = {"shares": np.exp(steps / 10), "untrained_shares": np.exp(steps / 5), "jacobian": np.exp(steps / 5 - 8),
            "forget": np.exp(steps / 4 - 10)}  # fmt: skip
    keys |= {key: keys[key] / keys[key].sum() for key in ("shares", "untrained_shares")}
    figures = dict.fromkeys(("first", "last", "even", "untrained_first", "untrained_last", "correlation"), 0.1)
    return [VanishingProfile(name=name, n_samples=5, n_draws=1, **keys, **figures) for name in ("lstm", "tcn")]


def _evidence() -> list[Evidence]:
    return [
        Evidence("recovery of regions and times", "relational", 0.92, 0.5, "seeds", "better", (0.85, 0.97)),
        Evidence("share of saliency in the last tenth of the time steps", "lstm", 0.8, 0.1, "seeds", "more"),
        Evidence("correlation of the time profile with the untrained network's", "lstm", float("nan"), 0.0, "", ""),
    ]


def _history(n: int) -> list[dict[str, Any]]:
    return [{"epoch": i, "train_loss": 1.4 / i, "valid_loss": 1.5 / i + 0.01 * i} for i in range(1, n)]


def _of_atlas(atlas: Atlas) -> dict[str, Example]:
    values = np.cos(np.arange(atlas.n_regions) / 3)
    over_time = np.outer(np.sin(np.arange(60) / 9), values)
    return {
        "plot_glass": Example(plotting.plot_glass, (values, atlas, "relational: mean over time", "logit")),
        "plot_glass unsigned": Example(plotting.plot_glass, (np.abs(values), atlas, "emotion", "logit"),
                                       {"signed": False}),
        "plot_glass_strip": Example(plotting.plot_glass_strip, (over_time, atlas, T_R, [0, 10, 20, 30, 40], "motor"),
                                    {"unit": "logit"}),
        "plot_glass_share": Example(plotting.plot_glass_share, (np.abs(values), atlas, "Coverage",
                                                                "Share without data")),
        "plot_surface": Example(plotting.plot_surface, (values, atlas, "motor: mean over time", "logit")),
        "plot_coverage": Example(plotting.plot_coverage, (np.abs(values), make_atlas(atlas.n_regions, (20, 20, 20)),
                                                          "Share of each region without data")),
    }  # fmt: skip


def make_examples() -> dict[str, Example]:
    """Return an example of every figure by its function's name, and of some of its forms by more words."""
    waves, names = _waves(), [f"7Networks_LH_Region_{i}" for i in range(40)]
    networks = [NETWORKS[i * 7 // 40] for i in range(40)]
    courses = waves[None, :, :3] + np.arange(5)[:, None, None] * np.array([0.1, 0.3, 0.0])
    weights = np.tril(1.0 + np.sin(np.arange(60) / 5)) + np.eye(60)
    series = RegionSeries(waves.astype(np.float32), T_R, tuple(names), np.ones(40))
    motion = Motion(np.abs(np.sin(np.arange(80.0))), "a table")
    scores = {"input-cell-lstm": [0.7, 0.8], "lstm": [0.5, 0.55], "self-attention": [0.9, 0.9]}
    curves = {"AUROC": {name: np.outer([1, 1.1], np.linspace(0.1, value[0], 8)) for name, value in scores.items()}}
    maps = {name: np.stack([waves[:20, :20], waves[20:40, :20]]) for name in ("lstm", "input-cell-lstm")}
    judged = _judgements()
    titled = {"title": "A title of the figure"}
    return {
        **_of_atlas(load_atlas("Compact")),
        "plot_attention": Example(plotting.plot_attention, (weights / weights.sum(1, keepdims=True), T_R, "Attention")),
        "plot_attention of hops": Example(plotting.plot_attention, (np.full((10, 60), 1 / 60), T_R, "Last step"),
                                          {"reader": "hop"}),
        "plot_beside": Example(plotting.plot_beside, ({"early box": scores, "late box": scores},
                                                      {"early box": {"lstm": 0.6}}, {"early box": {"random map": 0.5}},
                                                      {"late box": scores}, "AUROC", "Table again")),
        "plot_confusion": Example(plotting.plot_confusion, (np.arange(49).reshape(7, 7), NETWORKS, "input-cell-lstm")),
        "plot_curves": Example(plotting.plot_curves, (range(8), curves, {"AUROC": {"lstm": np.linspace(0, 0.5, 8)}},
                                                      "Cells removed (%)"), titled),
        "plot_evidence": Example(plotting.plot_evidence, (_evidence(),), titled),
        "plot_faithfulness": Example(plotting.plot_faithfulness, (judged,), titled),
        "plot_learning": Example(plotting.plot_learning, ({"input-cell-lstm": [_history(20), _history(15)],
                                                           "lstm": [_history(25)]},), titled),
        "plot_maps": Example(plotting.plot_maps, (maps, ["class 1", "class 2"]), titled),
        "plot_null": Example(plotting.plot_null, (judged,), titled),
        "plot_recovery": Example(plotting.plot_recovery, (judged,), titled),
        "plot_region_time": Example(plotting.plot_region_time, (waves, names, T_R, EVENTS, "motor", "logit", 0.0,
                                                                "Time from the run's first frame (s)", networks)),
        "plot_run_quality": Example(plotting.plot_run_quality, (series, motion, EVENTS, 3, np.arange(80) > 75,
                                                                networks, ["L", "R"] * 20), titled),
        "plot_time_courses": Example(plotting.plot_time_courses, (courses, names[:3], T_R, EVENTS, "motor", "logit")),
        "plot_time_shares": Example(plotting.plot_time_shares, ({"input-cell-lstm": _saliency(0),
                                                                 "lstm": _saliency(0.1)},), titled),
        "plot_vanishing": Example(plotting.plot_vanishing, (_profiles(), T_R), titled),
    }  # fmt: skip


def drawn_texts(figure: Figure) -> list[tuple[Text, Any]]:
    """Draw a figure to nowhere, and return the texts that were really drawn, with the boxes they fill in pixels."""
    found: list[Text] = []
    original = Text.draw

    def record(text: Text, renderer: Any, *more: Any, **options: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            found.append(text)
        original(text, renderer, *more, **options)

    Text.draw = record
    try:
        figure.draw_without_rendering()
    finally:
        Text.draw = original
    renderer = figure.canvas.get_renderer()
    return [(text, text.get_window_extent(renderer)) for text in dict.fromkeys(found)]
