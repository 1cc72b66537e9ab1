"""The studio's lessons as one script and one sheet, for pages that stand alone: the same modules, joined.

The modules are ours and keep to a few forms (`import { a, b } from './x.js';`, `export const|function|class`), so that
joining them is a matter of lines and needs no tool. Each becomes a function of its own: names of one do not meet those
of another.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from hubel.errors import HubelError

__all__ = ["LESSONS", "joined", "lessons"]

LESSONS = {
    "kernels": ("parts/lesson-kernels.js", "kernels"), "windows": ("parts/lesson-windows.js", "windows"),
    "descent": ("parts/lesson-descent.js", "descents"), "curves": ("parts/lesson-curves.js", "curves"),
}  # fmt: skip
"""Lesson -> its module, and the function of it that makes the lesson."""
SHEETS = ("controls.css", "lessons.css")

_IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']+)';\n?", re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:const|let|function\*?|class) (\w+)", re.MULTILINE)
_NAMES = re.compile(r"^export \{([^}]*)\};\n?", re.MULTILINE)

MOUNT = """
const usual = { kernel: 'edge-vertical', kind: 'conv', n: 6, k: 3, s: 1, p: 0, d: 1, surface: 'valley', factor: 1, \
activation: 'relu', loss: 'squared' };
for (const place of document.querySelectorAll('[data-lesson]')) {
  const state = { ...usual, ...(place.dataset.kind ? { kind: place.dataset.kind, k: 2, s: 2 } : {}) };
  place.replaceChildren(lessons[place.dataset.lesson](state, () => {}));
}
"""


@cache
def lessons() -> tuple[str, str]:
    """(script, sheet): the script fills every element that has `data-lesson`, kernels, windows, descent or curves."""
    chosen = ", ".join(f"{name}: {_called(path)}.{function}" for name, (path, function) in LESSONS.items())
    text = joined([path for path, _ in LESSONS.values()])
    sheet = "\n".join(_read(f"parts/{name}") for name in SHEETS)
    return f"(() => {{\n'use strict';\n{text}const lessons = {{ {chosen} }};{MOUNT}}})();\n", sheet


def joined(paths: list[str]) -> str:
    """Modules and all that they import, each after what it imports, as constants of one script.

    >>> joined(["net/rand.js"]).splitlines()[0]
    'const net_rand = (() => {'
    """
    order: list[str] = []

    def take(path: str, waiting: tuple[str, ...]) -> None:
        if path in waiting:
            raise HubelError(f"modules of the studio import each other in a ring: {' '.join([*waiting, path])}")
        if path not in order:
            for _, other in _IMPORT.findall(_read(path)):
                take(_beside(path, other), (*waiting, path))
            order.append(path)

    for path in paths:
        take(path, ())
    return "".join(map(_wrapped, order))


def _wrapped(path: str) -> str:
    text = _read(path)
    names = [*_EXPORT.findall(text), *(name.strip() for part in _NAMES.findall(text) for name in part.split(","))]
    text = _IMPORT.sub(lambda m: f"const {{{m[1].replace(' as ', ': ')}}} = {_called(_beside(path, m[2]))};\n", text)
    text = re.sub(r"^export (?=(?:async )?(?:const|let|function|class) )", "", _NAMES.sub("", text), flags=re.MULTILINE)
    if re.search(r"^(import|export)\b|\bimport\(", text, re.MULTILINE):
        raise HubelError(f"{path} imports or exports in a form that joining does not know")
    return f"const {_called(path)} = (() => {{\n{text}return {{ {', '.join(names)} }};\n}})();\n"


def _called(path: str) -> str:
    return re.sub(r"\W", "_", path.removesuffix(".js"))


def _beside(path: str, other: str) -> str:
    """The path of a module that is named relative to another, "parts/a.js" and "../dom.js": "dom.js"."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / other).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


@cache
def _read(path: str) -> str:
    return resources.files("hubel.studio").joinpath("web", *path.split("/")).read_text("utf-8")
