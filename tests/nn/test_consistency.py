"""The loss by which forms of a picture are to get the same answer, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn

from hubel.errors import UsageError
from hubel.nn.consistency import Consistent, jensen_shannon

DRAW = torch.Generator().manual_seed(0)
LOGITS = [3 * torch.randn(7, 5, generator=DRAW) for _ in range(3)]
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1])


def test_two_forms_are_as_far_apart_as_scipy_says() -> None:
    p, q = (part.double().softmax(1).numpy() for part in LOGITS[:2])
    theirs = [jensenshannon(a, b) ** 2 for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(jensen_shannon(*LOGITS[:2]), theirs, rtol=1e-4)


def test_three_forms_are_the_entropy_of_the_mean_less_the_mean_entropy() -> None:
    shares = np.stack([part.double().softmax(1).numpy() for part in LOGITS])
    mean = shares.mean(0)
    by_hand = -(mean * np.log(mean)).sum(1) + (shares * np.log(shares)).sum(2).mean(0)
    np.testing.assert_allclose(jensen_shannon(*LOGITS), by_hand, rtol=1e-4)


def test_certain_answers_that_contradict_each_other_have_a_finite_gradient() -> None:
    sure = torch.tensor([[300.0, -300.0]], requires_grad=True)
    value = jensen_shannon(sure, -sure.detach())
    value.sum().backward()
    assert value.item() == pytest.approx(np.log(2), rel=1e-5)
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()


def test_the_loss_of_labels_and_what_forms_are_apart_add_up_and_a_finished_net_has_the_first_alone() -> None:
    hard = nn.CrossEntropyLoss()
    loss = Consistent(hard, weight=12.0)
    assert loss(LOGITS[0], LABELS) == hard(LOGITS[0], LABELS)
    both = hard(LOGITS[0], LABELS) + 12 * jensen_shannon(*LOGITS).mean()
    assert torch.allclose(loss(LOGITS[0], LABELS, *LOGITS[1:]), both)
    with pytest.raises(UsageError, match="above 0"):
        Consistent(hard, weight=0.0)
