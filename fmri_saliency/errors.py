"""What can go wrong, in the user's words.

Every message says what was expected, what came, where, and what to do next.
"""

from __future__ import annotations

import difflib
import errno
import unicodedata
from collections.abc import Iterable

__all__ = [
    "AtlasError",
    "ConfigError",
    "CoverageWarning",
    "DecoderError",
    "FmriSaliencyError",
    "InputError",
    "OrientationWarning",
    "OutsideError",
    "ReplacementWarning",
    "ScanWarning",
    "SpaceMismatchWarning",
    "SplitWarning",
    "StepError",
    "TimingWarning",
    "UnreachableError",
    "in_words",
    "lacks_memory",
    "lacks_room",
    "nearest",
    "one_of",
    "printable",
    "unreadable",
    "unusable",
]


class FmriSaliencyError(Exception):
    """Base of every error that this package raises on purpose.

    ``exit_code`` is what the command line returns: 2 for bad input or
    configuration, 1 for a run that failed.
    """

    exit_code = 1


class InputError(FmriSaliencyError, ValueError):
    """A file or an array that the user gave cannot be used."""

    exit_code = 2


class UnreachableError(InputError):
    """A file cannot be reached or read now, though nothing says that it is bad: trying again may do."""


class ConfigError(InputError):
    """The configuration file is wrong."""


class AtlasError(InputError):
    """The atlas, its table or its space cannot be used."""


class DecoderError(InputError):
    """The samples cannot be decoded as asked."""


class DamagedError(InputError):
    """A file that this package wrote does not hold any more what was written; :attr:`path` is the file."""

    def __init__(self, message: str, path: object = None) -> None:
        super().__init__(message)
        self.path = path


class StepError(FmriSaliencyError):
    """A step of the workflow failed or cannot begin yet."""


class OutsideError(StepError, OSError):
    """A file would be written, or removed, outside the output folder: by a link in it, or by ``..`` in a name."""

    errno = errno.EPERM


class TimingWarning(UserWarning):
    """Events and scan do not fit together in time."""


class SplitWarning(UserWarning):
    """What is held out differs from what is trained on in a way that biases the accuracy."""


class CoverageWarning(UserWarning):
    """Regions are absent from some runs in a way that could mislead."""


class ScanWarning(UserWarning):
    """A scan can be used, but something about its file is odd."""


class OrientationWarning(ScanWarning):
    """It is not sure which side of an image is left."""


class ReplacementWarning(UserWarning):
    """What an explanation method puts in place of the data removes less of them than one would think."""


class SpaceMismatchWarning(UserWarning):
    """Atlas and scans are in different versions of a template space."""


def unreadable(error: OSError, where: object) -> str:
    """Return the message about a file that is there and that the system does not let us read; `where` if unnamed."""
    return (f"{error.filename or where} cannot be read: {error.strerror or error}. Ask for the right to read it, or "
            "check its disk.")


def unusable(error: Exception, where: object) -> str:
    """Return why a run cannot be used, whatever was raised: :func:`unreadable`, or the class of error and the file."""
    if isinstance(error, OSError):
        return unreadable(error, where)
    if isinstance(error, MemoryError):
        return f"{where} does not fit into memory. Give the job more, or leave the run out."
    return f"{where} cannot be used: {type(error).__name__}: {error}. Check the file, or leave the run out."


def lacks_memory(error: BaseException) -> bool:
    """Return whether memory did not suffice: Python, PyTorch and the system say it each in their way.

    A process of joblib's that was killed is taken for it, too: so the system ends what needs more than there is.
    """
    words = str(error).lower()
    told = isinstance(error, RuntimeError) and ("allocate memory" in words or "out of memory" in words)
    system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or told or system or type(error).__name__ == "TerminatedWorkerError"


def lacks_room(error: BaseException) -> bool:
    """Return whether a disk is full, or what one person may write to it is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


KEPT = "What is done is kept"


def in_words(error: Exception, unexpected: str = "Unexpected") -> str:
    """Return the message about whatever ended a piece of work.

    Parameters
    ----------
    error : Exception
    unexpected : str
        How the message about an error begins that nobody foresaw.
    """
    if isinstance(error, FmriSaliencyError):
        return str(error)
    if lacks_memory(error):
        detail = str(error).partition("\n")[0][:200]
        return (f"The memory did not suffice{detail and f' ({detail})'}. {KEPT}. Give the job more, or let it do less "
                "at a time (n_jobs in [output], batch_size, hidden_size), and run the same command again.")
    if lacks_room(error):
        return (f"The disk is full: {error.filename or 'a file'} cannot be written ({error.strerror or error}). "
                f"{KEPT}, and no half of a file is left. Make room there, or choose another [output] path, and run the "
                "same command again.")
    if isinstance(error, OSError):
        return (f"A file or folder cannot be read or written: {error}. {KEPT}; mend this and run the same command "
                "again.")
    return f"{unexpected} {type(error).__name__}: {error}."


TURNS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that turn the direction of writing: a name could be shown as another one."""


def printable(text: str) -> str:
    """Return a message as a terminal may show it: what steers it, but for line breaks, is written out.

    That is control characters, separators of lines and paragraphs, and signs that turn the direction of writing.
    """
    steers = {one for one in text if one in TURNS or unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs")} - {"\n"}
    return "".join(ascii(one)[1:-1] if one in steers else one for one in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name nearest to `name`, or ``""``."""
    found = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean '{found[0]}'?" if found else ""


def one_of(value: str, known: Iterable[str], what: str, error: type[InputError] = InputError) -> str:
    """Return `value` if it is one of `known`, else raise `error` naming them all."""
    known = list(known)
    if value not in known:
        raise error(f"{what} must be one of {', '.join(known)}; '{value}' came.{nearest(value, known)}")
    return value
