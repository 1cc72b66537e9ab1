"""A formula as a computation graph, worked by hand: forward, every local derivative, backward, update.

The text is parsed into a tree and only a few kinds of node are let through: numbers, names, + - * / **, and the
functions of `FUNCTIONS`. Nothing is ever evaluated as Python.

>>> first, second = trace("L = w3*(w1+w2)", {"w1": -2, "w2": 5, "w3": -4}, rate=1, steps=2)
>>> first.value, first.gradients, first.updated
(-12.0, {'w3': 3.0, 'w1': -4.0, 'w2': -4.0}, {'w3': -7.0, 'w1': 2.0, 'w2': 9.0})
>>> print(second.as_text())
step 2   w3 = -7   w1 = 2   w2 = 9
  forward
    a = w1 + w2 = 2 + 9 = 11
    L = w3 * a = -7 * 11 = -77
  backward, from dL/dL = 1
    dL/dw3 = dL/dL * ∂L/∂w3 = 1 * 11 = 11
    dL/da = dL/dL * ∂L/∂a = 1 * -7 = -7
    dL/dw1 = dL/da * ∂a/∂w1 = -7 * 1 = -7
    dL/dw2 = dL/da * ∂a/∂w2 = -7 * 1 = -7
  update, w - 1 * dL/dw
    w3 = -7 - 1 * 11 = -18
    w1 = 2 - 1 * -7 = 9
    w2 = 9 - 1 * -7 = 16
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from hubel.errors import UsageError, near
from hubel.nn.sources import again
from hubel.views import Viewed
from hubel.words import plural

LONGEST = 2000
"""Characters; nobody reads the graph of a longer formula."""
MOST_NODES = 200
MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Function:
    """A differentiable function of one or two numbers."""

    call: Callable[..., float]
    derivatives: tuple[Callable[..., float], ...]
    """One per argument, of (arguments..., value)."""


def _sigmoid(x: float) -> float:
    # Two forms, so that neither exponential overflows.
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


FUNCTIONS: dict[str, Function] = {
    "exp": Function(math.exp, (lambda x, y: y,)),
    "log": Function(math.log, (lambda x, y: 1 / x,)),
    "sqrt": Function(math.sqrt, (lambda x, y: 0.5 / y,)),
    "sin": Function(math.sin, (lambda x, y: math.cos(x),)),
    "cos": Function(math.cos, (lambda x, y: -math.sin(x),)),
    "tanh": Function(math.tanh, (lambda x, y: 1 - y * y,)),
    "sigmoid": Function(_sigmoid, (lambda x, y: y * (1 - y),)),
    "relu": Function(lambda x: max(x, 0.0), (lambda x, y: float(x > 0),)),
    "abs": Function(abs, (lambda x, y: math.copysign(1.0, x) if x else 0.0,)),
    "max": Function(max, (lambda a, b, y: float(a >= b), lambda a, b, y: float(a < b))),
    "min": Function(min, (lambda a, b, y: float(a <= b), lambda a, b, y: float(a > b))),
}
OPERATORS: dict[str, Function] = {
    "+": Function(operator.add, (lambda a, b, y: 1.0, lambda a, b, y: 1.0)),
    "-": Function(operator.sub, (lambda a, b, y: 1.0, lambda a, b, y: -1.0)),
    "*": Function(operator.mul, (lambda a, b, y: b, lambda a, b, y: a)),
    "/": Function(operator.truediv, (lambda a, b, y: 1 / b, lambda a, b, y: -y / b)),
    "**": Function(
        lambda a, b: float(a**b),
        (lambda a, b, y: b * a ** (b - 1) if b else 0.0, lambda a, b, y: y * math.log(a) if a > 0 else 0.0),
    ),
    "neg": Function(operator.neg, (lambda x, y: -1.0,)),
}
_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


@dataclass(frozen=True, slots=True)
class Node:
    """A number, a variable, or an operation on earlier nodes."""

    name: str
    operation: str
    """"number", "variable", an operator or the name of a function."""
    inputs: tuple[int, ...] = ()
    number: float = 0.0


@dataclass(frozen=True, slots=True)
class Formula:
    """Nodes in an order in which each comes after its inputs; the last one is the result."""

    text: str
    nodes: tuple[Node, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the leaves, in order of appearance."""
        return tuple(node.name for node in self.nodes if node.operation == "variable")

    @property
    def result(self) -> str:
        """Name of the last node."""
        return self.nodes[-1].name


