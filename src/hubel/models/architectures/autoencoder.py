"""Nets that give a picture back: an autoencoder with a narrow waist, plain and variational, and the U-Net.

    autoencoder   conv 3x3 stride 2, 32 | conv 3x3 stride 2, 64 | dense, code of 32 | and the way back, mirrored
    vae           the same, but that the code is a normal distribution: D. Kingma, M. Welling, arXiv 1312.6114
    unet          O. Ronneberger, P. Fischer, T. Brox, MICCAI 2015, arXiv 1505.04597, figure 1, with padding

Both classify as well: the autoencoder from its code, the U-Net by the mean over the pixels of what it says of each.
Letters: B batch, C channels, H W, D numbers of the code, K classes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError


class Autoencoder(nn.Module):
    """Pictures -> code -> pictures: what passes the waist is what the net found worth keeping.

    `forward` gives logits B K, read from the code; `reconstruct` the picture, without bounds on its values, so that it
    fits normalised inputs; `errors` how far each picture is from its reconstruction, the usual score of strangeness.

    >>> net = autoencoder(num_classes=10, in_chans=1, img_size=(28, 28))
    >>> images = torch.zeros(2, 1, 28, 28)
    >>> net(images).shape, net.encode(images).shape, net.reconstruct(images).shape, net.errors(images).shape
    (torch.Size([2, 10]), torch.Size([2, 32]), torch.Size([2, 1, 28, 28]), torch.Size([2]))
    """

    stages = ("encoder.0", "encoder.2", "encoder.5")
    head = "classify"

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], code: int) -> None:
        super().__init__()
        self.img_size = img_size
        height, width = (-(-side // 4) for side in img_size)  # two strides of 2, rounded up
        self.encoder = nn.Sequential(
            nn.Conv2d(in_chans, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * height * width, code),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(code, 64 * height * width), nn.ReLU(), nn.Unflatten(1, (64, height, width)),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(32, in_chans, 4, stride=2, padding=1),
        )  # fmt: skip
        self.classify = nn.Linear(code, num_classes)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """The code of each picture, B D."""
        return self.encoder(images)

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """A picture for each code, B C H W."""
        height, width = self.img_size
        return self.decoder(code)[:, :, :height, :width]

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Each picture as the code remembers it, B C H W."""
        return self.decode(self.encode(images))

    def errors(self, images: torch.Tensor) -> torch.Tensor:
        """Mean square difference between each picture and its reconstruction, B."""
        return F.mse_loss(self.reconstruct(images), images, reduction="none").mean(dim=(1, 2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(self.encode(images))


class VariationalAutoencoder(Autoencoder):
    """An autoencoder whose code is a normal distribution with mean and variance: B D each.

    While it learns a code is drawn from it (`reconstruct_all` also tells mean and log-variance, for the loss `elbo`);
    afterwards `encode` and `reconstruct` take the mean. Codes drawn from N(0, 1) decode to new pictures.

    >>> net = vae(num_classes=10, in_chans=1, img_size=(28, 28))
    >>> [part.shape for part in net.reconstruct_all(torch.zeros(2, 1, 28, 28))]
    [torch.Size([2, 1, 28, 28]), torch.Size([2, 32]), torch.Size([2, 32])]
    """

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], code: int) -> None:
        super().__init__(num_classes, in_chans, img_size, code)
        height, width = (-(-side // 4) for side in img_size)
        self.log_variance = nn.Linear(64 * height * width, code)
        nn.init.zeros_(self.log_variance.weight)  # a deviation of e^-1 for every picture at first
        nn.init.constant_(self.log_variance.bias, -2.0)

    def reconstruct_all(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Each picture from a code that is drawn, with mean and log-variance of its code: B C H W, B D, B D."""
        inner = self.encoder[:-1](images)
        mean, log_variance = self.encoder[-1](inner), self.log_variance(inner).clamp(-20, 10)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decode(code), mean, log_variance


class DoubleConv(nn.Sequential):
    """Twice convolution 3x3 and ReLU; padded, so that sizes stay, and with batch norm, as all do since."""

    def __init__(self, in_maps: int, maps: int) -> None:
        super().__init__(
            nn.Conv2d(in_maps, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(),
            nn.Conv2d(maps, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    """Down and up again, with a bridge at each level: `segment` answers for every pixel, `forward` for the picture.

    >>> net = unet(num_classes=3, in_chans=1, img_size=(28, 28), maps=4)
    >>> net.segment(torch.zeros(2, 1, 28, 28)).shape, net(torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 3, 28, 28]), torch.Size([2, 3]))
    """

    head = "classify"

    def __init__(self, num_classes: int, in_chans: int, maps: int, levels: int) -> None:
        super().__init__()
        widths = [maps << level for level in range(levels)]
        self.down = nn.ModuleList(
            DoubleConv(before, after) for before, after in zip([in_chans, *widths], widths, strict=False)
        )
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(width, width // 2, 2, stride=2) for width in widths[:0:-1])
        self.up = nn.ModuleList(DoubleConv(width, width // 2) for width in widths[:0:-1])
        self.classify = nn.Conv2d(maps, num_classes, 1)
        self.stages = tuple(f"down.{level}" for level in range(levels)) + tuple(f"up.{n}" for n in range(levels - 1))

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of every pixel, B K H W."""
        x = images
        bridges: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))  # B C' H/2^level W/2^level
            bridges.append(x)
        bridges.pop()
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            bridge = bridges.pop()
            x = enlarge(x)
            missing = (0, bridge.shape[3] - x.shape[3], 0, bridge.shape[2] - x.shape[2])  # odd sides lost a pixel
            x = block(torch.cat([bridge, F.pad(x, missing)], dim=1))
        return self.classify(x)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.segment(images).mean(dim=(2, 3))


def autoencoder(*, num_classes: int, in_chans: int, img_size: tuple[int, int], code: int = 32) -> Autoencoder:
    """An autoencoder with a code of `code` numbers; raises UsageError for a code below 1."""
    if code < 1:
        raise UsageError(f"code must be at least 1, got {code}", hint="32 is usual")
    return Autoencoder(num_classes, in_chans, img_size, code)


def vae(*, num_classes: int, in_chans: int, img_size: tuple[int, int], code: int = 32) -> VariationalAutoencoder:
    """The same, variational; raises UsageError for a code below 1."""
    if code < 1:
        raise UsageError(f"code must be at least 1, got {code}", hint="32 is usual")
    return VariationalAutoencoder(num_classes, in_chans, img_size, code)


def unet(*, num_classes: int, in_chans: int, img_size: tuple[int, int], maps: int = 64, levels: int = 5) -> UNet:
    """U-Net with `maps` maps at the top and `levels` levels, or as many as the picture can be halved."""
    fitting = min(levels, min(img_size).bit_length())
    return UNet(num_classes, in_chans, maps, fitting)
