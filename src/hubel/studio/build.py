"""The page Build: a net as a list of layers, read by the house's own reader after each change."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml

from hubel.anatomy.listed import lay_out
from hubel.errors import UsageError
from hubel.models.layerlist import read_text
from hubel.models.layers import DIGITS
from hubel.models.layervalues import usage
from hubel.models.layerwords import HOLDERS, LAYERS
from hubel.nn.activations import ACTIVATIONS
from hubel.store import RunStore
from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import FOLDER, spoken
from hubel.studio.keeping import class_name
from hubel.verbs.train import described, foresee

MOST = 1000
"""Letters of the longest layer, and entries of the longest list."""
LARGEST = 4096
"""Pixels of a side, channels and classes that a net is laid out for."""
GROUPS = {
    "Windows": ("conv", "depthwise", "separable", "spatial", "standardised", "transposed", "upsample"),
    "Pooling": ("maxpool", "avgpool", "minpool", "globalpool", "globalmax", "adaptive"),
    "Dense": ("flatten", "dense"),
    "Norms and drop-out": (
        "batchnorm", "layernorm", "pixelnorm", "groupnorm", "lrn", "dropout", "dropout2d", "alphadropout",
    ),
    "Channels": ("squeeze_excite", "shuffle", "maxout"),
    "Layers that hold layers": ("residual", "concat", "branches", "repeat"),
}  # fmt: skip
"""Where each word of a layer list stands on the page; activations come behind them."""
_SAME = "conv 16 3x3 padding=same"
FIRST: dict[str, Any] = {
    "conv": _SAME, "depthwise": "depthwise 3 padding=same", "separable": "separable 16 3x3 padding=same",
    "spatial": "spatial 16", "standardised": "standardised 16 3x3 padding=same", "transposed": "transposed 16",
    "dense": "dense 64", "dropout": "dropout 0.3", "groupnorm": "groupnorm 4", "maxpool": "maxpool 2",
    "avgpool": "avgpool 2", "residual": {"residual": [_SAME, "batchnorm", "relu", _SAME, "batchnorm"]},
    "concat": {"concat": ["conv 8 3x3 padding=same", "relu"]},
    "branches": {"branches": [["conv 8 1x1", "relu"], ["conv 8 3x3 padding=same", "relu"]]},
    "repeat": {"repeat 2": [_SAME, "relu"]},
}  # fmt: skip
"""What a word begins as where it cannot stand alone, or is better with values."""
STARTS: dict[str, list[Any]] = {
    "The digits' net": list(DIGITS),
    "Small and quick": [
        "conv 16 3x3 padding=same", "batchnorm", "relu", "maxpool 2", "conv 32 3x3 padding=same", "batchnorm", "relu",
        "globalpool", "dense K",
    ],
    "Residual blocks": [
        "conv 16 3x3 padding=same", "batchnorm", "relu",
        {"repeat 2": [{"residual": [_SAME, "batchnorm", "relu", _SAME, "batchnorm"]}, "relu"]},
        {"residual": ["conv 32 3x3 stride=2 padding=1", "batchnorm", "relu", "conv 32 3x3 padding=same", "batchnorm"]},
        "relu", "globalpool", "dense K",
    ],
    "Paths side by side": [
        "conv 16 3x3 padding=same", "relu",
        {"branches": [["conv 8 1x1", "relu"], ["conv 16 3x3 padding=same", "relu"],
                      ["maxpool 3 stride=1 padding=1", "conv 8 1x1", "relu"]]},
        "maxpool 2", {"concat": ["conv 16 3x3 padding=same", "relu"]}, "globalpool", "dense K",
    ],
    "Dense layers only": ["flatten", "dense 64", "relu", "dropout 0.3", "dense 32", "relu", "dense K"],
}  # fmt: skip


def words(asked: Asked) -> dict[str, Any]:
    """All words of a layer list with how they are written, and nets to begin with."""
    about = {
        **{word: (usage(word), _about(layer)) for word, layer in LAYERS.items()},
        **{word: (f"{word}: [...]", _about(holder)) for word, holder in HOLDERS.items()},
        "branches": ("branches: [[...], [...]]", _about(HOLDERS["branches"])),
        "repeat": ("repeat TIMES: [...]", "Layers that come several times, each with weights of its own."),
    }
    grouped = {
        title: [
            {"word": word, "usage": about[word][0], "about": about[word][1], "first": FIRST.get(word, word)}
            for word in names
        ]
        for title, names in GROUPS.items()
    }
    left = [name for name in ACTIVATIONS if name not in ("step", "maxout")]
    activations = [{"word": name, "usage": name, "about": "An activation.", "first": name} for name in left]
    return {"groups": {**grouped, "Activations": activations}, "starts": STARTS}


def _about(layer: Any) -> str:
    return (inspect.getdoc(layer) or "").split("\n")[0]


def sizes(asked: Asked) -> dict[str, Any]:
    """The pictures of a data set as a net would get them: channels, height, width; and how many classes they have."""
    found = described(foresee(asked.studio.places.source(asked.word("data")), {"out": str(asked.studio.places.runs)}))
    if found.img_size is None:
        raise UsageError("these data are points or numbers, and blocks are built for pictures", hint="digits has some")
    return {"shape": [found.in_chans, *found.img_size], "classes": found.num_classes}


def _net(said: Mapping[str, Any]) -> tuple[list[Any], tuple[int, ...], int]:
    """The list, the shape of the pictures and the number of classes that a page says."""
    shape, classes = said.get("shape", [1, 28, 28]), said.get("classes", 10)
    numbers = [*shape, classes] if isinstance(shape, list) and len(shape) == 3 else []
    if not numbers or not all(type(each) is int and 1 <= each <= LARGEST for each in numbers):
        raise UsageError(
            f"a net is laid out for channels, height, width and classes of 1 to {LARGEST:,}", hint="1x28x28, 10 classes"
        )
    layers = read_text(str(said["text"])) if said.get("text") else said.get("layers")
    if not isinstance(layers, list) or len(layers) > MOST:
        raise UsageError(f"a net is a list of at most {MOST:,} layers", hint="write what comes often as: repeat N")
    return layers, (shape[0], shape[1], shape[2]), classes


def lay(asked: Asked) -> dict[str, Any]:
    """What each layer of a list makes, learns, costs and sees; the list as YAML and in PyTorch; what does not fit."""
    said = asked.said
    layers, shape, classes = _net(said)
    found = lay_out(layers, in_shape=shape, num_classes=classes)
    return {**asdict(found), "list": layers, "yaml": as_yaml(layers)}


def as_yaml(layers: list[Any]) -> str:
    """A layer list as a file for `--model`.

    >>> print(as_yaml(["conv 8 3x3", {"residual": ["relu"]}]), end="")
    layers:
    - conv 8 3x3
    - residual:
      - relu
    """
    return yaml.safe_dump({"layers": layers}, sort_keys=False, default_flow_style=False, allow_unicode=True, width=200)


def keep(asked: Asked) -> dict[str, Any]:
    """Write the list as a file that `--model` takes; one of another content is never written over."""
    said = asked.said
    layers, shape, classes = _net(said)
    found = lay_out(layers, in_shape=shape, num_classes=classes)
    if found.unfit is not None:
        raise UsageError(found.unfit.reason, hint=found.unfit.hint)
    name, text = class_name(str(said.get("name") or "my-net").removesuffix(".yaml")), as_yaml(layers)
    folder = asked.studio.places.runs / FOLDER / "nets"
    folder.mkdir(parents=True, exist_ok=True)
    number, path = 1, folder / f"{name}.yaml"
    while path.exists() and path.read_text(encoding="utf-8") != text:
        number += 1
        path = folder / f"{name}-{number}.yaml"
    if not path.exists():
        RunStore(folder).write_text(path.name, text)
    shown = asked.studio.places.spoken(path)
    data = str(said.get("data") or "digits")
    return {"path": shown, "command": spoken(["train", data, "--model", shown])}


ROUTES = [
    Route("words", words), Route("sizes", sizes), Route("lay", lay, "POST"), Route("keep", keep, "POST"),
]  # fmt: skip
