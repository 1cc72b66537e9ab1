"""Chapter 5, seeing wider, standing still: pooling, aliasing, and what follows a moved or turned picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.anatomy.summary import summarise
from hubel.book.bench import digits, fit, right, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.experiments.ch05_fields import EXPERIMENTS as FIELDS
from hubel.book.plots import Bars, Lines, Listing, Pictures
from hubel.book.shared import run_a
from hubel.book.verdicts import Finding, exact, more_in_mean, more_right, together
from hubel.data.augment_ops import shifted
from hubel.models import create_model
from hubel.nn.layers import BlurPool2d
from hubel.runtime.seeds import generator, seeded
from hubel.words import magnitude


def pooling(budget: Budget) -> Outcome:
    """What pooling keeps, saves and erases."""
    spot = torch.zeros(1, 1, 8, 8)
    spot[0, 0, 2, 2] = 1.0
    moved = spot.roll(1, 3)
    stays = all(
        bool((now == then).all())
        for now, then in (
            (F.max_pool2d(spot, 2), F.max_pool2d(moved, 2)),
            (F.avg_pool2d(spot, 2), F.avg_pool2d(moved, 2)),
        )
    )
    leaves = not bool((F.max_pool2d(spot, 2) == F.max_pool2d(spot.roll(-1, 3), 2)).all())
    stripes = torch.zeros(1, 1, 8, 8)
    stripes[..., ::2] = 1.0
    erased = {
        "stripes, maximum": float(F.max_pool2d(stripes, 2).std()), "spot, maximum": float(F.max_pool2d(spot, 2).max()),
        "stripes, mean": float(F.avg_pool2d(stripes, 2).std()), "spot, mean": float(F.avg_pool2d(spot, 2).max()),
    }  # fmt: skip
    convs = [nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)]
    with_pool = nn.Sequential(convs[0], nn.MaxPool2d(2), convs[1], nn.MaxPool2d(2), convs[2])
    tables = {"without": summarise(nn.Sequential(*convs), (1, 32, 32)), "with": summarise(with_pool, (1, 32, 32))}
    macs = {name: table.macs for name, table in tables.items()}
    fields = {name: [int(r.field) for r in table.rows if r.kind == "Conv2d"] for name, table in tables.items()}
    same = tables["with"].params == tables["without"].params
    rows = [[f"convolution {i + 1}", fields["without"][i], fields["with"][i]] for i in range(3)]
    return Outcome(
        {
            "E35": exact(stays and leaves, "a spot moved by 1 in its window: pooled maps equal; moved out of it: not"),
            "E38": exact(macs["with"] < macs["without"] and same and fields["with"][-1] > fields["without"][-1],
                         f"MACs {macs['without']:,} without pooling, {macs['with']:,} with; field "
                         f"{fields['without'][-1]} and {fields['with'][-1]}; as many weights"),
            "E39": exact(erased["stripes, maximum"] == 0 and erased["spot, mean"] < 0.3 and
                         erased["spot, maximum"] == 1, "fine stripes become one even tone under both: each window "
                         f"has both; a spot of 1 stays 1 under the maximum and sinks to {erased['spot, mean']:.2f} "
                         "under the mean"),
            "E46": exact(fields["with"] == [3, 8, 18], f"the same 3 x 3 sees {fields['with']} pixels, layer by layer"),
        },
        (Listing("Field of each convolution", ["layer", "without pooling", "with"], rows),
         Pictures("Patterns, and what two poolings leave of them", {
             "stripes": stripes[0, 0].numpy(), "maximum": _even(F.max_pool2d(stripes, 2)),
             "mean": _even(F.avg_pool2d(stripes, 2)), "spot": spot[0, 0].numpy(),
             "maximum ": _even(F.max_pool2d(spot, 2)), "mean ": _even(F.avg_pool2d(spot, 2))}, side=100)),
    )  # fmt: skip


def _even(maps: torch.Tensor) -> np.ndarray:
    """Values 0 … 1 as bytes, so that even grey is not stretched."""
    return (215 * maps[0, 0]).round().numpy().astype(np.uint8)


def _spectrum(signal: np.ndarray) -> float:
    """The strongest frequency, in cycles a sample."""
    strength = np.abs(np.fft.rfft(signal - signal.mean()))
    return float(np.fft.rfftfreq(len(signal))[strength.argmax()]) if strength.max() > 1e-9 else 0.0


def aliasing(budget: Budget) -> Outcome:
    """Waves and smooth noise that are halved with and without a blur."""
    at = np.arange(200)
    frequencies = [0.05, 0.1, 0.15, 0.2, 0.3, 0.35, 0.4, 0.45]
    taps = np.array([1, 4, 6, 4, 1]) / 16
    seen, left = [], []
    for f in frequencies:
        wave = np.cos(2 * np.pi * f * at)
        blurred = np.convolve(wave, taps, mode="same")
        seen.append(_spectrum(wave[::2]) / 2)
        left.append(float(np.abs(blurred[20:-20:2]).max()))
    folded = all(abs(s - (f if f < 0.25 else 0.5 - f)) < 0.006 for s, f in zip(seen, frequencies, strict=True))
    changes: dict[str, list[float]] = {"stride": [], "maximum": [], "maximum, blurred": [], "blurred": []}
    for seed in range(20):
        noise = torch.rand(1, 1, 66, 66, generator=generator(36, seed))
        smooth = F.avg_pool2d(noise, 3, stride=1)
        for name, values in changes.items():
            values.append(_moved_by_one(name, smooth))
    blur = np.array(changes["maximum, blurred"])
    gains = {name: np.array(changes[name]) - blur for name in ("stride", "maximum")}
    found = [more_in_mean(list(gain), f"change of {name} less that with a blur") for name, gain in gains.items()]
    told = f"waves of 0.3 and 0.45 cycles a pixel are seen as {seen[4]:.2f} and {seen[7]:.2f}; "
    told += f"blurred first, {left[7]:.2f} of the wave at 0.45 is left"
    means = {name: float(np.mean(values)) for name, values in changes.items()}
    return Outcome(
        {"E36": together(found), "E37": exact(folded and left[7] < 0.05, told)},
        (Lines("Frequency seen after halving", frequencies, {"halved": seen, "as it was": frequencies},
               "frequency, cycles a pixel"),
         Bars("Change under a shift of 1 pixel", means)),
        "The change is the distance of the halved maps of a picture and of the same moved by 1, over their spread.",
    )  # fmt: skip


def _moved_by_one(name: str, picture: torch.Tensor) -> float:
    dense = F.max_pool2d(picture, 2, stride=1) if name.startswith("maximum") else picture
    halve = BlurPool2d(5) if name.endswith("blurred") else (lambda x: x[..., ::2, ::2])
    one, two = halve(dense[..., :-1]), halve(dense[..., 1:])
    return float((one - two)[..., 2:-2, 2:-2].abs().mean() / one.std())


def standing_still(budget: Budget) -> Outcome:
    """A trained convnet under a shift, re-aligned block by block, and under smooth warps."""
    model, data = run_a("mnist_cnn", budget)
    x = F.pad(data.test_x[:300], (6, 6, 6, 6))
    block = model.block1
    assert isinstance(block, nn.Module)
    with torch.no_grad():
        still, moved = block(x), block(shifted(x, 0, 4))
        aligned = still.roll(2, 3)
        inside = float((moved - aligned)[..., 4:-4].abs().max())
        pooled = [f.amax((2, 3)) for f in (still, block(shifted(x, 0, 3)))]
        kept = float((pooled[0] - pooled[1]).norm() / (pooled[0] - pooled[0].roll(1, 0)).norm())
        apart = (still - still.roll(1, 0)).norm()
        half = block(shifted(x, 0, 1))
        unfit = min(float((half - still.roll(cells, 3)).norm() / apart) for cells in (0, 1))
    warps, pixels, maps = [0.5, 1.0, 2.0, 4.0], [], []
    field = F.interpolate(torch.randn(1, 2, 5, 5, generator=generator(53, 0)), size=28, mode="bicubic")
    field = field / field.abs().max()
    plain = data.test_x[:300]
    base = torch.stack(torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij"), -1)
    with torch.no_grad():
        features = model.block2(model.block1(plain))  # type: ignore[operator]
        for strength in warps:
            place = (base + strength * field[0].permute(1, 2, 0)).flip(-1) / 13.5 - 1
            bent = F.grid_sample(plain, place[None].expand(len(plain), -1, -1, -1), align_corners=True)
            pixels.append(float((bent - plain).norm() / (plain - plain.roll(1, 0)).norm()))
            other = model.block2(model.block1(bent))  # type: ignore[operator]
            maps.append(float((other - features).norm() / (features - features.roll(1, 0)).norm()))
    rises = all(a < b for a, b in pairwise(maps))
    small = Finding("confirmed" if rises and maps[0] < 0.2 else "refuted", "change of the maps under warps of "
                    f"{warps} px: " + ", ".join(f"{m:.2f}" for m in maps))  # fmt: skip
    return Outcome(
        {
            "E52": together([
                exact(inside < 1e-5, f"moved by 4 and moved back, maps differ by {magnitude(inside)} inside"),
                exact(kept < 0.2, f"moved by 3, the largest value of each map changes by {kept:.1%} of what another "
                                  "digit changes"),
                exact(unfit > 0.05, f"moved by 1, half a pooling step, no shift of the maps fits: {unfit:.0%}")]),
            "E53": small,
        },
        (Lines("Change under a smooth warp", warps, {"pixels": pixels,
               "second maps": maps}, "largest move of a pixel", steep=False),),
        data.note, data.name,
    )  # fmt: skip


def turned(budget: Budget) -> Outcome:
    """Quarter turns: a plain convnet, and one whose maps turn along."""
    model, data = run_a("mnist_cnn", budget)
    turns = [torch.rot90(data.test_x, k, (2, 3)) for k in range(4)]
    plain = [right(model, x, data.test_y) for x in turns]
    with seeded(54, 0):
        group = create_model("p4_cnn", in_chans=1, num_classes=10, img_size=28)
    fit(group, data.x[:1500], data.y[:1500], steps=budget.steps, seed=54, batch=64, lr=3e-3)
    some = [x[:500] for x in turns]
    answers = [scores(group, x) for x in some]
    gap = max(float((a - answers[0]).abs().max()) for a in answers)
    p4 = [float((a.argmax(1) == data.test_y[:500]).float().mean()) for a in answers]
    loses = more_right(plain[0], plain[1], "plain, upright beside a quarter turn", by=0.3)
    return Outcome(
        {"E54": together([loses, exact(gap < 1e-3, f"outputs of the equivariant net differ by {magnitude(gap)}")])},
        (Lines("Right, by quarter turns", [0, 90, 180, 270], {"plain": [float(p.mean()) for p in plain],
               "equivariant": p4}, "degrees", share=True),),
        data.note, data.name,
    )  # fmt: skip


def there_and_back(budget: Budget) -> Outcome:
    """Transposed convolutions undo the shape of convolutions, and an autoencoder learns to fill it."""
    shapes = []
    for side in (16, 32, 64):
        with torch.no_grad():
            small = nn.Conv2d(3, 8, 3, stride=2, padding=1)(torch.zeros(1, 3, side, side))
            back = nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)(small)
        shapes.append([side, small.shape[-1], back.shape[-1]])
    data = digits(2000, 300)
    with seeded(49, 0):
        net = create_model("autoencoder", in_chans=1, num_classes=10, img_size=28, code=16)
    back_of = net.reconstruct
    plain = float(((data.test_x - data.x.mean(0)) ** 2).mean())

    class Rebuild(nn.Module):
        """The net as a map from pictures to pictures."""

        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return back_of(x)  # type: ignore[operator]

    model = Rebuild()
    before = float(F.mse_loss(scores(model, data.test_x), data.test_x))
    fit(model, data.x, data.x, steps=budget.steps, seed=49, loss=F.mse_loss, lr=2e-3)
    after = float(F.mse_loss(scores(model, data.test_x), data.test_x))
    shown: dict[str, np.ndarray] = {}
    for i in range(6):
        shown |= {
            f"{i}": data.test_x[i, 0].numpy(),
            f"{i} rebuilt": scores(model, data.test_x[i : i + 1])[0, 0].numpy(),
        }
    told = f"squared error {before:.3f} fresh, {after:.4f} after {budget.steps} steps; the mean digit gives {plain:.3f}"
    ok = all(a == c for a, _, c in shapes) and after < before / 5 and after < plain
    return Outcome(
        {"E49": exact(ok, told)},
        (Pictures("Digits and their return through 16 numbers", shown, side=72, columns=12),),
        data.note, data.name,
    )  # fmt: skip


EXPERIMENTS = (
    *FIELDS,
    Experiment(
        "5.1",
        "What pooling does",
        ("E35", "E38", "E39", "E46"),
        "Drawn patterns; three 3 x 3 convolutions at 32 px.",
        pooling,
        Budget(2),
        Budget(2),
        "counts are exact and each pooling erases a pattern",
    ),
    Experiment(
        "5.2",
        "Sampling too coarsely",
        ("E36", "E37"),
        "Waves of 0.05 to 0.45 cycles a pixel; 20 smooth noise pictures.",
        aliasing,
        Budget(4),
        Budget(4),
        "waves above a quarter fold back unless blurred, and a blur lowers the change",
    ),
    Experiment(
        "5.4",
        "Shifts and warps",
        ("E52", "E53"),
        "The trained digit convnet, 300 test digits.",
        standing_still,
        Budget(60, full=True),
        Budget(15),
        "maps follow a shift exactly inside, their maxima nearly stay, and changes grow with the warp",
    ),
    Experiment(
        "5.6",
        "Turns",
        ("E54",),
        "The trained digit convnet; p4_cnn on 1,500 digits, 40 steps (300 in full).",
        turned,
        Budget(60, steps=300, full=True),
        Budget(20, steps=40),
        "the plain net loses more than 30 points at a quarter turn and the other gives the same outputs",
    ),
    Experiment(
        "5.7",
        "There and back",
        ("E49",),
        "An autoencoder of 16 numbers on 2,000 digits, 150 steps (600 in full).",
        there_and_back,
        Budget(40, steps=600),
        Budget(12, steps=150),
        "shapes return, and the error falls to a fifth",
    ),
)
