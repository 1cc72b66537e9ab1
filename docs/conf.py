"""How `make site` turns these pages and the docstrings into a site that is read without a network."""

from __future__ import annotations

import re
from pathlib import Path

from hubel import __version__

HERE = Path(__file__).parent
REPOSITORY = "https://github.com/hubel/hubel"

project = "hubel"
author = "The hubel authors"
copyright = "The hubel authors, Apache-2.0"  # noqa: A001  Sphinx's own name for it
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# A docstring's `name` is code; its doctests are shown as they are run.
default_role = "code"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = f"hubel {__version__}"
html_static_path: list[str] = []
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"

suppress_warnings = ["myst.xref_missing", "myst.header", "docutils", "autosummary"]


def _outside(app: object, document: str, source: list[str]) -> None:
    """Links that leave the folder of pages lead to the repository."""
    source[0] = re.sub(r"\]\(\.\./([^)]+)\)", rf"]({REPOSITORY}/blob/main/\1)", source[0])


def _spaced(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """What a docstring sets in by spaces, a table or a formula, is shown as it stands."""
    shown: list[str] = []
    for line in lines:
        if line.startswith("    ") and shown and not shown[-1].startswith("    ") and shown[-1].strip() == "":
            before = next((text for text in reversed(shown) if text.strip()), "")
            if not before.startswith((".. ", ":", ">>>", "...")) and not before.endswith("::"):
                shown += ["::", ""]
        # Stars and bars stand for themselves: **settings, |x|, *.jpg.
        shown.append(line if line.startswith(("    ", ">>>", "...")) else re.sub(r"(?<!\\)([*|])", r"\\\1", line))
    lines[:] = shown


def setup(app: object) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("source-read", _outside)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", _spaced)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True}
