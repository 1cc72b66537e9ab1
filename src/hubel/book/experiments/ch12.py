"""Chapter 12, looking inside: neighbours, maps of the space, maps of importance, and pictures that fool."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import digits, fit, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch12_stages import EXPERIMENTS as STAGES
from hubel.book.plots import Bars, Lines, Pictures
from hubel.book.shared import run_a
from hubel.book.verdicts import compared, exact, more_right, percent, share_above, together
from hubel.explainers.methods import attribute
from hubel.features.prototypes import prototypes
from hubel.features.space import embed, nearest
from hubel.metrics.intervals import mean_interval
from hubel.models import create_model
from hubel.robustness.attacks import attack
from hubel.runtime.seeds import generator, seeded


def body_of(model: nn.Module) -> nn.Sequential:
    """All of the convnet before its dense head."""
    return nn.Sequential(model.block1, model.block2, nn.Flatten())  # type: ignore[arg-type]


def filters_fire(budget: Budget) -> Outcome:
    """Maps of the first layer for one digit; tiles of the second layer's weights."""
    model, data = run_a("mnist_cnn", budget)
    block = model.block1
    assert isinstance(block, nn.Sequential)
    with torch.no_grad():
        maps = F.relu(block[0](data.test_x[:200]))
    ink = F.interpolate(data.test_x[:200], size=26, mode="area")[:, 0]
    on, off = ink > 0.5, ink < 0.05
    spread = maps.mean(1)
    differences = [float(spread[i][on[i]].mean() - spread[i][off[i]].mean()) for i in range(200) if bool(on[i].any())]
    second = model.block2
    assert isinstance(second, nn.Sequential)
    channels = int(second[0].weight.shape[1])  # type: ignore[index]
    shown = {"digit": data.test_x[0, 0].numpy()} | {f"filter {k}": maps[0, k].numpy() for k in range(11)}
    tiles = {f"{k}": second[0].weight[0, k].detach().numpy() for k in range(12)}  # type: ignore[index]
    low, high = mean_interval(np.array(differences))
    return Outcome(
        {
            "E60": compared((low, high), 0.0, f"answer on ink less on paper {np.mean(differences):.3f} (95 % interval "
                            f"{low:.3f} to {high:.3f}, {len(differences)} digits)"),
            "E58": exact(channels not in (1, 3), f"a kernel of the second layer has {channels} channels: no "
                         "picture has so many, and it is shown as tiles"),
        },
        (Pictures("Where each first filter fires: dark low, bright high", shown, side=80, columns=6),
         Pictures("One kernel of the second layer, 12 of its channels", tiles, side=56, columns=12)),
        data.note, data.name,
    )  # fmt: skip


def neighbours(budget: Budget) -> Outcome:
    """Five nearest training digits by pixels and by features, and how far classes lie apart."""
    model, data = run_a("mnist_cnn", budget)
    body = body_of(model)
    spaces = {"pixels": (data.x.flatten(1).numpy(), data.test_x[:500].flatten(1).numpy()),
              "features": (scores(body, data.x).numpy(), scores(body, data.test_x[:500]).numpy())}  # fmt: skip
    y, wanted = data.y.numpy(), data.test_y[:500].numpy()
    agree = {}
    apart = {}
    for name, (samples, queries) in spaces.items():
        near = nearest(queries, samples, k=5).indices
        agree[name] = (y[near] == wanted[:, None]).mean(1)
        apart[name] = embed(queries, method="pca", labels=wanted).silhouette
    gain = agree["features"] - agree["pixels"]
    low, high = mean_interval(gain)
    told = f"{percent(agree['features'].mean())} by features, {percent(agree['pixels'].mean())} by pixels, difference "
    return Outcome(
        {
            "E61": compared((low, high), 0.0, f"neighbours of the same class: {told}{100 * low:+.1f} to "
                            f"{100 * high:+.1f} points (95 %)"),
            "E62": exact(apart["features"] > apart["pixels"], f"silhouette of the classes {apart['features']:.3f} by "
                                                              f"features, {apart['pixels']:.3f} by pixels"),
        },
        (Bars("Five nearest of the same class", {n: float(a.mean()) for n, a in agree.items()}, share=True),),
        data.note, data.name,
    )  # fmt: skip


METHODS = ("saliency", "guided-backprop", "integrated-gradients", "occlusion", "hires-cam", "grad-cam")


