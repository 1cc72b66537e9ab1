"""What is minimised without labels, against the formulas of the papers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.training.objectives import Byol, Learner, found_again, represented, spread


def net() -> nn.Module:
    torch.manual_seed(0)
    return create_model("resnet20", num_classes=3, img_size=16)


def test_the_loss_is_that_of_the_paper_worked_out_view_by_view() -> None:
    model = net()
    objective = Byol(model, torch.zeros(1, 3, 16, 16))
    views = torch.randn(5, 2, 3, 16, 16)
    learner = Learner(model, objective).eval()  # statistics are kept, so a view alone is seen as among others
    got = learner(views)
    wanted = torch.zeros(5)
    for here, there in ((0, 1), (1, 0)):
        q = objective.predictor(objective.projector(represented(model, views[:, here])))
        z = objective.target_projector(represented(objective.target, views[:, there]))
        q, z = q / q.norm(dim=1, keepdim=True), z / z.norm(dim=1, keepdim=True)
        wanted = wanted + (q - z).square().sum(dim=1) / 2
    assert torch.allclose(got, wanted, atol=1e-5)


def test_no_gradient_flows_into_the_copy_nor_into_the_head() -> None:
    model = net()
    objective = Byol(model, torch.zeros(1, 3, 16, 16))
    Learner(model, objective).train()(torch.randn(4, 2, 3, 16, 16)).mean().backward()
    assert all(p.grad is None for part in (objective.target, objective.target_projector) for p in part.parameters())
    assert model.get_submodule(str(model.head)).weight.grad is None
    assert all(p.grad is not None for p in (*objective.projector.parameters(), *objective.predictor.parameters()))


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_copy_follows_as_a_moving_average(decay: float) -> None:
    model = net()
    objective = Byol(model, torch.zeros(1, 3, 16, 16), decay)
    name, before = next((n, p.detach().clone()) for n, p in objective.target.named_parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    objective.follow(model)
    assert torch.allclose(objective.target.get_parameter(name), before + (1 - decay), atol=1e-6)


def test_a_net_that_sees_all_alike_spreads_nowhere_and_finds_nothing() -> None:
    same = torch.ones(20, 8)
    assert spread(same) == pytest.approx(0, abs=1e-6)
    assert found_again(same, same) == 0
    apart = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    assert spread(apart) == pytest.approx(1, abs=0.05)
    assert found_again(apart, apart + 1e-3) == 1


@pytest.mark.parametrize("name", ["resnet20", "squeezenet1_1", "vit_tiny", "nin", "quicknet"])
def test_features_are_what_enters_the_head_also_where_that_takes_maps(name: str) -> None:
    model = create_model(name, num_classes=3, img_size=32).eval()
    assert represented(model, torch.zeros(2, 3, 32, 32)).dim() == 2


def test_a_net_without_stages_is_refused() -> None:
    with pytest.raises(UsageError, match="does not say what its stages and its head are"):
        Byol(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.zeros(1, 1, 2, 2))
