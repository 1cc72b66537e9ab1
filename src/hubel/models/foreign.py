"""Nets of timm under our contract, called timm/NAME; timm is a package of its own, imported when a net is built.

The attribute "timm/NAME" of this module is the builder of timm's NAME, for any name that timm knows.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from hubel.errors import MissingExtra, UsageError, unknown


def build(
    timm_name: str, *, num_classes: int, in_chans: int, img_size: tuple[int | None, int | None], **options: Any
) -> nn.Module:
    """timm's net with `stages` (its feature_info) and `head` (its classifier) as our nets have them.

    Raises MissingExtra without timm, UnknownName for a name timm does not know, UsageError for what it refuses.
    """
    try:
        import timm
    except ImportError:
        raise MissingExtra(
            f"the model timm/{timm_name} needs the package 'timm', which is not installed", hint="pip install timm"
        ) from None
    known = timm.list_models()
    if timm_name not in known:
        raise unknown("model of timm", timm_name, known)
    arguments = {"num_classes": num_classes, "in_chans": in_chans, **options}
    try:
        try:
            # Transformers need the size when they are built; convolutional nets do not know the word.
            net: nn.Module = timm.create_model(timm_name, img_size=img_size, **arguments)
        except TypeError:
            net = timm.create_model(timm_name, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise UsageError(
            f"timm cannot build {timm_name!r} so: {error}", hint="leave options out, or give another --img-size"
        ) from None
    names = {name for name, _ in net.named_modules()}
    told = [str(entry["module"]) for entry in getattr(net, "feature_info", [])]
    head = str(getattr(net, "default_cfg", {}).get("classifier", "head"))
    top = [name for name, _ in net.named_children() if name != head.partition(".")[0]]
    net.stages = tuple(name for name in told if name in names) or tuple(top)  # type: ignore[assignment]
    net.head = head  # type: ignore[assignment]
    return net


def __getattr__(name: str) -> Any:
    library, slash, net = name.partition("/")
    if library != "timm" or not slash:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(build, net)
