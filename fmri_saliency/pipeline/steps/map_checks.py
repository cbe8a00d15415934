"""The checks that maps are put to: of an evaluation's pairs, and of a run's own held-out samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from fmri_saliency.attribution import METHODS
from fmri_saliency.decoding import TaskDecoder
from fmri_saliency.errors import ConfigError
from fmri_saliency.evidence import (
    Retrained,
    compare_maps,
    faithfulness,
    infidelity,
    localise,
    localise_classes,
    mass_areas,
    naive_maps,
    over_seeds,
    paper_scores,
    profile_band,
    renew_from_output,
    retrain,
    suppression,
    time_profile,
)
from fmri_saliency.models import network_names
from fmri_saliency.saliency import Pair, explain_pair
from fmri_saliency.settings import Settings, bounds
from fmri_saliency.simulation import suppressor_cells

__all__ = [
    "MOST_SAMPLES",
    "Drawn",
    "Faithful",
    "Null",
    "Trial",
    "check_faithfulness",
    "check_null",
    "check_recovery",
    "check_suppression",
    "explain_drawn",
    "fresh_seed",
    "learnt",
]

MOST_SAMPLES = 10_000_000
SHARES = bounds(above=0, below=1, words="a share above 0 and below 1", most=1000)
NETWORKS = bounds(choices=network_names, called="A network of retrain")
UNTRAINED = "untrained network"
SLOPE = METHODS["gradient"].unit
LEARNT = 0.05  # of the p-value: 19 draws of new weights can reach it


def _shares(section: str, name: str, values: tuple[float, ...]) -> None:
    if not values or list(values) != sorted(set(values)):
        raise ConfigError(f"{name} in [{section}] must be shares above 0 and below 1, each larger than the one before; "
                          f"{list(values)} came.")


@dataclass(frozen=True)
class Null(Settings, where="in [checks.null]"):
    """Networks that cannot know the answer, to compare maps with.

    Attributes
    ----------
    draws : int
        New weights for the whole network; each is explained. They give the band of the time profile; fewer than 19
        cannot say whether it was learnt.
    samples : int
        How many of the explained samples are compared.
    retrain : bool
        Train on shuffled labels, and on samples whose time steps are shuffled, too.
    """

    draws: int = field(default=20, metadata=bounds(low=2, high=10_000))
    samples: int = field(default=4, metadata=bounds(low=2, high=MOST_SAMPLES))
    retrain: bool = True


@dataclass(frozen=True)
class Faithful(Settings, where="in [checks.faithful]"):
    """Taking cells away, putting them back, and training again without them.

    Attributes
    ----------
    shares : tuple of float
        Of the region x window blocks that are replaced, or put in.
    window : int
        Time steps of a block.
    draws : int
        Donors that blocks are replaced from.
    random : int
        Random rankings to compare with.
    retrain : tuple of str
        Networks that are trained again on a part of the cells; none when empty.
    retrain_shares : tuple of float
        Of the cells that are removed, or kept.
    retrain_random : int
        Random rankings to compare with.
    """

    shares: tuple[float, ...] = field(default=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), metadata=SHARES)
    window: int = field(default=5, metadata=bounds(low=1, high=1_000_000))
    draws: int = field(default=4, metadata=bounds(low=1, high=10_000))
    random: int = field(default=5, metadata=bounds(low=1, high=10_000))
    retrain: tuple[str, ...] = field(default=("logistic-regression",), metadata=NETWORKS)
    retrain_shares: tuple[float, ...] = field(default=(0.05, 0.1, 0.3), metadata=SHARES)
    retrain_random: int = field(default=3, metadata=bounds(low=1, high=10_000))

    def _check_together(self) -> None:
        _shares("checks.faithful", "shares", self.shares)
        _shares("checks.faithful", "retrain_shares", self.retrain_shares)


@dataclass(frozen=True)
class Drawn:
    """The samples of a set, in the order: trained on, stopped on, tested on; `fit` has the first two."""

    X: np.ndarray
    y: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    train: slice
    fit: slice
    test: slice
    explained: slice


@dataclass(frozen=True)
class Trial:
    """What the checks of one trial work on.

    Attributes
    ----------
    pair : Pair
    seed : int
    drawn : Drawn
    decoder : TaskDecoder
        Trained.
    maps : ndarray, shape (n_explained, n_times, n_regions)
    """

    pair: Pair
    seed: int
    drawn: Drawn
    decoder: TaskDecoder
    maps: np.ndarray

    @property
    def targets(self) -> np.ndarray:
        """The column of the answer that each map explains: the sample's label, whatever the network answers."""
        return np.searchsorted(self.decoder.classes_, self.drawn.y[self.drawn.explained])

    def explain(self, decoder: TaskDecoder, n_samples: int | None = None) -> np.ndarray:
        """Explain the first of the explained samples by another decoder; all when `n_samples` is omitted."""
        return explain_drawn(self.pair, decoder, self.drawn, self.seed, n_samples)


