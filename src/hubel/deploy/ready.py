"""A trained net made ready to answer: norms folded, filters packed, memory format and threads as found fastest here.

Nothing is taken on trust. Each form must give the logits of the plain net on the pictures at hand, and what is used is
what was fastest on them; where no form passes or pays, the net answers as it was trained, and `note` says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn

from hubel import runtime
from hubel.nn.fuse import PackedConv2d, Pair, fused, hooked, packed, pairs, twin_of
from hubel.nn.layout import arrange
from hubel.nn.modes import evaluating
from hubel.words import plural

TOLERANCE = 1e-4
"""Largest difference of a logit that passes, as a share of the largest logit (and of 1, if all are smaller)."""
ROUNDS = 3
"""Timings of each form, in turn, of which the best counts; a round before them is not counted."""
PROBE = 4
"""Pictures of the probe at most: enough to tell which form is fast, few enough not to wait for it."""

PLAIN, CHANNELS_LAST, PACKED = "as trained", "channels_last", "packed filters"


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A net that only answers. Call it with pictures B C H W; it gives logits B K."""

    model: nn.Module
    """A copy that shares the weights it does not change; the net itself if it cannot be copied or has hooks."""
    own: bool
    """Is it a copy, which stays in evaluation mode whatever happens to the net?"""
    form: str
    """as trained, channels_last or packed filters."""
    folded: int
    """Batch norms folded into convolutions."""
    packed: int
    """Convolutions with packed filters."""
    threads: int
    difference: float
    """Largest difference of a logit from the plain net's on the probe."""
    seconds: dict[str, float]
    """What each form took for the probe, in the order tried; with threads: "packed filters, 2 threads"."""
    note: str
    """Why a form was left out; "" if none was."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits B K of pictures B C H W, without a graph for gradients."""
        if self.own and self.threads == torch.get_num_threads():  # small nets feel every context
            with torch.inference_mode():
                return self.model(arranged(images, self.form))
        with runtime.threads(self.threads), evaluating(self.model), torch.inference_mode():
            return self.model(arranged(images, self.form))

    def __str__(self) -> str:
        parts = [self.form]
        if self.folded:
            parts.append(f"{plural(self.folded, 'batch norm')} folded")
        if self.packed:
            parts.append(f"{plural(self.packed, 'convolution')} packed")
        parts.append(plural(self.threads, "thread"))
        return ", ".join(parts)


def ready(model: nn.Module, images: torch.Tensor) -> Ready:
    """The fastest form of `model` that agrees with it on `images` (B C H W, normalised, on the model's device).

    Takes about thirty passes over the first few pictures. Threads are tried up to the number in force now. Nothing is
    raised for what cannot be prepared: the plain net answers then. Raises what the plain net raises.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)).eval()
    >>> fast = ready(net, torch.rand(2, 3, 8, 8))
    >>> fast.difference < 1e-5, fast(torch.rand(5, 3, 8, 8)).shape
    (True, torch.Size([5, 4]))
    """
    images = images[:PROBE]
    most = torch.get_num_threads()
    with evaluating(model), torch.inference_mode():
        plain = model(images)
    if hooked(model):
        return _as_trained(model, "hooks listen to this net, and would miss layers that are folded")
    made, folded, notes = _forms(model, images)
    passed: dict[str, float] = {}
    for form, net in made.items():
        try:
            with torch.inference_mode():
                away, allowed = difference(plain, net(arranged(images, form)))
        except Exception as error:
            notes.append(f"{form}: {_first_line(error)}")
            continue
        if away <= allowed:
            passed[form] = away
        else:
            notes.append(f"{form}: logits differ by {away:.1e}, more than {allowed:.1e}")
    if not passed:
        return _as_trained(model, "; ".join(notes))
    taken = best_of({(form, most): _run(made[form], arranged(images, form), most) for form in passed}, images.device)
    form = min(taken, key=lambda key: taken[key])[0]
    fewer = [count for count in thread_counts(most) if count != most]
    taken |= best_of({(form, count): _run(made[form], arranged(images, form), count) for count in fewer}, images.device)
    threads = min((count for name, count in taken if name == form), key=lambda count: taken[form, count])
    return Ready(
        model=made[form],
        own=True,
        form=form,
        folded=0 if form == PLAIN else folded,
        packed=sum(isinstance(module, PackedConv2d) for module in made[form].modules()),
        threads=threads,
        difference=passed[form],
        seconds={f"{name}, {plural(count, 'thread')}": best for (name, count), best in taken.items()},
        note="; ".join(notes),
    )


