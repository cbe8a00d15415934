"""What can go wrong, in the user's words.

Every message says what was expected, what came, where, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from errno import EPERM

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
    "nearest",
    "one_of",
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


class StepError(FmriSaliencyError):
    """A step of the workflow failed or cannot begin yet."""


class OutsideError(StepError, OSError):
    """A file would be written, or removed, outside the output folder: by a link in it, or by ``..`` in a name."""

    errno = EPERM


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
