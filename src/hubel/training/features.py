"""What a frozen net sees, computed once: the vectors that enter its head, kept on disk for every later fit.

    cache/features/KEY.safetensors     train.0, train.1, …: one N F tensor a view;  val: M F
    cache/features/KEY.json            the facts the key stands for, and the digest of the tensors

The key is a digest of everything the numbers depend on: the weights below the head, the wiring, the pictures and who is
in which split, the preprocessing, the arithmetic, the views. `hubel.training.kept` reads and writes the files.

On a processor with instructions for bf16 the training pictures are looked at in bf16, where a trial on a few of them
shows that it pays and sees the same (`quicker`). The validation pictures, by which heads are compared, are looked at in
float32, as the net will answer.

Letters: N training pictures, M validation pictures, V views, F features, K classes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.checkpoint.tensors import as_bytes
from hubel.data import cache
from hubel.data.augment import build_augment, mirrors
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.preprocessing import Preprocessing
from hubel.models.heads import AllStages, MLPHead
from hubel.nn.fuse import fused, pairs
from hubel.nn.modes import evaluating
from hubel.nn.taps import find_module, pooled, record, watch
from hubel.training import kept
from hubel.training.kept import Facts

BATCH, BATCH_PIXELS = 128, 1 << 19
"""Pictures at once, and their pixels on a processor: enough to keep it busy, few enough for its cache and memory."""
GAIN = 1.15
"""How many times faster bf16 must be to be worth its coarser numbers."""
ALIKE = 0.05
"""How far what is seen in bf16 may be from what is seen in float32, as a share of it: EfficientNet-Lite0 is 0.04 away
on photographs, which cost no accuracy that showed (docs/transfer.md); more was not measured."""
TRIED, ROUNDS = 8, 3
"""Pictures of a trial at most, and how often each arithmetic takes its turn."""
WORTH = 5e6
"""Pixels below which all is seen before a trial has paid."""
PLAIN, MIRROR = "plain", "mirror"


@dataclass(frozen=True, kw_only=True)
class Request(Facts):
    """Everything that features depend on; `rows` are those of the training and of the validation split."""

    weights: str
    """SHA-256 of all tensors below the head."""
    architecture: str
    """Name and options: the same weights, wired otherwise, see other things."""
    preprocessing: str
    precision: str
    views: tuple[str, ...]
    seed: int
    torch: str = torch.__version__


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """The inputs of a head, on the CPU, float32."""

    train: torch.Tensor
    """V N F."""
    train_labels: torch.Tensor
    """N, or N K where each of K labels may hold."""
    val: torch.Tensor
    """M F."""
    val_labels: torch.Tensor
    """M, or M K."""
    key: str = ""
    cached: bool = False
    """Whether they were on the disk already."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a frozen net has seen of samples in one pass."""

    stages: Mapping[str, torch.Tensor]
    """N F each: what a stage puts out, averaged over its maps."""
    last: torch.Tensor
    """N F: what entered the head."""

    def entering(self, model: nn.Module) -> torch.Tensor | None:
        """What would have entered the head of `model`, the same net with another head; None where that was not seen.

        A head over all stages takes each of them and what the old head took, and a dense one the latter alone.
        """
        if isinstance(model, AllStages):
            return torch.cat([*(self.stages[stage] for stage in model.read), self.last], dim=1)
        head = find_module(model, str(model.head))
        return self.last if isinstance(head, nn.Linear) and head.in_features == self.last.shape[1] else None


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """In which numbers a frozen net computes."""

    precision: torch.dtype = torch.float32
    gain: float = 1.0
    """How many times as fast as in float32."""
    reason: str = ""
    """Of a trial; "" where none was made."""

    @property
    def name(self) -> str:
        """As the recipe has it."""
        return {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(self.precision, "fp32")


def weights_digest(model: nn.Module, *, without: str = "") -> str:
    """SHA-256 over names, types, shapes and values of the state of `model`, leaving out the module called `without`.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> before = weights_digest(net, without="1")
    >>> _ = net[1].weight.data.zero_()
    >>> weights_digest(net, without="1") == before, len(before)
    (True, 64)
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if without and name.startswith(f"{without}."):
            continue
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\0".encode())
        digest.update(as_bytes(plain))
    return digest.hexdigest()


def views_of(count: int, chain: Sequence[str]) -> tuple[str, ...]:
    """What the views are: the picture, its mirror image where the chain of augmentations has one, then the chain.

    >>> views_of(3, ["flip", "translate=2"]), views_of(2, ["translate=1"])
    (('plain', 'mirror', 'flip,translate=2'), ('plain', 'translate=1'))
    """
    words = [word for word in chain if word != "none"]
    first = (PLAIN, MIRROR) if mirrors(words) else (PLAIN,)
    return (first + (",".join(words) or "none",) * max(0, count - len(first)))[:count]


def collect(
    model: nn.Module,
    decoded: Decoded,
    train: np.ndarray,
    val: np.ndarray,
    *,
    request: Request,
    preprocessing: Preprocessing | None,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    channels_last: bool = True,
    progress: Callable[[int, int], None] | None = None,
    labels: np.ndarray | None = None,
    known: torch.Tensor | None = None,
) -> Features:
    """The features of the rows `train` in every view and of the rows `val` as they are: from the disk, else computed.

    `precision` is that of the training rows; those of `val` are looked at in float32, as the net will answer. `labels`:
    of every row of `decoded`, where they are more than a class or a number each. `known`: what is known already of the
    first view. The model is left as it was. A disk that takes nothing costs the cache, not the result.
    """
    started = time.perf_counter()
    counts = {f"train.{number}": len(train) for number in range(len(request.views))} | {"val": len(val)}
    found = kept.read(folder(), request, counts)
    cached = found is not None
    if found is None:
        total, done = len(train) * len(request.views) + len(val), 0
        found = {}
        for name, rows, view in (
            *((f"train.{number}", train, view) for number, view in enumerate(request.views)),
            ("val", val, PLAIN),
        ):
            number = int(name.partition(".")[2] or 0)
            if name == "train.0" and known is not None:
                found[name], done = known, done + len(known)
                continue
            reading = batches(
                decoded, rows, preprocessing=preprocessing, batch_size=at_once(decoded, device),
                seed=request.seed, epoch=number,
                augment=_augment(view), device=device, channels_last=channels_last,
            )  # fmt: skip
            parts = []
            how = precision if name != "val" else torch.float32
            for part in head_inputs(model, (batch.images for batch in reading), precision=how):
                parts.append(part)
                done += len(part)
                if progress is not None:
                    progress(done, total)
            found[name] = torch.cat(parts) if parts else torch.zeros(0, found["train.0"].shape[1])
        kept.write(folder(), request, found)
    labels = decoded.labels if labels is None else labels
    return Features(
        train=torch.stack([found[f"train.{number}"] for number in range(len(request.views))]),
        train_labels=torch.from_numpy(labels[train]),
        val=found["val"],
        val_labels=torch.from_numpy(labels[val]),
        key=request.key,
        cached=cached,
        seconds=time.perf_counter() - started,
    )


def at_once(decoded: Decoded, device: torch.device) -> int:
    """Pictures that a frozen net looks at together: on a processor so few that their maps stay in its cache."""
    places = int(np.prod(decoded.images.shape[2:]))
    most = BATCH if device.type != "cpu" else max(1, min(BATCH, BATCH_PIXELS // max(1, places)))
    return reading_size(decoded, most)


def quicker(model: nn.Module, images: torch.Tensor) -> Arithmetic:
    """The arithmetic in which a frozen net looks at pictures like these.

    bf16 where the processor has instructions for it, where it is faster by GAIN, and where what enters the head is
    within ALIKE of what float32 sees. Each takes its turn ROUNDS times, since another program's load only ever adds.
    """
    if images.device.type != "cpu" or images.dim() != 4 or not runtime.has_quick_bf16(images.device):
        return Arithmetic()
    images = images[:TRIED]
    taken: dict[torch.dtype, float] = {}
    found: dict[torch.dtype, torch.Tensor] = {}
    model = folded(model, images)
    for _ in range(ROUNDS):
        for precision in (torch.float32, torch.bfloat16):
            started = time.perf_counter()
            found[precision] = next(head_inputs(model, iter([images]), precision=precision))
            lasted = time.perf_counter() - started
            taken[precision] = min(lasted, taken.get(precision, lasted))
    gain = taken[torch.float32] / taken[torch.bfloat16]
    exact, coarse = found[torch.float32], found[torch.bfloat16]
    away = float((coarse - exact).norm() / exact.norm().clamp_min(1e-30))
    told = f"a trial here: in bf16 the frozen net looks {gain:.1f} times as fast"
    if not away <= ALIKE:  # nor where it is no number
        return Arithmetic(reason=f"{told}, but sees something else ({away:.1%} away)")
    why = f"{told}, and sees the same within {away:.1%}"
    return Arithmetic(precision=torch.bfloat16, gain=gain, reason=why) if gain >= GAIN else Arithmetic(reason=why)


def head_inputs(
    model: nn.Module, images: Iterator[torch.Tensor], *, precision: torch.dtype = torch.float32
) -> Iterator[torch.Tensor]:
    """What enters the head for each batch: B F float32 on the CPU, by a `folded` model in evaluation mode."""
    first = next(images, None)
    if first is None:
        return
    # Folded as when its stages are looked at: what is seen then may be taken for this, to the bit.
    own = tuple(getattr(model, "stages", ()))
    images, model = chain([first], images), folded(model, first, seen=own)
    seen: list[torch.Tensor] = []

    def keep(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: None) -> None:
        seen.append(inputs[0].detach().float().cpu())

    head = str(model.head)
    with watch({head: find_module(model, head)}, keep, before=True), evaluating(model), torch.inference_mode():
        for batch in images:
            with in_precision(precision, batch.device):
                model(batch)
            # A clone made outside of inference mode is an ordinary tensor, with which one can train.
            yield seen.pop()


def in_precision(precision: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Inside, a net computes so."""
    return torch.autocast(device.type, dtype=precision) if precision != torch.float32 else nullcontext()


def stage_features(
    model: nn.Module, images: Iterator[torch.Tensor], stages: Sequence[str], *, precision: torch.dtype = torch.float32
) -> Seen:
    """What each of the modules `stages` puts out and what enters the head, from one pass."""
    first = next(images)
    images, model = chain([first], images), folded(model, first, seen=stages)
    found: dict[str, list[torch.Tensor]] = {stage: [] for stage in stages}
    last: list[torch.Tensor] = []

    def keep(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: None) -> None:
        last.append(pooled(inputs[0].detach()).float().cpu())

    head = {"head": find_module(model, str(model.head))}
    with (
        evaluating(model),
        torch.no_grad(),
        record(model, *stages, read=pooled) as seen,
        watch(head, keep, before=True),
    ):
        for batch in images:
            with in_precision(precision, batch.device):
                model(batch)
            for stage in stages:
                found[stage].append(seen[stage].float().cpu())
    return Seen(stages={stage: torch.cat(parts) for stage, parts in found.items()}, last=torch.cat(last))


def folded(model: nn.Module, images: torch.Tensor, seen: Sequence[str] = ()) -> nn.Module:
    """A copy that only answers, with batch norms folded into convolutions: the same but for rounding, and faster.

    Convolutions that are `seen` keep what they put out. A net that cannot be copied so, or that somebody listens to, is
    returned as it is.
    """
    try:
        found = [pair for pair in pairs(model, images[:1]) if pair.conv not in seen]
        return fused(model, found) if found else model
    except Exception:
        return model


def head_scale(model: nn.Module, images: torch.Tensor) -> float | None:
    """The number a with which logits = a · head(features), for a dense head over vectors; None for any other head.

    Only with such a head may the net below it be run once and forgotten. The relation is measured with another head's
    weights (random ones, which are put back), so that a head of zeros hides nothing.

    >>> class Net(nn.Module):
    ...     stages, head = ("body",), "fc"
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body, self.fc = nn.Linear(4, 3), nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return self.fc(self.body(x).relu()) / 8
    >>> head_scale(Net(), torch.rand(5, 4))
    0.125
    """
    head = find_module(model, str(model.head))
    if not isinstance(head, (nn.Linear, MLPHead)):
        return None
    before = {name: value.clone() for name, value in head.state_dict().items()}
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        seen["input"], seen["output"] = inputs[0], output

    try:
        with watch({"head": head}, keep), evaluating(model), torch.no_grad():
            for number, parameter in enumerate(head.parameters()):
                generator = torch.Generator().manual_seed(number)
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            logits = model(images)
    finally:
        head.load_state_dict(before)
    output = seen["output"].double()
    if seen["input"].dim() != 2 or output.shape != logits.shape:
        return None
    scale = float((logits.double() * output).sum() / output.square().sum().clamp_min(1e-30))
    apart = float((logits.double() - scale * output).abs().max())
    return float(np.float32(scale)) if apart <= 1e-4 * float(logits.abs().max()) and scale != 0 else None


def _augment(view: str) -> Callable[..., torch.Tensor] | None:
    if view in (PLAIN, "none"):
        return None
    if view == MIRROR:
        return lambda images, ids, *, seed, epoch: images.flip(-1)
    return build_augment(view)


def folder() -> Path:
    """Where features are kept."""
    return cache.home() / "features"
