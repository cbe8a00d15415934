from .faithful import Curves, faithfulness, infidelity
from .gate import gate, passes
from .group import GroupStatistics, group_statistics
from .holds import Verdict, say_whether_it_holds
from .localise import Localisation, localise, localise_classes, mass_areas, paper_scores
from .naive import NAIVE, class_difference, naive_maps
from .null import Band, Likeness, compare_maps, profile_band, renew_from_output, time_profile
from .on_task import on_task_share, on_task_steps, removal_drop, top_cells
from .permutation import (
    PermutationImportance,
    PermutationSettings,
    PermutationTest,
    TimeSpan,
    permutation_importance,
)
from .profile import compare_untrained, edge_shares
from .recovery import recover
from .retrain import Retrained, retrain
from .summary import Judgement, Spread, over_seeds, summarise
from .suppress import Suppression, suppression
from .verdict import best_rival, say_verdict

__all__ = [
    "NAIVE",
    "Band",
    "Curves",
    "GroupStatistics",
    "Judgement",
    "Likeness",
    "Localisation",
    "PermutationImportance",
    "PermutationSettings",
    "PermutationTest",
    "Retrained",
    "Spread",
    "Suppression",
    "TimeSpan",
    "Verdict",
    "best_rival",
    "class_difference",
    "compare_maps",
    "compare_untrained",
    "edge_shares",
    "faithfulness",
    "gate",
    "group_statistics",
    "infidelity",
    "localise",
    "localise_classes",
    "mass_areas",
    "naive_maps",
    "on_task_share",
    "on_task_steps",
    "over_seeds",
    "paper_scores",
    "passes",
    "permutation_importance",
    "profile_band",
    "recover",
    "removal_drop",
    "renew_from_output",
    "retrain",
    "say_verdict",
    "say_whether_it_holds",
    "summarise",
    "suppression",
    "time_profile",
    "top_cells",
]