def difference(plain: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """Largest difference of a logit, and the largest that passes. Not a number never passes.

    >>> difference(torch.tensor([[1.0, 200.0]]), torch.tensor([[1.0, 200.5]]))
    (0.5, 0.02)
    """
    if plain.shape != other.shape:
        return float("inf"), 0.0
    plain, other = plain.double(), other.double()
    return float((plain - other).abs().max()), TOLERANCE * max(1.0, float(plain.abs().max()))


def arranged(images: torch.Tensor, form: str) -> torch.Tensor:
    """Pictures in the memory format that a form takes; anything but B C H W as it is."""
    if images.dim() != 4:
        return images
    return images.contiguous(memory_format=torch.contiguous_format if form == PLAIN else torch.channels_last)


def thread_counts(most: int) -> list[int]:
    """1, 2, 4, … and `most`.

    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    return [*(1 << k for k in range(most.bit_length()) if 1 << k < most), most]


def best_of(runs: dict[tuple[str, int], Callable[[], object]], device: torch.device) -> dict[tuple[str, int], float]:
    """Best seconds of each, taken in turn, so that a moment when the machine is busy does not decide."""
    seconds = dict.fromkeys(runs, float("inf"))
    for turn in range(ROUNDS + 1):
        for key, run in runs.items():
            started = time.perf_counter()
            run()
            runtime.synchronise(device)
            if turn:  # the first call of a form also makes its buffers
                seconds[key] = min(seconds[key], time.perf_counter() - started)
    return seconds


_KEPT: WeakKeyDictionary[nn.Module, tuple[object, Ready]] = WeakKeyDictionary()


def kept(model: nn.Module, images: torch.Tensor) -> Ready:
    """`ready(model, images)`, prepared once and again when weights, hooks, threads, device or picture shape change.

    Weights changed behind PyTorch's back (through `.data`) are not noticed.
    """
    known = _KEPT.get(model)
    stamp = (tuple(_stamps(model)), tuple(images.shape[1:]), images.device, hooked(model), torch.get_num_threads())
    if known is not None and known[0] == stamp:
        return known[1]
    fresh = ready(model, images)
    if fresh.own:  # or the value would keep its own key alive
        _KEPT[model] = (stamp, fresh)
    return fresh


def _stamps(model: nn.Module) -> Iterator[tuple[int, int, int]]:
    for tensor in (*model.parameters(), *model.buffers()):
        yield id(tensor), tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _forms(model: nn.Module, images: torch.Tensor) -> tuple[dict[str, nn.Module], int, list[str]]:
    """Every form that can be made, how many norms were folded, and why others cannot be made."""
    made: dict[str, nn.Module] = {}
    notes: list[str] = []
    try:
        made[PLAIN] = twin_of(model)
    except Exception as error:
        return {}, 0, [f"the net cannot be copied: {_first_line(error)}"]
    if images.dim() != 4:
        return made, 0, notes
    found: tuple[Pair, ...] = ()
    try:
        found = pairs(model, images[:1])
        folded = fused(model, found)
    except Exception as error:
        notes.append(f"batch norms were not folded: {_first_line(error)}")
        found, folded = (), twin_of(model)
    if images.device.type == "cpu":
        tight, count = packed(folded)
        if count:
            made[PACKED] = tight
    # One copy of every filter in this format: the net itself keeps its own.
    own = {id(parameter): nn.Parameter(parameter.detach(), requires_grad=False) for parameter in folded.parameters()}
    for module in folded.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = own[id(parameter)]
    made[CHANNELS_LAST] = arrange(folded, torch.channels_last)
    return made, len(found), notes


def _run(net: nn.Module, images: torch.Tensor, count: int) -> Callable[[], object]:
    def run() -> None:
        with runtime.threads(count), torch.inference_mode():
            net(images)

    return run


def _as_trained(model: nn.Module, note: str) -> Ready:
    return Ready(
        model=model,
        own=False,
        form=PLAIN,
        folded=0,
        packed=0,
        threads=torch.get_num_threads(),
        difference=0.0,
        seconds={},
        note=note,
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
