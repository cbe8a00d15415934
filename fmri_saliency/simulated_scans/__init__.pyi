from .fmriprep_study import BidsSimulation, simulate_bids
from .hcp_study import SimulationSettings, simulate_hcp
from .hcp_tree import MadeTree, make_hcp_tree

__all__ = ["BidsSimulation", "MadeTree", "SimulationSettings", "make_hcp_tree", "simulate_bids", "simulate_hcp"]
