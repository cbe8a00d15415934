from .commands.cluster import deal_runs, extract_chunk, gather
from .commands.demo import run_demo
from .commands.whole_job import run_all
from .evaluation.evaluating import evaluate
from .evaluation.protocol import Evaluation, load_evaluation
from .pages.report_page import report
from .steps.explanation import explain, explain_fold
from .steps.extraction import extract
from .steps.judging import judge
from .steps.training import train, train_fold
from .study.config import Config, load_config, write_config

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
