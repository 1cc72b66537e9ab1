"""Presets: a few settings under one word. What the user says himself stands above them, what they leave open is chosen.

    fast       what `hubel.assembly.choices` chooses anyway: the shortest honest path
    accurate   a wider net, three times as long, with cut-out
    tiny       a sixteenth of the weights, twice as long
    paper      how the net's own paper trained it, as far as the paper says

A paper's recipe belongs to its data set and its machines: ImageNet on many GPUs, or hundreds of epochs of CIFAR-10. It
is here to be compared with, and to be started from with fewer epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hubel.errors import UsageError


@dataclass(frozen=True)
class Paper:
    """What a paper says about training; what it does not say is not here."""

    source: str
    settings: dict[str, Any] = field(default_factory=dict)


_HALF_AND_THREE_QUARTERS = {"schedule": "step", "schedule_options": {"gamma": 0.1, "milestones": [0.5, 0.75]}}
_FLIP_AND_CROP = ("flip", "translate=4:black")

_ALEXNET = Paper(
    "Krizhevsky, Sutskever, Hinton, NIPS 2012, section 5",
    {"optimizer": "momentum", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 128, "epochs": 90,
     "schedule": "plateau"},
)  # fmt: skip
_ZFNET = Paper(
    "Zeiler, Fergus, arXiv:1311.2901, section 3",
    {"optimizer": "momentum", "lr": 0.01, "momentum": 0.9, "batch_size": 128, "epochs": 70, "schedule": "plateau"},
)
_VGG = Paper(
    "Simonyan, Zisserman, arXiv:1409.1556, section 3.1",
    {"optimizer": "momentum", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 256, "epochs": 74,
     "schedule": "plateau"},
)  # fmt: skip
_RESNET = Paper(
    "He et al., arXiv:1512.03385, section 3.4",
    {"optimizer": "momentum", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 256, "epochs": 120,
     "schedule": "plateau"},
)  # fmt: skip
_RESNET_CIFAR = Paper(
    "He et al., arXiv:1512.03385, section 4.2",
    {"optimizer": "momentum", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 128, "epochs": 164,
     "augment": _FLIP_AND_CROP, **_HALF_AND_THREE_QUARTERS},
)  # fmt: skip
_PREACT = Paper(
    "He et al., arXiv:1603.05027, appendix",
    {**_RESNET_CIFAR.settings, "warmup_epochs": 1.0},
)
_WIDE = Paper(
    "Zagoruyko, Komodakis, arXiv:1605.07146, section 3",
    {"optimizer": "nesterov", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 128, "epochs": 200,
     "augment": _FLIP_AND_CROP, "schedule": "step",
     "schedule_options": {"gamma": 0.2, "milestones": [0.3, 0.6, 0.8]}},
)  # fmt: skip
_RESNEXT = Paper(
    "Xie et al., arXiv:1611.05431, section 4",
    {"optimizer": "momentum", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 256, "epochs": 90,
     "schedule": "step", "schedule_options": {"gamma": 0.1, "milestones": [1 / 3, 2 / 3]}},
)  # fmt: skip
_SE = Paper(
    "Hu et al., arXiv:1709.01507, section 6",
    {"optimizer": "momentum", "lr": 0.6, "momentum": 0.9, "batch_size": 1024, "epochs": 100, "schedule": "step",
     "schedule_options": {"gamma": 0.1, "milestones": [0.3, 0.6, 0.9]}},
)  # fmt: skip
_DENSENET = Paper(
    "Huang et al., arXiv:1608.06993, section 4.2",
    {"optimizer": "nesterov", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 256, "epochs": 90,
     "schedule": "step", "schedule_options": {"gamma": 0.1, "milestones": [1 / 3, 2 / 3]}},
)  # fmt: skip
_DENSENET_CIFAR = Paper(
    "Huang et al., arXiv:1608.06993, section 4.2",
    {"optimizer": "nesterov", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 64, "epochs": 300,
     "augment": _FLIP_AND_CROP, **_HALF_AND_THREE_QUARTERS},
)  # fmt: skip
_SHAKE = Paper(
    "Gastaldi, arXiv:1705.07485, section 2",
    {"lr": 0.2, "batch_size": 128, "epochs": 1800, "optimizer": "momentum", "schedule": "cosine",
     "augment": _FLIP_AND_CROP},
)  # fmt: skip
_FRACTAL = Paper(
    "Larsson, Maire, Shakhnarovich, arXiv:1605.07648, section 4",
    {"optimizer": "momentum", "lr": 0.02, "momentum": 0.9, "batch_size": 100, "epochs": 400, "schedule": "step",
     "schedule_options": {"gamma": 0.1, "milestones": [0.5, 0.75, 0.875, 0.9375]}},
)  # fmt: skip
_SQUEEZE = Paper("Iandola et al., arXiv:1602.07360, section 3", {"lr": 0.04, "optimizer": "momentum",
                 "schedule": "linear"})  # fmt: skip
_SHUFFLE = Paper(
    "Zhang et al., arXiv:1707.01083, section 4",
    {"optimizer": "momentum", "lr": 0.5, "weight_decay": 4e-5, "batch_size": 1024, "epochs": 240,
     "schedule": "linear"},
)  # fmt: skip
_XCEPTION = Paper(
    "Chollet, arXiv:1610.02357, section 4",
    # 0.94 every second epoch is exp(-0.0309) an epoch
    {"optimizer": "momentum", "lr": 0.045, "momentum": 0.9, "weight_decay": 1e-5, "schedule": "exponential",
     "schedule_options": {"decay": 0.0309}},
)  # fmt: skip
_VIT = Paper(
    "Dosovitskiy et al., arXiv:2010.11929, table 3 (ImageNet)",
    {"optimizer": "adamw", "lr": 3e-3, "weight_decay": 0.3, "batch_size": 4096, "epochs": 300, "warmup_epochs": 32.0,
     "schedule": "cosine", "dropout": 0.1, "clip_grad": 1.0},
)  # fmt: skip

PAPERS: dict[str, Paper] = {
    **dict.fromkeys(("alexnet2012", "alexnet"), _ALEXNET),
    "zfnet": _ZFNET,
    **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19"), _VGG),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "plain18", "plain34"), _RESNET),
    **dict.fromkeys(("resnet20", "resnet32", "resnet44", "resnet56", "plain20", "plain32", "plain44", "plain56"),
                    _RESNET_CIFAR),
    # "we start with 0.01 to warm up", 400 steps of 128
    "resnet110": Paper(_RESNET_CIFAR.source, {**_RESNET_CIFAR.settings, "warmup_epochs": 1.0}),
    **dict.fromkeys(("preact_resnet110", "preact_resnet164", "preact_resnet1001", "resnet110_bn_after_add",
                     "resnet110_relu_before_add", "resnet110_relu_preact"), _PREACT),
    **dict.fromkeys(("wrn_16_4", "wrn_16_8", "wrn_40_4", "wrn_28_10"), _WIDE),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"), _RESNEXT),
    **dict.fromkeys(("se_resnet18", "se_resnet34", "se_resnet50", "se_resnet101", "se_resnet152",
                     "se_resnext50_32x4d"), _SE),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201", "densenet264"), _DENSENET),
    **dict.fromkeys(("densenet_bc100_k12", "densenet_bc250_k24", "densenet_bc190_k40"), _DENSENET_CIFAR),
    **dict.fromkeys(("shake_shake26_2x32d", "shake_shake26_2x96d"), _SHAKE),
    "fractalnet20": _FRACTAL,
    **dict.fromkeys(("squeezenet1_0", "squeezenet1_1"), _SQUEEZE),
    **dict.fromkeys(("shufflenet_v1_g1", "shufflenet_v1_g2", "shufflenet_v1_g3", "shufflenet_v1_g4",
                     "shufflenet_v1_g8"), _SHUFFLE),
    "xception": _XCEPTION,
    **dict.fromkeys(("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32"), _VIT),
}  # fmt: skip
"""The nets whose papers tell a recipe that the settings here can express, and that recipe."""

ACCURATE, TINY = {"width": 1.5}, {"width": 0.25}
LONGER = {"accurate": 3, "tiny": 2}
"""How many times the usual epochs."""


def preset_settings(name: str, *, model: str | None, side: int) -> tuple[dict[str, Any], str]:
    """The settings that a preset brings, and why; `model` is what the user named, `side` the picture's in pixels.

    Raises UsageError where the preset has nothing to say about that net.

    >>> preset_settings("paper", model="wrn_16_8", side=32)[0]["lr"]
    0.1
    >>> preset_settings("paper", model="mnist_cnn", side=28)
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: no paper's recipe is known for 'mnist_cnn'
      leave --preset out, or take one of the 65 nets such as resnet20 or vgg16
    """
    if name == "paper":
        return _paper(model)
    if name == "fast":
        return {}, ""
    if model not in (None, "quicknet") and name == "tiny":
        raise UsageError(
            f"preset 'tiny' chooses the net, and {model!r} was asked for", hint="leave out --model or --preset"
        )
    settings: dict[str, Any] = {}
    if model in (None, "quicknet"):
        settings["model_options"] = ACCURATE if name == "accurate" else TINY
    if name == "accurate" and side >= 16:
        settings["erase"] = f"erase={3 * side // 8}"
    return settings, f"preset {name}"


def _paper(model: str | None) -> tuple[dict[str, Any], str]:
    if model is None:
        raise UsageError("preset 'paper' needs a net with a paper", hint="e.g. --model resnet20 --preset paper")
    known = PAPERS.get(model)
    if known is None:
        raise UsageError(
            f"no paper's recipe is known for {model!r}",
            hint=f"leave --preset out, or take one of the {len(PAPERS)} nets such as resnet20 or vgg16",
        )
    return dict(known.settings), known.source
