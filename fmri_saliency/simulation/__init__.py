"""Signals with known truth: pure arrays, no images."""

from fmri_saliency.simulation.datasets import dataset_names, make, samples_per_subject, setting_names
from fmri_saliency.simulation.design import (
    TASKS,
    Block,
    TaskPlan,
    TaskTiming,
    plan_tasks,
)
from fmri_saliency.simulation.hrf import double_gamma, expected_response
from fmri_saliency.simulation.noise import autocorrelated_noise, subject_gains
from fmri_saliency.simulation.planted import suppressor_cells

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
