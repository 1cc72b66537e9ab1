"""`hubel.doctor` on a net of the user's own: what it promises besides finding faults."""

from __future__ import annotations

import copy
import json
import random
import threading
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.doctor.zoo import FAULTS, Case, healthy, planted
from torch import nn

import hubel
from hubel.diagnosis.checks import CHECKS, STAGES
from hubel.diagnosis.listing import in_order


def bits(case: Case, arguments: dict[str, Any]) -> dict[str, Any]:
    """Everything that must not change."""
    model, optimizer = arguments["what"], arguments["optimizer"]
    loader = arguments["batches"]
    return {
        "weights": copy.deepcopy(model.state_dict()),
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "learns": [p.requires_grad for p in model.parameters()],
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].copy(),  # noqa: NPY002
        "python": random.getstate(),
        "order": loader.generator.get_state(),
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
    }


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)) and not isinstance(one, str):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


@pytest.mark.parametrize("spoil", [None, "step moves another net"])
def test_whatever_is_looked_at_stays_as_it_is_to_the_bit(spoil: str | None) -> None:
    case = healthy("cnn", "digits", 4, with_step=True, with_program=True)
    if spoil:
        FAULTS[spoil].plant(case)
    arguments = case.arguments()
    images, labels = next(iter(arguments["batches"]))
    arguments["what"].eval()
    F.cross_entropy(arguments["what"](images), labels).backward()
    arguments["optimizer"].step()  # a state, and gradients that are still there
    before = bits(case, arguments)
    hubel.doctor(**arguments, verbose=False)
    assert_same(before, bits(case, arguments))


def test_every_finding_says_what_was_seen_and_one_thing_to_do() -> None:
    for name in ("softmax twice", "leak of copies", "rate / 1000", "step before backward"):
        fault = FAULTS[name]
        found = hubel.doctor(**planted(fault, "mlp", "digits", 2).arguments(), verbose=False)
        one = found.findings[0]
        assert one.id in fault.right
        assert one.title
        assert one.mend
        assert one.reproduction
        assert one.evidence
        assert all(len(line) <= 80 for line in found.lines() if " " in line.strip())
        assert json.loads(json.dumps(found.to_dict()))["findings"][0]["mend"] == one.mend


def test_the_list_of_checks_is_whole() -> None:
    listed = [check for _, ids, _ in in_order() for check in ids]
    assert sorted(listed) == sorted(CHECKS.names())
    assert len(listed) == len(set(listed)) >= 70
    for check in CHECKS.values():
        assert check.stage in STAGES
        assert check.looks_for
        assert set(check.yields_to) <= set(listed)
    named = {right for fault in FAULTS.values() for right in fault.right}
    assert named <= set(listed)


def net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


class Locked(nn.Linear):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__(64, 10)
        self.lock = threading.Lock()


PAIRS = [(torch.randn(8, 1, 8, 8), torch.randint(0, 10, (8,))) for _ in range(4)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no net", nn.CrossEntropyLoss(), PAIRS), "takes a torch module where batches is given"),
        ((net(), None, PAIRS), "is checked with its loss and batches"),
        ((net(), nn.CrossEntropyLoss(), iter(PAIRS)), "can be gone through twice"),
        ((net(), nn.CrossEntropyLoss(), []), "at least one batch"),
        ((net(), nn.CrossEntropyLoss(), [torch.ones(3, 64)]), "pairs of tensors"),
        ((net(), nn.CrossEntropyLoss(), PAIRS, "adam"), "optimizer must be one of torch.optim, got str"),
        ((nn.LazyLinear(10), nn.CrossEntropyLoss(), PAIRS), "do not know their size yet"),
        ((Locked(), nn.CrossEntropyLoss(), PAIRS), "can be copied: TypeError"),
        ((net(), nn.CrossEntropyLoss(), [(torch.ones(3, 64), torch.ones(2))]), "as many labels as images"),
    ],
)
def test_what_cannot_be_checked_is_said(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(hubel.UsageError, match=said):
        hubel.doctor(*arguments, verbose=False)


def test_a_scheduler_needs_its_steps() -> None:
    model = net()
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(sgd, 3)
    with pytest.raises(hubel.UsageError, match="scheduler_steps must say"):
        hubel.doctor(model, nn.CrossEntropyLoss(), PAIRS, sgd, scheduler=scheduler, verbose=False)


def test_batches_may_be_dictionaries_and_answers_too() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.head(x.flatten(1))}

    case = healthy("mlp", "digits", 3)
    batches = [{"image": images, "label": labels} for images, labels in case.loaders()[0]]
    found = hubel.doctor(Named(), lambda out, y: F.cross_entropy(out["logits"], y), batches, verbose=False)
    assert found.ids == ()


class Odd(nn.Module):
    """Fails at its first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise KeyError("odd")


def never(*given: Any) -> Any:
    """A program of the user's own that fails."""
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("model", "more", "named"),
    [
        (Odd(), {}, "does-not-run"),
        (net(), {"loss": lambda z, y: 1.0}, "does-not-run"),
        (net(), {"batches": [(x.to(torch.uint8), y) for x, y in PAIRS]}, "does-not-run"),
        (net(), {"predict": never}, "answers-differ"),
        (net(), {"step": never}, "step-fails"),
    ],
)
def test_what_fails_by_itself_is_a_finding_and_no_traceback(model: nn.Module, more: dict[str, Any], named: str) -> None:
    found = hubel.doctor(model, **({"loss": nn.CrossEntropyLoss(), "batches": PAIRS} | more), verbose=False)
    assert found.ids[0] == named


def test_checks_for_which_no_time_was_left_are_named() -> None:
    found = hubel.doctor(net(), nn.CrossEntropyLoss(), PAIRS, seconds=0.001, verbose=False)
    assert "cannot-overfit" in found.left_out
    assert "could not be made" in str(found)
