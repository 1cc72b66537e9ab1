"""Neocognitron: K. Fukushima, Neocognitron: A Self-organizing Neural Network Model for a Mechanism of Pattern
Recognition Unaffected by Shift in Position, Biological Cybernetics 36, 1980. No back-propagation: planes compete.

    S-cell   u_S = r φ[ (1 + Σ a u_C) / (1 + 2r/(1+r) b v_C) - 1 ],  φ = max(0, ·)            (equation 1)
    v-cell   v_C = sqrt(Σ c u_C²): how much is there at all                                     (equation 3)
    C-cell   u_C = ψ[ Σ d u_S ],  ψ(x) = x / (x + α): whether the feature is there, hardly where (equation 5, 6)

    Learning (section 3): in each hypercolumn the S-cell that answers most is a candidate, of each plane only its best
    is kept; that seed's weights grow by  Δa = q c u_C,  Δb = (q/2) v_C,  and the whole plane shares them.

Three modules of an S- and a C-layer, as in the paper, with windows for pictures up to 28 pixels (planes in brackets):

    U_S1 5x5 [16]   U_C1 5x5 stride 2    U_S2 5x5 [60]   U_C2 5x5 stride 2    U_S3 5x5 [200]   U_C3 all positions

Departures: a plane is born from a feature that no plane answers to (Fukushima 1988) instead of from random weights;
contrast is extracted before U_S1 by a difference of means; the layers learn one after the other; the C-cells' lateral
inhibition is left out. What the paper reads from U_C3 by eye, `classify` reads here by a dense layer with labels.

>>> net = neocognitron(num_classes=3, in_chans=1, img_size=(16, 16))
>>> net.organise(torch.rand(8, 1, 16, 16))[0]  # planes taken in the first layer; no labels
16
>>> net(torch.rand(2, 1, 16, 16)).shape
torch.Size([2, 3])
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.layers import largest

Q = 200.0
"""Speed of learning; after one lesson a plane already answers selectively."""


GAIN = 30.0
"""Brings the answers of U_C3, a few hundredths for most pictures, to the size that a dense layer learns well from."""


class SLayer(nn.Module):
    """Planes of S-cells: B C H W -> B P H W. Weights are learned by `organise`, not by gradients."""

    a: torch.Tensor
    b: torch.Tensor
    c: torch.Tensor
    taken: torch.Tensor
    learned = ("a", "b")

    def __init__(self, in_planes: int, planes: int, size: int, selectivity: float) -> None:
        super().__init__()
        self.size, self.r = size, selectivity
        line = torch.exp(-(torch.linspace(-1.2, 1.2, size) ** 2))
        window = torch.outer(line, line)
        self.register_buffer("c", (window / (window.sum() * in_planes)).expand(1, in_planes, -1, -1).clone())
        # Before it has learned, a cell answers a little to everything, as in the paper: small a, no inhibition.
        self.register_buffer("a", torch.rand(planes, in_planes, size, size) * self.c * 0.1)
        self.register_buffer("b", torch.zeros(planes))
        self.register_buffer("taken", torch.zeros((), dtype=torch.long))

    def inhibition(self, x: torch.Tensor) -> torch.Tensor:
        """v_C: B 1 H W."""
        return torch.sqrt(F.conv2d(x.square(), self.c, padding=self.size // 2) + 1e-12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        excitation = 1 + F.conv2d(x, self.a, padding=self.size // 2)
        damping = 1 + (2 * self.r / (1 + self.r)) * self.b[None, :, None, None] * self.inhibition(x)
        return self.r * F.relu(excitation / damping - 1)

    @torch.no_grad()
    def organise(self, x: torch.Tensor, column: int) -> int:
        """One picture 1 C H W: reinforce the winners, open a plane where nobody answers; planes taken so far."""
        patches = F.unfold(x, self.size, padding=self.size // 2)[0].T.unflatten(1, (x.shape[1], self.size, self.size))
        v = self.inhibition(x).flatten()  # H·W
        seen = v > 0.5 * v.max()  # a seed must see something
        if self.taken and v.max() > 0:
            answer = self(x)[0, : int(self.taken)]  # P H W
            best = F.max_pool2d(answer[None], column, stride=1, padding=column // 2)
            wins = (best[0] == answer) & (answer == answer.amax(0)) & (answer > 0)
            strengths = torch.where(wins, answer, 0.0).flatten(1)
            for plane in torch.nonzero(strengths.amax(1) > 0).flatten().tolist():
                self._reinforce(plane, patches, v, int(strengths[plane].argmax()))
            # Whoever answers speaks for its neighbourhood.
            spoken = F.max_pool2d(answer.amax(0)[None, None], column, stride=1, padding=column // 2)[0, 0] > 0
            seen &= ~spoken.flatten()
        while int(self.taken) < len(self.a) and bool(seen.any()):
            spot = int(torch.where(seen, v, -1.0).argmax())
            plane = int(self.taken)
            self.a[plane] = 0.0
            self._reinforce(plane, patches, v, spot)
            self.taken += 1
            if int(self.taken) == len(self.a):
                break
            seen &= ~(self(x)[0, plane] > 0).flatten()
            seen[spot] = False
        return int(self.taken)

    def _reinforce(self, plane: int, patches: torch.Tensor, v: torch.Tensor, place: int) -> None:
        self.a[plane] += Q * self.c[0] * patches[place]
        self.b[plane] += Q / 2 * v[place]


class CLayer(nn.Module):
    """Blurs and thins out the planes: B P H W -> B P H/2 W/2."""

    d: torch.Tensor

    def __init__(self, size: int = 5, alpha: float = 0.1) -> None:
        super().__init__()
        self.alpha = alpha
        line = torch.exp(-(torch.linspace(-1.2, 1.2, size) ** 2))
        self.register_buffer("d", (torch.outer(line, line) / line.sum() ** 2)[None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = self.d.shape[-1]
        total = F.conv2d(x, self.d.expand(x.shape[1], 1, -1, -1), stride=2, padding=size // 2, groups=x.shape[1])
        return total / (total + self.alpha)


class Neocognitron(nn.Module):
    """Pictures B C H W -> logits B K; `organise` first, on pictures without labels, then train the head."""

    stages = ("c1", "c2", "s3")
    head = "classify"
    prepares_from = 400

    def __init__(self, num_classes: int, in_chans: int, planes: tuple[int, int, int]) -> None:
        super().__init__()
        self.s1 = SLayer(2 * in_chans, planes[0], 5, selectivity=5.0)
        self.c1 = CLayer()
        self.s2 = SLayer(planes[0], planes[1], 5, selectivity=2.5)
        self.c2 = CLayer()
        self.s3 = SLayer(planes[1], planes[2], 5, selectivity=2.0)
        self.classify = nn.Linear(planes[2], num_classes)

    def contrast(self, images: torch.Tensor) -> torch.Tensor:
        """Light on dark and dark on light: a pixel against the mean around it, B 2C H W."""
        difference = images - F.avg_pool2d(images, 7, stride=1, padding=3, count_include_pad=False)
        return torch.cat([F.relu(difference), F.relu(-difference)], dim=1)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """U_C3: how strongly each plane of the last layer answers anywhere, B P."""
        x = self.c2(self.s2(self.c1(self.s1(self.contrast(images)))))
        return largest(self.s3(x))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)
        return self.classify(GAIN * x / (x + 0.5))

    def prepare_from(self, images: torch.Tensor) -> None:
        """Learn what is learned without labels, from pictures N C H W, once before the head is trained."""
        self.organise(images)

    @torch.no_grad()
    def organise(self, images: torch.Tensor) -> tuple[int, int, int]:
        """Self-organise on pictures N C H W, layer after layer, without labels; planes taken in each."""
        x = self.contrast(images)
        taken = []
        for s, c, column in ((self.s1, self.c1, 5), (self.s2, self.c2, 5), (self.s3, nn.Identity(), 7)):
            for one in x:
                s.organise(one[None], column)
            taken.append(int(s.taken))
            x = torch.cat([c(s(part)) for part in x.split(64)])
        return taken[0], taken[1], taken[2]


def neocognitron(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], planes: tuple[int, int, int] = (16, 60, 200)
) -> Neocognitron:
    """A neocognitron with `planes` planes in U_S1, U_S2, U_S3."""
    if len(planes) != 3 or min(planes) < 1:
        raise UsageError(
            f"planes must be three numbers of at least 1, got {planes!r}", hint="the usual are (16, 60, 200)"
        )
    return Neocognitron(num_classes, in_chans, (planes[0], planes[1], planes[2]))
