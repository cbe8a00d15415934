"""What each room offers is there when it is asked for, and steps load only what they need."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import fmri_saliency

ROOMS = sorted(path.parent.name for path in Path(fmri_saliency.__file__).parent.glob("*/__init__.pyi"))


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_that_a_room_offers_is_found_there(room):
    offered = importlib.import_module(f"fmri_saliency.{room}")
    assert offered.__all__
    for name in offered.__all__:
        value = getattr(offered, name)
        assert not isinstance(value, ModuleType), name  # a function is not hidden by the module of its name
        assert getattr(value, "__module__", offered.__name__).startswith(("fmri_saliency", "builtins")), name


def test_a_step_is_not_hidden_by_the_module_of_its_name():
    command = ("import fmri_saliency.pipeline.steps.extraction, fmri_saliency.attribution.attribute\n"
               "from fmri_saliency.pipeline import extract\n"
               "from fmri_saliency.attribution import attribute\n"
               "assert callable(extract) and callable(attribute)")
    subprocess.run([sys.executable, "-c", command], check=True)


@pytest.mark.parametrize("step", ["extract", "extract_chunk", "gather"])
def test_extraction_does_not_load_the_library_of_networks(step):
    command = (f"import sys\nfrom fmri_saliency.pipeline import {step}, load_config\n"
               "from fmri_saliency.disk.places import data_folder\n"
               "load_config(data_folder('workflows') / 'hcp.toml')\n"
               "found = {'torch', 'captum', 'matplotlib', 'skorch'} & set(sys.modules)\n"
               "assert not found, found")
    subprocess.run([sys.executable, "-c", command], check=True)
