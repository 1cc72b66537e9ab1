"""A net's options as a user writes them, checked against what its builder says it takes: kinds, bounds, names.

>>> from hubel.models import card
>>> read_options("mlp", card("mlp").builder, {"hidden": "64,64", "dropout": 0.5})
{'hidden': (64, 64), 'dropout': 0.5}
>>> read_options("mlp", card("mlp").builder, {"hiden": 64})
Traceback (most recent call last):
    ...
hubel.errors.UsageError: model 'mlp' has no option 'hiden'
  did you mean 'hidden'?
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hubel.errors import UsageError
from hubel.models.own import SIZES
from hubel.registry import check_options

WHOLE, NUMBER, WORD, FLAG = "a whole number of at least 1", "a number of at least 0", "a word", "true or false"
SHARE = "a number from 0 to below 1"


def read_options(name: str, builder: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with values of the kinds that the builder of the net `name` declares.

    Several whole numbers may be one number, a list, or text: 64, [64, 64], "64,64", "(64, 64)". Raises UsageError for
    an option that the net has not (with near names), and for a value of another kind or out of bounds.
    """
    known = {key: entry for key, entry in inspect.signature(builder).parameters.items() if key not in SIZES}
    check_options(f"model {name!r}", options, sorted(known), else_="nothing more")
    return {option: _read(name, option, known[option], value) for option, value in options.items()}


def _read(name: str, option: str, entry: inspect.Parameter, value: Any) -> Any:
    """One value, by the words of the builder's annotation."""
    kind, optional = str(entry.annotation).removesuffix(" | None"), str(entry.annotation).endswith("| None")
    if value is None and optional:
        return None
    wanted = WORD
    read: Callable[[Any], Any] = _word
    if kind == "int":
        wanted, read = WHOLE, _whole
    elif kind == "float" and ("drop" in option):
        wanted, read = SHARE, _share
    elif kind == "float":
        wanted, read = NUMBER, _number
    elif kind == "bool":
        wanted, read = FLAG, _flag
    elif kind.startswith(("Sequence[int]", "tuple[int")):
        count = 0 if "..." in kind or kind.startswith("Sequence") else kind.count("int")
        wanted = f"{count or ''} whole numbers of at least 1".strip()
        read = partial(_whole_numbers, count=count)
    elif kind != "str":
        return value  # layer lists have a reader of their own
    try:
        return read(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"option {option!r} of model {name!r} must be {wanted}, got {value!r}",
            hint=f"for example --model-option {option}={_written(_example(entry, kind))}",
        ) from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError
    return value


def _share(value: Any) -> float:
    if not _number(value) < 1:
        raise ValueError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole_numbers(value: Any, count: int) -> tuple[int, ...]:
    if isinstance(value, str):
        if not re.fullmatch(r"[\[(]?[\d\s,]*[\])]?", value):
            raise ValueError
        value = [int(word) for word in re.findall(r"\d+", value)]
    numbers = tuple(_whole(part) for part in ([value] if isinstance(value, int) else value))
    if count and len(numbers) != count:
        raise ValueError
    return numbers


def _example(entry: inspect.Parameter, kind: str) -> Any:
    if entry.default not in (inspect.Parameter.empty, None, ()):
        return entry.default
    return {"int": 1, "float": 0.5, "bool": True}.get(kind, (64, 64))


def _written(value: Any) -> str:
    """As one writes it on the command line: (64, 64) as 64,64."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "()"
    return str(value).lower() if isinstance(value, bool) else str(value)
