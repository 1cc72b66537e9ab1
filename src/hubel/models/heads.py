"""Another head for any net of the catalogue: with a hidden layer, on an earlier stage, on all stages, with a scale.

All are options of `create_model` that every architecture takes, so a net with such a head is described by plain data
and saved, loaded, measured and explained as any other:

    head_hidden=256    dense F -> 256, ReLU, dense 256 -> K in place of the last dense layer
    cut="layer3"       what learns after that stage is left out, and the head is a new one on what remains
    all_stages=True    the dense head also sees the mean of every earlier stage (Evci et al., Head2Toe: Utilizing
                       Intermediate Representations for Better Transfer Learning, arXiv:2201.03529)
    scale=[40, 12]     the answers are times 12 plus 40: ages, say; a training on numbers sets it

>>> from hubel.models import create_model
>>> net = create_model("resnet18", num_classes=5, img_size=64, cut="layer2", head_hidden=32)
>>> net.stages, net.fc
(('layer1', 'layer2'), MLPHead(
  (hidden): Linear(in_features=128, out_features=32, bias=True)
  (activation): ReLU()
  (output): Linear(in_features=32, out_features=5, bias=True)
))

Letters: B batch, F features, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from hubel.errors import UsageError, unknown
from hubel.models.shared import spread_over_pixels
from hubel.nn.modes import evaluating
from hubel.nn.taps import pooled, record, watch


class MLPHead(nn.Module):
    """A head with one hidden layer: B F -> B K."""

    def __init__(self, features: int, hidden: int, num_classes: int, *, bias: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden)
        self.activation = nn.ReLU()
        self.output = nn.Linear(hidden, num_classes, bias=bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.output(self.activation(self.hidden(features)))


class AllStages(nn.Module):
    """A net whose dense head sees the means of all its stages beside what it saw before: B C H W -> B K.

    What a later stage has thrown away, since the old classes did not need it, may tell the new ones apart.
    """

    head = "fc"

    def __init__(self, body: nn.Module, read: tuple[str, ...], widths: tuple[int, ...]) -> None:
        """`read`: the stages beside the last; `widths`: how many features each of them has."""
        super().__init__()
        old = body.get_submodule(str(body.head))
        assert isinstance(old, nn.Linear)
        put(body, str(body.head), nn.Identity())
        self.body = body
        self.read, self.widths = read, widths
        self.fc = nn.Linear(sum(widths) + old.in_features, old.out_features, bias=old.bias is not None)
        self.stages = tuple(f"body.{stage}" for stage in body.stages)  # type: ignore[union-attr]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with record(self.body, *self.read, read=pooled) as seen:
            last = self.body(images)
        return self.fc(torch.cat([*(seen[stage] for stage in self.read), last], dim=1))


class Hypercolumns(AllStages):
    """A net whose dense head sees all its stages, and answers for pixels: at each of them, with what the stages have
    there (Hariharan et al., Hypercolumns for Object Segmentation and Fine-grained Localization, CVPR 2015, arXiv
    1411.5752).

    Early stages know where something is, late ones what it is. What the head says is linear, so each stage is asked at
    its own places, and the answers are enlarged and added.
    """

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W."""
        size = (images.shape[2], images.shape[3])
        parts: list[torch.Tensor] = []
        widths = [*self.widths, self.fc.in_features - sum(self.widths)]
        shares = dict(zip((*self.read, str(self.body.head)), self.fc.weight.split(widths, dim=1), strict=True))

        def say(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> object:
            if name == self.body.head:  # which lets through what it is asked about, at each place
                return functional.linear(output, shares[name], self.fc.bias)
            said = functional.linear(output.movedim(1, -1), shares[name]).movedim(-1, 1)
            parts.append(spread_over_pixels(said, size))
            return None

        with watch({name: self.body.get_submodule(name) for name in shares}, say):
            last: torch.Tensor = self.body.segment(images)  # type: ignore[operator]
        return last + torch.stack(parts).sum(0)


def over_stages(net: nn.Module, shape: tuple[int, ...]) -> AllStages:
    """`net` with a fresh dense head over all its stages; `shape` is C H W of a picture, to find their widths by a look.

    >>> from hubel.models import create_model
    >>> over_stages(create_model("resnet18", img_size=64), (3, 64, 64)).fc.in_features  # 64 + 128 + 256 + 512
    960

    Raises UsageError where the head is not a dense layer over a vector, or there is one stage only.
    """
    head = _dense(net, "all_stages")
    stages = tuple(str(stage) for stage in net.stages)  # type: ignore[union-attr]
    with evaluating(net), torch.no_grad(), record(net, *stages[:-1], read=pooled) as seen:
        net(torch.zeros(1, *shape, device=head.weight.device))
    if not seen:
        raise UsageError(
            f"all_stages needs a net of two stages or more, {type(net).__name__} has {len(stages)}",
            hint="leave all_stages out (--head linear)",
        )
    read = tuple(stage for stage in stages if stage in seen)
    over = Hypercolumns if callable(getattr(net, "segment", None)) else AllStages
    return over(net, read, tuple(seen[stage].shape[1] for stage in read))


def trunk(net: nn.Module) -> nn.Module:
    """The net as its architecture names its weights: below a head over all stages, else `net` itself."""
    return net.body if isinstance(net, AllStages) else net


def _dense(net: nn.Module, option: str) -> nn.Linear:
    """The head of a net, if it is a dense layer."""
    head = net.get_submodule(str(net.head))
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"{option} needs a net whose head is a dense layer, this one ends in {type(head).__name__}",
            hint=f"leave {option} out (--head linear)",
        )
    return head


