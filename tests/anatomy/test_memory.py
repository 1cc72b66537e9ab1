"""Memory: what autograd keeps, what a step needs at most, and what fits, against real tensors."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.anatomy.abstract import skeleton
from hubel.anatomy.graph import tensors_in
from hubel.anatomy.memory import STATE_PER_PARAMETER, find_capacity, measure
from hubel.errors import UnknownName
from hubel.models import create_model


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 64, 10),
    )


def really_kept(model: nn.Module, images: torch.Tensor) -> int:
    """Bytes of the distinct storages that autograd packs on real tensors, weights left out."""
    own = {id(p.untyped_storage()) for p in (*model.parameters(), *model.buffers())}
    seen: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in own:
            seen[id(storage)] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model.train()(images)
    return sum(storage.nbytes() for storage in seen.values())


@pytest.mark.parametrize(
    "make", [small, lambda: create_model("resnet18", num_classes=10, img_size=32)], ids=["small", "resnet18"]
)
def test_kept_activations_are_those_of_a_real_step(make) -> None:  # type: ignore[no-untyped-def]
    model = make()
    side = 16 if isinstance(model, nn.Sequential) else 32
    assert measure(model, (3, side, side), batch=4).kept == pytest.approx(
        really_kept(model, torch.rand(4, 3, side, side)), rel=0.001
    )


class Alive(TorchDispatchMode):
    """The most bytes of real tensors alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[int] = set()
        self.live = self.peak = 0

    def keep(self, tensors: object) -> None:
        for tensor in tensors_in(tensors):
            storage = tensor.untyped_storage()
            if id(storage) not in self.known:
                self.known.add(id(storage))
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self.gone, id(storage), storage.nbytes())

    def gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = operator(*args, **(kwargs or {}))
        self.keep(result)
        return result


def test_the_peak_of_training_is_that_of_a_real_step() -> None:
    model = create_model("resnet18", num_classes=10, img_size=32).train()
    own = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
    alive = Alive()
    alive.known |= {id(t.untyped_storage()) for t in (*model.parameters(), *model.buffers())}
    images = torch.rand(8, 3, 32, 32)
    with alive:
        alive.keep(images)
        model(images).sum().backward()
    ours = measure(model, (3, 32, 32), batch=8, optimiser="sgd")
    assert ours.peak_training == pytest.approx(own + alive.peak, rel=0.02)


def test_inference_needs_less_than_training_and_grows_with_the_batch() -> None:
    one, eight = (measure(small(), (3, 16, 16), batch=b) for b in (1, 8))
    assert one.peak_inference < one.peak_training
    assert eight.kept == pytest.approx(8 * one.kept, rel=0.01)
    assert eight.fixed == one.fixed


OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "amsgrad": lambda p: torch.optim.Adam(p, amsgrad=True),
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "muon": lambda p: torch.optim.Muon(p),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser_state_is_what_torch_keeps(name: str) -> None:
    layer = nn.Linear(64, 32, bias=False)
    optimiser = OPTIMISERS[name](layer.parameters())
    layer(torch.rand(2, 64)).sum().backward()
    optimiser.step()
    held = sum(
        t.numel()
        for state in optimiser.state.values()
        for t in state.values()
        if isinstance(t, torch.Tensor) and t.numel() > 1
    )
    assert STATE_PER_PARAMETER[name] == held / layer.weight.numel()
    assert measure(layer, (64,), optimiser=name).optimiser == 4 * held


def test_frozen_weights_need_neither_gradient_nor_state() -> None:
    model = small()
    model[0].requires_grad_(False)
    memory = measure(model, (3, 16, 16))
    assert memory.weights - memory.gradients == 4 * (8 * 27 + 8)
    assert memory.optimiser == 2 * memory.gradients


def test_the_largest_batch_fits_and_one_more_does_not() -> None:
    with skeleton():
        model = create_model("resnet18")
    limit = 2 << 30
    answer = find_capacity(model, (3, 224, 224), limit=limit, batch=512)
    assert not answer.fits
    assert answer.needed_at_largest <= limit < measure(model, (3, 224, 224), batch=answer.largest + 1).peak_training


def test_a_net_that_fits_not_even_once_says_zero() -> None:
    assert find_capacity(nn.Linear(1000, 1000), (1000,), limit=1_000_000).largest == 0


def test_an_unknown_optimiser_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownName, match="did you mean 'adam'"):
        measure(small(), (3, 16, 16), optimiser="adamv")
