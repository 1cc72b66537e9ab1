"""A space of settings: what each may be, as the user writes it, checked by the schema of the recipe.

    lr=1e-4..1e-1:log            a range, drawn evenly on a logarithmic axis; whole numbers where both ends are
    model=resnet20,mobilenet_v2  one of these
    augment=none,flip+erase=8    a value that is itself a list is written with +
    model_options.width=0.5,1    an option of every net;  quicknet.width=0.5,1  of one net only

>>> space = read_space(["lr=1e-4..1e-1:log", "batch_size=16..64", "augment=none,flip+erase=8"])
>>> [axis.written for axis in space.axes]
['0.0001..0.1:log', '16..64', 'none, flip,erase=8']
>>> drawn = space.draw(Random(0))
>>> 1e-4 <= drawn["lr"] <= 1e-1, drawn["augment"] in ("none", "flip,erase=8")
(True, True)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hubel.assembly.checks import check_names
from hubel.errors import UsageError
from hubel.models import CARDS
from hubel.recipes.form import field_of
from hubel.recipes.schema import compose, parse_value, read_file_of_names, setting_name

SEARCHED = (
    "model", "model_options", "dropout", "dropout_window", "initialise", "initialise_options", "zero_residuals",
    "preset", "optimizer", "lr", "momentum", "betas", "weight_decay", "layer_decay", "clip_grad", "ema", "schedule",
    "warmup_epochs", "schedule_options", "loss", "label_smoothing", "class_weights", "l1", "l2", "augment", "mixup",
    "cutmix", "views", "batch_size", "img_size", "fit", "interpolation",
)  # fmt: skip
"""What a space may hold: all that makes a net and how it learns. Data, splits and length are the same for all."""
OPTIONS = ("model_options", "initialise_options", "schedule_options")
EXAMPLE = "for example --space lr=1e-4..1e-1:log model=resnet20,mobilenet_v2"
_RANGE = re.compile(r"\s*([-+.\deE]+)\s*\.\.\s*([-+.\deE]+?)\s*(:log)?\s*")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One setting and what it may be: a few choices, or a range."""

    name: str
    """A setting ("lr"), an option of it ("model_options.width"), or an option of one net ("quicknet.width")."""
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    """A range of whole numbers."""

    @property
    def written(self) -> str:
        """As a user writes it."""
        if self.choices:
            return ", ".join(map(shown_value, self.choices))
        return f"{self.low:g}..{self.high:g}{':log' if self.log else ''}"

    @property
    def net(self) -> str:
        """The one net that the option belongs to; "" for what is there whatever the net."""
        head = self.name.partition(".")[0]
        return head if "." in self.name and head not in OPTIONS else ""

    def draw(self, random: Random) -> Any:
        """A value, each as likely as any other."""
        if self.choices:
            return random.choice(self.choices)
        if self.log:
            value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = random.uniform(self.low, self.high)
        return self.settle(value)

    def settle(self, value: float) -> float | int:
        """A number as it is tried: whole where it must be, else four figures, inside the ends."""
        if self.whole:
            return int(min(self.high, max(self.low, round(value))))
        return min(self.high, max(self.low, float(f"{value:.4g}")))

    def place(self, value: Any) -> float:
        """Where a value lies on the axis, 0 to 1; of choices its number among them."""
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        ends = (self.low, self.high, value)
        low, high, at = map(math.log, ends) if self.log else ends
        return (at - low) / (high - low)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values by which a net's smallest size is found: all choices, or both ends."""
        return self.choices or (self.settle(self.low), self.settle(self.high))


