"""Headers of maps, field by field as they stand in the files: what other programs read must not change by accident."""

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from making import make_atlas
from making_cifti import write_labels

from fmri_saliency.brain import load_grayordinate_atlas, save_grayordinates, stream_map

CHANGING = {  # what differs from a header of zeros, for a map over time in MNI space
    "sizeof_hdr": 348,
    "dim": [4, 6, 5, 4, 3, 1, 1, 1],
    "datatype": 16,  # float32
    "bitpix": 32,
    "pixdim": [1, 3, 3, 3, 0.72, 1, 1, 1],
    "vox_offset": 352,
    "scl_slope": 1,
    "xyzt_units": 10,  # mm and s
    "cal_max": 3,
    "cal_min": -3,
    "toffset": 4,
    "descrip": b"fmri_saliency saliency",
    "qform_code": 4,  # MNI
    "sform_code": 4,
    "qoffset_x": -9,
    "qoffset_y": -8,
    "qoffset_z": -7,
    "srow_x": [3, 0, 0, -9],
    "srow_y": [0, 3, 0, -8],
    "srow_z": [0, 0, 3, -7],
    "magic": b"n+1",
}
# the intent stays 0: three volumes would open as vectors, or colours, otherwise


@pytest.mark.parametrize(
    ("shape", "space", "other"),
    [
        ((3, 6), "MNI152NLin6Asym", {}),
        ((6,), "MNI152NLin6Asym", {"dim": [3, 6, 5, 4, 1, 1, 1, 1], "pixdim": [1, 3, 3, 3, 1, 1, 1, 1], "toffset": 0}),
        ((3, 6), "T1w", {"qform_code": 2, "sform_code": 2}),  # aligned to something else
        ((3, 6), "", {"qform_code": 2, "sform_code": 2}),
    ],
)
def test_of_an_image(tmp_path: Path, shape: tuple[int, ...], space: str, other: dict) -> None:
    values = np.resize(np.array([1, -3, 2, 0, 0.5, np.nan]), shape)
    stream_map(values, replace(make_atlas(), space=space), tmp_path / "a.nii.gz", 0.72, "fmri_saliency saliency", 4.0)
    content = gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
    header = np.frombuffer(content[:348], nib.Nifti1Header.template_dtype)[0]
    for key in header.dtype.names:
        text = header.dtype[key].kind == "S"
        compare = np.testing.assert_equal if text else np.testing.assert_allclose
        compare(header[key], (CHANGING | other).get(key, b"" if text else 0), err_msg=key)
    assert content[348:352] == bytes(4)  # no extensions
    assert len(content) == 352 + 4 * 120 * (3 if len(shape) == 2 else 1)


def test_of_cifti(tmp_path: Path) -> None:
    atlas = load_grayordinate_atlas(write_labels(tmp_path / "a.dlabel.nii"), "Small", "fsLR")
    over_time, one = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    intents = {}
    for ending, values in ((".ptseries.nii", over_time), (".dtseries.nii", over_time), (".pscalar.nii", one),
                           (".dscalar.nii", one)):  # fmt: skip
        save_grayordinates(values, atlas, tmp_path / f"x{ending}", 0.72, 4.0, "words")
        image = nib.load(tmp_path / f"x{ending}")
        intents[ending] = (int(image.nifti_header["intent_code"]), image.nifti_header["intent_name"].item())
        assert image.get_data_dtype() == np.float32
        rows, columns = (image.header.get_axis(k) for k in (0, 1))
        if values.ndim == 2:
            assert (rows.start, rows.step, rows.size, rows.unit) == (4.0, 0.72, 2, "SECOND")
        else:
            assert rows.name.tolist() == ["words"]
        assert len(columns) == (3 if ending.startswith(".p") else 10)
    assert intents == {  # https://www.nitrc.org/projects/cifti: file types
        ".ptseries.nii": (3004, b"ConnParcelSries"),
        ".dtseries.nii": (3002, b"ConnDenseSeries"),
        ".pscalar.nii": (3008, b"ConnParcelScalr"),
        ".dscalar.nii": (3006, b"ConnDenseScalar"),
    }