def pointing(budget: Budget) -> Outcome:
    """A digit in one quadrant: which maps point at it, and what covering it does."""
    data = digits(1500, 200)
    random = generator(63, 0)

    def placed(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        small = F.interpolate(x, size=14, mode="area")
        board = torch.zeros(len(x), 1, 28, 28)
        quadrant = torch.randint(0, 4, (len(x),), generator=random)
        for i, q in enumerate(quadrant.tolist()):
            board[i, :, 14 * (q // 2) : 14 * (q // 2) + 14, 14 * (q % 2) : 14 * (q % 2) + 14] = small[i]
        return board, quadrant

    x, _ = placed(data.x)
    test, quadrant = placed(data.test_x[:60])
    with seeded(63, 0):
        net = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28)
    fit(net, x, data.y, steps=budget.steps, seed=63, lr=2e-3)
    hits, shown = {}, {"picture": test[0, 0].numpy()}
    for method in METHODS:
        found = attribute(net, test, method=method, target=data.test_y[:60].tolist())
        maps = np.abs(found.maps) if found.signed and method != "grad-cam" else found.maps
        top = maps.reshape(len(maps), -1).argmax(1)
        where = 2 * (top // 28 // 14) + top % 28 // 14
        hits[method] = where == quadrant.numpy()
        shown[method] = found.maps[0]
    covered, uncovered = test.clone(), test.clone()
    for i, q in enumerate(quadrant.tolist()):
        for board, place in ((covered, q), (uncovered, 3 - q)):
            board[i, :, 14 * (place // 2) : 14 * (place // 2) + 14, 14 * (place % 2) : 14 * (place % 2) + 14] = 0
    label = data.test_y[:60]
    p = {name: scores(net, b).softmax(1)[torch.arange(60), label].numpy() for name, b in
         (("as it is", test), ("digit covered", covered), ("other quadrant covered", uncovered))}  # fmt: skip
    drop = (p["as it is"] - p["digit covered"]) - (p["as it is"] - p["other quadrant covered"])
    low, high = mean_interval(drop)
    shares = {name: float(h.mean()) for name, h in hits.items()}
    told = [share_above(int(hits[m].sum()), 60, 0.6, m) for m in METHODS if m != "grad-cam"]
    weak = f"Grad-CAM points at it in {shares['grad-cam']:.0%}: behind a dense head it cannot know the place"
    return Outcome(
        {
            "E63": share_above(int(hits["saliency"].sum()), 60, 0.6, "largest gradient in the digit's quadrant"),
            "E64": compared((low, high), 0.0, f"covering the digit costs {drop.mean():.2f} more probability than an "
                            f"empty quadrant (95 % interval {low:.2f} to {high:.2f})"),
            "E65": together(told),
        },
        (Pictures("One digit under six methods", shown, side=110, columns=7),
         Bars("Maximum in the digit's quadrant", shares, share=True)),
        f"{data.note} {weak}. Chance is 25 %.", data.name,
    )  # fmt: skip


def fooled(budget: Budget) -> Outcome:
    """Small changes along the gradient, and as large ones at random."""
    model, data = run_a("mnist_cnn", budget)
    x, y = data.test_x[:200], data.test_y[:200]
    at = [0.05, 0.1, 0.2]
    curves: dict[str, list[float]] = {"fgsm": [], "pgd": [], "random signs": []}
    kept: dict[str, np.ndarray] = {}
    for eps in at:
        for method in ("fgsm", "pgd"):
            done = attack(model, x, method=method, eps=eps, labels=y.tolist(), steps=5)
            kept[method] = done.after.argmax(1) == y.numpy()
            curves[method].append(float(kept[method].mean()))
        sign = torch.randint(0, 2, x.shape, generator=generator(66, int(100 * eps))) * 2.0 - 1
        kept["random signs"] = (scores(model, (x + eps * sign).clamp(0, 1)).argmax(1) == y).numpy()
        curves["random signs"].append(float(kept["random signs"].mean()))
    typical = prototypes(x[y == 3].flatten(1).numpy(), count=3, criticisms=0)
    shown = {f"typical {i + 1}": x[y == 3][int(row), 0].numpy() for i, row in enumerate(typical.prototypes)}
    done = attack(model, x[:4], method="fgsm", eps=0.2, labels=y[:4].tolist())
    shown |= {f"as {int(done.after[i].argmax())}, is {int(y[i])}": done.images[i, 0] for i in range(4)}
    return Outcome(
        {"E66": more_right(kept["random signs"], kept["fgsm"], "changes of 0.2, random beside along the gradient")},
        (Lines("Right over the size of the change", at, curves, "largest change of a pixel", share=True),
         Pictures("Typical threes, and digits changed by 0.2", shown, side=90, columns=7)),
        data.note, data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *STAGES,
    Experiment(
        "12.2",
        "Where filters fire",
        ("E58", "E60"),
        "The trained digit convnet, 200 test digits.",
        filters_fire,
        Budget(40, full=True),
        Budget(12),
        "answers on ink are larger than on empty paper",
    ),
    Experiment(
        "12.3",
        "Neighbours",
        ("E61", "E62"),
        "The trained digit convnet, 500 test digits.",
        neighbours,
        Budget(60, full=True),
        Budget(15),
        "features agree more with the class than pixels by interval",
    ),
    Experiment(
        "12.4",
        "Maps of importance",
        ("E63", "E64", "E65"),
        "Digits at half size in one quadrant; the convnet on 1,500, 120 steps (600 in full); 60 maps of six methods.",
        pointing,
        Budget(40, steps=600),
        Budget(15, steps=120),
        "the maximum lies in the digit's quadrant, chance 25 %",
    ),
    Experiment(
        "12.5",
        "Pictures that fool",
        ("E66",),
        "The trained digit convnet, 200 test digits.",
        fooled,
        Budget(40, full=True),
        Budget(14),
        "a change along the gradient costs more than a random one of the same size",
    ),
)
