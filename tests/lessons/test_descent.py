"""Descents: the lecture's cases, known floors of the standard surfaces, and the landscape of a real small net."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.lessons.approximation import approximate
from hubel.lessons.descent import SURFACES, descend, field, landscape, race, surface_field
from hubel.verbs import descent as verb


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [(0.1, "converges"), (0.25, "converges"), (0.5, "converges"), (1.0, "oscillates"), (1.1, "diverges")],
)
def test_w166_to_w169_what_the_rate_does_to_a_square(rate: float, verdict: str) -> None:
    assert descend("w**2", {"w": 2}, rate=rate, steps=40).verdict == verdict


def test_w171_two_dimensions_go_straight_to_the_middle_of_a_bowl() -> None:
    path = descend("w1**2 + w2**2", {"w1": -2, "w2": 1}, rate=0.25, steps=10)
    assert np.allclose(path.points, np.array([[-2, 1]]) * 0.5 ** np.arange(11)[:, None])


def test_w81_momentum_with_the_printed_sign_goes_uphill() -> None:
    # The lecture subtracts a velocity that already points downhill.
    def walk(sign: int) -> float:
        w, v = 2.0, 0.0
        for _ in range(20):
            v = 0.9 * v - 0.1 * 2 * w
            w += sign * v
        return w

    assert walk(-1) == pytest.approx(4433.7, abs=0.1)
    assert walk(+1) == pytest.approx(-0.70, abs=0.005)


def test_w44_the_error_of_each_coordinate_shrinks_by_one_minus_rate_x_squared_over_four() -> None:
    x, t, rate = 1.5, 3.0, 1.0
    path = descend("((x*w - t)**2 + 0*x + 0*t)/8", {"x": x, "w": 0.0, "t": t}, rate=rate, steps=1)
    w = path.variables.index("w")
    assert (x * path.points[1, w] - t) / (-t) == pytest.approx(1 - rate * x**2 / 4)


@pytest.mark.parametrize("name", SURFACES)
def test_the_floors_of_the_surfaces_are_where_the_literature_says(name: str) -> None:
    surface = SURFACES[name]
    for place in surface.minima:
        point = torch.tensor(place, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(surface.function(point[0], point[1]), point)
        assert slope.abs().max() < 1e-3
        curvature = torch.autograd.functional.hessian(lambda p: surface.function(p[0], p[1]), point.detach())
        assert torch.linalg.eigvalsh(curvature).min() > 0
    drawn = surface_field(surface, 41)
    assert np.isfinite(drawn.values).all()


def test_a_race_starts_together_and_the_better_suited_wins() -> None:
    runners = {
        "sgd": lambda m: torch.optim.SGD(m.parameters(), 0.04),
        "momentum": lambda m: torch.optim.SGD(m.parameters(), 0.04, momentum=0.7),
    }
    paths = race(SURFACES["valley"], runners, steps=60)
    assert all(tuple(p.points[0]) == SURFACES["valley"].start for p in paths)
    assert paths[1].values[-1] < paths[0].values[-1]


def test_a_field_has_gaps_where_there_is_no_value() -> None:
    values = field("1/x", np.array([-1.0, 0.0, 1.0])).values
    assert values[0] == -1
    assert math.isnan(values[1])
    with pytest.raises(UsageError, match="one or two variables"):
        field("x*y*z", np.zeros(2))


def test_a_hidden_layer_placed_by_hand_is_the_torch_net_it_claims_to_be() -> None:
    found = approximate("sin(2*x)", 16)
    net = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1)).double()
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.copy_(torch.from_numpy(-found.bends))
        net[2].weight.copy_(torch.from_numpy(found.weights)[None])
        net[2].bias.fill_(found.offset)
        drawn = net(torch.from_numpy(found.x)[:, None])[:, 0].numpy()
    assert np.allclose(drawn, found.drawn)
    assert approximate("sin(2*x)", 32).error < found.error / 3
    with pytest.raises(UsageError, match="has no value somewhere"):
        approximate("1/x", 4)


def trained() -> tuple[nn.Module, torch.Tensor, torch.Tensor, list[dict[str, torch.Tensor]]]:
    """A small net on a task it can learn, and its weights on the way."""
    torch.manual_seed(0)
    images = torch.randn(128, 1, 6, 6)
    labels = (images.mean((1, 2, 3)) > 0).long()
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 2))
    optimiser = torch.optim.SGD(net.parameters(), 0.2)
    states = []
    for _ in range(60):
        states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
    return net, images, labels, states


def test_the_middle_of_a_landscape_is_the_net_and_the_net_is_left_as_it_was() -> None:
    net, images, labels, _ = trained()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = landscape(net, images, labels, points=5, radius=1.0)
    loss = float(nn.functional.cross_entropy(net(images), labels).detach())
    assert found.loss.shape == (5, 5)
    assert found.loss[2, 2] == pytest.approx(loss, rel=1e-5)
    assert found.loss[0, 0] > loss
    assert found.loss[4, 4] > loss
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_filter_normalised_directions_do_not_care_how_the_layers_share_the_scale() -> None:
    # Li et al., section 3: doubling one layer and halving the next gives the same function and the same view.
    torch.manual_seed(0)
    images, labels = torch.randn(32, 8), torch.arange(32) % 2
    net = nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU(), nn.Linear(16, 2, bias=False))
    one = landscape(net, images, labels, points=5, line=True)
    with torch.no_grad():
        net[0].weight.mul_(4)
        net[2].weight.div_(4)
    two = landscape(net, images, labels, points=5, line=True)
    assert one.loss.shape == (5,)
    assert np.allclose(one.loss, two.loss, rtol=1e-4)


def test_the_optimiser_s_path_is_drawn_in_the_plane_it_moved_in() -> None:
    net, images, labels, states = trained()
    found = landscape(net, images, labels, points=7, path=states)
    assert found.path.shape == (60, 2)
    assert found.explained > 0.9
    assert np.linalg.norm(found.path[0]) > 10 * np.linalg.norm(found.path[-1])
    assert found.directions == "principal components of the path"
    with pytest.raises(UsageError, match="do not fit the net"):
        landscape(net, images, labels, path=[{}])


@pytest.mark.parametrize(("surface", "rate"), [("valley", None), ("rosenbrock", 0.001)])
def test_the_races_that_the_pages_show_stay_on_the_surface(surface: str, rate: float | None) -> None:
    paths, _ = verb.race(surface, ["sgd", "adam"], steps=150, rate=rate)
    assert all(len(path.values) == 151 and path.values[-1] < path.values[0] for path in paths)
    lost, _ = verb.race("rosenbrock", ["sgd"], steps=150, rate=None)
    assert lost[0].verdict == "diverges"
