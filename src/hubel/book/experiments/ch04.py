"""Chapter 4, convolution by hand: what it equals, what it follows, what it finds."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_image
from torch import nn

from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Listing, Pictures
from hubel.book.verdicts import exact, together
from hubel.lessons.shapes import window_size
from hubel.models import create_model
from hubel.nn.kernels import KERNELS, apply_kernel
from hubel.runtime.seeds import generator, seeded
from hubel.words import magnitude


def photo(side: int = 96) -> torch.Tensor:
    """The flower that comes with scikit-learn, in grey: 1 1 side side in [0, 1]."""
    picture = torch.from_numpy(load_sample_image("flower.jpg").astype(np.float32) / 255).permute(2, 0, 1)[None]
    square = picture[:, :, :, 107:534].mean(1, keepdim=True)
    return F.interpolate(square, size=(side, side), mode="area")


def laws(budget: Budget) -> Outcome:
    """Convolution as a matrix, as a dense layer, as something that follows shifts; its four laws."""
    random = generator(24, 0)
    x = torch.rand(1, 1, 6, 6, generator=random)
    kernel = torch.randn(1, 1, 3, 3, generator=random)
    matrix = torch.stack([F.conv2d(e.reshape(1, 1, 6, 6), kernel).flatten() for e in torch.eye(36)], 1)
    toeplitz = _gap(matrix @ x.flatten(), F.conv2d(x, kernel).flatten())
    with seeded(25, 0):
        dense, conv = nn.Linear(3 * 36, 5), nn.Conv2d(3, 5, 6)
        cnn = create_model("mnist_cnn", in_chans=1, num_classes=10, img_size=28).eval()
    y = torch.rand(2, 3, 6, 6, generator=random)
    with torch.no_grad():
        conv.weight.copy_(dense.weight.reshape(5, 3, 6, 6)), conv.bias.copy_(dense.bias)  # type: ignore[union-attr]
        whole = _gap(dense(y.flatten(1)), conv(y).flatten(1))
        point, mixer = nn.Conv2d(64, 32, 1), nn.Linear(64, 32)
        mixer.weight.copy_(point.weight[:, :, 0, 0]), mixer.bias.copy_(point.bias)  # type: ignore[arg-type]
        maps = torch.rand(1, 64, 8, 8, generator=random)
        one = _gap(point(maps), mixer(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        around = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
        zeros = nn.Conv2d(1, 4, 3, padding=1)
        follow = _gap(around(x.roll((1, 2), (2, 3))), around(x).roll((1, 2), (2, 3)))
        rim = (zeros(x.roll(1, 3)) - zeros(x).roll(1, 3)).abs()
        inner, outer = float(rim[..., 1:-1, 2:-1].max()), float(rim.max())
        grown = cnn.block2(cnn.block1(torch.rand(1, 1, 32, 32)))  # type: ignore[operator]
    f, g, h = (torch.randn(1, 1, 1, n, generator=random, dtype=torch.float64) for n in (5, 3, 4))
    commutes, associates = _gap(_full(f, g), _full(g, f)), _gap(_full(_full(f, g), h), _full(f, _full(g, h)))
    g2 = torch.randn(1, 1, 1, 3, generator=random, dtype=torch.float64)
    distributes = _gap(_full(f, g + g2), _full(f, g) + _full(f, g2))
    scales = _gap(_full(3 * f, g), 3 * _full(f, g))
    correlates = float((_slid(f, g) - _slid(g, f)).abs().max())
    shuffled, plain = _within_windows(random)
    refused = _refusal(cnn)
    table = {"as a 16 x 36 matrix": toeplitz, "kernel as large as the picture and a dense layer": whole,
             "1 x 1 and a dense layer at each pixel": one, "shifted before and after, edges that meet": follow,
             "f * g and g * f": commutes, "(f * g) * h and f * (g * h)": associates,
             "f * (g + g') and f * g + f * g'": distributes, "3f * g and 3 (f * g)": scales}  # fmt: skip
    entries = int((matrix != 0).sum())
    return Outcome(
        {
            "E24": exact(toeplitz < 1e-5 and entries == 144 and matrix.shape == (16, 36),
                         f"a 3 x 3 on 6 x 6 is a 16 x 36 matrix with {entries} entries of 9 values; difference "
                         f"{magnitude(toeplitz)}"),
            "E25": exact(whole < 1e-5, f"a 6 x 6 kernel with a dense layer's weights: difference {magnitude(whole)}"),
            "E26": together([exact(follow < 1e-5, f"with edges that meet, difference {magnitude(follow)}"),
                             exact(inner < 1e-5 < outer, f"with zeros around, 0 inside and {outer:.2f} at the rim")]),
            "E27": exact(max(commutes, associates, distributes, scales) < 1e-9 < 0.1 < correlates,
                         f"four laws to 1e-9; correlation differs by {correlates:.2f} when its two are exchanged"),
            "E33": exact(conv(y).shape[1] == 5 and nn.Conv2d(3, 1, 3)(y).shape[1] == 1,
                         "one filter over 3 channels gives 1 map, five give 5"),
            "E40": exact(shuffled == 0 and plain > 0,
                         "pixels shuffled in each window of 2 x 2: pooled maps the same, channel by channel"),
            "E47": exact(one < 1e-5, f"a 1 x 1 from 64 to 32 maps is a dense layer at each pixel to {magnitude(one)}"),
            "E50": exact(tuple(grown.shape) == (1, 64, 6, 6) and "multiplied" in refused,
                         f"at 32 px the windows run on to 6 x 6 maps, and the dense head refuses: {refused}"),
        },
        (Listing("Largest differences", ["two ways", "difference"], [[n, magnitude(v)] for n, v in table.items()]),
         Pictures("A 3 x 3 on a 6 x 6 picture as a matrix, 16 x 36", {"": np.abs(matrix.numpy())}, side=360)),
    )  # fmt: skip


def _gap(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).detach().abs().max())


def _full(f: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    return F.conv2d(f, g.flip(3), padding=(0, g.shape[3] - 1))


def _slid(f: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    return F.conv2d(f, g, padding=(0, g.shape[3] - 1))


def _within_windows(random: torch.Generator) -> tuple[float, float]:
    x = torch.rand(1, 2, 4, 4, generator=random)
    windows = F.unfold(x, 2, stride=2).reshape(1, 2, 4, 4)  # channel, place in the window, window
    mixed = windows[:, :, torch.randperm(4, generator=random)]
    back = F.fold(mixed.reshape(1, 8, 4), 4, 2, stride=2)
    return _gap(F.max_pool2d(x, 2), F.max_pool2d(back, 2)), float((x - back).abs().max())


def _refusal(net: nn.Module) -> str:
    try:
        net(torch.zeros(1, 1, 32, 32))
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    return "it runs"


def borders(budget: Budget) -> Outcome:
    """How many windows use each pixel; sizes by the formula and as they are."""
    used = {}
    for padding in (0, 1):
        ones = torch.ones(1, 1, *[7 + 2 * padding - 2] * 2)
        used[padding] = F.conv_transpose2d(ones, torch.ones(1, 1, 3, 3), padding=padding)[0, 0].numpy()
    wrong = cases = broken = 0
    for n in range(3, 20):
        for k in range(1, 6):
            for s in range(1, 4):
                for p in range(3):
                    if n + 2 * p < k:
                        continue
                    cases += 1
                    found = F.conv2d(torch.zeros(1, 1, n, 1), torch.zeros(1, 1, k, 1), stride=s, padding=(p, 0))
                    told = window_size(n, k, stride=s, padding=p)
                    wrong += found.shape[2] != told.size
                    broken += bool(told.unused)
    text = f"windows on a corner pixel: {used[0][0, 0]:g} without padding, {used[1][0, 0]:g} with; in the middle 9"
    return Outcome(
        {
            "E28": exact(used[0][0, 0] == 1 and used[1][0, 0] == 4 and used[0][3, 3] == 9 == used[1][3, 3], text),
            "E29": exact(wrong == 0, f"{cases} settings of n, k, s and p: the formula is right in all; in {broken} the "
                                     "last pixels are never seen"),
        },
        (Pictures("Windows on each pixel of 7 x 7 under a 3 x 3", {"no padding": used[0], "padding 1": used[1]},
                  side=150),),
    )  # fmt: skip


LEARNT = ("laplacian", "gaussian-blur", "sharpen", "sobel-x")


def learnt_kernels(budget: Budget) -> Outcome:
    """A 3 x 3 that imitates a given kernel on one photograph."""
    picture = photo().double()
    far: dict[str, float] = {}
    shown: dict[str, np.ndarray] = {}
    for name in LEARNT:
        given = KERNELS.get(name).weights
        found = _imitated(picture, apply_kernel(picture, name))
        far[name] = float(np.abs(found - given).max())
        shown |= {name: given, f"{name}, learnt": found}
    told = "largest difference of a weight: " + ", ".join(f"{n} {magnitude(v)}" for n, v in far.items())
    return Outcome(
        {"E30": exact(max(far.values()) < 2e-3, told)},
        (Pictures("Given and learnt", shown, columns=4, side=110),),
    )


def _imitated(picture: torch.Tensor, wanted: torch.Tensor) -> np.ndarray:
    """The 3 x 3 whose answers on the picture are nearest to those wanted, by L-BFGS from zeros."""
    learnt = torch.zeros(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    steer = torch.optim.LBFGS(
        [learnt], max_iter=400, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )
    rim = (picture.shape[2] - wanted.shape[2]) // 2

    def loss() -> torch.Tensor:
        steer.zero_grad()
        answer = F.conv2d(picture, learnt, padding=1 - rim)
        value = ((answer - wanted)[..., 2:-2, 2:-2] ** 2).mean() * 1e3
        value.backward()
        return value

    steer.step(loss)
    return learnt.detach()[0, 0].numpy()


def detectors(budget: Budget) -> Outcome:
    """Kernels on a photograph; plus signs in noise; a template on two drawings, before and after ReLU."""
    picture = photo()
    names = ["edge-vertical", "edge-horizontal", "laplacian", "box-blur", "sharpen"]
    answers = {name: apply_kernel(picture, name)[0, 0] for name in names}
    rough = {name: float(answers[name].diff(dim=1).abs().mean()) for name in ("box-blur", "sharpen")}
    plain = float(picture[0, 0].diff(dim=1).abs().mean())
    grey = float(apply_kernel(torch.full((1, 1, 9, 9), 0.5), "laplacian")[..., 2:-2, 2:-2].abs().max())
    random = generator(32, 0)
    board = 0.2 * torch.rand(1, 1, 24, 24, generator=random)
    places = [(4, 5), (12, 17), (19, 8)]
    for r, c in places:
        board[0, 0, r - 1 : r + 2, c - 1 : c + 2] += torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]])
    board[0, 0, 8, 2:9] += 1.0
    board[0, 0, 14:21, 20] += 1.0
    answer = apply_kernel(board, "plus")[0, 0]
    offset = (24 - answer.shape[0]) // 2
    top = answer.flatten().topk(4)
    found = {(int(i) // answer.shape[1] + offset, int(i) % answer.shape[1] + offset) for i in top.indices[:3]}
    face, other = _drawing(True), _drawing(False)
    template = (face - face.mean()) / (face - face.mean()).norm()
    maps = {name: F.conv2d(x[None, None], template[None, None])[0, 0] for name, x in
            (("face", F.pad(face, (4, 4, 4, 4))), ("other", F.pad(other, (4, 4, 4, 4))))}  # fmt: skip
    bias = 0.7 * float(maps["face"].max())
    after = {name: F.relu(m - bias) for name, m in maps.items()}
    return Outcome(
        {
            "E31": exact(rough["box-blur"] < plain < rough["sharpen"] and grey < 1e-6,
                         f"steps between neighbours: {plain:.3f} in the picture, {rough['box-blur']:.3f} blurred, "
                         f"{rough['sharpen']:.3f} sharpened; the edge kernel gives {magnitude(grey)} on even grey"),
            "E32": exact(found == set(places), "the three highest answers are the three plus signs: "
                                               f"{top.values[2]:.1f} and more, the fourth {top.values[3]:.1f}"),
            "E34": exact(bool(after["face"].max() > 0) and not bool(after["other"].max() > 0),
                         f"highest answer on its own drawing {maps['face'].max():.1f}, on the other "
                         f"{maps['other'].max():.1f}; behind ReLU with a bias of -{bias:.1f} only its own is left"),
        },
        (Pictures("A photograph under five kernels", {"picture": picture[0, 0].numpy(), **{
            n: a.numpy() for n, a in answers.items()}}, side=130),
         Pictures("Plus signs among bars, and the answers", {"picture": board[0, 0].numpy(), "plus": answer.numpy(),
                  "face": face.numpy(), "other": other.numpy()}, side=130)),
    )  # fmt: skip


def _drawing(face: bool) -> torch.Tensor:
    board = torch.zeros(12, 12)
    board[2, 3:9] = board[10, 3:9] = board[3:10, 2] = board[3:10, 9] = 1.0
    if face:
        board[5, 4] = board[5, 7] = board[8, 5:7] = 1.0
        return board
    return board.roll((0, 3), (0, 1)).T.flip(0) * (torch.arange(12)[None] % 3 == 0)


EXPERIMENTS = (
    Experiment(
        "4.1",
        "What a convolution equals",
        ("E24", "E25", "E26", "E27", "E33", "E40", "E47", "E50"),
        "Random pictures and kernels.",
        laws,
        Budget(3),
        Budget(3),
        "all pairs agree to 1e-5",
    ),
    Experiment(
        "4.2",
        "Borders and sizes",
        ("E28", "E29"),
        "A picture of ones; every n, k, s, p up to 19, 5, 3, 2.",
        borders,
        Budget(4),
        Budget(4),
        "a corner is used once without padding, 4 times with it, and every size is the formula's",
    ),
    Experiment(
        "4.3",
        "Kernels can be learnt",
        ("E30",),
        "The flower of scikit-learn, 96 x 96; L-BFGS from zeros.",
        learnt_kernels,
        Budget(6),
        Budget(6),
        "no weight is off by 0.002",
    ),
    Experiment(
        "4.4",
        "Edges, blur, templates",
        ("E31", "E32", "E34"),
        "The flower; plus signs and bars in noise; two drawings.",
        detectors,
        Budget(3),
        Budget(3),
        "each kernel does what its name says",
    ),
)