@dataclass(frozen=True, slots=True)
class Round(Viewed):
    """One forward and backward pass with the numbers put in, and the update."""

    formula: Formula
    number: int
    """1, 2, 3, …"""
    values: tuple[float, ...]
    """Per node."""
    local: tuple[tuple[float, ...], ...]
    """Per node, one derivative per input."""
    flowing: tuple[float, ...]
    """Per node: derivative of the result by it."""
    rate: float | None
    """Learning rate; None: no update."""

    @property
    def value(self) -> float:
        """Of the result."""
        return self.values[-1]

    @property
    def gradients(self) -> dict[str, float]:
        """Derivative of the result by each variable."""
        return {n.name: g for n, g in zip(self.formula.nodes, self.flowing, strict=True) if n.operation == "variable"}

    @property
    def variables(self) -> dict[str, float]:
        """Their values before the update."""
        return {n.name: v for n, v in zip(self.formula.nodes, self.values, strict=True) if n.operation == "variable"}

    @property
    def updated(self) -> dict[str, float]:
        """Variables after one step of gradient descent."""
        rate = self.rate or 0.0
        return {name: value - rate * self.gradients[name] for name, value in self.variables.items()}

    def as_text(self) -> str:
        """The whole calculation, line by line."""
        nodes, result = self.formula.nodes, self.formula.result
        lines = [
            f"step {self.number}   " + "   ".join(f"{n} = {_g(v)}" for n, v in self.variables.items()),
            "  forward",
        ]
        for i, node in enumerate(nodes):
            if node.inputs:
                words = [nodes[j].name for j in node.inputs]
                numbers = [_g(self.values[j]) for j in node.inputs]
                lines.append(
                    f"    {node.name} = {_applied(node, words)} = {_applied(node, numbers)} = {_g(self.values[i])}"
                )
        lines.append(f"  backward, from d{result}/d{result} = 1")
        order = [i for i in range(len(nodes) - 1, -1, -1) if nodes[i].inputs]
        for j, target in sorted(enumerate(nodes), key=lambda pair: self._turn(pair[0], order)):
            uses = [(i, k) for i in order for k, source in enumerate(nodes[i].inputs) if source == j]
            if not uses or target.operation == "number":
                continue
            paths = " + ".join(f"d{result}/d{nodes[i].name} * ∂{nodes[i].name}/∂{target.name}" for i, _ in uses)
            factors = " + ".join(f"{_g(self.flowing[i])} * {_g(self.local[i][k])}" for i, k in uses)
            lines.append(f"    d{result}/d{target.name} = {paths} = {factors} = {_g(self.flowing[j])}")
        if self.rate is not None:
            lines.append(f"  update, w - {_g(self.rate)} * d{result}/dw")
            for name, value in self.variables.items():
                step = f"{_g(value)} - {_g(self.rate)} * {_g(self.gradients[name])}"
                lines.append(f"    {name} = {step} = {_g(self.updated[name])}")
        return "\n".join(lines)

    def _turn(self, index: int, order: list[int]) -> int:
        """When the gradient of a node is complete: after its last user, counted from the result."""
        return max((place for place, i in enumerate(order) if index in self.formula.nodes[i].inputs), default=-1)


def parse(text: str) -> Formula:
    """The graph of a formula: "L = w3*(w1+w2)", or several with semicolons: "z = w*x + b; a = sigmoid(z)".

    Raises UsageError for anything but numbers, names, operators and the known functions.

    >>> [node.name for node in parse("y = 2*x**2").nodes]
    ['2', 'x', '2', 'a', 'y']
    >>> parse("__import__('os')")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: unknown function '__import__' in "__import__('os')"
      known: exp, log, sqrt, sin, cos, tanh, sigmoid, relu, abs, max, min
    """
    if len(text) > LONGEST:
        raise UsageError(
            f"a formula must have at most {LONGEST} characters, got {len(text)}",
            hint="leave parts out; a net is traced by its name: hubel trace lenet5 digits:3",
        )
    builder = _Builder(text)
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        raise UsageError("the formula is empty", hint='write for example "L = w3*(w1+w2)"')
    for part in parts:
        name, equals, body = part.partition("=")
        if not equals:
            name, body = "", part
        elif not name.strip().isidentifier():
            raise UsageError(f"left of = must stand one name, got {name.strip()!r}", hint='write for example "L = w*x"')
        try:
            tree = again(partial(ast.parse, body.strip(), mode="eval")).body
            index = builder.visit(tree)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            raise UsageError(
                f"{body.strip()!r} is not a formula: {error}", hint="use + - * / ** and brackets"
            ) from None
        builder.name(index, name.strip() or "L")
    return Formula(text, tuple(builder.nodes))


