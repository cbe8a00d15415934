"""What lies in a file that is not what its name says, told from its first bytes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["explain_content", "explain_link"]

GET = "`datalad get`"
STARTS = (
    (b"\x1f\x8b", "compressed with gzip"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x89HDF", "an HDF5 file (MINC 2?)"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF"),
)
"""First bytes of files, and what they are."""
PAGES = (b"<!doctype html", b"<html")
_FIRST = 2048  # bytes that are looked at; a pointer of git-annex is far shorter


def explain_link(path: Path) -> str:
    """Say that a path is a link to a file that is not here; empty where it is not.

    In a data set of git-annex (DataLad), files whose content was not fetched are such links.
    """
    if not path.is_symlink() or path.exists():
        return ""
    if "annex/objects" in path.readlink().as_posix():
        return f"it is a link to a file that is not here. Fetch it ({GET}): git-annex keeps its content elsewhere"
    return f"it is a link to a file that is not here. Fetch it ({GET}), or mend the link to {path.readlink()}"


def explain_content(path: Path) -> str:
    """Say in sentences what a file is instead of the image that its name promises; empty where it does not tell."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_FIRST)
    except OSError:
        return ""
    name = path.name.lower()
    if not start:
        return "It is empty. Copy it again."
    if start.startswith((b"/annex/objects/", b"\\annex\\objects\\")):
        return f"It is a pointer of git-annex, whose content is not here. Fetch it ({GET})."
    if start.startswith(b"version https://git-lfs"):
        return "It is a pointer of Git LFS, whose content is not here. Fetch it (`git lfs pull`)."
    if start.lstrip().lower().startswith(PAGES):
        return "It is a web page, such as that of a log-in. Download it again."
    if start[128:132] == b"DICM":
        return "It is a DICOM file. Convert the scan to NIfTI, with dcm2niix for example."
    if name.endswith(".gz"):
        return _explain_gz(start, name)
    found = next((words for first, words in STARTS if start.startswith(first)), "")
    if found == "compressed with gzip":
        return f"It is {found}: its name must end in {path.suffix}.gz."
    return f"It is {found}. Unpack it, or write it as .nii.gz." if found else ""


def _explain_gz(start: bytes, name: str) -> str:
    """Say what a file is whose name ends in .gz."""
    if start.startswith(b"\x1f\x8b"):
        return ""
    if start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0"):
        return f"It is not compressed: its name must end in {name.removesuffix('.gz')[-4:]}."
    found = next((words for first, words in STARTS if start.startswith(first)), "")
    return f"It is {found}. Unpack it, or write it as .nii.gz." if found else ""
