"""Descent that can be watched: by hand on any formula, in a race on standard surfaces, and the loss around a real net.

>>> [round(v, 4) for v in descend("w**2", {"w": 2}, rate=0.25, steps=4).values]
[4.0, 1.0, 0.25, 0.0625, 0.0156]
>>> descend("w**2", {"w": 2}, rate=1, steps=3).points[:, 0].tolist()
[2.0, -2.0, 2.0, -2.0]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import HubelError, UsageError
from hubel.lessons.expression import Formula, evaluate, parse
from hubel.nn.modes import evaluating
from hubel.views import Viewed

MOST_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Path(Viewed):
    """Where a descent went."""

    name: str
    variables: tuple[str, ...]
    points: np.ndarray
    """steps + 1 (fewer if it left the numbers), one column per variable."""
    values: tuple[float, ...]
    """Of the function at each point."""
    verdict: str
    """"converges", "oscillates", "diverges" or "moves"."""


@dataclass(frozen=True, slots=True)
class Field:
    """A function on a line or a grid, ready to be drawn."""

    x: np.ndarray
    y: np.ndarray | None
    values: np.ndarray
    """len(x), or len(y) len(x); NaN where the function has no value."""


def descend(formula: Formula | str, start: Mapping[str, float], *, rate: float, steps: int = 20) -> Path:
    """Gradient descent w <- w - rate * slope on a formula of any number of variables.

    Raises UsageError for a formula or values that cannot be.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"steps must be between 1 and {MOST_STEPS}, got {steps}", hint="20 is usual")
    if isinstance(formula, str):
        formula = parse(formula)
    here = dict(start)
    points: list[list[float]] = []
    values: list[float] = []
    for _ in range(steps + 1):
        try:
            step = evaluate(formula, here, rate=rate)
        except UsageError:
            if not points:
                raise
            break
        points.append([here[name] for name in formula.variables])
        values.append(step.value)
        here = step.updated
        if not all(math.isfinite(v) and abs(v) < 1e100 for v in here.values()):
            break
    return Path(
        "gradient descent", formula.variables, np.array(points), tuple(values), _verdict(np.array(points), values)
    )


def _verdict(points: np.ndarray, values: Sequence[float]) -> str:
    if len(points) < 3:
        return "moves" if len(points) > 1 else "diverges"
    moves = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if (
        not np.isfinite(values[-1])
        or moves[-1] > 1e3 * max(1.0, moves[0])
        or (moves[-1] > 1.02 * moves[0] and abs(values[-1]) > abs(values[0]))
    ):
        return "diverges"
    if moves[-1] < 1e-3 * max(moves[0], 1e-12):
        return "converges"
    back = np.linalg.norm(points[-1] - points[-3])
    if back < 1e-6 * max(1.0, float(moves[-1])) < moves[-1]:
        return "oscillates"
    return "converges" if moves[-1] < 0.5 * moves[0] and values[-1] < values[0] else "moves"


def field(formula: Formula | str, x: np.ndarray, y: np.ndarray | None = None) -> Field:
    """The values of a formula of one variable on `x`, or of two on the grid of `x` and `y`."""
    if isinstance(formula, str):
        formula = parse(formula)
    names = formula.variables
    if len(names) != (1 if y is None else 2):
        raise UsageError(
            f"a picture needs one or two variables, the formula has {', '.join(names) or 'none'}",
            hint="put numbers in place of the other variables",
        )

    def at(*place: float) -> float:
        try:
            return evaluate(formula, dict(zip(names, place, strict=True))).value
        except HubelError:
            return math.nan

    if y is None:
        return Field(x, None, np.array([at(float(a)) for a in x]))
    return Field(x, y, np.array([[at(float(a), float(b)) for a in x] for b in y]))


# ---- races -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surface:
    """A function of two variables on which optimisers are compared."""

    name: str
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    window: tuple[float, float, float, float]
    """x from, to, y from, to: what a picture shows."""
    source: str


