"""The loss of a student: against torch's own divergence, and against what the paper says of its limits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hubel.errors import UsageError
from hubel.nn.losses import Distillation, build_loss, mass, softened

GENERATOR = torch.Generator().manual_seed(0)
Z = torch.randn(12, 5, generator=GENERATOR, dtype=torch.float64)
V = 3 * torch.randn(12, 5, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(0, 5, (12,), generator=GENERATOR)


def gradient(loss: Distillation, answers: torch.Tensor, labels: torch.Tensor = Y) -> torch.Tensor:
    z = Z.clone().requires_grad_()
    loss(z, labels, answers).backward()
    assert z.grad is not None
    return z.grad


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_it_is_torchs_divergence_times_the_square_of_the_temperature_beside_the_loss_of_the_labels(
    temperature: float,
) -> None:
    answers = softened(V, temperature)
    soft = F.kl_div(F.log_softmax(Z / temperature, 1), answers, reduction="batchmean")
    expected = 0.3 * F.cross_entropy(Z, Y) + 0.7 * temperature**2 * soft
    torch.testing.assert_close(Distillation(temperature, 0.7)(Z, Y, answers), expected)
    torch.testing.assert_close(answers, F.softmax(V / temperature, 1))


def test_at_a_high_temperature_its_gradient_is_that_of_matching_logits() -> None:
    centred = (Z - V) - (Z - V).mean(1, keepdim=True)  # section 2.1 has them centred
    found = gradient(Distillation(1e4, 1.0), softened(V, 1e4))
    torch.testing.assert_close(found, centred / 5 / len(Z), rtol=1e-3, atol=1e-5)


def test_the_gradient_keeps_its_size_whatever_the_temperature() -> None:
    sizes = [float(gradient(Distillation(t, 1.0), softened(V, t)).norm()) for t in (4.0, 8.0, 16.0, 32.0)]
    assert max(sizes) < 1.5 * min(sizes)


def test_with_the_whole_weight_on_the_teacher_labels_do_not_matter() -> None:
    loss, answers = Distillation(4.0, 1.0), softened(V, 4.0)
    assert torch.equal(gradient(loss, answers), gradient(loss, answers, labels=Y.roll(1)))


def test_a_sure_teacher_at_temperature_one_is_the_label() -> None:
    sure = F.one_hot(Y, 5).double()
    torch.testing.assert_close(Distillation(1.0, 1.0)(Z, Y, sure), F.cross_entropy(Z, Y))


def test_without_answers_it_is_the_loss_of_the_labels() -> None:
    torch.testing.assert_close(Distillation(label_smoothing=0.1)(Z, Y), F.cross_entropy(Z, Y, label_smoothing=0.1))


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "hinge", "bce-with-logits"])
def test_parts_of_a_batch_weighed_by_their_mass_make_the_whole(name: str) -> None:
    hard = build_loss(name, class_weights=[1.0, 2.0, 3.0, 4.0, 5.0], of_logits=True).double()
    loss, answers = Distillation(2.0, 0.6, hard=hard), softened(V, 2.0)
    parts = [slice(0, 5), slice(5, 12)]
    summed = sum(loss(Z[part], Y[part], answers[part]) * mass(loss, Y[part]) for part in parts)
    torch.testing.assert_close(summed / mass(loss, Y), loss(Z, Y, answers))


def test_class_weights_hold_for_the_teachers_part_too() -> None:
    weights = torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    found = gradient(Distillation(2.0, 1.0, class_weights=weights).double(), softened(V, 2.0))
    assert bool((found[Y == 0] == 0).all())
    assert bool((found[Y != 0].abs().sum(1) > 0).all())


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"temperature": 0.0}, "temperature must be above 0"), ({"teacher_weight": 0.0}, "teacher_weight must be above 0"),
     ({"teacher_weight": 1.5}, "at most 1")],
)  # fmt: skip
def test_what_cannot_be_is_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Distillation(**settings)
