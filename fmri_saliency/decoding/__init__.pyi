from .decoder import TaskDecoder
from .score import Score, score_predictions
from .settings import Architecture, Training, check_device
from .splits import SPLITS, Fold, dealt_by, find_blocks, make_folds
from .threads import limited_threads
from .weights import load_decoder, save_decoder

__all__ = [
    "SPLITS",
    "Architecture",
    "Fold",
    "Score",
    "TaskDecoder",
    "Training",
    "check_device",
    "dealt_by",
    "find_blocks",
    "limited_threads",
    "load_decoder",
    "make_folds",
    "save_decoder",
    "score_predictions",
]
