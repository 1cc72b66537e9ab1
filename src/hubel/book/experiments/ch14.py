"""Chapter 14, what is not normal: rebuilding, a generator's nearest picture, and foreign patches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.anomalies.foreign import PatchFinder, blended
from hubel.book.bench import digits, fit, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch14_series import EXPERIMENTS as SERIES
from hubel.book.plots import Bars, Pictures
from hubel.book.verdicts import Interval, compared
from hubel.features.space import nearest
from hubel.metrics.roc import auroc
from hubel.models import create_model
from hubel.runtime.seeds import generator, seeded


def strange(budget: Budget) -> Outcome:
    """An autoencoder that has seen only ones, and the distance of codes; beside the nearest pixels."""
    data = digits(10_000 if budget.full else 3000, 1000)
    usual = data.x[data.y == 1]
    with seeded(171, 0):
        net = create_model("autoencoder", in_chans=1, num_classes=10, img_size=28, code=8)

    class Rebuild(nn.Module):
        """The net as a map from pictures to pictures."""

        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return net.reconstruct(x)  # type: ignore[operator]

    whole = Rebuild()
    fit(whole, usual, usual, steps=budget.steps, seed=171, lr=2e-3, loss=F.mse_loss)
    odd = (data.test_y != 1).numpy()
    rebuilt = scores(whole, data.test_x)
    with torch.no_grad():
        codes = [net.encode(x).flatten(1).numpy() for x in (usual, data.test_x)]  # type: ignore[operator]
    score = {
        "rebuilding": ((rebuilt - data.test_x) ** 2).flatten(1).mean(1).numpy(),
        "nearest codes": nearest(codes[1], codes[0], k=5).distances.mean(1),
        "nearest pixels": nearest(data.test_x.flatten(1).numpy(), usual.flatten(1).numpy(), k=5).distances.mean(1),
    }
    area, ends = {}, {}
    for name, values in score.items():
        area[name], ends[name] = auroc(values, odd)
    shown: dict[str, np.ndarray] = {}
    for row in [*np.flatnonzero(~odd)[:2], *np.flatnonzero(odd)[:4]]:
        shown |= {f"{row}": data.test_x[row, 0].numpy(), f"{row} rebuilt": rebuilt[row, 0].numpy()}
    told = {name: f"area under the curve {area[name]:.3f} (95 % interval {ends[name][0]:.3f} to {ends[name][1]:.3f}); "
            f"five nearest pixels give {area['nearest pixels']:.3f}" for name in area}  # fmt: skip
    return Outcome(
        {"E171": compared(ends["rebuilding"], 0.9, told["rebuilding"]),
         "E172": compared(ends["nearest codes"], 0.9, told["nearest codes"])},
        (Bars("Area under the curve: ones are normal", area, ends),
         Pictures("Digits and their return from a net that knows ones only", shown, side=80, columns=6)),
        data.note, data.name,
    )  # fmt: skip


Normal = tuple[torch.Tensor, torch.Tensor]
"""Normal pictures, N 1 14 14, to learn from and to be judged."""


def _halved(digit: int, train: int) -> Normal:
    data = digits(train, 2000)
    x, test = data.x[data.y == digit], data.test_x[data.test_y == digit]
    return F.avg_pool2d(x, 2), F.avg_pool2d(test, 2)


def _by_pixel(maps: torch.Tensor, planted: torch.Tensor) -> tuple[float, Interval]:
    """Area under the curve of each picture's pixels, mean and its interval over pictures."""
    areas = np.array([auroc(m.numpy().ravel(), p.numpy().ravel())[0] for m, p in zip(maps, planted, strict=True)])
    half = 1.96 * areas.std(ddof=1) / np.sqrt(len(areas))
    return float(areas.mean()), (float(areas.mean() - half), float(areas.mean() + half))