def with_hidden(net: nn.Module, units: int) -> nn.Module:
    """The same net, its dense head replaced by an MLPHead of so many hidden units.

    Raises UsageError where the head is not a dense layer over a vector.
    """
    head = _dense(net, "head_hidden")
    if isinstance(units, bool) or not isinstance(units, int) or not 1 <= units <= 65_536:
        raise UsageError(
            f"head_hidden must be 1 to 65536 units, got {units!r}", hint="leave head_hidden out for a linear head"
        )
    put(net, str(net.head), MLPHead(head.in_features, units, head.out_features, bias=head.bias is not None))
    return net


class Scaled(nn.Module):
    """What a net becomes that answers with numbers of a mean and a deviation: its own class is the other base.

    In float32, since 1,998 has no place in bfloat16.
    """

    mean, deviation = 0.0, 1.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B C H W -> B K, in their own unit."""
        return torch.as_tensor(super().forward(images)).float() * self.deviation + self.mean


@cache
def _scaled(kind: type[nn.Module]) -> type[Scaled]:
    return type(f"Scaled{kind.__name__}", (Scaled, kind), {"__doc__": kind.__doc__, "__module__": kind.__module__})


def with_scale(net: nn.Module, scale: Sequence[float]) -> nn.Module:
    """The same net, which answers with numbers of the mean and deviation `scale`, where it answered with 0 and 1.

    Its weights stay what they are, so an age or a price is learnt as fast as a number near 0. Raises UsageError
    where the scale is not two numbers of which the second is above 0.

    >>> from hubel.models import create_model
    >>> net = create_model("mnist_cnn", num_classes=1, in_chans=1, scale=[1000.0, 200.0])
    >>> bool((net(torch.zeros(2, 1, 28, 28)) - 1000).abs().max() < 200)
    True
    """
    numbers = isinstance(scale, (list, tuple)) and len(scale) == 2 and all(type(x) in (int, float) for x in scale)
    if not numbers or not math.isfinite(scale[0]) or not 0 < scale[1] < math.inf:
        raise UsageError(
            f"scale must be a mean and a deviation above 0, got {scale!r}", hint="--model-option scale=[40,12]"
        )
    # The net itself becomes one of another class: its parts and their names are as they were.
    net.__class__ = _scaled(type(net))  # type: ignore[arg-type]
    assert isinstance(net, Scaled)
    net.mean, net.deviation = float(scale[0]), float(scale[1])
    return net


def cut_after(net: nn.Module, stage: str, shape: tuple[int, ...]) -> nn.Module:
    """The same net without the layers that learn after `stage`, and with a fresh dense head of the width that remains.

    Every module with parameters that was built after the stage and before the head becomes the identity; pooling and
    flattening stay. `shape` is C H W of a picture, to find the new width by running one.

    Raises UnknownName for a stage the net does not have, UsageError where what remains does not fit together.
    """
    stages = tuple(str(name) for name in net.stages)  # type: ignore[union-attr]
    if stage not in stages:
        raise unknown("stage", stage, stages)
    if hasattr(net, "forward_all"):
        raise UsageError(
            f"a net with auxiliary heads cannot be cut, and {type(net).__name__} has some", hint="take --unfreeze half"
        )
    later = stages[stages.index(stage) + 1 :]
    names = [name for name, _ in net.named_modules() if name]
    # What is built after the next stage begins goes; what stands between the two (a transition) belongs to the next.
    end = max(i for i, name in enumerate(names) if f"{name}.".startswith(f"{stage}."))
    gone = {name for name in names[end + 1 :] if not f"{name}.".startswith(f"{net.head}.")}
    for name in list(_topmost(net, gone)):
        put(net, name, nn.Identity())
    net.stages = tuple(name for name in stages if name not in later)  # type: ignore[assignment]
    head = net.get_submodule(str(net.head))
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"cut needs a net whose head is a dense layer, this one ends in {type(head).__name__}",
            hint="take --unfreeze half",
        )
    seen: list[int] = []

    def measure(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: None) -> None:
        seen.append(inputs[0].shape[-1])

    try:
        with watch({"head": head}, measure, before=True), evaluating(net), torch.no_grad():
            net(torch.zeros(1, *shape, device=head.weight.device))
    except (RuntimeError, AttributeError, TypeError, ValueError, IndexError) as error:
        if not seen:
            raise UsageError(
                f"the net cannot be cut after {stage!r}: what remains does not fit together",
                hint=f"cut it elsewhere ({', '.join(stages[:-1])}), or take --unfreeze half",
            ) from error
    put(net, str(net.head), nn.Linear(seen[0], head.out_features, bias=head.bias is not None))
    return net


def _topmost(net: nn.Module, gone: set[str]) -> Iterator[str]:
    """Names of the outermost modules that have parameters and of which everything goes."""
    done: list[str] = []
    for name, module in net.named_modules():
        inside = [child for child, _ in module.named_modules(prefix=name)]
        if (
            name in gone
            and all(child in gone for child in inside)
            and next(module.parameters(), None) is not None
            and not any(name.startswith(f"{outer}.") for outer in done)
        ):
            done.append(name)
            yield name


def put(net: nn.Module, name: str, module: nn.Module) -> None:
    """Set the sub-module called `name`."""
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent) if parent else net, last, module)
