"""One file of HTML from a program, the words around it, and our own scripts; it asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from hubel.deploy.page.program import as_json

WORKER = ("kernels.js", "run.js", "picture.js", "known.js", "worker.js")
"""What the worker of a page is made of, in the order in which each needs the one before."""
SLOTS = re.compile("%(POLICY|TITLE|STYLE|ABOUT|PROGRAM|WEIGHTS|WORKER|SCRIPT)%")


def page(*, title: str, about: Mapping[str, Any], program: Mapping[str, Any], weights: str) -> str:
    """The page as text.

    `about`: preprocessing, classes, temperature, views, card (pairs of words). `program` and `weights` are what
    `hubel.deploy.page.program.packed` gives. Everything a user may have named is data, escaped or in JSON, and shown as
    text: no name can become markup. The policy allows our own script and style by their digests, a worker made from
    this very page, and no request at all.
    """
    style, script = _source("page.css"), f"{joined(('page.js',))}\nbegin();\n"
    filled = {
        "POLICY": escape(policy(script, style)),
        "TITLE": escape(title),
        "STYLE": style,
        "ABOUT": as_json(about),
        "PROGRAM": as_json(program),
        "WEIGHTS": weights,
        "WORKER": f"{joined(WORKER)}\nserve();\n",
        "SCRIPT": script,
    }
    return SLOTS.sub(lambda slot: filled[slot[1]], _source("page.html"))


def policy(script: str, style: str) -> str:
    """The content security policy of a page with exactly this script and this style.

    >>> policy("", "").split("; ")[0]
    "default-src 'none'"
    """
    parts = {
        "default-src": "'none'",
        "script-src": f"'{_digest(script)}' 'wasm-unsafe-eval'",  # WebAssembly assembled by run.js, no other eval
        "style-src": f"'{_digest(style)}'",
        "worker-src": "blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "hubel",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def joined(names: Sequence[str]) -> str:
    """Modules of ours as one script: each in a scope of its own, of which only what it exports comes out."""
    return "\n".join(map(_scoped, names))


def _scoped(name: str) -> str:
    text = re.sub(r"^import [^;]*;\n", "", _source(name), flags=re.MULTILINE)
    given = ", ".join(re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", text, flags=re.MULTILINE))
    body = re.sub(r"^export ", "", text, flags=re.MULTILINE)
    return f"const {{ {given} }} = (() => {{\n{body}return {{ {given} }};\n}})();"


@cache
def _source(name: str) -> str:
    text = resources.files("hubel.deploy.page").joinpath(name).read_text("utf-8")
    # A script element ends at this word, wherever it stands, and another begins a comment.
    assert name == "page.html" or not re.search("</script|<!--", text, re.IGNORECASE)
    return text


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
