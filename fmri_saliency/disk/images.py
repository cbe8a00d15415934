"""Open images so that whatever is wrong with one becomes one message that names it."""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.analyze import AnalyzeImage
from nibabel.cifti2 import Cifti2Image
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError, SpatialImage

from fmri_saliency.disk.contents import explain_content, explain_link
from fmri_saliency.disk.grayordinates import check_text, grayordinates_of, view_as_image
from fmri_saliency.disk.headers import check_extent, check_offset, check_units, compare_sides
from fmri_saliency.errors import InputError, OrientationWarning, ScanWarning, UnreachableError

try:  # three times as fast as zlib; the same bytes without it
    from zlib_ng import gzip_ng
    from zlib_ng.zlib_ng import error as zlib_ng_error
except ImportError:
    gzip_ng, zlib_ng_error = gzip, zlib.error

__all__ = ["DAMAGE", "check_header", "describe_grid", "is_placed", "iterate_frames", "open_image",
           "read_voxels"]  # fmt: skip

DAMAGE = (
    ImageFileError, HeaderDataError, OSError, EOFError, ValueError, OverflowError, zlib.error, zlib_ng_error,
)  # fmt: skip
MOST_COMPRESSED = 1032
"""Bytes that one byte of a gzip file can stand for, at most (deflate, https://zlib.net/zlib_tech.html)."""


def _reason(error: Exception) -> str:
    """Return what went wrong without the path, which the message names already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _describe_error(error: Exception) -> str:
    """Return what went wrong; with the class of the error where it is none of those that a damaged file gives."""
    return str(error) if isinstance(error, DAMAGE) else f"{type(error).__name__}: {error}"


def _refuse_unreachable(error: Exception, what: str) -> None:
    """Raise where the system says why a file cannot be read: the file itself may be whole.

    Raises
    ------
    UnreachableError
    """
    if getattr(error, "errno", None):
        raise UnreachableError(f"{what} cannot be read: {_reason(error)}. Check that it is still there and its disk "
                               "can be reached.") from None


def open_image(path: Path, what: str) -> SpatialImage:
    """Open an image without reading its voxels; `what` says in the message what was expected.

    Raises
    ------
    UnreachableError
        If there is no file, or the system does not let it be read.
    InputError
        If it is not an image of voxels.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"Expected {what} at {path}; it is a folder. Name the file itself.")
    if not path.is_file():
        raise UnreachableError(f"Expected {what} at {path}; {explain_link(path) or 'there is no such file'}.")
    try:
        with LoggingOutputSuppressor(), warnings.catch_warnings():  # what it would print is in the error
            warnings.filterwarnings("ignore", message="Dataobj shape")  # of CIFTI: refused below
            check_text(path)
            image = nib.load(path)
        if isinstance(image, Cifti2Image):
            return view_as_image(image, path)
    except (InputError, MemoryError):
        raise
    except PermissionError as error:
        raise UnreachableError(f"Expected {what} at {path}; it cannot be read: {_reason(error)}. Ask for the right to "
                               "read it.") from None
    except Exception as error:  # nibabel, and what it calls, raise whatever a damaged file makes them stumble over
        _refuse_unreachable(error, f"Expected {what} at {path}; it")
        reason, instead = _describe_error(error), explain_content(path)
        words = f"{reason.rstrip('.')}. {instead}" if instead else reason
        raise InputError(f"Expected {what} (NIfTI) at {path}; it is not an image: {words}") from None
    if not isinstance(image, SpatialImage) or image.affine is None:
        raise InputError(f"Expected {what} (NIfTI) at {path}; it is a {type(image).__name__}, which has no voxels.")
    return image


def check_header(image: SpatialImage, path: Path) -> None:
    """Refuse an image whose header cannot be true, or whose voxels are no real numbers.

    Raises
    ------
    InputError
        If a dimension is below 1, or more than any scan has; the voxels are complex or colours, begin within the
        header, or are not measured in mm; the affine is not finite or flat; or the file is too small for what the
        header announces.

    Warns
    -----
    OrientationWarning
        If sform and qform disagree about left and right.
    """
    if min(image.shape, default=0) < 1:
        raise InputError(f"The header of {path} announces the shape {tuple(map(int, image.shape))}; every dimension "
                         "must be at least 1. Convert the scan again.")
    kind = image.get_data_dtype()
    if kind.kind not in "biuf":
        came = {"c": "complex numbers", "V": "colours"}.get(kind.kind, "no numbers")
        raise InputError(f"Expected real numbers in {path}; it holds {came} ({kind}). Write the magnitude as float32.")
    with np.errstate(all="ignore"):
        flat = not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < 1e-12
    if flat:
        raise InputError(f"The affine of {path} does not place the voxels in space: {image.affine[:3].tolist()}. "
                         "Mend its sform or qform, or convert the scan again.")
    check_units(image, path)
    check_offset(image, path)
    _check_size(image, path)
    check_extent(image.shape, path)
    sides = compare_sides(image, path)
    if sides:
        warnings.warn(sides, OrientationWarning, stacklevel=2)


