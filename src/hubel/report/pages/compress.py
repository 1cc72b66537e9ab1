"""The page of `hubel compress`: size against accuracy, stage by stage."""

from __future__ import annotations

from hubel.compression.result import Compressed
from hubel.figures.bars import estimates
from hubel.figures.theme import Figure
from hubel.report.page import page
from hubel.words import amount


def render_compressed(found: Compressed) -> str:
    """The page as text, self-contained."""
    facts = found.facts()
    return page(
        "compress.html.j2",
        title="A compressed net",
        found=found,
        lead=f"{found.times:.1f} times smaller: {amount(found.bytes)} in place of {amount(found.raw_bytes)}, "
        f"{facts['measured']}.",
        lines=[facts[name] for name in ("trained", "test") if name in facts],
        head=found.HEAD,
        rows=found.rows(),
        drawing=draw(found),
    )


def draw(found: Compressed) -> Figure:
    """Accuracy with its interval, stage by stage, each with its size."""
    return estimates(
        [f"{stage.name}, {amount(stage.bytes)}" for stage in found.stages],
        [stage.accuracy for stage in found.stages], [stage.interval for stage in found.stages],
        title="Accuracy on validation samples", share=True, width=560,
    )  # fmt: skip
