"""From a template and values to one safe, self-contained page of HTML."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from hubel.figures.theme import BLUE, GRID, INK, MUTED, VERMILLION, Figure
from hubel.words import duration, percent

_COLOURS = {INK: "--ink", MUTED: "--muted", GRID: "--line", BLUE: "--blue", VERMILLION: "--orange"}


def page(template: str, **values: object) -> str:
    """Fill in `template`, a file of this package. Every value is escaped; what a template misspells is an error."""
    text = _environment().get_template(template).render(**values)
    # A file name that is no valid text must not keep the page from being written.
    return text.encode("utf-8", "replace").decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=drawn, duration=duration, percent=percent, written=written, breakable=breakable)
    environment.filters["digest"] = script_hash
    environment.globals["style"] = Markup(_source("page.css"))  # noqa: S704 - our own file
    environment.globals["script"] = Markup(_source("page.js"))  # noqa: S704 - our own file
    environment.globals["script_hash"] = script_hash(_source("page.js"))
    return environment


def _source(name: str) -> str:
    return resources.files("hubel.report").joinpath(name).read_text("utf-8")


def script_hash(script: str) -> str:
    """The source expression of the content security policy that allows exactly this script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def drawn(figure: Figure, css_class: str = "") -> Markup:
    """A figure as markup: SVG inline, in the colours of the page; pixels as a data address."""
    if figure.kind == "svg":
        text = figure.data.decode()
        for colour, variable in _COLOURS.items():
            text = text.replace(colour, f"var({variable})")
        # Identifiers must be unique in a page. Of matplotlib's, only those that are referred to are needed, and two
        # drawings may use the same one for the same mark.
        prefix = hashlib.sha256(figure.data).hexdigest()[:6]
        used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
        text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", text)
        text = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)
        # A drawing shrinks with the page until its letters would be too small; then it scrolls.
        size = f"width:100%;max-width:{figure.width}px;min-width:{0.72 * figure.width:.0f}px"
        label = f'<svg role="img" aria-label="{escape(figure.alt)}" class="{css_class}" style="{size}"'
        return Markup(text.replace("<svg", label, 1))  # noqa: S704 - matplotlib escapes the text it draws
    data = base64.b64encode(figure.data).decode()
    return Markup(
        '<img src="data:image/{};base64,{}" alt="{}" width="{}" height="{}" class="{}" loading="lazy">'
    ).format(figure.kind, data, figure.alt, figure.width, figure.height, css_class)


def breakable(name: str) -> Markup:
    """A name of a file that may go on in the next line after a sign, and so is not broken inside a word.

    >>> breakable("cat/a_1.jpg")
    Markup('cat/<wbr>a_<wbr>1.<wbr>jpg')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[/_.\-])(?=.)", name))


def written(value: object, *, grouped: bool = True) -> str:
    """A fact as a person writes it; a setting (`grouped` false) as it is typed.

    >>> written(60000), written(60000, grouped=False), written(0.05), written(None), written({"k": 2})
    ('60,000', '60000', '0.05', '–', 'k=2')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "none"
    if isinstance(value, int) and grouped:
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
