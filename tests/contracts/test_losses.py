"""Every loss in the registry keeps these promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hubel.errors import UsageError
from hubel.nn.losses import LOSSES, build_loss, softened

NAMES = LOSSES.names()
CLASSIFYING = [name for name in NAMES if LOSSES.get(name).classifies]
SOFT = [name for name in CLASSIFYING if name != "hinge"]


def arguments(name: str, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    """What the loss is called with: random, fixed, away from kinks."""
    generator = torch.Generator().manual_seed(3)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    signs = torch.tensor([1, -1, 1, 1, -1, -1])
    labels = torch.tensor([0, 2, 3, 1, 1, 0])
    return {
        "logits, labels": lambda: (random(6, 4), labels),
        "log-probabilities, labels": lambda: (F.log_softmax(random(6, 4), 1), labels),
        "probabilities, labels": lambda: (torch.sigmoid(random(6, 4)), labels),
        "first, second, order": lambda: (random(6), random(6), signs.to(dtype)),
        "first, second, same": lambda: (random(6, 5), random(6, 5), signs if "cosine" in name else (signs > 0)),
        "anchor, positive, negative": lambda: (random(6, 5), random(6, 5), random(6, 5)),
        "logits, labels, answers": lambda: (random(6, 4), labels, softened(random(6, 4), 4.0)),
        "logits of pixels, masks": lambda: (random(6, 4, 3, 2), torch.arange(36).reshape(6, 3, 2) % 4),
        "picture given back, picture, mean, log-variance": lambda: (
            random(6, 1, 3, 2),
            random(6, 1, 3, 2),
            random(6, 4),
            random(6, 4),
        ),
        "means, numbers, log-variance": lambda: (random(6, 1, 3, 2), random(6, 1, 3, 2), random(6, 1, 3, 2)),
        "embeddings, labels": lambda: (random(6, 5), labels),
    }[LOSSES.get(name).takes]()


@pytest.mark.parametrize("name", NAMES)
def test_its_gradient_is_that_of_finite_differences(name: str) -> None:
    loss = build_loss(name)
    given = tuple(
        a.requires_grad_() if a.is_floating_point() and index < 2 else a for index, a in enumerate(arguments(name))
    )
    given = tuple(a.detach() if name == "margin-ranking" and index == 2 else a for index, a in enumerate(given))
    assert torch.autograd.gradcheck(loss, given)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_finite_scalar_that_is_not_negative(name: str) -> None:
    value = build_loss(name)(*arguments(name, torch.float32))
    assert value.shape == ()
    assert torch.isfinite(value)
    assert value >= 0


@pytest.mark.parametrize("name", [n for n in NAMES if n != "triplet-hard"])
def test_mean_and_sum_reduce_what_none_leaves(name: str) -> None:
    each = build_loss(name, reduction="none")(*arguments(name))
    torch.testing.assert_close(build_loss(name, reduction="mean")(*arguments(name)), each.mean())
    torch.testing.assert_close(build_loss(name, reduction="sum")(*arguments(name)), each.sum())


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    entry = LOSSES.get(name)
    assert entry.title
    assert entry.formula
    assert entry.source


@pytest.mark.parametrize("name", CLASSIFYING)
def test_gradient_steps_on_logits_lower_it(name: str) -> None:
    logits, labels = arguments(name)
    loss, z = build_loss(name), logits.clone().requires_grad_()
    before = loss(z, labels)
    before.backward()
    assert loss(z - 0.05 * z.grad, labels) < before


@pytest.mark.parametrize("name", SOFT)
def test_soft_labels_of_zeros_and_ones_are_hard_labels(name: str) -> None:
    logits, labels = arguments(name)
    torch.testing.assert_close(
        build_loss(name)(logits, F.one_hot(labels, 4).double()), build_loss(name)(logits, labels)
    )


@pytest.mark.parametrize("name", [n for n in SOFT if n in ("cross-entropy", "focal", "bce-with-logits", "kl")])
def test_label_smoothing_is_the_same_as_smoothed_soft_labels(name: str) -> None:
    logits, labels = arguments(name)
    smooth = F.one_hot(labels, 4).double() * 0.8 + 0.2 / 4
    torch.testing.assert_close(build_loss(name, label_smoothing=0.2)(logits, labels), build_loss(name)(logits, smooth))


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_reduction_or_option_is_refused(name: str) -> None:
    if name != "triplet-hard":
        with pytest.raises(UsageError, match="mean, sum or none"):
            build_loss(name, reduction="median")
    with pytest.raises(UsageError, match="no option"):
        build_loss(name, nonsense=1)