def planted_squares(x: torch.Tensor, side: int, seed: int, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each picture with a square out of another place of another picture; where it differs from what was there.

    Squares that change next to nothing are drawn anew, as nobody could see them.
    """
    draw, changed = generator(173, seed), x.clone()
    room = x.shape[-1] - side + 1
    for i in range(len(x)):
        for _ in range(200):
            other = int(torch.randint(0, len(source), (1,), generator=draw))
            top, left, y, z = (int(v) for v in torch.randint(0, room, (4,), generator=draw))
            patch = source[other, 0, y : y + side, z : z + side]
            if float((patch - x[i, 0, top : top + side, left : left + side]).abs().mean()) > 0.25:
                break
        changed[i, 0, top : top + side, left : left + side] = patch
    return changed, (changed - x).abs() > 0.02


def _dense(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def _generator(usual: torch.Tensor, steps: int) -> nn.Sequential:
    """Dense layers that learn to draw normal pictures against a critic (Goodfellow et al., arXiv:1406.2661)."""
    with seeded(173, 0):
        draws, critic = nn.Sequential(_dense(16, 128, 256, 196), nn.Sigmoid()), _dense(196, 128, 64, 1)
    steer = [torch.optim.Adam(net.parameters(), lr=4e-4, betas=(0.5, 0.999)) for net in (draws, critic)]
    source, flat = generator(173, 1), usual.flatten(1)
    for _ in range(steps):
        real = flat[torch.randint(0, len(flat), (64,), generator=source)]
        made = draws(torch.randn(64, 16, generator=source))
        told = F.softplus(-critic(real)).mean() + F.softplus(critic(made.detach())).mean()
        steer[1].zero_grad()
        told.backward()
        steer[1].step()
        steer[0].zero_grad()
        F.softplus(-critic(made)).mean().backward()
        steer[0].step()
    return draws.eval()


def _nearest_drawn(draws: nn.Module, x: torch.Tensor, starts: int, steps: int) -> torch.Tensor:
    """The generator's picture nearest to each: descent on its input from several starts (AnoGAN, arXiv:1703.05921)."""
    wanted = x.flatten(1).repeat(starts, 1)
    code = torch.randn(len(wanted), 16, generator=generator(173, 2)).requires_grad_()
    steer = torch.optim.Adam([code], lr=0.05)
    for _ in range(steps):
        steer.zero_grad()
        ((draws(code) - wanted) ** 2).sum(1).mean().backward()
        steer.step()
    with torch.no_grad():
        made = draws(code)
        error = ((made - wanted) ** 2).sum(1).reshape(starts, -1)
    return made.detach().reshape(starts, *x.shape)[error.argmin(0), torch.arange(len(x))]


def generated(budget: Budget) -> Outcome:
    """Ones with a foreign square: what the generator of ones cannot draw, pixel by pixel."""
    usual, test = _halved(1, budget.samples)
    data = digits(budget.samples, 2000)
    others = F.avg_pool2d(data.test_x[(data.test_y == 8) | (data.test_y == 0)], 2)
    odd, where = planted_squares(test[:60], 5, 0, others)
    made = _nearest_drawn(_generator(usual, budget.steps), odd, 4, 120)
    near = usual[torch.from_numpy(nearest(odd.flatten(1).numpy(), usual.flatten(1).numpy(), k=1).indices[:, 0].copy())]
    area, ends = {}, {}
    for name, maps in (("generator", (odd - made).abs()), ("nearest normal picture", (odd - near).abs()),
                       ("pixels themselves", odd)):  # fmt: skip
        area[name], ends[name] = _by_pixel(maps, where)
    low, high = ends["generator"]
    shown: dict[str, np.ndarray] = {}
    for i in range(4):
        shown |= {f"{i}": odd[i, 0].numpy(), f"{i} drawn": made[i, 0].numpy(),
                  f"{i} difference": (odd - made).abs()[i, 0].numpy()}  # fmt: skip
    return Outcome(
        {"E173": compared((low, high), 0.7, "area under the curve of the pixels that the square changed: "
                          f"{area['generator']:.3f} (95 % interval {low:.3f} to {high:.3f}, {len(odd)} pictures); "
                          "difference from the nearest normal picture "
                          f"{area['nearest normal picture']:.3f}, the pixels themselves "
                          f"{area['pixels themselves']:.3f}")},
        (Pictures("Ones with a foreign square", shown, side=76, columns=6),
         Bars("Area under the curve, pixels", area, ends)),
        f"{data.note} Ones at 14 px; {budget.steps} steps of generator and critic, 120 steps of search.", data.name,
    )  # fmt: skip


def foreign_patches(budget: Budget) -> Outcome:
    """A net that learns to see patches blended in, judged on squares that it has never seen."""
    data = digits(budget.samples, 2000)
    digit = data.test_y == 1
    usual, test = data.x[data.y == 1], data.test_x[digit]
    others = data.test_x[~digit]
    odd, where = planted_squares(test[:60], 8, 1, others)
    with seeded(174, 0):
        net = PatchFinder(1, width=8)
        fresh = PatchFinder(1, width=8)
    steer, draw = torch.optim.Adam(net.parameters(), lr=2e-3), generator(174, 1)
    net.train()
    for _ in range(budget.steps):
        batch = usual[torch.randint(0, len(usual), (32,), generator=draw)]
        mixed, share = blended(batch, draw)
        seen = ((mixed - batch).abs().amax(1, keepdim=True) > 0.02).float()
        steer.zero_grad()
        F.binary_cross_entropy_with_logits(net(mixed - 0.5), share * seen).backward()
        steer.step()
    net.eval()
    fresh.eval()
    maps = {"trained": scores(net, odd - 0.5), "fresh": scores(fresh, odd - 0.5), "pixels themselves": odd}
    area, ends = {}, {}
    for name, each in maps.items():
        area[name], ends[name] = _by_pixel(each, where)
    low, high = ends["trained"]
    shown: dict[str, np.ndarray] = {}
    for i in range(4):
        shown |= {f"{i}": odd[i, 0].numpy(), f"{i} map": torch.sigmoid(maps["trained"][i, 0]).numpy()}
    return Outcome(
        {"E174": compared((low, high), 0.7, f"area under the curve of the pixels that squares of other digits changed: "
                          f"{area['trained']:.3f} (95 % interval {low:.3f} to {high:.3f}, {len(odd)} pictures); fresh "
                          f"net {area['fresh']:.3f}, the pixels themselves {area['pixels themselves']:.3f}")},
        (Pictures("Ones with a square of another digit, and the map", shown, side=86, columns=4),
         Bars("Area under the curve, pixels", area, ends)),
        f"{data.note} {budget.steps} steps on ones only.", data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *SERIES,
    Experiment(
        "14.1",
        "What cannot be rebuilt",
        ("E171", "E172"),
        "An autoencoder of 8 numbers on ones only, 120 steps (600 in full); all other digits are strange.",
        strange,
        Budget(40, steps=600, full=True),
        Budget(14, steps=120),
        "the area under the curve is above 0.9",
    ),
    Experiment("14.2", "Foreign patches", ("E174",), "A small net of bridges learns ones with patches blended in; "
               "judged on 8 x 8 squares of other digits.", foreign_patches,
               Budget(100, samples=10_000, steps=1500, full=True),
               rule="the area under the curve of pixels is above 0.7"),
    Experiment("14.4", "What a generator cannot draw", ("E173",), "Dense generator and critic on ones at 14 px; 60 "
               "ones with a foreign 5 x 5 square; the nearest drawn picture by descent.", generated,
               Budget(40, samples=10_000, steps=2500), Budget(16, samples=3000, steps=800),
               "the area under the curve of pixels is above 0.7"),
)  # fmt: skip
