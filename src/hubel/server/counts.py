"""What a server has done, counted, and told as Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LAST = 2048
"""Requests over which percentiles are taken."""
QUANTILES = (0.5, 0.9, 0.99)
STAGES = ("wait", "decode", "net", "total")
BATCHES = (1, 2, 4, 8, 16, 32, 64)


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of `values` lie (the nearest rank); NaN of none.

    >>> quantile([4, 1, 3, 2], 0.5), quantile([4, 1, 3, 2], 0.99)
    (2, 4)
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


@dataclass
class ModelCounts:
    """Of one model."""

    pictures: int = 0
    unreadable: int = 0
    restarts: int = 0
    swaps: int = 0
    batches: Counter[int] = field(default_factory=Counter)
    """How many batches were of which size."""
    seconds: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=LAST)))
    """The last durations of each stage."""
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: Counter[str] = field(default_factory=Counter)

    def median(self, stage: str) -> float:
        """Seconds that half of the last requests stayed below in a stage; NaN of none."""
        return quantile(self.seconds[stage], 0.5)

    def forget(self) -> None:
        """Begin again with what is measured over a time."""
        for kept in (self.batches, self.seconds, self.sums, self.counts):
            kept.clear()

    def took(self, stage: str, seconds: float) -> None:
        """A request spent so long in a stage."""
        self.seconds[stage].append(seconds)
        self.sums[stage] += seconds
        self.counts[stage] += 1


@dataclass
class Counts:
    """Of the whole server."""

    responses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By path of a route and status."""
    refusals: Counter[str] = field(default_factory=Counter)
    """By reason, in a word."""
    models: dict[str, ModelCounts] = field(default_factory=lambda: defaultdict(ModelCounts))

    def text(self, queued: Mapping[str, int], info: Mapping[str, Mapping[str, str]], connections: int) -> str:
        """All of it. `queued` pictures and `info` are of each model.

        >>> counts = Counts()
        >>> counts.refusals["host"] += 1
        >>> print(counts.text({}, {}, 0).splitlines()[-1])
        hubel_open_connections 0
        """
        lines: list[str] = []

        def tell(name: str, kind: str, what: str, rows: Iterable[tuple[str, Mapping[str, object], float]]) -> None:
            lines.extend([f"# HELP {name} {what}", f"# TYPE {name} {kind}"])
            lines.extend(f"{name}{suffix}{_labels(labels)} {_number(value)}" for suffix, labels, value in rows)

        models = self.models
        tell("hubel_model_info", "gauge", "The weights that answer.",
             [("", {"model": name, **facts}, 1) for name, facts in info.items()])  # fmt: skip
        # fmt: off
        tell("hubel_responses_total", "counter", "Responses by path and status.",
             [("", {"path": path, "status": status}, n) for (path, status), n in sorted(self.responses.items())])
        # fmt: on
        tell(
            "hubel_refusals_total",
            "counter",
            "Requests that were refused, by reason.",
            [("", {"reason": reason}, n) for reason, n in sorted(self.refusals.items())],
        )  # fmt: skip
        tell("hubel_queue_pictures", "gauge", "Pictures that wait for a model.",
             [("", {"model": name}, n) for name, n in queued.items()])  # fmt: skip
        for field_name, what in (
            ("pictures", "Pictures answered."),
            ("unreadable", "Pictures that could not be read."),
            ("restarts", "Workers that ended and were started again."),
            ("swaps", "Times that new weights took over."),
        ):
            tell(f"hubel_{field_name}_total", "counter", what,
                 [("", {"model": name}, getattr(each, field_name)) for name, each in models.items()])  # fmt: skip
        tell("hubel_batch_pictures", "histogram", "Pictures that went through the net together.",
             [row for name, each in models.items() for row in _histogram(name, each.batches)])  # fmt: skip
        tell("hubel_stage_seconds", "summary", f"Seconds of a request by stage; quantiles of the last {LAST}.",
             [row for name, each in models.items() for row in _summary(name, each)])  # fmt: skip
        tell("hubel_open_connections", "gauge", "Connections open now.", [("", {}, connections)])
        return "\n".join(lines) + "\n"


def _histogram(model: str, batches: Counter[int]) -> Iterable[tuple[str, Mapping[str, object], float]]:
    for edge in BATCHES:
        yield "_bucket", {"model": model, "le": edge}, sum(n for size, n in batches.items() if size <= edge)
    yield "_bucket", {"model": model, "le": "+Inf"}, sum(batches.values())
    yield "_sum", {"model": model}, sum(size * n for size, n in batches.items())
    yield "_count", {"model": model}, sum(batches.values())


def _summary(model: str, counts: ModelCounts) -> Iterable[tuple[str, Mapping[str, object], float]]:
    for stage in STAGES:
        labels = {"model": model, "stage": stage}
        for share in QUANTILES:
            yield "", {**labels, "quantile": share}, quantile(counts.seconds[stage], share)
        yield "_sum", labels, counts.sums[stage]
        yield "_count", labels, counts.counts[stage]


def _labels(labels: Mapping[str, object]) -> str:
    """Labels of a line, their values escaped.

    >>> _labels({"model": 'a"b'})
    '{model="a\\\\"b"}'
    """
    if not labels:
        return ""

    def escaped(value: object) -> str:
        return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    return "NaN" if value != value else f"{value:.9g}" if isinstance(value, float) else str(value)
