"""What was done, in the words of a methods section, with references: made from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fmri_saliency import __version__
from fmri_saliency.attribution import METHODS
from fmri_saliency.brain.cards import find_card
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.records import Atlas, Run, Saliency, Samples
from fmri_saliency.series import REST

__all__ = ["REFERENCES", "MethodsText", "describe_methods"]

REFERENCES = {
    "nilearn": "Abraham A, et al. (2014). Machine learning for neuroimaging with scikit-learn. Frontiers in "
               "Neuroinformatics 8:14. doi:10.3389/fninf.2014.00014",
    "HCP": "Van Essen DC, et al. (2013). The WU-Minn Human Connectome Project: an overview. NeuroImage 80:62-79. "
           "doi:10.1016/j.neuroimage.2013.05.041",
    "HCP tasks": "Barch DM, et al. (2013). Function in the human connectome: task-fMRI and individual differences in "
                 "behavior. NeuroImage 80:169-189. doi:10.1016/j.neuroimage.2013.05.033",
    "HCP pipelines": "Glasser MF, et al. (2013). The minimal preprocessing pipelines for the Human Connectome Project. "
                     "NeuroImage 80:105-124. doi:10.1016/j.neuroimage.2013.04.127",
    "fMRIPrep": "Esteban O, et al. (2019). fMRIPrep: a robust preprocessing pipeline for functional MRI. Nature "
                "Methods 16:111-116. doi:10.1038/s41592-018-0235-4",
    "input-cell": "Ismail AA, Gunady M, Pessoa L, Corrada Bravo H, Feizi S (2019). Input-Cell Attention Reduces "
                  "Vanishing Saliency of Recurrent Neural Networks. Advances in Neural Information Processing Systems "
                  "32. arXiv:1910.12370",
    "lstm": "Hochreiter S, Schmidhuber J (1997). Long short-term memory. Neural Computation 9:1735-1780. "
            "doi:10.1162/neco.1997.9.8.1735",
    "gru": "Cho K, et al. (2014). Learning phrase representations using RNN encoder-decoder for statistical machine "
           "translation. EMNLP. arXiv:1406.1078",
    "AdamW": "Loshchilov I, Hutter F (2019). Decoupled weight decay regularization. ICLR. arXiv:1711.05101",
    "PyTorch": "Paszke A, et al. (2019). PyTorch: an imperative style, high-performance deep learning library. "
               "Advances in Neural Information Processing Systems 32. arXiv:1912.01703",
    "captum": "Kokhlikyan N, et al. (2020). Captum: a unified and generic model interpretability library for PyTorch. "
              "arXiv:2009.07896",
    "scikit-learn": "Pedregosa F, et al. (2011). Scikit-learn: machine learning in Python. Journal of Machine Learning "
                    "Research 12:2825-2830",
    "Wilson": "Wilson EB (1927). Probable inference, the law of succession, and statistical inference. Journal of the "
              "American Statistical Association 22:209-212. doi:10.1080/01621459.1927.10502953",
    "sanity": "Adebayo J, et al. (2018). Sanity checks for saliency maps. Advances in Neural Information Processing "
              "Systems 31. arXiv:1810.03292",
}  # fmt: skip
"""What a text may cite, by a short name."""

MOST_NAMES = 12
"""Trial types that are named of a class; some files have dozens."""

STANDARDIZED = {"zscore_sample": "standardised to z-scores", "psc": "in per cent of the mean signal",
                "none": "not standardised"}  # fmt: skip
CELLS = {"lstm": "long short-term memory", "gru": "gated recurrent units", "rnn": "plain recurrent units"}


@dataclass
class MethodsText:
    """Paragraphs, and what they cite.

    Attributes
    ----------
    paragraphs : list of str
    references : list of str
        Each once, in the order of their first mention.
    """

    paragraphs: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)

    def cite(self, *names: str) -> str:
        """Note what is cited, and return it as in a text: ``(Cho et al., 2014)``."""
        for name in names:
            self.note(REFERENCES[name])
        return f"({'; '.join(_short(REFERENCES[name]) for name in names)})"

    def note(self, reference: str) -> None:
        """Add a reference to the list, once."""
        if reference not in self.references:
            self.references.append(reference)


def _short(reference: str) -> str:
    """Return authors and year of a reference, ``Cho et al., 2014``."""
    authors, year = reference.split(" (", 1)
    names = [name.strip().rsplit(" ", 1)[0] for name in authors.replace(", et al.", "").split(",")]
    who = names[0] if len(names) == 1 and "et al." not in authors else \
        f"{names[0]} & {names[1]}" if len(names) == 2 else f"{names[0]} et al."
    return f"{who}, {year[:4]}"


def _count(number: int, word: str, words: str = "") -> str:
    """Return a number with what it counts: ``1 run``, ``2 people``."""
    return f"{number} {word if number == 1 else words or word + 's'}"


def _list(words: Sequence[str]) -> str:
    """Return words as in a sentence: ``a``, ``a and b``, ``a, b and c``; of many, the first."""
    shown = [*words[:MOST_NAMES], f"{len(words) - MOST_NAMES} more"] if len(words) > MOST_NAMES else list(words)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _scans(config: Config, runs: Sequence[Run], text: MethodsText) -> str:
    people, tasks = {run.subject for run in runs}, sorted({run.task for run in runs})
    counted = f"{_count(len(runs), 'run')} of {_count(len(people), 'person', 'people')} and " \
              f"{_count(len(tasks), 'task')}{f' ({_list(tasks)})' if tasks else ''}"
    were = "was" if len(runs) == 1 else "were"
    if config.scans.truth is not None:
        return f"{counted} {were} simulated, with known truth."
    if config.scans.layout == "hcp":
        return (f"{counted} {were} read in the layout of the Human Connectome Project's S1200 release "
                f"{text.cite('HCP', 'HCP tasks', 'HCP pipelines')}, variant {config.scans.variant}.")
    if config.scans.layout == "fmriprep":
        return f"{counted} had been preprocessed with fMRIPrep {text.cite('fMRIPrep')}."
    return f"{counted} {were} read from a table of runs."


def _atlas_words(config: Config, atlas: Atlas, text: MethodsText) -> str:
    """Name the atlas, and note what its card says to cite."""
    size = f", {atlas.seg}" if atlas.seg else ""
    if config.atlas.image is not None:
        return f"atlas {atlas.name}{size}, brought along: cite its source"
    references = find_card(config.atlas.name).references_and_links
    for reference in references:
        text.note(f"Atlas {atlas.name}: {reference}")
    return f"atlas {atlas.name}{size}"


def _extraction(atlas: Atlas) -> str:
    if atlas.maps is None:
        where = "voxels" if atlas.grayordinates is None else "grayordinates"
        return f"averaged over those of their {where} that hold data, and cleaned with nilearn"
    return "estimated by least squares on the atlas's maps, and cleaned with nilearn"


def _regions(config: Config, atlas: Atlas, note: str, text: MethodsText) -> str:
    cleaning = config.cleaning
    filters = f"high-pass {cleaning.high_pass:g} Hz" if cleaning.high_pass else "no high-pass filter"
    filters += f", low-pass {cleaning.low_pass:g} Hz" if cleaning.low_pass else ""
    smoothing = f", images smoothed by {cleaning.smoothing_fwhm:g} mm FWHM before" if cleaning.smoothing_fwhm else ""
    return (
        f"Time series of {_count(atlas.n_regions, 'region')} ({_atlas_words(config, atlas, text)}) were "
        f"{_extraction(atlas)} {text.cite('nilearn')} (detrending: {'yes' if cleaning.detrend else 'no'}, {filters}, "
        f"{cleaning.filter} filter, {STANDARDIZED[cleaning.standardize]}, confounds: "
        f"{', '.join(cleaning.confounds or cleaning.denoise.words) or 'none'}{smoothing}). Regions covered by less "
        f"than {100 * cleaning.min_coverage:g} % of their extent were left out run by run. {note}"
    ).strip()


APART = {"group": "people", "leave-one-run-out": "runs", "contiguous": "stretches of time", "blocks": "blocks"}
"""What training stops on, by how it is split."""


def _class_words(config: Config, samples: Samples, runs: Sequence[Run], label: str) -> str:
    """Name a class, how many samples it has, and the trial types that it stands for."""
    if config.samples.unit == "run":
        kinds = sorted({event.trial_type for run in runs if run.task == label for event in run.events})
    elif config.samples.rest and label == REST:
        kinds = ["the time between all events"]
    else:
        kinds = [kind for kind in config.samples.classes.get(label, ()) if kind != label]
    size = _count(int((samples.y == label).sum()), "sample")
    return f"'{label}' ({size}{f': {_list(kinds)}' if kinds else ''})"


def _samples(config: Config, samples: Samples, runs: Sequence[Run]) -> str:
    unit = {
        "run": "the first part of each run, of one length for all tasks",
        "event": f"windows that begin {samples.start:.3g} s after each event's onset, on average",
        "block": f"as many windows as fit into each block, {samples.start:.3g} s later on average",
    }[config.samples.unit]
    if config.samples.t_r:
        unit += f", of series resampled to {config.samples.t_r:g} s"
    what = "tasks, with the trial types of their events" if config.samples.unit == "run" else "trial types"
    named = "; ".join(_class_words(config, samples, runs, label) for label in samples.classes)
    sizes = f"{_count(len(samples.y), 'sample')} of {_count(len(samples.classes), 'class', 'classes')}"
    cleaned = "each sample was cleaned on its own" if config.samples.unit == "run" else \
        "windows were cleaned within stretches of one length"
    return (f"Samples were {unit} ({_count(samples.X.shape[1], 'frame')} of {samples.t_r:g} s): {sizes}, which are "
            f"{what}: {named}. They were cut from the series before cleaning, and {cleaned}, so that the length of a "
            "run cannot be told from them.")  # fmt: skip


def _network(config: Config, text: MethodsText) -> str:
    name, shape = config.decoder.network, config.decoder.architecture
    cell = next((cell for cell in CELLS if name.split("-")[-1] == cell), None)
    words = [_count(shape.hidden_size, "hidden unit")]
    if cell:
        cited = f" {text.cite(cell)}" if cell in REFERENCES else ""
        words.insert(0, f"{'two directions of ' if name.startswith('bi-') else ''}{CELLS[cell]}{cited}")
    if "input-cell" in name:
        back = f", looking back {_count(shape.window, 'frame')}" if shape.window else ""
        words.append(f"input-cell attention {text.cite('input-cell')} with {_count(shape.hops, 'hop')} of width "
                     f"{shape.attention_size}, form {shape.form}{back}")  # fmt: skip
    words.append(f"dropout {shape.dropout:g}")
    return "; ".join(words)


def _epochs(config: Config, card: dict[str, Any]) -> str:
    """Say how long networks were trained: until a loss no longer fell, or, with nothing to stop on, for all epochs."""
    training = config.decoder.training
    empty = sum(not count for count in card["validation_samples"])
    alone = (f"for all {_count(training.max_epochs, 'epoch')}, since no {APART[config.decoder.split]} were left to "
             "stop on")
    if empty == card["folds"]:
        return alone
    stopped = (f"at most {_count(training.max_epochs, 'epoch')}, stopped after {training.patience} without a smaller "
               f"loss on {APART[config.decoder.split]} kept apart for that")
    return f"{stopped}; in {_count(empty, 'fold')} {alone}" if empty else stopped


def _decoder(config: Config, card: dict[str, Any], text: MethodsText) -> str:
    training = config.decoder.training
    way = "" if training.way == "plain" else f", with batches shown by {training.way} of {100 * training.share:g} %"
    weights = ", classes weighed alike" if training.class_weights == "balanced" else ""
    beside = ", ".join(f"'{name}'" for name in config.decoder.networks[1:])
    return (
        f"The network '{config.decoder.network}' ({_network(config, text)}) was trained with AdamW "
        f"{text.cite('AdamW')} on the cross-entropy (learning rate {training.learning_rate:g}, weight decay "
        f"{training.weight_decay:g}, batches of {training.batch_size}, {_epochs(config, card)}{way}{weights}), and "
        f"tested in {_count(card['folds'], 'fold')} by {card['split']} (seed {config.decoder.seed}). Beside it: "
        f"{f'{beside} and ' if beside else ''}logistic regression, on the same folds. Intervals of the accuracy are "
        f"Wilson's {text.cite('Wilson')}, widened "
        "for the dependence of samples that were held out together."
    )


def _explainer(config: Config, classes: Saliency, n_people: int, text: MethodsText) -> str:
    method = METHODS[classes.method]
    text.note(f"{classes.method}: {method.reference}")
    smooth = f", smoothed over time ({config.saliency.smoothing:g} s FWHM)" if config.saliency.smoothing else ""
    planted = ", and with what had been planted" if config.scans.truth is not None else ""
    over = "first over the samples of each person, then over people" if n_people > 1 else "over samples"
    return (
        f"Each held-out sample was explained by the decoder that never saw it, with {classes.method} "
        f"({method.reference}) of the {classes.target}{smooth}, baseline: {classes.baseline}. "
        f"Values were averaged per class, {over}. Maps were compared with those of the same networks before "
        f"training {text.cite('sanity')}{planted}. "
        "Of some held-out samples, blocks of one region and a few frames were replaced by other samples', the most "
        "important first and in random order, to see whether the answer hangs on them."
    )


def describe_methods(
    config: Config,
    runs: Sequence[Run],
    atlas: Atlas,
    note: str,
    samples: Samples | None = None,
    card: dict[str, Any] | None = None,
    classes: Saliency | None = None,
) -> MethodsText:
    """Describe what was done as far as it was done.

    Parameters
    ----------
    config : Config
    runs : sequence of Run
        Those with region series.
    atlas : Atlas
    note : str
        How atlas and scans fit together.
    samples : Samples, optional
    card : dict, optional
        Scores of the main network: `folds` and `split`.
    classes : Saliency, optional
        Its class maps.

    Returns
    -------
    MethodsText
    """
    text = MethodsText()
    text.paragraphs.append(_scans(config, runs, text))
    if runs:
        text.paragraphs.append(_regions(config, atlas, note, text))
    if samples is not None and card is not None:
        text.paragraphs.append(f"{_samples(config, samples, runs)} {_decoder(config, card, text)}")
    if classes is not None:
        text.paragraphs.append(_explainer(config, classes, len({run.subject for run in runs}), text))
    tools = text.cite("PyTorch", "scikit-learn", "captum")
    text.paragraphs.append(f"This was done with fmri_saliency {__version__}, which rests on PyTorch, scikit-learn and "
                           f"captum {tools}.")
    return text
