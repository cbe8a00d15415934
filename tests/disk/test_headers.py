"""Headers that cannot be true are refused by one message; what disagrees about left and right is said."""

import gzip
import struct
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fmri_saliency.disk.files import read_json
from fmri_saliency.disk.headers import LARGEST_FRAME, compare_sides, time_unit
from fmri_saliency.disk.images import check_header, open_image
from fmri_saliency.errors import InputError, OrientationWarning
from fmri_saliency.scans.images import read_bold_header

KINDS = {"nifti-1": (nib.Nifti1Image, ".nii"), "nifti-1 gz": (nib.Nifti1Image, ".nii.gz"),
         "nifti-2": (nib.Nifti2Image, ".nii"), "nifti-2 gz": (nib.Nifti2Image, ".nii.gz"),
         "pair": (nib.Nifti1Pair, ".img"), "pair gz": (nib.Nifti1Pair, ".img.gz")}  # fmt: skip
OFFSET, UNITS = {348: (108, "f"), 540: (168, "q")}, {348: (123, "B"), 540: (500, "i")}
"""Length of the header to place and type of ``vox_offset`` and ``xyzt_units`` (nifti1.h, nifti2.h)."""


def write(folder: Path, kind: str, affine: np.ndarray | None = None, dtype: type = np.int16) -> Path:
    make, ending = KINDS[kind]
    image = make(np.ones((2, 3, 4, 9), dtype), np.diag([2.0, 2, 2, 1]) if affine is None else affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], 0.72))
    path = folder / f"bold{ending}"
    nib.save(image, path)
    return path


def change(path: Path, places: dict[int, tuple[int, str]], value: float) -> Path:
    """Write a value into the header of a file, of a pair into that beside it."""
    header = path.with_name(path.name.replace(".img", ".hdr"))
    raw = bytearray(gzip.decompress(header.read_bytes()) if header.suffix == ".gz" else header.read_bytes())
    place, form = places[struct.unpack_from("<i", raw)[0]]
    struct.pack_into("<" + form, raw, place, float(value) if form in "fd" else int(value))
    header.write_bytes(gzip.compress(bytes(raw)) if header.suffix == ".gz" else bytes(raw))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_right_passes(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    assert read_bold_header(path) == (9, 0.72, 0.72)
    assert time_unit(open_image(path, "a scan")) == "sec"


@pytest.mark.parametrize("kind", ["nifti-1", "nifti-1 gz", "nifti-2", "nifti-2 gz"])
def test_voxels_that_begin_in_the_header(tmp_path: Path, kind: str) -> None:
    path = change(write(tmp_path, kind), OFFSET, 0)
    least = 544 if "2" in kind else 352
    with pytest.raises(InputError, match=rf"begin at byte 0 \(vox_offset\); .* they begin at {least} at the earliest"):
        read_bold_header(path)


def test_an_offset_of_0_is_right_in_a_pair(tmp_path: Path) -> None:
    path = change(write(tmp_path, "pair"), OFFSET, 0)
    assert read_bold_header(path)[0] == 9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("code", "words"), [(1, "in metres"), (3, "in microns"), (5, "in a unit of code 5")])
def test_voxels_in_other_units_than_mm(tmp_path: Path, kind: str, code: int, words: str) -> None:
    path = change(write(tmp_path, kind), UNITS, code + 8)
    with pytest.raises(InputError, match=rf"the size of its voxels \(2, 2, 2\) {words}"):
        read_bold_header(path)


@pytest.mark.parametrize("edge", [0.002, 2000.0])
def test_voxels_in_metres_or_microns_that_are_not_said_to_be(tmp_path: Path, edge: float) -> None:
    path = write(tmp_path, "nifti-1", np.diag([edge, edge, edge, 1]))
    with pytest.raises(InputError, match=rf"would measure \({edge:g}, {edge:g}, {edge:g}\) mm.*metres or microns\?"):
        read_bold_header(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("code", "words"), [(32, "in hertz"), (40, "parts per million"), (48, "radians"),
                                             (56, "a unit of code 56")])  # fmt: skip
def test_a_fourth_axis_that_is_no_time(tmp_path: Path, kind: str, code: int, words: str) -> None:
    path = change(write(tmp_path, kind), UNITS, 2 + code)
    with pytest.raises(InputError, match=f"{words}.*which is no time. Set t_r"):
        read_bold_header(path)
    assert read_bold_header(path, 2.0) == (9, 2.0, 0.0)  # one that the user knows is taken


