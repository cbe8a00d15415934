from .chunks import deal_runs, extract_chunk, gather
from .config import Config, load_config, write_config
from .demo import run_demo
from .evaluate import evaluate
from .explain import explain, explain_fold
from .extract import extract
from .judge import judge
from .protocol import Evaluation, load_evaluation
from .report import report
from .run import run_all
from .train import train, train_fold

__all__ = [
    "Config",
    "Evaluation",
    "deal_runs",
    "evaluate",
    "explain",
    "explain_fold",
    "extract",
    "extract_chunk",
    "gather",
    "judge",
    "load_config",
    "load_evaluation",
    "report",
    "run_all",
    "run_demo",
    "train",
    "train_fold",
    "write_config",
]