class _Builder(ast.NodeVisitor):
    def __init__(self, text: str) -> None:
        self.text = text
        self.nodes: list[Node] = []
        self.known: dict[str, int] = {}
        self.taken = set(_identifiers(text))

    def add(self, node: Node) -> int:
        if len(self.nodes) >= MOST_NODES:
            raise UsageError(
                f"a formula must have at most {MOST_NODES} numbers, names and operators; {self.text[:40]!r}… has more",
                hint="leave parts out; a net is traced by its name: hubel trace lenet5 digits:3",
            )
        self.nodes.append(node)
        return len(self.nodes) - 1

    def fresh(self) -> str:
        letters = "abcdefghijklmnopqrstuvwxyz"
        count = 0
        while True:
            name = letters[count % 26] + (str(count // 26) if count >= 26 else "")
            if name not in self.taken:
                self.taken.add(name)
                return name
            count += 1

    def name(self, index: int, name: str) -> None:
        node = self.nodes[index]
        if not node.inputs:
            index = self.add(Node(name, "+", (index, self.add(Node("0", "number")))))
        else:
            self.nodes[index] = Node(name, node.operation, node.inputs)
        self.known[name] = index

    def visit(self, tree: ast.AST) -> int:
        if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float) and not isinstance(tree.value, bool):
            number = float(tree.value)
            return self.add(Node(_g(number), "number", (), number))
        if isinstance(tree, ast.Name):
            if tree.id not in self.known:
                self.known[tree.id] = self.add(Node(tree.id, "variable"))
            return self.known[tree.id]
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.UAdd):
            return self.visit(tree.operand)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            inside = self.visit(tree.operand)
            if self.nodes[inside].operation == "number":
                number = -self.nodes[inside].number
                self.nodes[inside] = Node(_g(number), "number", (), number)
                return inside
            return self.add(Node(self.fresh(), "neg", (inside,)))
        if isinstance(tree, ast.BinOp) and type(tree.op) in _SYMBOLS:
            left, right = self.visit(tree.left), self.visit(tree.right)
            return self.add(Node(self.fresh(), _SYMBOLS[type(tree.op)], (left, right)))
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.keywords:
            return self.call(tree.func.id, tree.args)
        what = type(tree).__name__
        raise UsageError(
            f"{what} is not allowed in a formula ({self.text!r})",
            hint="numbers, names, + - * / ** and " + ", ".join(FUNCTIONS),
        )

    def call(self, name: str, arguments: list[ast.expr]) -> int:
        if name not in FUNCTIONS:
            close = near(name, FUNCTIONS)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(FUNCTIONS)}"
            raise UsageError(f"unknown function {name!r} in {self.text!r}", hint=hint)
        wanted = len(FUNCTIONS[name].derivatives)
        if len(arguments) != wanted:
            raise UsageError(
                f"{name} takes {plural(wanted, 'argument')}, got {len(arguments)}",
                hint=f"write {name}({', '.join('xyz'[:wanted])})",
            )
        return self.add(Node(self.fresh(), name, tuple(self.visit(argument) for argument in arguments)))


def evaluate(formula: Formula, values: Mapping[str, float], *, number: int = 1, rate: float | None = None) -> Round:
    """One forward and backward pass.

    Raises UsageError for missing or superfluous variables, and where the formula has no value (division by zero).
    """
    missing = [name for name in formula.variables if name not in values]
    if missing:
        raise UsageError(f"no value for {', '.join(missing)}", hint=" ".join(f"{name}=1" for name in missing))
    extra = [name for name in values if name not in formula.variables]
    if extra:
        raise UsageError(f"the formula has no variable {extra[0]!r}", hint=f"it has {', '.join(formula.variables)}")
    known: list[float] = []
    local: list[tuple[float, ...]] = []
    for node in formula.nodes:
        if node.operation in ("number", "variable"):
            known.append(float(node.number if node.operation == "number" else values[node.name]))
            local.append(())
            continue
        function = OPERATORS.get(node.operation) or FUNCTIONS[node.operation]
        arguments = [known[i] for i in node.inputs]
        try:
            value = function.call(*arguments)
            slopes = tuple(float(slope(*arguments, value)) for slope in function.derivatives)
        except (ArithmeticError, ValueError, TypeError) as error:
            words = _applied(node, [_g(a) for a in arguments])
            raise UsageError(f"{node.name} = {words} has no value: {error}", hint="choose other values") from None
        known.append(float(value))
        local.append(slopes)
    flowing = [0.0] * len(known)
    flowing[-1] = 1.0
    for i in range(len(known) - 1, -1, -1):
        for slope, j in zip(local[i], formula.nodes[i].inputs, strict=False):
            flowing[j] += flowing[i] * slope
    return Round(formula, number, tuple(known), tuple(local), tuple(flowing), rate)


def trace(
    formula: Formula | str, values: Mapping[str, float], *, steps: int = 1, rate: float | None = None
) -> tuple[Round, ...]:
    """Gradient descent by hand: `steps` passes, with the update w - rate * gradient between them."""
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"steps must be between 1 and {MOST_STEPS}, got {steps}", hint="--steps 10 shows most of it")
    if isinstance(formula, str):
        formula = parse(formula)
    done: list[Round] = []
    for number in range(1, steps + 1):
        done.append(evaluate(formula, values, number=number, rate=rate))
        values = done[-1].updated
    return tuple(done)


def _identifiers(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


def _applied(node: Node, arguments: list[str]) -> str:
    if node.operation == "neg":
        return f"-({arguments[0]})"
    if node.operation in OPERATORS:
        return f"{arguments[0]} {node.operation} {arguments[1]}"
    return f"{node.operation}({', '.join(arguments)})"


def _g(number: float) -> str:
    return f"{number:.6g}"
