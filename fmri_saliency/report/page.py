"""Fill the page's template."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2

__all__ = ["Picture", "make_page"]


@dataclass(frozen=True)
class Picture:
    """A PNG with the words that stand for it.

    Attributes
    ----------
    png : bytes
    caption : str
        Also the alternative text.
    """

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def make_page(content: Mapping[str, Any], template: str = "report.html.j2") -> str:
    """Return the report as HTML that needs no other file and no network.

    Parameters
    ----------
    content : mapping
        What the template shows; a name that is missing is an error.
    template : str
        A file in ``templates/``: the report of a workflow, ``quality.html.j2``, or ``evaluation.html.j2``.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fmri_saliency.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)
