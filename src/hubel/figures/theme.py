"""One style for all figures: colours that colour-blind readers can tell apart, little ink, small files.

A figure function takes arrays and returns a `Figure`; it neither shows nor saves. Sizes are in CSS pixels. Drawing uses
matplotlib's objects, never `pyplot`, so no window, no global figure and no backend is touched.

>>> with style():
...     drawing = canvas(200, 100)
...     _ = drawing.add_subplot().plot([1, 2, 3])
>>> figure = finish(drawing, caption="A line.", alt="A line that rises.")
>>> figure.kind, figure.data[:4]
('svg', b'<svg')
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.figure
from cycler import cycler

from hubel.views import Viewed

# Okabe and Ito 2008, "Color Universal Design": eight colours that all kinds of colour vision can tell apart.
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY = "#e69f00", "#56b4e9"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
# Text and hairlines. The report turns these three into the colours of the page, so that they follow light and dark.
INK, MUTED, GRID = "#1b1f24", "#69707a", "#d4d9df"

_STYLE: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "font.size": 9,  # points: 12 CSS pixels
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=CYCLE),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$5"
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: small, crisp, searchable
    "svg.hashsalt": "hubel",  # the same arrays give the same bytes
    "image.interpolation": "none",
}
# What XML cannot hold: control characters and halves of surrogate pairs, which file names may contain.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# matplotlib's style is global to the process; only one thread may wear ours at a time.
_WARDROBE = threading.RLock()


@dataclass(frozen=True, slots=True)
class Figure(Viewed):
    """A drawing that is ready to be written or shown."""

    data: bytes
    kind: str
    """svg, png or jpeg."""
    caption: str
    """What the reader sees, as a sentence."""
    alt: str
    """The same for a reader who cannot see it."""
    width: int
    """CSS pixels."""
    height: int

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        mime = {"svg": "image/svg+xml", "png": "image/png", "jpeg": "image/jpeg"}[self.kind]
        return {mime: self.data.decode() if self.kind == "svg" else self.data, "text/plain": self.alt}


def _not_ours() -> dict[Any, Any]:
    """matplotlib's own value of every setting that somebody has changed, but for those that choose windows."""
    now = dict.items(mpl.rcParams)  # asking rcParams itself for its backend would choose one
    usual = mpl.rcParamsDefault
    return {key: usual[key] for key, value in now if not key.startswith("backend") and value != dict.get(usual, key)}


@contextmanager
def style() -> Iterator[None]:
    """Our style inside the block, the user's own afterwards. Build and finish a drawing inside one block.

    Nothing of the user's own matplotlibrc shines through: with `text.usetex` a report would need TeX.
    """
    with _WARDROBE, mpl.rc_context(_not_ours() | _STYLE), warnings.catch_warnings():
        # Names in Chinese or Arabic are drawn by the reader's fonts; that the measuring font lacks them is no matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def label(text: str, letters: int = 40) -> str:
    """`text` fit for a drawing: what XML and fonts cannot hold becomes a dot, what is too long ends in an ellipsis.

    >>> label("wire-haired fox terrier", 12), label("bell\\x07")
    ('wire-haired…', 'bell·')
    """
    text = _UNSPEAKABLE.sub("·", text)
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def canvas(width: float, height: float) -> matplotlib.figure.Figure:
    """An empty drawing of `width` by `height` CSS pixels that makes room for its own labels."""
    return matplotlib.figure.Figure(figsize=(width / 96, height / 96), dpi=96, layout="constrained")


def finish(drawing: matplotlib.figure.Figure, *, caption: str, alt: str) -> Figure:
    """The drawing as an SVG `Figure`: no XML prologue, no metadata, the same bytes for the same content."""
    out = io.StringIO()
    for part in drawing.findobj(matplotlib.text.Text):  # what a font cannot measure: a name that is no UTF-8
        if _UNSPEAKABLE.search(part.get_text()):
            part.set_text(_UNSPEAKABLE.sub("·", part.get_text()))
    caption, alt = _UNSPEAKABLE.sub("·", caption), _UNSPEAKABLE.sub("·", alt)
    with style():
        drawing.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    width, height = (round(size * 96) for size in drawing.get_size_inches())
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', rf'\1 width="{width}"', text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', rf'\1 height="{height}"', text, count=1)
    text = re.sub(r"\n\s*", "\n", _UNSPEAKABLE.sub("·", text))
    return Figure(text.encode(), "svg", caption, alt, width, height)
