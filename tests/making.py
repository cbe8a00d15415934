"""Records made on the spot, for any test to import."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd

from fmri_saliency.records import Atlas, Samples

T_R = 0.72


def make_atlas(n_regions: int = 6, shape: tuple[int, int, int] = (6, 5, 4), space: str = "") -> Atlas:
    """Return an atlas of blocks of voxels along the first axes, with some background."""
    labels = np.zeros(shape, dtype=np.int32)
    inner = labels[:, :, 1:]
    inner[...] = np.resize(np.repeat(np.arange(1, n_regions + 1), max(1, inner.size // n_regions)), inner.size).reshape(
        inner.shape
    )
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-9.0, -8.0, -7.0)
    regions = pd.DataFrame({"index": range(1, n_regions + 1), "name": [f"r{i}" for i in range(1, n_regions + 1)]})
    regions["hemisphere"] = ["L", "R"] * (n_regions // 2) + ["L"] * (n_regions % 2)
    for position, axis in enumerate("xyz"):
        regions[axis] = [
            float(nib.affines.apply_affine(affine, np.argwhere(labels == i)).mean(axis=0)[position])
            for i in regions["index"]
        ]
    return Atlas("Blocks", labels, affine, regions, space)


def make_samples(
    n_subjects: int = 8, per_subject: int = 4, n_times: int = 20, n_regions: int = 5, seed: int = 0, effect: float = 2.0
) -> Samples:
    """Return samples of two classes; class `b` is raised in region 1 at steps 5 to 9."""
    rng = np.random.default_rng(seed)
    n = n_subjects * per_subject
    X = rng.standard_normal((n, n_times, n_regions)).astype(np.float32)
    label = np.array(["a", "b"] * (n // 2))
    X[label == "b", 5:10, 1] += effect
    subject = np.repeat([f"{i:02d}" for i in range(n_subjects)], per_subject)
    start = np.tile(np.arange(per_subject) * 100.0, n_subjects)
    table = pd.DataFrame(
        {
            "run": [f"sub-{s}_task-x" for s in subject],
            "subject": subject,
            "session": "",
            "task": "x",
            "direction": "",
            "group": [f"sub-{s}" for s in subject],
            "label": label,
            "onset": start,
            "start": start,
            "stop": start + n_times * T_R,
            "filled": 0,
        }
    )
    return Samples(X, table, T_R, tuple(f"r{i}" for i in range(1, n_regions + 1)))