def explain_drawn(
    pair: Pair, decoder: TaskDecoder, drawn: Drawn, seed: int, n_samples: int | None = None
) -> np.ndarray:
    """Explain the samples that are to be explained."""
    X, y = drawn.X[drawn.explained][:n_samples], drawn.y[drawn.explained][:n_samples]
    return explain_pair(decoder, pair, X, y, drawn.X[drawn.train], seed)


def fresh_seed(seed: int, draw: int) -> int:
    """Return the seed of an untrained network's weights: of the upper half of 32 bits, where no trial's seed is.

    PyTorch's generator looks at 32 bits only, so that larger numbers would be the same seeds again.
    """
    return 2**31 + int(np.random.SeedSequence([seed, 4, draw]).generate_state(1)[0]) // 2


def _scores(maps: np.ndarray, labels: np.ndarray, truth: np.ndarray, signed: bool) -> dict[str, float]:
    """Return every score of recovery by its name."""
    found, classes = localise(maps, truth, signed), localise_classes(maps, labels, truth, signed)
    scores = {key: value for key, value in asdict(found).items() if key != "n_samples"}
    for key in ("auroc", "auprc", "time_auroc", "region_auroc", "time_auprc", "region_auprc", "density"):
        scores[f"class_{key}"] = float("nan") if classes is None else getattr(classes, key)
    jaccard, distance = paper_scores(maps, truth)
    aup, aur = mass_areas(maps, truth)
    return scores | {"paper_weighted_jaccard": jaccard, "paper_euclidean": distance, "aup_2020": aup, "aur_2020": aur}


def check_recovery(trial: Trial) -> dict[str, Any]:
    """Compare maps with the truth, beside those of networks and rules that know nothing of it."""
    drawn, signed = trial.drawn, trial.pair.contributes
    truth, labels = drawn.truth[drawn.explained], drawn.y[drawn.explained]
    naive = naive_maps(drawn.X[drawn.explained], truth, (drawn.X[drawn.train], drawn.y[drawn.train]), trial.seed)
    beside = {name: _scores(maps, labels, truth, False) for name, maps in naive.items()}
    untrained = trial.explain(trial.decoder.untrained(fresh_seed(trial.seed, 0)))
    beside[UNTRAINED] = _scores(untrained, labels, truth, signed)
    return {"figures": _scores(trial.maps, labels, truth, signed), "beside": beside}


def check_suppression(trial: Trial) -> dict[str, Any]:
    """Say how important suppressors look in the maps, and in the pattern of the same network."""
    drawn = trial.drawn
    truth = drawn.truth[drawn.explained]
    pattern = explain_drawn(Pair("pattern", trial.pair.network, "pattern"), trial.decoder, drawn, trial.seed)
    found = suppression(trial.maps, truth, suppressor_cells(truth), trial.pair.contributes)
    beside = suppression(pattern, truth, suppressor_cells(truth))
    return {"figures": {**asdict(found), **{f"pattern_{key}": value for key, value in asdict(beside).items()}}}


def _shuffled(trial: Trial, what: str) -> TaskDecoder:
    """Train the pair's network where labels, or each sample's time steps, are shuffled, for as many epochs.

    It trains on all samples that the pair's own network was trained or stopped on, as nothing is held out to stop.
    """
    drawn, pair, rng = trial.drawn, trial.pair, np.random.default_rng([trial.seed, 3])
    X, y = drawn.X[drawn.fit], drawn.y[drawn.fit]
    if what == "labels":
        y = rng.permutation(y)
    else:
        order = rng.permuted(np.tile(np.arange(X.shape[1]), (len(X), 1)), axis=1)
        X = np.take_along_axis(X, order[:, :, None], axis=1)
    # nothing to stop on: on shuffled labels the best epoch would be the first, before anything is learnt
    training = replace(pair.training, max_epochs=max(1, len(trial.decoder.history_)))
    decoder = TaskDecoder(pair.network, pair.architecture, training, seed=trial.seed, device=trial.decoder.device)
    return decoder.fit(X, y)


def learnt(p: float, draws: int) -> float:
    """Return whether a p-value says that training changed the profile: 1 or 0, NaN where it could not have said so."""
    return float(p <= LEARNT) if np.isfinite(p) and 1 / (draws + 1) <= LEARNT else float("nan")


