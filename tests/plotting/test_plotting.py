"""Figures show what they were given: numbers are read back from the drawn artists."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from fmri_saliency.evidence import summarise
from fmri_saliency.models import make_network, vanishing_profile
from fmri_saliency.plotting import (
    plot_confusion,
    plot_faithfulness,
    plot_glass,
    plot_glass_strip,
    plot_null,
    plot_recovery,
    plot_region_time,
    plot_time_shares,
    plot_vanishing,
)
from fmri_saliency.records import Atlas, Event, Saliency


def test_heat_map_has_units_events_and_a_symmetric_range() -> None:
    values = np.zeros((10, 4))
    values[3, 2] = -2.0
    events = [Event(0.0, 4.0, "go"), Event(10.0, 4.0, "go"), Event(6.0, 0.0, "cue")]
    figure = plot_region_time(values, list("wxyz"), 2.0, events, "Title", "logit")
    top, main = figure.axes[:2]
    image = main.images[0]
    assert image.get_array().shape == (4, 10)
    assert image.get_array()[2, 3] == -2.0
    assert image.get_clim() == (-2.0, 2.0)
    assert main.get_xlabel() == "Time (s)"
    assert main.get_xlim() == (0.0, 20.0)
    assert [label.get_text() for label in top.get_yticklabels()] == ["go", "cue"]
    assert len(top.collections) == 2
    assert [label.get_text() for label in main.get_yticklabels()] == list("wxyz")
    alone = plot_region_time(values, list("wxyz"), 2.0, start=-4.0, clock="Time from the event's onset (s)").axes[0]
    assert alone.images  # without events there is no empty band above
    assert alone.get_xlim() == (-4.0, 16.0)
    assert alone.get_xlabel() == "Time from the event's onset (s)"


def test_names_on_the_heat_map_do_not_overlap() -> None:
    values = np.random.default_rng(0).standard_normal((5, 400))
    rows = plot_region_time(values, [str(i) for i in range(400)], 1.0).axes[0].get_yticks()
    assert len(rows) == 12
    assert np.diff(rows).min() >= 400 / 32


def test_rows_of_the_heat_map_are_grouped_by_network() -> None:
    values = np.arange(15.0).reshape(3, 5)
    figure = plot_region_time(values, list("vwxyz"), 1.0, networks=["Vis", "Mot", "Vis", "Def", "Mot"])
    axes = figure.axes[0]
    assert axes.images[0].get_array()[:, 0].tolist() == [0, 2, 1, 4, 3]
    assert [label.get_text() for label in axes.get_yticklabels()] == list("vxwzy")
    assert [line.get_ydata()[0] for line in axes.lines] == [1.5, 3.5]
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["Vis", "Mot", "Def"]
    assert right.get_yticks().tolist() == [0.5, 2.5, 4.0]


def test_glass_brains_of_maps_have_the_range_of_the_voxels(atlas: Atlas) -> None:
    maps = np.zeros((*atlas.labels.shape, 6), dtype=np.float32)
    maps[2, 2, 2], maps[3, 2, 2, 0] = 50.0, 1.0  # six maps of 50 that overlap
    soft = replace(atlas, maps=maps, space="MNI152NLin6Asym")
    figure = plot_glass(np.ones(6), soft)
    assert figure.axes[-1].get_ylim() == pytest.approx((-300.0, 300.0))


def test_time_shares_add_up_to_a_hundred(saliency: Saliency) -> None:
    figure = plot_time_shares({"one": saliency, "two": saliency}, "Title")
    axes = figure.axes[0]
    one = axes.lines[0]
    assert one.get_ydata().sum() == pytest.approx(100.0)
    assert one.get_xdata().tolist() == [0, 2, 4, 6, 8]
    assert axes.lines[2].get_ydata()[0] == pytest.approx(20.0)
    assert axes.get_ylabel() == "Share of saliency (%)"
    assert one.get_marker() == "o"  # five points are seen as points
    later = plot_time_shares({"one": replace(saliency, start=4.8)}).axes[0]
    assert later.lines[0].get_xdata()[0] == 4.8


def test_confusion_shows_counts() -> None:
    figure = plot_confusion([[3, 1], [0, 2]], ["a", "b"], "net")
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "1", "0", "2"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[0.75, 0.25], [0, 1]])


def test_glass_brains_keep_the_sign(atlas: Atlas) -> None:
    values = np.array([1.0, -3.0, 0.5, 0.0, np.nan, 2.0])
    figure = plot_glass(values, atlas, "Title", "logit")
    assert isinstance(figure, Figure)
    drawn = [image for axes in figure.axes for image in axes.images]
    assert len(drawn) == 4
    assert all(image.get_clim() == (-3.0, 3.0) for image in drawn)
    assert min(float(np.min(image.get_array())) for image in drawn) == pytest.approx(-3.0)
    assert figure.get_suptitle() == "Title"
    assert figure.axes[-1].get_ylim() == (-3.0, 3.0)
    assert figure.axes[-1].get_ylabel() == "logit"


def test_a_strip_has_one_brain_per_moment(atlas: Atlas) -> None:
    values = np.tile(np.arange(8.0)[:, None], (1, 6))
    figure = plot_glass_strip(values, atlas, 2.0, [0.0, 6.0, 99.0], "Title", unit="logit")
    *panels, bar = figure.axes
    assert [panel.get_title() for panel in panels] == ["0.0 s", "6.0 s", "14.0 s"]
    assert [float(panel.images[0].get_array().max()) for panel in panels[1:]] == [3.0, 7.0]
    assert all(panel.images[0].get_clim() == (-7.0, 7.0) for panel in panels)
    assert (bar.get_ylim(), bar.get_ylabel()) == ((-7.0, 7.0), "logit")
    assert plot_glass_strip(0 * values, atlas, 2.0, [0.0])
    later = plot_glass_strip(values, atlas, 2.0, [5.0, 7.0], start=5.0)
    assert [panel.get_title() for panel in later.axes[:2]] == ["5.0 s", "7.0 s"]
    assert later.axes[-1].get_ylim() == (-1.0, 1.0)  # frames 0 and 1


def test_vanishing_is_shown_for_several_networks_side_by_side() -> None:
    x, targets = torch.randn(3, 12, 4), torch.tensor([0, 1, 1])
    nets = {name: make_network(name, 4, 2, hidden_size=3).eval() for name in ("lstm", "input-cell-lstm", "tcn")}
    profiles = [vanishing_profile(name, net, x, targets, [nets["lstm"]]) for name, net in nets.items()]
    figure = plot_vanishing(profiles, 2.0, "Title", start=4.0)
    shares, jacobian, forget = figure.axes
    np.testing.assert_allclose(shares.lines[0].get_ydata(), 100 * profiles[0].shares)
    assert shares.lines[0].get_xdata()[0] == 4.0
    assert [text.get_text() for text in shares.get_legend().get_texts()] == list(nets)
    assert (len(shares.lines), len(jacobian.lines), len(forget.lines)) == (7, 2, 2)  # a tcn has no recurrence
    assert shares.get_yscale() == "log"
    (alone,) = plot_vanishing(profiles[2:], 2.0).axes  # nothing to show of a state
    assert alone.get_xlabel() == "Time (s)"


def row(seed: int, pair: str, auroc: float) -> dict[str, object]:
    """Return a row of an evaluation with every check that is drawn."""
    scores = {name: {"auroc": value, "auprc": value / 2} for name, value in
              (("random map", 0.5), ("oracle", 1.0), ("untrained network", 0.6))}  # fmt: skip
    recover = {"figures": {"auroc": auroc, "auprc": 0.7, "density": 0.25}, "beside": scores}
    null = {
        "figures": {"renewed_absolute": 0.1, "renewed_signed": -0.1, "renewed_absolute_q02": -0.05,
                    "renewed_absolute_q97": 0.25, "shuffled_labels_absolute": 0.3,
                    "shuffled_labels_signed": 0.2},
        "curves": {"profile": [0.1, 0.9], "band_mean": [0.5, 0.5], "band_low": [0.4, 0.4], "band_high": [0.6, 0.6],
                   "truth_profile": [0.0, 1.0], "cascade_absolute": [0.8, 0.4], "cascade_signed": [0.7, 0.3]},
        "names": {"cascade": ["linear", "encoder.layer"]},
    }  # fmt: skip
    curves = {"shares": [0.0, 0.5]}
    for kind in ("removal", "insertion"):
        curves |= {f"{kind}_absolute": [1.0, 0.2], f"{kind}_random": [1.0, 0.6]}
    checks = {"recover": recover, "null": null, "faithful": {"figures": {"cpd": 1.0}, "curves": curves}}
    return {"set": "s", "pair": pair, "network": "n", "explainer": "e", "seed": seed, "judged": True,
            "gate": {"value": 1.0}, "checks": checks}  # fmt: skip


def test_recovery_bars_have_baselines_intervals_and_chance() -> None:
    figure = plot_recovery(summarise([row(1, "p", 0.8), row(2, "p", 0.9), row(1, "q", 0.7)], 0.9), "Title")
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "p", "untrained network (p)", "q", "untrained network (q)", "random map", "oracle"
    ]  # fmt: skip
    assert [bar.get_width() for bar in left.patches] == pytest.approx([0.85, 0.6, 0.7, 0.6, 0.5, 1.0])
    assert [line.get_xdata()[0] for line in (left.lines[-1], right.lines[-1])] == [0.5, 0.25]
    ends = left.collections[0].get_segments()[0][:, 0]
    assert ends.tolist() == pytest.approx([0.85 - 12.7062 * 0.05, 0.85 + 12.7062 * 0.05], abs=1e-3)


def test_null_panels_show_band_truth_and_cascade() -> None:
    profile, likeness = plot_null(summarise([row(1, "p", 0.8)], 0.9)).axes
    drawn = {line.get_label(): line.get_ydata().tolist() for line in profile.lines}
    assert drawn["trained"] == [10, 90]
    assert drawn["truth"] == [0, 100]
    assert profile.collections[0].get_label() == "new weights"
    assert [bar.get_width() for bar in likeness.patches] == [0.8, 0.4, 0.1, 0.3, 0.7, 0.3, -0.1, 0.2]
    assert list(likeness.lines[0].get_xdata()) == [-0.05, 0.25]
    assert list(likeness.lines[0].get_ydata()) == [1.8, 1.8]  # on the bar of the absolute values of wholly new weights
    assert [label.get_text() for label in likeness.get_yticklabels()] == [
        "new to linear", "new to encoder.layer", "all new (mean)", "labels shuffled"
    ]  # fmt: skip


def test_null_panels_of_scans_are_in_seconds() -> None:
    (profile, _) = plot_null(summarise([row(1, "p", 0.8)], 0.9), "Null", 2.5, -5.0, "Time from the onset (s)").axes
    assert profile.lines[-1].get_xdata().tolist() == [-5.0, -2.5]
    assert profile.get_xlabel() == "Time from the onset (s)"


@pytest.mark.parametrize("without", [("profile",), ("profile", "band_mean", "band_low", "band_high", "truth_profile")])
def test_profiles_that_are_not_known_leave_the_others(without: tuple[str, ...]) -> None:
    one = row(1, "p", 0.8)
    for name in without:
        one["checks"]["null"]["curves"][name] = [None, None]  # as JSON keeps NaN
    figure = plot_null(summarise([one], 0.9))
    figure.canvas.draw()
    assert figure.axes[0].get_ylim() == pytest.approx((0, 125 if len(without) == 1 else 1))


def test_faithfulness_curves_go_beside_random_ones() -> None:
    removal, insertion = plot_faithfulness(summarise([row(1, "p", 0.8)], 0.9)).axes
    assert [line.get_ydata().tolist() for line in removal.lines] == [[1.0, 0.2], [1.0, 0.6]]
    assert removal.lines[0].get_xdata().tolist() == [0, 50]
    assert [text.get_text() for text in removal.get_legend().get_texts()] == ["by absolute value", "random order"]
    assert insertion.get_title() == "p: insertion"
