"""Nets of one's own: registered for this process, or offered by an installed package. Loads no torch by itself.

A builder is a class or a function that makes a net for images B C H W with logits B K. It takes `num_classes`, and of
`in_chans` and `img_size` (H, W) those that it wants to know; its other arguments are options of the model.

>>> from torch import nn
>>> def tiny(num_classes, in_chans=3, width=8):
...     return nn.Sequential(nn.Conv2d(in_chans, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
...                          nn.Linear(width, num_classes))
>>> _ = register_model(tiny, title="a tiny net")
>>> from hubel.models import create_model
>>> net = create_model("tiny", num_classes=2, in_chans=1, width=4)
>>> net.stages, net.head
(('0',), '4')
>>> CARDS.remove("tiny")

A package offers one in its own pyproject.toml, by the name under which it is trained:

    [project.entry-points."hubel.models"]
    flowernet = "hubel_flowers.nets:flowernet"
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from hubel.errors import HubelError, UsageError
from hubel.models.cards import CARDS, Card
from hubel.registry import check_options

if TYPE_CHECKING:
    from torch import nn

Builder = TypeVar("Builder", bound=Callable[..., Any])

SIZES = ("num_classes", "in_chans", "img_size")
"""What hubel itself tells a builder; all else are options of the model."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
_OWN: set[str] = set()
"""Names that were registered in this process, which may be registered anew (a notebook's cell is run again)."""


@overload
def register_model(builder: Builder, *, name: str = ..., **facts: Any) -> Builder: ...


@overload
def register_model(builder: None = None, *, name: str = ..., **facts: Any) -> Callable[[Builder], Builder]: ...


def register_model(builder: Any = None, *, name: str = "", **facts: Any) -> Any:
    """Make a net of one's own known by name: to `train`, `summary`, `create_model`, and to its runs when they are read.

    `builder` is a class or a function (the module's page says what it takes); `name` is its own name in lower case
    unless given; `facts` are those of its card (`hubel.models.Card`): title, year, img_size, min_size, novelty, …
    It can stand before the class as a decorator. The builder is returned as it came.

    A run keeps the name and the options, no code: whoever reads the run registers the net first.
    Raises UsageError for what is no builder, a name that is taken or cannot be, and facts that no card has.
    """
    if builder is None:
        return lambda found: register_model(found, name=name, **facts)
    if not callable(builder) or (hasattr(builder, "forward") and not isinstance(builder, type)):
        raise UsageError(
            f"a model is registered as the class or the function that makes it, got {_called(builder)}",
            hint="hubel.register_model(MyNet), so that it can be made for any number of classes",
        )
    chosen = name or str(getattr(builder, "__name__", "")).lower()
    if not NAME.fullmatch(chosen) or chosen.endswith((".yaml", ".yml")):
        raise UsageError(
            f"a model's name must be letters, digits and _ . + -, got {chosen!r}",
            hint="hubel.register_model(MyNet, name='mynet')",
        )
    if chosen in CARDS and chosen not in _OWN:
        raise UsageError(f"the model {chosen!r} is there already", hint=f"give another name: my-{chosen}")
    known = [fact for fact in Card.__dataclass_fields__ if fact not in ("name", "builder_at", "find")]
    check_options("a card", facts, known, word="fact")
    put_down(builder, chosen, **facts)
    return builder


def put_down(builder: Callable[..., Any], name: str, **facts: Any) -> None:
    """File a builder under a name; raises UsageError for one that does not take `num_classes`."""
    _signature(builder, name)
    at = f"{getattr(builder, '__module__', '')}:{getattr(builder, '__qualname__', name)}"
    usual: dict[str, Any] = {"title": name, "year": 0, "reference": "", "novelty": "a net of your own"}
    _OWN.add(name)
    CARDS.replace(name, Card(name=name, builder_at=at, find=lambda: builder, **(usual | facts)))


def adopt(net: nn.Module | type[nn.Module]) -> str:
    """Make a module, or the class of one, known under its class's name (my-NAME where that is taken); returns it.

    A module is trained from the weights it has, and is itself left as it is: a copy learns.
    Raises UsageError for a class that does not take `num_classes`.

    >>> from torch import nn
    >>> adopt(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    'Sequential'
    >>> CARDS.remove("Sequential")
    """
    kind = net if isinstance(net, type) else type(net)
    name = kind.__name__ if kind.__name__ not in CARDS or kind.__name__ in _OWN else f"my-{kind.__name__}"
    builder: Callable[..., Any] = net if isinstance(net, type) else _copies(net)
    put_down(builder, name, title=kind.__name__, novelty="a net of your own, given to hubel.train")
    return name


def _copies(net: nn.Module) -> Callable[..., Any]:
    """A builder for a net that is there already, with as many outputs as it has."""

    def copy_of(num_classes: int | None = None) -> nn.Module:
        return copy.deepcopy(net)

    return copy_of


def takes_classes(thing: Callable[..., Any]) -> bool:
    """Does this class or function take `num_classes`, so that a net can be built with it?"""
    try:
        return "num_classes" in inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return False


def _called(thing: object) -> str:
    return f"a {type(thing).__name__}"


def _signature(builder: Callable[..., Any], name: str) -> Mapping[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(builder).parameters
    except (TypeError, ValueError):
        raise UsageError(f"the model {name!r} does not say what it takes", hint="wrap it into a function") from None
    if "num_classes" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise UsageError(
            f"the model {name!r} must take num_classes, and takes {', '.join(parameters) or 'nothing'}",
            hint=f"wrap it: def {_word(name)}(num_classes, in_chans=3): ...",
        )
    return parameters


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name)


def build(name: str, builder: Callable[..., Any], sizes: Mapping[str, Any], options: Mapping[str, Any]) -> nn.Module:
    """The net, with `stages` and `head` filled in where it does not name them.

    Raises UsageError for options it does not take, for what it refuses, and where no net comes out.
    """
    parameters = _signature(builder, name)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_all:
        check_options(f"model {name!r}", options, [p for p in parameters if p not in SIZES], else_="nothing more")
    told = {key: value for key, value in sizes.items() if key in parameters or takes_all}
    try:
        net = builder(**told, **options)
    except HubelError:
        raise
    except Exception as error:  # the code of others may fail in any way
        raise UsageError(
            f"the model {name!r}{CARDS.origin(name)} cannot be built so: {type(error).__name__}: {error}",
            hint=f"it was given {told | dict(options)}",
        ) from error
    if not hasattr(net, "named_modules"):
        raise UsageError(
            f"the model {name!r} must be a torch.nn.Module, its builder returned {_called(net)}",
            hint="its function must end with: return net",
        )
    return _named(cast("nn.Module", net))


def _named(net: nn.Module) -> nn.Module:
    """Fill in `head`, the last dense layer, and `stages`, the parts with weights before it in the order of the net."""
    if not getattr(net, "head", ""):
        dense = [name for name, module in net.named_modules() if hasattr(module, "out_features")]
        net.head = dense[-1] if dense else ""  # type: ignore[assignment]
    if not getattr(net, "stages", ()):
        last = str(net.head).partition(".")[0]
        found = [name for name, part in net.named_children() if name != last and any(True for _ in part.parameters())]
        net.stages = tuple(found)  # type: ignore[assignment]
    return net
