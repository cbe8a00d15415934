"""Fill the page's template, and say in the page itself that it needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import jinja2
from markupsafe import Markup

__all__ = ["Animation", "Film", "Picture", "Volume", "make_page"]


def _inline(content: bytes, media: str) -> str:
    return f"data:{media};base64," + base64.b64encode(content).decode("ascii")


@dataclass(frozen=True)
class Picture:
    """A picture with the words that stand for it.

    Attributes
    ----------
    content : bytes
    caption : str
        Also the alternative text.
    media : str
        What the content is.
    """

    content: bytes
    caption: str
    media: str = "image/png"

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return _inline(self.content, self.media)


@dataclass(frozen=True)
class Film:
    """Pictures of many moments below each other in one image, of which a slider shows one.

    Attributes
    ----------
    sheet : bytes
        All moments, as WebP.
    outlines : bytes
        What is seen on top of each, as PNG.
    size : tuple of int
        Width and height of one moment in pixels.
    times : tuple of str
        What the caption says of each moment: ``12.24 s``.
    first : int
        The moment that is shown at first.
    caption : str
    """

    sheet: bytes
    outlines: bytes
    size: tuple[int, int]
    times: tuple[str, ...]
    first: int
    caption: str

    @property
    def source(self) -> str:
        """The sheet as a data URI."""
        return _inline(self.sheet, "image/webp")

    @property
    def overlay(self) -> str:
        """The outlines as a data URI."""
        return _inline(self.outlines, "image/png")


@dataclass(frozen=True)
class Animation:
    """A picture that moves, and one that stands for it where readers prefer that nothing moves.

    Attributes
    ----------
    moving, still : Picture
    link : str
        Where the file lies, from the folder of the page.
    """

    moving: Picture
    still: Picture
    link: str


@dataclass(frozen=True)
class Volume:
    """A document with scripts of its own that is opened inside the page when it is asked for.

    Attributes
    ----------
    document : str
        HTML.
    caption : str
    """

    document: str
    caption: str


class _Scripts(HTMLParser):
    """Collects the content of every script of a document."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag == "script"
        if self._open:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[-1] += data


def _find_scripts(document: str) -> list[str]:
    parser = _Scripts()
    parser.feed(document)
    parser.close()
    return parser.found


def _policy(scripts: Iterable[str]) -> str:
    """Return a Content-Security-Policy: pictures and styles of the page itself, these scripts, and nothing else.

    Nothing may be loaded: the browser refuses every request, so that a page that shows everything under this policy
    has everything in it.
    """
    digests = (hashlib.sha256(one.encode("utf-8")).digest() for one in scripts)
    allowed = " ".join(dict.fromkeys(f"'sha256-{base64.b64encode(one).decode('ascii')}'" for one in digests))
    return (f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; "
            "form-action 'none'")  # fmt: skip


def make_page(
    content: Mapping[str, Any], template: str = "report.html.j2", volumes: Iterable[Volume] = ()
) -> str:
    """Return the report as HTML that needs no other file and no network.

    Parameters
    ----------
    content : mapping
        What the template shows; a name that is missing is an error.
    template : str
        A file in ``templates/``: the report of a workflow, ``quality.html.j2``, or ``evaluation.html.j2``.
    volumes : iterable of Volume
        Those that `content` holds: their scripts are allowed to run, and no others are but the page's own.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fmri_saliency.pipeline.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("script.js.j2").render()
    policy = _policy([script, *(one for volume in volumes for one in _find_scripts(volume.document))])
    return environment.get_template(template).render(**content, policy=policy, script=Markup(script))
