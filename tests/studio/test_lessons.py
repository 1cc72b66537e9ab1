"""The lessons of the studio: their calculations are those of hubel's own, and each page works by keys."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chromium import Chromium
from hubel.errors import UsageError
from hubel.lessons.descent import SURFACES, race
from hubel.lessons.shapes import transposed_size, window_size
from hubel.nn.activations import build_activation
from hubel.nn.kernels import KERNELS, apply_kernel
from hubel.nn.optimisers import build_optimiser
from studio.node import needs_node, run
from studio.test_pages import fits, look
from studio.test_playground import clean, press

SIZES = list(itertools.product((1, 4, 7, 12), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)))
SETTINGS = [(n, k, s, p, d) for n, k, s, p, d in SIZES if n <= 7 and k <= 3]
RULES = {"gd": 0.01, "momentum": 0.01, "rmsprop": 0.02, "adam": 0.1}
ACTS = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "leaky": "leaky-relu", "elu": "elu", "silu": "silu", "gelu": "gelu", "softplus": "softplus"}  # fmt: skip # noqa: E501

ASKED = """
import { CURVES, descend, KERNELS, laid, slid, SURFACES, transposedSize, windowSize } from 'WEB/net/teach.js';
import { ACTIVATIONS } from 'WEB/net/activations.js';
const weights = (k) => k.rows.map((row) => row.map((v) => v / (k.over ?? 1)));
console.log(JSON.stringify({
  sizes: given.sizes.map((a) => { const w = windowSize(...a), t = transposedSize(...a); return [w.wrong ? -1 : w.size, w.unused, t.wrong ? -1 : t.size]; }),
  kernels: Object.fromEntries(Object.entries(KERNELS).map(([name, k]) => [name, [weights(k), [...laid(given.picture, 9, 7, weights(k))]]])),
  slid: given.slid.map(({ kind, input, kernel, s, p, d, size }) => Array.from({ length: size * size }, (_, i) => slid(kind, input, kernel, Math.floor(i / size), i % size, s, p, d).value)),
  paths: Object.fromEntries(Object.entries(SURFACES).map(([name, surface]) => [name, Object.fromEntries(given.rules.map(([rule, rate]) => [rule, descend(surface, rule, rate, 20).map((q) => [q.x, q.y, q.value])]))])),
  acts: Object.fromEntries(given.acts.map((name) => [name, given.z.map((z) => { const a = ACTIVATIONS[name], y = a.value(z); return [y, a.slope(z, y)]; })])),
  curves: Object.fromEntries(Object.entries(CURVES).map(([name, c]) => [name, Array.from({ length: 50 }, (_, i) => { const v = c.from + ((c.to - c.from) * (i + 0.5)) / 50.3, e = 1e-6; return [(c.f(v + e) - c.f(v - e)) / (2 * e), c.slope(v)]; })])),
}));
"""  # noqa: E501


def expected(n: int, k: int, s: int, p: int, d: int) -> list[int]:
    def size(of: Any, *arguments: int, **more: int) -> tuple[int, int]:
        try:
            found = of(*arguments, **more)
        except UsageError:
            return -1, 0
        return found.size, found.unused

    window, unused = size(window_size, n, k, stride=s, padding=p, dilation=d)
    return [window, unused, size(transposed_size, n, k, stride=s, padding=p, dilation=d)[0]]


def windows() -> list[tuple[dict[str, Any], torch.Tensor]]:
    """What is slid in the page, and what torch makes of the same."""
    torch.manual_seed(0)
    found: list[tuple[dict[str, Any], torch.Tensor]] = []
    for n, k, s, p, d in SETTINGS:
        x, w = torch.randn(1, 1, n, n), torch.randn(1, 1, k, k)
        ways = {
            "conv": lambda: F.conv2d(x, w, stride=s, padding=p, dilation=d),  # noqa: B023
            "max": lambda: F.max_pool2d(x, k, s, p, d),  # noqa: B023
            "mean": lambda: F.avg_pool2d(x, k, s, p),  # noqa: B023
            "transposed": lambda: F.conv_transpose2d(x, w, stride=s, padding=p, dilation=d),  # noqa: B023
        }
        for kind, of in ways.items():
            if kind == "mean" and d > 1:
                continue
            try:
                made = of()
            except RuntimeError:
                continue
            if made.numel() and bool(made.isfinite().all()):  # a maximum of nothing but padding is none
                asked = {"kind": kind, "input": x[0, 0].tolist(), "kernel": w[0, 0].tolist(), "s": s, "p": p, "d": d}
                found.append(({**asked, "size": made.shape[-1]}, made.flatten()))
    return found


@needs_node
class TestCalculations:
    @classmethod
    def asked(cls) -> dict[str, Any]:
        if not hasattr(cls, "found"):
            torch.manual_seed(1)
            cls.picture, cls.z, cls.windows = torch.rand(7, 9), torch.linspace(-3.9, 4.1, 33).tolist(), windows()
            cls.found = run(ASKED, {
                "sizes": SIZES, "picture": cls.picture.flatten().tolist(), "slid": [asked for asked, _ in cls.windows],
                "rules": list(RULES.items()), "acts": list(ACTS), "z": cls.z,
            })  # fmt: skip
        return cls.found

    def test_sizes_are_those_of_hubel_and_what_does_not_fit_is_said(self) -> None:
        assert self.asked()["sizes"] == [expected(*each) for each in SIZES]

    def test_kernels_are_those_of_hubel_and_give_the_same_picture(self) -> None:
        found = self.asked()["kernels"]
        assert len(found) > 10
        for name, (weights, answer) in found.items():
            np.testing.assert_allclose(weights, KERNELS[name].weights)
            theirs = apply_kernel(self.picture[None, None], name)[0, 0].flatten()
            np.testing.assert_allclose(answer, theirs, atol=1e-5, err_msg=name)

    def test_each_window_is_what_torch_computes(self) -> None:
        found = self.asked()["slid"]
        assert len(found) > 100
        for (asked, theirs), ours in zip(self.windows, found, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=str(asked))

    def test_paths_are_those_of_torch_s_optimisers(self) -> None:
        paths = self.asked()["paths"]
        assert set(paths) == set(SURFACES)
        for name, surface in SURFACES.items():
            ways = {
                rule: (lambda m, rule=rule, rate=rate: build_optimiser(rule, m, lr=rate))
                for rule, rate in RULES.items()
            }
            for path in race(surface, ways, steps=20):
                ours = np.array(paths[name][path.name])
                assert len(ours) == len(path.points), (name, path.name)
                np.testing.assert_allclose(
                    ours[:, :2], path.points, rtol=1e-5, atol=1e-5, err_msg=f"{name} {path.name}"
                )

    def test_activations_and_their_slopes_are_those_of_torch(self) -> None:
        for name, rows in self.asked()["acts"].items():
            z = torch.tensor(self.z, dtype=torch.float64, requires_grad=True)
            y = nn.GELU("tanh")(z) if name == "gelu" else build_activation(ACTS[name])(z)
            (slope,) = torch.autograd.grad(y.sum(), z)
            np.testing.assert_allclose(np.array(rows), torch.stack([y.detach(), slope], 1), atol=1e-6, err_msg=name)

    def test_the_slope_of_a_loss_is_its_slope(self) -> None:
        for name, rows in self.asked()["curves"].items():
            by_difference, said = np.array(rows).T
            np.testing.assert_allclose(said, by_difference, rtol=1e-4, atol=1e-4, err_msg=name)


def opened(browser: Chromium, place: str, words: str) -> None:
    browser.open(f"{place}/playground.html?{abs(hash(words))}#/lessons?{words}")
    browser.until("document.documentElement.dataset.lesson")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("words", "selector", "key", "said"),
    [
        ("lesson=kernels&kernel=sobel-x", "figure .big canvas", "ArrowDown", "At row 53, column 22"),
        ("lesson=windows&kind=conv&n=5&k=3&s=2&p=1&d=1", "", "", "floor((5 + 2·1 − 1·(3 − 1) − 1) / 2) + 1 = 3"),
        ("lesson=windows&n=2&k=5", "", "", "does not fit into an input"),
        ("lesson=windows&n=6&k=3&s=2", "", "", "the last 1 pixel of the input is never seen"),
        ("lesson=descent&surface=bowl", "canvas.surface", "ArrowRight", "from (−1.4, 1)"),
        ("lesson=curves&activation=step", "canvas.plot", "ArrowLeft", "no gradient passes it"),
    ],
)
def test_a_lesson_shows_its_numbers(
    browser: Chromium, place: str, words: str, selector: str, key: str, said: str
) -> None:
    opened(browser, place, words)
    if key:
        press(browser, key, selector)
    browser.until(f"document.querySelector('main').textContent.includes({said!r})")
    fits(browser)
    look(browser, words.split("&")[0].replace("=", "-"))
    clean(browser, place)
