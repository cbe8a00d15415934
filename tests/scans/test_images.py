"""A scan's header, read from the first bytes of the file, says what opening the image says."""

import gzip
import io
import logging
import os
import struct
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.errors import InputError
from fmri_saliency.scans import images
from fmri_saliency.scans.images import read_bold_header


def bold(
    kind: type = nib.Nifti1Image, n_times: int = 9, unit: str = "sec", t_r: float = 0.72, **options: object
) -> nib.Nifti1Image:
    image = kind(np.ones((2, 3, 4, n_times), dtype=np.int16), np.diag([-2, 2, 2, 1]), **options)
    image.header.set_xyzt_units("mm", unit)
    image.header.set_zooms((2, 2, 2, t_r))
    return image


def slow(path: Path) -> tuple[int, float, float]:
    image = nib.load(path)
    t_r = round(float(image.header.get_zooms()[3]) * {"sec": 1, "msec": 1e-3, "usec": 1e-6}.get(
        image.header.get_xyzt_units()[1], 1), 6)  # fmt: skip
    return image.shape[3], t_r, t_r


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
@pytest.mark.parametrize(("kind", "peeked"), [(nib.Nifti1Image, True), (nib.Nifti2Image, False)])
@pytest.mark.parametrize(("unit", "t_r"), [("sec", 0.72), ("msec", 720.0), ("unknown", 2.0)])
def test_what_the_header_says(tmp_path: Path, suffix: str, kind: type, peeked: bool, unit: str, t_r: float) -> None:
    path = tmp_path / f"bold{suffix}"
    nib.save(bold(kind, unit=unit, t_r=t_r), path)
    assert (images._peek(path) is not None) is peeked
    assert read_bold_header(path) == slow(path)
    assert read_bold_header(path, 1.5)[1] == 1.5


def test_other_byte_order_extensions_and_pairs(tmp_path: Path) -> None:
    big = bold(header=nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "big.nii.gz")
    more = bold()
    more.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made"))
    nib.save(more, tmp_path / "more.nii.gz")
    nib.save(nib.Nifti1Pair(np.ones((2, 2, 2, 5), np.float32), np.eye(4)), tmp_path / "pair.img")
    for name, peeked in (("big.nii.gz", True), ("more.nii.gz", False), ("pair.img", False)):
        assert (images._peek(tmp_path / name) is not None) is peeked
        assert read_bold_header(tmp_path / name)[0] == nib.load(tmp_path / name).shape[3]


@pytest.mark.parametrize(
    ("where", "change"), [(0, b"\0\0\0\0"), (252, b"\x63\0\x63\0"), (70, b"\1\0"), (80, b"\0\0\0\0")]
)
def test_a_header_that_nibabel_mends_or_refuses_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int, change: bytes
) -> None:
    path, said = tmp_path / "a.nii", io.StringIO()
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 3), np.float32), np.eye(4)), path)
    content = path.read_bytes()
    path.write_bytes(content[:where] + change + content[where + len(change):])
    monkeypatch.setattr(nib.imageglobals.logger, "handlers", [logging.StreamHandler(said)])
    with suppress(InputError):
        read_bold_header(path, 2.0)
    assert said.getvalue() == ""


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"Expected a BOLD image at .*a\.nii\.gz; there is no such file"):
        read_bold_header(tmp_path / "a.nii.gz", 2.0)


def test_an_image_is_not_opened_for_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nib.save(bold(), tmp_path / "bold.nii.gz")
    monkeypatch.setattr(images, "open_image", None)
    assert read_bold_header(tmp_path / "bold.nii.gz") == (9, 0.72, 0.72)


def damaged(path: Path, where: int, change: bytes) -> Path:
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[where : where + len(change)] = change
    path.write_bytes(gzip.compress(bytes(raw)))
    return path


@pytest.mark.parametrize(
    ("where", "change"),
    [(344, b"none"), (70, b"\x07\x77"), (40, b"\x63\x63"), (252, struct.pack("<hhf", 1, 0, 5.0))],
    ids=["magic", "type", "dimensions", "quaternion"],
)
def test_what_opening_refuses_is_refused(tmp_path: Path, where: int, change: bytes) -> None:
    nib.save(bold(), tmp_path / "bold.nii.gz")
    path = damaged(tmp_path / "bold.nii.gz", where, change)
    with pytest.raises((nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, ValueError)):
        nib.load(path)
    with pytest.raises(InputError, match="it is not an image"):
        read_bold_header(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it is not an image"), (b"\x1f\x8b\x08", "it is not an image"), (b"plain text" * 99, "it is not an image")],
)
def test_one_message_for_each_wrong_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_bold_header(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_bold_header(tmp_path / "none.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.float32), np.eye(4)), path)
    with pytest.raises(InputError, match=r"it is 3D, shape \(2, 2, 2\)"):
        read_bold_header(path)
    nib.save(bold(n_times=1), path)
    with pytest.raises(InputError, match="at least 2 frames"):
        read_bold_header(path)
