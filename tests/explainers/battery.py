"""Every explainer on a net of the catalogue: does it keep its promises, and is its map the one it should be?

    python tests/explainers/battery.py [--match "resnet*"] [--out docs/explain_contracts.md]

For each net and method the verdict is one of

    applies   maps of the right shape, finite, not constant, the same again; the model left bit for bit as it was found
    blank     the same, but constant for every class, and the result says so in a note
    refuses   UsageError with a reason, whose hint names methods, and those named do apply to the net
    broken    anything else

Where the method applies, its map is compared with a reference: Captum's where Captum has the method and can run the
net, else its formula written out as a loop. That comparison is made in double precision, so that it tells the method
from its rounding; "rounding" is how far the map in single precision lies from the one in double. Both differences are
relative to the largest value of the map.
"""

from __future__ import annotations

import argparse
import copy
import fnmatch
import json
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import GuidedBackprop, InputXGradient, IntegratedGradients, LayerGradCam, Occlusion, Saliency
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hubel.errors import UsageError
from hubel.explainers import EXPLAINERS, Attribution, attribute
from hubel.explainers.gradients import digest
from hubel.explainers.rise import draw
from hubel.models import CARDS, Card, create_model
from hubel.nn.maps import as_maps, spatial_layers
from hubel.runtime import environment, generator, seeded