def describe_grid(image: SpatialImage) -> str:
    """Return shape, orientation, voxel size and the place of the first voxel (mm), for messages about two grids."""
    size, first = nib.affines.voxel_sizes(image.affine), image.affine[:3, 3]
    way = "".join(letter or "?" for letter in nib.aff2axcodes(image.affine))
    mm, place = (", ".join(f"{value:.4g}" for value in values) for values in (size, first))
    return f"{tuple(map(int, image.shape[:3]))}, {way}, ({mm}) mm from ({place})"


def is_placed(image: SpatialImage) -> bool:
    """Return whether the header says where the voxels lie, left and right among it.

    A NIfTI whose sform and qform codes are both 0 does not, nor Analyze: their affine is a guess, around the middle of
    the grid (NIfTI-1, "method 1", for files of the time before).
    """
    if isinstance(image, nib.Nifti1Pair):
        return bool(image.header["sform_code"] or image.header["qform_code"])
    return not isinstance(image, AnalyzeImage)


def _voxel_file(image: SpatialImage, path: Path) -> Path:
    """Return the file that holds the voxels: the ``.img`` of a pair, else the image itself."""
    holder = (image.file_map or {}).get("image")
    return Path(holder.filename if holder is not None and holder.filename else path)


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".mgz")


def _check_size(image: SpatialImage, path: Path) -> None:
    """Refuse a file that is too small for what its header announces."""
    file = _voxel_file(image, path)
    needed = int(getattr(image.dataobj, "offset", 0)) + int(np.prod(image.shape, dtype=object)) * int(
        image.get_data_dtype().itemsize
    )
    try:
        size = file.stat().st_size
    except OSError as error:
        raise UnreachableError(f"The voxels of {path} cannot be read from {file}: {_reason(error)}.") from None
    if file.suffix.lower() in (".nii", ".img", ".mgh"):
        most, words = size, f"it has {size}"
    elif _is_gzip(file):
        most, words = MOST_COMPRESSED * size, f"its {size} compressed bytes can hold {MOST_COMPRESSED * size} at most"
    else:
        return
    if needed > most:
        raise InputError(f"{file} breaks off, or its header is wrong: shape {tuple(map(int, image.shape))} of "
                         f"{image.get_data_dtype()} needs {needed} bytes, {words}. Copy it again.")


def read_voxels(image: SpatialImage, path: Path) -> np.ndarray:
    """Read all voxels as float32.

    Raises
    ------
    InputError
        If the file breaks off or is damaged; an UnreachableError where the system cannot read it.
    """
    try:
        return image.get_fdata(dtype=np.float32)
    except DAMAGE as error:
        _refuse_unreachable(error, str(path))
        raise InputError(f"{path} breaks off or is damaged: {error}. Copy it again.") from None


def _forward(image: SpatialImage, path: Path, stack: ExitStack) -> tuple[SpatialImage, object]:
    """Return the image over one open stream, so that a compressed file is read forward once."""
    file = _voxel_file(image, path)
    opener = gzip_ng.open if _is_gzip(file) else ImageOpener
    stream = stack.enter_context(opener(str(file), "rb"))
    holders = {key: nib.FileHolder(holder.filename) for key, holder in image.file_map.items()}
    holders["image"] = nib.FileHolder(str(file), stream)
    with LoggingOutputSuppressor():
        return type(image).from_file_map(holders), stream


def iterate_frames(path: Path) -> Iterator[np.ndarray]:
    """Read a 4D image forward, one frame in memory at a time.

    Yields
    ------
    ndarray, shape (n_voxels,)
        The frame in Fortran order (first axis fastest), as numbers of the file's type, or scaled
        to float64 where the header says so.

    Raises
    ------
    InputError
        If the file breaks off, is damaged (its checksum is read, too), cannot be read, or goes on for a frame or
        more after what its header announces.

    Warns
    -----
    ScanWarning
        If less than a frame follows.
    """
    image = open_image(path, "a BOLD image")
    n_times, frame = image.shape[3], 0
    try:
        if grayordinates_of(image) is not None:  # a frame lies scattered over the whole file
            values = np.asarray(image.dataobj)[:, 0, 0]
            yield from values.T
            return
        with ExitStack() as stack:
            image, stream = _forward(image, Path(path), stack)
            for frame in range(n_times):
                yield np.asarray(image.dataobj[..., frame]).reshape(-1, order="F")
            one = int(np.prod(image.shape[:3])) * image.get_data_dtype().itemsize
            rest = len(stream.read(one))  # to the end: only there the checksum is compared
    except DAMAGE as error:
        where = f"at frame {frame + 1} of {n_times}"
        if getattr(error, "errno", None):  # the system says so: the file itself may be whole
            raise UnreachableError(f"{path} cannot be read to its end: {_reason(error)}, {where}. Check that it is "
                                   "still there and its disk can be reached.") from None
        raise InputError(f"{path} breaks off or is damaged: {error}, {where}. Copy it again.") from None
    if not isinstance(image, AnalyzeImage):  # other formats have a footer
        return
    if rest == one:
        raise InputError(f"{path} holds more frames than the {n_times} its header announces. Mend the header, or "
                         "convert the scan again.")
    if rest:
        warnings.warn(f"{path} goes on for {rest} bytes after its last frame; they are not read.", ScanWarning,
                      stacklevel=2)
