"""Group-equivariant nets: turn the picture, and every map turns with it; the answer stays.

T. Cohen, M. Welling, Group Equivariant Convolutional Networks, ICML 2016, arXiv 1602.07576; P4CNN of section 8.1.
The group G: p4 has the 4 quarter turns, p4m also their mirror images (8 elements). A map has one plane per element:

    [f ⋆ ψ](g) = Σ_x Σ_k f_k(x) ψ_k(g⁻¹x)                 first layer: pictures -> G        (equation 10)
    [f ⋆ ψ](g) = Σ_h Σ_k f_k(h) ψ_k(g⁻¹h)                 after it:    G -> G               (equation 11)

so the filter of plane t is ψ turned by t, and its own planes change places: plane s of it is plane t⁻¹s of ψ.

    conv 3x3, 10 maps x |G| | conv 3x3 | max-pool 2 | conv 3x3 x 4 | conv 4x4, K maps | mean over G and space

Letters: B batch, C maps, G elements of the group, H W, K classes. Exact where the pooling tiles the maps: even sides.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError


def transform(planes: torch.Tensor, element: int) -> torch.Tensor:
    """Element 0-3: as many quarter turns (counter-clockwise); 4-7: a left-right mirror first, then the turns.

    >>> transform(torch.tensor([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    mirrored = planes.flip(-1) if element >= 4 else planes
    return torch.rot90(mirrored, element % 4, (-2, -1))


def left_division(order: int) -> torch.Tensor:
    """G G: the index of t⁻¹s for every t (row) and s, found by letting the elements act on a picture without symmetry.

    >>> left_division(4)[1].tolist()  # one quarter turn back
    [3, 0, 1, 2]
    """
    picture = torch.arange(9, device="cpu").reshape(3, 3)  # values are compared, which the meta device cannot
    acted = [transform(picture, element) for element in range(order)]
    table = torch.empty(order, order, dtype=torch.long, device="cpu")
    for t in range(order):
        for s in range(order):
            # u = t⁻¹s is the element for which t(u(picture)) = s(picture).
            table[t, s] = next(u for u in range(order) if torch.equal(transform(acted[u], t), acted[s]))
    return table.to(torch.get_default_device())


class Lift(nn.Module):
    """Equation 10: pictures B C H W -> B C' G H' W'."""

    def __init__(self, in_maps: int, maps: int, size: int, order: int, padding: int = 0) -> None:
        super().__init__()
        self.order, self.padding = order, padding
        self.weight = nn.Parameter(
            nn.init.kaiming_uniform_(torch.empty(maps, in_maps, size, size), nonlinearity="relu")
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bank = torch.stack([transform(self.weight, t) for t in range(self.order)], dim=1)  # C' G C k k
        planes = F.conv2d(images, bank.flatten(0, 1), padding=self.padding)
        return planes.unflatten(1, (-1, self.order))


class GroupConv(nn.Module):
    """Equation 11: B C G H W -> B C' G H' W'."""

    division: torch.Tensor

    def __init__(self, in_maps: int, maps: int, size: int, order: int, padding: int = 0) -> None:
        super().__init__()
        self.order, self.padding = order, padding
        weight = torch.empty(maps, in_maps * order, size, size)
        self.weight = nn.Parameter(
            nn.init.kaiming_uniform_(weight, nonlinearity="relu").unflatten(1, (in_maps, order)).contiguous()
        )
        self.register_buffer("division", left_division(order), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turned = [transform(self.weight[:, :, self.division[t]], t) for t in range(self.order)]
        bank = torch.stack(turned, dim=1)  # C' G C G k k
        planes = F.conv2d(x.flatten(1, 2), bank.flatten(0, 1).flatten(1, 2), padding=self.padding)
        return planes.unflatten(1, (-1, self.order))


class Stage(nn.Sequential):
    """A group convolution, batch norm per map (its planes share it, or they would differ after a turn), ReLU."""

    def __init__(self, conv: nn.Module, maps: int, dropout: float) -> None:
        super().__init__(conv, nn.BatchNorm3d(maps), nn.ReLU(), nn.Dropout(dropout))


class GroupNet(nn.Module):
    """Pictures B C H W -> logits B K, the same for every turn (p4) or turn and mirror image (p4m) of the picture.

    A stage gives B C' G H W.
    """

    stages = ("stage1", "stage2", "stage3", "stage4", "stage5", "stage6")
    head = "classify"

    def __init__(
        self, num_classes: int, in_chans: int, img_size: tuple[int, int], *, order: int, maps: int, dropout: float
    ) -> None:
        super().__init__()
        # Below the paper's 28 pixels the windows would eat the maps up: pad, and end with a window of 3.
        padding = 0 if min(img_size) >= 28 else 1
        self.stage1 = Stage(Lift(in_chans, maps, 3, order, padding), maps, dropout)
        self.stage2 = Stage(GroupConv(maps, maps, 3, order, padding), maps, dropout)
        self.stage3 = Stage(GroupConv(maps, maps, 3, order, padding), maps, dropout)
        self.stage4 = Stage(GroupConv(maps, maps, 3, order, padding), maps, dropout)
        self.stage5 = Stage(GroupConv(maps, maps, 3, order, padding), maps, dropout)
        self.stage6 = Stage(GroupConv(maps, maps, 3, order, padding), maps, dropout)
        self.classify = GroupConv(maps, num_classes, 3 if padding else 4, order, padding)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stage2(self.stage1(images))  # B C' G H-4 W-4
        x = F.max_pool3d(x, (1, 2, 2))  # the group is not pooled yet
        x = self.stage6(self.stage5(self.stage4(self.stage3(x))))
        return self.classify(x).mean(dim=(2, 3, 4)) + self.bias  # B K

    def turned_channels(self, maps: torch.Tensor, degrees: float) -> torch.Tensor:
        """What turning the picture does to maps B C G H W beside turning them: their planes change places.

        Counter-clockwise; of other than quarter turns, the nearest.
        """
        return maps[:, :, left_division(maps.shape[2])[round(degrees / 90) % 4].to(maps.device)]


def group_cnn(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    order: int,
    maps: int = 10,
    dropout: float = 0.0,
) -> GroupNet:
    """P4CNN (`order` 4) or P4MCNN (`order` 8), with `maps` maps of `order` planes each."""
    if order not in (4, 8):
        raise UsageError(
            f"order must be 4 (turns) or 8 (turns and mirror images), got {order}",
            hint="the nets have it in their names: p4_cnn, p4m_cnn",
        )
    return GroupNet(num_classes, in_chans, img_size, order=order, maps=maps, dropout=dropout)


p4_cnn = partial(group_cnn, order=4)
p4m_cnn = partial(group_cnn, order=8, maps=7)