CLOSE = 1e-5
"""The largest difference from a reference, relative to the largest value of the map."""
UNSETTLED = 0.1
"""Rounding from which a map is a matter of arithmetic: a fresh net may multiply it by more than any precision has."""
LARGEST = 200_000_000
"""Parameters beyond which a net is left out."""
CLASSES = 5
TARGETS = ([1, 3], [0, 2], [4, 1], [2, 4], [3, 0])
"""One for each of two images. A class activation map may rightly be empty for a class; it is not for all of these."""
SETTINGS: dict[str, dict[str, Any]] = {
    "rise": {"masks": 12, "cells": 4}, "smoothgrad": {"samples": 4}, "integrated-gradients": {"steps": 4},
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One method on one net."""

    net: str
    method: str
    word: str
    """applies, blank, refuses or broken."""
    why: str = ""
    """The reason of a refusal, or what is broken."""
    source: str = ""
    """Whose map it was compared with."""
    difference: float = float("nan")
    rounding: float = float("nan")
    seconds: float = 0.0

    @property
    def settled(self) -> bool:
        """Does single precision suffice for this map of this net?"""
        return not self.rounding > UNSETTLED

    @property
    def wrong(self) -> bool:
        """Broken, or not the map it should be."""
        return self.word == "broken" or (self.settled and self.difference > CLOSE)


def nets() -> list[str]:
    """The nets under contract: every architecture that is not too large to build; first the cheapest of each file."""
    names = sorted((name for name, card in CARDS.items() if (card.params or 0) < LARGEST), key=cost)
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(CARDS[name].builder_at.partition(":")[0], name)
    return [*first.values(), *(name for name in names if name not in first.values())]


def cost(name: str) -> float:
    """About how many multiply-accumulates a small image takes."""
    card = CARDS[name]
    shrunk = (int(side(card)) / card.img_size) ** 2 if isinstance(card.img_size, int) else 1.0
    return (card.macs or 200 * (card.params or 0)) * shrunk


def side(card: Card) -> int | tuple[int, int]:
    """A small size that the net takes."""
    if card.img_size is None or isinstance(card.img_size, tuple):
        return card.img_size or 0
    return max(min(32, card.img_size), card.min_size)


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A net with odd flags, which must survive, and two images (B F for nets over points)."""
    card, size = CARDS[name], side(CARDS[name])
    with seeded(0):
        net = create_model(name, num_classes=CLASSES, in_chans=card.in_chans, img_size=card.img_size and size)
        height, width = (size, size) if isinstance(size, int) else size
        shape = (2, card.in_chans, height, width) if size else (2, card.in_chans)
        images = torch.randn(shape)
        # As spread as the images are with SmoothGrad's noise: beyond what it was settled on, a deep net multiplies.
        _settle(net, 1.6 * torch.randn(8, *shape[1:]))
    net.train()
    for child in list(net.children())[:1]:
        child.eval()
    for parameter in list(net.parameters())[:1]:
        parameter.requires_grad_(False)
    return net, images


def _settle(net: nn.Module, images: torch.Tensor) -> None:
    """Let batch normalisation measure its statistics, without which many random nets answer all images alike."""
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the plain mean over the passes
    net.train()
    with torch.no_grad():
        for _ in range(2 if norms else 0):
            net(images)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def state(model: nn.Module) -> tuple[Any, ...]:
    """Everything about a model that an explanation could disturb, but for the values of its tensors."""
    hooks = [name for name in vars(nn.Module()) if name.endswith("_hooks")]
    return (
        [(name, module.training, getattr(module, "inplace", None)) for name, module in model.named_modules()],
        [(name, p.requires_grad, p.grad is None) for name, p in model.named_parameters()],
        [(hook, len(getattr(module, hook, ()))) for module in model.modules() for hook in hooks],
        [sorted(vars(module)) for module in model.modules()],
    )


def settings_for(method: str, model: nn.Module, images: torch.Tensor) -> dict[str, Any]:
    """Small numbers where a method has them."""
    if method == "score-cam":
        layers = spatial_layers(model, images)  # the narrowest layer: each of its maps takes a pass
        return {"layer": min(layers, key=lambda name: layers[name][0])} if layers else {}
    if method.startswith("occlusion"):
        patch = max(1, min(images.shape[2:]) // 3)
        return {"patch": patch, "stride": max(1, patch - 2)} if method == "occlusion" else {"patch": patch}
    return SETTINGS.get(method, {})


def judge(name: str) -> list[Verdict]:
    """All methods on one net."""
    net, images = build(name)
    bench = Bench(name, net, images)
    found = {method: bench.judged(method) for method in EXPLAINERS}
    usable = {method for method, verdict in found.items() if verdict.word in ("applies", "blank")}
    for method, verdict in found.items():
        if verdict.word == "refuses":
            named = [other for other in EXPLAINERS if other in _words(verdict.why.partition("; ")[2])]
            wrong = [other for other in named if other not in usable]
            if images.ndim == 4 and (not named or wrong):
                told = f"names {', '.join(wrong)}, which cannot be used either" if wrong else "names no method that can"
                found[method] = Verdict(name, method, "broken", f"the refusal {told}: {verdict.why}")
    return list(found.values())


def _words(text: str) -> set[str]:
    return set(text.replace(",", " ").replace(";", " ").replace(":", " ").split())


class Bench:
    """A net, how it was found, and its copies in double precision: one for our methods, one for the references."""

    def __init__(self, name: str, net: nn.Module, images: torch.Tensor) -> None:
        self.name, self.net, self.images = name, net, images
        self.state = state(net)
        self.tensors = [tensor.detach().clone() for tensor in (*net.parameters(), *net.buffers())]
        self.double = copy.deepcopy(net).double().eval()
        self.plain = copy.deepcopy(self.double).requires_grad_(False)
        for module in self.plain.modules():
            if hasattr(module, "inplace"):
                module.inplace = False

    def judged(self, method: str) -> Verdict:
        """One method: applied or refused, and the net as it was."""
        started = time.perf_counter()
        try:
            verdict = self._applied(method)
        except UsageError as refusal:
            verdict = Verdict(self.name, method, "refuses", f"{refusal.what}; {refusal.hint}")
        except Exception as error:
            verdict = Verdict(self.name, method, "broken", f"{type(error).__name__}: {error}")
        changed = self._changed()
        if changed:
            verdict = Verdict(self.name, method, "broken", f"changed the model: {', '.join(changed)}")
        return replace(verdict, seconds=time.perf_counter() - started)

    def _changed(self) -> list[str]:
        what = ("modes", "gradient flags", "hooks", "attributes")
        found = [word for word, a, b in zip(what, self.state, state(self.net), strict=True) if a != b]
        now = (*self.net.parameters(), *self.net.buffers())
        same = all(torch.equal(a, b) for a, b in zip(self.tensors, now, strict=True))
        return found if same else [*found, "values"]

    def _applied(self, method: str) -> Verdict:
        net, images = self.net, self.images
        settings: dict[str, Any] = settings_for(method, net, images) if images.ndim == 4 else {}
        for targets in TARGETS:
            found = attribute(net, images, method=method, target=targets, **settings)
            if np.ptp(found.maps) > 0:
                break
        again = attribute(net, images, method=method, target=targets, **settings)
        silent = not np.ptp(found.maps) > 0
        faults = {
            f"the shape is {found.maps.shape}": found.maps.shape != (2, *images.shape[2:]),
            f"the type is {found.maps.dtype}": found.maps.dtype != np.float32,
            "not finite": not np.isfinite(found.maps).all(),
            "constant, and no word about it": silent and "the same everywhere" not in found.note,
            "negative, but not signed": not found.signed and (found.maps < -1e-6 * np.abs(found.maps).max()).any(),
            "another map the second time": not np.array_equal(found.maps, again.maps),
            "the layer is not named": bool(found.layer) != EXPLAINERS.get(method).layer,
            "other targets": found.targets != tuple(targets),
        }
        if any(faults.values()):
            return Verdict(self.name, method, "broken", "; ".join(fault for fault, holds in faults.items() if holds))
        exact = attribute(self.double, images.double(), method=method, target=targets, **settings)
        source, reference = self._reference(method, torch.tensor(targets), exact, settings)
        apart = float("nan") if reference is None else distance(exact.maps, _enlarged(reference, images))
        word = "blank" if silent else "applies"
        return Verdict(self.name, method, word, "", source, apart, distance(found.maps, exact.maps))

    def _reference(
        self, method: str, targets: torch.Tensor, found: Attribution, settings: dict[str, Any]
    ) -> tuple[str, torch.Tensor | None]:
        """(whose, B h w): the map as others compute it, from a copy without operations in place."""
        make = REFERENCES.get(method)
        if make is None:
            return "", None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Captum says about hooks and gradients
            return make(self.plain, self.images.double().requires_grad_(), targets, found, settings)


def distance(map_: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference relative to the largest value."""
    apart = float(np.abs(map_.astype(np.float64) - wanted).max())
    return apart / float(np.abs(wanted).max()) if apart else 0.0


def _enlarged(maps: torch.Tensor, images: torch.Tensor) -> np.ndarray:
    if maps.shape[1:] != images.shape[2:]:
        maps = F.interpolate(maps[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return maps.detach().numpy()


def _grad_cam(
    net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any
) -> tuple[str, torch.Tensor | None]:
    layer = dict(net.named_modules())[found.layer]
    values = LayerGradCam(net, layer).attribute(x, y, relu_attributions=True)
    if values.ndim == 4:
        return "Captum", values[:, 0]
    a, g = _maps_and_gradients(net, x, y, found.layer)  # tokens, which Captum averages along another axis
    return "formula", (g.mean((2, 3), keepdim=True) * a).sum(1).relu()


def _maps_and_gradients(
    net: nn.Module, x: torch.Tensor, y: torch.Tensor, layer: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Captum's activations and gradients of a layer, B C h w."""
    module = dict(net.named_modules())[layer]
    gradients, outputs = compute_layer_gradients_and_eval(net, module, x, y)
    a, g = as_maps(outputs[0].detach()), as_maps(gradients[0].detach())
    assert a is not None
    assert g is not None
    return a, g


def _grad_cam_plus_plus(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any) -> Any:
    a, g = (part.numpy() for part in _maps_and_gradients(net, x, y, found.layer))
    maps = np.zeros((a.shape[0], *a.shape[2:]))
    for b, c in np.ndindex(a.shape[:2]):
        below = 2 * g[b, c] ** 2 + (a[b, c] * g[b, c] ** 3).sum()
        alpha = np.where((g[b, c] != 0), g[b, c] ** 2 / np.where(below == 0, 1, below), 0)
        maps[b] += (alpha * np.maximum(g[b, c], 0)).sum() * a[b, c]
    return "formula", torch.from_numpy(np.maximum(maps, 0))


def _hires_cam(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any) -> Any:
    a, g = _maps_and_gradients(net, x, y, found.layer)
    return "Captum", torch.einsum("bchw,bchw->bhw", a, g).relu()


def _layer_cam(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any) -> Any:
    a, g = _maps_and_gradients(net, x, y, found.layer)
    return "Captum", torch.einsum("bchw,bchw->bhw", a, g.relu()).relu()


def _score_cam(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any) -> Any:
    a, _g = _maps_and_gradients(net, x, y, found.layer)
    rows = []
    with torch.no_grad():
        for image, maps, target in zip(x, a, y.tolist(), strict=True):
            scores = []
            for one in maps:
                spread = one.max() - one.min()
                mask = (one - one.min()) / spread if spread > 0 else torch.zeros_like(one)
                mask = F.interpolate(mask[None, None], x.shape[2:], mode="bilinear", align_corners=False)
                scores.append(net(image[None] * mask)[0, target])
            rows.append((torch.stack(scores).softmax(0)[:, None, None] * maps).sum(0).relu())
    return "formula", torch.stack(rows)


def _smoothgrad(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, settings: Any) -> Any:
    rows = []
    for image, target in zip(x.detach(), y.tolist(), strict=True):
        noise = torch.randn(settings["samples"], *image.shape, generator=generator(0, digest(image))).to(image)
        total = torch.zeros_like(image)
        for part in noise:
            leaf = (image + 0.15 * (image.max() - image.min()) * part)[None].requires_grad_()
            net(leaf)[0, target].backward()
            total += leaf.grad[0]
        rows.append((total / len(noise)).abs().amax(0))
    return "formula", torch.stack(rows)


def _rise(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, settings: Any) -> Any:
    rows = []
    with torch.no_grad():
        for image, target in zip(x, y.tolist(), strict=True):
            source = generator(0, digest(image))
            masks = draw(settings["masks"], settings["cells"], 0.5, image.shape[1:], source).to(image)
            scores = torch.stack([net((image * mask)[None]).softmax(1)[0, target] for mask in masks])
            shown = masks[:, 0].sum(0).clamp_min(1e-9)
            rows.append((scores[:, None, None] * masks[:, 0]).sum(0) / shown - scores.mean())
    return "formula", torch.stack(rows)


def _occlusion(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, settings: Any) -> Any:
    channels, patch, stride = x.shape[1], settings["patch"], settings["stride"]
    with torch.no_grad():
        values = Occlusion(net).attribute(
            x.detach(), (channels, patch, patch), (channels, stride, stride), baselines=0.0, target=y
        )
    return "Captum", values[:, 0]


def _integrated(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, settings: Any) -> Any:
    values = IntegratedGradients(net).attribute(x, 0.0, y, n_steps=settings["steps"], method="gausslegendre")
    return "Captum", values.sum(1)


class _ReLUs(TorchFunctionMode):
    """Counts the ReLUs of a pass, however they are spelt, and who reads each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.readers: Counter[int] = Counter()
        self.alive: list[Any] = []  # tensors are told apart by id

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        spelt = getattr(func, "__name__", "")
        self.count += spelt in ("relu", "relu_", "relu6") or spelt.startswith("hardtanh")
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):  # others only ask for a shape or a type
            parts = [part for arg in args for part in (arg if isinstance(arg, (list, tuple)) else [arg])]
            tensors = [part for part in parts if isinstance(part, torch.Tensor)]
            self.readers.update(id(tensor) for tensor in tensors)
            self.alive += tensors
        return result


class _Guided(torch.autograd.Function):
    """A ReLU whose gradient passes only where it is positive."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.clamp_min(0) * (ctx.saved_tensors[0] > 0)


def _guided(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any) -> Any:
    """Captum's, where each ReLU of a pass is a module of its own; others it passes by.

    Captum cuts the gradient at the input of a ReLU. Where others read the same value, more ReLUs (NASNet) or a short
    cut (Xception), that cuts the sum of their gradients too; there the ReLUs are replaced one by one.
    """
    calls: Counter[str] = Counter()
    read: list[torch.Tensor] = []
    relus = {name: module for name, module in net.named_modules() if isinstance(module, nn.ReLU)}

    def see(name: str, inputs: tuple[torch.Tensor, ...]) -> None:
        calls[name] += 1
        read.append(inputs[0])

    handles = [
        module.register_forward_pre_hook(lambda module, inputs, name=name: see(name, inputs))
        for name, module in relus.items()
    ]
    with _ReLUs() as counted, torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    if counted.count != len(calls) or any(times > 1 for times in calls.values()):
        return "", None
    if all(counted.readers[id(value)] == 1 for value in read):
        return "Captum", GuidedBackprop(net).attribute(x, y).abs().amax(1)
    twin = copy.deepcopy(net)
    for module in twin.modules():
        if isinstance(module, nn.ReLU):
            module.forward = _Guided.apply
    (gradient,) = torch.autograd.grad(twin(x).gather(1, y[:, None]).sum(), x)
    return "formula", gradient.abs().amax(1)


class _Queries(TorchFunctionMode):
    """Keeps the attention of each call, softmax(q k' / sqrt(d)), from outside the net."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[torch.Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            q, k = args[:2]
            self.maps.append((q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).detach())
        return func(*args, **(kwargs or {}))


def _attention(net: Any, x: torch.Tensor, y: torch.Tensor, found: Attribution, _: Any) -> Any:
    with _Queries() as seen, torch.no_grad():
        net(x)
    if not seen.maps:
        return "", None
    tokens = seen.maps[0].shape[-1]
    flow = torch.eye(tokens, dtype=x.dtype).expand(len(x), -1, -1)
    for maps in seen.maps:
        step = (maps.mean(1) + torch.eye(tokens, dtype=x.dtype)) / 2
        flow = step @ flow
    row = (seen.maps[-1].mean(1) if found.method == "attention-raw" else flow)[:, 0, 1:]
    grid = int(row.shape[1] ** 0.5)
    return "formula", row.reshape(len(x), grid, grid)


REFERENCES: dict[str, Callable[..., tuple[str, torch.Tensor | None]]] = {
    "grad-cam": _grad_cam,
    "grad-cam++": _grad_cam_plus_plus,
    "hires-cam": _hires_cam,
    "layer-cam": _layer_cam,
    "score-cam": _score_cam,
    "saliency": lambda net, x, y, *_: ("Captum", Saliency(net).attribute(x, y).amax(1)),
    "gradient-x-input": lambda net, x, y, *_: ("Captum", InputXGradient(net).attribute(x, y).sum(1)),
    "smoothgrad": _smoothgrad,
    "integrated-gradients": _integrated,
    "guided-backprop": _guided,
    "occlusion": _occlusion,
    "rise": _rise,
    "attention-raw": _attention,
    "attention-rollout": _attention,
}
"""Without one: DeepLIFT, which is Captum's own, and occlusion-fast, which is approximate by intent."""


def table(verdicts: list[Verdict]) -> str:
    """A row for each method."""
    lines = [
        "| method | applies | blank | refuses | compared with | largest difference | rounding, median and largest |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in EXPLAINERS:
        own = [verdict for verdict in verdicts if verdict.method == method]
        words = Counter(verdict.word for verdict in own)
        against = Counter(verdict.source for verdict in own if verdict.source)
        apart = [verdict.difference for verdict in own if verdict.source and verdict.settled]
        rounding = [verdict.rounding for verdict in own if verdict.word == "applies"]
        cells = [
            f"`{method}`", *(str(words[word]) for word in ("applies", "blank", "refuses")),
            ", ".join(f"{whose} {count}" for whose, count in sorted(against.items())) or "–",
            f"{max(apart):.1e}" if apart else "–",
            f"{np.median(rounding):.0e}, {max(rounding):.0e}" if rounding else "–",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def reasons(verdicts: list[Verdict]) -> str:
    """Why methods refuse, and how many nets each reason concerns."""
    counted: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        if verdict.word == "refuses":
            counted[verdict.method, _general(verdict.why)] += 1
    return "\n".join(f"- `{method}`, {count} nets: {why}" for (method, why), count in sorted(counted.items()))


def _general(why: str) -> str:
    """A reason without the names of one net's modules."""
    if " is called " in why:
        return "deeplift cannot be used: a module is called more than once in a pass"
    head = why.partition(";")[0]
    return head.partition(" (")[0] if " (" in head else head


def unsettled(verdicts: list[Verdict]) -> str:
    """Maps that single precision does not settle, and how far they lie from their references all the same."""
    return "\n".join(
        f"- `{verdict.method}` on `{verdict.net}`: rounding {verdict.rounding:.0e}"
        + (f", difference {verdict.difference:.0e}" if verdict.source else "")
        for verdict in verdicts
        if not verdict.settled
    )


def page(verdicts: list[Verdict]) -> str:
    """What was found, as a page of the documentation."""
    on_points = {verdict.net for verdict in verdicts if CARDS[verdict.net].img_size is None}
    kept = [verdict for verdict in verdicts if verdict.net not in on_points]
    where = f"{len({v.net for v in kept})} nets, torch {environment()['torch']}, {platform.machine()}"
    missing = [name for name in nets() if name not in {verdict.net for verdict in verdicts}]
    where += f"; not run: {', '.join(missing)}" if missing else ""
    parts = {"table": table(kept), "unsettled": unsettled(kept) or "None.", "reasons": reasons(kept)}
    return PAGE.format(where=where, points=len(on_points), **parts)


def main() -> int:
    """Run the battery, print a line for each net, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="*")
    parser.add_argument("--out", type=Path, help="the page to write")
    parser.add_argument("--log", type=Path, help="verdicts so far, a line each: nets in it are not judged again")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    verdicts: list[Verdict] = []
    if wanted.log and wanted.log.exists():
        verdicts = [Verdict(**json.loads(line)) for line in wanted.log.read_text().splitlines()]
    known = {verdict.net for verdict in verdicts}
    for name in fnmatch.filter(nets(), wanted.match):
        if name in known:
            continue
        try:
            own = judge(name)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        verdicts += own
        if wanted.log:
            with wanted.log.open("a") as log:
                log.writelines(json.dumps(asdict(verdict)) + "\n" for verdict in own)
        words = Counter(verdict.word for verdict in own)
        apart = max((verdict.difference for verdict in own if verdict.source), default=float("nan"))
        seconds = sum(verdict.seconds for verdict in own)
        print(f"{name:28}{dict(words)!s:46}{apart:9.1e} {seconds:6.1f} s", flush=True)
        for verdict in own:
            if verdict.wrong:
                print(f"    {verdict.method:22}{verdict.word} {verdict.difference:.1e} {verdict.why}", flush=True)
        if wanted.out:
            wanted.out.write_text(page(verdicts))
    print(table(verdicts))
    print(reasons(verdicts))
    return int(any(verdict.wrong for verdict in verdicts))


PAGE = """# Every explainer on every net

{where}; written by `make explain-contracts`.

Each method runs on each net of the catalogue with fewer than 200 million parameters, at a small size and with random
weights. It *applies* when its maps have the right shape, are finite, not constant and the same again. It is *blank*
when no place speaks for any class by that method, and the result says so. It *refuses* with a reason whose hint names
methods, and those named can be used. In each case the model is left bit for bit as it was found. The {points} nets that
read points instead of pictures are refused by every method and are not counted.

Differences are relative to the largest value of a map. The comparison is made in double precision; rounding is how far
the map in single precision, which users get, lies from that in double.

{table}

`deeplift` is computed by Captum itself, and `occlusion-fast` is approximate by intent. `guided-backprop` is compared
where every ReLU is a module of its own, since Captum passes by all others.

## Where single precision does not settle the map

A fresh net of many layers can multiply rounding until nothing else is left. Where single and double precision differ by
more than a tenth of the largest value, the difference from the reference is told here and is not part of the table.

{unsettled}

## Why methods refuse

{reasons}
"""


if __name__ == "__main__":
    sys.exit(main())
