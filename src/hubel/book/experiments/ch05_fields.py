"""Chapter 5, receptive fields: where the weight of a unit's field lies, and how much field a net needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from hubel.anatomy.effective import effective_field
from hubel.book.colours import colours
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Listing, Pictures
from hubel.book.racing import cost, raced, widest
from hubel.book.verdicts import exact, more_right
from hubel.nn.blocks import conv_norm_act
from hubel.runtime.seeds import generator, seeded


def fields(budget: Budget) -> Outcome:
    """The theoretical field, and where the weight of the gradient lies in it."""
    random = generator(44, 0)
    nets: dict[str, list[nn.Module]] = {
        "six 3 x 3": [nn.Conv2d(1 if i == 0 else 8, 8, 3, padding=1) for i in range(6)],
        "3 x 3, dilation 1 2 4": [nn.Conv2d(1 if i == 0 else 8, 8, 3, padding=d, dilation=d)
                                  for i, d in enumerate((1, 2, 4))],
        "two 3 x 3, pool, two 3 x 3": [nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(2),
                                       nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)],
    }  # fmt: skip
    wanted = {"six 3 x 3": 13, "3 x 3, dilation 1 2 4": 15, "two 3 x 3, pool, two 3 x 3": 14}
    table, shown, holds = [], {}, True
    for name, layers in nets.items():
        with seeded(44, len(name)):
            net = nn.Sequential(*layers)
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        found = effective_field(net, torch.rand(16, 1, 33, 33, generator=random), str(len(layers) - 1))
        (top, bottom), _ = found.window
        outside = found.map.copy()
        outside[top:bottom, found.window[1][0] : found.window[1][1]] = 0
        holds = holds and bottom - top == wanted[name] and float(outside.sum()) < 1e-6
        table.append([name, wanted[name], bottom - top, f"{100 * found.area:.0f} %"])
        shown[name] = found.map
    text = ", ".join(f"{row[0]}: {row[2]} px, 95 % of the weight on {row[3]} of them" for row in table)
    return Outcome(
        {"E44": exact(holds, text)},
        (Pictures("Weight of each pixel for the middle unit", shown, side=180, columns=3),
         Listing("Receptive fields", ["net", "by the formula", "measured", "area with 95 % of the weight"], table)),
    )  # fmt: skip


WAYS = {
    1: ((1, 1),) * 4, 3: ((3, 1), (1, 1), (1, 1), (1, 1)), 5: ((3, 1), (3, 1), (1, 1), (1, 1)), 9: ((3, 1),) * 4,
    13: ((3, 1), (3, 1), (3, 2), (3, 2)), 31: ((3, 1), (3, 2), (3, 4), (3, 8)),
}  # fmt: skip
"""Field in pixels -> kernel and dilation of four convolutions."""
WEIGHTS = 14_000


def _looking(field: int, maps: int) -> nn.Sequential:
    layers = [conv_norm_act(maps if i else 3, maps, kernel, dilation=dilation)
              for i, (kernel, dilation) in enumerate(WAYS[field])]  # fmt: skip
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(maps, 10))


def needed(budget: Budget) -> Outcome:
    """Four convolutions of equally many weights that see 1 to 31 pixels of 16 px pictures."""
    data = colours(budget.samples, 5000, 16)
    kinds: dict[str, Callable[[], nn.Module]] = {}
    for field in WAYS:
        maps = widest(partial(_looking, field), WEIGHTS, lambda net: sum(p.numel() for p in net.parameters()))
        kinds[f"{field} px"] = partial(_looking, field, maps)
    done = raced(kinds, data, seeds=budget.seeds, steps=budget.steps, row=45)
    rows = [[name, cost(each.nets[0]).params, f"{100 * each.mean:.1f} %"] for name, each in done.items()]
    return Outcome(
        {"E45": more_right(done["31 px"].hits, done["9 px"].hits, "the whole picture in sight beside 9 px a side")},
        (Bars("Right on test pictures, by field", {name: each.mean for name, each in done.items()}, share=True),
         Listing("Four convolutions and a mean", ["field", "weights", "right"], rows)),
        f"{data.note} {budget.steps} steps of 64, {budget.seeds} seeds. The mean over the maps joins what was seen.",
        data.name,
    )  # fmt: skip


EXPERIMENTS = (
    Experiment(
        "5.3",
        "What a unit sees",
        ("E44",),
        "Fresh weights, 16 noise pictures of 33 px.",
        fields,
        Budget(3),
        Budget(3),
        "the gradient fills the field of the formula and nothing outside; most of it lies in a part of that",
    ),
    Experiment(
        "5.5",
        "How much a net must see",
        ("E45",),
        "Four convolutions of 14,000 weights with fields of 1 to 31 px on 15,000 CIFAR-10 pictures at 16 px, 300 steps "
        "of 64, 2 seeds.",
        needed,
        Budget(150, seeds=2, samples=15_000, steps=300, full=True),
        None,
        "the lecture asks; a field of the whole picture is taken as necessary if it beats one of 9 px by interval",
    ),
)
