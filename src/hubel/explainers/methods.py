"""All explainers by name, and `attribute`, which runs one of them on any net.

Each is a function (model, images B C H W, targets B, *, own settings) -> Raw. The registry also says what it needs and
how its maps are to be read, so that a table of them, the command line and the contract tests need no list of their own.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import HubelError, UsageError
from hubel.explainers import attention, cams, gradients, occlusion, rise
from hubel.explainers.attribution import Attribution, Raw
from hubel.nn.scores import Target, checked_images, chosen, logits_of, pick, probabilities_of
from hubel.registry import Registry, adopt, check_options


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """One method: its function and how to read its maps."""

    run: Callable[..., Raw]
    signed: bool
    """Positive is evidence for the class, negative against it; otherwise importance, from 0 up."""
    layer: bool = False
    """It reads the maps of one layer, which can be chosen."""
    needs: str = "any net"
    passes: int = 3
    """About how many passes of the net a picture takes; with gradients one counts as three."""
    question: str
    """What the map answers, in words."""


EXPLAINERS = Registry[Explainer](
    "explainer",
    listing="hubel explain --methods",
    group="hubel.explainers",
    adopt=adopt(Explainer, "a hubel.explainers.Explainer"),
)

EXPLAINERS.add(
    "grad-cam",
    Explainer(
        run=cams.grad_cam,
        signed=False,
        layer=True,
        needs="a layer with maps",
        question="Which places of the last maps speak for the class?",
    ),
)
EXPLAINERS.add(
    "grad-cam++",
    Explainer(
        run=cams.grad_cam_plus_plus,
        signed=False,
        layer=True,
        needs="a layer with maps",
        question="The same, when an object appears several times.",
    ),
)
EXPLAINERS.add(
    "hires-cam",
    Explainer(
        run=cams.hires_cam,
        signed=False,
        layer=True,
        needs="a layer with maps",
        question="What does each place of the last maps add to the score?",
    ),
)
EXPLAINERS.add(
    "layer-cam",
    Explainer(
        run=cams.layer_cam,
        signed=False,
        layer=True,
        needs="a layer with maps",
        question="Which places of a layer, also an early one, speak for the class?",
    ),
)
EXPLAINERS.add(
    "score-cam",
    Explainer(
        run=cams.score_cam,
        signed=False,
        layer=True,
        needs="a layer with maps",
        passes=300,
        question="Which maps keep the score when only what they show is left? No gradients.",
    ),
)
EXPLAINERS.add(
    "saliency",
    Explainer(
        run=gradients.saliency, signed=False, question="Which pixels change the score most when they change a little?"
    ),
)
EXPLAINERS.add(
    "gradient-x-input",
    Explainer(
        run=gradients.gradient_x_input, signed=True, question="A first guess at what each pixel adds to the score."
    ),
)
EXPLAINERS.add(
    "smoothgrad", Explainer(run=gradients.smoothgrad, signed=False, passes=96, question="Saliency without its noise.")
)
EXPLAINERS.add(
    "integrated-gradients",
    Explainer(
        run=gradients.integrated_gradients,
        signed=True,
        passes=150,
        question="What does each pixel add to the score, compared with a grey image? The map sums to the difference.",
    ),
)
EXPLAINERS.add(
    "guided-backprop",
    Explainer(
        run=gradients.guided_backprop,
        signed=False,
        needs="a net with ReLUs",
        question="Which lines and edges reach the class's unit? Sharp, but says little about the class.",
    ),
)
EXPLAINERS.add(
    "deeplift",
    Explainer(
        run=gradients.deeplift,
        signed=True,
        needs="activations that are modules, each called once",
        passes=8,
        question="What does each pixel add to the score, compared with a grey image? One backward pass.",
    ),
)
EXPLAINERS.add(
    "occlusion",
    Explainer(
        run=occlusion.occlusion,
        signed=True,
        passes=180,
        question="How much does the score drop when this part is covered?",
    ),
)
EXPLAINERS.add(
    "occlusion-fast",
    Explainer(
        run=occlusion.occlusion_fast,
        signed=True,
        passes=40,
        question="How much does the score drop when this part is covered? Some patches measured, the rest foreseen.",
    ),
)
EXPLAINERS.add(
    "rise",
    Explainer(
        run=rise.rise,
        signed=True,
        passes=1000,
        question="How much more probable is the class when this pixel is visible?",
    ),
)
EXPLAINERS.add(
    "attention-rollout",
    Explainer(
        run=attention.rollout,
        signed=False,
        needs="attention with a square grid of tokens",
        question="Which patches reach the class token through all attention layers? The same for every class.",
    ),
)
EXPLAINERS.add(
    "attention-raw",
    Explainer(
        run=attention.raw,
        signed=False,
        layer=True,
        needs="attention with a square grid of tokens",
        question="Which patches does the class token attend to in one layer? The same for every class.",
    ),
)


def attribute(
    model: nn.Module,
    images: torch.Tensor,
    *,
    method: str = "grad-cam",
    target: Target = None,
    several: bool = False,
    **settings: Any,
) -> Attribution:
    """Explain the score of a class on each image by the method of that name.

    `model` is any torch module that maps images B C H W to logits B K; it is run in evaluation mode and left as it was
    found, also after an exception. `target` is a class index, one for each image, or None for the predicted class.
    `several`: several labels may hold of a picture, and the probability of each is the sigmoid of its logit. `settings`
    are the method's own (`layer=`, `patch=`, `steps=`, `seed=`, ...).

    Raises UnknownName for the method, UsageError for targets, layers and settings that cannot be, and where the method
    does not apply to the net.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> result = attribute(net, torch.rand(1, 1, 8, 8), method="grad-cam", target=1)
    >>> result.maps.shape, result.layer, result.targets
    ((1, 8, 8), '1', (1,))
    """
    explainer = EXPLAINERS.get(method)
    _check_settings(method, explainer, settings)
    images = checked_images(model, images)
    logits = logits_of(model, images)
    targets = chosen(logits, target)
    started = time.perf_counter()
    try:
        raw = explainer.run(model, images, targets, **settings, **_told_of(explainer, several))
    except Exception as error:
        origin = EXPLAINERS.origin(method)
        if not origin or isinstance(error, HubelError):
            raise
        raise UsageError(  # the code of others may fail in any way, and it is theirs that does
            f"the explainer {method!r}{origin} fails: {type(error).__name__}: {error}", hint="choose another method"
        ) from error
    seconds = time.perf_counter() - started
    maps = raw.maps.detach()
    note = raw.note or _blank(maps)
    if maps.shape[1:] != images.shape[2:]:
        maps = F.interpolate(maps[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return Attribution(
        method=method,
        maps=maps.float().cpu().numpy().astype(np.float32),
        signed=explainer.signed,
        targets=tuple(targets.tolist()),
        scores=tuple(pick(logits, targets).tolist()),
        probabilities=tuple(pick(probabilities_of(logits, several=several), targets).tolist()),
        layer=raw.layer,
        seconds=seconds,
        details=dict(raw.details),
        note=note,
    )


def _blank(maps: torch.Tensor) -> str:
    """A sentence for maps that say nothing, which would otherwise look like a fault."""
    low, high = maps.flatten(1).aminmax(dim=1)
    blank = int((low == high).sum())
    if not blank:
        return ""
    where = "the map is" if len(maps) == 1 else f"{blank} of {len(maps)} maps are"
    return f"{where} the same everywhere: by this method no place speaks for the class more than another"


def _told_of(explainer: Explainer, several: bool) -> dict[str, bool]:
    """The argument by which a method that looks at probabilities learns that several labels may hold; {} for others."""
    return {"several": True} if several and "several" in inspect.signature(explainer.run).parameters else {}


def _check_settings(method: str, explainer: Explainer, settings: dict[str, Any]) -> None:
    known = [name for name in list(inspect.signature(explainer.run).parameters)[3:] if name != "several"]
    check_options(f"method {method!r}", settings, known, word="setting")
