"""Settings: what each may hold stands with its field, and is checked in one place, when the record is made."""

from __future__ import annotations

import dataclasses
import inspect
import math
import numbers
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from fmri_saliency.errors import ConfigError, InputError, one_of

__all__ = ["LARGEST_SEED", "Bounds", "Settings", "bounds", "check_path", "check_text", "shown"]

LARGEST_SEED = 2**31 - 1  # numpy's and PyTorch's generators take 32 bits; the upper half is for untrained networks
LONGEST_TEXT = 1000  # characters
LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes that Linux allows for a path, and for each of its parts
MOST = 100_000  # entries of a list


@dataclass(frozen=True)
class Bounds:
    """What a setting may hold, beside its type; a number must always be finite.

    Attributes
    ----------
    low, high : float, optional
        Smallest and largest number.
    above, below : float, optional
        Limits that the number itself must not reach.
    zero : bool
        Whether 0 is allowed besides.
    but : float, optional
        A number that is not allowed.
    unit : str
        Of the number, for the message.
    words : str
        What is expected, for the message; made from the limits when empty.
    choices : iterable of str, or callable that returns it, optional
        The texts that are allowed.
    called : str
        What the message calls a value, such as ``A network``; the field's name when empty.
    check : callable, optional
        Raises when it is called with a value that cannot be used.
    most : int
        Entries of a list, at most.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    zero: bool = False
    but: float | None = None
    unit: str = ""
    words: str = ""
    choices: Iterable[str] | Callable[[], Iterable[str]] | None = None
    called: str = ""
    check: Callable[[Any], object] | None = None
    most: int = MOST

    def expected(self, value: float) -> str:
        """Return what a number should have been, in words; ``""`` where it is within the bounds."""
        if self.zero and value == 0:
            return ""
        limits = (
            ("above", self.above, operator.gt), ("at least", self.low, operator.ge),
            ("below", self.below, operator.lt), ("at most", self.high, operator.le),
        )  # fmt: skip
        broken = [f"{words} {_number(limit)}" for words, limit, holds in limits
                  if limit is not None and not holds(value, limit)]  # fmt: skip
        if value == self.but:
            return f"not be {_number(self.but)}: {self.words}"
        if not broken:
            return ""
        either = "0 or " if self.zero else ""
        return f"be {self.words or either + broken[0]}{self.unit and ' ' + self.unit}"


FREE = Bounds()


def bounds(**limits: Any) -> dict[str, Bounds]:
    """Return the metadata of a dataclass field: the attributes of :class:`Bounds` that are given."""
    return {"bounds": Bounds(**limits)}


class Settings:
    """Base of every record of settings: checks each field when the record is made, then the fields together.

    A subclass says where its settings stand, for the messages, and which error is raised::

        @dataclass(frozen=True)
        class Cleaning(Settings, where="in [cleaning]"): ...

    ``where`` may name fields of the record, ``of the pair '{0.name}'``. Relations between fields go into
    :meth:`_check_together`.
    """

    where: ClassVar[str] = ""
    error: ClassVar[type[InputError]] = ConfigError

    def __init_subclass__(cls, where: str | None = None, error: type[InputError] | None = None) -> None:
        super().__init_subclass__()
        cls.where = cls.where if where is None else where
        cls.error = cls.error if error is None else error

    def __post_init__(self) -> None:
        for item, hint, owner in _fields(type(self)):
            limits = item.metadata.get("bounds", FREE)
            _Check(owner.where.format(self), owner.error, limits).value(hint, getattr(self, item.name), item.name)
        self._check_together()

    def _check_together(self) -> None:
        """Refuse values that do not go together."""


@cache
def _fields(kind: type) -> list[tuple[dataclasses.Field, Any, type]]:
    """Return the fields of a record, each with its type and the class that declares it."""
    hints = typing.get_type_hints(kind)
    owners = {name: one for one in reversed(kind.__mro__) for name in inspect.get_annotations(one)}
    return [(item, hints[item.name], owners[item.name]) for item in dataclasses.fields(kind)]


@dataclass(frozen=True)
class _Check:
    """Checks the value of one field; raises `error` with a message that says where the setting stands."""

    where: str
    error: type[InputError]
    bounds: Bounds

    def value(self, hint: Any, value: Any, name: str) -> None:
        """Check a value of any type that settings have; records check themselves."""
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if value is not None and set(inner) - {type(None)} <= {int, float, str, bool, Path}:
                self.value(next(kind for kind in inner if kind is not type(None)), value, name)
        elif origin is tuple:
            self._entries(inner, value, name)
        elif origin is dict or hint is Any:
            self._tree(inner, value, name)
        elif hint in (int, float, bool, str, Path):
            self._plain(hint, value, name)

    def _entries(self, inner: tuple[Any, ...], value: Any, name: str) -> None:
        if not isinstance(value, tuple | list):
            self._refuse(name, "be a list", value)
        if len(value) > self.bounds.most:
            raise self.error(f"{name} {self.where} must have at most {self.bounds.most} entries; {len(value)} came.")
        for one in value:
            self.value(inner[0], one, name if typing.get_origin(inner[0]) else f"Each of {name}")

    def _tree(self, inner: tuple[Any, ...], value: Any, name: str) -> None:
        if isinstance(value, Mapping):
            for key, one in value.items():
                self._plain(str, key, f"A key of {name}")
                self.value(inner[1] if inner else Any, one, f"{name}.{key}")
        elif inner:
            self._refuse(name, "be a table", value)
        elif isinstance(value, tuple | list):
            self._entries((Any, ...), value, name)
        elif isinstance(value, str):
            self._plain(str, value, name)
        elif not isinstance(value, numbers.Real | None):  # a date; numbers are checked by the record that they are for
            self._refuse(name, "be a text, a number, true or false, or a list of these", value)

    def _plain(self, kind: type, value: Any, name: str) -> None:
        if kind in (int, float):
            self._number(kind, value, name)
        elif kind is bool:
            if not isinstance(value, bool):
                self._refuse(name, "be true or false", value)
        else:
            check = check_path if kind is Path else check_text
            check(value, f"{name} {self.where}", self.error)
            if self.bounds.choices is not None:
                known = self.bounds.choices() if callable(self.bounds.choices) else self.bounds.choices
                one_of(value, known, f"{self.bounds.called or name} {self.where}", self.error)
        if self.bounds.check is not None:
            self.bounds.check(value)

    def _number(self, kind: type, value: Any, name: str) -> None:
        wanted = numbers.Integral if kind is int else numbers.Real
        words = "be a whole number" if kind is int else "be a finite number"
        if not isinstance(value, wanted) or isinstance(value, bool):
            self._refuse(name, words, value)
        if not isinstance(value, numbers.Integral) and not math.isfinite(value):
            self._refuse(name, "be a finite number", value)
        if expected := self.bounds.expected(value):
            self._refuse(name, expected, value)

    def _refuse(self, name: str, expected: str, value: Any) -> typing.NoReturn:
        raise self.error(f"{name} {self.where} must {expected}; {shown(value)} came.")


def _number(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def shown(value: Any) -> str:
    """Return a value for a message: as Python writes it, and no longer than a line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, or a value nested as deep
        return "a number that is too long to show" if isinstance(value, int) else "a value that cannot be shown"
    return text if len(text) <= 100 else f"{text[:80]}... ({len(text)} characters)"


