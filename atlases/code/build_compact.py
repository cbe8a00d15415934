"""Build the embedded atlas: compact grey-matter parcels, the same in both hemispheres.

    python atlases/code/build_compact.py [FOLDER]

The grey-matter probability of the MNI152 template that nilearn bundles (ICBM 2009a,
nonlinear, symmetric) is cut at 0.5. The voxels of the left hemisphere are clustered by
their coordinates (k-means, weighted by grey-matter probability), which gives compact
parcels of similar size, and mirrored to the right. A parcel is named after its centre in
MNI space: ``L38P22S54`` lies 38 mm left, 22 mm posterior and 54 mm superior of the
origin. No other atlas took part.
"""

from __future__ import annotations

import colorsys
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_gm_template
from sklearn.cluster import KMeans

SPACE = "MNI152NLin2009aSym"
PER_HEMISPHERE = 50
SEED = 20261121


def cluster_left(probability: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the label image of the left hemisphere, 1 (front) to 50 (back)."""
    voxels = np.argwhere(probability > 0.5)
    places = nib.affines.apply_affine(affine, voxels)
    left = places[:, 0] < 0
    voxels, places = voxels[left], places[left]
    model = KMeans(PER_HEMISPHERE, n_init=20, random_state=SEED)
    found = model.fit_predict(places, sample_weight=probability[tuple(voxels.T)])
    centres = np.array([places[found == k].mean(axis=0) for k in range(PER_HEMISPHERE)])
    rank = np.empty(PER_HEMISPHERE, dtype=np.int16)
    rank[np.argsort(-centres[:, 1])] = np.arange(1, PER_HEMISPHERE + 1)
    labels = np.zeros(probability.shape, dtype=np.int16)
    labels[tuple(voxels.T)] = rank[found]
    return labels


def name_of(centre: np.ndarray) -> str:
    """Return the name of a parcel from its centre in mm, for example ``L38P22S54``."""
    letters = ("LR", "PA", "IS")
    return "".join(f"{pair[int(v >= 0)]}{abs(round(float(v)))}" for pair, v in zip(letters, centre, strict=True))


def describe(labels: np.ndarray, affine: np.ndarray) -> pd.DataFrame:
    """Return the region table: index, name, hemisphere, centre in mm, volume in ml, colour."""
    rows = []
    for index in range(1, 2 * PER_HEMISPHERE + 1):
        places = nib.affines.apply_affine(affine, np.argwhere(labels == index))
        centre = places.mean(axis=0)
        place = (index - 1) % PER_HEMISPHERE
        shade = 0.9 if index <= PER_HEMISPHERE else 0.7
        red, green, blue = colorsys.hsv_to_rgb(place * 0.618 % 1.0, 0.45 + 0.4 * (place % 3) / 2, shade)
        rows.append(
            {
                "index": index,
                "name": name_of(centre),
                "hemisphere": "L" if index <= PER_HEMISPHERE else "R",
                "x": round(float(centre[0]), 1),
                "y": round(float(centre[1]), 1),
                "z": round(float(centre[2]), 1),
                "volume_ml": round(len(places) * abs(np.linalg.det(affine[:3, :3])) / 1000, 2),
                "color": "#" + "".join(f"{round(255 * c):02x}" for c in (red, green, blue)),
            }
        )
    return pd.DataFrame(rows)


COLUMNS = {
    "hemisphere": {"Description": "Side of the brain", "Levels": {"L": "left", "R": "right"}},
    **{axis: {"Description": f"Centre of the parcel, {axis}", "Units": "mm"} for axis in "xyz"},
    "volume_ml": {"Description": "Volume of the parcel", "Units": "mL"},
}


def main(folder: Path) -> None:
    """Write the image, its table and its sidecars under `folder`."""
    template = load_mni152_gm_template(resolution=2)
    probability, affine = template.get_fdata(), template.affine
    labels = cluster_left(probability, affine)
    mirrored = labels[::-1]
    labels = np.where(mirrored > 0, mirrored + PER_HEMISPHERE, labels).astype(np.int16)

    image = nib.Nifti1Image(labels, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    image.header["descrip"] = b"Compact: symmetric grey-matter parcels"
    anat = folder / f"tpl-{SPACE}" / "anat"
    anat.mkdir(parents=True, exist_ok=True)
    stem = f"tpl-{SPACE}_atlas-Compact_scale-100"
    nib.save(image, anat / f"{stem}_res-2_dseg.nii.gz")
    table = describe(labels, affine)
    if table["name"].duplicated().any():
        raise SystemExit("Two parcels have the same rounded centre; change SEED.")
    table.to_csv(anat / f"{stem}_dseg.tsv", sep="\t", index=False)
    about = {
        "Description": "Compact grey-matter parcels, mirrored between hemispheres; see code/build_compact.py.",
        "SpatialReference": "the ICBM 2009a nonlinear symmetric template, as nilearn bundles it",
    }
    for name, sidecar in {
        f"{stem}_dseg.json": {**about, **COLUMNS},
        f"{stem}_res-2_dseg.json": {**about, "Resolution": "2 mm isotropic"},
    }.items():
        (anat / name).write_text(json.dumps(sidecar, indent=2) + "\n")
    print(f"{len(table)} parcels, {table['volume_ml'].min()} to {table['volume_ml'].max()} ml, in {anat}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])