def check_null(trial: Trial, settings: Null) -> dict[str, Any]:
    """Compare the maps with those of networks that cannot know the answer."""
    n = settings.samples
    maps, inputs = trial.maps[:n], trial.drawn.X[trial.drawn.explained][:n]
    seeds = [fresh_seed(trial.seed, 1 + draw) for draw in range(settings.draws)]
    redrawn = [trial.explain(trial.decoder.untrained(seed), n) for seed in seeds]
    alike = [asdict(compare_maps(maps, one, inputs)) for one in redrawn]
    figures = {f"renewed_{key}": over_seeds([one[key] for one in alike]).mean for key in alike[0]}
    for share, name in ((0.025, "q02"), (0.975, "q97")):
        figures[f"renewed_absolute_{name}"] = float(np.quantile([one["absolute"] for one in alike], share))
    band = profile_band(time_profile(maps), [time_profile(one) for one in redrawn])
    figures |= {"profile_outside": band.outside, "profile_p": band.p, "profile_learnt": learnt(band.p, settings.draws)}
    layers = renew_from_output(trial.decoder, seeds[0])
    cascade = [compare_maps(maps, trial.explain(decoder, n), inputs) for _, decoder in layers]
    for what in ("labels", "times") if settings.retrain else ():
        found = compare_maps(maps, trial.explain(_shuffled(trial, what), n), inputs)
        figures |= {f"shuffled_{what}_{key}": value for key, value in asdict(found).items()}
    curves = {
        "profile": time_profile(maps), "band_mean": band.mean, "band_low": band.low, "band_high": band.high,
        "truth_profile": time_profile(trial.drawn.truth[trial.drawn.explained][:n]),
        "cascade_signed": [one.signed for one in cascade], "cascade_absolute": [one.absolute for one in cascade],
    }  # fmt: skip
    return {"figures": figures, "curves": curves, "names": {"cascade": [name for name, _ in layers]}, "draws": alike}


def check_faithfulness(trial: Trial, settings: Faithful) -> dict[str, Any]:
    """Replace and insert what the maps call important, and train again without it."""
    drawn = trial.drawn
    found = faithfulness(
        trial.decoder.predict_proba, drawn.X[drawn.explained], trial.maps, drawn.X[drawn.train], settings.shares,
        settings.window, settings.draws, settings.random, trial.seed, trial.targets,
    )  # fmt: skip
    figures = {"cpd": found.cpd, "cpp": found.cpp, "cpd_random": found.cpd_random,
               "removal_spread": found.removal_spread, "insertion_spread": found.insertion_spread,
               **_infidelity(trial, settings)}  # fmt: skip
    curves = {"shares": found.shares}
    for kind in ("removal", "insertion"):
        gains = getattr(found, f"{kind}_gain")
        if trial.pair.contributes:  # one that is nowhere negative has the same order by its absolute value
            gains = {"signed": gains["absolute"], **gains}
        figures |= {f"{kind}_gain_{name}": gain for name, gain in gains.items()}
        curves |= {f"{kind}_{name}": curve for name, curve in getattr(found, kind).items()}
    for network in settings.retrain:
        again = _retrain(trial, network, settings)
        figures |= {f"retrain_{network}_whole": again.whole, f"retrain_{network}_removed_gain": again.removed_gain,
                    f"retrain_{network}_kept_gain": again.kept_gain}  # fmt: skip
        curves |= {f"retrain_{network}_{key}": value for key, value in vars(again).items() if key != "whole"}
    return {"figures": figures, "curves": curves}


def _infidelity(trial: Trial, settings: Faithful) -> dict[str, float]:
    """Say how much of what becomes of the explained logits the maps do not foretell."""
    drawn, decoder, pair = trial.drawn, trial.decoder, trial.pair
    slopes = METHODS[pair.explainer].unit == SLOPE
    maps = trial.maps if slopes or pair.contributes else np.abs(trial.maps)
    found = infidelity(
        decoder.logits, drawn.X[drawn.explained], maps, trial.targets, drawn.X[drawn.train],
        settings.draws * settings.random * len(settings.shares), slopes, trial.seed,
    )  # fmt: skip
    return {key: over_seeds(left).mean for key, left in zip(("infidelity", "infidelity_shuffled"), found, strict=True)}


def _retrain(trial: Trial, network: str, settings: Faithful) -> Retrained:
    """Train a network again on a part of the cells; score it on test samples that were not explained, if any."""
    drawn, pair = trial.drawn, trial.pair
    architecture = pair.architecture if network == pair.network else None

    def fit_score(train: tuple[np.ndarray, Any], test: tuple[np.ndarray, Any]) -> float:
        decoder = TaskDecoder(network, architecture, pair.training, seed=trial.seed, device=trial.decoder.device)
        decoder.fit(*train, validation=np.arange(len(train[0])) >= drawn.train.stop)
        return float(decoder.score(*test))

    rest = slice(drawn.explained.stop, None) if len(drawn.X) > drawn.explained.stop else drawn.test
    train, test = (drawn.X[drawn.fit], drawn.y[drawn.fit]), (drawn.X[rest], drawn.y[rest])
    importance = np.abs(trial.maps).mean(axis=0)
    return retrain(fit_score, train, test, importance, settings.retrain_shares, settings.retrain_random, trial.seed)
