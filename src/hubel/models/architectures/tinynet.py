"""TinyNet: EfficientNet-B0 made smaller the other way, giving up width before resolution and depth.

K. Han, Y. Wang, Q. Zhang, W. Zhang, C. Xu, T. Zhang, Model Rubik's Cube: Twisting Resolution, Depth and Width for
TinyNets, NeurIPS 2020, arXiv 2010.14819, table 3, with the factors of the authors' code:

              resolution   width w   depth d
    TinyNet-A 192          1.00      1.2
    TinyNet-B 188          0.75      1.1
    TinyNet-C 184          0.54      0.85
    TinyNet-D 152          0.54      0.695
    TinyNet-E 106          0.51      0.60

The stem keeps 32 maps and the top 1280; layers are rounded to the nearest. The rest is efficientnet.py.
"""

from __future__ import annotations

from functools import partial

from hubel.models.architectures.efficientnet import TABLE_1, EfficientNet
from hubel.models.shared import is_small

FACTORS = {"a": (1.0, 1.2), "b": (0.75, 1.1), "c": (0.54, 0.85), "d": (0.54, 0.695), "e": (0.51, 0.60)}


def tinynet(
    letter: str,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float = 0.2,
) -> EfficientNet:
    """TinyNet-A to -E; images of up to 64 pixels skip two halvings (`stem`: full, small)."""
    w, d = FACTORS[letter]
    return EfficientNet(
        w,
        [max(1, round(count * d)) for *_, count in TABLE_1],
        num_classes=num_classes,
        in_chans=in_chans,
        small=is_small(img_size, stem),
        dropout=dropout,
        drop_path=0.0,
        stem_maps=32,
        top=1280,
    )


tinynet_a = partial(tinynet, "a")
tinynet_b = partial(tinynet, "b")
tinynet_c = partial(tinynet, "c")
tinynet_d = partial(tinynet, "d")
tinynet_e = partial(tinynet, "e")
