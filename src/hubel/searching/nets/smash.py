"""SMASH: another net looks at an architecture and says its weights; nets are ranked with them, none being trained.

A. Brock, T. Lim, J. Ritchie, N. Weston, SMASH: One-Shot Model Architecture Search through HyperNetworks,
arXiv:1708.05344 (ICLR 2018). Each batch draws another path (`one_shot`), the hypernet gives its kernels, and the error
goes through them into the hypernet. As in the paper, gains of norms and the head are learnt themselves, and a generated
kernel is divided by its length. The paper generates one tensor of 1x1 kernels by a convolutional net that reads a
drawing of the architecture; here a dense net reads the path, and a kernel is a mixture of a few that are learnt:

    m = mix(relu(read(code of the path)))      P numbers for each place; the code has a 1 for each choice of the path
    kernel = length Σ_p m_p basis_p / |Σ_p m_p basis_p|                  length: that with which a net begins

With P = 1 it would be a net of shared weights. What it has more: the kernel of a layer may depend on what stands before
and after it.

>>> from dataclasses import replace
>>> torch.manual_seed(0) and None
>>> choices = ["conv 3", "conv 5", "sep 3", "sep 5"]
>>> space = PathSpace.read({"stages": [16, 32], "places": [choices, [*choices, "res 3", "none"]]})
>>> net = Generated(replace(space, side=8), 1, 10)
>>> net(torch.zeros(2, 1, 8, 8), ("conv 3", "none", "sep 5", "res 3")).shape
torch.Size([2, 10])
>>> paths = [("conv 3", "none", last, "none") for last in ("sep 3", "conv 5")]
>>> here, there = (net.kernels(path)["places.0.conv 3.0.weight"] for path in paths)
>>> torch.equal(here, there)
False
"""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from hubel.searching.nets.one_shot import Shared
from hubel.searching.nets.paths import Path, PathSpace

PARTS = 4
"""Kernels that a kernel is mixed of."""
HIDDEN = 64


class Generated(nn.Module):
    """All paths at once, their kernels said by a hypernet: images B C H W and a path -> logits B K."""

    def __init__(self, space: PathSpace, channels: int, classes: int) -> None:
        """For the paths of a space, and pictures of `channels`."""
        super().__init__()
        self.space = space
        self.choices = space.places
        self.body = Shared(space, channels, classes)
        self.basis = nn.ParameterDict()
        self.length: dict[str, float] = {}
        for name, kernel in list(self.body.named_parameters()):
            if kernel.ndim == 4:
                more = [nn.init.kaiming_uniform_(torch.empty_like(kernel), 5**0.5) for _ in range(PARTS - 1)]
                self.basis[_key(name)] = nn.Parameter(torch.stack([kernel.detach(), *more]))
                self.length[name] = float(kernel.detach().norm())
                kernel.requires_grad_(False)  # another takes its place at every step
        self.read = nn.Linear(sum(map(len, self.choices)), HIDDEN)
        self.mix = nn.Linear(HIDDEN, len(self.choices) * PARTS)

    def code(self, path: Path) -> torch.Tensor:
        """A path as numbers: 1 for what stands at each place, 0 for what does not."""
        said = [float(one == choice) for these, choice in zip(self.choices, path, strict=True) for one in these]
        return torch.tensor(said, device=self.read.weight.device)

    def kernels(self, path: Path) -> dict[str, torch.Tensor]:
        """The kernels of a path, by name."""
        mixture = self.mix(self.read(self.code(path)).relu()).view(-1, PARTS)
        found = {}
        for place, choice in enumerate(path):
            for name, length in self.length.items():
                if name.startswith(f"places.{place}.{choice}."):
                    kernel = torch.tensordot(mixture[place], self.basis[_key(name)], dims=1)
                    found[name] = kernel * (length / (kernel.norm() + 1e-8))
        return found

    def forward(self, images: torch.Tensor, path: Path) -> torch.Tensor:
        """What the net of a path says, with the kernels that are generated for it."""
        out: torch.Tensor = functional_call(self.body, self.kernels(path), (images, path))
        return out


def _key(name: str) -> str:
    return name.replace(".", "/")