def _beale(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _rastrigin(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 20 + x**2 - 10 * torch.cos(2 * math.pi * x) + y**2 - 10 * torch.cos(2 * math.pi * y)


def _himmelblau(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


_FOUR = ((3, 2), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126))
_R2 = math.sqrt(2)
RATES = {"rmsprop": 0.02, "adam": 0.1, "adamw": 0.1, "adagrad": 0.5, "adadelta": 10.0, "muon": 0.1}
"""Rates of the rules that measure steps in units of the window; the others take 0.01."""
SURFACES: dict[str, Surface] = {
    s.name: s
    for s in (
        Surface("bowl", lambda x, y: x**2 + y**2, (-1.5, 1.0), ((0, 0),), (-2, 2, -2, 2), "w1² + w2²"),
        Surface("valley", lambda x, y: (x**2 + 20 * y**2) / 2, (-4, 1), ((0, 0),), (-5, 5, -2, 2), "(x² + 20 y²) / 2"),
        Surface(
            "rosenbrock", lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, (-1.2, 1), ((1, 1),), (-2, 2, -1, 3),
            "Rosenbrock 1960",
        ),
        Surface("beale", _beale, (1.0, 1.5), ((3, 0.5),), (-1, 4.5, -2, 2.5), "Beale 1958"),
        Surface("himmelblau", _himmelblau, (0.0, -1.0), _FOUR, (-5, 5, -5, 5), "Himmelblau 1972"),
        Surface(
            "saddle", lambda x, y: x**2 - y**2 + y**4 / 4, (-1.5, 0.01), ((0, _R2), (0, -_R2)), (-2, 2, -2, 2),
            "x² - y² + y⁴/4",
        ),
        Surface("rastrigin", _rastrigin, (-2.3, 1.7), ((0, 0),), (-3, 3, -3, 3), "Rastrigin 1974"),
    )
}  # fmt: skip


def race(
    surface: Surface, optimisers: Mapping[str, Callable[[nn.Module], torch.optim.Optimizer]], *, steps: int = 100
) -> tuple[Path, ...]:
    """One path for each optimiser from the same start; `optimisers` make one for a module with a single parameter of 2.

    >>> [path] = race(SURFACES["bowl"], {"sgd": lambda m: torch.optim.SGD(m.parameters(), 0.1)}, steps=50)
    >>> path.verdict, bool(path.values[-1] < 1e-6)
    ('converges', True)
    """
    paths = []
    for name, make in optimisers.items():
        module = nn.ParameterList([nn.Parameter(torch.tensor([surface.start], dtype=torch.float64))])
        place = module[0]
        optimiser = make(module)
        points, values = [], []
        for _ in range(steps + 1):
            value = surface.function(place[0, 0], place[0, 1])
            points.append(place.detach()[0].tolist())
            values.append(float(value.detach()))
            if not math.isfinite(values[-1]) or abs(values[-1]) > 1e12:
                break
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        found = np.array(points)
        paths.append(Path(name, ("x", "y"), found, tuple(values), _verdict(found, values)))
    return tuple(paths)


def surface_field(surface: Surface, points: int = 81) -> Field:
    """The surface on a grid over its window."""
    x = np.linspace(surface.window[0], surface.window[1], points)
    y = np.linspace(surface.window[2], surface.window[3], points)
    grid_x, grid_y = np.meshgrid(x, y)
    return Field(x, y, surface.function(torch.from_numpy(grid_x), torch.from_numpy(grid_y)).numpy())


# ---- the loss around a real net --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Landscape(Viewed):
    """The loss of a net on fixed images, over a plane (or a line) of weights through its own."""

    x: np.ndarray
    """Steps along the first direction, 0 is the net."""
    y: np.ndarray | None
    loss: np.ndarray
    """len(y) len(x), or len(x)."""
    accuracy: np.ndarray
    path: np.ndarray
    """Where earlier weights of the run lie in the plane, n 2; empty if none were given."""
    explained: float
    """Share of the path's movement that the plane shows; NaN without a path."""
    directions: str
    """"random, filter-normalised" or "principal components of the path"."""


def landscape(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    points: int = 21,
    radius: float = 1.0,
    seed: int = 0,
    line: bool = False,
    path: Sequence[Mapping[str, torch.Tensor]] = (),
) -> Landscape:
    """Loss and accuracy around the weights of `model`, on images B C H W and labels B.

    Directions are random and filter-normalised: each filter of the direction gets the length of the net's own filter,
    and biases and normalisation stay fixed (Li et al., Visualizing the loss landscape of neural nets, 2018, section 4).
    With `path`, state dictionaries from the run, the plane is that of the two principal components of their differences
    to the final weights (section 7.2), so that the optimiser's way can be drawn in it. The model is left as it was.
    """
    if points < 2 or radius <= 0:
        raise UsageError(
            f"a landscape needs at least 2 points and a positive radius, got {points} and {radius}",
            hint="21 points and radius 1 are usual",
        )
    names = [name for name, parameter in model.named_parameters() if parameter.dim() > 1]
    final = {name: parameter.detach().clone() for name, parameter in model.named_parameters() if name in set(names)}
    places, explained, words = np.zeros((0, 2)), math.nan, "random, filter-normalised"
    if path:
        directions, places, explained = _principal(path, final, names)
        words = "principal components of the path"
        span = max(float(np.abs(places).max()), 1e-9) * 1.3
        steps = np.linspace(-span, span, points)
    else:
        directions = [_filter_normalised(final, seed + i) for i in range(2)]
        steps = np.linspace(-radius, radius, points)
    rows = np.zeros(1) if line else steps
    loss, accuracy = np.zeros((len(rows), points)), np.zeros((len(rows), points))
    try:
        with evaluating(model), torch.no_grad():
            for i, b in enumerate(rows):
                for j, a in enumerate(steps):
                    for name, parameter in model.named_parameters():
                        if name in final:
                            parameter.copy_(
                                final[name] + float(a) * directions[0][name] + float(b) * directions[1][name]
                            )
                    logits = model(images)
                    loss[i, j] = float(F.cross_entropy(logits, labels))
                    accuracy[i, j] = float((logits.argmax(1) == labels).float().mean())
    finally:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in final:
                    parameter.copy_(final[name])
    if line:
        return Landscape(steps, None, loss[0], accuracy[0], places, explained, words)
    return Landscape(steps, steps, loss, accuracy, places, explained, words)


def _filter_normalised(final: Mapping[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, weight in final.items():
        noise = torch.randn(weight.shape, generator=generator).to(weight)
        length = weight.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1).clamp_min(1e-12)
        found[name] = noise * length.view(-1, *[1] * (weight.dim() - 1))
    return found


def _principal(
    path: Sequence[Mapping[str, torch.Tensor]], final: Mapping[str, torch.Tensor], names: Sequence[str]
) -> tuple[list[dict[str, torch.Tensor]], np.ndarray, float]:
    def flat(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
        missing = [name for name in names if name not in state or state[name].shape != final[name].shape]
        if missing:
            raise UsageError(
                f"the weights on the path do not fit the net: {missing[0]!r} is missing or has another shape",
                hint="the path is of another net: take the checkpoints of one run",
            )
        return torch.cat([state[name].detach().double().flatten() for name in names])

    end = flat(final)
    moves = torch.stack([flat(state) - end for state in path])
    _, lengths, axes = torch.linalg.svd(moves, full_matrices=False)
    if len(axes) < 2:
        axes = torch.cat([axes, torch.zeros_like(axes)])
    total = float((lengths**2).sum())
    explained = float((lengths[:2] ** 2).sum()) / total if total else math.nan
    directions = []
    for axis in axes[:2]:
        parts = axis.split([final[name].numel() for name in names])
        directions.append(
            {name: part.view(final[name].shape).to(final[name]) for name, part in zip(names, parts, strict=True)}
        )
    return directions, (moves @ axes[:2].T).numpy(), explained