def check_text(value: Any, what: str, error: type[InputError] = ConfigError, longest: int = LONGEST_TEXT) -> str:
    """Return `value` if it is one line of text.

    Parameters
    ----------
    value : object
    what : str
        What the message calls it.
    error : type
    longest : int
        Characters, at most.

    Raises
    ------
    InputError
        Or `error`, if it is no text, has a control character (a line break, NUL) in it, or is too long.
    """
    if not isinstance(value, str):
        raise error(f"{what} must be a text in quotes; {shown(value)} came.")
    if any(ord(one) < 32 or 127 <= ord(one) < 160 or 0xD800 <= ord(one) < 0xE000 or ord(one) in (0x2028, 0x2029)
           for one in value):  # fmt: skip
        raise error(f"{what} must be one line of text without control characters; {shown(value)} came.")
    if len(value) > longest:
        raise error(f"{what} must have at most {longest} characters; {shown(value)} came.")
    return value


def check_path(value: Any, what: str, error: type[InputError] = ConfigError) -> Path:
    """Return `value` as a path, if it can be one.

    Raises
    ------
    InputError
        Or `error`, if it is no text or path, is empty, has control characters, or is longer than systems allow.
    """
    if not isinstance(value, str | Path) or not str(value):
        raise error(f"{what} must be a path in quotes; {shown(value)} came.")
    text = check_text(str(value), what, error, LONGEST_PATH)
    if len(text.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in Path(text).parts):
        raise error(f"{what} must be a path whose parts have at most {LONGEST_NAME} bytes each and {LONGEST_PATH} "
                    f"together; {shown(text)} came.")
    return Path(text)
