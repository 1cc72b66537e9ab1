"""Computation graphs as SVG: boxes in layers, edges with labels, values, gradients, and small pictures inside.

The graph is laid out in layers by longest path; inside a layer, boxes are ordered by the middle of their neighbours
(Sugiyama, Tagawa and Toda 1981), which keeps crossings few.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from hubel.figures.theme import BLUE, GREEN, INK, MUTED, VERMILLION, Figure

_CHARACTER = 6.4  # CSS pixels of one character at 11 px
_LINE = 15


@dataclass(frozen=True, slots=True)
class Box:
    """One node."""

    title: str
    lines: tuple[str, ...] = ()
    """Plain remarks under the title: a shape, a setting."""
    value: str = ""
    """What flows forward, in green."""
    gradient: str = ""
    """What flows backward, in red."""
    image: np.ndarray | None = None
    """H W uint8 (grey) or H W 3: drawn at the top."""
    leaf: bool = False
    """An input or a weight: round corners, no fill."""


def graph(
    boxes: Sequence[Box],
    edges: Sequence[tuple[int, int, str]],
    *,
    caption: str,
    alt: str = "",
    down: bool = False,
) -> Figure:
    """Draw boxes and edges (from, to, label); the flow goes to the right, or `down` the page.

    >>> drawn = graph([Box("w", value="2", leaf=True), Box("L", value="4")], [(0, 1, "4")], caption="A square.")
    >>> drawn.kind, b">L</text>" in drawn.data
    ('svg', True)
    """
    layers = _layers(len(boxes), edges)
    sizes = [_size(box) for box in boxes]
    labels = max((len(label) for _, _, label in edges), default=0)
    gap = (26 if down else 34) + (0 if down else labels * 5)
    places: dict[int, tuple[float, float]] = {}
    along = 12.0
    breadth = max(sum(sizes[i][0 if down else 1] + 18 for i in layer) for layer in layers)
    for layer in layers:
        thick = max(sizes[i][1 if down else 0] for i in layer)
        across = 12 + (breadth - sum(sizes[i][0 if down else 1] + 18 for i in layer)) / 2
        for i in layer:
            width, height = sizes[i]
            places[i] = (across, along + (thick - height) / 2) if down else (along + (thick - width) / 2, across)
            across += (width if down else height) + 18
        along += thick + gap
    width, height = (breadth + 24, along) if down else (along, breadth + 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans, sans-serif" font-size="11">',
        f"<title>{escape(caption)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{MUTED}"/></marker></defs>',
    ]
    parts += [_edge(places, sizes, edge, down) for edge in edges]
    parts += [_box(box, *places[i], *sizes[i]) for i, box in enumerate(boxes)]
    parts.append("</svg>")
    spoken = alt or f"{caption} {len(boxes)} nodes, {len(edges)} edges: " + "; ".join(
        " ".join(filter(None, (box.title, box.value, f"gradient {box.gradient}" if box.gradient else "")))
        for box in boxes[:20]
    )
    return Figure("\n".join(parts).encode(), "svg", caption, spoken, round(width), round(height))


def _layers(count: int, edges: Sequence[tuple[int, int, str]]) -> list[list[int]]:
    level = [0] * count
    for a, b, _ in sorted(edges):
        level[b] = max(level[b], level[a] + 1)
    # A leaf stands right before its first user, not at the far left.
    users: dict[int, list[int]] = {}
    sources: dict[int, list[int]] = {}
    for a, b, _ in edges:
        users.setdefault(a, []).append(b)
        sources.setdefault(b, []).append(a)
    for i in range(count - 1, -1, -1):
        if i not in sources and i in users:
            level[i] = max(0, min(level[b] for b in users[i]) - 1)
    layers: list[list[int]] = [[] for _ in range(max(level, default=0) + 1)]
    for i, depth in enumerate(level):
        layers[depth].append(i)
    layers = [layer for layer in layers if layer]
    for _ in range(4):
        for order, neighbours in ((layers, sources), (layers[::-1], users)):
            rank: dict[int, float] = {}
            for layer in order:
                middle = {
                    i: float(
                        np.mean([rank[j] for j in neighbours.get(i, []) if j in rank] or [place / max(1, len(layer))])
                    )
                    for place, i in enumerate(layer)
                }
                layer.sort(key=lambda i: middle[i])
                rank.update({i: (place + 0.5) / len(layer) for place, i in enumerate(layer)})
    return layers


def _size(box: Box) -> tuple[float, float]:
    texts = [box.title, *box.lines, box.value, box.gradient]
    width = max(34.0, max(len(text) for text in texts) * _CHARACTER + 14)
    height = 8.0 + _LINE * sum(bool(text) for text in texts)
    if box.image is not None:
        width, height = max(width, 76.0), height + 68
    return width, height


def _box(box: Box, x: float, y: float, width: float, height: float) -> str:
    stroke = MUTED if box.leaf else BLUE
    parts = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{9 if box.leaf else 3}" '
        f'fill="none" stroke="{stroke}"/>'
    ]
    at, middle = y + 4, x + width / 2
    if box.image is not None:
        parts.append(
            f'<image x="{middle - 32:.1f}" y="{at:.1f}" width="64" height="64" preserveAspectRatio="xMidYMid meet" '
            f'style="image-rendering:pixelated" href="{_data_uri(box.image)}"/>'
        )
        at += 68
    for text, colour, weight in (
        (box.title, INK, "bold"),
        *((line, MUTED, "normal") for line in box.lines),
        (box.value, GREEN, "normal"),
        (box.gradient, VERMILLION, "normal"),
    ):
        if text:
            at += _LINE
            parts.append(
                f'<text x="{middle:.1f}" y="{at - 4:.1f}" text-anchor="middle" fill="{colour}" font-weight="{weight}">'
                f"{escape(text)}</text>"
            )
    return "".join(parts)


def _edge(
    places: dict[int, tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    edge: tuple[int, int, str],
    down: bool,
) -> str:
    a, b, label = edge
    (ax, ay), (bx, by) = places[a], places[b]
    (aw, ah), (bw, bh) = sizes[a], sizes[b]
    if down:
        x1, y1, x2, y2 = ax + aw / 2, ay + ah, bx + bw / 2, by
        bend = (y2 - y1) / 2
        path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2 - 1:.1f}"
    else:
        x1, y1, x2, y2 = ax + aw, ay + ah / 2, bx, by + bh / 2
        bend = (x2 - x1) / 2
        path = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2 - 1:.1f} {y2:.1f}"
    text = ""
    if label:
        text = (
            f'<text x="{(x1 + x2) / 2 - 7:.1f}" y="{(y1 + y2) / 2 - 5:.1f}" text-anchor="middle" font-size="10" '
            f'fill="{MUTED}">{escape(label)}</text>'
        )
    return f'<path d="{path}" fill="none" stroke="{MUTED}" marker-end="url(#tip)"/>{text}'


def _data_uri(image: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(np.asarray(image, dtype=np.uint8)).save(out, format="png")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
