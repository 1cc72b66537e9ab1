"""A net as a table: for each layer its input, settings, output, memory, parameters, multiply-accumulates and field.

>>> net = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 169, 10))
>>> table = summarise(net, (1, 28, 28))
>>> for row in table.cells():
...     print(*row)
0 Conv2d 1x28x28 32 3x3 32x26x26 84.50 320 195k 3
2 MaxPool2d 32x26x26 2x2 s2 32x13x13 21.12 0 0 4
3 Flatten 32x13x13  5408 21.12 0 0 4
4 Linear 5408 10 10 0.04 54,090 54.1k 28
>>> print(table.to_json()[:26])
{
 "model": "Sequential",
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from hubel.anatomy.graph import Call, Graph, Input, Operation, Ref, record
from hubel.anatomy.operations import per_axis
from hubel.anatomy.receptive import WHOLE, ReceptiveField, of_values
from hubel.anatomy.table import to_html, to_markdown
from hubel.errors import UsageError
from hubel.types import Shape
from hubel.words import csv_text, plural, short

CONVENTIONS = {"mac": "MACs", "flop": "FLOPs"}
CONVENTION_TEXT = {
    "mac": "MACs: multiply-accumulates of convolutions, dense layers and matrix products (1 MAC = 2 FLOPs)",
    "flop": "FLOPs: 2 per multiply-accumulate of convolutions, dense layers and matrix products",
}

# Operations without parameters that are still worth a line; the rest (activations, reshaping) is shown on request.
_LANDMARKS = frozenset(
    {"flatten", "cat", "mean", "sum", "add", "mul", "stack", "scaled_dot_product_attention", "bmm", "mm"}
    | {"max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool2d"}
    | {"adaptive_max_pool2d", "adaptive_avg_pool1d", "upsample_nearest2d", "upsample_bilinear2d", "pixel_shuffle"}
)
# Book-keeping that no reader would call an operation.
_PLUMBING = frozenset({"detach", "alias", "shared_memory", "lift_fresh", "empty", "zeros", "ones", "to", "contiguous"})


@dataclass(frozen=True, slots=True)
class Row:
    """One layer, or one operation of a container's own forward ("layer1.0:add")."""

    name: str
    kind: str
    """Class of the module, or name of the operation."""
    setting: str
    """Filters, kernel, stride, padding and what departs from the usual: "64 11x11 s4 p2"."""
    input: Shape
    """Without the batch."""
    output: Shape
    params: int
    """Weights used here for the first time: what is shared counts once."""
    trainable: int
    buffers: int
    macs: int
    work: int
    """Other arithmetic; see `hubel.anatomy.operations`."""
    bytes: int
    """Of the output, the whole batch."""
    field: str
    """Size of the receptive field in pixels, "" if there is none; "+ all": some path sees the whole image."""
    jump: str
    start: str
    minor: bool
    """An activation, a dropout, a reshaping: no parameters and no window."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole net."""

    model: str
    input: tuple[Shape, ...]
    """Shapes with the batch."""
    batch: int
    rows: tuple[Row, ...]
    params: int
    trainable: int
    buffers: int
    weight_bytes: int
    macs: int
    work: int
    activation_bytes: int
    """Sum of all outputs that need memory of their own."""
    depth: int
    """Layers with weights (convolutions, dense layers) on the longest path; weights may be computed from others."""
    field: str
    """Of the last spatial map."""
    convention: str = "mac"
    notes: tuple[str, ...] = ()
    partial: str = ""
    """Not empty if the table ends early, and why."""

    @property
    def cost(self) -> int:
        """Multiply-accumulates or FLOPs of the batch, by the convention."""
        return self.macs * (2 if self.convention == "flop" else 1)

    @property
    def convention_text(self) -> str:
        """What the cost column counts."""
        return CONVENTION_TEXT[self.convention]

    def grouped(self, depth: int) -> tuple[Row, ...]:
        """The nested view: rows of the same module path, cut at `depth`, added up; 0 is the whole net."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            path = row.name.partition(":")[0]
            groups.setdefault(".".join(path.split(".")[:depth]) if depth else "", []).append(row)
        return tuple(_total(name, rows) for name, rows in groups.items())

    def header(self) -> list[str]:
        """Column names of the table."""
        return ["layer", "kind", "in", "setting", "out", "KiB", "params", CONVENTIONS[self.convention], "field"]

    def cells(self, *, minor: bool = False, depth: int | None = None) -> list[list[str]]:
        """The table as strings. `minor`: with activations and reshaping; `depth`: added up by module path."""
        factor = 2 if self.convention == "flop" else 1
        rows = self.rows if depth is None else self.grouped(depth)
        return [
            [
                row.name,
                row.kind,
                sides(row.input),
                row.setting,
                sides(row.output),
                f"{row.bytes / 1024:.2f}".removesuffix(".00"),
                f"{row.params:,}",
                short(row.macs * factor),
                row.field,
            ]
            for row in rows
            if minor or not row.minor or depth is not None
        ]

    def totals(self, *, minor: bool = False) -> list[str]:
        """What stands under the table, as sentences; `minor`: the table shows every row."""
        frozen = self.params - self.trainable
        lines = [
            f"parameters {self.params:,}" + (f" (frozen {frozen:,})" if frozen else "") + f", buffers {self.buffers:,}",
            f"{CONVENTIONS[self.convention]} {short(self.cost, digits=4)}, other operations {short(self.work)}",
            f"weights {self.weight_bytes / 2**20:.2f} MiB, all outputs {self.activation_bytes / 2**20:.2f} MiB"
            f" (batch {self.batch})",
            f"depth {self.depth} layers with weights, receptive field {self.field or 'none'}",
            self.convention_text,
        ]
        lines += list(self.notes)
        hidden = [row for row in self.rows if row.minor]
        if hidden and not minor:
            held = sum(row.params for row in hidden)
            lines.append(
                f"{plural(len(hidden), 'row')} not shown (activations, normalisation, reshaping), "
                f"parameters in them: {held:,}"
            )
        return [f"PARTIAL: {self.partial}", *lines] if self.partial else lines

    @property
    def title(self) -> str:
        """Model, input and batch."""
        shapes = ", ".join(sides(shape[1:]) for shape in self.input)
        return f"{self.model}, input {shapes}, batch {self.batch}"

    def to_markdown(self, *, minor: bool = False, depth: int | None = None) -> str:
        """Title, table and totals as Markdown."""
        table = to_markdown(self.header(), self.cells(minor=minor, depth=depth), left=2)
        return (
            f"**{self.title}**\n\n{table}\n\n"
            + "\n".join(f"- {line}" for line in self.totals(minor=minor or depth is not None))
            + "\n"
        )

    def to_csv(self, *, minor: bool = True) -> str:
        """All numbers in full, one line a row; shapes as 64x56x56."""
        names = [field for field in Row.__dataclass_fields__ if field != "minor"]
        rows = []
        for row in self.rows:
            if minor or not row.minor:
                cells = asdict(row)
                rows.append([sides(cells[n]) if n in ("input", "output") else str(cells[n]) for n in names])
        return csv_text(names, rows)

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(asdict(self) | {"counts": self.convention_text}, indent=1)

    def __str__(self) -> str:
        table = to_markdown(self.header(), self.cells(), left=2)
        return "\n".join([self.title, table, *self.totals()])

    def _repr_html_(self) -> str:
        lines = "<br>".join(_escaped(line) for line in self.totals())
        return to_html(self.header(), self.cells(), left=2, caption=self.title) + f"<p>{lines}</p>"


def summarise(
    model: nn.Module,
    input: Input = (3, 224, 224),  # noqa: A002
    *,
    batch: int = 1,
    convention: str = "mac",
    name: str = "",
) -> Summary:
    """Count everything about a net for one input shape, without running it and without allocating its weights.

    `input`: C H W without the batch, or several such shapes, or tensors as the model takes them; `convention`: "mac" or
    "flop". A forward pass that reads values of tensors gives a summary whose `partial` says where it stopped.

    Raises UsageError with module and shapes if the input does not fit.

    >>> tied = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    >>> tied[1].weight = tied[0].weight
    >>> summarise(tied, (8,)).params
    80
    """
    if convention not in CONVENTIONS:
        raise UsageError(f"convention must be mac or flop, got {convention!r}", hint="1 MAC is 2 FLOPs")
    graph = record(model, input, batch=batch, whole=False)
    return of_graph(graph, model, convention=convention, name=name)


def of_graph(graph: Graph, model: nn.Module, *, convention: str = "mac", name: str = "") -> Summary:
    """The summary of a pass that is recorded already."""
    seen = of_values(graph) if graph.inputs else {}
    rows = _rows(graph, seen)
    parameters = {id(p): p for p in model.parameters()}.values()
    buffers = list(model.buffers())
    learned = frozenset(
        f"{name}.{buffer}" for name, module in model.named_modules() for buffer in getattr(module, "learned", ())
    )
    notes = list(graph.notes)
    if any(view.capped for view in seen.values()):
        notes.append(f"field {WHOLE}: behind the last map, the whole input; a larger window has no more to see")
    unused = sum(p.numel() for p in parameters) - sum(row.params for row in rows)
    if unused and not graph.partial:
        notes.append(f"{unused:,} parameters are not used in this pass (auxiliary heads, spare layers)")
    spatial = [str(seen[i]) for op in graph.operations for i in op.outputs[:1] if i in seen and _is_map(graph, i)]
    storages = {v.storage: v.bytes for v in graph.values if v.kind == "computed"}
    return Summary(
        model=name or graph.kind,
        input=tuple(graph.values[i].shape for i in graph.inputs),
        batch=graph.batch,
        rows=rows,
        params=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        buffers=sum(b.numel() for b in buffers),
        weight_bytes=sum(t.numel() * t.element_size() for t in (*parameters, *buffers)),
        macs=graph.macs,
        work=sum(op.work for op in graph.operations),
        activation_bytes=sum(storages.values()),
        depth=_depth(graph, learned),
        field=spatial[-1] if spatial else "",
        convention=convention,
        notes=tuple(notes),
        partial=graph.partial,
    )


def sides(shape: Sequence[int]) -> str:
    """64x56x56."""
    return "x".join(map(str, shape)) or "1"


def _is_map(graph: Graph, index: int) -> bool:
    shape = graph.values[index].shape
    return len(shape) >= 3 and math.prod(shape[2:]) > 1


def _depth(graph: Graph, learned: frozenset[str]) -> int:
    """Convolutions and dense layers on the longest path from input to output.

    Weights may be computed from parameters (masked, turned, standardised), or be buffers that are `learned`.
    """
    deepest = [0] * len(graph.values)
    weights = {i for i, v in enumerate(graph.values) if v.kind == "parameter" or v.name in learned}
    fixed = weights | {i for i, v in enumerate(graph.values) if v.kind in ("buffer", "constant")}
    for op in graph.operations:
        if op.inputs and fixed.issuperset(op.inputs):  # no picture passes here: it makes weights of weights
            fixed.update(op.outputs)
            if not weights.isdisjoint(op.inputs):
                weights.update(op.outputs)
            continue
        weighted = op.macs > 0 and not weights.isdisjoint(op.inputs)
        level = max((deepest[i] for i in op.inputs), default=0) + weighted
        for i in op.outputs:
            deepest[i] = max(deepest[i], level)
    return max((deepest[i] for i in (graph.outputs or range(len(deepest)))), default=0)


def _rows(graph: Graph, seen: Mapping[int, ReceptiveField]) -> tuple[Row, ...]:
    rows: list[Row] = []
    used: set[int] = set()
    times: dict[str, int] = {}
    position = 0
    while position < len(graph.operations):
        op = graph.operations[position]
        call = graph.calls[op.call] if op.call >= 0 else None
        if call is not None and call.leaf and call.parent >= 0:
            ops = graph.operations[position : call.last]
            name, kind = call.module, call.kind
            inputs, outputs = call.inputs, call.outputs or ops[-1].outputs
            position = call.last
        else:
            ops = (op,)
            name, kind = (f"{op.module}:{op.name}" if op.module else f":{op.name}"), op.name
            inputs = tuple(i for i in op.inputs if graph.values[i].kind in ("computed", "input")) or op.inputs
            outputs = op.outputs
            position += 1
        if not outputs or (len(ops) == 1 and ops[0].name in _PLUMBING):
            continue
        times[name] = times.get(name, 0) + 1
        rows.append(
            _row(
                graph,
                seen,
                f"{name}({times[name]})" if times[name] > 1 else name,
                kind,
                call,
                ops,
                inputs,
                outputs,
                used,
            )
        )
    return tuple(rows)


def _row(
    graph: Graph,
    seen: Mapping[int, ReceptiveField],
    name: str,
    kind: str,
    call: Call | None,
    ops: Sequence[Operation],
    inputs: Sequence[int],
    outputs: Sequence[int],
    used: set[int],
) -> Row:
    new = {i for op in ops for i in op.inputs if graph.values[i].kind in ("parameter", "buffer")} - used
    used |= new
    weights = [graph.values[i] for i in new if graph.values[i].kind == "parameter"]
    buffers = [graph.values[i] for i in new if graph.values[i].kind == "buffer"]
    macs = sum(op.macs for op in ops)
    main = max(ops, key=lambda op: op.macs)
    out = graph.values[outputs[0]]
    into = graph.values[inputs[0]].shape if inputs else ()
    view = seen.get(outputs[0])
    landmark = any(op.name in _LANDMARKS for op in ops)
    norm = any(op.name.endswith("_norm") for op in ops)
    return Row(
        name=name,
        kind=kind,
        setting=_setting(graph, main),
        input=into[1:],
        output=out.shape[1:],
        params=sum(math.prod(w.shape) for w in weights),
        trainable=sum(math.prod(w.shape) for w in weights if w.trainable),
        buffers=sum(math.prod(b.shape) for b in buffers),
        macs=macs,
        work=sum(op.work for op in ops),
        bytes=sum(graph.values[i].bytes for i in outputs),
        field=str(view) if view else "",
        jump=_numbers(view.jump) if view else "",
        start=_numbers(view.start) if view else "",
        minor=not macs and not landmark and (not weights or norm),
    )


def _numbers(numbers: Sequence[Any]) -> str:
    return "x".join(f"{float(n):g}" for n in dict.fromkeys(numbers))


def _setting(graph: Graph, op: Operation) -> str:
    """What a reader must know to rebuild the layer, in the order in which textbooks tabulate it."""
    arguments = op.arguments
    weight = arguments.get("weight")
    shape = graph.values[weight.value].shape if isinstance(weight, Ref) else ()
    if "conv" in op.name and len(shape) > 2:
        axes = len(shape) - 2
        filters = shape[1] * int(arguments.get("groups", 1)) if "transpose" in op.name else shape[0]
        words = [str(filters), sides(shape[2:])]
        groups = int(arguments.get("groups", 1))
        return " ".join(words + _steps(arguments, axes) + ([f"g{groups}"] if groups > 1 else []))
    if op.name == "linear" and shape:
        return str(shape[0])
    if "pool" in op.name and "kernel_size" in arguments:
        kernel = per_axis(arguments["kernel_size"], 2)
        stride = arguments.get("stride") or kernel
        return " ".join([sides(kernel), *_steps({**arguments, "stride": stride}, 2, always=True)])
    return ""


def _steps(arguments: Mapping[str, Any], axes: int, *, always: bool = False) -> list[str]:
    words = []
    for key, letter, usual in (("stride", "s", 1), ("padding", "p", 0), ("dilation", "d", 1)):
        value = arguments.get(key, usual)
        if isinstance(value, str):
            words.append(f"{letter} {value}")
            continue
        numbers = dict.fromkeys(per_axis(value, axes))
        if list(numbers) != [usual] or (always and key == "stride"):
            words.append(letter + "x".join(map(str, numbers)))
    return words


def _total(name: str, rows: Sequence[Row]) -> Row:
    """One line for many: first input, last output, everything else added."""
    return Row(
        name=name or "(model)",
        kind=rows[0].kind if len(rows) == 1 else f"{len(rows)} layers",
        setting=rows[0].setting if len(rows) == 1 else "",
        input=rows[0].input,
        output=rows[-1].output,
        params=sum(row.params for row in rows),
        trainable=sum(row.trainable for row in rows),
        buffers=sum(row.buffers for row in rows),
        macs=sum(row.macs for row in rows),
        work=sum(row.work for row in rows),
        bytes=sum(row.bytes for row in rows),
        field=rows[-1].field,
        jump=rows[-1].jump,
        start=rows[-1].start,
        minor=False,
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
