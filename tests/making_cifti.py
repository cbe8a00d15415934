"""Made CIFTI files: a small cortex and a little of the subcortex, with two parcels on the left and one elsewhere."""

import struct
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, SeriesAxis

NAMES = {1: "L_visual", 2: "L_motor", 3: "R_and_thalamus"}
COLOURS = {1: (1.0, 0.0, 0.0, 1.0), 2: (0.0, 1.0, 0.0, 1.0), 3: (0.0, 0.0, 1.0, 1.0)}
LABELS = np.array([1, 1, 2, 2, 2, 0, 3, 3, 3, 3])  # five vertices on the left, three on the right, two voxels


def models() -> BrainModelAxis:
    left = BrainModelAxis.from_surface([0, 2, 3, 5, 7], 9, "CIFTI_STRUCTURE_CORTEX_LEFT")
    right = BrainModelAxis.from_surface([1, 4, 6], 9, "CIFTI_STRUCTURE_CORTEX_RIGHT")
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, :2] = True
    return left + right + BrainModelAxis.from_mask(mask, "CIFTI_STRUCTURE_THALAMUS_LEFT", np.diag([2.0, 2, 2, 1]))


def write_series(path: Path, values: np.ndarray, t_r: float = 0.72, axis: BrainModelAxis | None = None) -> Path:
    """Write values, (n_times, n_grayordinates), as a dense series."""
    rows = SeriesAxis(0, t_r, len(values), "SECOND")
    nib.save(Cifti2Image(values.astype(np.float32), header=(rows, axis or models())), path)
    return path


def write_labels(
    path: Path, labels: np.ndarray = LABELS, names: dict[int, str] | None = None, axis: BrainModelAxis | None = None
) -> Path:
    table = {0: ("???", (1.0, 1.0, 1.0, 0.0))} | {key: (name, COLOURS[key]) for key, name in (names or NAMES).items()}
    nib.save(Cifti2Image(labels[None].astype(np.float32), header=(LabelAxis(["atlas"], [table]), axis or models())),
             path)  # fmt: skip
    return path


def rewrite(path: Path, old: str, new: str) -> Path:
    """Change the XML in a CIFTI file to what nibabel would not write."""
    raw = path.read_bytes()
    offset, size = struct.unpack_from("<q", raw, 168)[0], struct.unpack_from("<i", raw, 544)[0]  # vox_offset, esize
    xml = raw[552 : 544 + size].decode().rstrip("\0")
    assert old in xml
    changed = xml.replace(old, new, 1).encode()
    changed += bytes(-(len(changed) + 8) % 16)
    head = bytearray(raw[:552])
    struct.pack_into("<q", head, 168, offset + len(changed) + 8 - size)
    struct.pack_into("<i", head, 544, len(changed) + 8)
    path.write_bytes(bytes(head) + changed + raw[544 + size :])
    return path