@pytest.mark.parametrize("kind", KINDS)
def test_a_repetition_time_that_no_scan_has(tmp_path: Path, kind: str) -> None:
    path = change(write(tmp_path, kind), UNITS, 2 + 16)  # 0.72 ms
    with pytest.raises(InputError, match=r"is 0\.00072 s; no scan is so fast: .*Set t_r in \[scans\]"):
        read_bold_header(path)
    assert read_bold_header(path, 0.05)[1] == 0.05
    for wrong, words in ((0.049, "so fast"), (100.1, "so slow"), (0.0, "a positive"), (-2.0, "a positive"),
                         (float("nan"), "a positive"), (10**400, "so slow")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_bold_header(path, wrong)


def test_a_frame_or_a_number_of_frames_that_no_scan_has(tmp_path: Path) -> None:
    """A compressed file of a few bytes can announce gigabytes; they are not asked for."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    for shape, words in (((2000, 2000, 20, 2), r"80000000 voxels in a frame; at most 67108864"),
                         ((2, 2, 16, 32000, 7), "more than 200000 frames")):  # fmt: skip
        header.set_data_shape(shape)
        header.set_sform(np.eye(4), 2)
        raw = header.binaryblock[:108] + struct.pack("<f", 352) + header.binaryblock[112:] + bytes(4)
        path = tmp_path / f"{len(shape)}.nii.gz"
        with gzip.open(path, "wb") as stream:
            stream.write(raw)
            for _ in range(int(np.prod(shape)) // 1_000_000 + 1):
                stream.write(bytes(1_000_000))
        with pytest.raises(InputError, match=words):
            check_header(open_image(path, "a scan"), path)
    assert 406**3 < LARGEST_FRAME < 407**3  # what the docs say: a cube of 406


def sides(sform: np.ndarray, qform: np.ndarray, codes: tuple[int, int] = (4, 1), kind: type = nib.Nifti1Image) -> str:
    image = kind(np.ones((2, 2, 2, 3), np.int16), sform)
    image.header.set_qform(qform, codes[1])
    image.header.set_sform(sform, codes[0])
    return compare_sides(kind(np.ones((2, 2, 2, 3), np.int16), None, image.header), Path("x.nii"))


RAS, LAS, LPS, RPS = (np.diag([*signs, 1.0]) for signs in ((2, 2, 2), (-2, 2, 2), (-2, -2, 2), (2, -2, 2)))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair])
def test_affines_that_disagree_about_left_and_right(kind: type) -> None:
    assert "sform of x.nii says RAS, its qform LAS: they disagree" in sides(RAS, LAS, kind=kind)
    assert "sform of x.nii says LAS, its qform RAS" in sides(LAS, RAS, kind=kind)
    assert "RAS, its qform LPS" in sides(RAS, LPS, kind=kind)  # turned by half a circle: no mirror, and yet
    assert "RAS, its qform RPS" in sides(RAS, RPS, kind=kind)  # mirrored
    turned = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, 0.2, 0.1) * 2)
    for one, other, codes in ((RAS, RAS, (4, 1)), (RAS, turned, (4, 1)), (RAS, LAS, (4, 0)), (RAS, LAS, (0, 1))):
        assert sides(one, other, codes, kind) == ""


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".img"])
def test_opening_warns_of_it_once_per_image(tmp_path: Path, ending: str) -> None:
    image = (nib.Nifti1Pair if ending == ".img" else nib.Nifti1Image)(np.ones((2, 2, 2, 3), np.int16), RAS)
    image.header.set_qform(LAS, 1)
    image.header.set_zooms((2, 2, 2, 2))
    path = tmp_path / f"b{ending}"
    nib.save(image, path)
    with pytest.warns(OrientationWarning, match="RAS, its qform LAS"):
        read_bold_header(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OrientationWarning)
        assert read_bold_header(path)[0] == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("b.nii.gz", b"/annex/objects/MD5E-s12--ab.nii.gz\n", r"pointer of git-annex.*Fetch it \(`datalad get`\)"),
        ("b.nii", b"/annex/objects/MD5E-s12--ab.nii\n", r"pointer of git-annex.*Fetch it \(`datalad get`\)"),
        ("b.nii.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "pointer of Git LFS.*git lfs pull"),
        ("b.nii", gzip.compress(bytes(999), mtime=0), r"compressed with gzip: its name must end in \.nii\.gz"),
        ("b.img", gzip.compress(bytes(999), mtime=0), "it is not an image"),
        ("b.nii", b"\x28\xb5\x2f\xfd" + bytes(400), "compressed with Zstandard"),
        ("b.nii.zst", b"\x28\xb5\x2f\xfd" + bytes(400), "compressed with Zstandard. Unpack it"),
        ("b.nii.gz", b"PK\x03\x04" + bytes(400), "a ZIP archive. Unpack it"),
        ("b.nii.bz2", b"BZh9" + bytes(400), "compressed with bzip2"),
        ("b.nii.gz", b"<!DOCTYPE html><html>log in</html>", "a web page"),
        ("b.nii.gz", b"", "It is empty"),
        ("b.nii", bytes(128) + b"DICM" + bytes(400), "a DICOM file.*dcm2niix"),
    ],
)
def test_what_a_file_is_instead(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        open_image(tmp_path / name, "a BOLD image")


def test_a_plain_file_under_a_name_of_gzip(tmp_path: Path) -> None:
    for kind in ("nifti-1", "nifti-2"):
        path = write(tmp_path, kind).rename(tmp_path / "plain.nii.gz")
        with pytest.raises(InputError, match=r"It is not compressed: its name must end in \.nii\."):
            open_image(path, "a BOLD image")


def test_links_to_nothing(tmp_path: Path) -> None:
    for target, words in ((".git/annex/objects/a/b.nii.gz", "git-annex keeps"), ("gone.nii.gz", "mend the link to")):
        (tmp_path / "b.nii.gz").unlink(missing_ok=True)
        (tmp_path / "b.nii.gz").symlink_to(tmp_path / target)
        with pytest.raises(InputError, match=rf"a link to a file that is not here.*\(`datalad get`\).*{words}"):
            open_image(tmp_path / "b.nii.gz", "a BOLD image")


def test_a_sidecar_that_git_annex_keeps(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("/annex/objects/MD5E-s12--ab.json\n")
    with pytest.raises(InputError, match=r"is not readable JSON .*a pointer of git-annex.*\(`datalad get`\)"):
        read_json(tmp_path / "a.json")
    (tmp_path / "b.json").symlink_to(tmp_path / ".git/annex/objects/b.json")
    with pytest.raises(InputError, match=r"a link to a file that is not here. Fetch it \(`datalad get`\)"):
        read_json(tmp_path / "b.json")
