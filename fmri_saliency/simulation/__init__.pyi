from .datasets import dataset_names, make, samples_per_subject, setting_names
from .design import (
    TASKS,
    Block,
    TaskPlan,
    TaskTiming,
    plan_tasks,
)
from .hrf import double_gamma, expected_response
from .noise import autocorrelated_noise, subject_gains
from .planted import suppressor_cells

__all__ = [
    "TASKS",
    "Block",
    "TaskPlan",
    "TaskTiming",
    "autocorrelated_noise",
    "dataset_names",
    "double_gamma",
    "expected_response",
    "make",
    "plan_tasks",
    "samples_per_subject",
    "setting_names",
    "subject_gains",
    "suppressor_cells",
]