@dataclass(frozen=True, kw_only=True)
class Space:
    """All that may be tried."""

    axes: tuple[Axis, ...]

    def axis(self, name: str) -> Axis:
        """The axis called so."""
        return next(axis for axis in self.axes if axis.name == name)

    def draw(self, random: Random, *, default_net: str = "") -> dict[str, Any]:
        """A member: a value for each axis that matters, options of another net left out."""
        drawn = {axis.name: axis.draw(random) for axis in self.axes}
        return self.relevant(drawn, default_net)

    def relevant(self, values: Mapping[str, Any], default_net: str) -> dict[str, Any]:
        """Without options of nets that are not meant."""
        net = str(values.get("model", default_net))
        return {name: value for name, value in values.items() if self.axis(name).net in ("", net)}

    def settings(self, values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of the recipe that a member stands for, options joined with those of `base`."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            head, dot, option = name.partition(".")
            if not dot:
                found[name] = value
                continue
            setting = head if head in OPTIONS else "model_options"
            found.setdefault(setting, dict(base.get(setting) or {}))[option] = value
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` reads back."""
        return {
            axis.name: list(axis.choices)
            if axis.choices
            else {"low": axis.low, "high": axis.high, "log": axis.log, "whole": axis.whole}
            for axis in self.axes
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Space:
        """The space that `to_dict` wrote."""
        return cls(
            axes=tuple(
                Axis(name=name, choices=tuple(_frozen(each) for each in said))
                if isinstance(said, list)
                else Axis(name=name, **said)
                for name, said in found.items()
            )
        )


def read_space(words: Sequence[str]) -> Space:
    """The space of words such as "lr=1e-4..1e-1:log", or of one YAML file. Raises UsageError."""
    if len(words) == 1 and is_file(words[0]):
        return space_of(in_file(words[0]))
    found: dict[str, Any] = {}
    for word in words:
        name, equals, said = word.partition("=")
        if not equals and is_file(word):
            raise UsageError(
                f"a file holds the whole space, got {' '.join(words)}", hint=f"write all of it into {word}"
            )
        if not equals or not name.strip() or not said.strip():
            raise UsageError(f"a space is written name=values, got {word!r}", hint=EXAMPLE)
        if name.strip() in found:
            raise UsageError(f"{name.strip()!r} is given twice in the space", hint="give all its values in one word")
        found[name.strip()] = said
    return space_of(found)


def is_file(word: str) -> bool:
    """Does a word name a file that holds a whole space?"""
    return word.endswith((".yaml", ".yml"))


def in_file(path: str) -> dict[str, Any]:
    """What a YAML file says of a space, of settings or of nets. Raises UsageError."""
    return read_file_of_names(path, what="a space", flag="--space", example="lr: 1e-4..1e-1:log")


def space_of(found: Mapping[str, Any]) -> Space:
    """The space of a mapping: name -> "1e-4..1e-1:log", a list of values, or {low, high, log}. Raises UsageError."""
    if "kind" in found:
        raise UsageError(
            f"this is a space of nets (kind: {str(found['kind'])[:40]}), and settings are searched",
            hint="say how nets are searched: --nets evolution, beside --space FILE",
        )
    if not found:
        raise UsageError("a space needs at least one setting, got none", hint=EXAMPLE)
    axes = tuple(_axis(str(name), said) for name, said in found.items())
    names = [axis.name for axis in axes]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{twice!r} is given twice in the space, by different names", hint="leave one of them out")
    return Space(axes=axes)


def _axis(word: str, said: Any) -> Axis:
    name = _named(word)
    axis = _read(name, said)
    for value in axis.ends:
        _check(axis, value)
    return axis


def _named(word: str) -> str:
    """The one name of what is meant; raises UsageError for what a space cannot hold."""
    head, dot, option = word.replace("-", "_").partition(".")
    if dot and head in CARDS and option:
        return f"{head}.{option}"
    if dot and head in OPTIONS and option:
        return f"{head}.{option}"
    if head in CARDS:
        raise UsageError(f"{head} is a net, and no setting", hint=f"its options are {head}.OPTION: hubel models {head}")
    name = setting_name(word)
    if name in OPTIONS:
        raise UsageError(f"{name} is given option by option in a space", hint=f"for example --space {name}.width=0.5,1")
    if name in ("epochs", "time"):
        raise UsageError(
            f"a space cannot hold {name!r}: all trials have the same length", hint="--trial-epochs N says how long"
        )
    if name not in SEARCHED:
        why = "all trials have the same data, seed and length" if name not in ("from_", "teacher") else "it is fixed"
        raise UsageError(
            f"a space cannot hold {name.rstrip('_')!r}: {why}",
            hint=f"give it beside the space (--set {name.rstrip('_')}=…); what may vary: {', '.join(SEARCHED[:12])}, …",
        )
    return name


def _read(name: str, said: Any) -> Axis:
    if isinstance(said, Mapping):
        given = dict(said)
        wrong = [key for key in given if key not in ("low", "high", "log")]
        if wrong or "low" not in given or "high" not in given:
            raise UsageError(
                f"{name}: a range has low, high and log, got {', '.join(map(str, given))}", hint="low: 1e-4, high: 0.1"
            )
        return _range(name, given["low"], given["high"], log=bool(given.get("log")))
    if isinstance(said, (list, tuple)):
        return _choices(name, list(said))
    text = str(said).strip()
    found = _RANGE.fullmatch(text)
    if found:
        return _range(name, parse_value(found[1]), parse_value(found[2]), log=bool(found[3]))
    if ".." in text or text.endswith(":log"):
        raise UsageError(f"{name}: a range is written LOW..HIGH or LOW..HIGH:log, got {text!r}", hint=EXAMPLE)
    return _choices(name, [_value(name, part) for part in _parts(text)])


def _parts(text: str) -> list[str]:
    """Split at commas outside brackets.

    >>> _parts("[16, 8],32")
    ['[16, 8]', '32']
    """
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def _value(name: str, part: str) -> Any:
    listed = name in SEARCHED and field_of(name).kind == "words"
    return part.replace("+", ",") if listed and name == "augment" else parse_value(part)


def _choices(name: str, values: list[Any]) -> Axis:
    kept = tuple(dict.fromkeys(_frozen(",".join(map(str, v)) if name == "augment" and isinstance(v, list) else v)
                               for v in values))  # fmt: skip
    if not kept:
        raise UsageError(f"{name} has no value in the space", hint=EXAMPLE)
    return Axis(name=name, choices=kept)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _range(name: str, low: Any, high: Any, *, log: bool) -> Axis:
    for end in (low, high):
        if not isinstance(end, (int, float)) or isinstance(end, bool) or not math.isfinite(end):
            raise UsageError(f"{name}: the ends of a range are numbers, got {end!r}", hint=EXAMPLE)
    if not low < high:
        raise UsageError(f"{name}: a range goes from a smaller to a larger number, got {low:g}..{high:g}", hint=EXAMPLE)
    if log and low <= 0:
        raise UsageError(
            f"{name}: a logarithmic range begins above 0, got {low:g}", hint="leave :log out, or begin higher"
        )
    whole = isinstance(low, int) and isinstance(high, int) and not _takes_fractions(name)
    return Axis(name=name, low=float(low), high=float(high), log=log, whole=whole)


def _takes_fractions(name: str) -> bool:
    return name in SEARCHED and field_of(name).kind == "number"


def _check(axis: Axis, value: Any) -> None:
    """Raise UsageError for a value that no recipe takes."""
    if "." in axis.name:
        return  # options belong to a builder, which is asked when the net is counted
    if axis.name == "model" and not isinstance(value, str):
        raise UsageError(f"model must be a name, got {value!r}", hint="hubel models")
    try:
        recipe = compose({"data": "digits", axis.name: value})
        if axis.name in ("model", "optimizer", "schedule", "loss", "augment", "initialise"):
            check_names(recipe)
    except UsageError as error:
        raise UsageError(f"in the space, {axis.name}={shown_value(value)}: {error.what}", hint=error.hint) from None


def shown_value(value: Any) -> str:
    """A value in few signs.

    >>> shown_value(0.00031623), shown_value((64, 32)), shown_value(True)
    ('0.00031623', '[64, 32]', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(shown_value, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def in_words(values: Mapping[str, Any]) -> str:
    """A member of a space on one line; "" becomes the defaults.

    >>> in_words({"lr": 0.01, "model_options.width": 0.5}), in_words({})
    ('lr=0.01 model_options.width=0.5', 'the defaults')
    """
    return " ".join(f"{name}={shown_value(value)}" for name, value in values.items()) or "the defaults"
