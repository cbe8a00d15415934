"""Small stand-ins for downloads, laid out as nilearn's fetchers leave them, so that the real fetchers read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])
AFFINE[:3, 3] = (-36.0, -20.0, -12.0)  # x from -36 to +36: the midline lies in the middle
SHAPE = (10, 6, 4)


def two_sides(first: int = 1, second: int = 2, kind: type = np.int16) -> np.ndarray:
    """Return a label image: `first` on the left, `second` on the right."""
    labels = np.zeros(SHAPE, dtype=kind)
    labels[1:4, 1:5, 1:3], labels[6:9, 1:5, 1:3] = first, second
    return labels


def soft_maps(n_maps: int) -> np.ndarray:
    """Return overlapping bumps along y and, the odd ones on the right, x; the first has a negative flank."""
    x, y, _ = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    centres = [(2 if k % 2 == 0 else 7, 1 + 4 * k / max(1, n_maps - 1)) for k in range(n_maps)]
    maps = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 4) for a, b in centres], axis=-1).astype(np.float32)
    maps[maps < 0.05] = 0
    maps[0, 0, 0, 0] = -0.1
    return maps


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, AFFINE), path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def fsl_xml(names: Sequence[str]) -> str:
    labels = "".join(f'<label index="{k}" x="0" y="0" z="0">{name}</label>' for k, name in enumerate(names))
    return f"<atlas><header><name>A</name><type>Probabalistic</type></header><data>{labels}</data></atlas>"


def schaefer(root: Path, n: int = 100, networks: int = 7, mm: int = 2) -> None:
    stem = root / "schaefer_2018" / f"Schaefer2018_{n}Parcels_{networks}Networks_order"
    rows = [(1, f"{networks}Networks_LH_Vis_1"), (2, f"{networks}Networks_RH_SomMot_1")]
    write(stem.with_suffix(".txt"), "".join(f"{index}\t{name}\t120\t18\t131\t0\n" for index, name in rows))
    save(stem.with_name(f"{stem.name}_FSLMNI152_{mm}mm.nii.gz"), two_sides())


def aal(root: Path) -> None:
    save(root / "aal_3v2" / "AAL3" / "AAL3v1.nii", two_sides(2001, 2002))
    labels = "".join(f"<label><index>{i}</index><name>{name}</name></label>" for i, name in
                     ((2001, "Precentral_L"), (2002, "Precentral_R")))
    write(root / "aal_3v2" / "AAL3" / "AAL3v1.xml", f"<atlas><data>{labels}</data></atlas>")


def aal_spm8(root: Path) -> None:
    save(root / "aal_SPM8" / "aal_for_SPM8" / "ROI_MNI_V4.nii", two_sides(2001, 2002))
    write(root / "aal_SPM8" / "aal_for_SPM8" / "ROI_MNI_V4.txt", "A\tPrecentral_L\t2001\nB\tPrecentral_R\t2002\n")


def harvard_oxford(root: Path) -> None:
    folder = root / "fsl" / "data" / "atlases"
    save(folder / "HarvardOxford" / "HarvardOxford-cortl-maxprob-thr25-2mm.nii.gz", two_sides(kind=np.uint8))
    save(folder / "HarvardOxford" / "HarvardOxford-cortl-prob-2mm.nii.gz", 100 * soft_maps(2))
    write(folder / "HarvardOxford-Cortical-Lateralized.xml", fsl_xml(["Left Frontal Pole", "Right Frontal Pole"]))


def juelich(root: Path) -> None:
    folder = root / "fsl" / "data" / "atlases"
    save(folder / "Juelich" / "Juelich-maxprob-thr25-2mm.nii.gz", two_sides(kind=np.uint8))
    write(folder / "Juelich.xml", fsl_xml(["GM Visual cortex V1 L", "GM Amygdala"]))


def destrieux(root: Path) -> None:
    folder = root / "destrieux_2009"
    save(folder / "destrieux2009_rois_lateralized.nii.gz", two_sides())
    write(folder / "destrieux2009_rois_labels_lateralized.csv",
          "index,name\n0,Background\n1,L G_cuneus\n2,R G_cuneus\n42,L Medial_wall\n")
    write(folder / "destrieux2009.rst", "about")


def yeo(root: Path) -> None:
    folder = root / "yeo_2011" / "Yeo_JNeurophysiol11_MNI152"
    for n in (7, 17):
        for end in ("", "_LiberalMask"):
            save(folder / f"Yeo2011_{n}Networks_MNI152_FreeSurferConformed1mm{end}.nii.gz", two_sides()[..., None])
        write(folder / f"Yeo2011_{n}Networks_ColorLUT.txt",
              f"0 NONE 0 0 0 0\n1 {n}Networks_1 120 18 134 0\n2 {n}Networks_2 70 130 180 0\n")
    save(folder / "FSL_MNI152_FreeSurferConformed_1mm.nii.gz", two_sides())


def basc(root: Path) -> None:
    stem = "template_cambridge_basc_multiscale"
    save(root / "basc_multiscale_2015" / f"{stem}_nii_sym" / f"{stem}_sym_scale007.nii.gz", two_sides(3, 4))
    values = two_sides()
    for label in range(3, 8):
        values[0, label - 3, 0] = label
    save(root / "basc_multiscale_2015" / f"{stem}_nii_sym" / f"{stem}_sym_scale007.nii.gz", values)


def craddock(root: Path) -> None:
    levels = np.zeros((*SHAPE, 3), dtype=np.int16)
    for level, n in enumerate((2, 5, 20)):
        levels.reshape(-1, 3)[:, level] = np.arange(np.prod(SHAPE)) % (n + 1)
    save(root / "craddock_2012" / "scorr05_mean_all.nii.gz", levels)


def pauli(root: Path) -> None:
    save(root / "pauli_2017" / "pauli_2017_prob.nii.gz", soft_maps(3))
    save(root / "pauli_2017" / "pauli_2017_det.nii.gz", two_sides(1, 3))
    write(root / "pauli_2017" / "labels.txt", "0 Pu\n1 Ca\n2 NAC\n")


def talairach(root: Path) -> None:
    save(root / "talairach_atlas" / "ba.nii.gz", two_sides(kind=np.uint8))
    write(root / "talairach_atlas" / "ba-labels.json", json.dumps(["Background", "Brodmann area 6", "Brodmann area 4"]))


def difumo(root: Path, n: int = 64) -> None:
    folder = root / "difumo_atlases"
    save(folder / str(n) / "2mm" / "maps.nii.gz", soft_maps(n))
    table = pd.DataFrame({"Component": range(1, n + 1), "Difumo_names": [f"mode {k}" for k in range(1, n + 1)],
                          "Yeo_networks7": ["VisCent", "DefaultA"] * (n // 2), "Yeo_networks17": "x", "GM": 0.5})
    table.to_csv(folder / str(n) / f"labels_{n}_dictionary.csv", index=False)
    write(folder / "README.md", "about")


def msdl(root: Path) -> None:
    save(root / "msdl_atlas" / "MSDL_rois" / "msdl_rois.nii", soft_maps(3))
    write(root / "msdl_atlas" / "MSDL_rois" / "msdl_rois_labels.csv",
          "x,y,z,name,net name\n-20,0,0,L Aud,Aud\n20,0,0,R Aud,Aud\n0,0,0,Striate,Striate\n")


def smith(root: Path) -> None:
    save(root / "smith_2009" / "PNAS_Smith09_rsn10.nii.gz", soft_maps(10))
    save(root / "smith_2009" / "bm20.nii.gz", soft_maps(20))


def allen(root: Path) -> None:
    folder = root / "allen_rsn_2011" / "allen_rsn_2011"
    save(folder / "ALL_HC_unthresholded_tmaps.nii.gz", soft_maps(75))
    save(folder / "RSN_HC_unthresholded_tmaps.nii.gz", soft_maps(28))
    save(folder / "rest_hcp_agg__component_ica_.nii.gz", soft_maps(2))


MAKERS: tuple[Callable[[Path], None], ...] = (
    schaefer, aal, aal_spm8, harvard_oxford, juelich, destrieux, yeo, basc, craddock, pauli, talairach, difumo, msdl,
    smith, allen,
)  # fmt: skip


def fill_cache(root: Path) -> Path:
    """Write a stand-in for a download of every atlas below `root` and return it."""
    for make in MAKERS:
        make(root)
    return root
