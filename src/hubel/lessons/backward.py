"""Back-propagation, step by step: how an answer changes with each number of a pass, and how that came about.

A number matters through the numbers it went into: its gradient is the sum of their gradients, each times how much they
change with it (the chain rule). `go_back` lets torch compute all gradients of a `Scene`, `write_back` adds up one of
them again, in double precision, from those of the next operations.

>>> from torch import nn
>>> from hubel.lessons.scene import observe
>>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
>>> for layer, rows in ((net[0], [[1.0, 2], [3, -4]]), (net[2], [[5.0, 6], [7, 8]])):
...     _ = layer.weight.data.copy_(torch.tensor(rows))
>>> back = go_back(observe(net, torch.ones(1, 2)), 1)
>>> [gradient.tolist() for gradient in back.gradients]
[[[7.0, 0.0]], [[7.0, 8.0]], [[0.0, 1.0]]]
>>> print(write_back(back, 1, (1,)).text)
0·6 + 1·8 = 8
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hubel.errors import UsageError
from hubel.lessons.scene import PICTURE, Part, Scene
from hubel.lessons.working import Term, Written, in_products

WEIGHED = frozenset({"conv2d", "conv_transpose2d", "linear", "mm", "addmm", "matmul", "bmm"})
"""Operations whose slopes are called weights."""
MOST_WAYS = 512
"""Ways back that are gone one by one for a single number."""


@dataclass(frozen=True, eq=False)
class Backward:
    """The way back through a scene."""

    scene: Scene
    target: int
    """Of which logit."""
    gradients: tuple[torch.Tensor | None, ...]
    """Of each part, shaped as its output; None where the answer does not depend on it."""
    picture: torch.Tensor | None
    """Of the picture, 1 C H W."""
    users: tuple[tuple[int, ...], ...] = field(repr=False)
    """The parts that took each part."""
    answer: int = field(repr=False)
    """The part that is the answer."""


def go_back(scene: Scene, target: int) -> Backward:
    """How logit number `target` changes with every number of a pass, by torch's autograd over the same operations.

    Raises UsageError for a logit that is not there, and for a net whose answer no operation gave.
    """
    logits = scene.answer.shape[-1] if isinstance(scene.answer, torch.Tensor) and scene.answer.dim() == 2 else 0
    if not 0 <= target < logits:
        raise UsageError(f"there is no logit {target}", hint=f"they are counted from 0 to {logits - 1}")
    answer = scene.source_of(scene.answer)
    if answer is None or answer < 0:
        raise UsageError("the answer of this net comes from no operation, so there is no way back")
    values: list[torch.Tensor] = []
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        picture = scene.picture.detach().clone().requires_grad_()
        for group in _groups(scene):
            values += _again(scene, group, picture, values)
        found = torch.autograd.grad(values[answer].reshape(-1)[target], [*values, picture], allow_unused=True)
    users: list[list[int]] = [[] for _ in scene.parts]
    for part in scene.parts:
        for source in dict.fromkeys(part.sources):
            if source != PICTURE:
                users[source].append(part.index)
    return Backward(scene, target, found[:-1], found[-1], tuple(map(tuple, users)), answer)


def _groups(scene: Scene) -> Iterator[list[Part]]:
    """Parts that one call made, together: what is split has several."""
    group: list[Part] = []
    for part in scene.parts:
        if group and part.arguments is not group[0].arguments:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _again(
    scene: Scene, group: Sequence[Part], picture: torch.Tensor, values: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """The same operation on the numbers of the way back, which know what they came from."""

    def replaced(tensor: torch.Tensor) -> torch.Tensor:
        source = scene.source_of(tensor)
        if source is None:
            return tensor.clone() if tensor.is_inference() else tensor.detach()
        found = picture if source == PICTURE else values[source]
        return found if found.shape == tensor.shape else found.reshape(tensor.shape)

    return _outputs(group[0], {name: _mapped(value, replaced) for name, value in group[0].arguments.items()})


def _outputs(part: Part, arguments: dict[str, Any]) -> list[torch.Tensor]:
    """What the operation gives, numbers only; what would be overwritten is a copy."""
    if part.operator._schema.is_mutable:
        first = part.operator._schema.arguments[0].name
        arguments = {**arguments, first: arguments[first].clone()}
    result = part.operator(**arguments)
    found = list(result) if isinstance(result, (tuple, list)) else [result]
    return [each for each in found if isinstance(each, torch.Tensor) and each.dtype.is_floating_point]


def _mapped(value: Any, each: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return each(value)
    return [_mapped(one, each) for one in value] if isinstance(value, (list, tuple)) else value


def write_back(back: Backward, part: int, place: Sequence[int]) -> Written:
    """The gradient at a place of a part, written out: those of the numbers it went into, each times its slope.

    `value` is torch's, `result` is added up here; a term's `weight` is how much the later number changes with this one.
    Raises UsageError for a part or a place that is not there, or that the answer does not depend on.
    """
    scene = back.scene
    found, whole = scene.find(part, place)
    gradient = back.gradients[part]
    if gradient is None:
        raise UsageError(f"the answer does not depend on {found.title}", hint="choose an operation before it")
    where = tuple(place)
    value, title = float(gradient[whole]), f"gradient of {found.title} at {where}"
    if part == back.answer:
        own = float(where[-1] == back.target)
        text = f"{own:g}: it {'is' if own else 'is not'} the answer that is asked about"
        return Written(title, value, own, text, (text,), ())
    terms: list[Term] = []
    for user in back.users[part]:
        slopes = slopes_of(scene, user, part, whole) if back.gradients[user] is not None else None
        if slopes is None:
            if back.gradients[user] is None:
                continue
            text = f"{scene.parts[user].title}: not taken apart; torch gives {value:.4g}"
            return Written(title, value, value, text, (text,), (), apart=False)
        terms += _terms(scene.parts[user], back.gradients[user], slopes)
    line, total = in_products(terms)
    line = line or "it changes nothing that comes after it"
    text = f"{line} = {total:.4g}".replace("-", "−")
    after = " and ".join(dict.fromkeys(scene.parts[user].title for user in back.users[part]))
    kind = "weight" if all(scene.parts[user].name in WEIGHED for user in back.users[part]) else "slope"
    what = f"each number of {after} that it went into: its gradient times the {kind} between them"
    last = f"sum of {len(terms)} products = {total:.4g}".replace("-", "−")
    return Written(title, value, total, text, (what, line, last), tuple(terms))


def _terms(user: Part, gradient: torch.Tensor | None, slopes: torch.Tensor) -> Iterator[Term]:
    assert gradient is not None
    for at in slopes.nonzero().tolist():
        where = tuple(at)
        yield Term(float(gradient[where]), float(slopes[where]), user.index, where[1:] if user.batched else where)


def slopes_of(scene: Scene, user: int, part: int, place: tuple[int, ...]) -> torch.Tensor | None:
    """How every number of an operation changes with one that it took, in double precision; None where torch cannot say.

    `place` is that in the output of `part`, the batch of one in front.
    """
    taker, taken = scene.parts[user], scene.parts[part].output
    mates = [each for each in scene.parts if each.arguments is taker.arguments]
    number = mates.index(taker)

    def arguments(own: torch.Tensor) -> dict[str, Any]:
        def replaced(tensor: torch.Tensor) -> torch.Tensor:
            if scene.source_of(tensor) == part:
                return own if own.shape == tensor.shape else own.reshape(tensor.shape)
            plain = tensor.clone() if tensor.is_inference() else tensor.detach()
            return plain.double() if plain.dtype.is_floating_point else plain

        return {name: _mapped(value, replaced) for name, value in taker.arguments.items()}

    def make(own: torch.Tensor) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            return _outputs(taker, arguments(own))[number]

    with torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        for way in (_at_once, _one_by_one):
            with suppress(NotImplementedError, RuntimeError):
                return way(make, taken.clone().double().requires_grad_(), place)
    return None


Make = Callable[[torch.Tensor], torch.Tensor]


def _at_once(make: Make, start: torch.Tensor, place: tuple[int, ...]) -> torch.Tensor:
    """The way back is linear in what comes back: its derivative by that is how numbers change on the way there."""
    result = make(start)
    given = torch.zeros_like(result, requires_grad=True)
    (back,) = torch.autograd.grad(result, start, given, create_graph=True)
    return torch.autograd.grad(back[place], given)[0].detach()


def _one_by_one(make: Make, start: torch.Tensor, place: tuple[int, ...]) -> torch.Tensor:
    """The same where torch knows no derivative of the way back: a way back for each number that changes at all."""
    with torch.no_grad():
        moved = start.clone()
        moved[place] += 1e-3
        changed = (make(moved) != make(start)).nonzero().tolist()
    if len(changed) > MOST_WAYS:
        raise NotImplementedError(f"{len(changed)} ways back")
    result = make(start)
    found = torch.zeros_like(result).detach()
    for each in map(tuple, changed):
        (gradient,) = torch.autograd.grad(result[each], start, retain_graph=True)
        found[each] = gradient[place]
    return found
