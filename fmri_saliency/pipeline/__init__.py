"""The steps from scans to report: each reads files, writes files, and skips what is done."""

from fmri_saliency.pipeline.chunks import extract_chunk, gather, index
from fmri_saliency.pipeline.config import Config, load_config, write_config
from fmri_saliency.pipeline.demo import run_demo
from fmri_saliency.pipeline.evaluate import evaluate
from fmri_saliency.pipeline.explain import explain, explain_fold
from fmri_saliency.pipeline.extract import extract
from fmri_saliency.pipeline.judge import judge
from fmri_saliency.pipeline.protocol import Evaluation, load_evaluation
from fmri_saliency.pipeline.report import report
from fmri_saliency.pipeline.run import run_all
from fmri_saliency.pipeline.train import train, train_fold

__all__ = [
    "Config",
    "Evaluation",
    "evaluate",
    "explain",
    "explain_fold",
    "extract",
    "extract_chunk",
    "gather",
    "index",
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
