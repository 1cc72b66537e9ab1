"""What a compression came to: its stages, the file, and the net before and after on the same samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubel.metrics.intervals import Interval
from hubel.views import Viewed, html_table
from hubel.words import amount, duration, percent, plain, span


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The net at one moment, on the validation samples."""

    name: str
    kept: float
    """Share of the filters' and matrices' weights that are not 0."""
    bytes: int
    """Of a file with the net as it was then: pruned and no more, sharing values too, in Huffman's code too."""
    accuracy: float
    interval: Interval
    """95 %, Wilson's."""


@dataclass(frozen=True, kw_only=True)
class Compressed(Viewed):
    """A net that was made small. Printing it shows size against accuracy."""

    folder: Path
    """A run folder: predict, evaluate, export and serve take it."""
    file: Path
    """The weights, which are enough alone."""
    parameters: int
    """Of the net, zeros among them."""
    raw_bytes: int
    """Of the net's tensors as they were."""
    bytes: int
    """Of the file."""
    asked: int
    """Bytes that it might have."""
    bits: tuple[int, ...]
    """Bits of a weight: one number, or those of filters and of matrices."""
    epochs: int
    """Of training after pruning and with shared values."""
    seconds: float
    samples: int
    """Validation samples."""
    stages: tuple[Stage, ...]
    test_samples: int
    """0 where none were kept."""
    test: tuple[float, float]
    """Accuracy on the test samples before and after; NaN without."""
    sentence: str
    """The difference there, sample by sample; "" without."""

    @property
    def times(self) -> float:
        """How many times smaller."""
        return self.raw_bytes / self.bytes

    @property
    def lost(self) -> float:
        """Points of accuracy lost on the validation samples; less than 0 where it gained."""
        return 100 * (self.stages[0].accuracy - self.stages[-1].accuracy)

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """Stage, weights kept, bytes, times smaller, accuracy, interval."""
        return [
            (
                stage.name, percent(stage.kept, 1), amount(stage.bytes), f"{self.raw_bytes / stage.bytes:.1f}x",
                percent(stage.accuracy), span(stage.interval),
            )
            for stage in self.stages
        ]  # fmt: skip

    HEAD = ("", "weights", "size", "smaller", "accuracy", "95 % interval")

    def __str__(self) -> str:
        lines = [f"{a:<26}{b:>9}{c:>10}{d:>9}{e:>10}{f:>16}".rstrip() for a, b, c, d, e, f in (self.HEAD, *self.rows())]
        return "\n".join([*lines, "", super().__str__()])

    def _repr_html_(self) -> str:
        return html_table(self.HEAD, self.rows()) + super()._repr_html_()

    def facts(self) -> dict[str, str]:
        """As it is printed below the table."""
        named = " and ".join(f"{bits} bits" for bits in self.bits)
        lost = f"{self.lost:.2f} points lost" if self.lost >= 0 else f"{-self.lost:.2f} points gained"
        found = {
            "measured": f"on {self.samples:,} validation samples: {lost}",
            "file": f"{self.file}: {amount(self.bytes)}, {self.times:.1f} times smaller than {amount(self.raw_bytes)}; "
            f"a weight has {named}",
            "trained": f"{self.epochs} epochs in {duration(self.seconds)}",
        }
        if self.test_samples:
            found["test"] = (
                f"{percent(self.test[0])} before, {percent(self.test[1])} now, on {self.test_samples:,} samples. "
                f"{self.sentence[:1].upper()}{self.sentence[1:]}"
            )
        return found | {"use": f"hubel predict {self.folder} PICTURES"}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        more = {"folder": str(self.folder), "file": str(self.file), "times": self.times, "lost": self.lost}
        return dict(plain(asdict(self) | more))
