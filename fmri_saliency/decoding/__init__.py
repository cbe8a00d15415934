"""The task decoder, how it is split from its test data, and how it is scored."""

from fmri_saliency.decoding.decoder import TaskDecoder
from fmri_saliency.decoding.score import Score, score_predictions
from fmri_saliency.decoding.settings import Architecture, Training, check_device
from fmri_saliency.decoding.splits import SPLITS, Fold, make_folds
from fmri_saliency.decoding.threads import limited_threads
from fmri_saliency.decoding.weights import load_decoder, save_decoder

__all__ = [
    "SPLITS",
    "Architecture",
    "Fold",
    "Score",
    "TaskDecoder",
    "Training",
    "check_device",
    "limited_threads",
    "load_decoder",
    "make_folds",
    "save_decoder",
    "score_predictions",
]
