"""A made S1200 tree, once for all tests of this room."""

from pathlib import Path

import pytest

from fmri_saliency.scans.made_hcp import MadeTree, make_hcp_tree

SUBJECTS = ("100307", "100408", "101309", "192237")


@pytest.fixture(scope="session")
def s1200(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree of four people, seven tasks and both directions, with one run missing; not to be changed."""
    out = tmp_path_factory.mktemp("s1200") / "HCP_1200"
    return make_hcp_tree(out, MadeTree(SUBJECTS, shape=(3, 3, 3), missing=("192237_MOTOR_RL",)))
